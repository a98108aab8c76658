//! A configuration made live: the snapshot with the sockets and the servers it stands on.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_core::config::{self, AccessLog, Check, Config, InitialState, Listener, Pool};
use evenkeel_core::snapshot::Snapshot;

use crate::bound::Bound;
use crate::clock;
use crate::count::{Counter, Padded, one_each};
use crate::engine::ApplyError;
use crate::fleet::{LivePool, Server};
use crate::flow::{Ends, Flows, add};
use crate::guard::{LiveRate, Sources};
use crate::log::LogFile;
use crate::status::{Health, ListenerStatus, Verdict};
use crate::tls::{Front, ToServers};
use crate::worker::Shared;

/// What workers and judge work from until the next one comes. Immutable but for what lives in it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) snapshot: Snapshot,
    pub(crate) pools: Vec<Arc<LivePool>>,
    pub(crate) listeners: Vec<Arc<LiveListener>>,
    pub(crate) rates: Vec<Arc<LiveRate>>,
    pub(crate) log: Option<(AccessLog, Arc<LogFile>)>,
}

/// A listener of one snapshot with its sockets.
#[derive(Debug)]
pub(crate) struct LiveListener {
    pub(crate) name: Arc<str>,
    protocol: &'static str,
    /// Where TLS ends here.
    pub(crate) front: Option<Arc<Front>>,
    pub(crate) bound: Vec<Arc<Bound>>,
    pub(crate) counts: Arc<ListenerCounts>,
    /// In the order of the file.
    pub(crate) routes: Vec<Flows>,
}

/// What is counted of a listener, for as long as one of its name exists.
#[derive(Debug)]
pub(crate) struct ListenerCounts {
    /// Connections now, over all workers.
    pub(crate) open: Padded<AtomicU32>,
    tallies: Box<[Padded<ListenerTally>]>,
    pub(crate) sources: Sources,
    /// Refusals by label; rare, so a lock.
    refusals: Mutex<BTreeMap<&'static str, u64>>,
}

/// What one worker counts of one listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerTally {
    pub(crate) connections: Counter,
    pub(crate) requests: Counter,
    pub(crate) answers: [Counter; 6],
    /// Requests shed, by priority.
    pub(crate) shed: [Counter; 10],
    pub(crate) bytes_received: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) ends: Ends,
}

impl Plan {
    /// The plan of a node that does nothing yet.
    pub(crate) fn empty() -> Self {
        Self {
            snapshot: Snapshot::compile(Config::default()),
            pools: Vec::new(),
            listeners: Vec::new(),
            rates: Vec::new(),
            log: None,
        }
    }

    /// Makes `config` live, keeping of `before` what stays. An error has changed nothing; what the
    /// plan before still works with changes in [`Self::settle`].
    pub(crate) fn build(
        config: Config,
        before: &Self,
        shared: &Shared,
    ) -> Result<Self, ApplyError> {
        let log = config.access_log.clone().map(open_log).transpose()?;
        let mut listeners = Vec::with_capacity(config.listeners.len());
        for listener in &config.listeners {
            listeners.push(Arc::new(LiveListener::build(listener, &config, before, shared)?));
        }
        let mut pools = Vec::with_capacity(config.pools.len());
        for pool in &config.pools {
            pools.push(Arc::new(live_pool(pool, before, shared.workers)?));
        }
        let rates = config.rates.iter();
        let rates = rates.map(|limit| Arc::new(LiveRate::new(limit.clone(), &before.rates)));
        let rates = rates.collect();
        Ok(Self { snapshot: Snapshot::compile(config), pools, listeners, rates, log })
    }

    /// What this plan has in common with the one before is from now on as this one wants it.
    pub(crate) fn settle(&self) {
        let config = self.snapshot.config();
        for (listener, live) in config.listeners.iter().zip(&self.listeners) {
            for bound in &live.bound {
                if let Err(error) = bound.serve(&listener.protocol) {
                    let (name, address) = (&listener.name, bound.actual());
                    tracing::warn!("listener {name}: {address} still waits as before: {error}");
                }
                if !config.vips.is_empty() {
                    bound.outlive_address();
                }
            }
        }
        for pool in &self.pools {
            pool.waiting.reconfigure(pool.config.queue);
        }
    }

    pub(crate) fn pool(&self, name: &str) -> Option<&Arc<LivePool>> {
        self.pools.iter().find(|pool| &*pool.name == name)
    }

    /// Gives up the addresses that `after` does not listen on, once no worker accepts there.
    pub(crate) fn close_listeners(&self, after: Option<&Self>) {
        let stays = |bound: &Arc<Bound>| {
            after.is_some_and(|after| after.all_bound().any(|kept| Arc::ptr_eq(kept, bound)))
        };
        self.all_bound().filter(|bound| !stays(bound)).for_each(|bound| bound.close());
    }

    /// Whether a listener has this address, as configured.
    pub(crate) fn listens_on(&self, address: SocketAddr) -> bool {
        self.snapshot.config().listeners.iter().any(|listener| listener.bind.contains(&address))
    }

    pub(crate) fn all_bound(&self) -> impl Iterator<Item = &Arc<Bound>> {
        self.listeners.iter().flat_map(|listener| &listener.bound)
    }
}

fn open_log(log: AccessLog) -> Result<(AccessLog, Arc<LogFile>), ApplyError> {
    match LogFile::open(&log.to) {
        Ok(file) => Ok((log, Arc::new(file))),
        Err(source) => Err(ApplyError::AccessLog { target: log.to, source }),
    }
}

fn live_pool(pool: &Pool, before: &Plan, workers: usize) -> Result<LivePool, ApplyError> {
    let old = before.pool(&pool.name);
    let tls = ToServers::of(pool, old.and_then(|old| old.tls.as_ref()));
    let tls = tls.map_err(|source| ApplyError::ToServers {
        pool: Arc::clone(&pool.name),
        source: source.into(),
    })?;
    let before = old.iter().flat_map(|old| &old.servers);
    let by_name: HashMap<&str, &Arc<Server>> =
        before.map(|server| (&*server.name, server)).collect();
    let known = |server: &config::Server| {
        by_name.get(&*server.name).filter(|known| known.is(pool, server)).copied()
    };
    let joins = pool.servers.iter().any(|server| known(server).is_some());
    let servers = pool.servers.iter().map(|server| {
        let verdict = || initial(pool.check.as_ref(), joins);
        let new = || Server::new(pool, server, verdict(), joins, workers);
        known(server).map_or_else(|| Arc::new(new()), Arc::clone)
    });
    Ok(LivePool::new(pool, servers.collect(), tls, old.map(|old| &**old), workers))
}

/// What a server is before its first check; `joins`: others of its pool serve already.
fn initial(check: Option<&Check>, joins: bool) -> Verdict {
    let usual = if joins { InitialState::Down } else { InitialState::Up };
    let (health, reason) = match check.map(|check| check.initial.unwrap_or(usual)) {
        None => (Health::Up, "not checked; judged by its traffic"),
        Some(InitialState::Up) => (Health::Checking, "not checked yet; taken for up"),
        Some(InitialState::Down) => (Health::Down, "not checked yet; taken for down"),
    };
    Verdict { health, reason: reason.into(), since: clock::wall() }
}

impl LiveListener {
    fn build(
        listener: &Listener,
        config: &Config,
        before: &Plan,
        shared: &Shared,
    ) -> Result<Self, ApplyError> {
        let is_virtual = |address: SocketAddr| {
            config.vips.iter().any(|vip| vip.policy.addresses.contains(&address.ip()))
        };
        let mut bound = Vec::with_capacity(listener.bind.len());
        for &address in &listener.bind {
            let foreign = is_virtual(address);
            let socket = Bound::take((address, foreign), &listener.protocol, before, shared);
            let socket = socket.map_err(|source| ApplyError::Bind {
                listener: Arc::clone(&listener.name),
                address,
                source,
            })?;
            bound.push(socket);
        }
        let old = before.listeners.iter().find(|old| old.name == listener.name);
        let front = listener.protocol.front().map(|https| {
            let known = old.and_then(|old| old.front.as_ref()).filter(|front| front.is(https));
            let new = || Front::open(&listener.name, https, &shared.ticket_keys).map(Arc::new);
            known.map_or_else(new, |front| Ok(Arc::clone(front)))
        });
        let front = front.transpose().map_err(|source| ApplyError::Front {
            listener: Arc::clone(&listener.name),
            source: source.into(),
        })?;
        let written = listener.protocol.http().map_or(&[][..], |http| &http.routes);
        let known = old.iter().flat_map(|old| &old.routes);
        let known: HashMap<&str, &Flows> = known.map(|flows| (&*flows.name, flows)).collect();
        let routes = written.iter().map(|route| {
            let new = || Flows::new(&route.name, shared.workers);
            known.get(&*route.name).map_or_else(new, |known| Flows::clone(known))
        });
        Ok(Self {
            routes: routes.collect(),
            name: Arc::clone(&listener.name),
            protocol: listener.protocol.as_str(),
            front,
            bound,
            counts: old.map_or_else(
                || Arc::new(ListenerCounts::new(shared.workers)),
                |old| Arc::clone(&old.counts),
            ),
        })
    }

    pub(crate) fn status(&self) -> ListenerStatus {
        let counts = &self.counts;
        let tallies = || counts.tallies.iter().map(|tally| &tally.0);
        let (mut answers_total, mut shed_total) = ([0; 6], [0; 10]);
        for tally in tallies() {
            add(&mut answers_total, &tally.answers);
            add(&mut shed_total, &tally.shed);
        }
        let refusals = counts.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        ListenerStatus {
            name: Arc::clone(&self.name),
            protocol: self.protocol,
            addresses: self.bound.iter().map(|bound| bound.actual()).collect(),
            connections: counts.open.0.load(Ordering::Relaxed),
            connections_total: tallies().map(|tally| tally.connections.get()).sum(),
            requests_total: tallies().map(|tally| tally.requests.get()).sum(),
            answers_total,
            shed_total,
            refusals_total: refusals.iter().map(|(&label, &count)| (label, count)).collect(),
            bytes_received_total: tallies().map(|tally| tally.bytes_received.get()).sum(),
            bytes_sent_total: tallies().map(|tally| tally.bytes_sent.get()).sum(),
            endings: Ends::sum(tallies().map(|tally| &tally.ends)),
            routes: self.routes.iter().map(Flows::status).collect(),
            certificates: self.front.as_ref().map_or_else(Vec::new, |front| front.certificates()),
            handshakes: self.front.as_ref().map_or(0, |front| front.handshakes()),
        }
    }
}

impl ListenerCounts {
    fn new(workers: usize) -> Self {
        Self {
            open: Padded::default(),
            tallies: one_each(workers),
            sources: Sources::default(),
            refusals: Mutex::default(),
        }
    }

    pub(crate) fn tally(&self, worker: usize) -> &ListenerTally {
        &self.tallies[worker].0
    }

    pub(crate) fn refuse(&self, label: &'static str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.entry(label).or_default() += 1;
    }
}
