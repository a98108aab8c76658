//! Entity tags (RFC 9110 §8.8.3).

use std::io::Write as _;

use super::Facts;
use crate::coding::Coding;
use crate::message::header::list;

/// Two numbers of 16 hexadecimal digits, a hyphen, quotes and the longest suffix.
const MOST_BYTES: usize = 2 * 16 + 1 + 2 + "-zstd".len();

/// The strong tag of a file: time of its last change and size, in the form nginx gives them, so
/// that caches filled by either stay good. A compressed form has its coding behind them.
#[derive(Clone, Copy, Debug)]
pub struct EntityTag {
    bytes: [u8; MOST_BYTES],
    length: usize,
}

impl EntityTag {
    /// The tag of a file in this form.
    pub fn new(facts: Facts, coding: Option<Coding>) -> Self {
        let mut bytes = [0; MOST_BYTES];
        let mut room = &mut bytes[..];
        let Facts { size, modified } = facts;
        // There is room for the longest of them.
        let _ = write!(room, "\"{modified:x}-{size:x}");
        let _ = match coding {
            Some(coding) => write!(room, "-{}\"", coding.token()),
            None => write!(room, "\""),
        };
        let length = MOST_BYTES - room.len();
        Self { bytes, length }
    }

    /// As it stands in a header, quotes included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether a value of `If-Match` names it: `*`, or this tag as a strong one (RFC 9110 §13.1.1).
    pub(super) fn is_matched_by(&self, value: &[u8]) -> bool {
        value == b"*" || list(value).any(|tag| tag == self.as_bytes())
    }

    /// Whether a value of `If-None-Match` names it: `*`, or this tag, also as a weak one
    /// (RFC 9110 §13.1.2). Another program's tag may hold a comma; none of its parts is ours.
    pub(super) fn is_known_by(&self, value: &[u8]) -> bool {
        let opaque = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag);
        value == b"*" || list(value).any(|tag| opaque(tag) == self.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_time_and_size_and_the_coding() {
        let facts = Facts { size: 10_240, modified: 0x65aa_0001 };
        assert_eq!(EntityTag::new(facts, None).as_bytes(), b"\"65aa0001-2800\"");
        let coded = EntityTag::new(facts, Some(Coding::Brotli));
        assert_eq!(coded.as_bytes(), b"\"65aa0001-2800-br\"");
        let longest = Facts { size: u64::MAX, modified: u64::MAX };
        let longest = EntityTag::new(longest, Some(Coding::Zstd));
        assert_eq!(longest.as_bytes(), b"\"ffffffffffffffff-ffffffffffffffff-zstd\"");
    }

    #[test]
    fn a_weak_tag_is_known_and_does_not_match() {
        let tag = EntityTag::new(Facts { size: 1, modified: 2 }, None);
        for (value, matched, known) in [
            ("*", true, true),
            ("\"2-1\"", true, true),
            ("W/\"2-1\"", false, true),
            ("\"x\", \"2-1\"", true, true),
            ("\"x,y\" ,W/\"2-1\"", false, true),
            ("2-1", false, false),
            ("\"2-1", false, false),
            ("", false, false),
        ] {
            let value = value.as_bytes();
            assert_eq!((tag.is_matched_by(value), tag.is_known_by(value)), (matched, known));
        }
    }
}
