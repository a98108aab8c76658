//! What operators said of servers while the node ran: who, why, and until when.

use std::collections::BTreeMap;
use std::time::SystemTime;

use evenkeel_api as api;
use evenkeel_core::config::Pool;
use serde::{Deserialize, Serialize};

use crate::membership::{Listed, belongs};

/// As many as the largest pool has servers; more are a program gone wild.
pub(crate) const MOST_OVERRIDES: usize = Pool::MOST_SERVERS;

/// By pool and server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Overrides {
    pub(crate) pools: BTreeMap<String, BTreeMap<String, api::ServerOverride>>,
}

/// An override that holds no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) pool: String,
    pub(crate) server: String,
    /// What it was and why it ended.
    pub(crate) message: String,
    /// It was an admin state: the server is to be ready again.
    pub(crate) state: bool,
}

impl Overrides {
    pub(crate) fn of(&self, pool: &str, server: &str) -> Option<&api::ServerOverride> {
        self.pools.get(pool)?.get(server)
    }

    /// Changes what is said of a server. `false`, and nothing is changed, when there are too many.
    pub(crate) fn change(
        &mut self,
        pool: &str,
        server: &str,
        change: impl FnOnce(&mut api::ServerOverride),
    ) -> bool {
        let count: usize = self.pools.values().map(BTreeMap::len).sum();
        if count >= MOST_OVERRIDES && self.of(pool, server).is_none() {
            return false;
        }
        let servers = self.pools.entry(pool.to_owned()).or_default();
        let over = servers.entry(server.to_owned()).or_default();
        change(over);
        if *over == api::ServerOverride::default() {
            servers.remove(server);
        }
        if servers.is_empty() {
            self.pools.remove(pool);
        }
        true
    }

    /// Whether anything was said to last until `now` or before.
    pub(crate) fn have_ended(&self, now: SystemTime) -> bool {
        let is_over = |said: &api::Said| said.expires.is_some_and(|expires| expires.0 <= now);
        self.pools.values().flat_map(BTreeMap::values).any(|over| {
            let api::ServerOverride { added, removed, weight, state } = over;
            let added = added.as_ref().map(|it| &it.said);
            let weight = weight.as_ref().map(|it| &it.said);
            let state = state.as_ref().map(|it| &it.said);
            added.into_iter().chain(removed).chain(weight).chain(state).any(is_over)
        })
    }

    /// Ends what was said to last until `now` or before.
    pub(crate) fn expire(&mut self, now: SystemTime) -> Vec<Dropped> {
        self.end(|_, _, what, _| {
            let over = what.said().expires.is_some_and(|expires| expires.0 <= now);
            over.then(|| "its time is over".to_owned())
        })
    }

    /// Ends what the configuration now says differently: the file wins. `pools` are the listed
    /// servers by pool.
    pub(crate) fn reconcile(&mut self, pools: &BTreeMap<&str, &[Listed]>) -> Vec<Dropped> {
        self.end(|pool, server, what, is_added| {
            let Some(listed) = pools.get(pool) else {
                return Some("the pool is gone from the configuration".to_owned());
            };
            let mut entries = listed.iter().filter_map(Listed::server);
            let entry = entries.find(|entry| belongs(server, &entry.name));
            match (what, entry) {
                (What::Added(_), Some(_)) => {
                    Some("the configuration lists the server by now".to_owned())
                }
                (What::Weight(weight), Some(entry)) if weight.configured != Some(entry.weight) => {
                    let changed = *server == *entry.name;
                    changed.then(|| format!("the configuration says {} by now", entry.weight))
                }
                (_, Some(_)) | (What::Added(_), None) => None,
                // What is said of a server that was added here hangs on nothing else.
                (_, None) if is_added => None,
                (_, None) if listed.iter().any(|it| matches!(it, Listed::File(_))) => None,
                (_, None) => Some("the configuration does not list the server any more".to_owned()),
            }
        })
    }

    /// Drops what `why` has a reason against. It is told whether the server was added here.
    fn end(&mut self, why: impl Fn(&str, &str, What<'_>, bool) -> Option<String>) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        for (pool, servers) in &mut self.pools {
            for (server, over) in servers {
                let mut ends = |what: What<'_>, is_added: bool| {
                    let Some(why) = why(pool, server, what, is_added) else { return false };
                    let message = format!("{} no longer holds: {why}", what.in_words());
                    let state = matches!(what, What::State(_));
                    let (pool, server) = (pool.clone(), server.clone());
                    dropped.push(Dropped { pool, server, message, state });
                    true
                };
                let api::ServerOverride { added, removed, weight, state } = over;
                added.take_if(|it| ends(What::Added(it), false));
                let is_added = added.is_some();
                removed.take_if(|it| ends(What::Removed(it), is_added));
                weight.take_if(|it| ends(What::Weight(it), is_added));
                state.take_if(|it| ends(What::State(it), is_added));
            }
        }
        self.tidy();
        dropped
    }

    fn tidy(&mut self) {
        for servers in self.pools.values_mut() {
            servers.retain(|_, over| *over != api::ServerOverride::default());
        }
        self.pools.retain(|_, servers| !servers.is_empty());
    }
}

/// One of the things that can be said of a server.
#[derive(Clone, Copy, Debug)]
enum What<'a> {
    Added(&'a api::AddedServer),
    Removed(&'a api::Said),
    Weight(&'a api::WeightOverride),
    State(&'a api::StateOverride),
}

impl What<'_> {
    fn said(&self) -> &api::Said {
        match self {
            Self::Added(added) => &added.said,
            Self::Removed(said) => said,
            Self::Weight(weight) => &weight.said,
            Self::State(state) => &state.said,
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Added(_) => "the server that was added".to_owned(),
            Self::Removed(_) => "the removal".to_owned(),
            Self::Weight(weight) => format!("the weight of {}", weight.weight),
            Self::State(api::StateOverride { state, .. }) => match state {
                api::AdminState::Ready => "ready".to_owned(),
                api::AdminState::Drain => "drain".to_owned(),
                api::AdminState::Maint => "maint".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
