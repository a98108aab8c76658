//! Counters that cost a load and a store.

use std::sync::atomic::{AtomicU64, Ordering};

/// Whether exchanges are recorded. A program that does not is built by `cargo xtask bench --only records`
/// alone, so that what recording costs can be seen.
pub(crate) const IS_RECORDING: bool = option_env!("EVENKEEL_UNRECORDED").is_none();

/// A counter that one thread writes and any may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Only the owning worker may call this: two writers would lose counts.
    pub(crate) fn add(&self, more: u64) {
        if IS_RECORDING {
            self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        }
    }

    /// As [`Self::add`], for what is counted elsewhere.
    pub(crate) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Keeps what one core writes off the cache lines of what another writes (lines are fetched in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// One value a worker, each on cache lines of its own.
pub(crate) fn one_each<T: Default>(workers: usize) -> Box<[Padded<T>]> {
    (0..workers).map(|_| Padded::default()).collect()
}

/// Index of a status in counts by class: 1xx to 5xx, then none.
pub(crate) fn class(status: Option<u16>) -> usize {
    status.map_or(5, |status| usize::from((status / 100).clamp(1, 5)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        let classes = [Some(100), Some(200), Some(304), Some(404), Some(503), None].map(class);
        assert_eq!(classes, [0, 1, 2, 3, 4, 5]);
    }
}
