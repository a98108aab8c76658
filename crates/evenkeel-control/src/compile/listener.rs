//! `[listener.NAME]`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_core::config::{
    ClientTimeouts, HostPattern, Https, Listener, Network, PoolId, Protocol, Tls, TlsRule,
};

use super::pool::Directory;
use super::table::{Reader, Wrong, note, wrong};
use super::value::{Choice, duration, integer, text};
use super::{Bench, front, guard, http, word};
use crate::document::{Kind, Value};
use crate::finding::{Finding, Place};

/// At 6 KiB a held connection this is 384 MiB.
const MAX_CONNECTIONS: u32 = 65_536;

/// Nobody holds more on one machine.
const MOST_CONNECTIONS: u32 = 10_000_000;

/// Every worker holds a socket for each address of each listener.
const MOST_LISTENERS: usize = 1024;

/// Rules of a tls listener are looked at in turn for each connection.
const MOST_RULES: usize = 1024;

/// Keys that only an HTTP listener has.
const HTTP_KEYS: [&str; 9] = [
    "methods",
    "trusted_proxies",
    "redirect",
    "static",
    "compress",
    "error_pages",
    "limits",
    "forwarding",
    "h2c",
];

const OF_TLS: &str = "belongs to a listener of `protocol = \"tls\"`";
const OF_HTTPS: &str = "belongs to a listener of `protocol = \"https\"`";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Tcp,
    Tls,
    Http,
    Https,
}

const PROTOCOL: Choice<Speaks> = Choice {
    words: &[
        ("tcp", Speaks::Tcp),
        ("tls", Speaks::Tls),
        ("http", Speaks::Http),
        ("https", Speaks::Https),
    ],
    later: &["udp"],
};

/// Addresses in use, each with who uses it.
type Taken = BTreeMap<SocketAddr, (Arc<str>, Option<Place>)>;

pub(super) fn listeners(
    root: &mut Reader<'_>,
    bench: Bench<'_>,
    pools: &Directory,
    admin: (SocketAddr, Option<Place>),
) -> Vec<Listener> {
    let mut taken = Taken::from([(admin.0, ("the admin address".into(), admin.1))]);
    let mut listeners = Vec::new();
    for (entry, reader) in root.named("listener") {
        if listeners.len() == MOST_LISTENERS {
            reader.fault(entry.key_place, wrong(format!("at most {MOST_LISTENERS} listeners")));
            break;
        }
        let name = note(bench.notes, entry.key_place, word::name(&entry.key));
        let name = name.unwrap_or_else(|| entry.key.as_str().into());
        let Some((listener, redirecting)) = listener(name, reader, bench, pools, &mut taken) else {
            continue;
        };
        listeners.push(listener);
        listeners.extend(redirecting);
    }
    if root.entries().iter().all(|entry| entry.key != "listener") {
        let help = "add one: `[listener.web]` with `bind`, `protocol` and `pool`";
        let reason = "there is no listener: this node would serve nobody";
        bench.notes.add(Finding::warning(root.place, reason).help(help));
    }
    reserve_headers(&mut listeners);
    listeners
}

fn listener(
    name: Arc<str>,
    mut reader: Reader<'_>,
    bench: Bench<'_>,
    pools: &Directory,
    taken: &mut Taken,
) -> Option<(Listener, Option<Listener>)> {
    let bind = bind(&name, &mut reader, bench, taken);
    let help = "one of: tcp, tls, http, https";
    let speaks = reader.need("protocol", help, |value| PROTOCOL.read(value));
    let protocol = match speaks {
        Some(Speaks::Tcp) => tcp(&mut reader, pools),
        Some(Speaks::Tls) => Some(Protocol::Tls(tls(&mut reader, pools))),
        Some(Speaks::Http) => {
            reader.misplaced(&["sni"], OF_TLS);
            reader.misplaced(&front::KEYS, OF_HTTPS);
            Some(Protocol::Http(Box::new(http::http(&mut reader, bench, pools))))
        }
        Some(Speaks::Https) => {
            reader.misplaced(&["sni"], OF_TLS);
            https(&mut reader, bench, pools).map(|https| Protocol::Https(Box::new(https)))
        }
        None => {
            // Whatever it was to be: the keys are known, and the pool is used.
            reader.read("pool", |value| pools.find(value));
            for key in HTTP_KEYS.into_iter().chain(front::KEYS).chain(["sni", "route"]) {
                let _known = reader.entry(key);
            }
            None
        }
    };
    let max_connections = reader.read("max_connections", integer(1..=MOST_CONNECTIONS));
    let timeouts = timeouts(&mut reader, speaks);
    let proxy_protocol = proxies(&mut reader);
    let guard = guard::guard(&mut reader, bench.rates);
    let connections_per_source =
        reader.read("connections_per_source", integer(1..=MOST_CONNECTIONS));
    let redirect = redirect_http(&name, &mut reader, speaks, bench, taken);
    reader.finish();
    let max_connections = max_connections.unwrap_or(MAX_CONNECTIONS);
    let protocol = protocol?;
    let listener = Listener {
        name,
        bind,
        protocol,
        max_connections,
        timeouts,
        proxy_protocol,
        guard,
        connections_per_source,
    };
    let redirecting = redirect.map(|at| front::redirecting(&listener, at));
    Some((listener, redirecting))
}

/// What all of HTTP has, and TLS in front of it.
fn https(reader: &mut Reader<'_>, bench: Bench<'_>, pools: &Directory) -> Option<Https> {
    let mut http = http::http(reader, bench, pools);
    http.hsts = front::hsts(reader);
    let (front, subject) = front::front(reader, bench)?;
    http.client_subject = subject;
    Some(Https { http, front })
}

/// Where those who come in the clear are sent on to TLS.
fn redirect_http(
    name: &Arc<str>,
    reader: &mut Reader<'_>,
    speaks: Option<Speaks>,
    bench: Bench<'_>,
    taken: &mut Taken,
) -> Option<SocketAddr> {
    if speaks != Some(Speaks::Https) {
        return None; // refused above
    }
    let place = reader.entry("redirect_http")?.value.place;
    let address = reader.read("redirect_http", word::bind)?;
    claim(name, (place, address), bench, taken);
    Some(address)
}

/// No client may say on one listener what another one tells servers of its clients.
fn reserve_headers(listeners: &mut [Listener]) {
    let told = listeners.iter().filter_map(|listener| listener.protocol.http());
    let mut reserved: Vec<Arc<str>> = told.filter_map(|http| http.client_subject.clone()).collect();
    reserved.sort();
    reserved.dedup();
    for listener in listeners {
        match &mut listener.protocol {
            Protocol::Http(http) => http.reserved.clone_from(&reserved),
            Protocol::Https(https) => https.http.reserved.clone_from(&reserved),
            Protocol::Tcp { .. } | Protocol::Tls(_) => {}
        }
    }
}

/// `proxy_protocol = { from = ["10.0.0.0/8"] }`
fn proxies(reader: &mut Reader<'_>) -> Option<Vec<Network>> {
    let mut table = reader.table("proxy_protocol")?;
    let help = "the proxies that are believed: `from = [\"10.0.0.0/8\"]`";
    table.need("from", help, |_| Ok(()));
    let from = table.filled("from", help, word::network);
    table.finish();
    Some(from?.into_iter().map(|(_, network)| network).collect())
}

fn bind(
    name: &Arc<str>,
    reader: &mut Reader<'_>,
    bench: Bench<'_>,
    taken: &mut Taken,
) -> Vec<SocketAddr> {
    let help = "such as `bind = [\"0.0.0.0:80\"]`";
    reader.need("bind", help, |_| Ok(()));
    let Some(listed) = reader.filled("bind", help, word::bind) else { return Vec::new() };
    for one in &listed {
        claim(name, *one, bench, taken);
    }
    listed.into_iter().map(|(_, address)| address).collect()
}

/// Takes an address for the listener `name`, which must be the only one to have it.
fn claim(
    name: &Arc<str>,
    (place, address): (Place, SocketAddr),
    bench: Bench<'_>,
    taken: &mut Taken,
) {
    // Port 0 is another free port each time.
    if address.port() == 0 {
        return;
    }
    let me = (format!("listener `{name}`").into(), Some(place));
    if let Some((owner, first)) = taken.insert(address, me) {
        let finding = Finding::fault(place, format!("{address} is taken by {owner}"));
        let finding = finding.help("every listener needs an address of its own");
        bench.notes.add(match first {
            Some(first) => finding.also(first, "first here"),
            None => finding,
        });
    }
}

fn timeouts(listener: &mut Reader<'_>, speaks: Option<Speaks>) -> ClientTimeouts {
    let mut timeouts = ClientTimeouts::default();
    let Some(mut reader) = listener.table("timeouts") else { return timeouts };
    if !matches!(speaks, Some(Speaks::Https) | None) {
        reader.misplaced(&["handshake"], OF_HTTPS);
    }
    for (key, target) in [
        ("handshake", &mut timeouts.handshake),
        ("header", &mut timeouts.header),
        ("keep_alive", &mut timeouts.keep_alive),
        ("idle", &mut timeouts.idle),
        ("fin", &mut timeouts.fin),
    ] {
        if let Some(given) = reader.read(key, duration) {
            *target = given;
        }
    }
    let why = "is a time-out of servers: write it under `[pool.NAME]`";
    reader.misplaced(&["connect", "first_byte", "total", "tunnel"], why);
    reader.finish();
    timeouts
}

fn tcp(reader: &mut Reader<'_>, pools: &Directory) -> Option<Protocol> {
    reader.misplaced(&["sni"], OF_TLS);
    reader.misplaced(&HTTP_KEYS, "belongs to a listener of `protocol = \"http\"`");
    reader.misplaced(&front::KEYS, OF_HTTPS);
    reader.misplaced(&["route"], "means nothing to tcp: bytes have no host and no path");
    let help = "such as `pool = \"app\"`";
    let pool = reader.need("pool", help, |value| pools.find(value))?;
    Some(Protocol::Tcp { pool })
}

fn tls(reader: &mut Reader<'_>, pools: &Directory) -> Tls {
    reader.misplaced(
        &HTTP_KEYS,
        "belongs to a listener of `protocol = \"http\"`; here TLS is passed through unopened",
    );
    reader
        .misplaced(&front::KEYS, "belongs to a listener of `protocol = \"https\"`, where TLS ends");
    let default = reader.read("pool", |value| pools.find_for_tls(value));
    let mut rules = Rules::default();
    if let Some(sni) = reader.table("sni") {
        for entry in sni.entries() {
            let name = word::host_pattern_of(&entry.key);
            let pool = pools.find_for_tls(&entry.value);
            let name = name.map_err(|wrong| sni.fault(entry.key_place, wrong));
            let pool = pool.map_err(|wrong| sni.fault(entry.value.place, wrong));
            if let (Ok(name), Ok(pool)) = (name, pool) {
                rules.add(&sni, entry.key_place, TlsRule { name: Some(name), alpn: None, pool });
            }
        }
    }
    for mut route in routes(reader) {
        if let Some(rule) = tls_rule(&mut route, pools) {
            rules.add(&route, route.place, rule);
        }
        route.finish();
    }
    if default.is_none() && rules.list.is_empty() && reader.entry("pool").is_none() {
        let help = "add `pool = \"NAME\"`, or `sni = { \"shop.example\" = \"NAME\" }`";
        reader.fault(reader.place, wrong("nothing says where connections go").help(help));
    }
    Tls { default, rules: rules.list }
}

/// Rules of a tls listener, each kind of connection named once.
#[derive(Debug, Default)]
struct Rules {
    list: Vec<TlsRule>,
}

impl Rules {
    fn add(&mut self, reader: &Reader<'_>, place: Place, rule: TlsRule) {
        if self.list.len() == MOST_RULES {
            reader.fault(place, wrong(format!("at most {MOST_RULES} names and routes")));
            return;
        }
        let same = |other: &TlsRule| other.name == rule.name && other.alpn == rule.alpn;
        if self.list.iter().any(same) {
            reader.fault(place, wrong("another rule has this name and ALPN already"));
        }
        self.list.push(rule);
    }
}

fn tls_rule(route: &mut Reader<'_>, pools: &Directory) -> Option<TlsRule> {
    let name: Option<HostPattern> = route.read("sni", word::host_pattern);
    let alpn = route.read("alpn", alpn);
    let pool: Option<PoolId> =
        route.need("pool", "such as `pool = \"app\"`", |value| pools.find_for_tls(value));
    let why = "belongs to a listener of `protocol = \"http\"`; in a tls route write `sni`, `alpn`";
    route.misplaced(&["host", "path", "methods", "headers", "rewrite", "redirect", "static"], why);
    let given = |key| route.entries().iter().any(|entry| entry.key == key);
    if !given("sni") && !given("alpn") {
        let help = "add `sni` or `alpn`, or give the pool to the listener itself";
        route.fault(route.place, wrong("this route matches every connection").help(help));
    }
    Some(TlsRule { name, alpn, pool: pool? })
}

/// A protocol name of RFC 7301: 1 to 255 bytes.
fn alpn(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    if (1..=255).contains(&written.len()) {
        Ok(written.into())
    } else {
        Err(wrong("a protocol name has 1 to 255 bytes").help("such as \"h2\" or \"http/1.1\""))
    }
}

/// `[[listener.NAME.route]]`, each to be read in turn.
pub(super) fn routes<'a>(listener: &mut Reader<'a>) -> Vec<Reader<'a>> {
    let Some(entry) = listener.entry("route") else { return Vec::new() };
    let Kind::List(items) = &entry.value.kind else {
        let help = format!("write `[[{}.route]]`, in double brackets", listener.path);
        listener.fault(entry.key_place, wrong("`route` is a list of tables").help(help));
        return Vec::new();
    };
    items.iter().filter_map(|item| listener.item(item, "route")).collect()
}
