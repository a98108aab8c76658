//! What operators said of servers, word by word: as it is kept, as it goes to the other node, and
//! as it takes effect.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_api as api;
use evenkeel_core::pair::NodeId;
use evenkeel_core::pair::clock::{Clock, Stamp, TooFarAhead};
use evenkeel_core::pair::ledger::{Entry, Ledger, Taken};
use serde::{Deserialize, Serialize};

use crate::overrides::Overrides;

/// What a word is about. Nothing is said about anything else of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Facet {
    Added,
    Removed,
    Weight,
    State,
}

/// One facet of one server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) pool: String,
    pub(crate) server: String,
    pub(crate) facet: Facet,
}

/// The last word on a key, as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Word {
    #[serde(flatten)]
    pub(crate) key: Key,
    millis: u64,
    count: u32,
    node: u64,
    #[serde(default)]
    author: String,
    #[serde(default)]
    reason: String,
    /// A document of the API; absent when it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// All words of a node, with the clock that stamps them.
#[derive(Debug)]
pub(crate) struct Words {
    clock: Clock,
    ledger: Ledger<Key, String>,
}

/// What was taken in.
#[derive(Debug, Default)]
pub(crate) struct TakenIn {
    /// Those that are the last on their key now.
    pub(crate) new: Vec<Word>,
    /// How far ahead those are that were left out because they are from the future.
    pub(crate) ahead: Option<Duration>,
    /// There was no room for some.
    pub(crate) full: bool,
}

impl Word {
    fn new(key: &Key, entry: &Entry<String>) -> Self {
        let Entry { stamp: Stamp { millis, count, node }, author, reason, value } = entry;
        Self {
            key: key.clone(),
            millis: *millis,
            count: *count,
            node: node.0,
            author: author.to_string(),
            reason: reason.to_string(),
            value: value.clone(),
        }
    }

    fn entry(&self) -> Entry<String> {
        let stamp = Stamp { millis: self.millis, count: self.count, node: NodeId(self.node) };
        let (author, reason) = (self.author.as_str().into(), self.reason.as_str().into());
        Entry { stamp, author, reason, value: self.value.clone() }
    }

    /// Who said it and why.
    pub(crate) fn by(&self) -> (Arc<str>, Arc<str>) {
        (self.author.as_str().into(), self.reason.as_str().into())
    }

    /// Puts it in the place of what is said in `overrides`. `false`: it cannot be read, or there is
    /// no room.
    pub(crate) fn put(&self, overrides: &mut Overrides, now: SystemTime) -> bool {
        fn read<T: for<'de> Deserialize<'de>>(
            value: Option<&String>,
        ) -> Result<Option<T>, serde_json::Error> {
            value.map(|text| serde_json::from_str(text)).transpose()
        }
        let Key { pool, server, facet } = &self.key;
        let value = self.value.as_ref().filter(|_| !self.is_over(now));
        let mut put = |change: &dyn Fn(&mut api::ServerOverride)| {
            overrides.change(pool, server, |over| change(over))
        };
        match facet {
            Facet::Added => read(value).is_ok_and(|it| put(&|over| over.added.clone_from(&it))),
            Facet::Removed => read(value).is_ok_and(|it| put(&|over| over.removed.clone_from(&it))),
            Facet::Weight => read(value).is_ok_and(|it| put(&|over| over.weight.clone_from(&it))),
            Facet::State => read(value).is_ok_and(|it| put(&|over| over.state.clone_from(&it))),
        }
    }

    /// It was to hold for a time that is over.
    fn is_over(&self, now: SystemTime) -> bool {
        let said =
            self.value.as_ref().and_then(|text| serde_json::from_str::<api::Said>(text).ok());
        said.and_then(|said| said.expires).is_some_and(|expires| expires.0 <= now)
    }
}

impl Words {
    /// For the run `node`, with what was kept by one before.
    pub(crate) fn new(node: NodeId, kept: Vec<Word>) -> Self {
        let mut ledger = Ledger::default();
        for word in kept {
            let entry = word.entry();
            ledger.take(word.key, entry);
        }
        Self { clock: Clock::new(node), ledger }
    }

    /// This node's time of day was so far ahead, as far as is known, and is `now`.
    pub(crate) fn set_back(&mut self, ahead: Duration, now: SystemTime) {
        let ahead = u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX);
        self.ledger.set_back(millis(now), ahead);
        self.clock.set_back(millis(now));
    }

    /// The other node is told all of them once more.
    pub(crate) fn renew(&mut self) {
        self.ledger.renew();
    }

    /// What an operator has changed here. Returns whether there is anything to tell.
    pub(crate) fn say(
        &mut self,
        before: &Overrides,
        after: &Overrides,
        by: &api::Said,
        now: SystemTime,
    ) -> bool {
        let changes = differences(before, after);
        for (key, value) in &changes {
            let stamp = self.clock.stamp(millis(now));
            let (author, reason) = (by.author.as_str().into(), by.reason.as_str().into());
            self.ledger.take(key.clone(), Entry { stamp, author, reason, value: value.clone() });
        }
        !changes.is_empty()
    }

    /// What was said while there was no ledger gets the time at which it was said, which is not later
    /// than `now`. Returns whether there was anything.
    pub(crate) fn make_up(&mut self, overrides: &Overrides, node: NodeId, now: SystemTime) -> bool {
        let mut is_new = false;
        for (key, value) in facets(overrides) {
            let Ok(said) = serde_json::from_str::<api::Said>(&value) else { continue };
            let stamp = Stamp { millis: millis(said.since.0.min(now)), count: 0, node };
            let is_known = |it: &Entry<String>| {
                it.stamp.millis >= stamp.millis || it.value.as_ref() == Some(&value)
            };
            if self.ledger.get(&key).is_some_and(is_known) {
                continue;
            }
            let (author, reason) = (said.author.into(), said.reason.into());
            let entry = Entry { stamp, author, reason, value: Some(value) };
            is_new |= self.ledger.take(key, entry) == Taken::New;
        }
        is_new
    }

    /// Takes in what the other node said.
    pub(crate) fn take_in(&mut self, words: Vec<Word>, now: SystemTime) -> TakenIn {
        let mut taken = TakenIn::default();
        for word in words {
            let entry = word.entry();
            if let Err(TooFarAhead(ahead)) = self.clock.hear(entry.stamp, millis(now)) {
                taken.ahead = taken.ahead.max(Some(ahead));
                continue;
            }
            match self.ledger.take(word.key.clone(), entry) {
                Taken::New => taken.new.push(word),
                Taken::Known => {}
                Taken::Full => taken.full = true,
            }
        }
        taken
    }

    /// What was said of these for a time that is over ends here and there.
    pub(crate) fn end(&mut self, over: &Overrides, still: &Overrides) {
        for (key, value) in differences(over, still) {
            if value.is_none() {
                self.ledger.end(&key);
            }
        }
    }

    /// Those that were new after the one with this number, and the number of the last one.
    pub(crate) fn since(&self, number: u64) -> (Vec<Word>, u64) {
        let words = self.ledger.since(number).map(|(key, entry)| Word::new(key, entry));
        (words.collect(), self.ledger.number())
    }

    /// All of them, but for gaps that nobody has to know of any more.
    pub(crate) fn all(&mut self, now: SystemTime) -> Vec<Word> {
        self.ledger.forget(millis(now));
        self.since(0).0
    }

    /// How many hold.
    pub(crate) fn count(&self) -> usize {
        self.ledger.len()
    }
}

/// The time of day as stamps have it.
pub(crate) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Everything that is said, facet by facet.
fn facets(overrides: &Overrides) -> BTreeMap<Key, String> {
    let mut facets = BTreeMap::new();
    for (pool, servers) in &overrides.pools {
        for (server, over) in servers {
            let api::ServerOverride { added, removed, weight, state } = over;
            let written = [
                (Facet::Added, added.as_ref().map(serde_json::to_string)),
                (Facet::Removed, removed.as_ref().map(serde_json::to_string)),
                (Facet::Weight, weight.as_ref().map(serde_json::to_string)),
                (Facet::State, state.as_ref().map(serde_json::to_string)),
            ];
            for (facet, value) in written {
                let Some(Ok(value)) = value else { continue };
                let (pool, server) = (pool.clone(), server.clone());
                facets.insert(Key { pool, server, facet }, value);
            }
        }
    }
    facets
}

/// What is said differently after, or no more.
fn differences(before: &Overrides, after: &Overrides) -> Vec<(Key, Option<String>)> {
    let (before, mut after) = (facets(before), facets(after));
    let mut differences: Vec<(Key, Option<String>)> = Vec::new();
    for (key, value) in before {
        match after.remove(&key) {
            Some(same) if same == value => {}
            other => differences.push((key, other)),
        }
    }
    differences.extend(after.into_iter().map(|(key, value)| (key, Some(value))));
    differences
}

#[cfg(test)]
mod tests;
