//! A segment: a first line, then frames, each with its length and checksum. It is only ever appended
//! to, so a crash can spoil its end and nothing else; [`frames`] stops there.
//!
//! ```text
//! segment   "evenkeel history 1\n" frame*
//! frame     length (4 bytes, little-endian)  CRC-32C of the content (4)  content
//! content   'N' number of the first name, then names: length, UTF-8           each number a varint
//!           'B' first step (seconds since 1970), steps, then columns:
//!               number of the name less that of the column before, length, column
//! ```
//!
//! Names (`rate pool/app`) are numbered as they come, from 0. A block names none that has not come.

use super::column::{self, write_varint};
use super::{Block, SeriesId};

/// What a segment begins with: another format gets another number.
pub const FIRST_LINE: &[u8] = b"evenkeel history 1\n";

/// A frame that says it is longer is none: 65,536 series in the longest blocks take less.
pub const MOST_FRAME_BYTES: usize = 16 << 20;

/// Steps of the longest block that is read.
const MOST_STEPS: u64 = 64;

const FRAME_HEAD_BYTES: usize = 8;

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Names from this number on.
    Names(SeriesId, Vec<&'a str>),
    Block(BlockView<'a>),
}

/// A block whose columns are read when somebody wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockView<'a> {
    pub start: i64,
    pub steps: usize,
    columns: &'a [u8],
}

/// Appends names, the first of which has the number `first`.
pub fn write_names<'a>(out: &mut Vec<u8>, first: SeriesId, names: impl Iterator<Item = &'a str>) {
    frame(out, |out| {
        out.push(b'N');
        write_varint(out, first.into());
        for name in names {
            write_varint(out, name.len() as u64);
            out.extend_from_slice(name.as_bytes());
        }
    });
}

/// Appends a block; `number` gives each series its number in this segment.
pub fn write_block(out: &mut Vec<u8>, block: &Block, number: impl Fn(SeriesId) -> SeriesId) {
    let mut columns: Vec<_> =
        block.columns.iter().map(|(series, values)| (number(*series), values)).collect();
    columns.sort_unstable_by_key(|(number, _)| *number);
    frame(out, |out| {
        out.push(b'B');
        write_varint(out, block.start.max(0).cast_unsigned());
        write_varint(out, block.steps as u64);
        let (mut before, mut bytes) = (0, Vec::new());
        for (number, values) in columns {
            write_varint(out, u64::from(number - before));
            before = number;
            bytes.clear();
            column::write(&mut bytes, values);
            write_varint(out, bytes.len() as u64);
            out.extend_from_slice(&bytes);
        }
    });
}

fn frame(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let head = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
    content(out);
    let content = &out[head + FRAME_HEAD_BYTES..];
    let length = u32::try_from(content.len()).expect("a block is far smaller");
    let checksum = crc32c(content);
    out[head..head + 4].copy_from_slice(&length.to_le_bytes());
    out[head + 4..head + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// Every whole frame of a segment, each with the length of the segment up to its end. A frame that
/// is cut, spoilt or unknown ends it. A segment with another first line has none.
pub fn frames(segment: &[u8]) -> impl Iterator<Item = (Frame<'_>, usize)> {
    let whole = segment.len();
    let mut rest = segment.strip_prefix(FIRST_LINE).map(Reading);
    std::iter::from_fn(move || {
        let reading = rest.as_mut()?;
        let frame = reading.frame();
        if frame.is_none() {
            rest = None;
        }
        let end = whole - rest.as_ref().map_or(0, |rest| rest.0.len());
        frame.map(|frame| (frame, end))
    })
}

impl BlockView<'_> {
    /// Every column that `wanted` names another number for, under that number. Those that cannot be
    /// read are left out.
    pub fn columns(
        self,
        wanted: impl Fn(SeriesId) -> Option<SeriesId>,
    ) -> impl Iterator<Item = (SeriesId, Vec<Option<i64>>)> {
        let mut columns = Reading(self.columns);
        let mut number = 0_u64;
        std::iter::from_fn(move || {
            loop {
                number = number.checked_add(columns.varint()?)?;
                let length = usize::try_from(columns.varint()?).ok()?;
                let bytes = columns.take(length)?;
                let series = SeriesId::try_from(number).ok().and_then(&wanted);
                let Some(series) = series else { continue };
                let Some(values) = column::read(bytes, self.steps) else { continue };
                return Some((series, values));
            }
        })
    }
}

/// Bytes that are being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a>(pub(super) &'a [u8]);

impl<'a> Reading<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// `None` also when it does not fit into 64 bits.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn frame(&mut self) -> Option<Frame<'a>> {
        let length = usize::try_from(self.number()?).ok()?;
        let checksum = self.number()?;
        let content = (length <= MOST_FRAME_BYTES).then(|| self.take(length)).flatten()?;
        if crc32c(content) != checksum {
            return None;
        }
        let mut content = Reading(content);
        match content.byte()? {
            b'N' => {
                let first = SeriesId::try_from(content.varint()?).ok()?;
                let mut names = Vec::new();
                while !content.0.is_empty() {
                    let length = usize::try_from(content.varint()?).ok()?;
                    names.push(std::str::from_utf8(content.take(length)?).ok()?);
                }
                Some(Frame::Names(first, names))
            }
            b'B' => {
                let start = i64::try_from(content.varint()?).ok()?;
                let steps = content.varint()?;
                let steps = (steps <= MOST_STEPS).then_some(steps)?;
                let steps = usize::try_from(steps).ok()?;
                Some(Frame::Block(BlockView { start, steps, columns: content.0 }))
            }
            _ => None,
        }
    }
}

/// CRC-32C (Castagnoli; RFC 9260 appendix A), a byte at a time: a few hundred KiB are written in ten
/// seconds at most.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0_u32;
        while index < 256 {
            let mut crc = index;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
                bit += 1;
            }
            table[index as usize] = crc;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, &byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ TABLE[usize::from(low ^ byte)]
    })
}

#[cfg(test)]
mod tests;
