//! When to check next.

use std::time::Duration;

use super::State;
use crate::config::{Check, InitialState};
use crate::moment::Moment;

/// Between two checks of a server whose traffic asks for one at once: a server that refuses every
/// connection on one port and passes its checks would otherwise be checked without pause.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// What is known about the checks of a server.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// When the last one ended, or when waiting for the first began.
    since: Moment,
    /// Whether there was one.
    begun: bool,
    /// What the server is before that.
    initial: InitialState,
    /// Traffic asks for one, not later than this.
    hurried: Option<Moment>,
}

impl Schedule {
    pub(super) fn new(initial: InitialState, now: Moment) -> Self {
        Self { since: now, begun: false, initial, hurried: None }
    }

    /// A check has ended.
    pub(super) fn checked(&mut self, now: Moment) {
        *self = Self { since: now, begun: true, hurried: None, ..*self };
    }

    /// Traffic has met a fault that a check should look into.
    pub(super) fn hurry(&mut self, now: Moment) {
        if self.hurried.is_none() {
            let soonest = if self.begun { self.since + SHORTEST_WAIT } else { now };
            self.hurried = Some(soonest.max(now));
        }
    }

    /// When the next check is due.
    pub(super) fn next(&self, check: &Check, state: State, chance: u64) -> Moment {
        let regular = self.since + self.wait(check, state, chance);
        self.hurried.map_or(regular, |hurried| hurried.min(regular))
    }

    fn wait(&self, check: &Check, state: State, chance: u64) -> Duration {
        let jittered = |wait| jittered(wait, check.jitter_percent, chance);
        match state {
            // Nobody may use it before that.
            State::Unchecked if !self.begun && self.initial == InitialState::Down => Duration::ZERO,
            // Servers of one file start together: their first checks must not.
            _ if !self.begun => spread(check.interval, chance),
            State::Up => jittered(check.interval),
            State::Down => jittered(check.down),
            State::Unchecked | State::GoingDown | State::GoingUp => jittered(check.fast),
        }
    }
}

/// Some time within `wait`, by chance: what begins together does not stay together.
pub fn spread(wait: Duration, chance: u64) -> Duration {
    Duration::from_micros(chance % micros(wait).max(1))
}

/// `wait`, up to so many percent shorter or longer, by chance.
pub fn jittered(wait: Duration, percent: u8, chance: u64) -> Duration {
    let most = micros(wait) / 100 * u64::from(percent.min(100));
    let shortest = micros(wait) - most.min(micros(wait));
    Duration::from_micros(shortest + chance % (2 * most + 1))
}

/// Saturates after half a million years.
fn micros(wait: Duration) -> u64 {
    u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)
}
