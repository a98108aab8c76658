//! The chunked coding (RFC 9112 §7.1), read strictly and written anew.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use super::Reason;
use super::forward::{is_edited, is_listed};
use super::header::{self, Name, is_token_byte};
use crate::config::HeaderEdits;

/// Hexadecimal digits of a chunk size: those of a u64.
const MOST_SIZE_DIGITS: u8 = 16;

/// Bytes of chunk extensions in one body. They mean nothing to anyone; room for a word or two is
/// left, a hose is not.
pub const MOST_EXTENSION_BYTES: u16 = 4096;

/// Lines in a trailer section.
pub const MOST_TRAILERS: usize = 32;

/// What may not stand behind the body of one message, because it may not stand in its head: a
/// receiver may merge the two (RFC 9110 §6.5.1).
#[derive(Clone, Copy, Debug)]
pub struct Barred<'a> {
    /// Headers that this node alone may write.
    pub reserved: &'a [Arc<str>],
    /// What they remove or set.
    pub edits: &'a HeaderEdits,
    /// What `Connection` lists, with commas between (RFC 9110 §7.6.1).
    pub hop: &'a [u8],
}

impl Barred<'_> {
    /// Those of the lines of [`Decoder::trailers`] that may be passed on.
    pub fn keep<'t>(&self, trailers: &'t [u8]) -> Cow<'t, [u8]> {
        let lines = || trailers.split_inclusive(|byte| *byte == b'\n');
        let name = |line: &'t [u8]| {
            let end = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            // What is no text is no token, and no name of a line.
            str::from_utf8(&line[..end]).unwrap_or_default()
        };
        if lines().all(|line| self.admits(name(line))) {
            return Cow::Borrowed(trailers);
        }
        Cow::Owned(lines().filter(|line| self.admits(name(line))).flatten().copied().collect())
    }

    fn admits(&self, name: &str) -> bool {
        let Self { reserved, edits, hop } = self;
        let stays = |option: &[u8]| option.eq_ignore_ascii_case(name.as_bytes());
        !is_listed(reserved, name) && !is_edited(edits, name) && !header::list(hop).any(stays)
    }
}

/// Takes a chunked body apart.
///
/// ```text
/// Size ─┬─────────────► SizeEnd ─► Data ─► DataEnd ─► DataEndLf ─► Size
///       └─► Extension ──▲  │
///             ⇅ Quoted     └ size 0 ─► LastLine ─► LastLf ─► Done
///                                          └─► Trailer ───────▲
/// ```
#[derive(Debug)]
pub struct Decoder {
    state: State,
    digits: u8,
    extension_bytes: u16,
    trailer_limit: u32,
    /// Size of the chunk being read, then what is left of its data.
    left: u64,
    /// No memory until there is a trailer.
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    Quoted,
    Escaped,
    SizeEnd,
    Data,
    DataEnd,
    DataEndLf,
    LastLine,
    LastLf,
    Trailer,
    Done,
}

/// What a look at the input gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'b> {
    /// All of the input was consumed and the body goes on.
    More,
    /// A piece of the body; the input may hold more.
    Data(&'b [u8]),
    /// The body is over; what was not consumed belongs to the next message.
    End,
}

impl Decoder {
    /// `trailer_limit`: most bytes of a trailer section, such as
    /// [`HttpLimits::head_bytes`](crate::config::HttpLimits::head_bytes).
    pub const fn new(trailer_limit: u32) -> Self {
        Self {
            state: State::Size,
            digits: 0,
            extension_bytes: 0,
            trailer_limit,
            left: 0,
            trailers: Vec::new(),
        }
    }

    /// Decodes the start of `input`; the number is how many of its bytes were consumed. After an
    /// error or [`Step::End`] nothing more is consumed.
    pub fn decode<'b>(&mut self, input: &'b [u8]) -> Result<(Step<'b>, usize), Reason> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Data => {
                    let rest = &input[at..];
                    let length =
                        usize::try_from(self.left).map_or(rest.len(), |it| it.min(rest.len()));
                    self.left -= length as u64;
                    if self.left == 0 {
                        self.state = State::DataEnd;
                    }
                    return Ok((Step::Data(&rest[..length]), at + length));
                }
                State::Done => break,
                _ => {
                    at += 1;
                    self.take(byte)?;
                }
            }
        }
        Ok(if self.state == State::Done { (Step::End, at) } else { (Step::More, at) })
    }

    /// The next byte is one of a chunk's data.
    pub fn is_within_data(&self) -> bool {
        self.state == State::Data
    }

    /// Whether the whole body, with its trailers, has been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer lines that may be passed on if the message has [nothing against it](Barred), each
    /// with its CRLF, once the body is done.
    pub fn trailers(&self) -> &[u8] {
        if self.is_done() { &self.trailers } else { &[] }
    }

    /// A byte between the pieces of data.
    fn take(&mut self, byte: u8) -> Result<(), Reason> {
        self.state = match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.take_digit(byte)?;
                State::Size
            }
            (State::Size, b'\r') if self.digits > 0 => State::SizeEnd,
            (State::Size, b';') if self.digits > 0 => State::Extension,
            (State::SizeEnd, b'\n') => {
                self.digits = 0;
                if self.left == 0 { State::LastLine } else { State::Data }
            }
            (State::Size | State::SizeEnd, _) => return Err(Reason::ChunkSize),
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => State::Size,
            (State::DataEnd | State::DataEndLf, _) => return Err(Reason::ChunkEnd),
            (State::LastLine, b'\r') => State::LastLf,
            (State::LastLine | State::Trailer, _) => self.take_trailer(byte)?,
            (State::LastLf, b'\n') => State::Done,
            (State::LastLf, _) => return Err(Reason::TrailerSyntax),
            (state, byte) => self.take_extension(state, byte)?,
        };
        Ok(())
    }

    fn take_digit(&mut self, digit: u8) -> Result<(), Reason> {
        if self.digits == MOST_SIZE_DIGITS {
            return Err(Reason::ChunkSize);
        }
        self.digits += 1;
        let value = char::from(digit).to_digit(16).unwrap_or_default();
        self.left = self.left << 4 | u64::from(value);
        Ok(())
    }

    /// Extensions are read only to find their end, and no byte that one reader could take for that
    /// end and another not gets through.
    fn take_extension(&mut self, state: State, byte: u8) -> Result<State, Reason> {
        self.extension_bytes += 1;
        if self.extension_bytes > MOST_EXTENSION_BYTES {
            return Err(Reason::ChunkExtension);
        }
        let is_text = matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        match (state, byte) {
            (State::Extension, b'\r') => Ok(State::SizeEnd),
            (State::Extension, b'"') | (State::Escaped, _) if is_text => Ok(State::Quoted),
            (State::Extension, b';' | b'=' | b' ' | b'\t') | (State::Quoted, b'"') => {
                Ok(State::Extension)
            }
            (State::Extension, _) if is_token_byte(byte) => Ok(State::Extension),
            (State::Quoted, b'\\') => Ok(State::Escaped),
            (State::Quoted, _) if is_text => Ok(State::Quoted),
            _ => Err(Reason::ChunkExtension),
        }
    }

    fn take_trailer(&mut self, byte: u8) -> Result<State, Reason> {
        if self.trailers.len() >= self.trailer_limit as usize {
            return Err(Reason::TrailerTooLarge);
        }
        if byte == b'\n' && self.trailers.last() != Some(&b'\r') {
            return Err(Reason::TrailerSyntax);
        }
        self.trailers.push(byte);
        if !self.trailers.ends_with(b"\r\n\r\n") {
            return Ok(State::Trailer);
        }
        self.trailers = filtered(&self.trailers)?;
        Ok(State::Done)
    }
}

/// Appends `data` as a chunk. It must not be empty: that would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    let _ = write!(out, "{:x}\r\n", data.len()); // writing to memory does not fail
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a body, with lines that [may follow it](Barred::keep).
pub fn write_end(out: &mut Vec<u8>, trailers: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a body, with those of `fields` that may follow one in the form of HTTP/1 and
/// are not `barred`.
pub fn write_end_with<'f>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'f str, &'f [u8])>,
    barred: &Barred<'_>,
) -> Result<(), Reason> {
    out.extend_from_slice(b"0\r\n");
    for (count, (name, value)) in fields.enumerate() {
        if count == MOST_TRAILERS {
            return Err(Reason::TrailerTooLarge);
        }
        if is_harmless(name) && barred.admits(name) {
            put_line(out, name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The lines of a trailer section that do no harm where a receiver merges them into the header
/// section (RFC 9110 §6.5.1).
fn filtered(section: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut table = [httparse::EMPTY_HEADER; MOST_TRAILERS];
    let fields = match httparse::parse_headers(section, &mut table) {
        Ok(httparse::Status::Complete((length, fields))) if length == section.len() => fields,
        Err(httparse::Error::TooManyHeaders) => return Err(Reason::TrailerTooLarge),
        Ok(_) | Err(_) => return Err(Reason::TrailerSyntax),
    };
    let mut kept = Vec::new();
    for field in fields {
        if is_harmless(field.name) {
            put_line(&mut kept, field.name, field.value);
        }
    }
    Ok(kept)
}

fn put_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(piece);
    }
}

/// No field that frames, routes, authenticates, controls or describes the message.
fn is_harmless(name: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "accept",
        "access-control-",
        "content-",
        "if-",
        "proxy-",
        "sec-",
        "set-cookie",
        "www-authenticate",
    ];
    const NAMES: [&str; 11] = [
        "age",
        "allow",
        "cache-control",
        "date",
        "early-data",
        "expires",
        "location",
        "pragma",
        "range",
        "retry-after",
        "vary",
    ];
    let starts = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    Name::of(name.as_bytes()) == Name::Other
        && !PREFIXES.iter().any(starts)
        && !NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests;
