//! Limits, made live.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evenkeel_core::config::{RateKey, RateLimit};
use evenkeel_core::fault::Fault;
use evenkeel_core::hash::Seed;
use evenkeel_core::rate::{Grant, Limiter, Shares};

use super::Fields;
use crate::clock;
use crate::status::RateStatus;

/// A limit with what it has counted: kept over reloads as long as its name and its key stay.
#[derive(Debug)]
pub(crate) struct LiveRate {
    limit: RateLimit,
    limiter: Arc<Limiter>,
    exceeded: Arc<AtomicU64>,
}

/// The value of a request's header or cookie of this name.
type Find<'a, 'b> = &'a dyn Fn(&str) -> Option<&'b [u8]>;

impl LiveRate {
    pub(crate) fn new(limit: RateLimit, before: &[Arc<Self>]) -> Self {
        let same = |old: &&Arc<Self>| old.limit.name == limit.name && old.limit.key == limit.key;
        let old = before.iter().find(same);
        let limiter = || Arc::new(Limiter::new(random_seed()));
        Self {
            limiter: old.map_or_else(limiter, |old| Arc::clone(&old.limiter)),
            exceeded: old.map_or_else(Arc::default, |old| Arc::clone(&old.exceeded)),
            limit,
        }
    }

    /// Asks for one request, or one connection, at this listener and route.
    pub(crate) fn ask(
        &self,
        source: IpAddr,
        (listener, route): (&str, &str),
        (header, cookie): (Find<'_, '_>, Find<'_, '_>),
        fields: &mut Fields,
    ) -> Result<(), Fault> {
        let rate = &self.limit.rate;
        let ask = |key: &[u8]| self.limiter.ask(key, rate, clock::now());
        // No value begins as an address does, with 4 or 6: those are no bytes of a field.
        let grant = match &self.limit.key {
            RateKey::Source(shares) => ask(&shares.of(source)),
            RateKey::Header(name) => {
                header(name).map_or_else(|| ask(&Shares::default().of(source)), ask)
            }
            RateKey::Cookie(name) => {
                cookie(name).map_or_else(|| ask(&Shares::default().of(source)), ask)
            }
            RateKey::Route => ask(format!("{listener} {route}").as_bytes()),
        };
        let Grant::No { wait } = grant else { return Ok(()) };
        self.exceeded.fetch_add(1, Ordering::Relaxed);
        if self.limit.dry_run {
            return Ok(());
        }
        *fields = self.fields(wait);
        Err(Fault::RateLimited)
    }

    /// RFC 9110 §10.2.3, and draft-ietf-httpapi-ratelimit-headers-10.
    fn fields(&self, wait: Duration) -> Fields {
        let RateLimit { name, rate, .. } = &self.limit;
        let (wait, window) = (whole_seconds(wait), whole_seconds(rate.window()));
        vec![
            ("Retry-After", wait.to_string()),
            ("RateLimit-Policy", format!("\"{name}\";q={};w={window}", rate.burst())),
            ("RateLimit", format!("\"{name}\";r=0;t={wait}")),
        ]
    }

    pub(crate) fn status(&self) -> RateStatus {
        RateStatus {
            name: Arc::clone(&self.limit.name),
            dry_run: self.limit.dry_run,
            exceeded_total: self.exceeded.load(Ordering::Relaxed),
        }
    }
}

/// Rounded up: who comes back too early is refused again.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn random_seed() -> Seed {
    let random = RandomState::new();
    let halves = [random.hash_one(0_u8), random.hash_one(1_u8)].map(u64::to_le_bytes);
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&halves[0]);
    seed[8..].copy_from_slice(&halves[1]);
    Seed::new(seed)
}
