//! Compressing a body as it passes: pieces go in, and what is ready goes behind the reply.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::rc::Rc;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use evenkeel_core::coding::Coding;
use evenkeel_core::compress::{self, Form};
use evenkeel_core::config::{Compress, Effort};
use evenkeel_core::message::response::{AnswerBody, ResponseHead};
use evenkeel_core::message::{Version, chunked};
use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::receive::Request;

/// Bodies one worker compresses at a time; beyond it answers are passed on as they came. Each takes
/// up to 2.5 MiB (Brotli at its hardest, measured; Zstandard 1.9, gzip 0.5).
const MOST_AT_ONCE: u32 = 64;

/// How far back an encoder looks, as a power of two: four times as far as gzip can.
const MOST_WINDOW_BITS: u8 = 17;

/// Less than this window is not worth telling apart.
const LEAST_WINDOW_BITS: u8 = 10;

/// Compressed bytes that go out by themselves; fewer wait for more as long as more comes.
const PIECE: usize = 4 * 1024;

/// Bytes of a body compressed before others have their turn: a millisecond or two.
pub(crate) const MOST_IN_A_TURN: u64 = 64 * 1024;

const IN_MEMORY: &str = "writing to memory does not fail";

/// How many bodies a worker compresses at the moment.
#[derive(Debug, Default)]
pub(crate) struct Encoders(Rc<Cell<u32>>);

/// One body being compressed.
pub(crate) struct Encoder {
    writer: Writer,
    /// What comes out leaves in chunks.
    chunks: bool,
    /// Something went in that has not come out.
    holds: bool,
    /// Bytes that went in.
    taken: u64,
    _running: Running,
}

/// One of those that are counted.
struct Running(Rc<Cell<u32>>);

enum Writer {
    Zstd(ZstdEncoder<'static, Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoders {
    /// The form in which the answer `head` is passed on, and what its body goes through.
    pub(crate) fn form(
        &self,
        rules: &Compress,
        head: &ResponseHead<'_, '_>,
        request: &Request,
    ) -> (Form, Option<Box<Encoder>>) {
        match compress::form(rules, head, request.version, request.wish) {
            Form::Coded(coding) if head.body != AnswerBody::None => {
                let chunks = request.version == Version::Http11;
                match self.start((coding, rules.effort), chunks, head.content_length) {
                    Some(encoder) => (Form::Coded(coding), Some(Box::new(encoder))),
                    None => (Form::Varies, None),
                }
            }
            form => (form, None),
        }
    }

    /// For a body of so many bytes, if that is known. `None`: as many are under way as may.
    fn start(
        &self,
        (coding, effort): (Coding, Effort),
        chunks: bool,
        length: Option<u64>,
    ) -> Option<Encoder> {
        if self.0.get() >= MOST_AT_ONCE {
            return None;
        }
        let writer = Writer::new(coding, effort, length).ok()?;
        self.0.set(self.0.get() + 1);
        let running = Running(Rc::clone(&self.0));
        Some(Encoder { writer, chunks, holds: false, taken: 0, _running: running })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Encoder {
    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.writer.as_write().write_all(bytes).expect(IN_MEMORY);
        self.taken += bytes.len() as u64;
        self.holds |= !bytes.is_empty();
        if self.writer.ready().len() >= PIECE {
            self.pass(out);
        }
    }

    /// Bytes it has taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// More is not to be had at the moment: what went in comes out. `false`: there was nothing.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) -> bool {
        if !mem::take(&mut self.holds) {
            return false;
        }
        self.writer.as_write().flush().expect(IN_MEMORY);
        self.pass(out);
        true
    }

    /// The body is over. What ends the chunks is left to the caller.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        let rest = self.writer.finish().expect(IN_MEMORY);
        put(&rest, self.chunks, out);
    }

    fn pass(&mut self, out: &mut Vec<u8>) {
        let ready = self.writer.ready();
        put(ready, self.chunks, out);
        ready.clear();
    }
}

fn put(bytes: &[u8], chunks: bool, out: &mut Vec<u8>) {
    // An empty chunk would be the end.
    if chunks && !bytes.is_empty() {
        chunked::write_chunk(out, bytes);
    } else {
        out.extend_from_slice(bytes);
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Writer {
    fn new(coding: Coding, effort: Effort, length: Option<u64>) -> io::Result<Self> {
        let (zstd, brotli, gzip) = match effort {
            Effort::Fast => (1, 2, 1),
            Effort::Balanced => (3, 4, 5),
            Effort::Small => (7, 5, 8),
        };
        let window = window_bits(length);
        Ok(match coding {
            Coding::Zstd => {
                let mut writer = ZstdEncoder::new(Vec::new(), zstd)?;
                writer.window_log(window.into())?;
                writer.set_pledged_src_size(length)?;
                Self::Zstd(writer)
            }
            Coding::Brotli => {
                let parameters = BrotliEncoderParams {
                    quality: brotli,
                    lgwin: window.into(),
                    size_hint: length.and_then(|length| length.try_into().ok()).unwrap_or(0),
                    ..BrotliEncoderParams::default()
                };
                let writer = CompressorWriter::with_params(Vec::new(), PIECE, &parameters);
                Self::Brotli(Box::new(writer))
            }
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(gzip))),
        })
    }

    fn as_write(&mut self) -> &mut dyn Write {
        match self {
            Self::Zstd(writer) => writer,
            Self::Brotli(writer) => writer,
            Self::Gzip(writer) => writer,
        }
    }

    /// What has come out.
    fn ready(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Zstd(writer) => writer.get_mut(),
            Self::Brotli(writer) => writer.get_mut(),
            Self::Gzip(writer) => writer.get_mut(),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd(writer) => writer.finish(),
            Self::Brotli(writer) => Ok(writer.into_inner()),
            Self::Gzip(writer) => writer.finish(),
        }
    }
}

/// A short body needs no more window, and so no more memory, than it is long.
fn window_bits(length: Option<u64>) -> u8 {
    let bits = length.and_then(|length| u8::try_from(u64::BITS - length.leading_zeros()).ok());
    bits.unwrap_or(MOST_WINDOW_BITS).clamp(LEAST_WINDOW_BITS, MOST_WINDOW_BITS)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn start(encoders: &Encoders, coding: Coding, length: Option<u64>) -> Option<Encoder> {
        encoders.start((coding, Effort::default()), false, length)
    }

    fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let read = match coding {
            // Sees the end only of what was finished.
            Coding::Zstd => zstd::Decoder::new(bytes).unwrap().read_to_end(&mut out),
            Coding::Brotli => brotli::Decompressor::new(bytes, PIECE).read_to_end(&mut out),
            Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
        };
        // Bytes that go on are read as far as they go.
        let _ = read;
        out
    }

    /// Text that repeats itself, but not at once.
    fn text(bytes: usize) -> Vec<u8> {
        let lines =
            (0_u64..).flat_map(|line| format!("{} line {line}\n", line * line).into_bytes());
        lines.take(bytes).collect()
    }

    #[test]
    fn what_goes_in_comes_out_whatever_the_pieces() {
        let encoders = Encoders::default();
        for coding in Coding::ALL {
            for size in [0, 1, 1_000, 20_000, 200_000] {
                for (piece, length) in [(333, None), (16 * 1024, Some(size as u64))] {
                    let (body, mut out) = (text(size), Vec::new());
                    let mut encoder = start(&encoders, coding, length).unwrap();
                    for piece in body.chunks(piece) {
                        encoder.push(piece, &mut out);
                    }
                    assert_eq!(encoder.taken(), size as u64);
                    encoder.finish(&mut out);
                    assert!(decoded(coding, &out) == body, "{coding:?} {size} by {piece}");
                    assert!(size < 1_000 || out.len() < size / 2, "{coding:?} {size}");
                }
            }
        }
    }

    #[test]
    fn a_flush_brings_out_all_that_went_in() {
        let encoders = Encoders::default();
        for coding in Coding::ALL {
            let mut out = Vec::new();
            let mut encoder = start(&encoders, coding, None).unwrap();
            assert!(!encoder.flush(&mut out), "{coding:?}: nothing is held");
            encoder.push(b"first", &mut out);
            assert!(encoder.flush(&mut out));
            assert!(!encoder.flush(&mut out), "{coding:?}: nothing is held any more");
            assert_eq!(decoded(coding, &out), b"first", "{coding:?}");
            encoder.push(b", second", &mut out);
            encoder.finish(&mut out);
            assert_eq!(decoded(coding, &out), b"first, second", "{coding:?}");
        }
    }

    #[test]
    fn so_many_at_a_time_and_not_more() {
        let encoders = Encoders::default();
        let start = || start(&encoders, Coding::Gzip, None);
        let mut running: Vec<_> = (0..MOST_AT_ONCE).map(|_| start().unwrap()).collect();
        assert!(start().is_none());
        running.pop();
        assert!(start().is_some());
    }

    #[test]
    fn a_short_body_has_a_small_window() {
        for (length, wanted) in [(None, 17), (Some(1), 10), (Some(5_000), 13), (Some(1 << 40), 17)]
        {
            assert_eq!(window_bits(length), wanted, "{length:?}");
        }
    }
}
