//! The judge: a thread that checks servers, hears from the workers how servers treat their traffic,
//! and makes verdicts known. What follows from what is decided in [`evenkeel_core::health`].

mod attempt;
mod case;
mod hearings;
mod rate;
mod start;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{io, mem, thread};

use evenkeel_core::fault::Fault;
use evenkeel_core::health::{Change, CheckFailure, Policy};
use evenkeel_core::moment::Moment;
use evenkeel_core::pool::Mode;
use evenkeel_core::restart::Restarts;
use evenkeel_core::verdict::{Ruling, Testimony, Turn};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use self::attempt::{Found, Heard, Method};
use self::case::{Case, Due, Rules};
use self::hearings::Hearings;
use self::rate::Rates;
use self::start::Starts;
use crate::clock;
use crate::fleet::{LivePool, Server};
use crate::plan::Plan;
use crate::status::LastCheck;
use crate::worker::{Order, Phase, Shared};

/// Checks under way at once, each with a file descriptor and a port. Against servers that hang,
/// with a time-out of 1 s, as many are finished in a second: a thousand of them are not late.
const MOST_CHECKS: usize = 1_024;
/// So many are under way however short descriptors are: those are set apart from what clients get.
const LEAST_CHECKS: usize = 64;
/// Reports heard in one turn, before checks have theirs.
const MOST_REPORTS: usize = 256;

/// What a worker has met.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) server: Arc<Server>,
    pub(crate) what: Traffic,
}

/// How a server has treated a request or a stream.
#[derive(Debug)]
pub(crate) enum Traffic {
    Failed(Fault),
    Succeeded,
}

/// The thread: judges until the end, and starts over should a defect end it early.
pub(crate) fn run(
    shared: &Arc<Shared>,
    mut orders: watch::Receiver<Order>,
    mut inbox: mpsc::Receiver<Report>,
) {
    let mut restarts = Restarts::default();
    loop {
        let began = clock::since_boot();
        let judge = Judge::new(Arc::clone(shared));
        match catch_unwind(AssertUnwindSafe(|| live(judge, &mut orders, &mut inbox))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::error!(%error, "servers cannot be checked: they keep the state they have");
                return;
            }
            Err(_) => {
                tracing::error!("the thread that checks servers ended by a defect; started anew");
                thread::sleep(restarts.pause(clock::since_boot().since(began)));
            }
        }
    }
}

/// Puts the servers' state into effect in `pool`, and tells if other servers are used because of it.
pub(crate) fn publish(shared: &Shared, pool: &LivePool) {
    tell_mode(shared, pool, pool.publish());
}

fn tell_mode(shared: &Shared, pool: &LivePool, (before, mode): (Mode, Mode)) {
    let message = match mode {
        _ if mode == before => return,
        Mode::Normal => "enough servers are up again: only those are used",
        Mode::Backup => "no server is up: the backup servers are used",
        Mode::Panic => "fewer than half of the servers are up: all are used, whatever their health",
        Mode::Empty => "no server can be used: each is in drain or maint, or has weight 0",
    };
    shared.tell("pool-mode", pool.name.to_string(), message.into());
}

fn live(
    judge: Judge,
    orders: &mut watch::Receiver<Order>,
    inbox: &mut mpsc::Receiver<Report>,
) -> io::Result<()> {
    clock::refresh();
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(LocalOptions::default())?;
    runtime.block_on(judge.obey(orders, inbox));
    Ok(())
}

/// A server by its place in memory, which its case holds.
type Key = *const Server;

/// What was asked of a server and is over.
#[derive(Debug)]
enum Ended {
    Check(Checked),
    Agent(Arc<Server>, Result<Heard, CheckFailure>),
}

/// A check that is over. Holds the server, so that no other can take its place in memory meanwhile.
#[derive(Debug)]
struct Checked {
    server: Arc<Server>,
    asked: Moment,
    /// Until its outcome was known.
    took: Duration,
    found: Found,
}

/// Everything under judgement.
#[derive(Debug)]
struct Judge {
    shared: Arc<Shared>,
    cases: HashMap<Key, Case>,
    /// What is to be done when; a case whose check is under way is not in it.
    agenda: BTreeSet<(Moment, Key)>,
    /// Checks, and questions to agents.
    checks: JoinSet<Ended>,
    hearings: Hearings,
    rates: Rates,
    starts: Starts,
    /// Pools whose servers have changed in this turn.
    stale: Vec<Arc<LivePool>>,
    /// What there is to tell of this turn: kind of event, subject, message.
    news: Vec<(&'static str, String, String)>,
    chance: Chance,
}

/// What ends a wait.
enum Wake {
    Ordered,
    Reported,
    Ended(Result<Ended, JoinError>),
    Due,
}

impl Judge {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            cases: HashMap::new(),
            agenda: BTreeSet::new(),
            checks: JoinSet::new(),
            hearings: Hearings::default(),
            rates: Rates::default(),
            starts: Starts::default(),
            stale: Vec::new(),
            news: Vec::new(),
            chance: Chance::new(),
        }
    }

    /// Judges by the plan last ordered until the node ends.
    async fn obey(
        mut self,
        orders: &mut watch::Receiver<Order>,
        inbox: &mut mpsc::Receiver<Report>,
    ) {
        let mut reports = Vec::with_capacity(MOST_REPORTS);
        // The order that is there already has not been seen by this judge.
        orders.mark_changed();
        loop {
            let window = self.judge_rates(clock::now());
            let check = self.start_due(clock::now());
            let step = self.step_slow_starts(clock::now());
            let due = [window, check, step].into_iter().flatten().min();
            self.make_known();
            let other = async {
                tokio::select! {
                    // Never closed: what is shared holds a sender.
                    _ = inbox.recv_many(&mut reports, MOST_REPORTS) => Wake::Reported,
                    Some(ended) = self.checks.join_next() => Wake::Ended(ended),
                    () = until(due) => Wake::Due,
                }
            };
            let wake = tokio::select! {
                // An order comes first: reports that follow from it may speak of new servers.
                biased;
                order = orders.changed() => match order {
                    Ok(()) => Wake::Ordered,
                    // The engine is gone.
                    Err(_) => return,
                },
                wake = other => wake,
            };
            let now = clock::refresh();
            match wake {
                Wake::Ordered => {
                    let order = orders.borrow_and_update().clone();
                    if order.phase == Phase::Ending {
                        return;
                    }
                    self.follow(&order.plan, now);
                }
                Wake::Reported => {
                    for report in reports.drain(..) {
                        self.hear(&report, now);
                    }
                }
                Wake::Ended(Ok(Ended::Check(checked))) => self.conclude(checked, now),
                Wake::Ended(Ok(Ended::Agent(server, heard))) => {
                    self.hear_agent(&server, heard, now);
                }
                // None is ever aborted, so it has panicked: a defect, and the judge starts anew.
                Wake::Ended(Err(error)) => resume_unwind(error.into_panic()),
                Wake::Due => {}
            }
        }
    }

    /// Servers that stay keep their verdicts; those that are gone are forgotten.
    fn follow(&mut self, plan: &Plan, now: Moment) {
        let mut before = mem::take(&mut self.cases);
        self.agenda.clear();
        self.hearings.follow(&plan.pools, now);
        self.rates.follow(&plan.pools, now);
        self.starts.follow(&plan.pools);
        for pool in &plan.pools {
            pool.set_degraded(self.hearings.degraded(&pool.name));
            let config = &pool.config;
            let policy = Policy { check: config.check.clone(), outlier: config.outlier.clone() };
            let rules = Rules {
                policy: Arc::new(policy),
                method: Arc::new(Method::new(config, pool.tls.as_deref())),
                agent: config.agent.clone().map(Arc::new),
            };
            for server in &pool.servers {
                let key = Arc::as_ptr(server);
                let (case, change) = match before.remove(&key) {
                    Some(mut known) => {
                        let change = known.move_to(Arc::clone(pool), &rules, now);
                        (known, change)
                    }
                    None => (self.open_case(server, pool, &rules, now), None),
                };
                self.cases.insert(key, case);
                self.settle(key, change);
            }
            // Whatever has changed since the plan was drawn up has not reached this pool.
            self.stale.push(Arc::clone(pool));
        }
    }

    fn open_case(
        &mut self,
        server: &Arc<Server>,
        pool: &Arc<LivePool>,
        rules: &Rules,
        now: Moment,
    ) -> Case {
        let chance = self.chance.draw();
        Case::new(Arc::clone(server), Arc::clone(pool), rules.clone(), chance, now)
    }

    fn hear(&mut self, report: &Report, now: Moment) {
        let key = Arc::as_ptr(&report.server);
        let Some(case) = self.cases.get_mut(&key) else { return };
        // Its operator knows better, and may be the reason.
        if case.in_maintenance() {
            return;
        }
        let change = match report.what {
            Traffic::Failed(fault) => {
                let (pool, hearings) = (&case.pool, &self.hearings);
                case.health.traffic_failed(fault, now, || hearings.may_leave(pool, key))
            }
            Traffic::Succeeded => {
                case.health.traffic_succeeded(now);
                None
            }
        };
        self.settle(key, change);
    }

    /// Starts the checks that are due, as many as may be under way at once. Returns when to come
    /// again; with all under way, the end of one comes first.
    fn start_due(&mut self, now: Moment) -> Option<Moment> {
        while self.may_check() {
            let &(due, key) = self.agenda.first()?;
            if due > now {
                return Some(due);
            }
            self.visit(key, now);
        }
        None
    }

    /// Beyond the few that are set apart, checks get no more than half of the descriptors.
    fn may_check(&self) -> bool {
        let under_way = self.checks.len();
        let most = self.shared.most_sockets.load(Ordering::Relaxed);
        let roomy = self.shared.sockets.load(Ordering::Relaxed) < most / 2;
        under_way < LEAST_CHECKS || (under_way < MOST_CHECKS && roomy)
    }

    fn visit(&mut self, key: Key, now: Moment) {
        let Some(case) = self.cases.get_mut(&key) else { return };
        let change = match case.visit(now) {
            Due::Check => {
                let (server, method) = (Arc::clone(&case.server), Arc::clone(&case.rules.method));
                let held = Held::new(&self.shared);
                self.checks.spawn_local(async move {
                    let (found, took) = method.attempt(&server).await;
                    drop(held);
                    Ended::Check(Checked { server, asked: now, took, found })
                });
                None
            }
            Due::Ask(agent) => {
                let (server, held) = (Arc::clone(&case.server), Held::new(&self.shared));
                self.checks.spawn_local(async move {
                    let heard = Method::ask(&agent, &server).await;
                    drop(held);
                    Ended::Agent(server, heard)
                });
                None
            }
            Due::Nothing(change) => change,
        };
        self.settle(key, change);
    }

    fn hear_agent(
        &mut self,
        server: &Arc<Server>,
        heard: Result<Heard, CheckFailure>,
        now: Moment,
    ) {
        let key = Arc::as_ptr(server);
        let chance = self.chance.draw();
        let Some(case) = self.cases.get_mut(&key) else { return };
        let (change, news) = case.hear(heard, chance, now);
        if let Some((kind, message)) = news {
            self.news.push((kind, case.subject(), message));
            add(&mut self.stale, &case.pool);
        }
        self.settle(key, change);
    }

    fn conclude(&mut self, checked: Checked, now: Moment) {
        let Checked { server, asked, took, found } = checked;
        let key = Arc::as_ptr(&server);
        let chance = self.chance.draw();
        let Some(case) = self.cases.get_mut(&key) else { return };
        let ruling = match &found {
            Found::Testimony(testimony) => {
                let pool = Arc::clone(&case.pool);
                Some(self.weigh(&pool, key, (testimony, asked), now))
            }
            Found::Fine | Found::Fault(_) | Found::Expiring { .. } | Found::Advice(_) => {
                self.hearings.dismiss(&server.pool, key);
                None
            }
        };
        let Some(case) = self.cases.get_mut(&key) else { return };
        let (outcome, news) = case.note(&found, ruling, now);
        server.note_check(LastCheck { at: clock::wall_at(now), took, outcome }, found.components());
        if let Some((kind, message)) = news {
            self.news.push((kind, case.subject(), message));
            // An agent's word changes how much the server gets.
            add(&mut self.stale, &case.pool);
        }
        let change = case.conclude(outcome, chance, now);
        self.settle(key, change);
    }

    /// What a server says of itself, beside what the others of its pool say.
    fn weigh(
        &mut self,
        pool: &Arc<LivePool>,
        key: Key,
        (testimony, asked): (&Testimony, Moment),
        now: Moment,
    ) -> Ruling {
        let keys: Vec<_> = pool.servers.iter().map(Arc::as_ptr).collect();
        let cases = &self.cases;
        let is_out = |key: &Key| cases.get(key).is_some_and(|case| !case.health.usable());
        let out: Vec<_> = keys.iter().copied().filter(is_out).collect();
        let Some((ruling, turns)) = self.hearings.hear(&pool.name, (key, testimony, asked), out)
        else {
            return Ruling::Fit;
        };
        if !turns.is_empty() {
            pool.set_degraded(self.hearings.degraded(&pool.name));
        }
        for Turn { dependency, degraded } in turns {
            let (kind, message) = if degraded {
                let message = format!(
                    "every server says that `{dependency}` is down: it is at fault, not they, \
                     and none is taken out because of it"
                );
                ("pool-degraded", message)
            } else {
                ("pool-recovered", format!("`{dependency}` is not down for every server any more"))
            };
            self.news.push((kind, pool.name.to_string(), message));
        }
        if ruling == Ruling::Undecided {
            for other in keys.into_iter().filter(|other| *other != key) {
                if let Some(case) = self.cases.get_mut(&other) {
                    case.health.look_again(now);
                    self.settle(other, None);
                }
            }
        }
        ruling
    }

    /// After anything that has happened to a case: what is shown of it, and when it is next due.
    fn settle(&mut self, key: Key, change: Option<Change>) {
        let Some(case) = self.cases.get_mut(&key) else { return };
        case.show();
        if let Some(Change { usable, reason }) = change {
            let (kind, word) = if usable { ("server-up", "up") } else { ("server-down", "down") };
            self.news.push((kind, case.subject(), format!("{word}: {reason}")));
            add(&mut self.stale, &case.pool);
            if usable {
                self.rates.forget(&case.pool, key);
            }
        }
        if let Some(due) = case.due {
            self.agenda.remove(&(due, key));
        }
        case.due = case.next_due();
        if let Some(due) = case.due {
            self.agenda.insert((due, key));
        }
    }

    /// Puts the verdicts of this turn into effect, then tells of them: who hears of one finds it so.
    fn make_known(&mut self) {
        let pools = mem::take(&mut self.stale);
        let modes: Vec<_> = pools.iter().map(|pool| pool.publish()).collect();
        for (kind, subject, message) in self.news.drain(..) {
            self.shared.tell(kind, subject, message);
        }
        for (pool, modes) in pools.iter().zip(modes) {
            tell_mode(&self.shared, pool, modes);
        }
    }
}

fn add(stale: &mut Vec<Arc<LivePool>>, pool: &Arc<LivePool>) {
    if !stale.iter().any(|known| Arc::ptr_eq(known, pool)) {
        stale.push(Arc::clone(pool));
    }
}

/// A check's file descriptor, counted among the process's sockets.
#[derive(Debug)]
struct Held(Arc<Shared>);

impl Held {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.sockets.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn until(due: Option<Moment>) {
    match due {
        Some(due) => tokio::time::sleep(due.since(clock::now())).await,
        None => std::future::pending().await,
    }
}

/// Numbers that need not be good, only different: xorshift.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        // Zero would stay zero.
        Self(RandomState::new().hash_one(0_u8) | 1)
    }

    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests;
