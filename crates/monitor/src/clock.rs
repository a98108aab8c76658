//! The one place that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, the unit of every time that is stored or sent.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// For measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
