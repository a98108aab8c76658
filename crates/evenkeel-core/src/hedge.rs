//! When a second server is asked because the first one is late.
//!
//! The first answer wins and the other request is given up. It costs a further try of the pool's
//! budget (see [`crate::budget`]): when every server is late, nobody is asked twice for long.

use std::time::Duration;

use crate::config::Hedge;
use crate::retry::Attempt;

/// Buckets to each doubling of the latency: each is 19 % wider than the one before.
const STEPS: u32 = 4;
/// Buckets: from 64 µs to 268 s.
const BUCKETS: usize = 22 * STEPS as usize;
/// The lower bound of bucket 0, as a power of two of microseconds.
const FIRST: u32 = 6;
/// Answers after which older ones count half: the estimate follows a server that has changed.
const HALVING: u32 = 1024;
/// Answers before there is an estimate: with fewer, p95 is the luck of a handful.
pub const LEAST_ANSWERS: u32 = 100;

/// What share of a route's answers takes how long, from the last thousand or two. A plain value of
/// a few hundred bytes, one for each route and worker.
#[derive(Clone, Debug)]
pub struct Latencies {
    counts: [u32; BUCKETS],
    total: u32,
    /// Answers until the next halving.
    left: u32,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0, left: HALVING }
    }
}

impl Latencies {
    /// No answer yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An answer's first byte has come after this time. Of a request that was hedged, both count:
    /// the one that was given up with the time it had taken by then.
    pub fn record(&mut self, latency: Duration) {
        self.counts[bucket(latency)] += 1;
        self.total += 1;
        self.left -= 1;
        if self.left == 0 {
            self.left = HALVING;
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
    }

    /// The time within which `percent` of the answers come, at most 19 % too long; `None` as long
    /// as too few have come to tell.
    pub fn quantile(&self, percent: u8) -> Option<Duration> {
        if self.total < LEAST_ANSWERS {
            return None;
        }
        let rank = u64::from(self.total) * u64::from(percent.min(100));
        let mut below = 0;
        let found = self.counts.iter().position(|&count| {
            below += u64::from(count) * 100;
            below >= rank && below > 0
        });
        found.map(upper_bound)
    }
}

/// How long to wait for the first server before a second one is asked; `None`: it is not, because
/// the request must not be done twice or nobody knows yet what late is.
pub fn wait(policy: &Hedge, latencies: &Latencies, attempt: Attempt) -> Option<Duration> {
    let Attempt { tries, idempotent, replayable, nothing_sent: _, answer_started } = attempt;
    let harmless = idempotent && replayable && !answer_started;
    // A request that has failed once already is a matter of retries.
    if tries != 1 || !harmless {
        return None;
    }
    latencies.quantile(policy.percent).map(|late| late.max(policy.least))
}

fn bucket(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1 << FIRST);
    let doublings = micros.ilog2();
    // The two bits behind the first: quarters of a doubling, a straight line for the curve.
    let quarter = micros >> (doublings - 2) & 3;
    let bucket = u64::from((doublings - FIRST) * STEPS) + quarter;
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> Duration {
    let next = bucket as u64 + 1;
    let (doublings, quarter) = (next / u64::from(STEPS), next % u64::from(STEPS));
    Duration::from_micros((4 + quarter) << (doublings + u64::from(FIRST) - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);
    const GET: Attempt = Attempt {
        tries: 1,
        idempotent: true,
        replayable: true,
        nothing_sent: false,
        answer_started: false,
    };

    #[test]
    fn bounds_and_buckets_agree() {
        for micros in [0, 1, 63, 64, 79, 80, 100, 1_000, 999_999, 200_000_000] {
            let latency = Duration::from_micros(micros);
            let bound = upper_bound(bucket(latency));
            assert!(bound > latency, "{latency:?} {bound:?}");
            assert!(micros < 64 || bound <= latency * 5 / 4 + Duration::from_micros(1));
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
        for place in 1..BUCKETS {
            assert_eq!(bucket(upper_bound(place - 1)), place);
        }
    }

    #[test]
    fn the_quantile_of_a_known_distribution() {
        let mut latencies = Latencies::new();
        // 1 to 100 ms, each as often, in an order that repeats late.
        for n in 0..5_000_u32 {
            latencies.record(MILLI * (n * 37 % 100 + 1));
        }
        for (percent, exact) in [(50, 50), (90, 90), (95, 95), (99, 99)] {
            let found = latencies.quantile(percent).unwrap();
            let exact = MILLI * exact;
            assert!(found >= exact * 97 / 100 && found <= exact * 5 / 4, "p{percent} {found:?}");
        }
    }

    #[test]
    fn it_follows_a_change() {
        let mut latencies = Latencies::new();
        (0..100_000).for_each(|_| latencies.record(MILLI));
        assert!(latencies.quantile(95).unwrap() < MILLI * 2);
        (0..4_000).for_each(|_| latencies.record(MILLI * 50));
        assert!(latencies.quantile(95).unwrap() > MILLI * 50);
        (0..20_000).for_each(|_| latencies.record(MILLI));
        assert!(latencies.quantile(95).unwrap() < MILLI * 2);
    }

    #[test]
    fn few_answers_tell_nothing() {
        let mut latencies = Latencies::new();
        assert_eq!(wait(&Hedge::default(), &latencies, GET), None);
        (0..99).for_each(|_| latencies.record(MILLI * 100));
        assert_eq!(wait(&Hedge::default(), &latencies, GET), None);
        latencies.record(MILLI * 100);
        assert!(wait(&Hedge::default(), &latencies, GET).is_some());
    }

    #[test]
    fn only_what_may_be_done_twice_and_was_asked_once() {
        let mut latencies = Latencies::new();
        (0..200).for_each(|_| latencies.record(MILLI));
        let wait = |attempt| wait(&Hedge::default(), &latencies, attempt);
        assert_eq!(wait(GET), Some(Hedge::default().least), "never sooner");
        for attempt in [
            Attempt { idempotent: false, ..GET },
            Attempt { replayable: false, ..GET },
            Attempt { answer_started: true, ..GET },
            Attempt { tries: 2, ..GET },
        ] {
            assert_eq!(wait(attempt), None, "{attempt:?}");
        }
    }
}
