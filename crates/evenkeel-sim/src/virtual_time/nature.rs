//! How servers really are, which nobody but the simulation knows.

use std::time::Duration;

use evenkeel_core::config::CheckKind;
use evenkeel_core::dice::Dice;
use evenkeel_core::fault::Fault;
use evenkeel_core::health::CheckFailure;
use evenkeel_core::verdict::{Component, Name, Status, Testimony};

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Well,
    /// Nothing listens.
    Dead,
    /// It accepts connections and says nothing.
    Hung,
    /// It answers, a hundred times slower.
    Slow,
    /// It fails all its traffic, at once, and passes every check.
    Lying,
    /// It fails so many requests of a hundred.
    Failing(u8),
    /// Dead and well by turns, faster than anybody can look.
    Flapping,
}

/// A server as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nature {
    pub(super) condition: Condition,
    /// Its zone is cut off from this node.
    pub(super) cut_off: bool,
    /// Its own way to the database is there.
    pub(super) has_way: bool,
    /// The database, which all share, is there.
    pub(super) has_database: bool,
}

/// How a try ends, and after what time.
pub(super) type Ending = (Duration, Result<(), Fault>);
/// How a check ends.
pub(super) type Checked = (Duration, Result<Testimony, CheckFailure>);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

impl Condition {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        match dice.below(8) {
            0 | 1 => Self::Dead,
            2 => Self::Hung,
            3 => Self::Slow,
            4 => Self::Lying,
            5 => Self::Failing(u8::try_from(10 + dice.below(80)).expect("below 90")),
            6 => Self::Flapping,
            _ => Self::Well,
        }
    }
}

impl Nature {
    pub(super) const WELL: Self =
        Self { condition: Condition::Well, cut_off: false, has_way: true, has_database: true };

    /// What a request meets.
    pub(super) fn serve(self, dice: &mut Dice) -> Ending {
        let millis = |least, spread, dice: &mut Dice| {
            Duration::from_millis((least + dice.below(spread)) as u64)
        };
        let answered = (millis(5, 40, dice), Ok(()));
        if self.cut_off {
            return (CONNECT_TIMEOUT, Err(Fault::ConnectTimeout));
        }
        let refused = (Duration::from_millis(1), Err(Fault::ConnectRefused));
        let failed = (millis(1, 3, dice), Err(Fault::BadAnswer));
        match self.condition {
            Condition::Dead => refused,
            Condition::Flapping if dice.below(2) == 0 => refused,
            Condition::Hung => (ANSWER_TIMEOUT, Err(Fault::ServerTimeout)),
            Condition::Slow => (millis(500, 1_000, dice), Ok(())),
            Condition::Lying if dice.below(2) == 0 => failed,
            Condition::Lying => (millis(1, 3, dice), Err(Fault::ServerReset)),
            Condition::Failing(percent) if dice.below(100) < percent.into() => failed,
            // Whatever it says, without its database it answers with an error page: no fault of the
            // connection, so traffic does not tell.
            Condition::Well | Condition::Failing(_) | Condition::Flapping => answered,
        }
    }

    /// What a check meets.
    pub(super) fn check(self, kind: &CheckKind, dice: &mut Dice) -> Checked {
        let soon = Duration::from_millis(1 + dice.below(20) as u64);
        if self.cut_off {
            return (CHECK_TIMEOUT, Err(CheckFailure::Timeout));
        }
        match (self.condition, kind) {
            (Condition::Dead, _) => (soon, Err(CheckFailure::Refused)),
            (Condition::Flapping, _) if dice.below(2) == 0 => (soon, Err(CheckFailure::Refused)),
            (Condition::Hung, CheckKind::Http(_) | CheckKind::Deep(_)) => {
                (CHECK_TIMEOUT, Err(CheckFailure::Timeout))
            }
            (Condition::Slow, CheckKind::Deep(_)) => (soon * 30, Ok(self.testimony())),
            _ => (soon, Ok(self.testimony())),
        }
    }

    fn testimony(self) -> Testimony {
        let up = self.condition == Condition::Lying || (self.has_way && self.has_database);
        let status = if up { Status::Up } else { Status::Down };
        let database = Component { name: Name::new("db"), status, critical: true, latency: None };
        Testimony { status, components: vec![database] }
    }
}
