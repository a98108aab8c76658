//! The node: an engine, the configuration in force, and the one path by which it changes.

pub(crate) mod acme;
pub(crate) mod certificates;
mod drills;
mod layers;
pub(crate) mod names;
mod offer;
mod pair;
pub(crate) mod prometheus;
mod said;
mod servers;
pub(crate) mod upgrade;
mod vips;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use evenkeel_api as api;
use evenkeel_core::hash::Seed;
use evenkeel_core::ticket_key::TicketKey;
use evenkeel_engine::{
    Asked, Drained, Engine, EngineStatus, ExplainError, Explanation, Mishap, Options,
    TracedExchange,
};
use tokio::sync::{Notify, broadcast, mpsc};

use self::acme::{Orders, Wanted};
pub(crate) use self::drills::DrillError;
use self::drills::{DRILLS_FILE, Drills};
pub(crate) use self::layers::Membership;
use self::pair::Pair;
pub(crate) use self::pair::{LinkFigures, Told};
pub(crate) use self::servers::ServerError;
use self::servers::Servers;
use self::upgrade::Upgrades;
use crate::clock;
use crate::compile::{
    Compiled, NodeSettings, PrometheusSettings, ReceiverSettings, Surroundings, Token, compile,
};
use crate::describe;
use crate::export::Exports;
use crate::finding::Findings;
use crate::handover::Estate;
use crate::history::History;
use crate::live::Live;
use crate::notify::{Notice, notify};
use crate::origin::{Origin, UnreadableError};
use crate::recorder::Recorder;

/// Versions kept, so that one can be looked up or applied again.
const MOST_VERSIONS: usize = 20;

/// Events a slow reader may be behind before it loses the oldest.
const MOST_EVENTS: usize = 256;

/// A configuration read and understood, not yet in force.
#[derive(Debug)]
pub struct Loaded {
    pub compiled: Compiled,
    text: String,
    /// What the operator knows the text by.
    name: String,
}

/// Why a configuration is not in force.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Unreadable(#[from] UnreadableError),
    #[error("the configuration has faults")]
    Faults(Findings),
    #[error("cannot apply the configuration")]
    Refused(#[from] evenkeel_engine::ApplyError),
    #[error("the configuration is {current} by now, not {expected}: read it again")]
    Stale { expected: String, current: String },
    #[error("the configuration came from the command line: there is no file to read again")]
    NothingToReload,
    #[error("cannot make a certificate to show until the one that is ordered arrives: {0}")]
    StandIn(String),
    #[error("the configuration could not be compiled: a defect of this program")]
    Defect(#[source] tokio::task::JoinError),
}

impl Loaded {
    /// Reads and compiles what `origin` holds now.
    pub fn from(origin: &Origin, surroundings: &Surroundings) -> Result<Self, LoadError> {
        Self::compile(origin.name(), origin.read()?, surroundings)
    }

    fn compile(name: String, text: String, surroundings: &Surroundings) -> Result<Self, LoadError> {
        let compiled = compile(&name, &text, surroundings).map_err(LoadError::Faults)?;
        Ok(Self { compiled, text, name })
    }
}

/// A version of the configuration that is or was in force.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Follows from the text alone, so that it survives a restart.
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) origin: String,
    pub(crate) applied: SystemTime,
}

/// How changes of the configuration went, for `status` and `/metrics`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) applied_total: u64,
    pub(crate) refused_total: u64,
    pub(crate) last_refusal: Option<String>,
}

/// What is true since the last change.
#[derive(Debug, Default)]
struct Current {
    /// The newest first; never empty once the node has started.
    versions: VecDeque<Version>,
    needs_restart: Vec<String>,
    warnings: Vec<api::Found>,
    token: Option<Token>,
    drain: Duration,
    drain_after_upgrade: Duration,
    tally: Tally,
    /// What seals session tickets, the newest first.
    ticket_keys: Vec<TicketKey>,
    /// Certificates that are ordered.
    acme: Option<Wanted>,
    prometheus: Option<PrometheusSettings>,
    /// Who is told of spans.
    receiver: Option<Arc<ReceiverSettings>>,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    engine: Engine,
    origin: Origin,
    surroundings: Surroundings,
    /// As they were at the start: name, threads and state directory hold for the whole run.
    settings: NodeSettings,
    /// Where the admin server listens; with port 0 in the text, not what that says.
    admin: SocketAddr,
    /// What the text said of it.
    admin_bind: SocketAddr,
    started: SystemTime,
    /// Held while a configuration is taking effect: one at a time.
    changing: tokio::sync::Mutex<()>,
    current: Mutex<Current>,
    servers: Mutex<Servers>,
    /// The servers may be others than those the engine has.
    rebuild_wanted: Notify,
    /// Other names may have to be asked for.
    names_wanted: Notify,
    /// Other certificates may have to be ordered.
    acme_wanted: Notify,
    orders: Mutex<Orders>,
    events: broadcast::Sender<api::Event>,
    upgrades: Upgrades,
    live: Live,
    history: History,
    recorder: Recorder,
    pair: Pair,
    drills: Drills,
    exports: Exports,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot start the engine")]
    Engine(#[from] evenkeel_engine::StartError),
    #[error("cannot start the thread that keeps the history")]
    History(#[source] std::io::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Node {
    /// Starts an engine and applies `loaded` to it, on sockets of `estate` where it has them.
    /// `admin` is where the admin server listens.
    pub async fn start(
        origin: Origin,
        surroundings: Surroundings,
        loaded: Loaded,
        admin: SocketAddr,
        estate: Estate,
    ) -> Result<Self, StartError> {
        let settings = loaded.compiled.node.clone();
        let (boot, boot_problem) = vips::next_boot(state_directory(&origin, &settings)).await;
        let history = state_directory(&origin, &settings);
        let history = History::start(history, loaded.compiled.history.size);
        let history = history.map_err(StartError::History)?;
        let engine = Engine::start(&Options { workers: settings.workers, boot })?;
        engine.inherit(estate.addresses);
        if estate.awaits_vips {
            engine.await_vips();
        }
        let (events, _) = broadcast::channel(MOST_EVENTS);
        let (pair, pair_problem) = Pair::restore(state_directory(&origin, &settings));
        let (drills, drills_problem) = Drills::restore(state_directory(&origin, &settings));
        let node = Self {
            servers: Mutex::new(Servers::restore(state_directory(&origin, &settings))),
            rebuild_wanted: Notify::new(),
            names_wanted: Notify::new(),
            acme_wanted: Notify::new(),
            orders: Mutex::default(),
            engine,
            origin,
            surroundings,
            settings,
            admin,
            admin_bind: loaded.compiled.admin.bind,
            started: clock::now(),
            changing: tokio::sync::Mutex::default(),
            current: Mutex::default(),
            events,
            upgrades: Upgrades::default(),
            live: Live::default(),
            history,
            recorder: Recorder::default(),
            pair,
            drills,
            exports: Exports::default(),
        };
        for (file, problem) in [
            (pair::WORDS_FILE, pair_problem),
            (vips::BOOT_FILE, boot_problem),
            (DRILLS_FILE, drills_problem),
        ] {
            if let Some(problem) = problem {
                node.servers().problem(file, &problem);
            }
        }
        node.restore_ticket_keys().await;
        node.put_in_force(loaded).await?;
        Ok(node)
    }

    /// The node at a glance.
    pub fn status(&self) -> api::Status {
        describe::node(self)
    }

    /// Reads the file again and applies it. On an error everything is as it was.
    pub async fn reload(&self) -> Result<api::Applied, LoadError> {
        let _one_at_a_time = self.changing.lock().await;
        let origin = self.origin.clone();
        let result = match origin {
            Origin::Text { .. } => Err(LoadError::NothingToReload),
            Origin::File(_) => self.change(move |here| Loaded::from(&origin, here)).await,
        };
        self.told(result)
    }

    /// What a reload would read.
    pub(crate) async fn file_text(&self) -> Result<String, LoadError> {
        let origin = self.origin.clone();
        let reading = tokio::task::spawn_blocking(move || origin.read());
        Ok(reading.await.map_err(LoadError::Defect)??)
    }

    /// Applies `text` in place of the version `expected`, if one is named. The file stays as it is.
    pub(crate) async fn replace(
        &self,
        text: String,
        expected: Option<&str>,
    ) -> Result<api::Applied, LoadError> {
        let _one_at_a_time = self.changing.lock().await;
        let current = self.version().id;
        let result = match expected {
            Some(expected) if expected != current => {
                Err(LoadError::Stale { expected: expected.to_owned(), current })
            }
            _ => self.change(|here| Loaded::compile("api".to_owned(), text, here)).await,
        };
        self.told(result)
    }

    /// Compiling a large file takes its time: it must not hold up the admin server.
    async fn change(
        &self,
        load: impl FnOnce(&Surroundings) -> Result<Loaded, LoadError> + Send + 'static,
    ) -> Result<api::Applied, LoadError> {
        let here = self.surroundings.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&here)).await;
        self.put_in_force(loaded.map_err(LoadError::Defect)??).await
    }

    /// The one path by which a configuration takes effect.
    async fn put_in_force(&self, loaded: Loaded) -> Result<api::Applied, LoadError> {
        let Loaded { compiled, text, name: origin } = loaded;
        let Compiled {
            config,
            members,
            resolver,
            acme,
            pair,
            node,
            admin,
            history,
            prometheus,
            receiver,
            warnings,
        } = compiled;
        self.stand_in(&config).await?;
        let ordered = acme::wanted(acme, &config);
        let staged = self.stage(config, members, resolver).await;
        self.apply_staged(staged).await?;
        self.history.resize(history.size);
        let mut needs_restart = Vec::new();
        let NodeSettings { name, workers, state_dir, drain, drain_after_upgrade, zone: _ } = node;
        if name != self.settings.name {
            needs_restart.push("node.name".to_owned());
        }
        if workers != self.settings.workers {
            needs_restart.push("node.workers".to_owned());
        }
        if state_dir != self.settings.state_dir {
            needs_restart.push("node.state_dir".to_owned());
        }
        if admin.bind != self.admin_bind {
            needs_restart.push("admin.bind".to_owned());
        }
        let id = version_of(&text);
        let version = Version { id, text: text.clone(), origin, applied: clock::now() };
        let warnings = describe::findings(&warnings);
        let applied = api::Applied {
            version: version.id.clone(),
            needs_restart: needs_restart.clone(),
            warnings: warnings.clone(),
            peer: None,
        };
        {
            let mut current = self.current();
            if current.versions.front().is_some_and(|front| front.id == version.id) {
                current.versions.pop_front();
            }
            current.versions.push_front(version);
            current.versions.truncate(MOST_VERSIONS);
            current.needs_restart = needs_restart;
            current.warnings = warnings;
            current.token = admin.token;
            current.drain = drain;
            current.drain_after_upgrade = drain_after_upgrade;
            current.acme = ordered;
            current.prometheus = prometheus;
            current.receiver = receiver.map(Arc::new);
            self.acme_wanted.notify_one();
            current.tally.applied_total += 1;
            current.tally.last_refusal = None;
        }
        self.follow_pair(pair, &text).await;
        Ok(applied)
    }

    /// Announces how a change went.
    fn told(&self, result: Result<api::Applied, LoadError>) -> Result<api::Applied, LoadError> {
        match &result {
            Ok(applied) => {
                let mut message = format!("version {} is in force", applied.version);
                if !applied.needs_restart.is_empty() {
                    let keys = applied.needs_restart.join(", ");
                    message = format!("{message}; after the next start also: {keys}");
                }
                notify(Notice::Standing(&message));
                self.announce("config-applied", message);
            }
            Err(error) => {
                let why = describe::in_one_line(error);
                let mut current = self.current();
                current.tally.refused_total += 1;
                current.tally.last_refusal = Some(why.clone());
                drop(current);
                let message = format!("everything stays as it was: {why}");
                notify(Notice::Standing(&format!("the last change was refused, {message}")));
                self.announce("config-refused", message);
            }
        }
        result
    }

    /// Says something about the node itself.
    pub(crate) fn announce(&self, kind: &str, message: String) {
        let at = api::Timestamp(clock::now());
        let subject = self.settings.name.clone();
        self.publish(api::Event { at, kind: kind.to_owned(), subject, message });
    }

    /// Gives an event to whoever listens, and to the log.
    pub(crate) fn publish(&self, event: api::Event) {
        self.recorder.event(&event);
        let api::Event { at: _, kind, subject, message } = &event;
        match kind.as_str() {
            "acme-failed"
            | "name-failing"
            | "servers-file-refused"
            | "state-unwritable"
            | "server-down"
            | "export-failing"
            | "targets-unwritten"
            | "pool-mode"
            | "accept-paused"
            | "certificate-expired"
            | "certificate-expires"
            | "certificate-ocsp-expired"
            | "certificate-refused"
            | "drill-aborted"
            | "vip-advert-refused"
            | "vip-conflict"
            | "vip-cut"
            | "vip-differs"
            | "vip-fault"
            | "vip-mute"
            | "vip-slept"
            | "vip-trouble"
            | "vip-unmoved"
            | "vip-withheld"
            | "pair-clock"
            | "pair-down"
            | "pair-fault"
            | "pair-offer-refused"
            | "pair-offer-unwritten"
            | "pair-refused"
            | "config-refused"
            | "upgrade-failed" => {
                tracing::warn!(kind, subject, "{message}");
            }
            "connection-panicked" | "control-panicked" => {
                tracing::error!(kind, subject, "{message}");
            }
            _ => tracing::info!(kind, subject, "{message}"),
        }
        // Nobody listening is no fault.
        let _ = self.events.send(event);
    }

    /// Passes the engine's events on; never returns.
    pub(crate) async fn relay_events(&self) {
        let mut events = self.engine.events();
        loop {
            match events.recv().await {
                Ok(event) => self.publish(describe::event(&event)),
                Err(broadcast::error::RecvError::Lagged(lost)) => {
                    tracing::warn!("{lost} events came faster than they could be told");
                }
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Stops accepting and lets what runs finish, within `node.drain`.
    pub(crate) async fn drain(&self) -> Drained {
        let limit = self.current().drain;
        let shown = limit.as_secs_f64();
        self.announce("draining", format!("finishing what runs, at most {shown} s"));
        let drained = self.engine.drain(limit).await;
        self.announce("drained", format!("{} connections were cut", drained.cut));
        drained
    }

    /// Has the access log go to whatever has its file's name by now.
    pub(crate) fn reopen_log(&self) {
        self.announce("log-reopened", "the access log's file is opened again".to_owned());
        self.engine.reopen_log();
    }

    /// Returns once every engine thread has shown that it lives.
    pub(crate) async fn answers(&self) {
        self.engine.answers().await;
    }

    pub(crate) fn engine_status(&self) -> EngineStatus {
        self.engine.status()
    }

    /// What would be done with a request.
    pub(crate) fn explain(&self, asked: &Asked) -> Result<Explanation, ExplainError> {
        self.engine.explain(asked)
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<api::Event> {
        self.events.subscribe()
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Exchanges that failed or were slow, for the one who keeps them.
    pub(crate) fn mishaps(&self) -> Option<mpsc::Receiver<Mishap>> {
        self.engine.mishaps()
    }

    /// Exchanges whose spans are to be exported, for the one who does that.
    pub(crate) fn spans(&self) -> Option<mpsc::Receiver<TracedExchange>> {
        self.engine.spans()
    }

    /// Who is told of spans at the moment.
    pub(crate) fn receiver(&self) -> Option<Arc<ReceiverSettings>> {
        self.current().receiver.clone()
    }

    /// Spans that found no room on their way to the one who exports them.
    pub(crate) fn spans_without_room(&self) -> u64 {
        self.engine.spans_dropped()
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.exports
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn settings(&self) -> &NodeSettings {
        &self.settings
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub(crate) fn started(&self) -> SystemTime {
        self.started
    }

    pub(crate) fn token(&self) -> Option<Token> {
        self.current().token.clone()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.current().tally.clone()
    }

    /// The version in force.
    pub(crate) fn version(&self) -> Version {
        self.current().versions.front().cloned().expect("a node starts with a version")
    }

    /// The newest first.
    pub(crate) fn versions(&self) -> Vec<Version> {
        self.current().versions.iter().cloned().collect()
    }

    pub(crate) fn config_status(&self) -> api::ConfigStatus {
        let version = self.version();
        let current = self.current();
        api::ConfigStatus {
            version: version.id,
            origin: version.origin,
            applied: api::Timestamp(version.applied),
            needs_restart: current.needs_restart.clone(),
            warnings: current.warnings.clone(),
            last_refusal: current.tally.last_refusal.clone(),
        }
    }

    /// Where what operators say and what names lead to is kept.
    fn state_directory(&self) -> Option<&Path> {
        state_directory(&self.origin, &self.settings)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node that was made from the command line has nothing to come back to.
fn state_directory<'a>(origin: &Origin, settings: &'a NodeSettings) -> Option<&'a Path> {
    match origin {
        Origin::File(_) => Some(&settings.state_dir),
        Origin::Text { .. } => None,
    }
}

/// The same for the same text, whatever build of this program says so.
fn version_of(text: &str) -> String {
    const VERSIONS: Seed = Seed::new(*b"evenkeel version");
    format!("{:016x}", VERSIONS.hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_one_name_for_good() {
        assert_eq!(version_of("[node]\n"), "c1c90834301d5eff");
    }
}
