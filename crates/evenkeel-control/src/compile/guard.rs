//! Who is let in, and how often: `allow` and `deny` of listeners and routes, `[rate.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::access::Access;
use evenkeel_core::config::{Guard, Network, RateId, RateKey, RateLimit};
use evenkeel_core::rate::{Rate, Shares};

use super::table::{Reader, Wrong, note, wrong};
use super::value::{boolean, integer, text};
use super::word;
use crate::document::Value;
use crate::finding::{Finding, Notes, Place};
use crate::nearest::nearest;

/// Each has a mebibyte for its keys.
const MOST_RATES: usize = 64;

/// What the keys of a limit may be, for messages.
const KEYS: &str = "one of: \"source\", \"route\", \"header:NAME\", \"cookie:NAME\"";

/// The limits, by name.
#[derive(Debug, Default)]
pub(super) struct Rates {
    pub(super) limits: Vec<RateLimit>,
    by_name: BTreeMap<Arc<str>, RateId>,
}

impl Rates {
    fn find(&self, value: &Value) -> Result<RateId, Wrong> {
        let name = text(value)?;
        self.by_name.get(name).copied().ok_or_else(|| {
            let near = nearest(name, self.by_name.keys().map(|name| &**name));
            let help = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("add one: `[rate.{name}]` with `rate = \"100/s\"`"),
            };
            wrong(format!("there is no limit `{name}`")).help(help)
        })
    }
}

/// `[rate.NAME]`
pub(super) fn rates(root: &mut Reader<'_>, notes: &Notes) -> Rates {
    let mut rates = Rates::default();
    for (entry, mut reader) in root.named("rate") {
        if rates.limits.len() == MOST_RATES {
            reader.fault(entry.key_place, wrong(format!("at most {MOST_RATES} limits")));
            break;
        }
        let name = note(notes, entry.key_place, word::name(&entry.key));
        let name = name.unwrap_or_else(|| entry.key.as_str().into());
        let limit = RateLimit {
            name: Arc::clone(&name),
            rate: rate(&mut reader),
            key: key(&mut reader),
            dry_run: reader.read("dry_run", boolean).unwrap_or(false),
        };
        reader.finish();
        let id = RateId(u16::try_from(rates.limits.len()).expect("MOST_RATES fits"));
        rates.by_name.insert(name, id);
        rates.limits.push(limit);
    }
    rates
}

/// `rate = "100/s"`, `burst = 200`
fn rate(reader: &mut Reader<'_>) -> Rate {
    let help = "such as `rate = \"100/s\"`";
    let given = reader.need("rate", help, per_time);
    let burst = reader.read("burst", integer(1..=u32::MAX));
    let (requests, period) = given.unwrap_or((1, Duration::from_secs(1)));
    // What comes in a second may come at once.
    let burst = burst.unwrap_or_else(|| {
        let seconds = u32::try_from(period.as_secs()).unwrap_or(u32::MAX).max(1);
        requests.div_ceil(seconds)
    });
    Rate::new(requests, period, burst).expect("per_time has checked it")
}

/// Requests, and in what time.
fn per_time(value: &Value) -> Result<(u32, Duration), Wrong> {
    let written = text(value)?;
    let no = || wrong(format!("\"{written}\" is not a rate"));
    let help = "a whole number for each s, m, h or d, such as \"100/s\" or \"5/m\"";
    let (number, unit) = written.split_once('/').ok_or_else(|| no().help(help))?;
    let period = match unit.trim() {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        _ => return Err(no().help(help)),
    };
    let number: u32 = number.trim().parse().map_err(|_not_a_number| no().help(help))?;
    if number == 0 {
        return Err(no().help("to let nobody in, write `deny = [\"0.0.0.0/0\", \"::/0\"]`"));
    }
    match Rate::new(number, period, 1) {
        Some(_) => Ok((number, period)),
        None => Err(wrong(format!("more than {} in a second", Rate::MOST_PER_SECOND))
            .help("nothing here serves so many: leave the limit out")),
    }
}

/// `key = "source"`, `prefix = { v4 = 24, v6 = 56 }`
fn key(reader: &mut Reader<'_>) -> RateKey {
    let key = reader.read("key", |value| {
        let written = text(value)?;
        match written.split_once(':') {
            None if written == "source" => Ok(RateKey::Source(Shares::default())),
            None if written == "route" => Ok(RateKey::Route),
            Some(("header", name)) => word::header_name(name).map(RateKey::Header),
            Some(("cookie", name)) if word::is_token(name) => Ok(RateKey::Cookie(name.into())),
            _ => Err(wrong(format!("\"{written}\" is nothing to count by")).help(KEYS)),
        }
    });
    let key = key.unwrap_or_else(|| RateKey::Source(Shares::default()));
    if !matches!(key, RateKey::Source(_)) {
        reader.misplaced(&["prefix"], "belongs to a limit of `key = \"source\"`");
        return key;
    }
    let mut shares = Shares::default();
    if let Some(mut prefix) = reader.table("prefix") {
        if let Some(bits) = prefix.read("v4", integer(8..=32_u8)) {
            shares.v4 = bits;
        }
        if let Some(bits) = prefix.read("v6", integer(16..=128_u8)) {
            shares.v6 = bits;
        }
        prefix.finish();
    }
    RateKey::Source(shares)
}

/// `allow`, `deny` and `rate_limits` of a listener or a route.
pub(super) fn guard(reader: &mut Reader<'_>, rates: &Rates) -> Guard {
    let help = "leave `allow` out to let everybody in";
    let allow = reader.filled("allow", help, word::network);
    let deny = reader.list("deny", word::network);
    let limits = reader.list("rate_limits", |value| rates.find(value)).unwrap_or_default();
    Guard {
        access: access(reader, allow.unwrap_or_default(), deny.unwrap_or_default()),
        rates: limits.into_iter().map(|(_, id)| id).collect(),
    }
}

fn access(
    reader: &Reader<'_>,
    allow: Vec<(Place, Network)>,
    deny: Vec<(Place, Network)>,
) -> Option<Access> {
    for (place, network) in &deny {
        if let Some((first, _)) = allow.iter().find(|(_, allowed)| allowed == network) {
            let reason = "this range is in `allow` as well";
            reader.note(Finding::fault(*place, reason).also(*first, "allowed here"));
        }
    }
    let networks = |listed: Vec<(Place, Network)>| -> Vec<Network> {
        listed.into_iter().map(|(_, network)| network).collect()
    };
    let is_written = !(allow.is_empty() && deny.is_empty());
    is_written.then(|| Access::new(&networks(allow), &networks(deny)))
}
