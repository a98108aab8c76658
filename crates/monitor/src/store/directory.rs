//! All devices, as this process last saw them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::sql::{Fault, Row, Session, Value};
use super::{Shard, Store};
use crate::rate::Allowance;

/// Devices read in one query.
const PAGE: usize = 10_000;

/// A device, and what this process knows of it beyond the directory.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) shard: usize,
    /// SHA-256 of its key, in hexadecimal.
    pub(crate) digest: String,
    /// Connections of this process that it has.
    pub(crate) connections: AtomicUsize,
    pub(crate) allowance: Allowance,
}

/// All devices by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    by_name: HashMap<String, Arc<Device>>,
    highest: u64,
}

impl Directory {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Device>> {
        self.by_name.get(name)
    }

    /// Devices whose names hold `part`, by name.
    pub(crate) fn find(&self, part: &str) -> Vec<&Arc<Device>> {
        let mut found: Vec<_> =
            self.by_name.values().filter(|device| device.name.contains(part)).collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    fn add(&mut self, device: Device) {
        self.highest = self.highest.max(device.number);
        self.by_name.entry(device.name.clone()).or_insert_with(|| Arc::new(device));
    }
}

/// The directory's row of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) shard: usize,
    pub(super) digest: String,
    pub(super) registered_ms: u64,
}

impl Store {
    /// Reads what the directory has new, from the first shard that answers; the first time all of
    /// it, from all that answer, as a registration may have been cut off half-way.
    pub(crate) async fn refresh(&self) -> Result<(), Fault> {
        let mut directory = Directory::clone(&self.directory());
        let is_first = directory.by_name.is_empty();
        let mut outcome = Err(Fault::Down("no shard is set".to_owned()));
        for shard in self.shards() {
            let after = if is_first { 0 } else { directory.highest };
            match entries(shard, after).await {
                Ok(entries) => {
                    for entry in entries {
                        directory.add(entry.into());
                    }
                    outcome = Ok(());
                    if !is_first {
                        break;
                    }
                }
                Err(fault) => outcome = outcome.or(Err(fault)),
            }
        }
        if outcome.is_ok() {
            self.set_directory(directory);
        }
        outcome
    }
}

async fn entries(shard: &Arc<Shard>, after: u64) -> Result<Vec<Entry>, Fault> {
    shard.with(move |session| entries_after(session, after)).await
}

/// The devices with numbers over `after`.
pub(super) fn entries_after(
    session: &mut dyn Session,
    mut after: u64,
) -> Result<Vec<Entry>, Fault> {
    let sql = "SELECT number, name, shard, digest, registered FROM devices \
               WHERE number > ? ORDER BY number LIMIT ?";
    let mut entries = Vec::new();
    loop {
        let rows = session.query(sql, &[after.into(), PAGE.into()])?;
        entries.extend(rows.iter().map(Entry::of));
        match rows.last() {
            Some(last) if rows.len() == PAGE => after = last.number(0),
            _ => return Ok(entries),
        }
    }
}

impl Entry {
    fn of(row: &Row) -> Self {
        Self {
            number: row.number(0),
            name: row.text(1).to_owned(),
            shard: usize::try_from(row.number(2)).unwrap_or(usize::MAX),
            digest: row.text(3).to_owned(),
            registered_ms: row.number(4),
        }
    }

    pub(super) fn values(&self) -> [Value; 5] {
        [
            self.number.into(),
            self.name.as_str().into(),
            self.shard.into(),
            self.digest.as_str().into(),
            self.registered_ms.into(),
        ]
    }
}

impl From<Entry> for Device {
    fn from(entry: Entry) -> Self {
        let Entry { number, name, shard, digest, registered_ms: _ } = entry;
        let (connections, allowance) = (AtomicUsize::default(), Allowance::default());
        Self { number, name, shard, digest, connections, allowance }
    }
}
