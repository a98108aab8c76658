//! The Huffman code of strings (RFC 7541 §5.2 and Appendix B).
//!
//! Only the decoder: [`super::Encoder`] says why nothing is encoded. The code is canonical: codes of
//! one length are consecutive numbers in the order of their bytes, and shorter ones come first. So
//! the lengths say all, and the tables below are made of them when this is compiled.

use super::Malformed;

/// The length in bits of each byte's code. The one code that these leave over, thirty ones, means
/// the end of the string.
#[rustfmt::skip]
pub(super) const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const SHORTEST: usize = 5;
const LONGEST: u32 = 30;

/// A byte, and how many bits mean it.
#[derive(Clone, Copy)]
struct Symbol {
    byte: u8,
    length: u8,
}

/// What the next eight bits mean: all that is common in a header field. A length of zero: the code
/// is longer.
static SHORT: [Symbol; 256] = short();

/// All bytes by their codes.
static SORTED: [u8; 256] = sorted();

/// The codes of one length.
#[derive(Clone, Copy)]
struct Group {
    length: u8,
    /// The place of the first one's byte in [`SORTED`].
    place: u8,
    /// The first code, in the high bits.
    first: u32,
    /// The first of those that are longer.
    beyond: u32,
}

/// The codes of more than eight bits, the shorter ones first.
static LONG: [Group; 17] = long();

/// Decodes a string. `space` is where it is put if need be; it grows to the most that a string of
/// this length can become, 8/5 of it.
pub(super) fn decode<'s>(coded: &[u8], space: &'s mut Vec<u8>) -> Result<&'s [u8], Malformed> {
    let most = coded.len() * 8 / SHORTEST;
    if space.len() < most {
        space.resize(most, 0);
    }
    let mut rest = coded;
    let mut decoded = 0;
    // The next bits of the string, in the high bits; of `held` of them the bytes are off `rest`.
    let (mut bits, mut held) = (0_u64, 0_u32);
    while !rest.is_empty() {
        (bits, held) = refill(&mut rest, bits, held);
        while held >= LONGEST {
            let symbol = next(bits).ok_or(Malformed::EndInString)?;
            space[decoded] = symbol.byte;
            decoded += 1;
            bits <<= symbol.length;
            held -= u32::from(symbol.length);
        }
    }
    // Filled up with ones, the rest of the string ends like any other.
    bits |= u64::MAX >> held;
    while let Some(symbol) = next(bits)
        && u32::from(symbol.length) <= held
    {
        space[decoded] = symbol.byte;
        decoded += 1;
        bits <<= symbol.length;
        held -= u32::from(symbol.length);
    }
    if held < 8 && bits.leading_ones() >= held {
        Ok(&space[..decoded])
    } else {
        Err(Malformed::Padding)
    }
}

/// More than 55 bits, or all there are.
#[inline]
fn refill(rest: &mut &[u8], mut bits: u64, mut held: u32) -> (u64, u32) {
    if let Some(next) = rest.first_chunk() {
        // The part of a byte that fits at the end is there again at the next time, and the same.
        bits |= u64::from_be_bytes(*next) >> held;
        let bytes = (63 - held) / 8;
        *rest = &rest[bytes as usize..];
        return (bits, held + 8 * bytes);
    }
    while held <= 56
        && let Some((byte, after)) = rest.split_first()
    {
        bits |= u64::from(*byte) << (56 - held);
        held += 8;
        *rest = after;
    }
    (bits, held)
}

/// What the first bits mean. `None`: the end of the string.
#[inline]
fn next(bits: u64) -> Option<Symbol> {
    let symbol = SHORT[(bits >> 56) as usize];
    if symbol.length > 0 { Some(symbol) } else { next_long((bits >> 32) as u32) }
}

/// A code has three or four bytes by the time this has looked at many lengths.
#[inline(never)]
fn next_long(bits: u32) -> Option<Symbol> {
    let group = LONG.iter().find(|group| bits < group.beyond)?;
    let place = usize::from(group.place) + ((bits - group.first) >> (32 - group.length)) as usize;
    Some(Symbol { byte: SORTED[place], length: group.length })
}

const fn sorted() -> [u8; 256] {
    let mut sorted = [0; 256];
    let (mut length, mut place) = (0, 0);
    while length <= LONGEST {
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as u32 == length {
                sorted[place] = byte.to_le_bytes()[0];
                place += 1;
            }
            byte += 1;
        }
        length += 1;
    }
    sorted
}

const fn short() -> [Symbol; 256] {
    let mut short = [Symbol { byte: 0, length: 0 }; 256];
    let sorted = sorted();
    let (mut at, mut place) = (0, 0);
    while LENGTHS[sorted[place] as usize] <= 8 {
        let symbol = Symbol { byte: sorted[place], length: LENGTHS[sorted[place] as usize] };
        let end = at + (1 << (8 - symbol.length));
        while at < end {
            short[at] = symbol;
            at += 1;
        }
        place += 1;
    }
    short
}

const fn long() -> [Group; 17] {
    let mut groups = [Group { length: 0, place: 0, first: 0, beyond: 0 }; 17];
    let sorted = sorted();
    let (mut code, mut place, mut group) = (0, 0, 0);
    while place < 256 {
        let length = LENGTHS[sorted[place] as usize];
        let first = Group { length, place: place.to_le_bytes()[0], first: code, beyond: 0 };
        while place < 256 && LENGTHS[sorted[place] as usize] == length {
            code += 1 << (32 - length);
            place += 1;
        }
        if length > 8 {
            groups[group] = Group { beyond: code, ..first };
            group += 1;
        }
    }
    // Nothing but the code for the end is left, and no group is.
    assert!(code == u32::MAX << (32 - LONGEST) && group == groups.len());
    groups
}
