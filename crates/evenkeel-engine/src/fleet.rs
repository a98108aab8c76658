//! The servers as they live: what outlasts a snapshot because it belongs to a server by identity.

mod pool_loads;
mod pool_tally;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_core::agent::Advice;
use evenkeel_core::breaker::{Breaker, Load, Permit};
use evenkeel_core::budget::Budget;
use evenkeel_core::config::{Limits, Pool, Server as ServerConfig, ZoneId};
use evenkeel_core::ewma::{Ewma, Failures};
use evenkeel_core::fault::Fault;
use evenkeel_core::hash::identity;
use evenkeel_core::health::{CheckFailure, Outcome, Reason};
use evenkeel_core::moment::Moment;
use evenkeel_core::outlier::{self, Cap};
use evenkeel_core::pool::{Admin as CoreAdmin, Member, Mode, Roster};
use evenkeel_core::slow_start::{next_step, percent};
use evenkeel_core::verdict::Component;

pub(crate) use self::pool_loads::PoolLoads;
pub(crate) use self::pool_tally::PoolTally;
use crate::clock;
use crate::count::{Counter, Padded, one_each};
use crate::flow::{Ends, Flows};
use crate::status::{
    Admin, AdminChange, AdminState, AgentWord, BreakerStatus, CodeClass, Degraded, Evidence,
    Health, LastCheck, PoolMode, PoolStatus, ServerStatus, TimeLineEntry, Verdict,
};
use crate::tls::ToServers;
use crate::waiting::Waiting;

/// A server, for as long as some snapshot, request or stream knows it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) pool: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    /// Requests or streams under way, over all workers.
    in_flight: Padded<AtomicU32>,
    /// The judge counts failures of it at the moment and wants to hear of a success.
    pub(crate) troubled: AtomicBool,
    pub(crate) breaker: Arc<Breaker>,
    /// How long its answers take, and its failures that still count as load.
    pub(crate) latency: Ewma,
    pub(crate) failing: Failures,
    state: Mutex<State>,
    tallies: Box<[Padded<Tally>]>,
}

#[derive(Debug)]
struct State {
    admin: Admin,
    verdict: Verdict,
    usable: bool,
    evidence: Evidence,
    time_line: Arc<[TimeLineEntry]>,
    /// What its agent wants, beside what its operator does.
    advice: Option<Advice>,
    /// When it joined its pool, came up, or was put back: the start of its slow start. `None`: it
    /// came with its pool and is no newer than the others.
    came: Option<Moment>,
    checks: u64,
    check_failures: u64,
    /// How long its checks took, all together.
    checked: Duration,
    ejections: u64,
}

/// What one worker counts of one server.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: Counter,
    /// Requests on a connection that had served another one.
    pub(crate) reused: Counter,
    pub(crate) connect_failures: Counter,
    pub(crate) requests: Counter,
    pub(crate) answers: [Counter; 6],
    pub(crate) retries: Counter,
    pub(crate) failures: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) bytes_received: Counter,
    /// From the moment it was tried to the head of its answer; in tcp, to the connection.
    pub(crate) ends: Ends,
    /// Idle connections now: a level, not a count.
    pub(crate) idle: AtomicU32,
}

impl Server {
    /// `joins`: others of its pool serve already.
    pub(crate) fn new(
        pool: &Pool,
        server: &ServerConfig,
        verdict: Verdict,
        joins: bool,
        workers: usize,
    ) -> Self {
        let usable = verdict.health != Health::Down;
        let since = verdict.since;
        let admin = Admin { state: AdminState::Ready, author: "".into(), reason: "".into(), since };
        Self {
            pool: Arc::clone(&pool.name),
            name: Arc::clone(&server.name),
            address: server.address,
            in_flight: Padded::default(),
            troubled: AtomicBool::new(false),
            breaker: Breaker::new(),
            latency: Ewma::new(clock::now()),
            failing: Failures::new(clock::now()),
            state: Mutex::new(State {
                admin,
                verdict,
                usable,
                evidence: Evidence::default(),
                time_line: Arc::default(),
                advice: None,
                came: joins.then(clock::now),
                checks: 0,
                check_failures: 0,
                checked: Duration::ZERO,
                ejections: 0,
            }),
            tallies: one_each(workers),
        }
    }

    /// Whether it is the server that this configuration means.
    pub(crate) fn is(&self, pool: &Pool, server: &ServerConfig) -> bool {
        self.pool == pool.name && self.name == server.name && self.address == server.address
    }

    pub(crate) fn tally(&self, worker: usize) -> &Tally {
        &self.tallies[worker].0
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.0.load(Ordering::Relaxed)
    }

    /// One more under way until the result is dropped, by what its breaker has `admitted`; and how
    /// many there were before it.
    fn enter(self: &Arc<Self>, admitted: Admitted) -> (InFlight, u32) {
        let before = self.in_flight.0.fetch_add(1, Ordering::Relaxed);
        let pending = [admitted.pending, Permit::default()];
        let server = Arc::clone(self);
        (InFlight { server, waiting: None, _admitted: admitted.lasting, pending }, before)
    }

    /// Whether the judge lets it be used.
    pub(crate) fn is_usable(&self) -> bool {
        self.state().usable
    }

    pub(crate) fn admin_state(&self) -> AdminState {
        self.state().admin.state
    }

    pub(crate) fn set_admin(&self, change: AdminChange) {
        let AdminChange { state, author, reason } = change;
        if state == AdminState::Ready && self.admin_state() != AdminState::Ready {
            self.state().came = Some(clock::now());
        }
        self.state().admin = Admin { state, author, reason, since: clock::wall() };
    }

    pub(crate) fn set_verdict(
        &self,
        verdict: Verdict,
        usable: bool,
        time_line: Arc<[TimeLineEntry]>,
    ) {
        let mut state = self.state();
        let last = time_line.last().map(|entry| entry.reason);
        let is_ejected = state.usable && matches!(last, Some(Reason::Ejected { .. })) && !usable;
        state.ejections += u64::from(is_ejected);
        state.verdict = verdict;
        state.time_line = time_line;
        if usable && !state.usable {
            state.came = Some(clock::now());
        }
        state.usable = usable;
    }

    /// A check has ended. One that this node had no means to make is evidence, but not counted.
    pub(crate) fn note_check(&self, check: LastCheck, components: Option<Arc<[Component]>>) {
        let mut state = self.state();
        if check.outcome != Outcome::Failed(CheckFailure::Exhausted) {
            state.checks += 1;
            state.checked += check.took;
            state.check_failures += u64::from(matches!(check.outcome, Outcome::Failed(_)));
        }
        state.evidence.last_check = Some(check);
        state.evidence.components = components.unwrap_or_default();
    }

    /// What it is to its pool, given what the configuration says of it.
    fn member(&self, configured: Member, slow_start: Option<Duration>) -> Member {
        let state = self.state();
        let ramp = |(window, came)| percent(came, window, clock::now());
        let ramp = slow_start.zip(state.came).map_or(100, ramp);
        let admin = match state.admin.state {
            AdminState::Ready => CoreAdmin::Ready,
            AdminState::Drain => CoreAdmin::Drain,
            AdminState::Maint => CoreAdmin::Maint,
        };
        let member = Member { admin, usable: state.usable, ramp, ..configured };
        state.advice.as_ref().map_or(member, |advice| advised(member, advice))
    }

    /// What the judge says of it.
    pub(crate) fn reason(&self) -> Arc<str> {
        Arc::clone(&self.state().verdict.reason)
    }

    /// Its agent has spoken; `None`: it has none any more.
    pub(crate) fn set_advice(&self, advice: Option<&Advice>) {
        self.state().advice = advice.cloned();
    }

    /// How its agent was asked; `None`: it has none any more.
    pub(crate) fn note_agent(&self, word: Option<AgentWord>) {
        self.state().evidence.agent = word;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each lock only reads or replaces whole fields: a panic cannot leave a half-made state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How its traffic went so far, over all workers: its faults, and its answers that say so.
    pub(crate) fn traffic(&self) -> outlier::Tally {
        let mut traffic = outlier::Tally::default();
        for Padded(tally) in &self.tallies {
            traffic.requests += tally.requests.get();
            traffic.failures += tally.failures.get();
            traffic.failures += tally.answers[CodeClass::ServerError as usize].get();
        }
        traffic
    }

    fn status(&self, configured: &ServerConfig, limits: Limits, in_use: bool) -> ServerStatus {
        let sum = |of: fn(&Tally) -> &Counter| {
            self.tallies.iter().map(|tally| of(&tally.0).get()).sum::<u64>()
        };
        let mut answers_total = [0; 6];
        for tally in &self.tallies {
            for (total, class) in answers_total.iter_mut().zip(&tally.0.answers) {
                *total += class.get();
            }
        }
        let state = self.state();
        ServerStatus {
            name: Arc::clone(&self.name),
            address: self.address,
            weight: configured.weight,
            backup: configured.backup,
            zone: configured.zone.clone(),
            admin: state.admin.clone(),
            verdict: state.verdict.clone(),
            evidence: state.evidence.clone(),
            time_line: Arc::clone(&state.time_line),
            in_use,
            in_flight: self.in_flight(),
            breaker: breaker_status(&self.breaker, limits),
            idle_connections: self.tallies.iter().map(|t| t.0.idle.load(Ordering::Relaxed)).sum(),
            connections_total: sum(|tally| &tally.connections),
            reused_total: sum(|tally| &tally.reused),
            connect_failures_total: sum(|tally| &tally.connect_failures),
            requests_total: sum(|tally| &tally.requests),
            answers_total,
            retries_total: sum(|tally| &tally.retries),
            failures_total: sum(|tally| &tally.failures),
            bytes_sent_total: sum(|tally| &tally.bytes_sent),
            bytes_received_total: sum(|tally| &tally.bytes_received),
            checks_total: state.checks,
            check_failures_total: state.check_failures,
            check_seconds_total: state.checked.as_secs_f64(),
            ejections_total: state.ejections,
            endings: Ends::sum(self.tallies.iter().map(|tally| &tally.0.ends)),
        }
    }
}

/// A request or stream on a server, counted until dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    server: Arc<Server>,
    /// Who may wait for it to end.
    waiting: Option<Arc<Waiting>>,
    /// What it takes of its server's limits.
    _admitted: [Permit; 2],
    /// What it takes of its server's and its pool's limits until it has a connection.
    pending: [Permit; 2],
}

/// What a server's breaker has let in.
#[derive(Debug)]
struct Admitted {
    /// As a request, and as a further try.
    lasting: [Permit; 2],
    pending: Permit,
}

impl InFlight {
    /// It waits for a connection, as one of its pool's.
    pub(crate) fn waits_as(&mut self, pending: Permit) {
        self.pending[1] = pending;
    }

    /// It has its connection: it no longer waits for it.
    pub(crate) fn connected(&mut self) {
        self.pending = Default::default();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.server.in_flight.0.fetch_sub(1, Ordering::Relaxed);
        if let Some(waiting) = &self.waiting {
            waiting.call_next();
        }
    }
}

/// A pool of one snapshot over servers that may be older.
#[derive(Debug)]
pub(crate) struct LivePool {
    pub(crate) name: Arc<str>,
    pub(crate) config: Pool,
    pub(crate) servers: Vec<Arc<Server>>,
    /// What the configuration says of them.
    members: Vec<Member>,
    /// Grows by one with each request, whichever worker takes it.
    turn: Arc<Padded<AtomicU64>>,
    /// Requests that wait for room on any server.
    pub(crate) waiting: Arc<Waiting>,
    /// What all its requests may spend on further tries.
    budget: Arc<Budget>,
    breaker: Arc<Breaker>,
    pub(crate) tally: Arc<PoolTally>,
    /// Its exchanges, from the request to the head of the answer; in tcp, to the connection.
    pub(crate) flows: Flows,
    /// What all its servers lack.
    degraded: Arc<Mutex<Vec<Degraded>>>,
    /// How its servers are spoken to in TLS.
    pub(crate) tls: Option<Arc<ToServers>>,
    roster: Mutex<Arc<Roster>>,
    /// Changes with the roster, so that workers need not lock to see that it has not.
    edition: AtomicU64,
}

impl LivePool {
    /// `before` is the pool of the same name in the snapshot being replaced: its turn goes on, and
    /// what was spent stays spent.
    pub(crate) fn new(
        config: &Pool,
        servers: Vec<Arc<Server>>,
        tls: Option<Arc<ToServers>>,
        before: Option<&Self>,
        workers: usize,
    ) -> Self {
        let members = config.servers.iter().map(configured).collect();
        let pool = Self {
            name: Arc::clone(&config.name),
            config: config.clone(),
            servers,
            members,
            turn: before.map_or_else(Arc::default, |before| Arc::clone(&before.turn)),
            waiting: before.map_or_else(
                || Arc::new(Waiting::new(config.queue)),
                |before| Arc::clone(&before.waiting),
            ),
            budget: before.map_or_else(Arc::default, |before| Arc::clone(&before.budget)),
            breaker: before.map_or_else(Breaker::new, |before| Arc::clone(&before.breaker)),
            degraded: before.map_or_else(Arc::default, |before| Arc::clone(&before.degraded)),
            tally: before.map_or_else(Arc::default, |before| Arc::clone(&before.tally)),
            flows: before
                .map_or_else(|| Flows::new(&config.name, workers), |before| before.flows.clone()),
            tls,
            roster: Mutex::new(Arc::new(Roster::build(config, &[]))),
            edition: AtomicU64::new(0),
        };
        pool.rebuild();
        pool
    }

    /// A request has come: one more of the pool until the result is dropped.
    pub(crate) fn admit(&self, now: Moment) -> Result<Permit, Fault> {
        self.budget.request(now);
        self.permit(Load::Request)
    }

    /// Whether one more would be admitted at this moment.
    pub(crate) fn has_room(&self) -> Result<(), Fault> {
        let has_room = self.breaker.has_room(Load::Request, self.config.breaker.pool);
        if has_room { Ok(()) } else { Err(Fault::BreakerOpen) }
    }

    /// One more that waits for a server or its connection.
    pub(crate) fn admit_pending(&self) -> Result<Permit, Fault> {
        self.permit(Load::Pending)
    }

    /// The same for a request that can do without.
    pub(crate) fn try_pending(&self) -> Option<Permit> {
        self.breaker.enter(Load::Pending, self.config.breaker.pool)
    }

    fn permit(&self, load: Load) -> Result<Permit, Fault> {
        self.breaker.enter(load, self.config.breaker.pool).ok_or_else(|| {
            PoolTally::count(&self.tally.refused_by_pool);
            Fault::BreakerOpen
        })
    }

    /// A further try, if breaker and budget have one left; then it has been paid for.
    pub(crate) fn admit_retry(&self) -> Option<Permit> {
        let permit = self.breaker.enter(Load::Retry, self.config.breaker.pool);
        let paid = permit.is_some() && self.budget.grant(self.config.retry.budget, clock::now());
        PoolTally::count(match (&permit, paid) {
            (None, _) => &self.tally.retries_over_breaker,
            (Some(_), false) => &self.tally.retries_over_budget,
            (Some(_), true) => &self.tally.retries,
        });
        permit.filter(|_| paid)
    }

    /// One more on this server until the result is dropped. `None`: it is full by now. `further`:
    /// it is not the request's first try.
    pub(crate) fn enter(&self, member: usize, further: bool) -> Option<InFlight> {
        let server = &self.servers[member];
        let permit = |load| server.breaker.enter(load, self.config.breaker.server);
        let retry = if further { permit(Load::Retry)? } else { Permit::default() };
        let lasting = [permit(Load::Request)?, retry];
        let admitted = Admitted { lasting, pending: permit(Load::Pending)? };
        let (mut in_flight, before) = server.enter(admitted);
        let limit = self.members[member].limit;
        if limit != Member::NO_LIMIT {
            // Also of one that is refused: while it was counted, somebody may have found no room.
            in_flight.waiting = Some(Arc::clone(&self.waiting));
        }
        // By the count before it: of two workers one gets the last place.
        (before < limit).then_some(in_flight)
    }

    /// How busy its servers are, for a request's first or a `further` try.
    pub(crate) fn loads(&self, further: bool) -> PoolLoads<'_> {
        PoolLoads::new(self, further)
    }

    /// Puts the servers' state into effect. Returns the mode before and after.
    pub(crate) fn publish(&self) -> (Mode, Mode) {
        let modes = self.rebuild();
        self.waiting.call_all();
        modes
    }

    /// Builds the roster anew from the servers' state.
    fn rebuild(&self) -> (Mode, Mode) {
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        let members = self.members();
        let before = roster.mode();
        *roster = Arc::new(Roster::build(&self.config, &members));
        self.edition.fetch_add(1, Ordering::Release);
        (before, roster.mode())
    }

    /// Its servers as they are to it now.
    pub(crate) fn members(&self) -> Vec<Member> {
        let all = self.servers.iter().zip(&self.members);
        all.map(|(server, member)| server.member(*member, self.config.slow_start)).collect()
    }

    /// Whether one more of its servers may be taken out because of what is inferred of it.
    pub(crate) fn can_spare_one(&self) -> bool {
        let out = self.out().count();
        Cap::new(self.config.outlier.cap_percent).leaves_room(self.servers.len(), out)
    }

    /// Whether a server of it is fit and ready. In panic others are used as well, which is no reason
    /// to hold on to an address.
    pub(crate) fn has_usable(&self) -> bool {
        let is_usable = |server: &Arc<Server>| {
            let state = server.state();
            state.usable && state.admin.state == AdminState::Ready
        };
        self.servers.iter().any(is_usable)
    }

    /// Servers that are not used because of their health.
    pub(crate) fn out(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers.iter().filter(|server| !server.state().usable)
    }

    pub(crate) fn set_degraded(&self, degraded: Vec<Degraded>) {
        *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = degraded;
    }

    /// When a server's slow start makes the next step, if one is under way.
    pub(crate) fn next_step(&self, now: Moment) -> Option<Moment> {
        let window = self.config.slow_start?;
        let came = |server: &Arc<Server>| {
            let state = server.state();
            state.came.filter(|_| state.usable)
        };
        self.servers.iter().filter_map(came).filter_map(|came| next_step(came, window, now)).min()
    }

    pub(crate) fn edition(&self) -> u64 {
        self.edition.load(Ordering::Acquire)
    }

    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// This request's number.
    pub(crate) fn take_turn(&self) -> u64 {
        self.turn.0.fetch_add(1, Ordering::Relaxed)
    }

    /// The number the next request will get, which stays free.
    pub(crate) fn next_turn(&self) -> u64 {
        self.turn.0.load(Ordering::Relaxed)
    }

    pub(crate) fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.iter().find(|server| &*server.name == name)
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let roster = self.roster();
        let servers = self.servers.iter().zip(&self.config.servers).enumerate();
        PoolStatus {
            name: Arc::clone(&self.name),
            balance: self.config.balance.as_str(),
            mode: mode(roster.mode()),
            degraded: self.degraded.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            waiting: self.waiting.length(),
            breaker: breaker_status(&self.breaker, self.config.breaker.pool),
            refusals_total: self.tally.refusals(),
            further_tries_total: self.tally.further_tries(),
            hedges_total: self.tally.hedges.load(Ordering::Relaxed),
            hedges_won_total: self.tally.hedges_won.load(Ordering::Relaxed),
            flow: self.flows.status(),
            servers: servers
                .map(|(index, (server, configured))| {
                    server.status(configured, self.config.breaker.server, roster.uses(index))
                })
                .collect(),
        }
    }
}

fn configured(server: &ServerConfig) -> Member {
    Member {
        identity: identity(&server.name),
        weight: server.weight,
        backup: server.backup,
        priority: server.priority,
        zone: server.zone.as_deref().map(ZoneId::of),
        limit: server.max_connections.unwrap_or(Member::NO_LIMIT),
        ..Member::READY
    }
}

/// With what its agent wants: it may take more out of service than the operator, not less.
fn advised(member: Member, advice: &Advice) -> Member {
    let admin = match (member.admin, advice.admin) {
        (CoreAdmin::Maint, _) | (_, Some(CoreAdmin::Maint)) => CoreAdmin::Maint,
        (CoreAdmin::Drain, _) | (_, Some(CoreAdmin::Drain)) => CoreAdmin::Drain,
        (CoreAdmin::Ready, Some(CoreAdmin::Ready) | None) => CoreAdmin::Ready,
    };
    let weight = advice.weight.map_or(member.weight, |weight| weight.of(member.weight));
    let limit = advice.max_connections.unwrap_or(member.limit);
    Member { admin, weight, limit, ..member }
}

/// How full it is, where there are limits.
fn breaker_status(breaker: &Breaker, limits: Limits) -> Vec<BreakerStatus> {
    let full = |(load, word)| {
        let limit = limits.of(load)?;
        Some(BreakerStatus { load: word, under_way: breaker.under_way(load).min(limit), limit })
    };
    Load::ALL.into_iter().filter_map(full).collect()
}

/// The word for it outside.
pub(crate) fn mode(mode: Mode) -> PoolMode {
    match mode {
        Mode::Normal => PoolMode::Normal,
        Mode::Backup => PoolMode::Backup,
        Mode::Panic => PoolMode::Panic,
        Mode::Empty => PoolMode::Empty,
    }
}
