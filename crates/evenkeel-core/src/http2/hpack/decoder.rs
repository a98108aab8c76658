//! Blocks of fields, read.

use std::fmt;

use super::table::Table;
use super::{DEFAULT_TABLE_BYTES, Malformed, STATIC, huffman, integer};

/// Memory for decoded strings that is kept from block to block; only a block with a longer string
/// asks for more.
const KEPT_BYTES: usize = 4096;

/// A block may begin with so many changes of the table's size: the smallest that there was since
/// the block before, and the last (RFC 7541 §4.2).
const MOST_RESIZES: u32 = 2;

/// What a literal says of tables (RFC 7541 §6.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexing {
    Kept,
    NotKept,
    /// By nobody who passes it on either.
    Never,
}

/// Reads the blocks that come in on one connection, in their order.
pub struct Decoder {
    table: Table,
    most_table: usize,
    /// Where Huffman strings are put: one field's name, and its value.
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// For a peer that was told `SETTINGS_HEADER_TABLE_SIZE`: the bytes its table may have as
    /// RFC 7541 §4.1 counts. Less than 4096 counts as 4096, because a peer may use as many until it
    /// has heard otherwise. Nothing is allocated before the peer uses it.
    pub fn new(most_table: u32) -> Self {
        Self {
            table: Table::new(),
            most_table: most_table.max(DEFAULT_TABLE_BYTES) as usize,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Calls `take` with each field of a whole block, in their order, names and values as they were
    /// sent: any bytes. The third says that the field is sensitive: whoever passes it on must say so
    /// too (RFC 7541 §6.2.3). The block is decoded to its end whatever `take` makes of them, and it
    /// may mean far more bytes than it has. After an error nothing more can be decoded.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut take: impl FnMut(&[u8], &[u8], bool),
    ) -> Result<(), Malformed> {
        let mut rest = block;
        let mut resizes = 0;
        while let Some(&first) = rest.first() {
            // RFC 7541 §6: the highest bit that is set says what it is.
            match first {
                0x80.. => {
                    let (name, value) = self.table.field(integer::read(&mut rest, 7)?)?;
                    take(name, value, false);
                }
                0x40.. => self.literal(&mut rest, 6, Indexing::Kept, &mut take)?,
                0x20.. => {
                    resizes += 1;
                    self.resize(&mut rest, resizes)?;
                    continue;
                }
                0x10.. => self.literal(&mut rest, 4, Indexing::Never, &mut take)?,
                _ => self.literal(&mut rest, 4, Indexing::NotKept, &mut take)?,
            }
            resizes = MOST_RESIZES;
        }
        forget_above(KEPT_BYTES, &mut self.name);
        forget_above(KEPT_BYTES, &mut self.value);
        Ok(())
    }

    /// A field whose value is spelt out. The number in the low `bits` is that of an entry with its
    /// name, or 0: the name is spelt out too.
    fn literal(
        &mut self,
        rest: &mut &[u8],
        bits: u32,
        indexing: Indexing,
        take: &mut impl FnMut(&[u8], &[u8], bool),
    ) -> Result<(), Malformed> {
        let number = integer::read(rest, bits)?;
        let (is_kept, is_sensitive) = (indexing == Indexing::Kept, indexing == Indexing::Never);
        // None: the name is in the table, where it cannot be held while the table changes.
        let spelt = match number {
            0 => Some(string(rest, &mut self.name)?),
            _ => STATIC.get(number - 1).map(|(name, _)| *name),
        };
        let value = string(rest, &mut self.value)?;
        if let Some(name) = spelt {
            take(name, value, is_sensitive);
            if is_kept {
                self.table.add(name, value);
            }
        } else {
            take(self.table.field(number)?.0, value, is_sensitive);
            if is_kept {
                self.table.add_like(number, value);
            }
        }
        Ok(())
    }

    /// RFC 7541 §6.3; this is the `resizes`th of its block.
    fn resize(&mut self, rest: &mut &[u8], resizes: u32) -> Result<(), Malformed> {
        let bytes = integer::read(rest, 5)?;
        if resizes > MOST_RESIZES {
            return Err(Malformed::TableSizeMisplaced);
        }
        if bytes > self.most_table {
            return Err(Malformed::TableTooLarge);
        }
        self.table.set_most(bytes);
        Ok(())
    }
}

/// A string as it stands in the block, or decoded into `space` (RFC 7541 §5.2).
#[inline]
fn string<'s, 'b: 's>(rest: &mut &'b [u8], space: &'s mut Vec<u8>) -> Result<&'s [u8], Malformed> {
    let is_huffman = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer::read(rest, 7)?;
    let (bytes, after) = rest.split_at_checked(length).ok_or(Malformed::Cut)?;
    *rest = after;
    if is_huffman { huffman::decode(bytes, space) } else { Ok(bytes) }
}

fn forget_above(most: usize, space: &mut Vec<u8>) {
    if space.len() > most {
        space.truncate(most);
        space.shrink_to(most);
    }
}

/// Without the strings, which may be secret.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("table", &self.table)
            .field("most_table", &self.most_table)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_long_string_is_given_back() {
        // A value of 50 000 bytes becomes 80 000 (a code of five zeros is `0`).
        let mut block = vec![0x00, 0x01, b'a'];
        integer::write(&mut block, 0x80, 7, 50_000);
        block.resize(block.len() + 50_000, 0);
        let mut decoder = Decoder::new(4096);
        let mut length = 0;
        let read = decoder.decode(&block, |_, value, _| length = value.len());
        assert_eq!((read, length), (Ok(()), 80_000));
        assert!(decoder.value.capacity() <= KEPT_BYTES);
        assert_eq!(decoder.name.capacity(), 0);
    }
}
