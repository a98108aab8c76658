//! Single values: what each may be, and what to write when it is something else.

use std::ops::RangeInclusive;
use std::time::Duration;

use evenkeel_core::share::Share;

use super::table::{Wrong, wrong};
use crate::document::{Kind, Value};
use crate::nearest::nearest;

/// Longest duration taken: beyond it is a slip, and every timer can hold it.
const LONGEST: Duration = Duration::from_hours(30 * 24);

pub(super) fn text(value: &Value) -> Result<&str, Wrong> {
    match &value.kind {
        Kind::Text(text) => Ok(text),
        Kind::Integer(number) => {
            Err(expected("a string", value).help(format!("write it in quotes: \"{number}\"")))
        }
        _ => Err(expected("a string", value)),
    }
}

pub(super) fn expected(what: &str, found: &Value) -> Wrong {
    wrong(format!("expected {what}, found {}", found.kind.name()))
}

pub(super) fn boolean(value: &Value) -> Result<bool, Wrong> {
    match &value.kind {
        Kind::Boolean(yes) => Ok(*yes),
        Kind::Text(word) if matches!(word.as_str(), "true" | "false") => {
            Err(expected("true or false", value).help(format!("write it without quotes: {word}")))
        }
        _ => Err(expected("true or false", value)),
    }
}

/// A whole number within `range`.
pub(super) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&Value) -> Result<T, Wrong>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    move |value| {
        let Kind::Integer(number) = value.kind else {
            return Err(expected("a whole number", value));
        };
        let fits = T::try_from(number).ok().filter(|number| range.contains(number));
        fits.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            wrong(format!("{number} is out of range: {least} to {most}"))
        })
    }
}

/// A duration above zero and at most thirty days.
pub(super) fn duration(value: &Value) -> Result<Duration, Wrong> {
    let units: [(&str, u64); 5] =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let millis = quantity(value, "a duration", "\"2s\"", &units)?;
    match Duration::from_millis(millis) {
        Duration::ZERO => Err(wrong("a duration of zero would end everything at once")
            .help("leave the key out for its default, or write at least \"1ms\"")),
        long if long > LONGEST => Err(wrong("longer than 30 days").help("write at most \"30d\"")),
        fits => Ok(fits),
    }
}

/// A time of seconds up to ten years; zero is one.
pub(super) fn age(value: &Value) -> Result<Duration, Wrong> {
    const MOST_DAYS: u64 = 3_650;
    let units: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let seconds = quantity(value, "a duration", "\"365d\"", &units)?;
    if seconds > MOST_DAYS * 86_400 {
        return Err(wrong("longer than ten years").help(format!("write at most \"{MOST_DAYS}d\"")));
    }
    Ok(Duration::from_secs(seconds))
}

/// A number of bytes.
pub(super) fn size(value: &Value) -> Result<u64, Wrong> {
    let units: [(&str, u64); 5] =
        [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
    quantity(value, "a size", "\"64KiB\"", &units)
}

/// A number of bytes from `range`.
pub(super) fn size_within(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Result<u64, Wrong> {
    move |value| {
        let bytes = size(value)?;
        if range.contains(&bytes) {
            return Ok(bytes);
        }
        let (least, most) = (shown_size(*range.start()), shown_size(*range.end()));
        Err(wrong(format!("out of range: {least} to {most}")))
    }
}

fn shown_size(bytes: u64) -> String {
    let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} B"), |(name, unit)| format!("{} {name}", bytes / unit))
}

/// A whole number followed by one of `units`, times that unit.
fn quantity(value: &Value, what: &str, example: &str, units: &[(&str, u64)]) -> Result<u64, Wrong> {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    let text = match &value.kind {
        Kind::Text(text) => text,
        Kind::Integer(number) => {
            let help = format!("say the unit ({names}) and put it in quotes, such as {example}");
            return Err(expected(what, value).help(help).about(*number));
        }
        _ => return Err(expected(what, value).help(format!("such as {example}"))),
    };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let near = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let help = match near {
            Some((name, _)) if digits > 0 => format!("did you mean \"{number}{name}\"?"),
            _ => format!("a whole number and one of {names}, such as {example}"),
        };
        return Err(wrong(format!("\"{text}\" is not {what}")).help(help));
    };
    if number.is_empty() {
        let help = format!("a whole number and one of {names}, such as {example}");
        return Err(wrong(format!("\"{text}\" is not {what}")).help(help));
    }
    let number: Option<u64> = number.parse().ok();
    number
        .and_then(|number| number.checked_mul(*factor))
        .ok_or_else(|| wrong(format!("\"{text}\" is too large")))
}

impl Wrong {
    /// Names the number that was found.
    fn about(mut self, number: i64) -> Self {
        self.reason = format!("{} {number}", self.reason);
        self
    }
}

/// `"10%"` within `range`.
pub(super) fn percent(range: RangeInclusive<u8>) -> impl Fn(&Value) -> Result<u8, Wrong> {
    move |value| {
        let shown = text(value)?;
        let number: Option<u8> = shown.strip_suffix('%').and_then(|digits| digits.parse().ok());
        let fits = number.filter(|number| range.contains(number));
        fits.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            wrong(format!("\"{shown}\" is not a share from {least}% to {most}%"))
                .help("such as \"10%\"")
        })
    }
}

/// `"10%"` or `"0.1%"`: from none to all, with up to four digits behind the point.
pub(super) fn share(value: &Value) -> Result<Share, Wrong> {
    let shown = text(value)?;
    let parse = || {
        let (whole, part) =
            shown.strip_suffix('%').map(|it| it.split_once('.').unwrap_or((it, "")))?;
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = !whole.is_empty() && whole.len() <= 3 && part.len() <= 4;
        let digits = format!("{whole}{part:0<4}");
        let million = digits.parse().ok().filter(|_| fits && are_digits(&digits))?;
        Share::of_million(million)
    };
    parse().ok_or_else(|| {
        wrong(format!("\"{shown}\" is not a share"))
            .help("from \"0%\" to \"100%\", such as \"10%\" or \"0.1%\"")
    })
}

/// One of some words, each with its meaning.
#[derive(Debug)]
pub(super) struct Choice<T: 'static> {
    pub(super) words: &'static [(&'static str, T)],
    /// Words that a later version will know.
    pub(super) later: &'static [&'static str],
}

impl<T: Copy> Choice<T> {
    pub(super) fn read(&self, value: &Value) -> Result<T, Wrong> {
        let word = text(value)?;
        if let Some((_, meaning)) = self.words.iter().find(|(name, _)| *name == word) {
            return Ok(*meaning);
        }
        let names: Vec<&str> = self.words.iter().map(|(name, _)| *name).collect();
        let known = format!("one of: {}", names.join(", "));
        if self.later.contains(&word) {
            return Err(wrong(format!("\"{word}\" is not in this version yet")).help(known));
        }
        let help = match nearest(word, names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => known,
        };
        Err(wrong(format!("\"{word}\" is not known here")).help(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Place;

    fn value(kind: Kind) -> Value {
        Value { place: Place::new(0, 0..0), kind }
    }

    fn words(text: &str) -> Value {
        value(Kind::Text(text.to_owned()))
    }

    #[test]
    fn durations() {
        let cases = [("500ms", 500), ("2s", 2_000), ("90 s", 90_000), ("1h", 3_600_000)];
        for (text, millis) in cases {
            assert_eq!(duration(&words(text)), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "2", "2x", "-1s", "1.5s", "0s", "31d", "99999999999999999999s"] {
            duration(&words(text)).expect_err(text);
        }
        duration(&value(Kind::Integer(2))).expect_err("a number has no unit");
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("0B", 0), ("64KiB", 65_536), ("1 MiB", 1 << 20)] {
            assert_eq!(size(&words(text)), Ok(bytes), "{text}");
        }
        let help = size(&words("64kib")).expect_err("a unit has one spelling").help;
        assert_eq!(help.as_deref(), Some("did you mean \"64KiB\"?"));
        size_within(1..=65_536)(&words("1MiB")).expect_err("above the range");
    }

    #[test]
    fn shares() {
        assert_eq!(percent(0..=50)(&words("10%")), Ok(10));
        for text in ["10", "51%", "%", "-1%"] {
            percent(0..=50)(&words(text)).expect_err(text);
        }
    }

    #[test]
    fn fine_shares() {
        for (text, million) in
            [("0%", 0), ("100%", 1_000_000), ("0.1%", 1_000), ("12.3456%", 123_456)]
        {
            assert_eq!(share(&words(text)).ok(), Share::of_million(million), "{text}");
        }
        for text in ["", "%", "1", ".1%", "100.0001%", "0.00001%", "-1%", "+1%", "1e1%", "1 %"] {
            share(&words(text)).expect_err(text);
        }
    }

    #[test]
    fn numbers_stay_in_range() {
        assert_eq!(integer(1..=100_u8)(&value(Kind::Integer(100))), Ok(100));
        for number in [0, 101, 256, -1] {
            integer(1..=100_u8)(&value(Kind::Integer(number))).expect_err("out of range");
        }
    }
}
