//! `[pool.NAME.outlier]`

use std::time::Duration;

use evenkeel_core::config::{FailureRate, Outlier};

use super::table::{Reader, Wrong, wrong};
use super::value::{duration, integer, percent};
use crate::document::{Kind, Value};

/// Each window costs a look at the counters of every server of its pool; and what a shorter one
/// shows is chance.
const SHORTEST_WINDOW: Duration = Duration::from_millis(100);

/// On by default. `false` is nobody judged by traffic.
pub(super) fn outlier(pool: &mut Reader<'_>) -> Outlier {
    let mut outlier = Outlier::default();
    let Some(entry) = pool.entry("outlier") else { return outlier };
    if let Kind::Boolean(on) = entry.value.kind {
        outlier.consecutive_failures = outlier.consecutive_failures.filter(|_| on);
        outlier.failure_rate = outlier.failure_rate.filter(|_| on);
        return outlier;
    }
    let Some(mut reader) = pool.inner(entry) else { return outlier };
    if let Some(failures) = reader.read("consecutive_failures", integer(1..=1_000_u32)) {
        outlier.consecutive_failures = Some(failures);
    }
    outlier.failure_rate = failure_rate(&mut reader);
    outlier.ejection = reader.read("ejection", duration).unwrap_or(outlier.ejection);
    outlier.cap_percent = reader.read("cap", percent(0..=100)).unwrap_or(outlier.cap_percent);
    reader.finish();
    outlier
}

/// `{ deviations = 3, requests = 50, window = "10s" }`, or `false`.
fn failure_rate(outlier: &mut Reader<'_>) -> Option<FailureRate> {
    let mut rate = FailureRate::default();
    let Some(entry) = outlier.entry("failure_rate") else { return Some(rate) };
    if let Kind::Boolean(on) = entry.value.kind {
        return on.then_some(rate);
    }
    let mut reader = outlier.inner(entry)?;
    if let Some(deviations) = reader.read("deviations", integer(1..=100_u16)) {
        rate.deviations_percent = deviations * 100;
    }
    let least = reader.read("requests", integer(1..=u32::MAX));
    rate.least_requests = least.unwrap_or(rate.least_requests);
    rate.window = reader.read("window", window).unwrap_or(rate.window);
    reader.finish();
    Some(rate)
}

fn window(value: &Value) -> Result<Duration, Wrong> {
    match duration(value)? {
        short if short < SHORTEST_WINDOW => Err(wrong("too short to tell a rate from chance")
            .help("at least \"100ms\"; \"10s\" is the default")),
        window => Ok(window),
    }
}
