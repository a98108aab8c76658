//! What becomes of a batch that was sent to a receiver of OpenTelemetry: it was taken, it never
//! will be, or it is sent again.
//!
//! Which answer means what is said by the specification of OTLP 1.10, "OTLP/HTTP Response" and
//! "OTLP/HTTP Throttling".

use std::time::Duration;

use crate::dice::Dice;

/// Before the first further try; it doubles with each one. A receiver that is started anew is back
/// within a few of them.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// However often it was tried, and whatever a receiver asks for: when it is back, that is noticed
/// within half a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Tries of one batch, over one to three minutes. By then the queue behind it is full, and what is
/// in it is of more interest than what is older.
const MOST_TRIES: u32 = 10;

/// What a receiver has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// How long it wants to be left alone (RFC 9110 §10.2.3).
    pub retry_after: Option<Duration>,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    /// It would be refused again.
    Refused,
    /// To be sent again after this time.
    Again(Duration),
    /// It was tried often enough.
    GivenUp,
}

/// A batch on its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    tries: u32,
}

impl Delivery {
    /// After one more try. `None`: there was no answer. `chance` is any number: nodes that lost
    /// their receiver together do not come back together.
    pub fn after(&mut self, answer: Option<Answer>, chance: u64) -> Outcome {
        let status = answer.map(|answer| answer.status);
        match status {
            Some(200..=299) => return Outcome::Taken,
            None | Some(429 | 502 | 503 | 504) => {}
            Some(_) => return Outcome::Refused,
        }
        self.tries += 1;
        if self.tries >= MOST_TRIES {
            return Outcome::GivenUp;
        }
        let doublings = self.tries - 1;
        let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
        let half = wait / 2;
        let millis = usize::try_from(half.as_millis()).unwrap_or(usize::MAX);
        let more = Duration::from_millis(Dice::new(chance).below(millis) as u64);
        let asked = answer.and_then(|answer| answer.retry_after).unwrap_or_default();
        Outcome::Again((half + more).max(asked).min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(status: u16) -> Outcome {
        Delivery::default().after(Some(Answer { status, retry_after: None }), 0)
    }

    #[test]
    fn the_status_says_whether_to_come_again() {
        for status in [200, 202, 204] {
            assert_eq!(once(status), Outcome::Taken, "{status}");
        }
        for status in [301, 400, 401, 403, 404, 413, 415, 500, 501] {
            assert_eq!(once(status), Outcome::Refused, "{status}");
        }
        for status in [429, 502, 503, 504] {
            assert!(matches!(once(status), Outcome::Again(_)), "{status}");
        }
    }

    #[test]
    fn waits_double_up_to_a_bound_and_then_it_is_given_up() {
        for chance in 0..100 {
            let mut delivery = Delivery::default();
            let mut bound = FIRST_WAIT;
            for _ in 1..MOST_TRIES {
                let Outcome::Again(wait) = delivery.after(None, chance) else {
                    panic!("too early")
                };
                assert!((bound / 2..=bound).contains(&wait), "{wait:?} of {bound:?}");
                bound = (bound * 2).min(LONGEST_WAIT);
            }
            assert_eq!(delivery.after(None, chance), Outcome::GivenUp);
        }
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_within_the_bound() {
        for (asked, expected) in [(5, 5), (3_600, 30)] {
            let retry_after = Some(Duration::from_secs(asked));
            let found = Delivery::default().after(Some(Answer { status: 429, retry_after }), 7);
            assert_eq!(found, Outcome::Again(Duration::from_secs(expected)));
        }
        let in_no_time = Some(Answer { status: 503, retry_after: Some(Duration::ZERO) });
        let Outcome::Again(wait) = Delivery::default().after(in_no_time, 7) else { panic!() };
        assert!(wait >= FIRST_WAIT / 2);
    }
}
