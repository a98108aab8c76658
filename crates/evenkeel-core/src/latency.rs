//! Durations in buckets, from which any quantile can be read.
//!
//! Log-linear: each doubling is cut into [`PARTS`] equal parts, so a bucket is at most an eighth
//! wider than its lower end, whatever the duration. To find the bucket takes the position of the
//! highest bit and a shift. Bounds are whole parts of 1/64 ms, so powers of two in milliseconds are bounds.

use std::time::Duration;

/// Equal parts of each doubling: a quantile is wrong by at most an eighth.
const PARTS: u64 = 1 << PART_BITS;
const PART_BITS: u32 = 3;

/// Parts of a millisecond that are told apart. Below 125 µs buckets are this wide (16 µs).
const UNITS_PER_MILLI: u64 = 64;

/// How many buckets there are. The last one takes all from 2 min on: nobody asks for a quantile
/// beyond, and time-outs come before.
pub const BUCKETS: usize = 168;

/// Upper bounds, in milliseconds, at which the buckets are summed up for those who cannot read so
/// many (Prometheus): each is the upper bound of a bucket.
pub const COARSE_MILLIS: [u64; 14] =
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096, 16_384, 65_536];

/// The bucket of a duration. A duration that is a bound falls below it.
pub fn bucket(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let units = micros.saturating_mul(UNITS_PER_MILLI).saturating_sub(1) / 1_000;
    let place = match units.checked_ilog2() {
        Some(log) if log >= PART_BITS => {
            let doubling = log - PART_BITS;
            u64::from(doubling) * PARTS + (units >> doubling)
        }
        _ => units,
    };
    usize::try_from(place).map_or(BUCKETS - 1, |place| place.min(BUCKETS - 1))
}

/// The upper bound of a bucket, in seconds; it belongs to the bucket. The last bucket has none and
/// is treated as if it were like the others.
pub fn upper_bound(bucket: usize) -> f64 {
    in_seconds(lower_units(bucket + 1))
}

/// The place of the first of [`COARSE_MILLIS`] that is no less; behind the last, if all are less.
pub fn coarse_place(duration: Duration) -> usize {
    let micros = duration.as_micros();
    COARSE_MILLIS.partition_point(|millis| u128::from(*millis) * 1_000 < micros)
}

/// How many are at most as long as each of [`COARSE_MILLIS`].
pub fn coarse(counts: &[u64]) -> [u64; COARSE_MILLIS.len()] {
    COARSE_MILLIS.map(|millis| {
        let within = bucket(Duration::from_millis(millis)) + 1;
        counts.iter().take(within).sum()
    })
}

/// The duration, in seconds, that the part `quantile` (0 to 1) of all counted ones does not exceed:
/// evenly spread within its bucket. `None`: none was counted.
#[expect(clippy::cast_precision_loss, reason = "a quantile is not that precise")]
pub fn quantile(counts: &[u64], quantile: f64) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let rank = (quantile.clamp(0.0, 1.0) * total as f64).max(1.0);
    let mut before = 0.0;
    for (place, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let through = before + count as f64;
        if through >= rank {
            let (from, to) = (in_seconds(lower_units(place)), upper_bound(place));
            return Some(from + (to - from) * (rank - before) / count as f64);
        }
        before = through;
    }
    None
}

/// Where a bucket begins.
const fn lower_units(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let doubling = bucket / PARTS - 1;
    (PARTS + bucket % PARTS) << doubling
}

#[expect(clippy::cast_precision_loss, reason = "units of the largest bound are far below 2^52")]
fn in_seconds(units: u64) -> f64 {
    units as f64 / (UNITS_PER_MILLI * 1_000) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_fall_into_the_first_bucket_not_below_them() {
        for (micros, expected) in [
            (0, 0),
            (1, 0),
            (15, 0),
            (16, 1),
            (125, 7),
            (126, 8),
            (1_000, 31),
            (1_001, 32),
            (2_000, 39),
            (2_001, 40),
            (u64::MAX, BUCKETS - 1),
        ] {
            assert_eq!(bucket(Duration::from_micros(micros)), expected, "{micros} µs");
        }
    }

    #[test]
    fn coarse_bounds_are_bounds_of_buckets() {
        for millis in COARSE_MILLIS {
            let bucket = bucket(Duration::from_millis(millis));
            let bound = Duration::from_secs_f64(upper_bound(bucket));
            assert_eq!(bound, Duration::from_millis(millis), "{millis} ms");
        }
    }

    #[test]
    fn quantiles_of_few() {
        let mut counts = [0; BUCKETS];
        assert_eq!(quantile(&counts, 0.5), None);
        counts[bucket(Duration::from_millis(1))] = 99;
        counts[bucket(Duration::from_secs(1))] = 1;
        let milli = quantile(&counts, 0.5).unwrap();
        assert!((0.0008..=0.001).contains(&milli), "{milli}");
        let last = quantile(&counts, 0.999).unwrap();
        assert!((0.9..=1.03).contains(&last), "{last}");
        assert_eq!(coarse_place(Duration::from_millis(1)), 0);
        assert_eq!(coarse_place(Duration::from_micros(1_001)), 1);
        assert_eq!(coarse_place(Duration::MAX), COARSE_MILLIS.len());
        assert_eq!(coarse(&counts)[0], 99);
        assert_eq!(coarse(&counts)[10], 100);
    }

    proptest! {
        #[test]
        fn a_bucket_holds_what_falls_into_it(micros in 1_u64..120_000_000) {
            let duration = Duration::from_micros(micros);
            let place = bucket(duration);
            let seconds = duration.as_secs_f64();
            let below = if place == 0 { 0.0 } else { upper_bound(place - 1) };
            prop_assert!(seconds <= upper_bound(place) + 1e-9, "{place}");
            prop_assert!(seconds > below - 1e-9, "{place}");
            prop_assert!(upper_bound(place) <= (below * 1.126).max(below + 16e-6), "{place}");
        }
    }
}
