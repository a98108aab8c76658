//! Numbers, which begin in the low bits of a byte that says something else as well (RFC 7541 §5.1).

use super::Malformed;

/// The bytes after the first are at most as many. They hold 28 bits, and no string, entry or table
/// is as large as that.
const MOST_MORE_BYTES: usize = 4;

/// Reads the number in the low `bits` of the next byte and in those behind it: less than
/// 2^28 + 2^`bits`.
#[inline]
pub(super) fn read(rest: &mut &[u8], bits: u32) -> Result<usize, Malformed> {
    let (first, after) = rest.split_first().ok_or(Malformed::Cut)?;
    *rest = after;
    let full = (1 << bits) - 1;
    match usize::from(*first) & full {
        number if number < full => Ok(number),
        _ => Ok(full + read_more(rest)?),
    }
}

/// What the first byte had no room for, seven bits a byte, the lowest first.
#[cold]
fn read_more(rest: &mut &[u8]) -> Result<usize, Malformed> {
    let mut number = 0;
    for place in 0..MOST_MORE_BYTES {
        let (byte, after) = rest.split_first().ok_or(Malformed::Cut)?;
        *rest = after;
        number |= usize::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Malformed::NumberTooLarge)
}

/// Writes `number` into the low `bits` of a byte whose other bits are those of `pattern`, and
/// behind it.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, pattern: u8, bits: u32, number: usize) {
    let full = (1_u8 << bits) - 1;
    match u8::try_from(number) {
        Ok(number) if number < full => out.push(pattern | number),
        _ => {
            out.push(pattern | full);
            write_more(out, number - usize::from(full));
        }
    }
}

fn write_more(out: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        out.push(0x80 | number.to_le_bytes()[0]);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541, Appendix C.1.
    const EXAMPLES: [(u32, usize, &[u8]); 3] =
        [(5, 10, &[0x0a]), (5, 1337, &[0x1f, 0x9a, 0x0a]), (8, 42, &[0x2a])];

    #[test]
    fn the_examples_of_the_standard() {
        for (bits, number, bytes) in EXAMPLES {
            assert_eq!(read(&mut &bytes[..], bits), Ok(number));
            // Eight bits are no prefix that is ever written.
            if bits < 8 {
                let mut out = Vec::new();
                write(&mut out, 0, bits, number);
                assert_eq!(out, bytes);
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for bits in 4..=7 {
            let edges = [0, 14, 15, 16, 127, 128, 255, 256, 16_383, 16_384, (1 << 28) - 1];
            for number in edges {
                let mut out = Vec::new();
                write(&mut out, 0, bits, number);
                let mut rest = &out[..];
                assert_eq!(read(&mut rest, bits), Ok(number), "{number} in {bits} bits");
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn a_number_has_an_end() {
        // Zeros that add nothing are allowed, but not for ever.
        assert_eq!(read(&mut &[0x1f, 0x80, 0x80, 0x80, 0x00][..], 5), Ok(31));
        for bytes in [
            &[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00][..],
            &[0x1f, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0xff; 64],
        ] {
            assert_eq!(read(&mut &bytes[..], 5), Err(Malformed::NumberTooLarge));
        }
        for bytes in [&[][..], &[0x1f], &[0x1f, 0x80], &[0x1f, 0x80, 0x80, 0x80]] {
            assert_eq!(read(&mut &bytes[..], 5), Err(Malformed::Cut));
        }
    }
}
