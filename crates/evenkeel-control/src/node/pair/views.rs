//! How each of two nodes judges servers: told, shown, and not obeyed.

use evenkeel_api as api;

use super::{MOST_VIEWS, Node, Told};
use crate::describe;
use crate::pair::message::{MOST_WORDS, Message, View};

impl Node {
    /// How servers are judged here, where that was not told over this connection.
    pub(crate) fn views_for_peer(&self, told: &mut Told) -> Vec<Message> {
        if told.views.len() > MOST_VIEWS {
            told.views.clear();
        }
        let mut new = Vec::new();
        for pool in &self.engine.status().pools {
            for server in &pool.servers {
                let verdict = &server.verdict;
                let judged = api::PeerView {
                    health: describe::health(verdict.health),
                    reason: verdict.reason.to_string(),
                    since: api::Timestamp(verdict.since),
                };
                let (pool, server) = (pool.name.to_string(), server.name.to_string());
                let key = (pool.clone(), server.clone());
                if told.views.get(&key) != Some(&judged) {
                    told.views.insert(key, judged.clone());
                    new.push(View { pool, server, judged });
                }
            }
        }
        new.chunks(MOST_WORDS).map(|part| Message::Views(part.to_vec())).collect()
    }

    /// How the other node judges servers.
    pub(crate) fn take_views(&self, new: Vec<View>) {
        let mut views = self.pair.views();
        for View { pool, server, judged } in new {
            if views.len() > MOST_VIEWS {
                views.clear();
            }
            views.insert((pool, server), judged);
        }
    }

    /// Pools with what the other node thinks of their servers.
    pub(crate) fn with_views(&self, pools: impl Iterator<Item = api::Pool>) -> Vec<api::Pool> {
        let views = self.pair.views();
        let seen = |mut pool: api::Pool| {
            for server in &mut pool.servers {
                server.peer = views.get(&(pool.name.clone(), server.name.clone())).cloned();
            }
            pool
        };
        pools.map(seen).collect()
    }
}
