//! What the servers of each pool with deep checks say of themselves, heard together.

use std::collections::HashMap;
use std::sync::Arc;

use evenkeel_core::config::{Check, CheckKind};
use evenkeel_core::moment::Moment;
use evenkeel_core::outlier::Cap;
use evenkeel_core::verdict::{Hearing, Ruling, Testimony, Turn};

use super::Key;
use crate::clock;
use crate::fleet::LivePool;
use crate::status::Degraded;

/// Intervals of a check, and its time-out besides, after which an answer is too old to count.
const PATIENCE_INTERVALS: u32 = 3;

/// A hearing for each pool, by its name.
#[derive(Debug, Default)]
pub(super) struct Hearings(HashMap<Arc<str>, Hearing<Key>>);

impl Hearings {
    /// Pools that stay keep what was said.
    pub(super) fn follow(&mut self, pools: &[Arc<LivePool>], now: Moment) {
        let mut before = std::mem::take(&mut self.0);
        for pool in pools {
            let Some(check) = pool.config.check.as_ref().filter(|check| is_deep(check)) else {
                continue;
            };
            let cap = Cap::new(pool.config.outlier.cap_percent);
            let servers = pool.servers.iter().map(Arc::as_ptr);
            let patience = check.interval * PATIENCE_INTERVALS + check.timeout;
            let hearing = match before.remove(&pool.name) {
                Some(mut known) => {
                    known.reconfigure(cap, servers, patience, now);
                    known
                }
                None => Hearing::new(cap, servers, patience, now),
            };
            self.0.insert(Arc::clone(&pool.name), hearing);
        }
    }

    /// `None`: the pool has no deep check any more.
    pub(super) fn hear(
        &mut self,
        pool: &str,
        (server, testimony, asked): (Key, &Testimony, Moment),
        out: Vec<Key>,
    ) -> Option<(Ruling, Vec<Turn>)> {
        Some(self.0.get_mut(pool)?.hear(server, testimony, asked, out))
    }

    /// What all servers of a pool lack.
    pub(super) fn degraded(&self, pool: &str) -> Vec<Degraded> {
        let by = self.0.get(pool).into_iter().flat_map(Hearing::degraded_by);
        by.map(|(dependency, since)| Degraded { dependency, since: clock::wall_at(since) })
            .collect()
    }

    /// Whether a pool can spare this server, given what is inferred of the others.
    pub(super) fn may_leave(&self, pool: &LivePool, server: Key) -> bool {
        match self.0.get(&pool.name) {
            Some(hearing) => hearing.may_leave(server, pool.out().map(Arc::as_ptr)),
            None => pool.can_spare_one(),
        }
    }

    /// A server has not answered.
    pub(super) fn dismiss(&mut self, pool: &str, server: Key) {
        if let Some(hearing) = self.0.get_mut(pool) {
            hearing.dismiss(server);
        }
    }
}

fn is_deep(check: &Check) -> bool {
    matches!(check.kind, CheckKind::Deep(_))
}
