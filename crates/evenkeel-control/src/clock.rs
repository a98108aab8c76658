//! The one place of this crate that reads a clock.

use std::time::SystemTime;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
