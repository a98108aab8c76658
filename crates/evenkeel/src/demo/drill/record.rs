//! What users and devices have seen, moment by moment.

use serde::Serialize;

/// A column of the time line.
pub(super) const BUCKET_MS: u64 = 250;

/// A page that came, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Click {
    /// When it ended.
    pub(super) at_ms: u64,
    /// Since the user first wanted the page.
    pub(super) waited_ms: u64,
    pub(super) came: bool,
}

/// A word of the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) at_ms: u64,
    /// So far.
    pub(super) acknowledged: u64,
    /// The longest wait since the last word.
    pub(super) slowest_ms: u64,
}

/// Everything since the drill began.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) clicks: Vec<Click>,
    pub(super) ticks: Vec<Tick>,
}

/// What users and devices have seen within a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) users_gap_ms: u64,
    pub(super) devices_gap_ms: u64,
    pub(super) requests: u64,
    pub(super) failed: u64,
}

/// A column of the time line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Bucket {
    /// Pages that came.
    pub(super) pages: u64,
    pub(super) failed: u64,
    /// Readings acknowledged.
    pub(super) acknowledged: u64,
    /// The longest wait that ended then, of users and of devices.
    pub(super) users_gap_ms: u64,
    pub(super) devices_gap_ms: u64,
}

impl Record {
    /// What has come after `from_ms` and not after `to_ms`.
    pub(super) fn between(&self, from_ms: u64, to_ms: u64) -> Seen {
        let within = |at_ms: u64| at_ms > from_ms && at_ms <= to_ms;
        let mut seen = Seen::default();
        for click in self.clicks.iter().filter(|click| within(click.at_ms)) {
            seen.requests += 1;
            seen.failed += u64::from(!click.came);
            // A page that has not come yet has been waited for, too.
            seen.users_gap_ms = seen.users_gap_ms.max(click.waited_ms);
        }
        let ticks = self.ticks.iter().filter(|tick| within(tick.at_ms));
        seen.devices_gap_ms = ticks.map(|tick| tick.slowest_ms).max().unwrap_or_default();
        seen
    }

    /// The time line up to `end_ms`.
    pub(super) fn buckets(&self, end_ms: u64) -> Vec<Bucket> {
        let count = usize::try_from(end_ms.div_ceil(BUCKET_MS)).unwrap_or_default();
        let mut buckets = vec![Bucket::default(); count];
        let place = |at_ms: u64| usize::try_from(at_ms / BUCKET_MS).unwrap_or(usize::MAX);
        for click in &self.clicks {
            let Some(bucket) = buckets.get_mut(place(click.at_ms)) else { continue };
            bucket.pages += u64::from(click.came);
            bucket.failed += u64::from(!click.came);
            bucket.users_gap_ms = bucket.users_gap_ms.max(click.waited_ms);
        }
        let mut before = self.ticks.first().map_or(0, |tick| tick.acknowledged);
        for tick in &self.ticks {
            let more = tick.acknowledged.saturating_sub(before);
            before = tick.acknowledged;
            let Some(bucket) = buckets.get_mut(place(tick.at_ms)) else { continue };
            bucket.acknowledged += more;
            bucket.devices_gap_ms = bucket.devices_gap_ms.max(tick.slowest_ms);
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_belongs_to_one_step_and_one_bucket() {
        let click = |at_ms, waited_ms, came| Click { at_ms, waited_ms, came };
        let tick = |at_ms, acknowledged, slowest_ms| Tick { at_ms, acknowledged, slowest_ms };
        let record = Record {
            clicks: vec![click(100, 10, true), click(250, 90, false), click(400, 240, true)],
            ticks: vec![tick(100, 5, 3), tick(300, 9, 7), tick(600, 10, 80)],
        };
        let seen = record.between(100, 400);
        assert_eq!((seen.requests, seen.failed, seen.users_gap_ms), (2, 1, 240));
        assert_eq!(seen.devices_gap_ms, 7);
        let buckets = record.buckets(501);
        assert_eq!(buckets.len(), 3);
        assert_eq!((buckets[0].pages, buckets[1].pages, buckets[1].failed), (1, 1, 1));
        assert_eq!(buckets.iter().map(|it| it.acknowledged).collect::<Vec<_>>(), [0, 4, 1]);
    }
}
