//! When an alarm is raised, and when it ends.

use crate::reading::Fields;

/// What is watched of a device.
#[derive(Clone, Debug, PartialEq)]
pub enum Watch {
    /// A field is over this.
    Above(String, f64),
    /// A field is under this.
    Below(String, f64),
    /// Nothing has come for so many seconds.
    Silence(u64),
}

/// What follows for the alarm of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// It is raised, at a time in milliseconds, because of this value.
    Raise(u64, f64),
    /// It ends.
    End(u64),
}

impl Watch {
    /// Whether a reading crosses the bound, and its value; `None` when it has no such field.
    fn judge(&self, fields: &Fields) -> Option<(bool, f64)> {
        match self {
            Self::Above(name, bound) => fields.get(name).map(|value| (value > *bound, value)),
            Self::Below(name, bound) => fields.get(name).map(|value| (value < *bound, value)),
            Self::Silence(_) => None,
        }
    }

    /// What follows from `readings` (time received and fields, in order), when the last one of all
    /// came at `last_ms`, for an alarm that `is_raised` or not.
    pub fn changes(
        &self,
        mut is_raised: bool,
        readings: &[(u64, Fields)],
        last_ms: u64,
        now_ms: u64,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (at_ms, fields) in readings {
            let change = match (self.judge(fields), is_raised) {
                (Some((true, value)), false) => Change::Raise(*at_ms, value),
                (Some((false, _)), true) => Change::End(*at_ms),
                _ => continue,
            };
            is_raised = !is_raised;
            changes.push(change);
        }
        if let Self::Silence(seconds) = self {
            let silent_ms = now_ms.saturating_sub(last_ms);
            let is_silent = silent_ms > seconds.saturating_mul(1000);
            if is_silent && !is_raised {
                let silent_s = u32::try_from(silent_ms / 1000).unwrap_or(u32::MAX);
                changes.push(Change::Raise(now_ms, f64::from(silent_s)));
            } else if !is_silent && is_raised {
                changes.push(Change::End(now_ms));
            }
        }
        changes
    }

    /// The word, field and bound that are stored.
    pub fn parts(&self) -> (&'static str, &str, f64) {
        match self {
            Self::Above(field, bound) => ("above", field, *bound),
            Self::Below(field, bound) => ("below", field, *bound),
            // Seconds of a silence are far below 2^32.
            Self::Silence(seconds) => {
                ("silence", "", f64::from(u32::try_from(*seconds).unwrap_or(u32::MAX)))
            }
        }
    }

    /// What [`Watch::parts`] gave; `None` for what it cannot have given.
    pub fn of_parts(word: &str, field: &str, bound: f64) -> Option<Self> {
        let is_field = crate::reading::is_field_name(field);
        match word {
            "above" if is_field && bound.is_finite() => Some(Self::Above(field.to_owned(), bound)),
            "below" if is_field && bound.is_finite() => Some(Self::Below(field.to_owned(), bound)),
            "silence" if (1.0..=f64::from(u32::MAX)).contains(&bound) => {
                Some(Self::Silence(std::time::Duration::from_secs_f64(bound).as_secs()))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Above(field, bound) => write!(f, "{field} above {bound}"),
            Self::Below(field, bound) => write!(f, "{field} below {bound}"),
            Self::Silence(seconds) => write!(f, "silent for {seconds} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(values: &[f64]) -> Vec<(u64, Fields)> {
        let field = |value| Fields::parse(format!("{{\"t\":{value}}}").as_bytes()).unwrap();
        (1..).zip(values).map(|(at, value)| (at * 10, field(value))).collect()
    }

    #[test]
    fn a_bound_that_is_crossed_raises_once_and_ends_once() {
        use Change::{End, Raise};
        let above = Watch::Above("t".to_owned(), 30.0);
        let below = Watch::Below("t".to_owned(), 0.0);
        for (watch, was_raised, values, expected) in [
            (&above, false, &[29.0, 30.0][..], vec![]),
            (&above, false, &[31.0, 32.0], vec![Raise(10, 31.0)]),
            (&above, true, &[31.0, 30.0, 29.0], vec![End(20)]),
            (&above, false, &[31.0, 3.0, 40.0], vec![Raise(10, 31.0), End(20), Raise(30, 40.0)]),
            (&below, false, &[0.0, -1.0], vec![Raise(20, -1.0)]),
            (&below, true, &[], vec![]),
        ] {
            let changes = watch.changes(was_raised, &readings(values), 0, 1_000_000);
            assert_eq!(changes, expected, "{watch} {values:?}");
        }
        let other = Watch::Above("other".to_owned(), 1.0);
        assert_eq!(other.changes(false, &readings(&[5.0]), 0, 0), [], "no such field");
    }

    #[test]
    fn silence_raises_and_a_word_ends_it() {
        let silence = Watch::Silence(60);
        for (was_raised, last_ms, expected) in [
            (false, 40_000, vec![]),
            (false, 39_999, vec![Change::Raise(100_000, 60.0)]),
            (true, 39_999, vec![]),
            (true, 40_000, vec![Change::End(100_000)]),
            (false, 200_000, vec![]),
        ] {
            assert_eq!(silence.changes(was_raised, &[], last_ms, 100_000), expected, "{last_ms}");
        }
    }

    #[test]
    fn parts_come_back() {
        let above = Watch::Above("t".to_owned(), -1.5);
        for watch in [above, Watch::Below("t".to_owned(), 3.0), Watch::Silence(60)] {
            let (word, field, bound) = watch.parts();
            assert_eq!(Watch::of_parts(word, field, bound), Some(watch));
        }
        for (word, field, bound) in [
            ("above", "", 1.0),
            ("above", "<b>", 1.0),
            ("below", "t", f64::NAN),
            ("silence", "", 0.0),
            ("silence", "", f64::INFINITY),
            ("near", "t", 1.0),
        ] {
            assert_eq!(Watch::of_parts(word, field, bound), None, "{word} {field} {bound}");
        }
    }
}
