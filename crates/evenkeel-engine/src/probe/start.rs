//! Servers that start slowly: each step of one makes another roster, away from the traffic.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::moment::Moment;

use super::{Judge, add};
use crate::fleet::LivePool;

/// How late it may be noticed that a server has come, and how often at most shares grow.
const LOOK: Duration = Duration::from_millis(500);

/// The pools whose servers start slowly.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// Each with its next step, if one is under way.
    pools: Vec<(Arc<LivePool>, Option<Moment>)>,
    next_look: Moment,
}

impl Starts {
    pub(super) fn follow(&mut self, pools: &[Arc<LivePool>]) {
        let slow = pools.iter().filter(|pool| pool.config.slow_start.is_some());
        self.pools = slow.map(|pool| (Arc::clone(pool), None)).collect();
        self.next_look = Moment::START;
    }
}

impl Judge {
    /// Gives servers that come more, step by step. Returns when to look again.
    pub(super) fn step_slow_starts(&mut self, now: Moment) -> Option<Moment> {
        let Starts { pools, next_look } = &mut self.starts;
        if pools.is_empty() {
            return None;
        }
        if *next_look <= now {
            *next_look = now + LOOK;
            for (pool, step) in pools {
                if step.is_some_and(|step| step <= now) {
                    add(&mut self.stale, pool);
                }
                *step = pool.next_step(now);
                *next_look = step.map_or(*next_look, |step| step.min(*next_look));
            }
        }
        Some(*next_look)
    }
}
