//! When requests are due. The schedule is made before the first one is sent, and nothing that
//! happens moves it: a late answer does not delay the next request.

use std::time::Duration;

/// Requests a second; more than a load generator in one process can send, so that it is the
/// machine that sets the limit.
pub(crate) const MOST_RATE: f64 = 1e6;

/// With [`MOST_RATE`] the requests of one test are fewer than a `u32` counts.
pub(crate) const LONGEST: Duration = Duration::from_hours(1);

/// Fewer requests than this are too few to say what a level is like.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Levels a ramp is divided into for its curve.
const LEVELS_OF_A_RAMP: u32 = 12;

/// Intervals of a test, about: as many as a chart of it can show.
const INTERVALS: u32 = 60;

/// How the rate goes from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A little more with each request.
    Ramp,
    /// So many levels of the same length.
    Steps(u32),
}

/// A fixed list of moments, as a function of their number.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) duration: Duration,
    pub(crate) shape: Shape,
    stages: Vec<Stage>,
}

/// A part in which the rate changes evenly, or not at all.
#[derive(Clone, Copy, Debug)]
struct Stage {
    /// In seconds from the start of the test.
    start: f64,
    /// In seconds.
    length: f64,
    /// Requests a second at the start of the stage.
    from: f64,
    /// What is added to it each second.
    growth: f64,
    /// Requests due before it.
    before: f64,
}

/// How the time of a test is divided for what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) interval: Duration,
    /// Levels of the rate.
    pub(crate) levels: u32,
    /// Intervals of each level.
    pub(crate) per_level: u32,
}

impl Schedule {
    /// `from` and `to` are requests a second, above zero and at most [`MOST_RATE`]; `duration` is
    /// at most [`LONGEST`]. A fault is said as to the one who typed it.
    pub(crate) fn new(
        from: f64,
        to: f64,
        duration: Duration,
        shape: Shape,
    ) -> Result<Self, &'static str> {
        let good = |rate: f64| rate > 0.0 && rate <= MOST_RATE;
        if !good(from) || !good(to) {
            return Err("--rate: above zero, and at most 1,000,000 requests a second");
        }
        if duration < SHORTEST_INTERVAL || duration > LONGEST {
            return Err("--duration: at least 100ms, and at most 1h");
        }
        let steps = match shape {
            Shape::Ramp => 1,
            Shape::Steps(steps) => steps,
        };
        if steps == 0 || duration / steps < SHORTEST_INTERVAL {
            return Err("--steps: at least one, and each at least 100 ms long");
        }
        let length = duration.as_secs_f64() / f64::from(steps);
        let mut stages: Vec<Stage> = Vec::new();
        for step in 0..steps {
            let before = stages.last().map_or(0.0, |last| last.before + last.count(last.length));
            let (rate, growth) = match shape {
                Shape::Ramp => (from, (to - from) / length),
                Shape::Steps(1) => (f64::midpoint(from, to), 0.0),
                Shape::Steps(_) => {
                    (from + (to - from) * f64::from(step) / f64::from(steps - 1), 0.0)
                }
            };
            let start = length * f64::from(step);
            stages.push(Stage { start, length, from: rate, growth, before });
        }
        Ok(Self { from, to, duration, shape, stages })
    }

    /// When the request of this number is due, counted from the start of the test; `None` when the
    /// test is over by then.
    pub(crate) fn due(&self, number: u32) -> Option<Duration> {
        let number = f64::from(number);
        let after = self.stages.partition_point(|stage| stage.before <= number);
        let stage = self.stages.get(after.checked_sub(1)?)?;
        let seconds = stage.start + stage.moment(number - stage.before);
        let due = Duration::try_from_secs_f64(seconds).ok()?;
        (due < self.duration).then_some(due)
    }

    /// Whether the rate stays the same.
    pub(crate) fn is_steady(&self) -> bool {
        self.stages.iter().all(|stage| {
            stage.growth.abs() < f64::EPSILON && (stage.from - self.from).abs() < f64::EPSILON
        })
    }

    pub(crate) fn grid(&self) -> Grid {
        let fits = self.duration.as_millis() / SHORTEST_INTERVAL.as_millis();
        let fits = u32::try_from(fits).unwrap_or(u32::MAX).max(1);
        let levels = match self.shape {
            Shape::Steps(steps) => steps,
            Shape::Ramp if self.is_steady() => 1,
            Shape::Ramp => LEVELS_OF_A_RAMP.min(fits),
        };
        let per_level = (INTERVALS / levels).min(fits / levels).max(1);
        Grid { interval: self.duration / (levels * per_level), levels, per_level }
    }
}

impl Stage {
    /// Requests due in its first `seconds`.
    fn count(&self, seconds: f64) -> f64 {
        (self.from + self.growth * seconds / 2.0) * seconds
    }

    /// The moment at which `count` requests have been due, in seconds from its start: `count` solved
    /// for time, in the form that is exact also when the rate does not grow.
    fn moment(&self, count: f64) -> f64 {
        if count <= 0.0 {
            return 0.0;
        }
        let under_root = self.from.mul_add(self.from, 2.0 * self.growth * count);
        2.0 * count / (self.from + under_root.max(0.0).sqrt())
    }
}

impl Grid {
    /// How many intervals there are.
    pub(crate) fn len(self) -> usize {
        usize::try_from(self.levels * self.per_level).unwrap_or(usize::MAX)
    }

    /// The interval that a moment is in; what comes after the end is in the last.
    pub(crate) fn at(self, moment: Duration) -> usize {
        let index = moment.as_nanos() / self.interval.as_nanos().max(1);
        usize::try_from(index).unwrap_or(usize::MAX).min(self.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(schedule: &Schedule) -> Vec<Duration> {
        (0..).map_while(|number| schedule.due(number)).collect()
    }

    fn schedule(from: f64, to: f64, seconds: u64, shape: Shape) -> Schedule {
        Schedule::new(from, to, Duration::from_secs(seconds), shape).expect("it is sound")
    }

    #[test]
    fn a_steady_rate_is_a_clock() {
        let due = all(&schedule(100.0, 100.0, 2, Shape::Ramp));
        assert_eq!(due.len(), 200);
        assert_eq!(
            (due[0], due[1], due[199]),
            (Duration::ZERO, Duration::from_millis(10), Duration::from_millis(1990))
        );
    }

    #[test]
    fn a_ramp_sends_half_as_much_in_its_first_third_as_evenly() {
        let due = all(&schedule(1.0, 599.0, 10, Shape::Ramp));
        assert_eq!(due.len(), 3_000, "the mean rate by the duration");
        assert!(due.is_sorted());
        let before =
            |seconds| due.iter().filter(|due| **due < Duration::from_secs(seconds)).count();
        // N(t) = t + 29.9 t²
        for (seconds, count) in [(1, 31), (5, 753), (9, 2_431)] {
            assert_eq!(before(seconds), count, "{seconds} s");
        }
    }

    #[test]
    fn a_rate_may_fall() {
        let due = all(&schedule(100.0, 1.0, 10, Shape::Ramp));
        assert_eq!(due.len(), 505);
        assert!(due.is_sorted());
    }

    #[test]
    fn steps_are_levels_of_the_same_length() {
        let schedule = schedule(100.0, 300.0, 3, Shape::Steps(3));
        let due = all(&schedule);
        assert_eq!(due.len(), 600);
        for (second, count) in [(0, 100), (1, 200), (2, 300)] {
            let of_second = due.iter().filter(|due| due.as_secs() == second).count();
            assert_eq!(of_second, count, "second {second}");
        }
        let grid = schedule.grid();
        assert_eq!((grid.levels, grid.per_level), (3, 10));
        assert_eq!(grid.interval, Duration::from_millis(100));
    }

    #[test]
    fn the_grid_is_as_fine_as_the_time_allows() {
        for (from, to, seconds, levels, per_level) in
            [(10.0, 10.0, 1, 1, 10), (10.0, 20.0, 1, 10, 1), (10.0, 20.0, 60, 12, 5)]
        {
            let grid = schedule(from, to, seconds, Shape::Ramp).grid();
            assert_eq!(
                (grid.levels, grid.per_level),
                (levels, per_level),
                "{from}..{to} {seconds}"
            );
            assert_eq!(grid.at(Duration::from_secs(seconds * 2)), grid.len() - 1);
            assert_eq!(grid.at(grid.interval), 1);
        }
    }

    #[test]
    fn what_cannot_be_scheduled_is_refused() {
        let second = Duration::from_secs(1);
        for (from, to, duration, shape) in [
            (0.0, 1.0, second, Shape::Ramp),
            (1.0, f64::NAN, second, Shape::Ramp),
            (1.0, 2e6, second, Shape::Ramp),
            (1.0, 2.0, Duration::from_millis(99), Shape::Ramp),
            (1.0, 2.0, Duration::from_secs(3_601), Shape::Ramp),
            (1.0, 2.0, second, Shape::Steps(0)),
            (1.0, 2.0, second, Shape::Steps(11)),
        ] {
            Schedule::new(from, to, duration, shape).expect_err("it is refused");
        }
    }
}
