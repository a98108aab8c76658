//! Protocol Buffers, as far as OTLP needs them: a message is written field by field, and the fields
//! of an answer are read (<https://protobuf.dev/programming-guides/encoding/>).

/// How a field is written, by the lower three bits of its tag.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// A message being written. What is zero or empty is left out, as proto3 has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message(pub(super) Vec<u8>);

/// The value of a field being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed size; nothing that is read here is.
    Fixed,
}

impl Message {
    /// An integer, an enum or a boolean.
    pub(super) fn number(&mut self, field: u64, value: u64) {
        if value > 0 {
            self.tag(field, VARINT);
            self.varint(value);
        }
    }

    pub(super) fn fixed64(&mut self, field: u64, value: u64) {
        if value > 0 {
            self.tag(field, FIXED64);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn fixed32(&mut self, field: u64, value: u32) {
        if value > 0 {
            self.tag(field, FIXED32);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Bytes or a text.
    pub(super) fn bytes(&mut self, field: u64, value: &[u8]) {
        if !value.is_empty() {
            self.put(field, value);
        }
    }

    /// A message within this one, also if it is empty.
    pub(super) fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.put(field, &inner.0);
    }

    fn put(&mut self, field: u64, value: &[u8]) {
        self.tag(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn tag(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push((value & 0x7f) as u8);
    }
}

/// The fields of a message with their numbers, up to the first one that is broken.
pub(super) fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let tag = read_varint(&mut message)?;
        let value = match tag & 7 {
            VARINT => Field::Number(read_varint(&mut message)?),
            BYTES => {
                let length = usize::try_from(read_varint(&mut message)?).ok()?;
                Field::Bytes(message.split_off(..length)?)
            }
            FIXED64 => message.split_off(..8).map(|_| Field::Fixed)?,
            FIXED32 => message.split_off(..4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::default();
        write(&mut message);
        message.0
    }

    /// The examples of the specification of the encoding, and what else is written here.
    #[test]
    fn fields_are_written_as_the_specification_has_them() {
        assert_eq!(written(|it| it.number(1, 150)), [0x08, 0x96, 0x01]);
        assert_eq!(written(|it| it.bytes(2, b"testing")), *b"\x12\x07testing");
        assert_eq!(written(|it| it.message(3, |it| it.number(1, 150))), *b"\x1a\x03\x08\x96\x01");
        assert_eq!(written(|it| it.fixed32(16, 0x0102)), [0x85, 0x01, 0x02, 0x01, 0, 0]);
        assert_eq!(written(|it| it.fixed64(7, 1)), [0x39, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(written(|it| it.number(1, u64::MAX)).len(), 11);
        let nothing = written(|it| {
            it.number(1, 0);
            it.fixed32(1, 0);
            it.fixed64(1, 0);
            it.bytes(1, b"");
        });
        assert_eq!(nothing, b"");
        assert_eq!(written(|it| it.message(1, |_| {})), [0x0a, 0]);
    }

    #[test]
    fn what_was_written_is_read_and_what_is_broken_ends_it() {
        let whole = written(|it| {
            it.number(1, 300);
            it.fixed32(2, 1);
            it.fixed64(3, 1);
            it.bytes(4, b"text");
        });
        let expected = [
            (1, Field::Number(300)),
            (2, Field::Fixed),
            (3, Field::Fixed),
            (4, Field::Bytes(b"text")),
        ];
        assert!(fields(&whole).eq(expected));
        for length in 0..whole.len() {
            let found: Vec<_> = fields(&whole[..length]).collect();
            assert!(found.len() < expected.len() && expected.starts_with(&found), "{length}");
        }
        for broken in [&[0xff; 20][..], b"\x0b", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"] {
            assert_eq!(fields(broken).count(), 0, "{broken:?}");
        }
    }
}
