//! What the devices of this process have done so far, told line by line.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Say;
use super::outbox::Counts;
use crate::clock;

/// The sum over all devices.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    retries: AtomicU64,
    connections: AtomicU64,
    /// Since the last line.
    slowest_ms: AtomicU64,
}

/// A line.
#[derive(Debug, Serialize)]
struct SoFar {
    seconds: f64,
    sent: u64,
    acknowledged: u64,
    refused: u64,
    retries: u64,
    connections: u64,
    /// The longest time from when a reading was due to its acknowledgement, since the last line.
    slowest_ms: u64,
}

impl Progress {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            began: clock::instant(),
            sent: zero(),
            acknowledged: zero(),
            refused: zero(),
            retries: zero(),
            connections: zero(),
            slowest_ms: zero(),
        }
    }

    /// A device has come from `before` to `now`.
    pub(super) fn add(&self, before: &Counts, now: &Counts, slowest_ms: u64) {
        for (sum, before, now) in [
            (&self.sent, before.sent, now.sent),
            (&self.acknowledged, before.acknowledged, now.acknowledged),
            (&self.refused, before.refused, now.refused),
            (&self.retries, before.retries, now.retries),
            (&self.connections, before.connections, now.connections),
        ] {
            sum.fetch_add(now - before, Ordering::Relaxed);
        }
        self.slowest_ms.fetch_max(slowest_ms, Ordering::Relaxed);
    }

    /// Hands a line of JSON to `say` each `interval`, for ever.
    pub(super) async fn tell_each(&self, interval: Duration, say: Say) {
        loop {
            tokio::time::sleep(interval).await;
            let get = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
            // What is acknowledged was sent before: read in this order the one is never the greater.
            let (acknowledged, refused) = (get(&self.acknowledged), get(&self.refused));
            let line = SoFar {
                seconds: self.began.elapsed().as_secs_f64(),
                sent: get(&self.sent),
                acknowledged,
                refused,
                retries: get(&self.retries),
                connections: get(&self.connections),
                slowest_ms: self.slowest_ms.swap(0, Ordering::Relaxed),
            };
            // A struct of numbers is always JSON.
            say(&serde_json::to_string(&line).unwrap_or_default());
        }
    }
}
