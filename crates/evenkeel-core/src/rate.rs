//! How often somebody may come: the generic cell rate algorithm (ITU-T I.371, annex A), which keeps
//! one number for each key: when all it has been granted will be paid off.
//!
//! A request costs one interval. Who has debts of less than the burst is let through. There are no
//! windows, so nobody gets twice the rate at the border between two.

mod table;

use std::time::Duration;

pub use self::table::{Limiter, Shares};
use crate::moment::Moment;

/// So many requests in so long, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What one request costs; microseconds would be a tenth wrong at 300,000 a second.
    interval_nanos: u64,
    burst: u32,
}

/// What a limit says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// This many more would be let through at once.
    Yes { left: u32 },
    /// Not before this time has passed.
    No { wait: Duration },
}

impl Rate {
    /// Most requests a second, and the longest time for one: what nanoseconds in 64 bits can count.
    pub const MOST_PER_SECOND: u32 = 1_000_000;

    /// `requests` in each `period`, `burst` of them at once; both at least 1. `None`: more than
    /// [`Rate::MOST_PER_SECOND`].
    pub fn new(requests: u32, period: Duration, burst: u32) -> Option<Self> {
        let nanos = period.as_nanos() / u128::from(requests.max(1));
        let least = 1_000_000_000 / u128::from(Self::MOST_PER_SECOND);
        let interval_nanos =
            u64::try_from(nanos).ok().filter(|nanos| u128::from(*nanos) >= least)?;
        Some(Self { interval_nanos, burst: burst.max(1) })
    }

    /// How many at once.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// In what time a burst is earned again.
    pub fn window(&self) -> Duration {
        Duration::from_nanos(self.debt_allowed())
    }

    /// Asks for one request. `paid` is when what was granted so far is paid off, in nanoseconds on
    /// the clock of `now`; a grant moves it, a refusal does not.
    fn ask(&self, paid: &mut u64, now: u64) -> Grant {
        let after = (*paid).max(now).saturating_add(self.interval_nanos);
        let debt = after - now;
        match self.debt_allowed().checked_sub(debt) {
            Some(room) => {
                *paid = after;
                let left = room / self.interval_nanos;
                Grant::Yes { left: u32::try_from(left).unwrap_or(u32::MAX) }
            }
            None => Grant::No { wait: Duration::from_nanos(debt - self.debt_allowed()) },
        }
    }

    fn debt_allowed(&self) -> u64 {
        self.interval_nanos.saturating_mul(self.burst.into())
    }
}

/// 584 years of them fit.
fn nanos(now: Moment) -> u64 {
    now.as_micros().saturating_mul(1_000)
}

#[cfg(test)]
mod tests;
