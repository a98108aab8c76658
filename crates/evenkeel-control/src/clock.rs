//! The one place of this crate that reads a clock.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Time that nobody sets, since some moment: for what lies between two looks.
pub(crate) fn monotonic() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}
