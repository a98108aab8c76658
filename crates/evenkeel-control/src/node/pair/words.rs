//! What operators say on one of two nodes, and what it does on the other.

use std::collections::BTreeMap;
use std::time::SystemTime;

use evenkeel_api as api;
use evenkeel_engine::{AdminChange, AdminState, ApplyError};

use super::{Node, WORDS_FILE, is_said};
use crate::clock;
use crate::node::servers::engine_state;
use crate::overrides::Overrides;
use crate::pair::words::{Facet, Key, TakenIn, Word};

impl Node {
    /// What an operator said here is for the other node as well.
    pub(in crate::node) async fn say_to_peer(
        &self,
        before: &Overrides,
        after: &Overrides,
        by: &api::Said,
    ) {
        if !self.pair.is_configured() {
            return;
        }
        if self.pair.words().say(before, after, by, clock::now()) {
            self.keep_words().await;
        }
    }

    /// What was to hold for a time that is over.
    pub(in crate::node) async fn end_words(&self, over: &Overrides, still: &Overrides) {
        if self.pair.is_configured() {
            self.pair.words().end(over, still);
            self.keep_words().await;
        }
    }

    /// What was said on the other node.
    pub(crate) async fn take_words(&self, words: Vec<Word>) {
        let now = clock::now();
        let TakenIn { new, ahead: _, full } = self.pair.words().take_in(words, now);
        if full {
            tracing::warn!("pair: there is no room for more of what was said on the other node");
        }
        if new.is_empty() {
            return;
        }
        match self.put_words(&new, now).await {
            Ok(()) => {}
            // A node that stops has no use for it.
            Err(ApplyError::Draining) => return,
            Err(error) => tracing::warn!("pair: what was said there has no effect here: {error}"),
        }
        self.keep_words().await;
    }

    async fn put_words(&self, words: &[Word], now: SystemTime) -> Result<(), ApplyError> {
        let _one_at_a_time = self.changing.lock().await;
        let (overrides, config) = {
            let servers = self.servers();
            let mut overrides = servers.overrides.clone();
            for word in words {
                // One that cannot be read is kept all the same: a newer program may have said it.
                let _ = word.put(&mut overrides, now);
            }
            // What does not fit here is nothing that was dropped: the other node has it.
            let _ = overrides.reconcile(&servers.pools());
            let config = servers.overlaid(&overrides);
            (overrides, config)
        };
        self.apply_changed(config, &overrides).await?;
        for word in words {
            if is_said(&overrides, &word.key) {
                self.pair.unfit().remove(&word.key);
            } else {
                self.pair.unfit().insert(word.key.clone());
            }
        }
        let mut wanted = BTreeMap::new();
        for word in words.iter().filter(|word| word.key.facet == Facet::State) {
            let Key { pool, server, .. } = &word.key;
            let state = overrides.of(pool, server).and_then(|over| over.state.as_ref());
            let state = state.map_or(AdminState::Ready, |over| engine_state(over.state));
            wanted.insert((pool, server), (state, word.by()));
        }
        for ((pool, server), (state, (author, reason))) in wanted {
            self.engine.set_admin_state(pool, server, AdminChange { state, author, reason });
        }
        self.servers().overrides = overrides;
        self.names_wanted.notify_one();
        self.keep_overrides().await;
        Ok(())
    }

    pub(super) async fn keep_words(&self) {
        let words = self.pair.words().all(clock::now());
        self.pair.has_news();
        self.keep(WORDS_FILE, words).await;
    }
}
