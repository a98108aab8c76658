//! The one place of this crate that reads a clock.

use std::time::{Instant, SystemTime};

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// For measuring how long something takes.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
