//! The layers of a server as the API shows them: what is configured, and what operators said.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_api as api;
use evenkeel_core::config::{Config, Listener, Pool, PoolId};

use super::Node;
use super::servers::Servers;
use crate::export;
use crate::membership::{Listed, Named};
use crate::overlay::{self, EntryOrigin, Sourced};

/// What the API tells of a pool beyond what the engine knows.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    pub(crate) servers:
        HashMap<Arc<str>, (Option<api::ServerConfigured>, Option<api::ServerOverride>)>,
    pub(crate) removed: Vec<api::RemovedServer>,
    pub(crate) names: Vec<api::ServerName>,
}

impl Node {
    /// What an operator should look after.
    pub(crate) fn problems(&self) -> Vec<String> {
        let servers = self.servers();
        let files = servers.looks.iter().filter_map(|(path, look)| {
            let reason = look.content.as_ref().err()?;
            Some(format!("{} {reason}; its servers stay as they were", path.display()))
        });
        let of_certificates = self.certificate_problems();
        let problems = servers.problems.values().cloned().chain(files).chain(of_certificates);
        let problems = problems.chain(self.order_problems()).chain(self.link_problem());
        problems.chain(export::problem(self)).collect()
    }

    /// What the API tells of each pool beyond what the engine knows, by the pool's name.
    pub(crate) fn membership(&self) -> HashMap<Arc<str>, Membership> {
        let started = api::Timestamp(self.started());
        let servers = self.servers();
        let pools = servers.config.pools.iter().zip(&servers.members);
        let one = |(pool, listed): (&Pool, &Vec<Listed>)| {
            (Arc::clone(&pool.name), servers.membership_of(&pool.name, listed, started))
        };
        pools.map(one).collect()
    }

    /// The names of the pools each listener may send to, by the listener's name.
    pub(crate) fn destinations(&self) -> HashMap<Arc<str>, Vec<String>> {
        let servers = self.servers();
        let Config { listeners, pools, .. } = &servers.config;
        let name = |pool: PoolId| pools[usize::from(pool.0)].name.to_string();
        let one = |listener: &Listener| {
            let names = listener.protocol.pools().into_iter().map(name).collect();
            (Arc::clone(&listener.name), names)
        };
        listeners.iter().map(one).collect()
    }
}

impl Servers {
    fn membership_of(&self, pool: &str, listed: &[Listed], started: api::Timestamp) -> Membership {
        let layers = self.layers(&self.overrides);
        let servers = overlay::servers(pool, listed, layers).into_iter().map(|sourced| {
            let configured = configured(&sourced);
            let over = self.overrides.of(pool, &sourced.server.name).cloned();
            (sourced.server.name, (configured, over))
        });
        let said = self.overrides.pools.get(pool).into_iter().flatten();
        let removed = said.filter_map(|(name, over)| {
            let said = over.removed.clone()?;
            Some(api::RemovedServer { name: name.clone(), said })
        });
        let entries = overlay::entries(pool, listed, layers).into_iter();
        let names = entries.filter_map(|entry| match entry.listed {
            Listed::Named(named) => Some(self.name(&named, started)),
            Listed::Fixed(_) | Listed::File(_) => None,
        });
        Membership {
            servers: servers.collect(),
            removed: removed.collect(),
            names: names.collect(),
        }
    }

    fn name(&self, named: &Named, started: api::Timestamp) -> api::ServerName {
        let name = named.template.name.to_string();
        let known = self.resolved.of(&named.question).cloned().unwrap_or_default();
        let addresses = known.addresses(named.question.records, named.port);
        let used = |address: &SocketAddr| named.expand || known.chosen == Some(address.ip());
        let addresses: Vec<String> =
            addresses.iter().filter(|it| used(it)).map(ToString::to_string).collect();
        let failure = known.last.as_ref().and_then(|last| last.failure.as_ref());
        let (state, reason) = match (addresses.is_empty(), failure, &known.last) {
            (true, Some((_, reason)), _) => (api::NameState::Unresolved, reason.clone()),
            (true, None, _) => (api::NameState::Unresolved, "not answered yet".to_owned()),
            (false, Some((_, reason)), _) => (api::NameState::Stale, reason.clone()),
            (false, None, None) => (api::NameState::Stale, "kept from the run before".to_owned()),
            (false, None, Some(_)) => (api::NameState::Resolved, "answered".to_owned()),
        };
        let since = known.last.map_or(started, |last| last.since);
        api::ServerName { name, state, reason, since, addresses }
    }
}

/// What the configuration, or a file it names, says of a server.
pub(super) fn configured(sourced: &Sourced) -> Option<api::ServerConfigured> {
    let file = match &sourced.entry.origin {
        EntryOrigin::Configuration => None,
        EntryOrigin::File(path) => Some(path.display().to_string()),
        EntryOrigin::Operator => return None,
    };
    let server = sourced.entry.listed.server()?;
    let (weight, backup) = (server.weight, server.backup);
    Some(api::ServerConfigured { entry: server.name.to_string(), weight, backup, file })
}
