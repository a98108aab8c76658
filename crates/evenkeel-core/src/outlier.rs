//! Which server fails so much more often than the others of its pool that it must be the server.
//!
//! # Whom a server is compared with
//! With those of its peers that do better, and only if these are at least half of them: when most of
//! a pool fails, the pool has a trouble that taking servers out would make worse. Its own failures
//! are left out of the mean and the deviation. Were they in, no server of a small pool could ever be
//! far from the mean: among *n* values none is further than (n − 1) / √n deviations, so that three
//! deviations would take eleven servers.
//!
//! Peers that all fail equally often have no deviation at all. The least one assumed is that of
//! chance (of so many requests at that mean, some fail more), and [`LEAST_GAP`].

use crate::config::FailureRate;
use crate::moment::Moment;

/// A server that fails less than this much more often than its peers stays: 1 in 100 against 0 may
/// be far from chance where requests are many, and is no reason to take a server out.
const LEAST_GAP: f64 = 0.05;

/// Servers that may be out at the same time because of what is inferred of them, so that no error
/// of judgement empties a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    percent: u8,
}

impl Cap {
    /// As [`crate::config::Outlier::cap_percent`] says.
    pub const fn new(percent: u8) -> Self {
        Self { percent }
    }

    /// How many of this many servers may be out: at least one, and never all of several.
    pub fn of(self, servers: usize) -> usize {
        let share = servers * usize::from(self.percent.min(100)) / 100;
        share.clamp(1, servers.saturating_sub(1).max(1))
    }

    /// Whether one more may leave when `out` of `servers` are out already, for whatever reason.
    pub fn leaves_room(self, servers: usize, out: usize) -> bool {
        out < self.of(servers)
    }
}

/// What traffic has shown of a server: its counters, or their growth over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that it was given.
    pub requests: u64,
    /// Those that ended with a fault of the server's or an answer of status 500 or more.
    pub failures: u64,
}

/// Cuts the counters of a server, which only grow, into windows.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    began: Moment,
    counters: Tally,
}

impl Window {
    /// Counting begins.
    pub fn new(counters: Tally, now: Moment) -> Self {
        Self { began: now, counters }
    }

    /// When the window is over.
    pub fn end(&self, policy: &FailureRate) -> Moment {
        self.began + policy.window
    }

    /// What the server did so far is not held against it: it has been taken out for it, and is back.
    pub fn forget(&mut self, counters: Tally) {
        self.counters = counters;
    }

    /// What has come since the window began; another begins now.
    pub fn turn(&mut self, counters: Tally, now: Moment) -> Tally {
        let before = self.counters;
        *self = Self { began: now, counters };
        Tally {
            requests: counters.requests.saturating_sub(before.requests),
            failures: counters.failures.saturating_sub(before.failures),
        }
    }
}

/// What is held against a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub tally: Tally,
    /// Failures of the peers it was compared with, in thousandths of their requests: the mean.
    pub peers_permille: u16,
    /// How far from it is nothing unusual, in thousandths: their standard deviation, or that of
    /// chance if it is more.
    pub deviation_permille: u16,
}

impl Tally {
    /// Failures in thousandths of the requests.
    pub fn permille(self) -> u16 {
        let Self { requests, failures } = self;
        u16::try_from(failures.min(requests) * 1000 / requests.max(1)).unwrap_or(1000)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
    fn rate(self) -> f64 {
        self.failures.min(self.requests) as f64 / self.requests.max(1) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
    fn volume(self) -> f64 {
        self.requests as f64
    }
}

/// The outliers among servers whose traffic in one window was this: their places, the worst one
/// first. Who of them may leave is up to the [`Cap`].
pub fn judge(policy: &FailureRate, tallies: &[Tally]) -> Vec<(usize, Evidence)> {
    let least = u64::from(policy.least_requests).max(1);
    let mut judged: Vec<_> =
        tallies.iter().copied().enumerate().filter(|(_, tally)| tally.requests >= least).collect();
    judged.sort_by(|(_, a), (_, b)| a.rate().total_cmp(&b.rate()));
    // From the best upwards: the first one that is far from all who do better. Those after it do
    // worse still, and are compared with the same peers, lest outliers hide each other.
    let mut peers = Peers::default();
    let mut better = 0;
    let first = judged.iter().position(|(_, tally)| {
        while judged[better].1.rate() < tally.rate() {
            peers.add(judged[better].1.rate());
            better += 1;
        }
        better > 0 && better * 2 >= judged.len() - 1 && peers.are_far_from(policy, *tally)
    });
    let Some(first) = first else { return Vec::new() };
    let outliers = judged[first..].iter().rev();
    outliers
        .filter(|(_, tally)| peers.are_far_from(policy, *tally))
        .map(|&(place, tally)| (place, peers.evidence(tally)))
        .collect()
}

/// Those a server is compared with.
#[derive(Default)]
struct Peers {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Peers {
    fn add(&mut self, rate: f64) {
        self.count += 1.0;
        self.sum += rate;
        self.squares += rate * rate;
    }

    fn mean(&self) -> f64 {
        self.sum / self.count
    }

    fn are_far_from(&self, policy: &FailureRate, tally: Tally) -> bool {
        let far = f64::from(policy.deviations_percent) / 100.0 * self.deviation(tally);
        tally.rate() > self.mean() + far.max(LEAST_GAP)
    }

    fn deviation(&self, tally: Tally) -> f64 {
        let mean = self.mean();
        let deviation = (self.squares / self.count - mean * mean).max(0.0).sqrt();
        let chance = (mean * (1.0 - mean) / tally.volume()).sqrt();
        deviation.max(chance)
    }

    fn evidence(&self, tally: Tally) -> Evidence {
        let (mean, deviation) = (self.mean(), self.deviation(tally));
        Evidence { tally, peers_permille: permille(mean), deviation_permille: permille(deviation) }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
fn permille(rate: f64) -> u16 {
    (rate * 1000.0).round() as u16
}

#[cfg(test)]
mod tests;
