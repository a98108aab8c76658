//! The last word on each thing. What was taken back leaves a gap with its stamp, so that an older
//! word that is still under way does not bring it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::clock::Stamp;

/// Things there is a word on, those taken back among them. As many as the largest pool has servers,
/// with two words on each.
pub const MOST_ENTRIES: usize = 8_192;

/// For how long it is remembered that something was taken back. A node that was away for longer may
/// bring it again.
pub const GAP_LIFE: Duration = Duration::from_hours(14 * 24);

/// The last word on one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry<V> {
    pub stamp: Stamp,
    /// Who said it, and why; empty where nobody said so.
    pub author: Arc<str>,
    pub reason: Arc<str>,
    /// `None`: what was said before was taken back.
    pub value: Option<V>,
}

/// What became of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the last one on its thing now.
    New,
    /// A later one is known, or this one.
    Known,
    /// There is no room for another thing.
    Full,
}

/// A word with the number it got when it was written here.
#[derive(Clone, Debug)]
struct Noted<V> {
    entry: Entry<V>,
    number: u64,
}

/// The last word on each thing, for one node.
#[derive(Clone, Debug)]
pub struct Ledger<K, V> {
    entries: BTreeMap<K, Noted<V>>,
    /// Grows with each word that is new here.
    number: u64,
}

impl<K, V> Default for Ledger<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), number: 0 }
    }
}

impl<K: Ord, V: Ord> Ledger<K, V> {
    /// Takes in a word, said here or there. Of two words on one thing the later one stays; should
    /// two have the same stamp, the greater one does, on both nodes.
    pub fn take(&mut self, key: K, entry: Entry<V>) -> Taken {
        match self.entries.get(&key) {
            Some(known) if known.entry >= entry => return Taken::Known,
            None if self.entries.len() >= MOST_ENTRIES => return Taken::Full,
            _ => {}
        }
        self.number += 1;
        self.entries.insert(key, Noted { entry, number: self.number });
        Taken::New
    }

    /// Ends the word on a thing, which was said to hold for a time that is over. Each node does so
    /// by itself, and both with the same stamp, which is later than that word and no other.
    pub fn end(&mut self, key: &K) {
        let Some(noted) = self.entries.get_mut(key) else { return };
        if noted.entry.value.take().is_some() {
            self.number += 1;
            noted.number = self.number;
            noted.entry.stamp = noted.entry.stamp.next();
            (noted.entry.author, noted.entry.reason) = (Arc::from(""), Arc::from(""));
        }
    }

    /// The time of day was `ahead` milliseconds too far, and is `now`: what is dated later was said so
    /// much earlier.
    pub fn set_back(&mut self, now: u64, ahead: u64) {
        for Noted { entry, .. } in self.entries.values_mut() {
            if entry.stamp.millis > now {
                entry.stamp.millis = entry.stamp.millis.saturating_sub(ahead).min(now);
            }
        }
    }

    /// All of them are new once more: the other node may not have believed them.
    pub fn renew(&mut self) {
        for noted in self.entries.values_mut() {
            self.number += 1;
            noted.number = self.number;
        }
    }

    /// The last word on a thing.
    pub fn get(&self, key: &K) -> Option<&Entry<V>> {
        self.entries.get(key).map(|noted| &noted.entry)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Entry<V>)> {
        self.entries.iter().map(|(key, noted)| (key, &noted.entry))
    }

    /// Those that were new here after the word with this number; zero means all.
    pub fn since(&self, number: u64) -> impl Iterator<Item = (&K, &Entry<V>)> {
        let new = self.entries.iter().filter(move |(_, noted)| noted.number > number);
        new.map(|(key, noted)| (key, &noted.entry))
    }

    /// The number of the last word that was new.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Things that somebody has said something about and not taken back.
    pub fn len(&self) -> usize {
        self.entries.values().filter(|noted| noted.entry.value.is_some()).count()
    }

    /// Whether nothing holds.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what was taken back long before `now` (milliseconds since 1970).
    pub fn forget(&mut self, now: u64) {
        let life = u64::try_from(GAP_LIFE.as_millis()).unwrap_or(u64::MAX);
        self.entries.retain(|_, Noted { entry, .. }| {
            entry.value.is_some() || now.saturating_sub(entry.stamp.millis) < life
        });
    }
}

#[cfg(test)]
mod tests;
