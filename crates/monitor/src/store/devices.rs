//! Registering devices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;

use super::directory::{Entry, entries_after};
use super::sql::{Fault, Session, transaction};
use super::{Shard, Store};
use crate::clock;
use crate::placement::Placement;

/// Devices that one registration may add: it holds a transaction on the first shard.
pub(crate) const MOST_AT_ONCE: usize = 20_000;

/// A device to be registered.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) name: String,
    /// SHA-256 of its key, in hexadecimal.
    pub(crate) digest: String,
}

/// What became of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    /// Names that were registered.
    pub(crate) added: BTreeSet<String>,
    /// Names that were there before, and stay as they were.
    pub(crate) there: BTreeSet<String>,
    /// Devices of each shard afterwards.
    pub(crate) counts: BTreeMap<usize, usize>,
}

impl Store {
    /// Registers `wanted`, each on the shard with the fewest devices. Every shard has to answer,
    /// since the directory stands on each; what an earlier registration left half done is
    /// finished.
    ///
    /// The others are written first and the first shard last. It holds the lock that makes one
    /// registration follow the other.
    pub(crate) async fn register(
        &self,
        wanted: Vec<Registration>,
    ) -> Result<Registered, (String, Fault)> {
        let shards = self.shards().to_vec();
        let first = Arc::clone(&shards[0]);
        let work = move || {
            let named = |shard: &Shard, fault| (shard.name().to_owned(), fault);
            let mut sessions = Vec::with_capacity(shards.len());
            for (shard, opened) in shards.iter().zip(open_all(&shards)) {
                sessions.push(opened.map_err(|fault| named(shard, fault))?);
            }
            let (head, others) = sessions.split_first_mut().expect("settings name a shard");
            let mut blamed = first.name().to_owned();
            let done = transaction(&mut **head, |head| {
                // A lock on this row makes one registration follow the other.
                head.execute("UPDATE meta SET value = value WHERE name = 'schema'", &[])?;
                let known = gather(head, others, &shards, &mut blamed)?;
                let (entries, registered) = decide(known, wanted, shards.len());
                for (session, shard) in others.iter_mut().zip(&shards[1..]) {
                    shard.name().clone_into(&mut blamed);
                    transaction(&mut **session, |session| add(session, &entries))?;
                }
                first.name().clone_into(&mut blamed);
                add(head, &entries)?;
                Ok(registered)
            });
            done.map_err(|fault| (blamed, fault))
        };
        tokio::task::spawn_blocking(work).await.expect("registering does not panic")
    }
}

/// A session with each, all at once: one that is new gets its tables first, which takes a while.
fn open_all(shards: &[Arc<Shard>]) -> Vec<Result<Box<dyn Session>, Fault>> {
    // What some speak over a network with.
    let runtime = Handle::current();
    let open = |shard: &Shard| {
        let _inside = runtime.enter();
        shard.open()
    };
    thread::scope(|scope| {
        let opening: Vec<_> = shards.iter().map(|shard| scope.spawn(|| open(shard))).collect();
        let opened = opening.into_iter().map(thread::ScopedJoinHandle::join);
        opened.map(|opened| opened.expect("opening does not panic")).collect()
    })
}

/// The union of all directories.
fn gather(
    head: &mut dyn Session,
    others: &mut [Box<dyn Session>],
    shards: &[Arc<Shard>],
    blamed: &mut String,
) -> Result<BTreeMap<String, Entry>, Fault> {
    let mut known = BTreeMap::new();
    let mut keep = |entries: Vec<Entry>| {
        known.extend(entries.into_iter().map(|entry| (entry.name.clone(), entry)));
    };
    keep(entries_after(head, 0)?);
    for (session, shard) in others.iter_mut().zip(&shards[1..]) {
        shard.name().clone_into(blamed);
        keep(entries_after(&mut **session, 0)?);
    }
    Ok(known)
}

/// All entries that every shard should have, in the order of their numbers.
fn decide(
    mut known: BTreeMap<String, Entry>,
    wanted: Vec<Registration>,
    shards: usize,
) -> (Vec<Entry>, Registered) {
    let mut placement = Placement::new(shards, known.values().map(|entry| entry.shard));
    let mut next = known.values().map(|entry| entry.number).max().unwrap_or(0) + 1;
    let (mut added, mut there) = (BTreeSet::new(), BTreeSet::new());
    for Registration { name, digest } in wanted {
        if known.contains_key(&name) {
            there.insert(name);
            continue;
        }
        let shard = placement.place().expect("settings name a shard");
        let registered_ms = clock::now_ms();
        let entry = Entry { number: next, name: name.clone(), shard, digest, registered_ms };
        known.insert(name.clone(), entry);
        added.insert(name);
        next += 1;
    }
    let mut entries: Vec<Entry> = known.into_values().collect();
    entries.sort_by_key(|entry| entry.number);
    let counts = placement.counts();
    (entries, Registered { added, there, counts })
}

/// Adds those of `entries` that `session` does not have.
fn add(session: &mut dyn Session, entries: &[Entry]) -> Result<(), Fault> {
    let here: BTreeSet<u64> = entries_after(session, 0)?.iter().map(|entry| entry.number).collect();
    let sql =
        "INSERT INTO devices (number, name, shard, digest, registered) VALUES (?, ?, ?, ?, ?)";
    for entry in entries.iter().filter(|entry| !here.contains(&entry.number)) {
        session.execute(sql, &entry.values())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(names: &[&str]) -> Vec<Registration> {
        let digest = String::new;
        names
            .iter()
            .map(|name| Registration { name: (*name).to_owned(), digest: digest() })
            .collect()
    }

    fn known(entries: &[Entry]) -> BTreeMap<String, Entry> {
        entries.iter().map(|entry| (entry.name.clone(), entry.clone())).collect()
    }

    #[test]
    fn who_is_there_stays_and_who_is_new_fills_the_emptiest() {
        let (entries, first) = decide(BTreeMap::new(), wanted(&["a", "b", "c", "a"]), 2);
        assert_eq!(first.counts, BTreeMap::from([(0, 2), (1, 1)]));
        assert_eq!((first.added.len(), first.there.len()), (3, 1));
        assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3]);

        let (entries, second) = decide(known(&entries), wanted(&["b", "d", "e"]), 3);
        assert_eq!(second.counts, BTreeMap::from([(0, 2), (1, 2), (2, 1)]));
        let at = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap().shard;
        assert_eq!((at("b"), at("d"), at("e")), (1, 2, 1));
    }
}
