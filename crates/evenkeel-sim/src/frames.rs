//! A peer that speaks HTTP/2 frame by frame, and need not keep to any rule.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::clock::PATIENCE;
use crate::peer::{Peer, peer};

pub use evenkeel_core::http2::frame::{PREFACE, flag, kind};

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection.
#[derive(Debug)]
pub struct Frames {
    socket: TcpStream,
}

/// A server that does this with each connection on which HTTP/2 is spoken, in a thread of its own.
pub fn server(serve: impl Fn(Frames) + Send + Sync + 'static) -> Peer {
    peer(move |socket| {
        if let Some(frames) = Frames::accept(socket) {
            serve(frames);
        }
    })
}

impl Frames {
    /// Reads the preface and says empty settings. `None`: something else came, or nothing.
    fn accept(mut socket: TcpStream) -> Option<Self> {
        let mut preface = [0; PREFACE.len()];
        socket.read_exact(&mut preface).ok()?;
        let mut frames = Self { socket };
        frames.send(kind::SETTINGS, 0, 0, &[]);
        (preface == PREFACE).then_some(frames)
    }

    /// Connects, says the preface and empty settings.
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the listener accepts");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket has time-outs");
        socket.set_write_timeout(Some(PATIENCE)).expect("a socket has time-outs");
        socket.set_nodelay(true).expect("a socket has the option");
        let mut frames = Self { socket };
        frames.raw(PREFACE);
        frames.send(kind::SETTINGS, 0, 0, &[]);
        frames
    }

    /// Sends bytes as they are. Whether the peer still takes them is seen in what it answers.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.socket.write_all(bytes); // it may have hung up: that is what tests look for
        self
    }

    /// Sends a frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        self.raw(&frame(kind, flags, stream, payload))
    }

    /// Sends a request head of these fields.
    pub fn head(&mut self, flags: u8, stream: u32, fields: &[(&str, &str)]) -> &mut Self {
        self.send(kind::HEADERS, flags | flag::END_HEADERS, stream, &block(fields))
    }

    /// A GET without a body.
    pub fn get(&mut self, stream: u32, path: &str) -> &mut Self {
        self.head(flag::END_STREAM, stream, &get(path))
    }

    /// The next frame; `None` once the peer has hung up.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head).ok()?;
        let [high, middle, low, kind, flags, s0, s1, s2, s3] = head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let mut payload = vec![0; length as usize];
        self.socket.read_exact(&mut payload).ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
    }

    /// The next frame that `wanted` accepts; `None` if the peer hangs up before.
    pub fn find(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.read()?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// What becomes of a stream: `200`, `reset 1`, `goaway 11`, or `gone`.
    pub fn outcome(&mut self, stream: u32) -> String {
        let ends = |frame: &Frame| match frame.kind {
            kind::GOAWAY => frame.error() != 0,
            kind::HEADERS | kind::RST_STREAM => frame.stream == stream,
            _ => false,
        };
        match self.find(ends) {
            None => "gone".to_owned(),
            Some(frame) if frame.kind == kind::GOAWAY => format!("goaway {}", frame.error()),
            Some(frame) if frame.kind == kind::RST_STREAM => format!("reset {}", frame.error()),
            Some(frame) => frame.status().to_string(),
        }
    }
}

impl Frame {
    /// The error code of a `GOAWAY` or `RST_STREAM`.
    pub fn error(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        let code = self.payload.get(at..at + 4).and_then(|code| code.try_into().ok());
        u32::from_be_bytes(code.expect("a frame of at least its fixed length"))
    }

    /// The status of an answer's head. A server writes it first: as an index, or as text behind
    /// the index of its name (RFC 7541 §6).
    pub fn status(&self) -> u16 {
        const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        match self.payload.as_slice() {
            // A new size of the table may stand before it.
            [size @ 0x20..=0x3e, rest @ ..] if *size != 0x3f => {
                Self { payload: rest.to_vec(), ..self.clone() }.status()
            }
            [indexed, ..] if indexed & 0x80 != 0 => {
                STATIC[usize::from((indexed & 0x7f).saturating_sub(8)).min(6)]
            }
            [_, 0x03, text @ ..] => digits(&text[..3]),
            // Two or three digits in Huffman's code: each has 5 or 6 bits.
            [_, length, text @ ..] if length & 0x80 != 0 => {
                huffman_digits(&text[..usize::from(length & 0x7f)])
            }
            other => panic!("no status in {other:?}"),
        }
    }
}

/// A frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload of a test").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block: each field as a literal that is not indexed, without Huffman's code
/// (RFC 7541 §6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        text(&mut bytes, name.as_bytes());
        text(&mut bytes, value.as_bytes());
    }
    bytes
}

/// A field that nobody is to put into a table (RFC 7541 §6.2.3), in the form of [`block`].
pub fn sensitive(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = block(&[(name, value)]);
    bytes[0] = 0x10;
    bytes
}

/// The fields of a GET.
pub fn get(path: &str) -> [(&str, &str); 4] {
    [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "test.example")]
}

fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text.len();
    if rest < 127 {
        bytes.push(u8::try_from(rest).expect("below 127"));
    } else {
        bytes.push(127);
        rest -= 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128 + 128).expect("below 256"));
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).expect("below 128"));
    }
    bytes.extend(text);
}

fn digits(text: &[u8]) -> u16 {
    text.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
}

/// Decimal digits in Huffman's code (RFC 7541 appendix B): `0`, `1`, `2` have the five bits 0, 1 and
/// 2, `3` to `9` the six bits from 0x19 on.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let value = |bits: &[bool]| bits.iter().fold(0, |sum, bit| sum * 2 + u16::from(*bit));
    let (mut at, mut number) = (0, 0);
    while at + 5 <= bits.len() {
        let short = value(&bits[at..at + 5]);
        let digit = if short <= 2 {
            at += 5;
            short
        } else {
            let Some(long) = bits.get(at..at + 6).map(value) else { break };
            at += 6;
            if !(0x19..=0x1f).contains(&long) {
                break; // the padding
            }
            long - 0x19 + 3
        };
        number = number * 10 + digit;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_in_each_form() {
        let head = |payload: &[u8]| Frame {
            kind: kind::HEADERS,
            flags: flag::END_HEADERS,
            stream: 1,
            payload: payload.to_vec(),
        };
        assert_eq!(head(&[0x88]).status(), 200);
        assert_eq!(head(&[0x8d]).status(), 404);
        assert_eq!(head(b"\x48\x03503").status(), 503);
        // RFC 7541 appendix C.6.1: 302.
        assert_eq!(head(&[0x48, 0x82, 0x64, 0x02]).status(), 302);
    }
}
