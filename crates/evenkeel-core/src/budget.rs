//! How many further tries the requests of a pool may have together.
//!
//! Each single retry is reasonable; all of them at once are what buries servers that are slow
//! because they have too much to do. So a pool's further tries are held to a share of its requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::config::RetryBudget;
use crate::moment::Moment;

/// Over which requests and further tries are counted.
pub const WINDOW: Duration = Duration::from_secs(SLOTS as u64);

/// One for each second of [`WINDOW`], the one that is running included.
const SLOTS: u32 = 10;

/// What a pool has spent, shared by all workers without a lock.
///
/// However many ask at once, no more is granted than the budget has: who asks first books and then
/// counts, so that of two who ask for the last try at least one sees the other.
#[derive(Debug, Default)]
pub struct Budget {
    requests: Ring,
    retries: Ring,
}

impl Budget {
    /// Nothing has been asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request has come. Its first try costs nothing.
    pub fn request(&self, now: Moment) {
        self.requests.add(second(now));
    }

    /// Whether a further try (a retry or a hedge) may be made; if so, it has been paid for.
    pub fn grant(&self, policy: RetryBudget, now: Moment) -> bool {
        let second = second(now);
        if !self.retries.add(second) {
            return false;
        }
        let granted = self.retries.sum(second) <= self.allowance(policy, second);
        if !granted {
            self.retries.take_back(second);
        }
        granted
    }

    /// Further tries made in the window that ends now, and how many it allows.
    pub fn spent(&self, policy: RetryBudget, now: Moment) -> (u64, u64) {
        let second = second(now);
        (self.retries.sum(second), self.allowance(policy, second))
    }

    fn allowance(&self, policy: RetryBudget, second: u32) -> u64 {
        let share = self.requests.sum(second) * u64::from(policy.percent) / 100;
        share.max(u64::from(policy.floor) * WINDOW.as_secs())
    }
}

/// Counts of the last seconds. A slot holds the second it counts in its upper half, so that a slot
/// of ten seconds ago needs nobody to clear it.
#[derive(Debug, Default)]
struct Ring([AtomicU64; SLOTS as usize]);

impl Ring {
    /// Whether it was counted: who was held up for a whole window finds its second gone.
    fn add(&self, second: u32) -> bool {
        let added = |slot| match unpack(slot) {
            (counted, _) if counted > second => None,
            (counted, count) if counted == second => Some(pack(second, count.saturating_add(1))),
            _ => Some(pack(second, 1)),
        };
        self.slot(second).fetch_update(Ordering::SeqCst, Ordering::SeqCst, added).is_ok()
    }

    fn take_back(&self, second: u32) {
        let taken = |slot| match unpack(slot) {
            (counted, count) if counted == second => Some(pack(second, count.saturating_sub(1))),
            _ => None,
        };
        // Gone with its second: it no longer counts anyway.
        let _ = self.slot(second).fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken);
    }

    fn sum(&self, second: u32) -> u64 {
        let counts = self.0.iter().map(|slot| unpack(slot.load(Ordering::SeqCst)));
        let recent = counts.filter(|(counted, _)| second.abs_diff(*counted) < SLOTS);
        recent.map(|(_, count)| u64::from(count)).sum()
    }

    fn slot(&self, second: u32) -> &AtomicU64 {
        &self.0[(second % SLOTS) as usize]
    }
}

/// Seconds on the monotonic clock, for a hundred years.
fn second(now: Moment) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

fn pack(second: u32, count: u32) -> u64 {
    u64::from(second) << 32 | u64::from(count)
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves, one after the other")]
fn unpack(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, slot as u32)
}

#[cfg(test)]
mod tests;
