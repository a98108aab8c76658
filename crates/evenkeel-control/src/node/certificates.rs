//! Certificates and the keys of session tickets over time: looked at, replaced, kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_core::ticket_key::{self, TicketKey};
use evenkeel_engine::fresh_ticket_key;

use super::Node;
use crate::clock;
use crate::ticket_file::{self, TICKETS_FILE};

/// A changed file is read at the second look that finds it as it is: within a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
        let now = clock::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let mut keys = ticket_key::kept(known, now);
        let is_due = ticket_key::is_due(&keys, now);
        if is_due && let Some(key) = fresh_ticket_key(now) {
            keys.insert(0, key);
            keys = ticket_key::kept(keys, now);
        }
        self.engine.set_ticket_keys(&keys);
        self.current().ticket_keys.clone_from(&keys);
        let Some(path) = self.tickets_path().filter(|_| is_due) else { return };
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
        let now = clock::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if ticket_key::is_due(&keys, now.as_secs()) {
            node.renew_ticket_keys(keys).await;
        }
    }
}
