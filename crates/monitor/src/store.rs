//! The store: devices spread over shards, each with its readings, and on every shard the directory
//! of all devices.

mod address;
mod alarms;
mod copy;
mod devices;
mod directory;
mod maria;
mod pool;
mod records;
mod schema;
mod sessions;
mod shard;
mod sql;
mod sqlite;
mod users;
mod writer;

use std::sync::{Arc, RwLock};

pub(crate) use self::address::Address;
pub(crate) use self::alarms::{Added, Alarm, MOST_SHOWN, Rule};
pub(crate) use self::copy::Sums;
pub(crate) use self::devices::{MOST_AT_ONCE, Registered, Registration};
pub(crate) use self::directory::{Device, Directory};
pub(crate) use self::maria::Copy;
pub(crate) use self::records::{Kept, Stored};
pub(crate) use self::sessions::SqlSessions;
pub(crate) use self::shard::Shard;
pub(crate) use self::sql::Fault;
pub(crate) use self::writer::{Submission, Verdict};
use crate::settings::Settings;

/// All shards, and the directory as last seen.
#[derive(Debug)]
pub(crate) struct Store {
    shards: Vec<Arc<Shard>>,
    directory: RwLock<Arc<Directory>>,
}

/// How often at most somebody who is not in the directory makes it be read again, in milliseconds.
/// Strangers must not be able to keep the database busy.
pub(crate) const REFRESH_MS: u64 = 1000;

impl Store {
    /// A store over the shards of `settings`. Nothing is asked yet: a shard that is down when the
    /// service starts is as good as one that goes down later.
    pub(crate) fn new(settings: &Settings) -> Arc<Self> {
        let shards = settings.shards.iter().enumerate();
        let shards = shards.map(|(index, address)| Shard::new(index, address.clone())).collect();
        Arc::new(Self { shards, directory: RwLock::new(Arc::default()) })
    }

    pub(crate) fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// The directory as last seen.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        // Nothing that can panic is done under this lock.
        Arc::clone(&self.directory.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn set_directory(&self, directory: Directory) {
        let mut held = self.directory.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *held = Arc::new(directory);
    }
}
