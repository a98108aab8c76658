//! How fast bytes may pass.

use std::time::Duration;

use crate::moment::Moment;

/// What may pass at once, and so how far a flow may be ahead of its rate. Deadlines are noticed up to
/// 50 ms late, so a flow is asked for more than that ahead.
const AHEAD: Duration = Duration::from_millis(200);

/// A flow held to so many bytes a second.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    bytes_per_second: u64,
    /// When what has passed would have taken its time.
    paid: Moment,
}

impl Throttle {
    /// Nothing has passed yet; the rate is at least 1.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid: Moment::START }
    }

    /// How many bytes may pass now.
    pub fn room(&self, now: Moment) -> u64 {
        let left = AHEAD.saturating_sub(self.paid.since(now));
        let bytes = left.as_micros() * u128::from(self.bytes_per_second) / 1_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// So many bytes have passed, whether there was room for them or not.
    pub fn passed(&mut self, bytes: u64, now: Moment) {
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.bytes_per_second);
        let took = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        self.paid = self.paid.max(now) + took;
    }

    /// When half of what may pass at once may pass again.
    pub fn next(&self) -> Moment {
        self.paid - AHEAD / 2
    }
}

#[cfg(test)]
mod tests {
    use super::{AHEAD, Throttle};
    use crate::moment::Moment;

    #[test]
    fn a_flow_that_takes_all_it_may_keeps_its_rate() {
        let mut throttle = Throttle::new(1_000_000);
        let began = Moment::from_micros(5_000_000);
        let (mut now, mut passed) = (began, 0);
        while now.since(began).as_secs() < 10 {
            let room = throttle.room(now);
            throttle.passed(room, now);
            passed += room;
            // Late by as much as the table of deadlines may be.
            now = throttle.next() + std::time::Duration::from_millis(50);
        }
        assert!((9_900_000..=10_300_000).contains(&passed), "{passed}");
    }

    #[test]
    fn what_passed_beyond_its_room_is_paid_for() {
        let mut throttle = Throttle::new(1_000);
        let now = Moment::from_micros(1_000_000);
        assert_eq!(throttle.room(now), 200);
        throttle.passed(16_000, now);
        assert_eq!(throttle.room(now), 0);
        assert_eq!(throttle.next().since(now).as_millis(), 15_900);
        assert_eq!(throttle.room(throttle.next()), 100);
        assert_eq!(throttle.room(now + AHEAD * 1_000), 200);
    }

    #[test]
    fn no_number_is_too_large() {
        let mut throttle = Throttle::new(u64::MAX);
        throttle.passed(u64::MAX, Moment::NEVER);
        let mut slow = Throttle::new(0);
        slow.passed(u64::MAX, Moment::START);
        assert_eq!(slow.room(Moment::START), 0);
    }
}
