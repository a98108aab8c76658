//! Slow start: a server that has just come (back) takes a growing share of its weight.
//!
//! Linear from a tenth, in steps: each step makes a new roster, so they are few.

use std::time::Duration;

use crate::moment::Moment;

/// Of its weight, in percent: what a server starts with, and what each step adds. Less would be
/// nothing for small weights.
const STEP: u8 = 10;

/// Steps from the first share to the whole.
const STEPS: u32 = 9;

/// What a server that has been used since `since` takes of its weight, in percent: 10 to 100.
///
/// A tier of which less than half is in use and not new does not start slowly: somebody has to take
/// the traffic ([`crate::pool::Roster::build`] sees to that).
pub fn percent(since: Moment, window: Duration, now: Moment) -> u8 {
    let age = now.since(since);
    if age >= window {
        return 100;
    }
    let steps = age.as_nanos() * u128::from(STEPS) / window.as_nanos();
    STEP + STEP * u8::try_from(steps).expect("fewer than STEPS before the window ends")
}

/// When [`percent`] changes next; `None` once it is whole.
pub fn next_step(since: Moment, window: Duration, now: Moment) -> Option<Moment> {
    let share = percent(since, window, now);
    let nanos = (window.as_nanos() * u128::from(share / STEP)).div_ceil(u128::from(STEPS));
    let micros = u64::try_from(nanos.div_ceil(1_000)).unwrap_or(u64::MAX);
    (share < 100).then(|| since + Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(18);
    const START: Moment = Moment::from_micros(5_000_000);

    #[test]
    fn it_grows_by_tenths() {
        for (age, share) in
            [(0, 10), (1_999, 10), (2_000, 20), (9_999, 50), (16_000, 90), (17_999, 90)]
        {
            assert_eq!(percent(START, WINDOW, START + Duration::from_millis(age)), share, "{age}");
        }
        assert_eq!(percent(START, WINDOW, START + WINDOW), 100);
        assert_eq!(percent(START, Duration::ZERO, START), 100);
        assert_eq!(percent(START, WINDOW, Moment::START), 10, "a clock that lags");
    }

    #[test]
    fn every_step_is_announced_and_the_last_one_ends_it() {
        for window in [WINDOW, Duration::from_micros(7), Duration::from_secs(20)] {
            let (mut now, mut shares) = (START, vec![percent(START, window, START)]);
            while let Some(next) = next_step(START, window, now) {
                assert!(next > now);
                now = next;
                shares.push(percent(START, window, now));
            }
            assert_eq!(shares.last(), Some(&100));
            assert!(shares.len() <= 10 && shares.is_sorted_by(|a, b| a < b), "{shares:?}");
        }
    }
}
