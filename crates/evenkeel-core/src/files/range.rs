//! Parts of a file (RFC 9110 §14).

use std::ops::Range;

use crate::message::header::{list, trim};

/// Parts in one answer. A player or a reader of archives asks for a few; more is somebody making
/// much work with few bytes (CVE-2011-3192).
pub const MOST_RANGES: usize = 16;

/// What of a file `Range` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Unknown unit, bad syntax, too many or overlapping parts: as if it were not there.
    All,
    Nothing,
    One(Range<u64>),
    /// In the client's order; none overlaps another.
    Many(Vec<Range<u64>>),
}

/// The value of `Range` against a file of `size` bytes.
pub(super) fn read(value: &[u8], size: u64) -> Wanted {
    let mut words = value.splitn(2, |byte| *byte == b'=');
    let (Some(unit), Some(set)) = (words.next(), words.next()) else { return Wanted::All };
    if !trim(unit).eq_ignore_ascii_case(b"bytes") {
        return Wanted::All;
    }
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut count = 0;
    for spec in list(set) {
        count += 1;
        let Some(range) = one(spec, size).filter(|_| count <= MOST_RANGES) else {
            return Wanted::All;
        };
        // RFC 9110 §14.2: what overlaps is a client gone wrong, or an attack.
        if ranges.iter().any(|other| range.start < other.end && other.start < range.end) {
            return Wanted::All;
        }
        if !range.is_empty() {
            ranges.push(range);
        }
    }
    match (count, ranges.len()) {
        (0, _) => Wanted::All,
        (_, 0) => Wanted::Nothing,
        // RFC 9110 §15.3.7.2: one part is no multipart.
        (_, 1) => Wanted::One(ranges.swap_remove(0)),
        _ => Wanted::Many(ranges),
    }
}

/// `first-last`, `first-` or `-length`; empty when it is beyond the end. `None`: not well written.
fn one(spec: &[u8], size: u64) -> Option<Range<u64>> {
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    let range = match (first, last) {
        ([], last) => size.saturating_sub(number(last)?)..size,
        (first, []) => number(first)?.min(size)..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first.min(size)..last.saturating_add(1).min(size)
        }
    };
    Some(range)
}

/// Digits only. What a `u64` cannot hold is beyond the end of every file.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        Some(sum.saturating_mul(10).saturating_add(digit.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::Wanted::{All, Nothing};
    use super::*;

    #[test]
    fn parts_of_a_thousand_bytes() {
        let one = |range| Wanted::One(range);
        let cases: [(&str, Wanted); 30] = [
            ("bytes=0-0", one(0..1)),
            ("bytes=0-499", one(0..500)),
            ("bytes=500-", one(500..1_000)),
            ("bytes=-500", one(500..1_000)),
            ("bytes=-2000", one(0..1_000)),
            ("bytes=999-2000", one(999..1_000)),
            ("Bytes=0-0", one(0..1)),
            ("bytes= 0-0 ,", one(0..1)),
            ("bytes=0-99999999999999999999999", one(0..1_000)),
            ("bytes=0-0,-1", Wanted::Many(vec![0..1, 999..1_000])),
            ("bytes=-1 , 0-0", Wanted::Many(vec![999..1_000, 0..1])),
            ("bytes=0-9,10-19", Wanted::Many(vec![0..10, 10..20])),
            ("bytes=0-9,1000-", one(0..10)),
            ("bytes=1000-", Nothing),
            ("bytes=-0", Nothing),
            ("bytes=1000-1001,2000-", Nothing),
            ("bytes=99999999999999999999999-", Nothing),
            ("bytes=0-9,9-10", All),
            ("bytes=0-,0-,0-", All),
            ("bytes=9-0", All),
            ("bytes=", All),
            ("bytes=,", All),
            ("bytes=-", All),
            ("bytes=a-b", All),
            ("bytes=0x0-1", All),
            ("bytes=1", All),
            ("bytes=+1-2", All),
            ("bytes 0-1", All),
            ("lines=0-1", All),
            ("", All),
        ];
        for (value, wanted) in cases {
            assert_eq!(read(value.as_bytes(), 1_000), wanted, "{value}");
        }
    }

    #[test]
    fn an_empty_file_has_no_part() {
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(read(value.as_bytes(), 0), Nothing, "{value}");
        }
    }

    #[test]
    fn many_small_parts_are_the_whole() {
        let parts = |count: usize| {
            let specs: Vec<String> = (0..count).map(|at| format!("{0}-{0}", at * 2)).collect();
            format!("bytes={}", specs.join(","))
        };
        let most = read(parts(MOST_RANGES).as_bytes(), 1_000);
        assert!(matches!(most, Wanted::Many(ranges) if ranges.len() == MOST_RANGES));
        assert_eq!(read(parts(MOST_RANGES + 1).as_bytes(), 1_000), All);
    }
}
