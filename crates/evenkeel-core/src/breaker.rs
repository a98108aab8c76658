//! What may be under way at once in a pool or at a server: beyond it, a request is refused at once
//! instead of making a slow server slower.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::Limits;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A request that waits for a server or its connection.
    Pending,
    /// A request, the waiting ones included.
    Request,
    /// A request in a further try, or in the wait before it.
    Retry,
}

impl Load {
    /// Each of them, with its word in the file and in metrics.
    pub const ALL: [(Self, &str); 3] =
        [(Self::Pending, "pending"), (Self::Request, "requests"), (Self::Retry, "retries")];
}

/// Counts what is under way, shared by all workers without a lock. Belongs to a pool or a server
/// by identity: the limits, which a reload may change, are given with each question.
#[derive(Debug, Default)]
pub struct Breaker {
    pending: AtomicU32,
    requests: AtomicU32,
    retries: AtomicU32,
}

/// One that is under way, until it is dropped. The default counts nothing.
#[derive(Debug, Default)]
#[must_use = "what it counts is over when it is dropped"]
pub struct Permit(Option<(Arc<Breaker>, Load)>);

impl Breaker {
    /// Nothing is under way.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// One more, if the limit allows it. Without a limit nothing is counted: what began before a
    /// reload set one does not count against it.
    pub fn enter(self: &Arc<Self>, load: Load, limits: Limits) -> Option<Permit> {
        let Some(limit) = limits.of(load) else { return Some(Permit(None)) };
        // Counts first and asks then: of many at once never more than the limit get in.
        let before = self.gauge(load).fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Some((Arc::clone(self), load)));
        (before < limit).then_some(permit)
    }

    /// Whether one more would be let in at this moment.
    pub fn has_room(&self, load: Load, limits: Limits) -> bool {
        limits.of(load).is_none_or(|limit| self.under_way(load) < limit)
    }

    /// How many are under way that a limit was set for.
    pub fn under_way(&self, load: Load) -> u32 {
        self.gauge(load).load(Ordering::Relaxed)
    }

    fn gauge(&self, load: Load) -> &AtomicU32 {
        match load {
            Load::Pending => &self.pending,
            Load::Request => &self.requests,
            Load::Retry => &self.retries,
        }
    }
}

impl Limits {
    /// The one on this load.
    pub fn of(self, load: Load) -> Option<u32> {
        match load {
            Load::Pending => self.pending,
            Load::Request => self.requests,
            Load::Retry => self.retries,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((breaker, load)) = self.0.take() {
            breaker.gauge(load).fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { pending: Some(1), requests: Some(3), retries: None };

    #[test]
    fn each_load_has_its_limit() {
        let breaker = Breaker::new();
        let requests: Vec<_> =
            (0..5).filter_map(|_| breaker.enter(Load::Request, LIMITS)).collect();
        assert_eq!(requests.len(), 3);
        assert_eq!(breaker.under_way(Load::Request), 3, "those refused are not counted");
        let pending = breaker.enter(Load::Pending, LIMITS);
        assert!(pending.is_some() && breaker.enter(Load::Pending, LIMITS).is_none());
        let retries: Vec<_> = (0..100).map(|_| breaker.enter(Load::Retry, LIMITS)).collect();
        assert!(retries.iter().all(Option::is_some));
        assert_eq!(breaker.under_way(Load::Retry), 0, "without a limit nothing is counted");
    }

    #[test]
    fn room_can_be_asked_for_without_taking_it() {
        let breaker = Breaker::new();
        let limits = Limits { requests: Some(1), ..Limits::default() };
        assert!(breaker.has_room(Load::Request, limits) && breaker.has_room(Load::Retry, limits));
        let _one = breaker.enter(Load::Request, limits);
        assert!(!breaker.has_room(Load::Request, limits) && breaker.has_room(Load::Retry, limits));
    }

    #[test]
    fn what_is_over_makes_room() {
        let breaker = Breaker::new();
        drop(breaker.enter(Load::Pending, LIMITS));
        assert!(breaker.enter(Load::Pending, LIMITS).is_some());
        assert_eq!(breaker.under_way(Load::Pending), 0);
    }

    #[test]
    fn a_reload_changes_the_limit_not_the_count() {
        let breaker = Breaker::new();
        let _three: Vec<_> = (0..3).map(|_| breaker.enter(Load::Request, LIMITS)).collect();
        let tight = Limits { requests: Some(2), ..LIMITS };
        let wide = Limits { requests: Some(4), ..LIMITS };
        assert!(breaker.enter(Load::Request, tight).is_none());
        assert!(breaker.enter(Load::Request, wide).is_some());
        let none = Limits::default();
        assert!(breaker.enter(Load::Request, none).is_some());
        assert_eq!(breaker.under_way(Load::Request), 3);
    }

    #[test]
    fn workers_at_once_get_no_more_together() {
        let breaker = Breaker::new();
        let limits = Limits { requests: Some(10), ..Limits::default() };
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let Some(_permit) = breaker.enter(Load::Request, limits) else { continue };
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 10);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(breaker.under_way(Load::Request), 0);
    }
}
