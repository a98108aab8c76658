//! What picking asks of a pool's servers.

use evenkeel_core::breaker::Load;
use evenkeel_core::pick::Loads;

use super::LivePool;
use crate::clock;

/// How busy the servers of a pool are, for a request's first or a `further` try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLoads<'a> {
    pool: &'a LivePool,
    further: bool,
}

impl<'a> PoolLoads<'a> {
    pub(super) fn new(pool: &'a LivePool, further: bool) -> Self {
        Self { pool, further }
    }
}

impl Loads for PoolLoads<'_> {
    fn in_flight(&self, member: usize) -> u32 {
        self.pool.servers[member].in_flight()
    }

    fn failures(&self, member: usize) -> u32 {
        self.pool.servers[member].failing.count(clock::now())
    }

    fn total(&self) -> u64 {
        self.pool.servers.iter().map(|server| u64::from(server.in_flight())).sum()
    }

    fn admits(&self, member: usize) -> bool {
        let (breaker, limits) =
            (&self.pool.servers[member].breaker, self.pool.config.breaker.server);
        breaker.has_room(Load::Request, limits)
            && breaker.has_room(Load::Pending, limits)
            && (!self.further || breaker.has_room(Load::Retry, limits))
    }

    fn latency(&self, member: usize) -> f64 {
        self.pool.servers[member].latency.latency(clock::now())
    }
}
