//! A distinguished name as text (RFC 4514).

use super::der::{OBJECT, SEQUENCE, SET, each, expect};

/// Bytes of a subject as text. It becomes a header of every request; longer ones are made to hurt.
pub const MOST_SUBJECT_BYTES: usize = 1024;

/// Tags whose content is UTF-8 or a part of it: `UTF8String`, `PrintableString`, `IA5String`.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The attribute types that have a short name in RFC 4514 §3, by their object identifiers.
const SHORT_NAMES: [(&[u8], &str); 9] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x09], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
];

/// The content of a `Name`, the last part first (RFC 4514 §2.1): `CN=app,O=Example`.
pub(super) fn text(name: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    let mut read = 0;
    for (tag, part) in each(name) {
        if tag != SET {
            return None;
        }
        let attributes: Option<Vec<String>> = each(part).map(attribute).collect();
        let part = attributes?.join("+");
        read += part.len() + 1;
        if part.is_empty() || read > MOST_SUBJECT_BYTES {
            return None;
        }
        parts.push(part);
    }
    parts.reverse();
    Some(parts.join(","))
}

/// The last common name in the content of a `Name`: the one nearest to what is named.
pub(super) fn common_name(name: &[u8]) -> Option<&str> {
    let named = |(tag, content): (u8, _)| {
        let (object, rest) = expect(OBJECT, content).filter(|_| tag == SEQUENCE)?;
        let (tag, value, _) = super::der::element(rest)?;
        let is_named = object == COMMON_NAME && TEXTS.contains(&tag);
        std::str::from_utf8(value).ok().filter(|it| is_named && it.len() <= MOST_SUBJECT_BYTES)
    };
    let parts = each(name).filter(|(tag, _)| *tag == SET);
    parts.flat_map(|(_, part)| each(part)).filter_map(named).last()
}

fn attribute((tag, content): (u8, &[u8])) -> Option<String> {
    if tag != SEQUENCE {
        return None;
    }
    let (object, rest) = expect(OBJECT, content)?;
    let (tag, value, _) = super::der::element(rest)?;
    let known = SHORT_NAMES.iter().find(|(known, _)| *known == object);
    Some(match known {
        Some((_, name)) if TEXTS.contains(&tag) => format!("{name}={}", escaped(value)),
        // The whole element in hexadecimal (§2.4), for what has no text of its own.
        _ => format!("{}=#{}", dotted(object)?, hexadecimal(rest)),
    })
}

/// Every byte that could mean something else, to a reader of this text or of the header it stands
/// in, as a backslash and two digits (§2.4).
fn escaped(value: &[u8]) -> String {
    let last = value.len().wrapping_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, &byte) in value.iter().enumerate() {
        let special = match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=' => true,
            b'#' => at == 0,
            b' ' => at == 0 || at == last,
            _ => !byte.is_ascii_graphic(),
        };
        if special {
            text.push('\\');
            text.push_str(&hexadecimal(&[byte]));
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

/// An object identifier in its dotted form (X.690 §8.19).
fn dotted(object: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let mut number: u64 = 0;
    for byte in object {
        number = number.checked_mul(128)? + u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first.to_string());
                number -= first * 40;
            }
            numbers.push(number.to_string());
            number = 0;
        }
    }
    Some(numbers.join("."))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or_default().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_mean_something_else_is_escaped() {
        let cases = [
            ("app", "app"),
            ("a b", "a b"),
            (" a ", "\\20a\\20"),
            ("#1", "\\231"),
            ("1#", "1#"),
            ("O=x,CN=admin", "O\\3Dx\\2CCN\\3Dadmin"),
            ("a\r\nX-Role: admin", "a\\0D\\0AX-Role: admin"),
            ("é", "\\C3\\A9"),
        ];
        for (value, expected) in cases {
            assert_eq!(escaped(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn objects_have_numbers() {
        assert_eq!(dotted(&[0x55, 0x04, 0x03]).as_deref(), Some("2.5.4.3"));
        let rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d];
        assert_eq!(dotted(&rsa).as_deref(), Some("1.2.840.113549"));
        assert_eq!(dotted(&[0xff; 20]), None);
    }
}
