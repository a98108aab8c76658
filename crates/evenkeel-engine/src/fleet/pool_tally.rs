//! What is counted of a pool beside its servers.

use std::sync::atomic::{AtomicU64, Ordering};

/// All of it is rare, so workers share it.
#[derive(Debug, Default)]
pub(crate) struct PoolTally {
    pub(crate) refused_by_pool: AtomicU64,
    pub(crate) refused_by_servers: AtomicU64,
    pub(crate) queue_full: AtomicU64,
    pub(crate) queue_timeouts: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) retries_over_budget: AtomicU64,
    pub(crate) retries_over_breaker: AtomicU64,
    pub(crate) hedges: AtomicU64,
    pub(crate) hedges_won: AtomicU64,
}

impl PoolTally {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refusals(&self) -> [(&'static str, u64); 4] {
        [
            ("pool-breaker", &self.refused_by_pool),
            ("server-breakers", &self.refused_by_servers),
            ("queue-full", &self.queue_full),
            ("queue-timeout", &self.queue_timeouts),
        ]
        .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }

    pub(super) fn further_tries(&self) -> [(&'static str, u64); 3] {
        [
            ("granted", &self.retries),
            ("over-budget", &self.retries_over_budget),
            ("over-breaker", &self.retries_over_breaker),
        ]
        .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }
}
