//! Who fails so much more often than the others of its pool that it must be the server. Each pool's
//! traffic is cut into windows; what follows from one is decided in [`evenkeel_core::outlier`].

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use evenkeel_core::config::FailureRate;
use evenkeel_core::moment::Moment;
use evenkeel_core::outlier::{Tally, Window, judge};

use super::{Judge, Key};
use crate::fleet::LivePool;
use crate::status::AdminState;

/// The windows of each pool whose servers are compared, by its name.
#[derive(Debug, Default)]
pub(super) struct Rates(HashMap<Arc<str>, Windows>);

/// A window of each server of a pool, in the pool's order. All of them end together.
#[derive(Debug)]
struct Windows {
    pool: Arc<LivePool>,
    policy: FailureRate,
    ends: Moment,
    of_servers: Vec<Window>,
}

impl Rates {
    /// Servers that stay keep their windows. One server alone has no peers.
    pub(super) fn follow(&mut self, pools: &[Arc<LivePool>], now: Moment) {
        let mut before = mem::take(&mut self.0);
        for pool in pools.iter().filter(|pool| pool.servers.len() > 1) {
            let Some(policy) = pool.config.outlier.failure_rate else { continue };
            let known = before.remove(&pool.name);
            let began: HashMap<Key, Window> = known.iter().flat_map(Windows::by_server).collect();
            let window = |key| began.get(&key).copied();
            let of_servers = pool
                .servers
                .iter()
                .map(|it| window(Arc::as_ptr(it)).unwrap_or_else(|| Window::new(it.traffic(), now)))
                .collect();
            let end = now + policy.window;
            let ends = known.map_or(end, |known| known.ends.min(end));
            let pool = Arc::clone(pool);
            self.0.insert(Arc::clone(&pool.name), Windows { pool, policy, ends, of_servers });
        }
    }

    /// A server of this pool is used again: what took it out was before.
    pub(super) fn forget(&mut self, pool: &LivePool, key: Key) {
        let Some(windows) = self.0.get_mut(&pool.name) else { return };
        let mut of_servers = windows.pool.servers.iter().zip(&mut windows.of_servers);
        if let Some((server, window)) = of_servers.find(|(it, _)| Arc::as_ptr(it) == key) {
            window.forget(server.traffic());
        }
    }
}

impl Windows {
    fn by_server(&self) -> impl Iterator<Item = (Key, Window)> {
        self.pool.servers.iter().map(Arc::as_ptr).zip(self.of_servers.iter().copied())
    }

    /// What has come in the window of each server; another one begins.
    fn turn(&mut self, now: Moment) -> Vec<Tally> {
        self.ends = now + self.policy.window;
        let servers = self.pool.servers.iter().zip(&mut self.of_servers);
        let tallies = servers.map(|(server, window)| {
            let tally = window.turn(server.traffic(), now);
            // Its operator may be the reason.
            if server.admin_state() == AdminState::Maint { Tally::default() } else { tally }
        });
        tallies.collect()
    }
}

impl Judge {
    /// Compares the servers of the pools whose windows are over. Returns when the next one is.
    pub(super) fn judge_rates(&mut self, now: Moment) -> Option<Moment> {
        let mut rates = mem::take(&mut self.rates);
        for windows in rates.0.values_mut().filter(|windows| windows.ends <= now) {
            self.compare(windows, now);
        }
        self.rates = rates;
        self.rates.0.values().map(|windows| windows.ends).min()
    }

    fn compare(&mut self, windows: &mut Windows, now: Moment) {
        let tallies = windows.turn(now);
        let outliers = judge(&windows.policy, &tallies);
        let (pool, policy) = (&windows.pool, &windows.policy);
        let is_shown = |tally: &Tally| tally.requests >= policy.least_requests.into();
        for (place, server) in pool.servers.iter().enumerate() {
            let is_outlier = outliers.iter().any(|(outlier, _)| *outlier == place);
            if is_outlier || !is_shown(&tallies[place]) {
                continue;
            }
            let key = Arc::as_ptr(server);
            if let Some(case) = self.cases.get_mut(&key) {
                case.health.is_no_outlier(now);
                self.settle(key, None);
            }
        }
        // The worst one first: the pool may not be able to spare them all.
        for (place, evidence) in outliers {
            let key = Arc::as_ptr(&pool.servers[place]);
            let (Some(case), hearings) = (self.cases.get_mut(&key), &self.hearings) else {
                continue;
            };
            let may_leave = || hearings.may_leave(pool, key);
            let change = case.health.is_outlier(evidence, now, may_leave);
            self.settle(key, change);
        }
    }
}
