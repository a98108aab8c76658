//! The servers of a configuration as they are at the moment: those it lists, those found behind
//! names and in files, and over all of it what operators said. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_core::config::{Config, Pool, Server};

use crate::compile;
use crate::membership::{Listed, Named, Question, Records};
use crate::names::{Endpoint, Known, Resolved};
use crate::overrides::Overrides;

/// What files with servers list, by path.
pub(crate) type Files = BTreeMap<PathBuf, Vec<Listed>>;

/// What stands over a configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layers<'a> {
    pub(crate) overrides: &'a Overrides,
    pub(crate) resolved: &'a Resolved,
    pub(crate) files: &'a Files,
}

/// A server with the entry it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sourced {
    pub(crate) server: Server,
    pub(crate) entry: Arc<Entry>,
}

/// One line of a list of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// [`Listed::Fixed`] or [`Listed::Named`].
    pub(crate) listed: Listed,
    pub(crate) origin: EntryOrigin,
}

/// Who lists a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryOrigin {
    Configuration,
    File(PathBuf),
    Operator,
}

/// `config` with the servers of every pool as they are now. `members` is what each pool lists.
///
/// Of servers with the same name or the same address in a pool the first one stays: names may lead
/// to the same place.
pub(crate) fn overlay(config: &Config, members: &[Vec<Listed>], layers: Layers<'_>) -> Config {
    let mut config = config.clone();
    for (pool, listed) in config.pools.iter_mut().zip(members) {
        let servers = servers(&pool.name, listed, layers);
        pool.servers = servers.into_iter().map(|sourced| sourced.server).collect();
    }
    config
}

/// The servers of one pool.
pub(crate) fn servers(pool: &str, listed: &[Listed], layers: Layers<'_>) -> Vec<Sourced> {
    let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
    let mut servers = Vec::new();
    for entry in entries(pool, listed, layers) {
        let entry = Arc::new(entry);
        for server in behind(&entry.listed, layers.resolved) {
            let said = |name: &str| layers.overrides.of(pool, name);
            let own = said(&server.name);
            let of_entry = entry.listed.server().and_then(|it| said(&it.name));
            let mut said = own.into_iter().chain(of_entry);
            let weight = said.clone().find_map(|it| it.weight.as_ref());
            if said.any(|it| it.removed.is_some())
                || servers.len() == Pool::MOST_SERVERS
                || names.contains(&server.name)
                || !addresses.insert(server.address)
            {
                continue;
            }
            names.insert(Arc::clone(&server.name));
            let weight = weight.map_or(server.weight, |it| it.weight);
            let server = Server { weight, ..server };
            servers.push(Sourced { server, entry: Arc::clone(&entry) });
        }
    }
    servers
}

/// Every line that makes servers of a pool, those of files in the place of the file.
pub(crate) fn entries(pool: &str, listed: &[Listed], layers: Layers<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for listed in listed {
        match listed {
            Listed::File(path) => {
                let inside = layers.files.get(path).into_iter().flatten().cloned();
                let origin = || EntryOrigin::File(path.clone());
                entries.extend(inside.map(|listed| Entry { listed, origin: origin() }));
            }
            known => {
                let origin = EntryOrigin::Configuration;
                entries.push(Entry { listed: known.clone(), origin });
            }
        }
    }
    for (name, said) in layers.overrides.pools.get(pool).into_iter().flatten() {
        let Some(added) = &said.added else { continue };
        // A kept address was understood when it was added; a file made by hand may hold anything.
        let Ok(listed) = compile::listed(&added.address) else { continue };
        let (weight, backup) = (added.weight, added.backup);
        let zone = added.zone.as_deref().map(Arc::from);
        let listed =
            listed.map(|it| Server { name: name.as_str().into(), weight, backup, zone, ..it });
        entries.push(Entry { listed, origin: EntryOrigin::Operator });
    }
    entries
}

/// What a resolver has to be asked.
pub(crate) fn questions(
    config: &Config,
    members: &[Vec<Listed>],
    layers: Layers<'_>,
) -> BTreeSet<Question> {
    let pools = config.pools.iter().zip(members);
    let entries = pools.flat_map(|(pool, listed)| entries(&pool.name, listed, layers));
    let question = |entry: Entry| match entry.listed {
        Listed::Named(named) => Some(named.question),
        Listed::Fixed(_) | Listed::File(_) => None,
    };
    entries.filter_map(question).collect()
}

fn behind(listed: &Listed, resolved: &Resolved) -> Vec<Server> {
    match listed {
        Listed::Fixed(server) => vec![server.clone()],
        Listed::Named(named) => match resolved.of(&named.question) {
            Some(known) => found(named, known),
            None => Vec::new(),
        },
        Listed::File(_) => Vec::new(),
    }
}

fn found(named: &Named, known: &Known) -> Vec<Server> {
    let template = &named.template;
    let Named { question, port, expand, .. } = named;
    if !expand {
        let chosen = known.chosen.map(|ip| (ip, *port));
        return chosen
            .into_iter()
            .map(|at| Server { address: at.into(), ..template.clone() })
            .collect();
    }
    let lowest = known.endpoints.iter().map(|it| it.priority).min();
    let heaviest = known.endpoints.iter().map(|it| it.weight).max().unwrap_or(0);
    let addresses = known.addresses(question.records, *port);
    let server = |(endpoint, address): (&Endpoint, std::net::SocketAddr)| Server {
        name: format!("{}/{address}", template.name).into(),
        address,
        weight: match question.records {
            Records::Address => template.weight,
            Records::Service => share(endpoint.weight, heaviest),
        },
        backup: template.backup || Some(endpoint.priority) != lowest,
        ..template.clone()
    };
    known.endpoints.iter().zip(addresses).map(server).collect()
}

/// The weight of a service record, which goes to 65535, as one of ours, which go to 256. Zero is
/// "a little" there (RFC 2782) and "nothing" here.
fn share(weight: u16, heaviest: u16) -> u16 {
    const MOST: u32 = 256;
    let scaled = if u32::from(heaviest) > MOST {
        u32::from(weight) * MOST / u32::from(heaviest)
    } else {
        u32::from(weight)
    };
    u16::try_from(scaled.max(1)).expect("at most 256")
}

/// What differs between the servers of two configurations: pool, name, and whether it came or went.
pub(crate) fn differences<'a>(
    before: &'a Config,
    after: &'a Config,
) -> Vec<(Change, &'a Pool, &'a Server)> {
    let missing = |from: &'a Config, to: &'a Config, change: Change| {
        let mut missing = Vec::new();
        for pool in &from.pools {
            let other = to.pools.iter().find(|it| it.name == pool.name);
            let other: HashSet<_> = other
                .into_iter()
                .flat_map(|it| &it.servers)
                .map(|it| (&it.name, it.address))
                .collect();
            let gone = pool.servers.iter().filter(|it| !other.contains(&(&it.name, it.address)));
            missing.extend(gone.map(|server| (change, pool, server)));
        }
        missing
    };
    let mut differences = missing(after, before, Change::Came);
    differences.extend(missing(before, after, Change::Went));
    differences
}

/// What became of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Came,
    Went,
}

#[cfg(test)]
mod tests;
