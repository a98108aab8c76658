//! Fields, written as blocks.
//!
//! A field that was sent before on this connection enters the table when it comes again, and is
//! one or two bytes from then on. So a connection of one answer has no table, what differs from
//! answer to answer (a request's number, a time) never takes the place of what does not, and
//! no list of names has to say which is which. Names that are known to differ are not even looked
//! at, those that are sensitive are marked as never to be indexed (RFC 7541 §7.1.3).
//!
//! Strings are never Huffman-coded. What repeats is in the table after all, where its length no
//! longer counts; of what does not, a quarter of some hundred bytes an answer would be saved, and
//! paid for with ten times the time it takes to copy them, on both sides.

mod known;
mod sent;

use self::known::{Handling, Known};
use self::sent::{Before, Sent};
use super::table::{ENTRY_BYTES, Table};
use super::{DEFAULT_TABLE_BYTES, FIRST_DYNAMIC, integer};

/// The largest table that is used, whatever the peer would allow: the fields that repeat on a
/// connection have room in it several times over, and every connection may come to have one.
const MOST_TABLE_BYTES: u32 = DEFAULT_TABLE_BYTES;

/// How the first byte of a field begins, and how many bits are left for a number (RFC 7541 §6).
#[derive(Clone, Copy)]
struct Form {
    pattern: u8,
    bits: u32,
}

const INDEXED: Form = Form { pattern: 0x80, bits: 7 };
const KEPT: Form = Form { pattern: 0x40, bits: 6 };
const RESIZE: Form = Form { pattern: 0x20, bits: 5 };
const NEVER_KEPT: Form = Form { pattern: 0x10, bits: 4 };
const NOT_KEPT: Form = Form { pattern: 0x00, bits: 4 };
/// Of a string that is not Huffman-coded: its length (§5.2).
const SPELT: Form = Form { pattern: 0x00, bits: 7 };

/// Writes the blocks that go out on one connection, in their order.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// The smallest the table was to be since the last block, if it was resized.
    smallest: Option<usize>,
    sent: Sent,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// For a peer that has said nothing of its table yet, so that it has 4096 bytes. Nothing is
    /// allocated before a field comes.
    pub fn new() -> Self {
        Self { table: Table::new(), smallest: None, sent: Sent::default() }
    }

    /// What the peer's `SETTINGS_HEADER_TABLE_SIZE` says; at most 4096 bytes of it are used. It
    /// holds from the next block, whose beginning tells the peer.
    pub fn set_most_table(&mut self, bytes: u32) {
        let most = bytes.min(MOST_TABLE_BYTES) as usize;
        if most != self.table.most() {
            self.smallest = Some(self.smallest.map_or(most, |smallest| smallest.min(most)));
            self.table.set_most(most);
        }
    }

    /// To be called at the start of each block.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(smallest) = self.smallest.take() else { return };
        // The peer has to evict as much as this side has (RFC 7541 §4.2).
        if smallest < self.table.most() {
            write(out, RESIZE, smallest);
        }
        write(out, RESIZE, self.table.most());
    }

    /// `:status`, of three digits.
    pub fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        let digit = |place: u16| b'0' + (status / place % 10) as u8;
        self.field(b":status", &[digit(100), digit(10), digit(1)], out);
    }

    /// One field, a pseudo-field too. `name` is in lower case.
    pub fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let known = known::find(name);
        if let Some(number) = known.whole(value) {
            return write(out, INDEXED, number);
        }
        match known.handling {
            Handling::Repeats => self.repeating(known, name, value, out),
            Handling::Differs => literal(out, NOT_KEPT, known, name, value),
            Handling::Sensitive => literal(out, NEVER_KEPT, known, name, value),
        }
    }

    /// A field that whoever passes it on must not put into a table either (RFC 7541 §6.2.3).
    pub fn sensitive_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let known = known::find(name);
        match known.whole(value) {
            Some(number) => write(out, INDEXED, number),
            None => literal(out, NEVER_KEPT, known, name, value),
        }
    }

    fn repeating(&mut self, known: Known, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        // No field takes the place of most of the others.
        if ENTRY_BYTES + name.len() + value.len() > self.table.most() / 2 {
            return literal(out, NOT_KEPT, known, name, value);
        }
        match self.sent.look_up(name, value, &self.table) {
            Before::Entry(age) => write(out, INDEXED, FIRST_DYNAMIC + age),
            Before::Sent => {
                self.table.add(name, value);
                literal(out, KEPT, known, name, value);
            }
            Before::Never => literal(out, NOT_KEPT, known, name, value),
        }
    }
}

/// Fields of this name are sensitive, whether their sender says so or not.
pub(crate) fn is_sensitive(name: &[u8]) -> bool {
    known::find(name).handling == Handling::Sensitive
}

#[inline]
fn write(out: &mut Vec<u8>, form: Form, number: usize) {
    integer::write(out, form.pattern, form.bits, number);
}

fn literal(out: &mut Vec<u8>, form: Form, known: Known, name: &[u8], value: &[u8]) {
    write(out, form, known.number());
    if known.number() == 0 {
        string(out, name);
    }
    string(out, value);
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, SPELT, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first byte of the field, as often as it is sent.
    fn sent(encoder: &mut Encoder, name: &str, value: &str, times: usize) -> Vec<u8> {
        let mut first = Vec::new();
        for _ in 0..times {
            let mut out = Vec::new();
            encoder.field(name.as_bytes(), value.as_bytes(), &mut out);
            first.push(out[0]);
        }
        first
    }

    #[test]
    fn what_repeats_is_one_byte_from_the_third_time_on() {
        let mut encoder = Encoder::new();
        // Spelt out, spelt out and kept, entry 62.
        assert_eq!(sent(&mut encoder, "x-cache", "hit", 4), [0x00, 0x40, 0xbe, 0xbe]);
        assert_eq!(sent(&mut encoder, "vary", "accept", 3), [0x0f, 0x7b, 0xbe]);
        assert_eq!(sent(&mut encoder, "x-cache", "hit", 1), [0xbf]);
    }

    #[test]
    fn what_differs_and_what_is_sensitive_never_enters() {
        let mut encoder = Encoder::new();
        for (name, first) in [
            ("content-length", 0x0f),
            ("etag", 0x0f),
            (":path", 0x04),
            ("cookie", 0x1f),
            ("set-cookie", 0x1f),
            ("authorization", 0x1f),
            ("proxy-authorization", 0x1f),
        ] {
            assert_eq!(sent(&mut encoder, name, "1234", 3), [first; 3], "{name}");
        }
        let long = "x".repeat(3000);
        assert_eq!(sent(&mut encoder, "x-long", &long, 3), [0x00; 3]);
        encoder.set_most_table(0);
        assert_eq!(sent(&mut encoder, "x-cache", "hit", 3), [0x00; 3]);
    }

    #[test]
    fn what_its_sender_calls_sensitive_is_in_no_table() {
        let mut encoder = Encoder::new();
        sent(&mut encoder, "x-api-key", "abc", 3);
        for (name, value, block) in [
            ("x-api-key", "abc", &b"\x10\x09x-api-key\x03abc"[..]),
            (":path", "/", b"\x84"),
            (":path", "/a", b"\x14\x02/a"),
        ] {
            let mut out = Vec::new();
            Encoder::sensitive_field(name.as_bytes(), value.as_bytes(), &mut out);
            assert_eq!(out, block, "{name}: {value}");
        }
    }

    #[test]
    fn the_static_table_is_used() {
        let mut encoder = Encoder::new();
        for (name, value, byte) in [
            (":method", "GET", 0x82),
            (":path", "/index.html", 0x85),
            ("accept-encoding", "gzip, deflate", 0x90),
        ] {
            let mut out = Vec::new();
            encoder.field(name.as_bytes(), value.as_bytes(), &mut out);
            assert_eq!(out, [byte]);
        }
        for (status, block) in
            [(200, &[0x88][..]), (500, &[0x8e]), (302, b"\x08\x03302"), (103, b"\x08\x03103")]
        {
            let mut out = Vec::new();
            encoder.status(status, &mut out);
            assert_eq!(out, block, "{status}");
        }
    }

    #[test]
    fn a_change_of_size_is_told_at_the_next_block() {
        let cases: [(&[u32], &[u8]); 8] = [
            (&[], b""),
            (&[4096], b""),
            (&[65_536], b""),
            (&[100], b"\x3f\x45"),
            (&[0, 65_536], b"\x20\x3f\xe1\x1f"),
            (&[100, 0, 200], b"\x20\x3f\xa9\x01"),
            (&[200, 0], b"\x20"),
            (&[200, 0, 100, 100], b"\x20\x3f\x45"),
        ];
        for (sizes, block) in cases {
            let mut encoder = Encoder::new();
            for size in sizes {
                encoder.set_most_table(*size);
            }
            let mut out = Vec::new();
            encoder.begin(&mut out);
            assert_eq!(out, block, "{sizes:?}");
            encoder.begin(&mut out);
            assert_eq!(out, block, "told once");
        }
    }
}
