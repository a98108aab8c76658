//! An engine thread: its view of the plan, its listeners, its connections.

mod local;
mod stocks;

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use evenkeel_core::fault::{Blame, Fault};
use evenkeel_core::moment::Moment;
use evenkeel_core::restart::Restarts;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::{JoinSet, spawn_local};

pub(crate) use self::local::{Local, LocalPool, Place};
use self::stocks::Stocks;
use crate::accept::{self, Acceptor};
use crate::auth::Passwords;
use crate::bound::OpenAddress;
use crate::clock;
use crate::compress::Encoders;
use crate::count::{Counter, Padded};
use crate::exchange::Desk;
use crate::files::Roots;
use crate::fleet::Server;
use crate::log::LogLines;
use crate::mishap::{Mishap, Mishaps};
use crate::plan::{ListenerCounts, Plan};
use crate::probe::{Report, Traffic};
use crate::shed::Shedding;
use crate::span::TracedExchange;
use crate::status::Event;
use crate::timers::Timers;
use crate::tls::{Challenges, TicketKeys};

/// What the engine's threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) workers: usize,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) mishaps: mpsc::Sender<Mishap>,
    pub(crate) spans: mpsc::Sender<TracedExchange>,
    pub(crate) vitals: Box<[Padded<Vitals>]>,
    /// A worker has applied an order or closed a connection while draining.
    pub(crate) changed: Notify,
    /// Sockets of clients and servers held now, over all workers.
    pub(crate) sockets: AtomicU32,
    /// Most sockets that leave file descriptors for everything else.
    pub(crate) most_sockets: AtomicU32,
    /// When accepting was last paused, in microseconds: for one event in a while.
    pub(crate) paused_at: AtomicU64,
    /// What session tickets of all listeners are sealed with.
    pub(crate) ticket_keys: Arc<TicketKeys>,
    /// What an authority looks for that certificates are ordered from.
    pub(crate) challenges: Challenges,
    /// What is shed, see [`crate::shed`].
    pub(crate) shed_level: Padded<AtomicU8>,
    pub(crate) passwords: Passwords,
    /// Sockets of the process before, until the first plan has taken what it needs of them.
    pub(crate) inherited: Mutex<Vec<OpenAddress>>,
    /// A request for this path panics: the way the isolation of panics is tested.
    pub(crate) panic_path: Option<String>,
}

/// What one worker tells of itself.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    /// Generation of the last order applied.
    pub(crate) applied: AtomicU64,
    pub(crate) connections: AtomicU32,
    pub(crate) accept_pauses: Counter,
    pub(crate) panics: AtomicU64,
    pub(crate) log_lines_dropped: Counter,
    /// Of exchanges that the log's share did not take.
    pub(crate) log_lines_left_out: Counter,
    pub(crate) copies_dropped: Counter,
    /// That were to be exported and found no room.
    pub(crate) spans_dropped: Counter,
    /// Processor time used, in all lives of this worker.
    pub(crate) cpu_micros: Counter,
}

/// What workers are told; each replaces the one before.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) generation: u64,
    pub(crate) plan: Arc<Plan>,
    pub(crate) phase: Phase,
}

/// How the node's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// A virtual address is about to move: connections end with their next exchange, new ones are
    /// served as ever.
    Parting,
    /// The same, and connections without an exchange end at once.
    Parted,
    /// Another process accepts: what runs is finished, and who has a connection may ask once more.
    Retiring,
    /// No new connections; exchanges and streams finish.
    Draining,
    /// What is left is cut.
    Ending,
}

impl Phase {
    /// The node's own end: nothing comes after it.
    pub(crate) const fn is_last(self) -> bool {
        matches!(self, Self::Retiring | Self::Draining | Self::Ending)
    }
}

/// One engine thread's state.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    local: RefCell<Rc<Local>>,
    pub(crate) timers: Rc<Timers>,
    pub(crate) stocks: Stocks,
    pub(crate) log: RefCell<LogLines>,
    pub(crate) mishaps: Mishaps,
    phase: Cell<Phase>,
    /// Idle connections that are asked to make room for new clients.
    pub(crate) evictions: Cell<u32>,
    /// When everybody was woken for that.
    pub(crate) evicted: Cell<Moment>,
    /// Copies of requests under way to mirrors.
    pub(crate) copies: Cell<u32>,
    /// A connection was closed: there may be room for another.
    pub(crate) released: Notify,
    slots: RefCell<Vec<Rc<Slot>>>,
    acceptors: RefCell<Vec<Acceptor>>,
    request_prefix: u64,
    chance: Cell<u64>,
    requests: Cell<u64>,
    /// Folders that files are served from.
    pub(crate) roots: Roots,
    pub(crate) encoders: Encoders,
    pub(crate) date: clock::Date,
}

/// A listener over the reloads in which it keeps its name.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: Arc<str>,
    /// Its place in the plan.
    index: Cell<usize>,
    /// The last plan that had it, once it is removed: for those who had come by then.
    last: RefCell<Option<Rc<Local>>>,
    pub(crate) counts: Arc<ListenerCounts>,
}

/// The thread: obeys until the end, and starts over should a defect end it early.
pub(crate) fn run(index: usize, shared: &Arc<Shared>, orders: &watch::Receiver<Order>) {
    let mut restarts = Restarts::default();
    loop {
        let began = clock::since_boot();
        let (shared, orders) = (Arc::clone(shared), orders.clone());
        let vitals = Arc::clone(&shared);
        match catch_unwind(AssertUnwindSafe(|| live(index, shared, orders))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::error!(worker = index, %error, "engine thread cannot run");
                return;
            }
            Err(_) => {
                let vitals = &vitals.vitals[index].0;
                vitals.panics.fetch_add(1, Ordering::Relaxed);
                vitals.connections.store(0, Ordering::Relaxed);
                tracing::error!(worker = index, "engine thread ended by a defect; started anew");
                thread::sleep(restarts.pause(clock::since_boot().since(began)));
            }
        }
    }
}

fn live(index: usize, shared: Arc<Shared>, orders: watch::Receiver<Order>) -> io::Result<()> {
    clock::refresh();
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_unpark(|| {
            clock::refresh();
        })
        .build_local(LocalOptions::default())?;
    runtime.block_on(Rc::new(Worker::new(index, shared)).obey(orders));
    Ok(())
}

impl Worker {
    fn new(index: usize, shared: Arc<Shared>) -> Self {
        Self {
            index,
            shared,
            local: RefCell::new(Rc::new(Local::empty())),
            timers: Rc::default(),
            stocks: Stocks::default(),
            log: RefCell::default(),
            mishaps: Mishaps::default(),
            phase: Cell::new(Phase::Serving),
            evictions: Cell::new(0),
            evicted: Cell::new(Moment::START),
            copies: Cell::default(),
            released: Notify::new(),
            slots: RefCell::default(),
            acceptors: RefCell::default(),
            request_prefix: random(),
            chance: Cell::new(random()),
            requests: Cell::new(0),
            roots: Roots::default(),
            encoders: Encoders::default(),
            date: clock::Date::default(),
        }
    }

    /// The plan of this moment.
    pub(crate) fn local(&self) -> Rc<Local> {
        Rc::clone(&self.local.borrow())
    }

    /// No connection outlives its current exchange.
    pub(crate) fn draining(&self) -> bool {
        self.phase.get() != Phase::Serving
    }

    /// Connections without an exchange end at once.
    pub(crate) fn hurries(&self) -> bool {
        matches!(self.phase.get(), Phase::Parted | Phase::Draining | Phase::Ending)
    }

    pub(crate) fn vitals(&self) -> &Vitals {
        &self.shared.vitals[self.index].0
    }

    /// Takes back a desk that is no longer needed.
    pub(crate) fn put_back(&self, mut desk: Box<Desk>) {
        desk.clear(&self.stocks.buffers);
        self.stocks.desks.give_back(desk);
    }

    /// Whether an idle connection has to go, for want of descriptors.
    pub(crate) fn evicts(&self) -> bool {
        let wanted = self.evictions.get();
        self.evictions.set(wanted.saturating_sub(1));
        wanted > 0
    }

    /// A number for what is left to chance.
    pub(crate) fn chance(&self) -> u64 {
        // SplitMix64: every number once, in an order that cannot be told from chance here.
        let seed = self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.chance.set(seed);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 32 hexadecimal digits, unique over workers and starts.
    pub(crate) fn request_id(&self) -> [u8; 32] {
        let count = self.requests.get();
        self.requests.set(count.wrapping_add(1));
        let mut id = [0; 32];
        hex(&mut id[..16], self.request_prefix);
        // Multiplied by an odd number, so that neighbours differ at a glance and none repeats.
        hex(&mut id[16..], count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        id
    }

    /// Tells the judge of a failure that is the server's.
    pub(crate) fn report_fault(&self, server: &Arc<Server>, fault: Fault) {
        // A kept connection may be closed at any time, and a request be given back: that is nobody's
        // failure.
        let is_usual = matches!(fault, Fault::ServerResetReused | Fault::NotProcessed);
        if fault.verdict().blame == Blame::Server && !is_usual {
            let tally = server.tally(self.index);
            tally.failures.add(1);
            tally.ends.fault(fault);
            server.failing.add(clock::now());
            server.latency.fail(Duration::ZERO, clock::now());
            self.report(server, Traffic::Failed(fault));
        }
    }

    /// Tells the judge of a success, when it counts failures of that server.
    pub(crate) fn report_success(&self, server: &Arc<Server>) {
        if server.troubled.load(Ordering::Relaxed) {
            self.report(server, Traffic::Succeeded);
        }
    }

    fn report(&self, server: &Arc<Server>, what: Traffic) {
        // A full queue holds more of the same.
        let _ = self.shared.reports.try_send(Report { server: Arc::clone(server), what });
    }

    async fn obey(self: Rc<Self>, mut orders: watch::Receiver<Order>) {
        let sweeper = Rc::clone(&self);
        spawn_local(Rc::clone(&self).keep_up(move || Rc::clone(&sweeper).sweep()));
        loop {
            let order = orders.borrow_and_update().clone();
            self.follow(&order);
            self.vitals().applied.store(order.generation, Ordering::Release);
            self.shared.changed.notify_waiters();
            if order.phase == Phase::Ending || orders.changed().await.is_err() {
                break;
            }
        }
        self.flush_log();
    }

    fn follow(self: &Rc<Self>, order: &Order) {
        if self.phase.replace(order.phase) != order.phase && order.phase != Phase::Serving {
            self.timers.wake_all();
        }
        if order.phase.is_last() {
            return self.stop_accepting(order.phase);
        }
        let before = self.local();
        if Arc::ptr_eq(&before.plan, &order.plan) {
            return;
        }
        let local = Rc::new(Local::new(Arc::clone(&order.plan), &before, self.index));
        self.local.replace(local);
        before.prune(&self.local());
        self.roots.close();
        self.follow_listeners(&order.plan, &before);
        if self.index == 0 {
            self.stocks.expect_more_free(clock::now()); // the plan before, what this one was made of
        }
    }

    /// Listeners that stay are not touched; new ones start, removed ones serve who has come.
    fn follow_listeners(self: &Rc<Self>, plan: &Plan, before: &Rc<Local>) {
        let old_slots = self.slots.take();
        let mut old = self.acceptors.take();
        let (mut slots, mut acceptors) = (Vec::new(), Vec::new());
        for (index, listener) in plan.listeners.iter().enumerate() {
            let known = old_slots.iter().find(|slot| slot.name == listener.name);
            let slot = known.map_or_else(
                || {
                    Rc::new(Slot {
                        name: Arc::clone(&listener.name),
                        index: Cell::new(index),
                        last: RefCell::default(),
                        counts: Arc::clone(&listener.counts),
                    })
                },
                Rc::clone,
            );
            slot.index.set(index);
            for bound in &listener.bound {
                let kept = old.iter().position(|acceptor| {
                    Arc::ptr_eq(&acceptor.bound, bound) && Rc::ptr_eq(&acceptor.slot, &slot)
                });
                match kept {
                    Some(kept) => acceptors.push(old.swap_remove(kept)),
                    None => acceptors.extend(Acceptor::start(self, bound, &slot)),
                }
            }
            slots.push(slot);
        }
        let gone = |slot: &&Rc<Slot>| slots.iter().all(|kept| !Rc::ptr_eq(kept, slot));
        for slot in old_slots.iter().filter(gone) {
            slot.last.replace(Some(Rc::clone(before)));
            self.timers.wake_all(); // its idle connections end now
        }
        for acceptor in old {
            acceptor.stop();
            let moved = acceptors.iter().any(|kept| Arc::ptr_eq(&kept.bound, &acceptor.bound));
            if !moved {
                accept::accept_queued(self, &acceptor.slot, &acceptor.bound);
            }
        }
        self.slots.replace(slots);
        self.acceptors.replace(acceptors);
    }

    fn stop_accepting(self: &Rc<Self>, phase: Phase) {
        for acceptor in self.acceptors.take() {
            acceptor.stop();
            // Another process serves who is in the queue, if there is one.
            if phase != Phase::Retiring {
                accept::accept_queued(self, &acceptor.slot, &acceptor.bound);
            }
        }
    }

    /// Runs what the whole worker depends on, and starts it over should a defect end it.
    pub(crate) async fn keep_up<F: Future<Output = ()> + 'static>(
        self: Rc<Self>,
        task: impl Fn() -> F,
    ) {
        let mut restarts = Restarts::default();
        loop {
            let began = clock::since_boot();
            let mut running = JoinSet::new(); // ends it when this is aborted
            running.spawn_local(task());
            match running.join_next().await {
                Some(Err(error)) if error.is_panic() => {
                    self.vitals().panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(worker = self.index, "a task ended by a defect; started anew");
                    let lived = clock::since_boot().since(began);
                    tokio::time::sleep(restarts.pause(lived)).await;
                }
                _ => return,
            }
        }
    }

    /// Deadlines, idle connections past their time, log lines waiting to be written.
    async fn sweep(self: Rc<Self>) {
        let mut scans = 0_u32;
        let mut shedding = Shedding::new(self.shared.workers, clock::now());
        loop {
            let now = clock::refresh();
            let wait = self.timers.scan(now);
            if scans.is_multiple_of(16) {
                for pool in &self.local().pools {
                    pool.servers.iter().for_each(|server| server.prune(now));
                }
                accept::measure_room(&self.shared);
            }
            if self.index == 0 {
                shedding.look(&self.local().plan, &self.shared, now);
            }
            self.stocks.ease(now);
            self.flush_log();
            let used = evenkeel_sys::thread_cpu_time().as_micros();
            self.vitals().cpu_micros.set(u64::try_from(used).unwrap_or(u64::MAX));
            scans = scans.wrapping_add(1);
            tokio::time::sleep(wait).await;
        }
    }

    fn flush_log(&self) {
        let dropped = self.log.borrow_mut().flush();
        self.vitals().log_lines_dropped.add(dropped);
    }
}

impl Slot {
    /// Where a connection of this listener stands at this moment.
    pub(crate) fn place(&self, worker: &Worker) -> Place {
        let last = self.last.borrow();
        let local = last.as_ref().map_or_else(|| worker.local(), Rc::clone);
        Place { local, index: self.index.get() }
    }

    /// No snapshot has it any more: what still runs on it ends with its exchange.
    pub(crate) fn is_removed(&self) -> bool {
        self.last.borrow().is_some()
    }
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}

fn hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}
