//! The only place that reads a clock.
//!
//! A worker's loop reads it once each time it wakes; everything that happens in that turn happens
//! at the same moment. Time-outs and durations are on the monotonic clock, which no administrator
//! can set; the wall clock serves logs only.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_core::moment::Moment;

static START: OnceLock<Instant> = OnceLock::new();

thread_local! {
    static NOW: Cell<Moment> = const { Cell::new(Moment::START) };
}

/// The moment this thread's loop last woke.
pub(crate) fn now() -> Moment {
    NOW.get()
}

/// Reads the clock. The loop calls it on waking, nobody else need to.
#[expect(clippy::disallowed_methods, reason = "this is clock.rs")]
pub(crate) fn refresh() -> Moment {
    let elapsed = START.get_or_init(Instant::now).elapsed();
    let now = Moment::START + elapsed.max(Duration::from_micros(1));
    NOW.set(now);
    now
}

/// The wall clock, for logs and `since` fields.
#[expect(clippy::disallowed_methods, reason = "this is clock.rs")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
