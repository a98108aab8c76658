//! How soon something that ended by a defect is started anew.

use std::time::Duration;

/// Before the second start in a row; it doubles with each one. The first is at once: most defects
/// need an input that does not come again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// However often it has ended. What fails whenever it is started then costs a line in the log every
/// few seconds, and is back as soon when its cause is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Who has lived for so long has got over what ended the life before.
const CALM: Duration = Duration::from_mins(1);

/// The lives of one thing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restarts {
    /// Short lives in a row.
    row: u32,
}

impl Restarts {
    /// How long to wait after a life that took `lived` and ended by a defect.
    pub fn pause(&mut self, lived: Duration) -> Duration {
        if lived >= CALM {
            self.row = 0;
        }
        let doublings = self.row.checked_sub(1);
        self.row = self.row.saturating_add(1);
        let doubled = |doublings| FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings));
        doublings.map_or(Duration::ZERO, doubled).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_at_once_again_and_again_is_started_less_often() {
        let mut restarts = Restarts::default();
        let pauses: Vec<_> = (0..9).map(|_| restarts.pause(Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        restarts.row = u32::MAX;
        assert_eq!(restarts.pause(Duration::ZERO), LONGEST_PAUSE);
        assert_eq!(restarts.pause(CALM), Duration::ZERO, "it had got over it");
        assert_eq!(restarts.pause(Duration::ZERO), FIRST_PAUSE);
    }
}
