//! The only place that reads a clock.
//!
//! A worker's loop reads it once each time it wakes; everything that happens in that turn happens
//! at the same moment. Time-outs and durations are on the monotonic clock, which no administrator
//! can set; the wall clock serves logs only.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Mutex, OnceLock, PoisonError};
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

/// Reads the clock. A loop calls it on waking; on a thread without a loop of ours, whoever begins
/// something that is dated by [`now`].
pub(crate) fn refresh() -> Moment {
    let now = read();
    NOW.set(now);
    now
}

#[expect(clippy::disallowed_methods, reason = "this is clock.rs")]
fn read() -> Moment {
    let elapsed = START.get_or_init(Instant::now).elapsed();
    Moment::START + elapsed.max(Duration::from_micros(1))
}

/// Time since the machine started, also while it was suspended: by this alone virtual addresses
/// are owned. Not to be compared with [`now`].
pub(crate) fn since_boot() -> Moment {
    Moment::START + evenkeel_sys::link::boot_time()
}

/// A moment of [`since_boot`] as the system's timers take it; `None` if it never comes.
pub(crate) fn until(moment: Moment) -> Option<Duration> {
    (moment != Moment::NEVER).then(|| moment.since(Moment::START))
}

/// What the wall clock showed at `moment`, by what it shows now. The same moment gives the same
/// time until somebody sets the clock.
pub(crate) fn wall_at(moment: Moment) -> SystemTime {
    /// Two readings of the two clocks are as far apart; more is a clock that was set.
    const SLACK: Duration = Duration::from_secs(1);
    /// What the wall clock showed at [`Moment::START`].
    static ORIGIN: Mutex<Option<SystemTime>> = Mutex::new(None);
    let now = wall();
    let fresh = now.checked_sub(read().since(Moment::START)).unwrap_or(now);
    let mut origin = ORIGIN.lock().unwrap_or_else(PoisonError::into_inner);
    let apart =
        |kept: SystemTime| fresh.duration_since(kept).unwrap_or_else(|error| error.duration());
    if origin.is_none_or(|kept| apart(kept) >= SLACK) {
        *origin = Some(fresh);
    }
    origin.unwrap_or(fresh) + moment.since(Moment::START)
}

/// The wall clock, for logs and `since` fields.
#[expect(clippy::disallowed_methods, reason = "this is clock.rs")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// The wall clock in seconds since 1970, for what certificates say of time.
pub(crate) fn epoch_seconds() -> i64 {
    let since = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What one worker says in `Date`, written once a second.
#[derive(Debug, Default)]
pub(crate) struct Date(RefCell<Told>);

#[derive(Debug, Default)]
struct Told {
    /// On the clock of this loop; `None`: never.
    second: Option<u64>,
    text: Rc<str>,
    since_1970: u64,
}

impl Date {
    /// Now, as RFC 9110 §5.6.7 writes it, and in seconds since 1970.
    pub(crate) fn now(&self) -> (Rc<str>, u64) {
        let second = Some(now().as_micros() / 1_000_000);
        let mut told = self.0.borrow_mut();
        if told.second != second {
            let now = wall();
            let since = now.duration_since(SystemTime::UNIX_EPOCH);
            let since_1970 = since.map_or(0, |since| since.as_secs());
            *told = Told { second, text: httpdate::fmt_http_date(now).into(), since_1970 };
        }
        (Rc::clone(&told.text), told.since_1970)
    }
}
