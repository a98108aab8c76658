//! Doing less so that the rest is done well: while this node has more to do than it can, requests
//! of the least important routes are answered 503 at once.

use std::time::Duration;

use crate::config::{Priority, Shed};
use crate::moment::Moment;

/// Between two steps up. A step takes away one priority; its effect on a queue shows within this.
const STEP_UP: Duration = Duration::from_millis(100);
/// Between two steps down: what was let in again has to show that it can be borne.
const STEP_DOWN: Duration = Duration::from_secs(1);
/// Steps down wait until the load is this far below its limits, in percent: what is let in again
/// takes some of it.
const CALM_PERCENT: u128 = 80;

/// What a node has to do, as last measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strain {
    /// How long the oldest request in any pool's queue has waited.
    pub queue_wait: Duration,
    /// Share of its processors this node has used since the last measurement, in percent.
    pub cpu_percent: u8,
}

/// What is shed at the moment. One for each node; workers read [`Shedder::level`] from an atomic.
#[derive(Clone, Debug)]
pub struct Shedder {
    level: Level,
    /// When it last changed.
    since: Moment,
}

/// Routes below this priority are shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// Nothing is shed.
    pub const NONE: Self = Self(0);
    const MOST: Self = Self(Priority::MOST.get());

    /// From what [`Level::get`] gave; too high a number sheds what may be shed.
    pub fn new(level: u8) -> Self {
        Self(level).min(Self::MOST)
    }

    /// As a number, for an atomic and a gauge.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether requests of such a route are answered 503.
    pub fn sheds(self, priority: Priority) -> bool {
        priority.get() < self.0
    }
}

impl Shedder {
    /// Nothing is shed.
    pub fn new(now: Moment) -> Self {
        Self { level: Level::NONE, since: now }
    }

    /// What is shed.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The node was measured; every 50 ms is often enough. Returns the level if it is a new one.
    pub fn measured(&mut self, policy: &Shed, strain: Strain, now: Moment) -> Option<Level> {
        let age = now.since(self.since);
        let percent = percent_of_limit(policy, strain);
        let level = if percent > 100 && age >= STEP_UP {
            Level::new(self.level.0 + 1)
        } else if percent <= CALM_PERCENT && age >= STEP_DOWN {
            Level(self.level.0.saturating_sub(1))
        } else {
            self.level
        };
        if level == self.level {
            return None;
        }
        (self.level, self.since) = (level, now);
        Some(level)
    }
}

/// The larger of the two, as a share of its limit.
fn percent_of_limit(policy: &Shed, strain: Strain) -> u128 {
    let queue = policy.queue_wait.map_or(0, |limit| {
        strain.queue_wait.as_micros().saturating_mul(100) / limit.as_micros().max(1)
    });
    let cpu = policy
        .cpu_percent
        .map_or(0, |limit| u128::from(strain.cpu_percent) * 100 / u128::from(limit.max(1)));
    queue.max(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Shed =
        Shed { queue_wait: Some(Duration::from_millis(200)), cpu_percent: Some(90) };
    const CALM: Strain = Strain { queue_wait: Duration::ZERO, cpu_percent: 20 };
    const QUEUED: Strain = Strain { queue_wait: Duration::from_millis(300), cpu_percent: 20 };
    const BUSY: Strain = Strain { queue_wait: Duration::ZERO, cpu_percent: 97 };
    const FULL: Strain = Strain { queue_wait: Duration::from_millis(190), cpu_percent: 20 };

    /// The levels after each 50 ms of this strain.
    fn levels(shedder: &mut Shedder, now: &mut Moment, strain: Strain, steps: u32) -> Vec<u8> {
        let mut levels = Vec::new();
        for _ in 0..steps {
            *now = *now + Duration::from_millis(50);
            shedder.measured(&POLICY, strain, *now);
            levels.push(shedder.level().get());
        }
        levels
    }

    #[test]
    fn one_priority_after_another_and_never_the_highest() {
        let (mut shedder, mut now) = (Shedder::new(Moment::START), Moment::START);
        assert_eq!(levels(&mut shedder, &mut now, CALM, 4), [0; 4]);
        assert_eq!(levels(&mut shedder, &mut now, QUEUED, 5), [1, 1, 2, 2, 3]);
        assert_eq!(levels(&mut shedder, &mut now, BUSY, 30).last(), Some(&9));
        assert!(!shedder.level().sheds(Priority::MOST));
        assert!(shedder.level().sheds(Priority::new(8).unwrap()));
        assert!(!Level::NONE.sheds(Priority::LEAST));
    }

    #[test]
    fn slowly_back_and_not_before_it_is_calm() {
        let (mut shedder, mut now) = (Shedder::new(Moment::START), Moment::START);
        levels(&mut shedder, &mut now, BUSY, 6);
        let level = shedder.level().get();
        assert_eq!(levels(&mut shedder, &mut now, FULL, 100).last(), Some(&level));
        let back = levels(&mut shedder, &mut now, CALM, 21);
        assert_eq!((back[0], back[19], back[20]), (level - 1, level - 1, level - 2));
    }

    #[test]
    fn what_has_no_limit_does_not_matter() {
        let mut shedder = Shedder::new(Moment::START);
        let policy = Shed { queue_wait: None, cpu_percent: None };
        let strain = Strain { queue_wait: Duration::MAX, cpu_percent: 100 };
        assert_eq!(shedder.measured(&policy, strain, Moment::START + STEP_DOWN), None);
    }
}
