//! Who may send readings.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use crate::clock;
use crate::key;
use crate::protocol::{Answer, Closing};
use crate::store::{Device, REFRESH_MS};

/// Connections of one device to this process: the old one may not know yet that it is dead.
const MOST_CONNECTIONS: usize = 4;
/// What a device that is not admitted waits before it tries again, in milliseconds: somebody has
/// to register it first.
const STRANGER_MS: u64 = 30_000;
/// The same where a shard is down or the device has too many connections.
const LATER_MS: u64 = 2000;

/// A device that was admitted, for as long as its connection lasts.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) device: Arc<Device>,
    /// The highest sequence of it that is stored.
    pub(super) highest: u64,
}

impl Admitted {
    /// Admits the device `name` with `key`, or says how to close.
    pub(super) async fn new(shared: &Shared, name: &str, key: &str) -> Result<Self, Answer> {
        let device = match shared.store.directory().get(name) {
            Some(device) => Arc::clone(device),
            None => look_again(shared, name).await?,
        };
        if !key::is_key_of(key, &device.digest) {
            return Err(Answer::Closing(Closing::NotAdmitted, STRANGER_MS));
        }
        let before = device.connections.fetch_add(1, Ordering::Relaxed);
        let mut admitted = Self { device, highest: 0 };
        if before >= MOST_CONNECTIONS {
            return Err(Answer::Closing(Closing::TooMany, LATER_MS));
        }
        let down = || Answer::Closing(Closing::ShardDown, LATER_MS);
        let shard = shared.store.shards().get(admitted.device.shard).ok_or_else(down)?;
        if shard.is_down() {
            return Err(down());
        }
        admitted.highest =
            shard.highest(admitted.device.number).await.map_err(|_noted_by_the_shard| down())?;
        Ok(admitted)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.device.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The device may be new. All who ask in the same second share one look.
async fn look_again(shared: &Shared, name: &str) -> Result<Arc<Device>, Answer> {
    let mut refreshed_ms = shared.refreshed.lock().await;
    let now_ms = clock::now_ms();
    let mut known = Ok(());
    if now_ms.saturating_sub(*refreshed_ms) >= REFRESH_MS {
        known = shared.store.refresh().await;
        *refreshed_ms = clock::now_ms();
    }
    drop(refreshed_ms);
    match shared.store.directory().get(name) {
        Some(device) => Ok(Arc::clone(device)),
        // Without a directory nobody can be told to be a stranger.
        None if known.is_err() => Err(Answer::Closing(Closing::ShardDown, LATER_MS)),
        None => Err(Answer::Closing(Closing::NotAdmitted, STRANGER_MS)),
    }
}
