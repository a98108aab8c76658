//! The one place of this crate that reads the clock.

use std::time::{Duration, Instant};

/// Now, monotonic.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Ask `ready` every few milliseconds until it says yes or `limit` has passed; whether it did.
pub(crate) fn wait_until(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
    /// Short against any limit used here, long against the cost of one look.
    const LOOK: Duration = Duration::from_millis(10);
    let deadline = now() + limit;
    loop {
        if ready() {
            return true;
        }
        if now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
