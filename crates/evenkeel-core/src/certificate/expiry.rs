//! When to speak of a certificate that is about to end.

/// Days before the end at which somebody is told.
pub const STAGES: [i64; 3] = [30, 7, 1];

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// How near the end is. Later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    #[default]
    Far,
    /// Less than this many days are left: one of [`STAGES`], the fewest that are true.
    Within {
        most_days: std::cmp::Reverse<i64>,
    },
    Past,
}

/// How near the end of a certificate is at `now`; all times in seconds since 1970. A stage counts
/// only in the second half of a certificate's life: one that lives for six days is renewed daily,
/// and there is nothing to say on its first.
pub fn stage(not_before: i64, not_after: i64, now: i64) -> Stage {
    if now > not_after {
        return Stage::Past;
    }
    let left = not_after - now;
    let half = not_after.saturating_sub(not_before) / 2;
    let within = |days: &&i64| left < **days * DAY_SECONDS && **days * DAY_SECONDS <= half;
    match STAGES.iter().rev().find(within) {
        Some(days) => Stage::Within { most_days: std::cmp::Reverse(*days) },
        None => Stage::Far,
    }
}

/// Whole days between `now` and the end, whichever comes first.
pub fn days(not_after: i64, now: i64) -> i64 {
    not_after.saturating_sub(now).abs() / DAY_SECONDS
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;

    #[test]
    fn the_stages_of_a_life() {
        let day = |days: i64| days * DAY_SECONDS;
        let within = |days| Stage::Within { most_days: Reverse(days) };
        for (life, at, expected) in [
            (365, 0, Stage::Far),
            (365, 335, Stage::Far),
            (365, 336, within(30)),
            (365, 359, within(7)),
            (365, 365, within(1)),
            (365, 366, Stage::Past),
            (90, 61, within(30)),
            (47, 30, Stage::Far),
            (47, 41, within(7)),
            (6, 0, Stage::Far),
            (6, 6, within(1)),
        ] {
            assert_eq!(stage(0, day(life), day(at)), expected, "{at} of {life}");
        }
        assert!(Stage::Far < within(30) && within(30) < within(7) && within(1) < Stage::Past);
    }
}
