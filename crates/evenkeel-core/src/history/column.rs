//! Values of one series as bytes: the first one, then differences, in as few bytes as each takes.
//!
//! ```text
//! flags   1 byte   bit 0: there are gaps; bit 1: all values are the same; bits 2 to 4: a power of ten
//! gaps    a bit for each step, the lowest first, 1 where there is a value; only with bit 0
//! values  zigzag varints of differences, the first one from 0, in units of the power of ten;
//!         with bit 1 only the first
//! ```
//!
//! Rates of one second are whole numbers, their means are not: the power of ten has the former take
//! a byte or two.

use super::segment::Reading;

const GAPS: u8 = 1;
const SAME: u8 = 2;
/// 10^6: beyond it a value takes the same number of bytes or one less.
const MOST_TENS: u32 = 6;

/// Appends a column. A gap is `None`.
pub fn write(out: &mut Vec<u8>, values: &[Option<i64>]) {
    let present = || values.iter().flatten().copied();
    let has_gaps = values.iter().any(Option::is_none);
    let first = present().next().unwrap_or_default();
    let is_same = present().all(|value| value == first);
    let tens = tens(present());
    let unit = 10_i64.pow(tens);
    let power = u8::try_from(tens).expect("at most six") << 2;
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    out.push(flag(has_gaps, GAPS) | flag(is_same, SAME) | power);
    if has_gaps {
        out.extend(values.chunks(8).map(|eight| {
            let bits = eight.iter().enumerate().filter(|(_, value)| value.is_some());
            bits.fold(0, |byte, (bit, _)| byte | 1 << bit)
        }));
    }
    let mut before = 0;
    for value in present().take(if is_same { 1 } else { usize::MAX }) {
        let value = value / unit;
        write_varint(out, zigzag(value.wrapping_sub(before)));
        before = value;
    }
}

/// The column of so many steps. `None`: the bytes are none.
pub fn read(bytes: &[u8], steps: usize) -> Option<Vec<Option<i64>>> {
    let mut bytes = Reading(bytes);
    let flags = bytes.byte()?;
    let unit = 10_i64.pow(u32::from(flags >> 2).min(MOST_TENS));
    let gaps = if flags & GAPS == 0 { None } else { Some(bytes.take(steps.div_ceil(8))?) };
    let is_there = |step: usize| gaps.is_none_or(|gaps| gaps[step / 8] >> (step % 8) & 1 == 1);
    let (mut before, mut is_first) = (0_i64, true);
    let mut values = Vec::with_capacity(steps);
    for step in 0..steps {
        if !is_there(step) {
            values.push(None);
            continue;
        }
        if is_first || flags & SAME == 0 {
            before = before.wrapping_add(unzigzag(bytes.varint()?));
            is_first = false;
        }
        values.push(Some(before.wrapping_mul(unit)));
    }
    Some(values)
}

/// The largest power of ten that divides all of them.
fn tens(values: impl Iterator<Item = i64>) -> u32 {
    let of_one =
        |value: i64| (0..MOST_TENS).take_while(|tens| value % 10_i64.pow(tens + 1) == 0).count();
    let least = values.map(of_one).min().unwrap_or_default();
    u32::try_from(least).unwrap_or(MOST_TENS)
}

/// Small numbers of either sign become small numbers.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn length(values: &[Option<i64>]) -> usize {
        let mut bytes = Vec::new();
        write(&mut bytes, values);
        assert_eq!(read(&bytes, values.len()).as_deref(), Some(values));
        bytes.len()
    }

    #[test]
    fn what_does_not_change_takes_next_to_nothing() {
        assert_eq!(length(&[Some(0); 30]), 2);
        assert_eq!(length(&[Some(5_000_000); 30]), 2);
        assert_eq!(length(&[Some(1), None, Some(1)]), 3);
        // Around 5,000 requests a second, in thousandths: two bytes for the first, one or two each.
        let rates = [5_000, 5_031, 4_988, 5_102, 5_000, 4_970, 5_004, 5_055, 5_001, 4_999];
        assert!(length(&rates.map(|rate| Some(rate * 1_000))) <= 18);
    }

    proptest! {
        #[test]
        fn there_and_back(values in prop::collection::vec(any::<Option<i64>>(), 1..40)) {
            length(&values);
        }

        #[test]
        fn small_ones_there_and_back(
            values in prop::collection::vec(prop::option::weighted(0.8, -9_i64..9_000), 1..40),
            tens in 0_u32..8,
        ) {
            let values: Vec<_> = values.iter().map(|it| it.map(|it| it * 10_i64.pow(tens))).collect();
            length(&values);
        }

        #[test]
        fn any_bytes_are_a_column_or_none(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            steps in 0_usize..100,
        ) {
            if let Some(values) = read(&bytes, steps) {
                prop_assert_eq!(values.len(), steps);
            }
        }
    }
}
