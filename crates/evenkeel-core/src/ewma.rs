//! What a server has done lately: how long it takes to answer, and how often it fails.
//!
//! Both fade. A server that was slow or failed is tried again by and by, and its return needs no
//! timer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::moment::Moment;

/// The latency of a server: a peak-sensitive, exponentially weighted moving average.
///
/// An answer slower than the average replaces it at once, a faster one pulls it down slowly. A
/// server that fails fast must not look fast, so a failure makes it look several times slower than
/// it did.
#[derive(Debug)]
pub struct Ewma(Fading);

/// After so much time, in milliseconds, a sample counts for 1/e.
const LATENCY_DECAY_MS: f64 = 10_000.0;

/// What a server nothing is known about is thought to take, in microseconds: enough that the first
/// moments do not all go to it.
const UNKNOWN: f64 = 30_000.0;

/// How much slower a failure makes a server look. Three in a row and it gets one request in a
/// minute, as long as others do better; one alone is forgotten after 20 s.
const PENALTY: f64 = 8.0;

/// No server is thought slower than this, in microseconds: a minute.
const SLOWEST: f64 = 60_000_000.0;

impl Ewma {
    /// A server nothing is known about.
    pub fn new(now: Moment) -> Self {
        Self(Fading::new(UNKNOWN, now))
    }

    /// An answer's first byte came after `rtt`.
    pub fn record(&self, rtt: Duration, now: Moment) {
        self.0.update(now, LATENCY_DECAY_MS, |faded, kept| {
            let micros = micros(rtt);
            let next = if micros > faded { micros } else { faded + micros * (1.0 - kept) };
            next.min(SLOWEST)
        });
    }

    /// A request failed after `rtt`, however fast.
    pub fn fail(&self, rtt: Duration, now: Moment) {
        self.0.update(now, LATENCY_DECAY_MS, |faded, _| {
            (faded.max(micros(rtt)) * PENALTY).min(SLOWEST)
        });
    }

    /// What an answer would take, in microseconds; near 0 when long unknown.
    pub fn latency(&self, now: Moment) -> f64 {
        self.0.get(now, LATENCY_DECAY_MS).0
    }
}

/// The failures of a server that still count against it.
///
/// A server that fails fast has little in flight. So that this does not make it the first choice of
/// those who compare what is in flight, each failure counts as a request under way for a while.
#[derive(Debug)]
pub struct Failures(Fading);

/// For so long, in milliseconds, a failure counts as a request under way: no server should look
/// better by failing than by answering after a second.
const FAILURE_DECAY_MS: f64 = 1_000.0;

/// More failures make nothing worse.
const MOST_FAILURES: f64 = 1e6;

impl Failures {
    /// A server without any.
    pub fn new(now: Moment) -> Self {
        Self(Fading::new(0.0, now))
    }

    /// One more.
    pub fn add(&self, now: Moment) {
        self.0.update(now, FAILURE_DECAY_MS, |faded, _| (faded + 1.0).min(MOST_FAILURES));
    }

    /// How many there are still.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and MOST_FAILURES"
    )]
    pub fn count(&self, now: Moment) -> u32 {
        self.0.get(now, FAILURE_DECAY_MS).0.round() as u32
    }
}

/// A number that fades, shared by all who use it.
///
/// One word: an update that is lost to another one at the same moment costs one sample.
#[derive(Debug)]
struct Fading(AtomicU64);

impl Fading {
    fn new(value: f64, now: Moment) -> Self {
        Self(AtomicU64::new(pack(value, millis(now))))
    }

    /// What is left of it, and as which part of what it was.
    fn get(&self, now: Moment, decay_ms: f64) -> (f64, f64) {
        let (value, since) = unpack(self.0.load(Ordering::Relaxed));
        let age = millis(now).wrapping_sub(since);
        // A worker's clock may lag behind another's: that is no time, not 49 days.
        let age = if age > u32::MAX / 2 { 0 } else { age };
        let kept = (-f64::from(age) / decay_ms).exp();
        (value * kept, kept)
    }

    fn update(&self, now: Moment, decay_ms: f64, next: impl Fn(f64, f64) -> f64) {
        let (faded, kept) = self.get(now, decay_ms);
        self.0.store(pack(next(faded, kept), millis(now)), Ordering::Relaxed);
    }
}

/// The value keeps its point, so that a small one can change by a little. The milliseconds wrap
/// around after 49 days: a server unused for that long looks as if it had just answered.
#[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
fn pack(value: f64, millis: u32) -> u64 {
    u64::from((value as f32).to_bits()) << 32 | u64::from(millis)
}

fn unpack(packed: u64) -> (f64, u32) {
    let half = |number| u32::try_from(number & u64::from(u32::MAX)).expect("masked");
    (f64::from(f32::from_bits(half(packed >> 32))), half(packed))
}

fn micros(rtt: Duration) -> f64 {
    rtt.as_secs_f64() * 1e6
}

fn millis(now: Moment) -> u32 {
    u32::try_from((now.as_micros() / 1_000) & u64::from(u32::MAX)).expect("masked")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Moment {
        Moment::from_micros(millis * 1_000)
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= expected / 1e4, "{found} is not {expected}");
    }

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let ewma = Ewma::new(at(0));
        close(ewma.latency(at(0)), 30_000.0);
        ewma.record(200 * MS, at(0));
        close(ewma.latency(at(0)), 200_000.0);
        // After 10 s 1/e of it is left, the rest is the new sample.
        ewma.record(5 * MS, at(10_000));
        close(ewma.latency(at(10_000)), 200_000.0 / 1_f64.exp() + 5_000.0 * (1.0 - (-1_f64).exp()));
        assert!(ewma.latency(at(200_000)) < 1.0, "unasked, it is forgotten");
    }

    #[test]
    fn many_answers_in_a_millisecond_do_not_stop_it() {
        let ewma = Ewma::new(at(0));
        for micros in 0..60_000_000 / 200_u64 {
            ewma.record(Duration::from_micros(100), Moment::from_micros(micros * 200));
        }
        assert!((ewma.latency(at(60_000)) - 100.0).abs() < 80.0, "{}", ewma.latency(at(60_000)));
    }

    #[test]
    fn failing_fast_is_not_fast() {
        let (good, bad) = (Ewma::new(at(0)), Ewma::new(at(0)));
        let mut tried = 0;
        // Whoever looks faster is asked, once a millisecond for a minute.
        for now in (0..60_000).map(at) {
            if bad.latency(now) < good.latency(now) {
                bad.fail(MS / 10, now);
                tried += 1;
            } else {
                good.record(5 * MS, now);
            }
        }
        assert!((1..=6).contains(&tried), "{tried}");
    }

    #[test]
    fn it_has_bounds() {
        let ewma = Ewma::new(at(0));
        for _ in 0..50 {
            ewma.fail(Duration::MAX, at(0));
        }
        close(ewma.latency(at(0)), SLOWEST);
        close(ewma.latency(Moment::START), SLOWEST);
        let late = Ewma::new(at(5_000));
        close(late.latency(at(4_000)), 30_000.0);
    }

    #[test]
    fn failures_are_forgotten() {
        let failures = Failures::new(at(0));
        assert_eq!(failures.count(at(0)), 0);
        for _ in 0..100 {
            failures.add(at(0));
        }
        let left = [0, 1_000, 3_000, 6_000].map(|millis| failures.count(at(millis)));
        assert_eq!(left, [100, 37, 5, 0]);
    }
}
