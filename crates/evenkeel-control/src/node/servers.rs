//! The servers of a running node: what is listed, what operators said, and what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_api as api;
use evenkeel_core::config::Config;
use evenkeel_engine::{AdminChange, AdminState, ApplyError};
use serde::Serialize;

use super::Node;
use super::layers::configured;
use super::said::said;
use crate::clock;
use crate::compile::{self, ResolverSettings};
use crate::membership::{Listed, Question, belongs};
use crate::names::{Answer, Kept, Known, Resolved};
use crate::overlay::{self, Change, Files, Layers, Sourced, overlay};
use crate::overrides::{Dropped, MOST_OVERRIDES, Overrides};
use crate::state_file::{self, StateError};
use crate::targets::{self, Look};

/// What operators said, in `state_dir`.
const OVERRIDES_FILE: &str = "overrides.json";

/// The addresses behind names, in `state_dir`.
const NAMES_FILE: &str = "names.json";

/// What the servers in use follow from.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// As compiled.
    pub(super) config: Config,
    pub(super) members: Vec<Vec<Listed>>,
    resolver: ResolverSettings,
    /// Grows with every configuration: names are asked for anew.
    generation: u64,
    pub(super) overrides: Overrides,
    pub(super) resolved: Resolved,
    files: Files,
    pub(super) looks: BTreeMap<PathBuf, Look>,
    /// What the engine was last given.
    pub(super) applied: Config,
    kept_names: Vec<Kept>,
    /// What went wrong with the files in `state_dir`, by their names.
    pub(super) problems: BTreeMap<&'static str, String>,
}

/// A configuration about to take effect.
pub(super) struct Staged {
    pub(super) config: Config,
    members: Vec<Vec<Listed>>,
    resolver: ResolverSettings,
    overrides: Overrides,
    dropped: Vec<Dropped>,
    /// With the servers as they are now.
    pub(super) overlaid: Config,
}

/// Why a server was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("{0}")]
    NotThere(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Conflict(String),
    #[error("cannot apply it: {0}")]
    Refused(#[from] ApplyError),
}

/// What resolvers are to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) generation: u64,
    pub(crate) resolver: ResolverSettings,
    pub(crate) questions: BTreeSet<Question>,
}

impl Servers {
    /// With what a run before kept in `directory`.
    pub(super) fn restore(directory: Option<&Path>) -> Self {
        let mut servers = Self::default();
        let Some(directory) = directory else { return servers };
        match state_file::load(&directory.join(OVERRIDES_FILE)) {
            Ok(overrides) => servers.overrides = overrides.unwrap_or_default(),
            Err(error) => servers.problem(OVERRIDES_FILE, &error),
        }
        match state_file::load::<Vec<Kept>>(&directory.join(NAMES_FILE)) {
            Ok(kept) => {
                servers.kept_names = kept.unwrap_or_default();
                servers.resolved = Resolved::from_kept(servers.kept_names.clone());
            }
            Err(error) => servers.problem(NAMES_FILE, &error),
        }
        servers
    }

    pub(super) fn problem(&mut self, file: &'static str, error: &StateError) {
        tracing::warn!(kind = "state", "{error}");
        self.problems.insert(file, error.to_string());
    }

    pub(super) fn layers<'a>(&'a self, overrides: &'a Overrides) -> Layers<'a> {
        Layers { overrides, resolved: &self.resolved, files: &self.files }
    }

    pub(super) fn overlaid(&self, overrides: &Overrides) -> Config {
        overlay(&self.config, &self.members, self.layers(overrides))
    }

    fn paths(members: &[Vec<Listed>]) -> BTreeSet<PathBuf> {
        let path = |listed: &Listed| match listed {
            Listed::File(path) => Some(path.clone()),
            Listed::Fixed(_) | Listed::Named(_) => None,
        };
        members.iter().flatten().filter_map(path).collect()
    }

    /// What `pool` lists, by its name.
    fn listed(&self, pool: &str) -> Result<&[Listed], ServerError> {
        let at = self.config.pools.iter().position(|it| &*it.name == pool);
        let listed = at.and_then(|at| self.members.get(at));
        let gone = || ServerError::NotThere(format!("there is no pool `{pool}`"));
        Ok(listed.ok_or_else(gone)?)
    }

    /// The servers of `pool` now, which must have one called `server`.
    fn find(&self, pool: &str, server: &str) -> Result<Vec<Sourced>, ServerError> {
        let listed = self.listed(pool)?;
        let servers = overlay::servers(pool, listed, self.layers(&self.overrides));
        let mut entries = overlay::entries(pool, listed, self.layers(&self.overrides)).into_iter();
        let is_entry =
            entries.any(|entry| entry.listed.server().is_some_and(|it| &*it.name == server));
        if is_entry || servers.iter().any(|it| &*it.server.name == server) {
            return Ok(servers);
        }
        let names: Vec<&str> = servers.iter().map(|it| &*it.server.name).collect();
        let names = names.join(", ");
        let detail = format!("pool `{pool}` has no server `{server}`; it has: {names}");
        Err(ServerError::NotThere(detail))
    }
}

impl Node {
    /// What `config` means with the servers as they are, read from files anew.
    pub(super) async fn stage(
        &self,
        config: Config,
        members: Vec<Vec<Listed>>,
        resolver: ResolverSettings,
    ) -> Staged {
        self.look_at_files(Servers::paths(&members)).await;
        let servers = self.servers();
        let mut overrides = servers.overrides.clone();
        self.pair.put_unfit(&mut overrides);
        let pools = config.pools.iter().map(|pool| &*pool.name);
        let mut dropped =
            overrides.reconcile(&pools.zip(members.iter().map(Vec::as_slice)).collect());
        self.pair.settle_unfit(&overrides, &mut dropped);
        let overlaid = overlay(&config, &members, servers.layers(&overrides));
        drop(servers);
        Staged { config, members, resolver, overrides, dropped, overlaid }
    }

    /// Gives the engine what was staged.
    pub(super) async fn apply_staged(&self, staged: Staged) -> Result<(), ApplyError> {
        let Staged { config, members, resolver, overrides, dropped, overlaid } = staged;
        self.apply(overlaid, &overrides).await?;
        let changed = {
            let mut servers = self.servers();
            servers.config = config;
            servers.members = members;
            servers.resolver = resolver;
            servers.generation += 1;
            let changed = servers.overrides != overrides;
            servers.overrides = overrides;
            changed
        };
        self.names_wanted.notify_one();
        self.tell_of_dropped(&dropped);
        if changed {
            self.keep_overrides().await;
        }
        Ok(())
    }

    /// Adds a server to a pool, or takes back that it was removed.
    pub(crate) async fn add_server(
        &self,
        pool: &str,
        addition: &api::ServerAddition,
    ) -> Result<(), ServerError> {
        let api::ServerAddition {
            address,
            name,
            weight,
            backup,
            zone,
            author,
            reason,
            expires_in_seconds,
        } = addition;
        let listed = compile::listed(address).map_err(ServerError::Invalid)?;
        let name = match name {
            Some(name) => compile::server_name(name).map_err(ServerError::Invalid)?,
            None => Arc::clone(&listed.server().expect("it is no file").name),
        };
        let weight = valid_weight(weight.unwrap_or(1))?;
        let zone = zone.as_deref().map(compile::zone_name).transpose();
        let zone = zone.map_err(ServerError::Invalid)?;
        let said = said(author, reason, *expires_in_seconds)?;
        let (address, backup) = (address.clone(), *backup);
        let added = api::AddedServer { address, weight, backup, zone, said: said.clone() };
        self.edit(&said, |overrides, servers| {
            let in_file = servers.listed(pool)?.iter().any(|it| it.is_source_of(&name));
            let was_removed = overrides.of(pool, &name).is_some_and(|it| it.removed.is_some());
            if in_file && was_removed {
                return change(overrides, pool, &name, |over| over.removed = None);
            }
            let now = overlay::servers(pool, servers.listed(pool)?, servers.layers(overrides));
            let taken = now.iter().find(|it| {
                let same = listed.server().is_some_and(|new| new.address == it.server.address);
                same || belongs(&it.server.name, &name)
            });
            if in_file || taken.is_some() {
                let detail = format!("pool `{pool}` has a server `{name}` or one at its address");
                return Err(ServerError::Conflict(detail));
            }
            change(overrides, pool, &name, |over| over.added = Some(added))
        })
        .await
    }

    /// Takes a server out of a pool: what runs on it finishes.
    pub(crate) async fn remove_server(
        &self,
        pool: &str,
        server: &str,
        removal: &api::ServerRemoval,
    ) -> Result<(), ServerError> {
        let api::ServerRemoval { author, reason, expires_in_seconds } = removal;
        let said = said(author, reason, *expires_in_seconds)?;
        self.edit(&said, |overrides, servers| {
            servers.find(pool, server)?;
            change(overrides, pool, server, |over| match over.added.take() {
                Some(_) => *over = api::ServerOverride::default(),
                None => over.removed = Some(said.clone()),
            })
        })
        .await
    }

    /// Sets admin state, weight or both.
    pub(crate) async fn change_server(
        &self,
        pool: &str,
        server: &str,
        wish: &api::ServerChange,
    ) -> Result<(), ServerError> {
        let api::ServerChange { state, weight, author, reason, expires_in_seconds } = wish;
        if state.is_none() && weight.is_none() {
            let detail = "say what to change: `state`, `weight` or both";
            return Err(ServerError::Invalid(detail.to_owned()));
        }
        let weight = weight.map(valid_weight).transpose()?;
        let said = said(author, reason, *expires_in_seconds)?;
        self.edit(&said, |overrides, servers| {
            let known = servers.find(pool, server)?;
            let entry = known.iter().find(|it| belongs(&it.server.name, server));
            let configured = entry.and_then(configured_weight);
            if state.is_some() && !known.iter().any(|it| &*it.server.name == server) {
                let detail = format!("`{server}` has no address yet: nothing to set");
                return Err(ServerError::Conflict(detail));
            }
            change(overrides, pool, server, |over| {
                if let Some(weight) = weight {
                    let said = said.clone();
                    let differs = configured != Some(weight);
                    over.weight =
                        differs.then_some(api::WeightOverride { weight, configured, said });
                }
                if let Some(state) = *state {
                    let said = said.clone();
                    let differs = state != api::AdminState::Ready;
                    over.state = differs.then_some(api::StateOverride { state, said });
                }
            })
        })
        .await?;
        if let Some(state) = state {
            let change = AdminChange {
                state: engine_state(*state),
                author: said.author.as_str().into(),
                reason: said.reason.as_str().into(),
            };
            self.engine.set_admin_state(pool, server, change);
        }
        Ok(())
    }

    /// Changes what operators said, with its effect; `by` says who does so.
    async fn edit(
        &self,
        by: &api::Said,
        change: impl FnOnce(&mut Overrides, &Servers) -> Result<(), ServerError>,
    ) -> Result<(), ServerError> {
        let _one_at_a_time = self.changing.lock().await;
        let (overrides, config) = {
            let servers = self.servers();
            let mut overrides = servers.overrides.clone();
            change(&mut overrides, &servers)?;
            let config = servers.overlaid(&overrides);
            (overrides, config)
        };
        self.apply_changed(config, &overrides).await?;
        let before = std::mem::replace(&mut self.servers().overrides, overrides.clone());
        self.names_wanted.notify_one();
        self.keep_overrides().await;
        self.say_to_peer(&before, &overrides, by).await;
        Ok(())
    }

    /// Makes the engine work with the servers as they are known now.
    async fn rebuild(&self) {
        let _one_at_a_time = self.changing.lock().await;
        let (overrides, config) = {
            let servers = self.servers();
            (servers.overrides.clone(), servers.overlaid(&servers.overrides))
        };
        match self.apply_changed(config, &overrides).await {
            // A node that stops has no use for other servers.
            Ok(()) | Err(ApplyError::Draining) => {}
            Err(error) => tracing::warn!("the servers stay as they were: {error}"),
        }
        self.names_wanted.notify_one();
        self.keep_names_known().await;
    }

    /// Gives the engine other servers than it has, and tells of them.
    pub(super) async fn apply_changed(
        &self,
        config: Config,
        overrides: &Overrides,
    ) -> Result<(), ApplyError> {
        let before = self.servers().applied.clone();
        if before == config {
            return Ok(());
        }
        self.apply(config.clone(), overrides).await?;
        for (change, pool, server) in overlay::differences(&before, &config) {
            let (kind, word) = match change {
                Change::Came => ("server-added", "came"),
                Change::Went => ("server-removed", "went; what runs on it finishes"),
            };
            let subject = format!("{}/{}", pool.name, server.name);
            let message = format!("{} {word}", server.address);
            let at = api::Timestamp(clock::now());
            self.publish(api::Event { at, kind: kind.to_owned(), subject, message });
        }
        Ok(())
    }

    /// Gives the engine a configuration. A server that comes with an admin state takes nothing
    /// before it has it.
    async fn apply(&self, config: Config, overrides: &Overrides) -> Result<(), ApplyError> {
        let before = self.servers().applied.clone();
        let mut held = Vec::new();
        let mut quiet = config.clone();
        for (pool, servers) in &overrides.pools {
            let Some(at) = quiet.pools.iter().position(|it| *it.name == **pool) else { continue };
            for server in &mut quiet.pools[at].servers {
                let known = before.pools.iter().find(|it| *it.name == **pool);
                let is_known = known.is_some_and(|it| {
                    it.servers
                        .iter()
                        .any(|it| it.name == server.name && it.address == server.address)
                });
                let state = servers.get(&*server.name).and_then(|over| over.state.as_ref());
                if let (Some(over), false) = (state, is_known) {
                    server.weight = 0;
                    held.push((pool, Arc::clone(&server.name), over));
                }
            }
        }
        if !held.is_empty() {
            self.engine.apply(quiet).await?;
            for (pool, server, over) in held {
                let change = AdminChange {
                    state: engine_state(over.state),
                    author: over.said.author.as_str().into(),
                    reason: over.said.reason.as_str().into(),
                };
                self.engine.set_admin_state(pool, &server, change);
            }
        }
        self.engine.apply(config.clone()).await?;
        self.servers().applied = config;
        Ok(())
    }

    /// Keeps the servers up to date; never returns.
    pub(crate) async fn keep_servers(&self) {
        /// How late a changed file or an end may be noticed.
        const LOOK_EVERY: Duration = Duration::from_secs(1);
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = self.rebuild_wanted.notified() => self.rebuild().await,
                _ = tick.tick() => {
                    let paths = Servers::paths(&self.servers().members);
                    let changed = self.look_at_files(paths).await;
                    if self.expire().await || changed {
                        self.rebuild().await;
                    }
                }
            }
        }
    }

    /// Ends what was said for a time that is over. Returns whether there was anything.
    async fn expire(&self) -> bool {
        let (dropped, before, after) = {
            let _one_at_a_time = self.changing.lock().await;
            let overrides = &mut self.servers().overrides;
            if !overrides.have_ended(clock::now()) {
                return false;
            }
            let before = overrides.clone();
            (overrides.expire(clock::now()), before, overrides.clone())
        };
        self.tell_of_dropped(&dropped);
        self.keep_overrides().await;
        self.end_words(&before, &after).await;
        true
    }

    fn tell_of_dropped(&self, dropped: &[Dropped]) {
        for Dropped { pool, server, message, state } in dropped {
            let (at, kind) = (api::Timestamp(clock::now()), "override-dropped".to_owned());
            let subject = format!("{pool}/{server}");
            self.publish(api::Event { at, kind, subject, message: message.clone() });
            if *state {
                let reason = message.as_str().into();
                let change = AdminChange { state: AdminState::Ready, author: "".into(), reason };
                self.engine.set_admin_state(pool, server, change);
            }
        }
    }

    /// Reads files with servers that changed. A bad one leaves what was known. Returns whether
    /// there was anything new.
    async fn look_at_files(&self, paths: BTreeSet<PathBuf>) -> bool {
        let looks = self.servers().looks.clone();
        let look = move || -> Vec<(PathBuf, Look)> {
            let look = |path: PathBuf| {
                let look = targets::look(&path, looks.get(&path))?;
                Some((path, look))
            };
            paths.into_iter().filter_map(look).collect()
        };
        // A file on a disk that hangs must hang nothing else.
        let looked = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        let changed = !looked.is_empty();
        for (path, look) in looked {
            let shown = path.display();
            match &look.content {
                Ok(listed) => {
                    let message = format!("{shown} lists {} servers", listed.len());
                    self.servers().files.insert(path.clone(), listed.clone());
                    self.announce("servers-file", message);
                }
                Err(reason) => {
                    let message = format!("{shown} {reason}; its servers stay as they were");
                    self.announce("servers-file-refused", message);
                }
            }
            self.servers().looks.insert(path, look);
        }
        changed
    }

    /// What resolvers are to be asked.
    pub(crate) fn wanted_names(&self) -> Wanted {
        let mut servers = self.servers();
        let layers = servers.layers(&servers.overrides);
        let questions = overlay::questions(&servers.config, &servers.members, layers);
        servers.resolved.keep_only(&questions);
        let (generation, resolver) = (servers.generation, servers.resolver.clone());
        Wanted { generation, resolver, questions }
    }

    /// Takes in an answer. Returns how many failures in a row there are.
    pub(crate) fn note_answer(&self, question: &Question, outcome: &Result<Answer, String>) -> u32 {
        let now = api::Timestamp(clock::now());
        let mut servers = self.servers();
        let before = servers.resolved.of(question).map_or(0, Known::failures);
        let changed = servers.resolved.note(question, outcome, now);
        let failures = servers.resolved.of(question).map_or(0, Known::failures);
        drop(servers);
        let told = match outcome {
            Err(reason) if before == 0 => {
                let message = format!("{reason}; addresses known from before are kept");
                Some(("name-failing", message))
            }
            Ok(_) if before > 0 => Some(("name-resolved", "it is answered again".to_owned())),
            _ => None,
        };
        if let Some((kind, message)) = told {
            let (kind, subject) = (kind.to_owned(), question.host.clone());
            self.publish(api::Event { at: now, kind, subject, message });
        }
        if changed {
            self.rebuild_wanted.notify_one();
        }
        failures
    }

    pub(super) async fn keep_overrides(&self) {
        let overrides = self.servers().overrides.clone();
        self.keep(OVERRIDES_FILE, overrides).await;
    }

    async fn keep_names_known(&self) {
        let kept = {
            let mut servers = self.servers();
            let kept = servers.resolved.to_keep();
            if servers.kept_names == kept {
                return;
            }
            servers.kept_names.clone_from(&kept);
            kept
        };
        self.keep(NAMES_FILE, kept).await;
    }

    /// Writes a document of the state. A failure is told and changes nothing else.
    pub(super) async fn keep(&self, file: &'static str, document: impl Serialize + Send + 'static) {
        let Some(path) = self.state_directory().map(|directory| directory.join(file)) else {
            return;
        };
        let saved = tokio::task::spawn_blocking(move || state_file::save(&path, &document)).await;
        match saved {
            Ok(Ok(())) => drop(self.servers().problems.remove(file)),
            Ok(Err(error)) => {
                let news = self.servers().problems.insert(file, error.to_string()).is_none();
                if news {
                    self.announce("state-unwritable", error.to_string());
                }
            }
            // The runtime is going down.
            Err(_) => {}
        }
    }

    pub(super) fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn configured_weight(sourced: &Sourced) -> Option<u16> {
    configured(sourced).map(|configured| configured.weight)
}

fn change(
    overrides: &mut Overrides,
    pool: &str,
    server: &str,
    change: impl FnOnce(&mut api::ServerOverride),
) -> Result<(), ServerError> {
    if overrides.change(pool, server, change) {
        return Ok(());
    }
    let detail = format!("{MOST_OVERRIDES} servers were changed already: write it into the file");
    Err(ServerError::Conflict(detail))
}

fn valid_weight(weight: u16) -> Result<u16, ServerError> {
    const MOST: u16 = 256;
    if weight > MOST {
        return Err(ServerError::Invalid(format!("{weight} is out of range: 0 to {MOST}")));
    }
    Ok(weight)
}

pub(super) fn engine_state(state: api::AdminState) -> AdminState {
    match state {
        api::AdminState::Ready => AdminState::Ready,
        api::AdminState::Drain => AdminState::Drain,
        api::AdminState::Maint => AdminState::Maint,
    }
}
