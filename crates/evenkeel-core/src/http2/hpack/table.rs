//! The dynamic table (RFC 7541 §2.3.2): the fields that were sent, the newest first.
//!
//! All names and values are in one piece of memory, new ones at its end. What is evicted stays
//! there until it is the larger part, and then what lives is moved to the front: a byte is moved
//! once on average, and no entry ever has a seam.

use std::collections::VecDeque;
use std::fmt;

use super::{DEFAULT_TABLE_BYTES, FIRST_DYNAMIC, Malformed, STATIC};

/// What an entry counts beside its bytes (RFC 7541 §4.1).
pub(super) const ENTRY_BYTES: usize = 32;

/// Nothing is allocated before the first field enters.
pub(super) struct Table {
    /// The newest first; at most one for each [`ENTRY_BYTES`] of `most`.
    entries: VecDeque<Entry>,
    /// Less than three times `most`: what lives, no more than that of what is gone, and a new entry.
    bytes: Vec<u8>,
    /// So many of `bytes`, the first, are of nobody any more.
    gone: usize,
    /// As RFC 7541 §4.1 counts.
    size: usize,
    most: usize,
}

/// Where in `bytes` the name begins, where the value does, and where it ends.
#[derive(Clone, Copy)]
struct Entry {
    name: usize,
    value: usize,
    end: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: Vec::new(),
            gone: 0,
            size: 0,
            most: DEFAULT_TABLE_BYTES as usize,
        }
    }

    /// How large it may be, as RFC 7541 §4.1 counts.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn set_most(&mut self, bytes: usize) {
        self.most = bytes;
        self.make_room(0);
    }

    /// How many entries there are.
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Name and value of the entry of this number, be it of this table or of the static one.
    #[inline]
    pub(super) fn field(&self, number: usize) -> Result<(&[u8], &[u8]), Malformed> {
        match STATIC.get(number.wrapping_sub(1)) {
            Some(field) => Ok(*field),
            None => self.own(number.wrapping_sub(FIRST_DYNAMIC)).ok_or(Malformed::NoSuchEntry),
        }
    }

    /// Name and value of an entry of this table; the newest is 0.
    #[inline]
    pub(super) fn own(&self, age: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(age)?;
        Some((&self.bytes[entry.name..entry.value], &self.bytes[entry.value..entry.end]))
    }

    /// A new entry. One that is larger than the table empties it, and is not kept (RFC 7541 §4.4).
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        if self.make_room(ENTRY_BYTES + name.len() + value.len()) {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(name);
            self.finish(start, value);
        }
    }

    /// The same, with the name of the entry of this number, which is one of this table.
    pub(super) fn add_like(&mut self, number: usize, value: &[u8]) {
        let Some(&like) = self.entries.get(number.wrapping_sub(FIRST_DYNAMIC)) else { return };
        if self.make_room(ENTRY_BYTES + like.value - like.name + value.len()) {
            let start = self.bytes.len();
            // It may just have been evicted (RFC 7541 §4.4); its bytes are still where they were.
            self.bytes.extend_from_within(like.name..like.value);
            self.finish(start, value);
        }
    }

    /// Evicts until there is room for an entry of this size, and says if there is.
    fn make_room(&mut self, size: usize) -> bool {
        while self.size + size > self.most {
            let Some(entry) = self.entries.pop_back() else { return false };
            self.size -= ENTRY_BYTES + entry.end - entry.name;
            self.gone = entry.end;
        }
        true
    }

    /// An entry whose name stands at the end of the bytes, from `start`.
    fn finish(&mut self, start: usize, value: &[u8]) {
        let mut entry = Entry { name: start, value: self.bytes.len(), end: 0 };
        self.bytes.extend_from_slice(value);
        entry.end = self.bytes.len();
        self.size += ENTRY_BYTES + entry.end - entry.name;
        self.entries.push_front(entry);
        if self.gone > self.bytes.len() / 2 {
            self.bytes.drain(..self.gone);
            for entry in &mut self.entries {
                entry.name -= self.gone;
                entry.value -= self.gone;
                entry.end -= self.gone;
            }
            self.gone = 0;
        }
    }
}

/// How much is in it, and not what: there may be secrets.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("entries", &self.entries.len())
            .field("size", &self.size)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(table: &Table) -> Vec<&[u8]> {
        (0..).map_while(|age| table.own(age)).map(|(name, _)| name).collect()
    }

    #[test]
    fn the_oldest_make_room_for_the_new() {
        let mut table = Table::new();
        table.set_most(3 * (ENTRY_BYTES + 2));
        for name in [b"a", b"b", b"c", b"d"] {
            table.add(name, b"1");
        }
        assert_eq!(names(&table), [b"d", b"c", b"b"]);
        table.set_most(2 * (ENTRY_BYTES + 2) + 1);
        assert_eq!(names(&table), [b"d", b"c"]);
        table.add(b"e", b"12");
        assert_eq!(names(&table), [b"e", b"d"]);
        table.add(&[0; 100], b"");
        assert_eq!((names(&table).len(), table.size), (0, 0));
    }

    #[test]
    fn a_name_may_be_that_of_an_entry_that_leaves() {
        let mut table = Table::new();
        table.set_most(ENTRY_BYTES + 8);
        table.add(b"name", b"1");
        table.add_like(FIRST_DYNAMIC, b"22");
        assert_eq!(table.own(0), Some((&b"name"[..], &b"22"[..])));
        assert_eq!(table.own(1), None);
    }

    #[test]
    fn memory_has_a_bound_however_much_goes_through() {
        let mut table = Table::new();
        for round in 0..20_000_usize {
            let value = vec![b'x'; round * 7 % 4000];
            table.add(round.to_string().as_bytes(), &value);
            assert!(table.bytes.len() < 3 * table.most && table.size <= table.most);
            let (name, kept) = table.own(0).expect("it fits");
            assert_eq!((name, kept.len()), (round.to_string().as_bytes(), value.len()));
        }
        assert!(table.entries.capacity() <= 256 && table.bytes.capacity() <= 4 * table.most);
    }
}
