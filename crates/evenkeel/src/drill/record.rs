//! What probes have seen, and what follows from it.

use std::time::Duration;

use serde::Serialize;

/// A column of the time line.
pub(super) const BUCKET: Duration = Duration::from_millis(250);

/// A probe that has ended. Times are since the drill began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// Which of the things that are probed.
    pub(super) target: usize,
    pub(super) at: Duration,
    pub(super) took: Duration,
    /// Why it was no good.
    pub(super) fault: Option<String>,
}

/// Every probe of one thing.
#[derive(Clone, Debug, Default)]
struct Lane {
    good: u64,
    failed: u64,
    /// When the last good one ended.
    last_good: Duration,
    /// Between two good ones, the longest so far.
    gap: Duration,
    slowest: Duration,
    last_fault: Option<String>,
}

/// Every probe since the drill began.
#[derive(Clone, Debug)]
pub(super) struct Record {
    lanes: Vec<Lane>,
    buckets: Vec<Bucket>,
}

/// What ended within [`BUCKET`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Bucket {
    pub(super) good: u64,
    pub(super) failed: u64,
    pub(super) slowest_ms: u64,
}

/// What came of the probes of one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    pub(super) probe: String,
    pub(super) good: u64,
    pub(super) failed: u64,
    /// The longest time without a good one.
    pub(super) gap_ms: u64,
    pub(super) slowest_ms: u64,
    /// Why the last one that failed was no good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_fault: Option<String>,
}

impl Record {
    /// Of so many things.
    pub(super) fn new(targets: usize) -> Self {
        Self { lanes: vec![Lane::default(); targets], buckets: Vec::new() }
    }

    /// A probe has ended, none before those that were noted.
    pub(super) fn note(&mut self, probe: Probe) {
        let Probe { target, at, took, fault } = probe;
        let place = usize::try_from(at.as_millis() / BUCKET.as_millis()).unwrap_or(usize::MAX);
        // A drill has an end: its columns are a few for each second.
        if self.buckets.len() <= place {
            self.buckets.resize(place.saturating_add(1), Bucket::default());
        }
        let (bucket, lane) = (&mut self.buckets[place], &mut self.lanes[target]);
        bucket.slowest_ms = bucket.slowest_ms.max(milliseconds(took));
        lane.slowest = lane.slowest.max(took);
        if fault.is_some() {
            lane.failed += 1;
            bucket.failed += 1;
            lane.last_fault = fault;
        } else {
            lane.good += 1;
            bucket.good += 1;
            lane.gap = lane.gap.max(at.saturating_sub(lane.last_good));
            lane.last_good = lane.last_good.max(at);
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.failed).sum()
    }

    pub(super) fn good(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.good).sum()
    }

    /// Each thing has answered well.
    pub(super) fn all_have_answered(&self) -> bool {
        self.lanes.iter().all(|lane| lane.good > 0)
    }

    /// The longest time in which one of the things had no good probe, up to `now`.
    pub(super) fn gap(&self, now: Duration) -> Duration {
        self.lanes.iter().map(|lane| lane.gap_until(now)).max().unwrap_or_default()
    }

    pub(super) fn last_fault(&self) -> Option<&str> {
        self.lanes.iter().find_map(|lane| lane.last_fault.as_deref())
    }

    /// What came of each thing, by the names they have.
    pub(super) fn figures(&self, names: &[String], now: Duration) -> Vec<Figures> {
        let figures = |(name, lane): (&String, &Lane)| Figures {
            probe: name.clone(),
            good: lane.good,
            failed: lane.failed,
            gap_ms: milliseconds(lane.gap_until(now)),
            slowest_ms: milliseconds(lane.slowest),
            last_fault: lane.last_fault.clone(),
        };
        names.iter().zip(&self.lanes).map(figures).collect()
    }

    pub(super) fn into_buckets(self) -> Vec<Bucket> {
        self.buckets
    }
}

impl Lane {
    fn gap_until(&self, now: Duration) -> Duration {
        self.gap.max(now.saturating_sub(self.last_good))
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn probe(target: usize, ended: u64, fault: Option<&str>) -> Probe {
        Probe { target, at: at(ended), took: at(7), fault: fault.map(str::to_owned) }
    }

    #[test]
    fn a_gap_is_between_good_probes_of_one_thing() {
        let mut record = Record::new(2);
        for (target, ended, fault) in [
            (0, 100, None),
            (1, 150, None),
            (0, 300, Some("reset")),
            (1, 350, None),
            (0, 500, Some("refused")),
            (1, 550, None),
            (0, 700, None),
        ] {
            record.note(probe(target, ended, fault));
        }
        assert_eq!((record.good(), record.failed()), (5, 2));
        assert_eq!(record.gap(at(710)), at(600), "the other one answered all the time");
        assert_eq!(record.gap(at(2_000)), at(1_450), "one that has not come is waited for");
        assert_eq!(record.last_fault(), Some("refused"));
        let names = ["a".to_owned(), "b".to_owned()];
        let figures = record.figures(&names, at(710));
        assert_eq!((figures[0].gap_ms, figures[1].gap_ms), (600, 200));
        let buckets = record.into_buckets();
        let counts: Vec<_> = buckets.iter().map(|it| (it.good, it.failed)).collect();
        assert_eq!(counts, [(2, 0), (1, 1), (2, 1)]);
    }

    #[test]
    fn the_first_answer_is_waited_for_too() {
        let mut record = Record::new(1);
        assert_eq!((record.gap(at(400)), record.all_have_answered()), (at(400), false));
        record.note(probe(0, 500, None));
        assert_eq!((record.gap(at(500)), record.all_have_answered()), (at(500), true));
    }
}
