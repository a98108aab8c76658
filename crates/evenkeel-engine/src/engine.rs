//! Start, apply, drain: the handle the control plane holds.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, io, mem};

use evenkeel_core::config::{Config, LogTarget, Vip};
use evenkeel_core::ticket_key::TicketKey;
use evenkeel_core::vrrp::machine::{Heartbeat, State};
use tokio::sync::{Notify, broadcast, mpsc, watch};

use crate::accept;
use crate::auth::Passwords;
use crate::bound::OpenAddress;
use crate::clock;
use crate::count::{Padded, one_each};
use crate::explain::{Asked, ExplainError, Explanation};
use crate::mishap::{self, Mishap};
use crate::plan::Plan;
use crate::probe;
use crate::span::{self, TracedExchange};
use crate::status::{AdminChange, EngineStatus, Event};
use crate::tls::{Challenges, News, Proof, ProofError};
use crate::vip::{Leaving, MoveError, Vips};
use crate::worker::{self, Order, Phase, Shared};

/// Failures and successes on their way to the judge. More at once are dropped: those that got
/// through tell the same.
const MOST_REPORTS: usize = 4_096;
/// Events a slow reader may be behind before it loses the oldest.
const MOST_EVENTS: usize = 1_024;

/// How long clients have to make their next request, the answer to which asks them to connect anew.
const PARTING: Duration = Duration::from_secs(1);

/// A successor is there within an interval of the adverts; who hears of none keeps the address.
const HANDING_OVER: Duration = Duration::from_secs(5);

/// Between two looks whether an address has moved.
const LOOK: Duration = Duration::from_millis(10);

/// How long a slow disk may hold up the end for the last log lines.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// What is fixed for the life of the process.
#[derive(Clone, Debug)]
pub struct Options {
    /// Engine threads; 1 to 256.
    pub workers: usize,
    /// Greater with each start of this node: others tell by it what is a recording.
    pub boot: u64,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot start engine thread {index}")]
    Thread { index: usize, source: io::Error },
    #[error("the system gives no random bytes")]
    Chance { source: io::Error },
    #[error("cannot start the thread that checks servers")]
    Judge { source: io::Error },
}

/// Why a configuration did not take effect. The one before goes on.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("listener {listener}: cannot listen on {address}")]
    Bind { listener: Arc<str>, address: SocketAddr, source: io::Error },
    #[error("listener {listener}: cannot show itself in TLS")]
    Front { listener: Arc<str>, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("pool {pool}: cannot speak TLS to its servers")]
    ToServers { pool: Arc<str>, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("access log: cannot open {target}")]
    AccessLog { target: LogTarget, source: io::Error },
    #[error("the node is draining: no configuration is applied any more")]
    Draining,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the limit and were cut.
    pub cut: u32,
}

/// The running data plane. Dropping it cuts what is open.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    vips: Vips,
    orders: watch::Sender<Order>,
    /// One configuration at a time.
    applying: tokio::sync::Mutex<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Until somebody takes it.
    mishaps: Mutex<Option<mpsc::Receiver<Mishap>>>,
    spans: Mutex<Option<mpsc::Receiver<TracedExchange>>>,
}

impl Engine {
    /// Starts the threads, which have nothing to do until a configuration is applied.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let workers = options.workers.clamp(1, 256);
        if let Err(error) = evenkeel_sys::raise_file_limit() {
            tracing::warn!(%error, "the limit of open files stays low");
        }
        let (reports, inbox) = mpsc::channel(MOST_REPORTS);
        let (mishaps, unread) = mpsc::channel(mishap::MOST_UNREAD);
        let (spans, unexported) = mpsc::channel(span::MOST_UNREAD);
        let shared = Arc::new(Shared {
            workers,
            reports,
            events: broadcast::channel(MOST_EVENTS).0,
            mishaps,
            spans,
            vitals: one_each(workers),
            changed: Notify::new(),
            sockets: AtomicU32::new(0),
            most_sockets: AtomicU32::new(u32::MAX),
            paused_at: AtomicU64::new(0),
            ticket_keys: Arc::default(),
            challenges: Challenges::default(),
            shed_level: Padded::default(),
            passwords: Passwords::new().map_err(|source| StartError::Chance { source })?,
            inherited: Mutex::default(),
            panic_path: env::var("EVENKEEL_FAULT_PANIC_PATH").ok(),
        });
        accept::measure_room(&shared);
        let order = Order { generation: 0, plan: Arc::new(Plan::empty()), phase: Phase::Serving };
        let (orders, _) = watch::channel(order);
        let mut threads = Vec::with_capacity(workers + 1);
        for index in 0..workers {
            let (shared, orders) = (Arc::clone(&shared), orders.subscribe());
            let thread = thread::Builder::new().name(format!("worker-{index}"));
            let thread = thread.spawn(move || worker::run(index, &shared, &orders));
            threads.push(thread.map_err(|source| StartError::Thread { index, source })?);
        }
        let judge = {
            let (shared, orders) = (Arc::clone(&shared), orders.subscribe());
            let thread = thread::Builder::new().name("judge".into());
            thread.spawn(move || probe::run(&shared, orders, inbox))
        };
        threads.push(judge.map_err(|source| StartError::Judge { source })?);
        let (applying, threads) = (tokio::sync::Mutex::new(()), Mutex::new(threads));
        Ok(Self {
            shared,
            vips: Vips::new(options.boot, orders.subscribe()),
            orders,
            applying,
            threads,
            mishaps: Mutex::new(Some(unread)),
            spans: Mutex::new(Some(unexported)),
        })
    }

    /// Sockets of the process before, or of the service manager. The first configuration takes those
    /// its listeners name, whatever the number of workers was; the others are closed then.
    pub fn inherit(&self, addresses: Vec<OpenAddress>) {
        *self.inherited() = addresses;
    }

    /// Everything that is listened on, for the process that comes next.
    pub fn open_addresses(&self) -> io::Result<Vec<OpenAddress>> {
        let plan = Arc::clone(&self.orders.borrow().plan);
        plan.all_bound().filter_map(|bound| bound.open().transpose()).collect()
    }

    /// Virtual addresses wait for [`Self::inherit_vips`]: the process before still sees to them.
    pub fn await_vips(&self) {
        self.vips.await_heritage();
    }

    /// That process sees to them no more; `owned` are the names of those that this one takes part in
    /// as their owner, so that no other node notices.
    pub fn inherit_vips(&self, owned: Vec<String>) {
        self.vips.inherit(owned);
        let plan = Arc::clone(&self.orders.borrow().plan);
        self.vips.follow(&plan.snapshot.config().vips, &self.shared);
    }

    /// Leaves virtual addresses as they are to the process that comes next. Returns the names of those
    /// this node owned to the end.
    pub async fn hand_over_vips(&self) -> Vec<String> {
        self.vips.hand_over();
        self.until(|| self.vips.have_stopped()).await;
        self.vips.handed_over()
    }

    fn inherited(&self) -> MutexGuard<'_, Vec<OpenAddress>> {
        self.shared.inherited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swaps the configuration. New listeners are bound before anything changes; on an error
    /// everything is as it was. Returns once every worker works from it.
    pub async fn apply(&self, config: Config) -> Result<(), ApplyError> {
        let _one = self.applying.lock().await;
        clock::refresh(); // servers that join begin now
        let order = self.orders.borrow().clone();
        if order.phase.is_last() {
            return Err(ApplyError::Draining);
        }
        let plan = Arc::new(Plan::build(config, &order.plan, &self.shared)?);
        // Nothing fails from here on.
        plan.settle();
        for left in self.inherited().drain(..).filter(|left| !plan.listens_on(left.address)) {
            tracing::warn!("{}: handed over, but no listener is there: closed", left.address);
        }
        self.order(Order { plan: Arc::clone(&plan), ..order }).await;
        order.plan.close_listeners(Some(&plan));
        // Last: what clients find at an address is there before it is.
        self.vips.follow(&plan.snapshot.config().vips, &self.shared);
        Ok(())
    }

    /// Everything as it is now.
    pub fn status(&self) -> EngineStatus {
        let Order { plan, phase, .. } = self.orders.borrow().clone();
        let vitals = || self.shared.vitals.iter().map(|vitals| &vitals.0);
        EngineStatus {
            listeners: plan.listeners.iter().map(|listener| listener.status()).collect(),
            pools: plan.pools.iter().map(|pool| pool.status()).collect(),
            rates: plan.rates.iter().map(|rate| rate.status()).collect(),
            vips: self.vips.status(),
            workers: self.shared.workers,
            worker_cpu: vitals().map(|it| Duration::from_micros(it.cpu_micros.get())).collect(),
            connections: self.connections(),
            accept_pauses_total: vitals().map(|vitals| vitals.accept_pauses.get()).sum(),
            panics_total: vitals().map(|vitals| vitals.panics.load(Ordering::Relaxed)).sum(),
            log_lines_dropped_total: vitals().map(|vitals| vitals.log_lines_dropped.get()).sum(),
            log_lines_left_out_total: vitals().map(|it| it.log_lines_left_out.get()).sum(),
            shed_level: self.shared.shed_level.0.load(Ordering::Relaxed),
            copies_dropped_total: vitals().map(|vitals| vitals.copies_dropped.get()).sum(),
            draining: phase.is_last(),
        }
    }

    /// What would be done with a request that nobody has made.
    pub fn explain(&self, asked: &Asked) -> Result<Explanation, ExplainError> {
        let plan = Arc::clone(&self.orders.borrow().plan);
        plan.explain(asked, &self.shared, RandomState::new().hash_one(0_u8))
    }

    /// What an operator wants of a server, in effect on return. `false`: there is no such server.
    pub fn set_admin_state(&self, pool: &str, server: &str, change: AdminChange) -> bool {
        clock::refresh(); // one that comes back begins now
        let plan = Arc::clone(&self.orders.borrow().plan);
        let Some(pool) = plan.pool(pool) else { return false };
        let Some(server) = pool.server(server) else { return false };
        let subject = format!("{}/{}", pool.name, server.name);
        let AdminChange { state, author, reason } = &change;
        let said = [(" by ", author), (": ", reason)].into_iter();
        let said = said.filter(|(_, word)| !word.is_empty());
        let message = said.fold(format!("set to {}", state.as_str()), |message, (before, word)| {
            message + before + word
        });
        server.set_admin(change);
        probe::publish(&self.shared, pool);
        self.shared.tell("server-admin", subject, message);
        true
    }

    /// Gives a virtual address to another node. Clients are asked to connect anew first, and what is
    /// under way ends, as far as both are done in time; returns when another node has it, or none has
    /// taken it.
    pub async fn give_vip(&self, name: &str) -> Result<(), MoveError> {
        let _one = self.applying.lock().await;
        match self.vips.state(name)? {
            State::Active => {}
            other => return Err(MoveError::NotOwner(other)),
        }
        let _afterwards = Stays(self);
        self.part(self.vips.owned(Some(name)), Duration::MAX).await;
        let given = self.vips.set_moved(name, true);
        let handed_over = async {
            while self.vips.is_moving(name) {
                tokio::time::sleep(LOOK).await;
            }
        };
        // Longer than any owner may be silent: connections are kept again in any case.
        let _ = tokio::time::timeout(HANDING_OVER, handed_over).await;
        given
    }

    /// Lets this node have a virtual address again that it has given away.
    pub fn take_vip(&self, name: &str) -> Result<(), MoveError> {
        self.vips.set_moved(name, false)
    }

    /// Ends connections while new ones are served: those of an address that moves are cut. What is
    /// under way at one of `vips` may end first, within the longest `drain` of them and `most`.
    async fn part(&self, vips: Vec<Arc<Vip>>, most: Duration) {
        let order = self.orders.borrow().clone();
        let ports = order.plan.all_bound().map(|bound| bound.actual().port()).collect();
        let leaving = Leaving::new(vips, ports);
        self.order(Order { phase: Phase::Parting, ..order.clone() }).await;
        let nobody = || self.until(|| self.connections() == 0);
        // Who has not asked by then hears nothing of it.
        let _ = tokio::time::timeout(PARTING, nobody()).await;
        self.order(Order { phase: Phase::Parted, ..order }).await;
        let (names, drain) = (leaving.names(), leaving.drain().min(most));
        let cut = match leaving.finish(drain).await {
            Ok(cut) => cut,
            Err(error) => {
                tracing::warn!("vip {names}: the kernel does not tell of its connections: {error}");
                // Those of all addresses, then, and of new clients, too.
                match tokio::time::timeout(drain, nobody()).await {
                    Ok(()) => 0,
                    Err(_elapsed) => usize::try_from(self.connections()).unwrap_or(usize::MAX),
                }
            }
        };
        if cut > 0 {
            let seconds = drain.as_secs_f64();
            let message = format!("still under way after {seconds} s, and cut: connections {cut}");
            self.shared.tell("vip-cut", names, message);
        }
    }

    /// What this node says of its virtual addresses, by name, to the other node of its pair.
    pub fn vip_heartbeats(&self) -> Vec<(Arc<str>, Heartbeat)> {
        self.vips.heartbeats()
    }

    /// Returns when one of them may have become another.
    pub async fn vip_heartbeat_changed(&self) {
        self.vips.heartbeat_changed().await;
    }

    /// How often they are to be said: the shortest interval of adverts. `None`: there are none.
    pub fn vip_interval(&self) -> Option<Duration> {
        self.vips.interval()
    }

    /// What the other node says of a virtual address, at this moment.
    pub fn vip_peer_says(&self, name: &str, heartbeat: Heartbeat) {
        self.vips.peer_says(name, heartbeat);
    }

    /// The link to the other node is down: what it said last no longer holds.
    pub fn vip_peer_is_silent(&self) {
        self.vips.peer_is_silent();
    }

    /// What an authority will look for that a certificate is ordered from, in place of all that it
    /// looked for before.
    ///
    /// # Errors
    /// When a certificate cannot be shown; then everything is as it was.
    pub fn set_challenges(&self, proofs: &[Proof]) -> Result<(), ProofError> {
        self.shared.challenges.replace(proofs)
    }

    /// Seals session tickets with these keys, the newest first. Until the first call, and without
    /// any, sessions are not resumed.
    pub fn set_ticket_keys(&self, keys: &[TicketKey]) {
        self.shared.ticket_keys.replace(keys);
    }

    /// Looks at the files of every certificate: what has changed is shown from now on, what is of
    /// no use is told. Reads files: not for a thread that must not wait.
    pub fn look_at_certificates(&self) {
        let plan = Arc::clone(&self.orders.borrow().plan);
        for listener in &plan.listeners {
            let news = listener.front.as_ref().map(|front| front.look());
            for News { kind, message } in news.into_iter().flatten() {
                self.shared.tell(kind, listener.name.to_string(), message);
            }
        }
        for pool in &plan.pools {
            let news = pool.tls.as_ref().map(|tls| tls.look());
            for News { kind, message } in news.into_iter().flatten() {
                self.shared.tell(kind, pool.name.to_string(), message);
            }
        }
    }

    /// Has the access log go to whatever has its file's name by now.
    pub fn reopen_log(&self) {
        if let Some((_, file)) = &self.orders.borrow().plan.log {
            file.reopen();
        }
    }

    /// Events from now on; a reader that lags loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Exchanges that failed or were slow, for one reader; `None`: there is one already.
    pub fn mishaps(&self) -> Option<mpsc::Receiver<Mishap>> {
        self.mishaps.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Exchanges whose spans are to be exported, for one reader; `None`: there is one already.
    pub fn spans(&self) -> Option<mpsc::Receiver<TracedExchange>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Spans that were to be exported, and that whoever does it was too slow to take.
    pub fn spans_dropped(&self) -> u64 {
        self.shared.vitals.iter().map(|vitals| vitals.0.spans_dropped.get()).sum()
    }

    /// Returns once every worker's loop has turned; never, if one hangs.
    pub async fn answers(&self) {
        // Whatever is in force: another order may be on its way.
        self.change_order(|_| {}).await;
    }

    /// Gives virtual addresses away, stops accepting, lets running exchanges and streams finish, cuts
    /// what is left after `limit`.
    pub async fn drain(&self, limit: Duration) -> Drained {
        self.end(Phase::Draining, limit).await
    }

    /// Like [`Self::drain`], for when another process accepts on the same sockets: there is no hurry.
    /// A client that has a connection may ask once more on it, and hears that it is the last time.
    pub async fn retire(&self, limit: Duration) -> Drained {
        self.end(Phase::Retiring, limit).await
    }

    async fn end(&self, phase: Phase, limit: Duration) -> Drained {
        let _one = self.applying.lock().await;
        // Clients go where they are still welcome, before they are not here.
        let owned = self.vips.owned(None);
        if !owned.is_empty() {
            self.part(owned, limit).await;
        }
        self.vips.stop();
        let given_away = self.until(|| self.vips.have_stopped());
        if tokio::time::timeout(limit, given_away).await.is_err() {
            tracing::warn!("a virtual address was not given away in time");
        }
        let order = self.orders.borrow().clone();
        self.order(Order { phase, ..order.clone() }).await;
        order.plan.close_listeners(None);
        let empty = self.until(|| self.connections() == 0);
        let cut = match tokio::time::timeout(limit, empty).await {
            Ok(()) => 0,
            Err(_elapsed) => self.connections(),
        };
        let log = order.plan.log.clone();
        self.order(Order { phase: Phase::Ending, ..order }).await;
        if let Some((_, file)) = log {
            file.settle(LOG_PATIENCE).await;
        }
        let threads = mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // A thread that panicked has said so already.
        let join = || threads.into_iter().for_each(|thread| drop(thread.join()));
        // It fails with the runtime, which ends later than this.
        let _ = tokio::task::spawn_blocking(join).await;
        Drained { cut }
    }

    fn connections(&self) -> u32 {
        self.shared.vitals.iter().map(|vitals| vitals.0.connections.load(Ordering::Relaxed)).sum()
    }

    /// Gives an order and waits until every worker follows it.
    async fn order(&self, order: Order) {
        self.change_order(|now| (now.plan, now.phase) = (order.plan, order.phase)).await;
    }

    /// The same of what is changed in the order that holds: each has a number of its own, whoever
    /// gives one at the same time.
    async fn change_order(&self, change: impl FnOnce(&mut Order)) {
        let mut generation = 0;
        self.orders.send_modify(|order| {
            change(order);
            order.generation += 1;
            generation = order.generation;
        });
        let vitals = &self.shared.vitals;
        self.until(|| {
            vitals.iter().all(|vitals| vitals.0.applied.load(Ordering::Acquire) >= generation)
        })
        .await;
    }

    /// Waits for something that workers bring about.
    async fn until(&self, reached: impl Fn() -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            if reached() {
                return;
            }
            changed.await;
        }
    }
}

/// Has a node that parted keep connections again, also if nobody waits for the end of that.
struct Stays<'e>(&'e Engine);

impl Drop for Stays<'_> {
    fn drop(&mut self) {
        self.0.orders.send_modify(|order| {
            order.generation += 1;
            order.phase = Phase::Serving;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use evenkeel_core::config::{CertificateFiles, Pool, QueueLimits, UpstreamTls};

    use super::*;

    fn pool(name: &str, length: u32) -> Pool {
        let queue = QueueLimits { length, ..QueueLimits::default() };
        Pool { queue, ..Pool::new(name.into()) }
    }

    #[tokio::test]
    async fn a_configuration_that_is_refused_changes_nothing() {
        let engine = Engine::start(&Options { workers: 1, boot: 1 }).unwrap();
        let apply = |pools| engine.apply(Config { pools, ..Config::default() });
        apply(vec![pool("app", 7)]).await.unwrap();
        let line = || {
            let plan = Arc::clone(&engine.orders.borrow().plan);
            format!("{:?}", plan.pool("app").unwrap().waiting)
        };
        let before = line();
        let nowhere = || PathBuf::from("/nowhere");
        let certificate = CertificateFiles { chain: nowhere(), key: nowhere(), ocsp: None };
        let tls = UpstreamTls { trusted: None, name: None, certificate: Some(certificate) };
        let broken = Pool { tls: Some(Arc::new(tls)), ..pool("late", 7) };
        let refused = apply(vec![pool("app", 1), broken]).await.unwrap_err();
        assert!(matches!(refused, ApplyError::ToServers { .. }), "{refused}");
        assert_eq!(line(), before);
        apply(vec![pool("app", 1)]).await.unwrap();
        assert_ne!(line(), before);
    }

    #[tokio::test]
    async fn who_asks_whether_it_lives_does_not_undo_an_order() {
        let engine = Engine::start(&Options { workers: 1, boot: 1 }).unwrap();
        for length in 1..20 {
            let config = Config { pools: vec![pool("app", length)], ..Config::default() };
            let ((), applied) = tokio::join!(engine.answers(), engine.apply(config));
            applied.unwrap();
            let order = engine.orders.borrow().clone();
            assert_eq!(order.plan.pool("app").unwrap().config.queue.length, length);
            let applied = engine.shared.vitals[0].0.applied.load(Ordering::Acquire);
            assert_eq!(applied, order.generation);
        }
    }
}
