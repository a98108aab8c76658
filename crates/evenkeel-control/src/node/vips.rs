//! Virtual addresses as operators see them, and which start of the program this is.

use std::path::Path;
use std::time::SystemTime;

use evenkeel_api as api;
use evenkeel_engine::MoveError;
use serde::{Deserialize, Serialize};

use super::Node;
use crate::clock;
use crate::state_file::{self, StateError};

/// Its name in `state_dir`.
pub(super) const BOOT_FILE: &str = "boot.json";

/// The last start.
#[derive(Serialize, Deserialize)]
struct Kept {
    boot: u64,
}

/// The number of this start: greater than that of the one before, and, where nothing is known of
/// it, by the time of day. Peers take what comes with a smaller one for a recording.
pub(super) async fn next_boot(directory: Option<&Path>) -> (u64, Option<StateError>) {
    let since = clock::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let by_time = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let Some(path) = directory.map(|directory| directory.join(BOOT_FILE)) else {
        return (by_time, None);
    };
    let counted = tokio::task::spawn_blocking(move || {
        let (kept, unreadable) = match state_file::load::<Kept>(&path) {
            Ok(kept) => (kept.map_or(0, |kept| kept.boot), None),
            Err(error) => (0, Some(error)),
        };
        let boot = by_time.max(kept.saturating_add(1));
        let unwritable = state_file::save(&path, &Kept { boot }).err();
        (boot, unwritable.or(unreadable))
    });
    // A defect there is told by its panic; the time of day does.
    counted.await.unwrap_or((by_time, None))
}

impl Node {
    /// Has another node own a virtual address, or lets this one have it again.
    pub(crate) async fn change_vip(
        &self,
        name: &str,
        change: &api::VipChange,
    ) -> Result<(), MoveError> {
        let api::VipChange { moved, author, reason } = change;
        if *moved {
            self.engine.give_vip(name).await?;
        } else {
            self.engine.take_vip(name)?;
        }
        let what = if *moved { "to be moved to another node" } else { "may come back" };
        let said = [(" by ", author), (": ", reason)].into_iter();
        let said = said.filter(|(_, word)| !word.is_empty());
        let message = said.fold(what.to_owned(), |message, (before, word)| message + before + word);
        let at = api::Timestamp(clock::now());
        let (kind, subject) = ("vip-admin".to_owned(), name.to_owned());
        self.publish(api::Event { at, kind, subject, message });
        Ok(())
    }
}
