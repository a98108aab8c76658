//! `[vip.NAME]`

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::{Target, Track, Tracked, Vip};
use evenkeel_core::vrrp::packet::{ChecksumForm, Password};
use evenkeel_core::vrrp::policy::{Policy, Preempt};
use evenkeel_core::vrrp::signature::{Key, Keys, Mode};
use evenkeel_core::vrrp::track::Weight;
use evenkeel_core::vrrp::{RouterId, Version};

use super::pool::Directory;
use super::table::{Reader, Wrong, note, wrong};
use super::value::{Choice, boolean, duration, expected, integer, text};
use super::{Bench, check, word};
use crate::document::{Kind, Value};
use crate::finding::{Finding, Place};

/// Each has a thread, and its adverts are read by those of all others on its link.
const MOST_VIPS: usize = 64;
/// Each is announced five times at once; more are a network, which is routed.
const MOST_ADDRESSES: usize = 32;
/// Each is sent a packet of its own with each advert.
const MOST_PEERS: usize = 16;
/// What the kernel holds of the name of an interface, and of a label.
const LONGEST_INTERFACE: usize = 15;

/// What most pairs have.
const PRIORITY: u8 = 100;
const INTERVAL: Duration = Duration::from_secs(1);
/// `advertise = "fast"`: the next owner is there in less than half a second.
const FAST_INTERVAL: Duration = Duration::from_millis(100);
/// What an advert can say (RFC 9568 §5.2.7, RFC 3768 §5.3.7).
const LEAST_INTERVAL: Duration = Duration::from_millis(10);
const MOST_INTERVAL: Duration = Duration::from_millis(40_950);
const MOST_INTERVAL_V2: Duration = Duration::from_secs(255);
/// Each has a thread that looks.
const MOST_TRACKED: usize = 16;
/// One of these stands in each thing that is tracked.
const TRACKED: [&str; 3] = ["pool", "reach", "command"];
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longer than nearly all requests take, and no trouble to whoever waits for a node to end.
const DRAIN: Duration = Duration::from_secs(5);
/// What an owner needs beside that to ask its clients to leave, and to be followed.
const HANDING_OVER: Duration = Duration::from_secs(5);
/// Who has asked for a move waits for it within a call, which ends after a minute.
const MOST_DRAIN: Duration = Duration::from_secs(40);
/// With white space around it; a secret has 128 digits at most.
const MOST_SECRET_BYTES: usize = 1_024;

const CHECKSUM: Choice<ChecksumForm> = Choice {
    words: &[("pseudo-header", ChecksumForm::WithPseudoHeader), ("plain", ChecksumForm::Plain)],
    later: &[],
};
const SIGNATURES: Choice<Mode> = Choice {
    words: &[("accept-any", Mode::AcceptAny), ("prefer", Mode::Prefer), ("require", Mode::Require)],
    later: &[],
};

/// What has been compiled, and where it was written.
#[derive(Debug)]
struct Written {
    vip: Vip,
    place: Place,
}

/// Every virtual address. `has_pair`: there is a second path to another node.
pub(super) fn vips(
    root: &mut Reader<'_>,
    bench: Bench<'_>,
    pools: &Directory,
    has_pair: bool,
) -> Vec<Vip> {
    let mut written: Vec<Written> = Vec::new();
    for (entry, reader) in root.named("vip") {
        if written.len() == MOST_VIPS {
            reader.fault(entry.key_place, wrong(format!("at most {MOST_VIPS} virtual addresses")));
            break;
        }
        let name = note(bench.notes, entry.key_place, word::name(&entry.key));
        let name = name.unwrap_or_else(|| entry.key.as_str().into());
        if let Some(vip) = vip(name, reader, bench, pools, has_pair) {
            let found = Written { vip, place: entry.key_place };
            clash(&found, &written, bench);
            written.push(found);
        }
    }
    written.into_iter().map(|written| written.vip).collect()
}

/// Two that cannot be told apart on their link.
fn clash(new: &Written, before: &[Written], bench: Bench<'_>) {
    for Written { vip, place } in before.iter().filter(|it| it.vip.interface == new.vip.interface) {
        let (name, one, other) = (&vip.name, &vip.policy, &new.vip.policy);
        if one.router_id == other.router_id && one.is_v4() == other.is_v4() {
            let reason = format!("`vip.{name}` has the same `router_id` on the same interface");
            bench.notes.add(Finding::fault(new.place, reason).also(*place, "the first one"));
        }
        if let Some(address) = one.addresses.iter().find(|it| other.addresses.contains(it)) {
            let reason = format!("`vip.{name}` has the address {address} as well");
            bench.notes.add(Finding::fault(new.place, reason).also(*place, "the first one"));
        }
    }
}

fn vip(
    name: Arc<str>,
    mut reader: Reader<'_>,
    bench: Bench<'_>,
    pools: &Directory,
    has_pair: bool,
) -> Option<Vip> {
    let help = "the address with its prefix, such as `address = \"192.0.2.10/24\"`";
    let addresses = reader.need("address", help, addresses);
    let help = "the interface it is on, such as `interface = \"eth0\"`";
    let interface = reader.need("interface", help, interface);
    let help = "the number all its nodes have in common, such as `router_id = 51`";
    let router_id = reader.need("router_id", help, integer(1..=u8::MAX));
    let is_v4 = addresses.as_ref().is_none_or(|all| all.iter().all(|(it, _)| it.is_ipv4()));
    let version = version(&mut reader, is_v4);
    let of_family = |value: &Value| own_address(value, is_v4);
    let peers = reader.filled("peers", "leave `peers` out to speak to the group", of_family);
    let peers: Vec<IpAddr> = peers.unwrap_or_default().into_iter().map(|(_, it)| it).collect();
    if peers.len() > MOST_PEERS {
        reader.fault(reader.place, wrong(format!("at most {MOST_PEERS} peers")));
    }
    let priority = reader.read("priority", integer(1..=u8::MAX)).unwrap_or(PRIORITY);
    let source = reader.read("source", of_family);
    let label = reader.read("label", |value| label(value, interface.as_deref(), is_v4));
    let checksum = reader.read("checksum", |value| CHECKSUM.read(value)).unwrap_or_default();
    let preempt = reader.read("preempt", preempt).unwrap_or_default();
    let interval = reader.read("advertise", |value| interval(value, version)).unwrap_or(INTERVAL);
    let password = password(&mut reader, version);
    let signatures = signatures(&mut reader, bench);
    let has_command = reader.entry("command").is_some();
    let command = has_command.then(|| check::exec(&mut reader, bench)).flatten();
    if has_command {
        reader.misplaced(&["label"], "means nothing with `command`: no address is added here");
    }
    let track = track(&mut reader, bench, pools);
    let witnesses = witnesses(&mut reader);
    let look_every = reader.read("look_every", duration).unwrap_or(LOOK_EVERY);
    let drain = reader.read("drain", drain).unwrap_or(DRAIN);
    reader.finish();
    let (addresses, prefixes): (Vec<IpAddr>, Vec<u8>) = addresses?.into_iter().unzip();
    let policy = Policy {
        version,
        router_id: RouterId::new(router_id?)?,
        addresses,
        priority,
        interval,
        preempt,
        asking: if has_pair { drain + HANDING_OVER } else { Duration::ZERO },
        peers,
        password,
        has_witnesses: !witnesses.is_empty(),
    };
    let (policy, interface) = (Arc::new(policy), interface?);
    Some(Vip {
        name,
        interface,
        policy,
        prefixes,
        label,
        source,
        checksum,
        signatures,
        command,
        track,
        witnesses,
        look_every,
        drain,
    })
}

/// `track = [{ pool = "app" }, { reach = "192.0.2.254", weight = 50 }]`
fn track(reader: &mut Reader<'_>, bench: Bench<'_>, pools: &Directory) -> Vec<Track> {
    let Some(entry) = reader.entry("track") else { return Vec::new() };
    let Kind::List(items) = &entry.value.kind else {
        let help = "such as `track = [{ pool = \"app\" }]`";
        reader.fault(entry.value.place, expected("a list", &entry.value).help(help));
        return Vec::new();
    };
    if items.len() > MOST_TRACKED {
        reader.fault(entry.value.place, wrong(format!("at most {MOST_TRACKED} things")));
        return Vec::new();
    }
    let items = items.iter().filter_map(|item| reader.item(item, "track"));
    items.filter_map(|item| tracked(item, bench, pools)).collect()
}

fn tracked(mut reader: Reader<'_>, bench: Bench<'_>, pools: &Directory) -> Option<Track> {
    let pool = reader.read("pool", |value| {
        pools.find(value)?;
        text(value).map(|name| Tracked::Pool(name.into()))
    });
    let reach = reader.read("reach", target).map(Tracked::Reach);
    let has_command = reader.entry("command").is_some();
    let command = has_command.then(|| check::exec(&mut reader, bench)).flatten();
    let command = command.map(Tracked::Command);
    let weight = reader.read("weight", integer(1..=253_u8)).map_or(Weight::All, Weight::Less);
    let written = [pool, reach, command];
    if reader.entries().iter().filter(|it| TRACKED.contains(&it.key.as_str())).count() != 1 {
        let reason = "expected one of `pool`, `reach` and `command`";
        reader.fault(reader.place, wrong(reason).help("such as `{ pool = \"app\" }`"));
    }
    reader.finish();
    let what = written.into_iter().flatten().next()?;
    Some(Track { what, weight })
}

fn witnesses(reader: &mut Reader<'_>) -> Vec<Target> {
    let help = "leave `witnesses` out to claim without";
    let witnesses = reader.filled("witnesses", help, target).unwrap_or_default();
    if let Some((place, _)) = witnesses.get(MOST_TRACKED) {
        reader.fault(*place, wrong(format!("at most {MOST_TRACKED} witnesses")));
    }
    witnesses.into_iter().map(|(_, target)| target).collect()
}

/// An address, or an address with a port.
fn target(value: &Value) -> Result<Target, Wrong> {
    let written = text(value)?;
    let port = |_not_one| written.parse().map(Target::Port);
    written.parse().map(Target::Address).or_else(port).map_err(|_neither| {
        wrong(format!("\"{written}\" is not an address"))
            .help("\"192.0.2.254\" is asked by ICMP echo, \"192.0.2.21:80\" by a connection")
    })
}

/// One address or a list of them, each with its prefix.
fn addresses(value: &Value) -> Result<Vec<(IpAddr, u8)>, Wrong> {
    let items = match &value.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let all = items.iter().map(address).collect::<Result<Vec<_>, Wrong>>()?;
    let Some((first, _)) = all.first() else {
        return Err(wrong("`address` is empty").help("such as \"192.0.2.10/24\""));
    };
    if all.len() > MOST_ADDRESSES {
        return Err(wrong(format!("at most {MOST_ADDRESSES} addresses")));
    }
    if all.iter().any(|(it, _)| it.is_ipv4() != first.is_ipv4()) {
        return Err(wrong("IPv4 and IPv6 in one virtual address")
            .help("write a `[vip.NAME]` for each family; they may have the same `router_id`"));
    }
    let twice = (1..all.len()).find(|&at| all[..at].iter().any(|(it, _)| *it == all[at].0));
    match twice {
        Some(at) => Err(wrong(format!("{} is in it twice", all[at].0))),
        None => Ok(all),
    }
}

/// `192.0.2.10/24`; without a prefix the address alone.
fn address(value: &Value) -> Result<(IpAddr, u8), Wrong> {
    let written = text(value)?;
    let no = || wrong(format!("\"{written}\" is not an address")).help("such as \"192.0.2.10/24\"");
    let (address, bits) = match written.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (written, None),
    };
    let address: IpAddr = address.parse().map_err(|_not_one| no())?;
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err(wrong(format!("{address} cannot be a virtual address")));
    }
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits.map_or(Ok(most), str::parse) {
        Ok(bits) if (1..=most).contains(&bits) => Ok((address, bits)),
        _ => Err(no().help(format!("the part behind `/` is 1 to {most}"))),
    }
}

fn interface(value: &Value) -> Result<Arc<str>, Wrong> {
    let name = text(value)?;
    let fits = |c: char| c.is_ascii_graphic() && c != '/';
    if name.is_empty() || name.len() > LONGEST_INTERFACE || !name.chars().all(fits) {
        return Err(wrong(format!("\"{name}\" is not the name of an interface"))
            .help("as `ip link` shows it, such as \"eth0\""));
    }
    Ok(name.into())
}

/// Where adverts come from or go to: an address of a node.
fn own_address(value: &Value, is_v4: bool) -> Result<IpAddr, Wrong> {
    let written = text(value)?;
    let address: IpAddr = written.parse().map_err(|_not_one| {
        wrong(format!("\"{written}\" is not an address")).help("such as \"192.0.2.3\"")
    })?;
    let link_local = |it: &Ipv6Addr| it.is_unicast_link_local();
    match address {
        IpAddr::V4(_) if !is_v4 => {
            Err(wrong(format!("{address} is IPv4, the virtual address is not")))
        }
        IpAddr::V6(_) if is_v4 => {
            Err(wrong(format!("{address} is IPv6, the virtual address is not")))
        }
        IpAddr::V6(it) if !link_local(&it) => Err(wrong(format!("{address} is not link-local"))
            .help("adverts of IPv6 are exchanged between link-local addresses: \"fe80::…\"")),
        fits => Ok(fits),
    }
}

/// `version = 2`
fn version(reader: &mut Reader<'_>, is_v4: bool) -> Version {
    let version = reader.read("version", |value| match integer(2..=3_u8)(value)? {
        2 if !is_v4 => Err(wrong("version 2 knows no IPv6").help("leave `version` out")),
        2 => Ok(Version::V2),
        _ => Ok(Version::V3),
    });
    version.unwrap_or(Version::V3)
}

/// `advertise = "1s"`, or `"fast"`
fn interval(value: &Value, version: Version) -> Result<Duration, Wrong> {
    let interval = match &value.kind {
        Kind::Text(word) if word == "fast" => FAST_INTERVAL,
        _ => duration(value)?,
    };
    let help = "\"fast\" is \"100ms\"";
    match version {
        Version::V2 if interval.subsec_millis() != 0 || interval > MOST_INTERVAL_V2 => {
            Err(wrong("version 2 has whole seconds, 1 to 255"))
        }
        Version::V3 if !interval.as_millis().is_multiple_of(10) => {
            Err(wrong("version 3 has hundredths of a second").help(help))
        }
        Version::V3 if !(LEAST_INTERVAL..=MOST_INTERVAL).contains(&interval) => {
            Err(wrong("out of range: 10 ms to 40.95 s").help(help))
        }
        _ => Ok(interval),
    }
}

/// `drain = "5s"`
fn drain(value: &Value) -> Result<Duration, Wrong> {
    let drain = duration(value)?;
    if drain > MOST_DRAIN {
        let most = MOST_DRAIN.as_secs();
        return Err(wrong(format!("longer than {most} s")).help(format!("at most \"{most}s\"")));
    }
    Ok(drain)
}

/// `preempt = true`, or how long a weaker owner must have been heard.
fn preempt(value: &Value) -> Result<Preempt, Wrong> {
    match &value.kind {
        Kind::Boolean(_) => {
            let wants = boolean(value)?;
            Ok(if wants { Preempt::After(Duration::ZERO) } else { Preempt::Never })
        }
        Kind::Text(_) => duration(value).map(Preempt::After),
        _ => Err(expected("true, false or a duration", value)),
    }
}

fn label(value: &Value, interface: Option<&str>, is_v4: bool) -> Result<Arc<str>, Wrong> {
    let label = text(value)?;
    if !is_v4 {
        return Err(wrong("addresses of IPv6 have no label"));
    }
    let fits = label.len() <= LONGEST_INTERFACE && label.chars().all(|c| c.is_ascii_graphic());
    let begins = interface.is_none_or(|name| label.starts_with(name));
    if !fits || !begins {
        return Err(wrong(format!("\"{label}\" cannot be a label")).help(format!(
            "the interface's name and more, at most {LONGEST_INTERFACE} characters: \"eth0:main\""
        )));
    }
    Ok(label.into())
}

/// `password = "word"`, of version 2
fn password(reader: &mut Reader<'_>, version: Version) -> Option<Password> {
    if version == Version::V3 {
        reader.misplaced(&["password"], "belongs to `version = 2`; for version 3 there are `keys`");
        return None;
    }
    reader.read("password", |value| {
        let word = text(value)?.as_bytes();
        let mut password = Password::default();
        match password.get_mut(..word.len()) {
            Some(place) if !word.is_empty() => place.copy_from_slice(word),
            _ => return Err(wrong("a password of version 2 has 1 to 8 bytes")),
        }
        Ok(password)
    })
}

/// `keys = [{ id = 1, file = "vip.key" }]`, `signatures = "require"`
fn signatures(reader: &mut Reader<'_>, bench: Bench<'_>) -> Option<(Keys, Mode)> {
    let items = reader.entry("keys");
    let Some(entry) = items else {
        reader.misplaced(&["signatures"], "means nothing without `keys`");
        return None;
    };
    let mode = reader.read("signatures", |value| SIGNATURES.read(value)).unwrap_or_default();
    let Kind::List(items) = &entry.value.kind else {
        let help = "such as `keys = [{ id = 1, file = \"vip.key\" }]`";
        reader.fault(entry.value.place, expected("a list", &entry.value).help(help));
        return None;
    };
    let read = items.iter().filter_map(|item| key(reader.item(item, "keys")?, bench));
    let read: Vec<Key> = read.collect();
    if read.len() < items.len() {
        return None;
    }
    let keys = Keys::new(read).ok_or_else(|| {
        wrong(format!("expected 1 to {} keys, each with a number of its own", Keys::MOST))
    });
    note(bench.notes, entry.value.place, keys).map(|keys| (keys, mode))
}

fn key(mut reader: Reader<'_>, bench: Bench<'_>) -> Option<Key> {
    let id =
        reader.need("id", "the number that both nodes know it by: 0 to 255", integer(0..=u8::MAX));
    let help = "the file it is in; make one: `openssl rand -hex 32 > vip.key`";
    let secret = reader.need("file", help, |value| secret(value, bench));
    reader.finish();
    let (id, secret) = (id?, secret?);
    Key::new(id, &secret)
}

/// A secret in hexadecimal digits.
fn secret(value: &Value, bench: Bench<'_>) -> Result<Vec<u8>, Wrong> {
    let path = bench.surroundings.base.join(text(value)?);
    let shown = path.display();
    let make = format!("make one: `openssl rand -hex 32 > {shown}`");
    let content = (bench.surroundings.read)(&path, MOST_SECRET_BYTES)
        .map_err(|error| wrong(format!("cannot read {shown}: {error}")).help(make.as_str()))?;
    let digits = content.trim_ascii();
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(value(high)? * 16 + value(low)?).ok(),
        _ => None,
    });
    let bytes = pairs.collect::<Option<Vec<u8>>>();
    let fits = |it: &Vec<u8>| (Key::LEAST_BYTES..=Key::MOST_BYTES).contains(&it.len());
    bytes.filter(fits).ok_or_else(|| {
        let (least, most) = (2 * Key::LEAST_BYTES, 2 * Key::MOST_BYTES);
        wrong(format!("{shown} does not have {least} to {most} hexadecimal digits")).help(make)
    })
}
