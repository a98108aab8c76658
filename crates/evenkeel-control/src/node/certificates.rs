//! Certificates and the keys of session tickets over time: looked at, replaced, kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_core::ticket_key::{self, TicketKey};
use evenkeel_engine::fresh_ticket_key;

use super::Node;
use crate::clock;
use crate::ticket_file::{self, KeptKey, TICKETS_FILE};

/// A changed file is read at the second look that finds it as it is: within a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How much longer than the other node one waits for a new key that the other is to make.
const OTHERS_TURN: Duration = Duration::from_mins(5);

impl Node {
    /// Takes the keys that a run before kept, and makes the first one if there is none.
    pub(super) async fn restore_ticket_keys(&self) {
        let path = self.tickets_path();
        let kept = path.map(|path| tokio::task::spawn_blocking(move || ticket_file::load(&path)));
        let kept = match kept {
            Some(reading) => reading.await.unwrap_or(Ok(Vec::new())),
            None => Ok(Vec::new()),
        };
        let kept = kept.unwrap_or_else(|error| {
            self.servers().problem(TICKETS_FILE, &error);
            Vec::new()
        });
        self.renew_ticket_keys(kept).await;
    }

    /// Drops keys that are too old, makes one if one is due, and keeps what has changed.
    async fn renew_ticket_keys(&self, known: Vec<TicketKey>) {
        let now = epoch_seconds();
        let mut keys = ticket_key::kept(known, now);
        let is_due = ticket_key::is_due(&keys, now);
        if is_due && let Some(key) = fresh_ticket_key(now) {
            keys.insert(0, key);
            keys = ticket_key::kept(keys, now);
        }
        self.use_ticket_keys(keys, is_due).await;
    }

    /// Keys of the other node: what one of them sealed both can open, and the newest seals.
    pub(crate) async fn take_ticket_keys(&self, kept: &[KeptKey]) {
        let before = self.current().ticket_keys.clone();
        let others = kept.iter().filter_map(KeptKey::key);
        let mut all = before.clone();
        all.extend(others.filter(|key| before.iter().all(|known| known.name != key.name)));
        let keys = ticket_key::kept(all, epoch_seconds());
        if keys != before {
            self.use_ticket_keys(keys, true).await;
        }
    }

    async fn use_ticket_keys(&self, keys: Vec<TicketKey>, are_new: bool) {
        self.engine.set_ticket_keys(&keys);
        self.current().ticket_keys.clone_from(&keys);
        if !are_new {
            return;
        }
        self.pair.has_news();
        let Some(path) = self.tickets_path() else { return };
        let saved = tokio::task::spawn_blocking(move || ticket_file::save(&path, &keys)).await;
        if let Ok(Err(error)) = saved {
            self.servers().problem(TICKETS_FILE, &error);
        }
    }

    fn tickets_path(&self) -> Option<PathBuf> {
        self.state_directory().map(|directory| directory.join(TICKETS_FILE))
    }

    /// What an operator should look after.
    pub(super) fn certificate_problems(&self) -> Vec<String> {
        let listeners = self.engine.status().listeners;
        let problem = |listener: &str, failure: &str| format!("listener {listener}: {failure}");
        let of = |it: &evenkeel_engine::ListenerStatus| {
            let failures = it.certificates.iter().filter_map(|it| it.failure.as_deref());
            failures.map(|failure| problem(&it.name, failure)).collect::<Vec<String>>()
        };
        listeners.iter().flat_map(of).collect()
    }
}

/// Looks at the files of certificates and at the age of ticket keys; never returns.
pub(crate) async fn keep_certificates(node: &Arc<Node>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        let looking = Arc::clone(node);
        // A file on a disk that hangs must hang nothing else. What a look panics with is told by
        // the panic itself.
        let _ = tokio::task::spawn_blocking(move || looking.engine.look_at_certificates()).await;
        let keys = node.current().ticket_keys.clone();
        // Of two nodes one makes the key for both; should it hang, the other does in the end.
        let patience = if node.pair.leads() { 0 } else { OTHERS_TURN.as_secs() };
        if ticket_key::is_due(&keys, epoch_seconds().saturating_sub(patience)) {
            node.renew_ticket_keys(keys).await;
        }
    }
}

fn epoch_seconds() -> u64 {
    clock::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
