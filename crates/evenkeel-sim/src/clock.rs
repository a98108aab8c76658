//! The one place of this crate that reads the clock or lets time pass.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything that takes no time of its own may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Now, monotonic.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub fn now() -> Instant {
    Instant::now()
}

/// Asks `ready` until it says yes, and panics with `what` once `limit` has passed.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, ready: impl FnMut() -> bool) {
    assert!(comes_true(limit, ready), "not within {limit:?}: {what}");
}

/// Asks `ready` until it says yes or `limit` has passed; whether it did.
pub fn comes_true(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
    /// Short against every limit used here, long against the cost of one look.
    const LOOK: Duration = Duration::from_millis(5);
    let deadline = now() + limit;
    loop {
        if ready() {
            return true;
        }
        if now() >= deadline {
            return false;
        }
        thread::sleep(LOOK); // wait: polling interval
    }
}

/// Lets time pass: for load at a steady pace and for faults that last, never for a state to come.
pub fn pause_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(now())); // wait: the pace of the load
}
