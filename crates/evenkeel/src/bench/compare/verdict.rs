//! What the three tests say together.

use serde::Serialize;

use super::super::report::{Point, Report, share};

/// A server takes this share of what it can, so that one that is left alone with the work of two is
/// not also at its limit: what fails then, fails because of the loss.
const BEARABLE: f64 = 0.7;

/// A level is beyond what can be taken when less than this share of it is answered well.
const KEPT_UP: f64 = 0.95;

/// One against two.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) one: Report,
    pub(super) two: Option<Report>,
    /// Two against twice one, in good answers a second; 1: the second is worth as much as the first.
    /// Absent while one server kept up with all that was offered.
    pub(super) efficiency: Option<f64>,
    /// Two kept up with all that was offered: they may be worth more than `efficiency` says.
    pub(super) two_kept_up: bool,
    pub(super) loss: Option<Loss>,
}

/// Two servers, of which one was lost half-way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Loss {
    /// What was done to it.
    pub(super) how: &'static str,
    pub(super) before: Point,
    pub(super) after: Point,
    pub(super) report: Report,
}

impl Comparison {
    pub(super) fn of_one(one: Report) -> Self {
        Self { one, two: None, efficiency: None, two_kept_up: false, loss: None }
    }

    pub(super) fn add_two(&mut self, two: Report) {
        self.efficiency = efficiency(&self.one, &two);
        self.two_kept_up = keeps_up(&two);
        self.two = Some(two);
    }
}

impl Loss {
    /// `None` when the test ended before the loss.
    pub(super) fn of(report: Report, how: &'static str) -> Option<Self> {
        let [before, after] = &report.levels[..] else { return None };
        let (before, after) = (before.clone(), after.clone());
        Some(Self { how, before, after, report })
    }
}

/// The most that was answered well in a second, at any level.
pub(super) fn most(report: &Report) -> f64 {
    report.levels.iter().map(|level| level.good_per_second).fold(0.0, f64::max)
}

/// Whether no level was too much.
pub(super) fn keeps_up(report: &Report) -> bool {
    report.levels.iter().all(|level| {
        level.good_per_second >= level.offered_per_second * KEPT_UP
            && share(level.failed, level.requests) <= 1.0 - KEPT_UP
    })
}

fn efficiency(one: &Report, two: &Report) -> Option<f64> {
    let alone = most(one);
    (alone > 0.0 && !keeps_up(one)).then(|| most(two) / (2.0 * alone))
}

/// A rate that one server bears alone.
pub(super) fn bearable(one: &Report) -> f64 {
    (most(one) * BEARABLE).max(1.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::report::Subject;
    use super::super::super::schedule::{Schedule, Shape};
    use super::super::super::tally::{Failure, Tally};
    use super::super::super::target::Http;
    use super::*;

    /// What a service that takes `most` requests a second makes of 100, 200 … 500; what is beyond
    /// it fails.
    fn report(most: u32) -> Report {
        let duration = Duration::from_secs(5);
        let schedule = Schedule::new(100.0, 500.0, duration, Shape::Steps(5)).expect("it is sound");
        let mut tally = Tally::new(schedule.grid());
        let mut taken = [0; 5];
        for due in (0..).map_while(|number| schedule.due(number)) {
            let second = usize::try_from(due.as_secs()).expect("it is small");
            taken[second] += 1;
            tally.due(due);
            if taken[second] <= most {
                tally.good(due, due);
            } else {
                tally.failed(due, Failure::Server, duration);
            }
        }
        let http = Http::One;
        let subject = Subject { url: "", method: "GET", http, connections: 64, streams: 1 };
        Report::new(&subject, &schedule, duration, &tally)
    }

    #[test]
    fn efficiency_is_two_against_twice_one() {
        let mut comparison = Comparison::of_one(report(200));
        comparison.add_two(report(300));
        assert!(comparison.efficiency.is_some_and(|it| (it - 0.75).abs() < 1e-9));
        assert!(!comparison.two_kept_up);
        assert!((bearable(&comparison.one) - 140.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_not_found_out_is_not_said() {
        let mut comparison = Comparison::of_one(report(500));
        comparison.add_two(report(500));
        assert_eq!(comparison.efficiency, None, "one server took all that was offered");
        let mut comparison = Comparison::of_one(report(300));
        comparison.add_two(report(500));
        assert!(comparison.two_kept_up, "two may take more than what was offered");
    }

    #[test]
    fn a_test_that_ended_before_the_loss_shows_none() {
        assert!(Loss::of(report(200), "killed").is_none());
    }
}
