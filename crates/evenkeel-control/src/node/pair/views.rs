//! How each of two nodes judges servers and stands to virtual addresses: told, shown, and not obeyed here.

use evenkeel_api as api;
use evenkeel_engine::{AdminState, PoolStatus, ServerStatus};

use super::{MOST_VIEWS, Node, Told};
use crate::describe;
use crate::pair::message::{MOST_WORDS, Message, View, VipBeat};

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

    /// Virtual addresses with what the other node says of them.
    pub(crate) fn with_peer(&self, vips: impl Iterator<Item = api::Vip>) -> Vec<api::Vip> {
        let link = self.pair.link();
        vips.map(|vip| api::Vip { peer: link.vips.get(&vip.name).map(VipBeat::document), ..vip })
            .collect()
    }

    /// Servers that the other node judges otherwise.
    pub(crate) fn judged_otherwise(&self, pools: &[PoolStatus]) -> usize {
        let views = self.pair.views();
        let servers = pools.iter().flat_map(|pool| {
            pool.servers.iter().map(move |server| (pool.name.to_string(), server))
        });
        let is_other = |(pool, server): &(String, &ServerStatus)| {
            let view = views.get(&(pool.clone(), server.name.to_string()));
            let is_checked = server.admin.state != AdminState::Maint;
            view.is_some_and(|it| {
                is_checked && it.health != describe::health(server.verdict.health)
            })
        };
        servers.filter(is_other).count()
    }
}
