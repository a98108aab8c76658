//! How a pool chooses: `balance` and what goes with it.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::{Balance, Hash, HashOn, HashTable, QueueLimits, SameSite, Sticky};
use evenkeel_core::hash::Seed;

use super::table::{Reader, Wrong, wrong};
use super::value::{Choice, duration, integer, text};
use super::word;
use crate::document::Value;

const BALANCE: Choice<Balance> = Choice {
    words: &[
        ("round-robin", Balance::RoundRobin),
        ("least-connections", Balance::LeastConnections),
        ("p2c", Balance::P2c),
        ("peak-ewma", Balance::PeakEwma),
        ("random", Balance::Random),
        ("first", Balance::First),
        ("hash", Balance::Hash(Hash { table: HashTable::Rendezvous, bound: None })),
    ],
    later: &[],
};

const HASH_TABLE: Choice<HashTable> = Choice {
    words: &[("rendezvous", HashTable::Rendezvous), ("maglev", HashTable::Maglev)],
    later: &[],
};

const SAME_SITE: Choice<SameSite> = Choice {
    words: &[("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)],
    later: &[],
};

/// What a pool says of choosing.
#[derive(Debug)]
pub(super) struct Choosing {
    pub(super) balance: Balance,
    pub(super) hash_on: HashOn,
    pub(super) sticky: Option<Sticky>,
    pub(super) slow_start: Option<Duration>,
    pub(super) queue: QueueLimits,
}

/// `balance`, `hash_on`, `hash_table`, `hash_bound`, `sticky` and `slow_start` of the pool `name`.
pub(super) fn choosing(pool: &mut Reader<'_>, name: &str) -> Choosing {
    let mut balance = pool.read("balance", |value| BALANCE.read(value)).unwrap_or_default();
    if let Balance::Hash(hash) = &mut balance {
        hash.table = pool.read("hash_table", |value| HASH_TABLE.read(value)).unwrap_or_default();
        hash.bound = pool.read("hash_bound", bound);
    } else {
        let keys = ["hash_on", "hash_table", "hash_bound"];
        pool.misplaced(&keys, "belongs to a pool of `balance = \"hash\"`");
    }
    let hash_on = pool.read("hash_on", hash_on).unwrap_or_default();
    let (sticky, slow_start) = (sticky(pool, name), pool.read("slow_start", duration));
    Choosing { balance, hash_on, sticky, slow_start, queue: queue(pool) }
}

/// `{ length = 1000, wait = "5s" }`
fn queue(pool: &mut Reader<'_>) -> QueueLimits {
    let mut limits = QueueLimits::default();
    let Some(mut reader) = pool.table("queue") else { return limits };
    let most = QueueLimits::MOST_LENGTH;
    limits.length = reader.read("length", integer(0..=most)).unwrap_or(limits.length);
    limits.wait = reader.read("wait", duration).unwrap_or(limits.wait);
    reader.finish();
    limits
}

/// `"150%"`
fn bound(value: &Value) -> Result<u16, Wrong> {
    let shown = text(value)?;
    let number: Option<u16> = shown.strip_suffix('%').and_then(|digits| digits.parse().ok());
    number.filter(|number| (Hash::LEAST_BOUND..=1_000).contains(number)).ok_or_else(|| {
        let least = Hash::LEAST_BOUND;
        wrong(format!("\"{shown}\" is not a share from {least}% to 1000%"))
            .help("such as \"150%\": no server gets more than half as much again as the average")
    })
}

/// `"source"`, `"uri"`, `"sni"`, `"header:x"` or `"cookie:x"`.
fn hash_on(value: &Value) -> Result<HashOn, Wrong> {
    let shown = text(value)?;
    match shown.split_once(':') {
        None if shown == "source" => Ok(HashOn::Source),
        None if shown == "uri" => Ok(HashOn::Uri),
        None if shown == "sni" => Ok(HashOn::Sni),
        Some(("header", name)) => word::header_name(name).map(HashOn::Header),
        Some(("cookie", name)) => token(name).map(HashOn::Cookie),
        _ => Err(wrong(format!("\"{shown}\" is nothing to hash on"))
            .help("write \"source\", \"uri\", \"sni\", \"header:NAME\" or \"cookie:NAME\"")),
    }
}

/// `{ cookie = "srv", secret = "…", same_site = "lax", max_age = "8h" }`
fn sticky(pool: &mut Reader<'_>, name: &str) -> Option<Sticky> {
    let mut reader = pool.table("sticky")?;
    let cookie = reader.need("cookie", "such as `cookie = \"srv\"`", |value| token(text(value)?));
    // Without a secret the value still tells no address, but who knows the servers' names can
    // compute it.
    let secret = reader.read("secret", |value| text(value).map(str::to_owned));
    let seed = Seed::from_secret(format!("{name}\n{}", secret.unwrap_or_default()).as_bytes());
    let same_site = reader.read("same_site", |value| SAME_SITE.read(value)).unwrap_or_default();
    let max_age = reader.read("max_age", duration);
    reader.finish();
    Some(Sticky { cookie: cookie?, seed, same_site, max_age })
}

/// A cookie's name (RFC 6265 §4.1.1).
fn token(name: &str) -> Result<Arc<str>, Wrong> {
    if word::is_token(name) {
        Ok(name.into())
    } else {
        Err(wrong(format!("\"{name}\" is not a cookie's name")).help("such as \"srv\""))
    }
}
