//! Traffic divided between pools, `split = { stable = 95, canary = 5 }`, and copied to another one.

use evenkeel_core::config::{Mirror, PoolId};
use evenkeel_core::split::{Split, SplitOn};

use super::pool::Directory;
use super::table::{Reader, Wrong, wrong};
use super::value::{integer, percent, text};
use super::word;
use crate::document::Value;

/// `split`, and `split_on` beside it.
pub(super) fn split(reader: &mut Reader<'_>, pools: &Directory) -> Option<Split> {
    let on = reader.read("split_on", on);
    let Some(entry) = reader.entry("split") else {
        if let Some(alone) = reader.entry("split_on") {
            let help = "add `split = { stable = 95, canary = 5 }`";
            reader.fault(alone.key_place, wrong("`split_on` means nothing alone").help(help));
        }
        return None;
    };
    let weights = reader.inner(entry)?;
    let mut shares: Vec<(PoolId, u32)> = Vec::new();
    for entry in weights.entries() {
        let pool = pools.named(&entry.key);
        let weight = integer(0..=Split::MOST_WEIGHT)(&entry.value);
        let pool = pool.map_err(|wrong| weights.fault(entry.key_place, wrong));
        let weight = weight.map_err(|wrong| weights.fault(entry.value.place, wrong));
        if let (Ok(pool), Ok(weight)) = (pool, weight) {
            shares.push((pool, weight));
        }
    }
    let whole = shares.len() == weights.entries().len();
    let split = Split::new(&shares, on);
    if whole && split.is_none() {
        let help = "pools with weights: `{ stable = 95, canary = 5 }`";
        weights.fault(entry.value.place, wrong("nobody takes this traffic").help(help));
    }
    split
}

fn on(value: &Value) -> Result<SplitOn, Wrong> {
    let written = text(value)?;
    match written.split_once(':') {
        None if written == "source" => Ok(SplitOn::Source),
        Some(("header", name)) => word::header_name(name).map(SplitOn::Header),
        Some(("cookie", name)) if word::is_token(name) => Ok(SplitOn::Cookie(name.into())),
        _ => Err(wrong(format!("\"{written}\" is nothing to know a client by"))
            .help("one of: \"source\", \"header:NAME\", \"cookie:NAME\"")),
    }
}

/// `mirror = { pool = "shadow", share = "10%" }`
pub(super) fn mirror(route: &mut Reader<'_>, pools: &Directory) -> Option<Mirror> {
    let mut reader = route.table("mirror")?;
    let pool = reader.need("pool", "such as `pool = \"shadow\"`", |value| pools.find(value));
    let percent = reader.read("share", percent(1..=100)).unwrap_or(100);
    reader.finish();
    Some(Mirror { pool: pool?, percent })
}
