//! How long things took.

use std::time::Duration;

use super::Counter;

/// Upper bounds of the buckets, in seconds: from a look at an index to a disk that hangs.
pub(super) const BOUNDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Counts of durations.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// The last one is for what is over every bound.
    buckets: [Counter; BOUNDS.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].inc();
        self.sum_us.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many were at most each bound, and the count of all.
    pub(super) fn cumulative(&self) -> (Vec<u64>, u64) {
        let mut sum = 0;
        let mut counts: Vec<u64> = self.buckets.iter().map(Counter::get).collect();
        for count in &mut counts {
            sum += *count;
            *count = sum;
        }
        counts.pop();
        (counts, sum)
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        Duration::from_micros(self.sum_us.get()).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_in_and_over_the_bounds() {
        let histogram = Histogram::default();
        for ms in [0, 1, 1, 100, 60_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let (counts, all) = histogram.cumulative();
        assert_eq!(counts, [1, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4]);
        assert_eq!(all, 5);
        assert!((histogram.sum_seconds() - 60.102).abs() < 1e-9);
    }
}
