//! Which fields were sent before: a small table of hashes, in which a field that is new takes the
//! place of one that was sent once and long ago.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::FixedState;

use super::super::table::Table;

/// With [`WAYS`], a slot for each of the entries there can be.
const BUCKETS: usize = 16;

/// A hash is in one of so many slots side by side. First are those of fields that are in the table,
/// the newest first, as they were put there; then those of fields that are not, the newest first
/// as well. Thus fields that come only once take the place of each other and of nothing else.
const WAYS: usize = 8;

/// The count that an entry is said to have if the field is not in the table: further back from
/// what [`Sent::entered`] is than any entry of a table.
const NOWHERE: u32 = 1 << 31;

/// One kilobyte, allocated when the first field is looked up.
#[derive(Debug, Default)]
pub(super) struct Sent {
    buckets: Vec<[Slot; WAYS]>,
    /// How many entries the table was ever given; it may wrap around.
    entered: u32,
}

/// A field was sent. That two have the same hash costs no more than a look at the wrong entry.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    /// What [`Sent::entered`] was when it entered the table.
    entry: u32,
}

/// What is known of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// It is in the table; the newest entry is 0.
    Entry(usize),
    /// It was sent. Whoever hears this puts it into the table.
    Sent,
    Never,
}

impl Sent {
    /// Notes that this field is sent. `table` has been given every field that was [`Before::Sent`].
    pub(super) fn look_up(&mut self, name: &[u8], value: &[u8], table: &Table) -> Before {
        let nowhere = self.entered.wrapping_sub(NOWHERE);
        if self.buckets.is_empty() {
            self.buckets = vec![[Slot { hash: 0, entry: nowhere }; WAYS]; BUCKETS];
        }
        let (bucket, hash) = halves(name, value);
        let bucket = &mut self.buckets[bucket as usize % BUCKETS];
        let age = |slot: &Slot| self.entered.wrapping_sub(slot.entry).wrapping_sub(1) as usize;
        let Some(way) = bucket.iter().position(|slot| slot.hash == hash) else {
            let in_table = bucket.iter().take_while(|slot| age(slot) < table.entries()).count();
            let others = &mut bucket[in_table.min(WAYS - 1)..];
            others.rotate_right(1);
            others[0] = Slot { hash, entry: nowhere };
            return Before::Never;
        };
        let age = age(&bucket[way]);
        if table.own(age) == Some((name, value)) {
            return Before::Entry(age);
        }
        bucket[..=way].rotate_right(1);
        bucket[0] = Slot { hash, entry: self.entered };
        self.entered = self.entered.wrapping_add(1);
        Before::Sent
    }
}

/// A hash that a peer may know: there is no more to gain by one than a field that is not found.
#[inline]
fn halves(name: &[u8], value: &[u8]) -> (u32, u32) {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(name);
    hasher.write(value);
    let hash = hasher.finish();
    ((hash >> 32) as u32, (hash & 0xffff_ffff) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the encoder does it.
    fn send(sent: &mut Sent, table: &mut Table, value: &[u8]) -> Before {
        let before = sent.look_up(b"name", value, table);
        if before == Before::Sent {
            table.add(b"name", value);
        }
        before
    }

    #[test]
    fn a_field_enters_when_it_comes_again() {
        let (mut sent, mut table) = (Sent::default(), Table::new());
        for (value, before) in [
            (b"a", Before::Never),
            (b"a", Before::Sent),
            (b"a", Before::Entry(0)),
            (b"b", Before::Never),
            (b"b", Before::Sent),
            (b"a", Before::Entry(1)),
            (b"b", Before::Entry(0)),
        ] {
            assert_eq!(send(&mut sent, &mut table, value), before);
        }
        // What the table evicted is still known to have been sent.
        table.set_most(0);
        table.set_most(4096);
        assert_eq!(send(&mut sent, &mut table, b"a"), Before::Sent);
        assert_eq!(send(&mut sent, &mut table, b"a"), Before::Entry(0));
    }

    #[test]
    fn fields_that_repeat_do_not_keep_each_other_out() {
        let (mut sent, mut table) = (Sent::default(), Table::new());
        for round in 0..3 {
            for number in 0..30_u32 {
                let before = send(&mut sent, &mut table, &number.to_be_bytes());
                assert_eq!(matches!(before, Before::Entry(_)), round == 2, "{number}");
            }
        }
    }

    #[test]
    fn fields_that_come_once_take_nobodys_place() {
        let (mut sent, mut table) = (Sent::default(), Table::new());
        // More would not do: some bucket may have to hold them all.
        let often = [b"a", b"b", b"c", b"d", b"e", b"f", b"g"];
        for value in often.iter().chain(&often) {
            send(&mut sent, &mut table, &value[..]);
        }
        for number in 0..100_000_u32 {
            assert_eq!(send(&mut sent, &mut table, &number.to_be_bytes()), Before::Never);
        }
        for value in often {
            assert!(matches!(send(&mut sent, &mut table, &value[..]), Before::Entry(_)));
        }
    }

    #[test]
    fn entries_may_be_counted_past_the_end_of_the_count() {
        let (mut sent, mut table) = (Sent { entered: u32::MAX, ..Sent::default() }, Table::new());
        for value in [b"a", b"b", b"a", b"b"] {
            send(&mut sent, &mut table, value);
        }
        assert_eq!(send(&mut sent, &mut table, b"a"), Before::Entry(1));
        assert_eq!(send(&mut sent, &mut table, b"b"), Before::Entry(0));
    }
}
