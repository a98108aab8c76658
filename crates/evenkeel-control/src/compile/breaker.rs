//! `[pool.NAME.breaker]`

use evenkeel_core::config::{BreakerLimits, Limits};

use super::table::Reader;
use super::value::integer;

/// `{ pending = 100, requests = 1000, retries = 10, server = { requests = 200 } }`
pub(super) fn breaker(pool: &mut Reader<'_>) -> BreakerLimits {
    let Some(mut reader) = pool.table("breaker") else { return BreakerLimits::default() };
    let whole = limits(&mut reader);
    let mut server = Limits::default();
    if let Some(mut reader) = reader.table("server") {
        server = limits(&mut reader);
        reader.finish();
    }
    reader.finish();
    BreakerLimits { pool: whole, server }
}

fn limits(reader: &mut Reader<'_>) -> Limits {
    let mut limit = |key| reader.read(key, integer(1..=u32::MAX));
    Limits { pending: limit("pending"), requests: limit("requests"), retries: limit("retries") }
}
