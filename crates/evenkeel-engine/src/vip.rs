//! Virtual addresses: a thread for each, which waits, hears, and does what
//! [`evenkeel_core::vrrp::machine`] decides.
//!
//! An address is given to the kernel for two adverts' time and renewed with each advert: when this
//! program dies or is frozen, the kernel itself stops answering for it. Where adverts come faster
//! than the kernel reckons, a second process does it earlier.

mod board;
mod driver;
pub(crate) mod guard;
mod hand;
mod lookout;
mod parting;
mod program;
mod seal;
mod session;
mod station;
mod words;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evenkeel_core::config::Vip;
use evenkeel_core::vrrp::machine::{Heartbeat, State};
use evenkeel_sys::link::Bell;
use tokio::sync::{Notify, watch};

use self::board::Board;
use self::driver::Driver;
use self::lookout::{Lookouts, Outlook};
pub(crate) use self::parting::Leaving;
use crate::status::VipStatus;
use crate::worker::{Order, Shared};

/// What a virtual address is told by others. Each wish replaces the one before.
#[derive(Debug, Default)]
struct Wishes {
    vip: Option<(Arc<Vip>, Arc<[IpAddr]>)>,
    /// To another node; `false`: that is taken back.
    moves: Option<bool>,
    /// What the other node of the pair says of itself.
    peer: Option<PeerWord>,
    end: Option<End>,
}

/// What is heard over the link between the nodes of a pair.
#[derive(Clone, Copy, Debug)]
enum PeerWord {
    Says(Heartbeat),
    /// The link is down.
    Silent,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The addresses are given away.
    Leave,
    /// They stay, for the process that comes next.
    HandOver,
}

/// Where a driver's thread and all others meet.
#[derive(Debug)]
struct Post {
    wishes: Mutex<Wishes>,
    bell: Bell,
    board: Mutex<Board>,
    outlook: Mutex<Outlook>,
    /// Its addresses are given away, and it does nothing more.
    has_ended: AtomicBool,
}

impl Post {
    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outlook(&self) -> MutexGuard<'_, Outlook> {
        self.outlook.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been wished since the last call, and the bell is quiet.
    fn take_wishes(&self) -> Wishes {
        self.bell.hush();
        std::mem::take(&mut *self.wishes())
    }

    /// Rings when there are wishes.
    fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.wishes());
        self.bell.ring();
    }
}

/// A virtual address with its thread.
#[derive(Debug)]
struct Live {
    vip: Arc<Vip>,
    post: Arc<Post>,
    /// They look until this is dropped.
    lookouts: Lookouts,
    thread: JoinHandle<()>,
}

/// Why a virtual address was not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    #[error("there is no virtual address of this name")]
    Unknown,
    #[error("this node does not own the address: it is {}", .0.label())]
    NotOwner(State),
}

/// All virtual addresses of a node.
#[derive(Debug)]
pub(crate) struct Vips {
    boot: u64,
    orders: watch::Receiver<Order>,
    live: Mutex<Vec<Live>>,
    /// Those that are no more, as long as they give their addresses away.
    leaving: Mutex<Vec<Live>>,
    heritage: Mutex<Heritage>,
    /// What one of them says to the other node of the pair is something else.
    said: Arc<Notify>,
}

/// What there is to wait for before anything begins, and with what it begins then.
#[derive(Debug, Default)]
struct Heritage {
    /// The process before still sees to the addresses.
    is_awaited: bool,
    /// Names of what it owned.
    owned: HashSet<String>,
}

impl Vips {
    /// `boot`: as in [`evenkeel_core::vrrp::machine::Heartbeat`].
    pub(crate) fn new(boot: u64, orders: watch::Receiver<Order>) -> Self {
        let heritage = Mutex::default();
        let (live, leaving, said) = Default::default();
        Self { boot, orders, live, leaving, heritage, said }
    }

    /// Nothing begins before [`Self::inherit`].
    pub(crate) fn await_heritage(&self) {
        self.heritage().is_awaited = true;
    }

    /// The process before has ended its part, and owned these. What is to follow may begin.
    pub(crate) fn inherit(&self, owned: impl IntoIterator<Item = String>) {
        *self.heritage() = Heritage { is_awaited: false, owned: owned.into_iter().collect() };
    }

    /// From now on these. One that stays where it is goes on as what it is, by its new rules; one
    /// that moves to another place gives its addresses away first.
    pub(crate) fn follow(&self, vips: &[Vip], shared: &Arc<Shared>) {
        if self.heritage().is_awaited {
            return;
        }
        let all: Arc<[IpAddr]> =
            vips.iter().flat_map(|vip| vip.policy.addresses.iter().copied()).collect();
        let mut live = self.live();
        let mut before: HashMap<Arc<str>, Live> =
            live.drain(..).map(|it| (Arc::clone(&it.vip.name), it)).collect();
        for vip in vips {
            let vip = Arc::new(vip.clone());
            let known = before.remove(&vip.name);
            let next = match known {
                Some(mut known) if is_same_place(&known.vip, &vip) => {
                    let rules = (Arc::clone(&vip), Arc::clone(&all));
                    if looks_elsewhere(&known.vip, &vip) {
                        known.lookouts.follow(&vip, &known.post, &self.orders);
                    }
                    known.post.wish(|wishes| wishes.vip = Some(rules));
                    known.vip = vip;
                    Some(known)
                }
                other => self.begin(vip, &all, other.map(stop), shared),
            };
            live.extend(next);
        }
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|live| !live.thread.is_finished());
        leaving.extend(before.into_values().map(stop));
        drop(leaving);
        self.heritage().owned.clear();
    }

    /// A new thread, which begins once the one before it has ended.
    fn begin(
        &self,
        vip: Arc<Vip>,
        all: &Arc<[IpAddr]>,
        before: Option<Live>,
        shared: &Arc<Shared>,
    ) -> Option<Live> {
        let bell = match Bell::new() {
            Ok(bell) => bell,
            Err(error) => {
                let message = format!("cannot be looked after: {error}");
                shared.tell("vip-fault", vip.name.to_string(), message);
                return None;
            }
        };
        let said = Arc::clone(&self.said);
        let board = Mutex::new(Board::new(Arc::clone(shared), said, &vip));
        let post = Arc::new(Post {
            wishes: Mutex::default(),
            bell,
            board,
            outlook: Mutex::default(),
            has_ended: AtomicBool::new(false),
        });
        let lookouts = Lookouts::post(&vip, &post, &self.orders);
        let start = (self.boot, self.heritage().owned.contains(&*vip.name));
        let driver = Driver::new(Arc::clone(&vip), Arc::clone(all), Arc::clone(&post), start);
        let waiting = Arc::clone(shared);
        let thread = thread::Builder::new().name(format!("vip-{}", vip.name)).spawn(move || {
            if let Some(before) = before {
                // One that panicked has said so already.
                let _ = before.thread.join();
            }
            driver.run();
            waiting.changed.notify_waiters();
        });
        match thread {
            Ok(thread) => Some(Live { vip, post, lookouts, thread }),
            Err(error) => {
                let message = format!("cannot start its thread: {error}");
                shared.tell("vip-fault", vip.name.to_string(), message);
                None
            }
        }
    }

    /// Each of them, in the order of the file.
    pub(crate) fn status(&self) -> Vec<VipStatus> {
        self.live().iter().map(|live| live.post.board().status()).collect()
    }

    /// How it stands with the address of this name.
    pub(crate) fn state(&self, name: &str) -> Result<State, MoveError> {
        let live = self.live();
        let found = live.iter().find(|live| &*live.vip.name == name);
        found.map(|live| live.post.board().state()).ok_or(MoveError::Unknown)
    }

    /// Whether this node still has an address that is to be another's.
    pub(crate) fn is_moving(&self, name: &str) -> bool {
        let live = self.live();
        let found = live.iter().find(|live| &*live.vip.name == name);
        found.is_some_and(|live| {
            let status = live.post.board().status();
            status.is_moved && status.state.owns()
        })
    }

    /// Those that this node owns; of one `name` only, if there is one.
    pub(crate) fn owned(&self, name: Option<&str>) -> Vec<Arc<Vip>> {
        let live = self.live();
        let named = live.iter().filter(|live| name.is_none_or(|name| &*live.vip.name == name));
        let owned = named.filter(|live| live.post.board().state().owns());
        owned.map(|live| Arc::clone(&live.vip)).collect()
    }

    /// Gives an address to another node, or lets this node have it again.
    pub(crate) fn set_moved(&self, name: &str, is_moved: bool) -> Result<(), MoveError> {
        let live = self.live();
        let found = live.iter().find(|live| &*live.vip.name == name);
        let live = found.ok_or(MoveError::Unknown)?;
        let mut board = live.post.board();
        if is_moved && board.state() != State::Active {
            return Err(MoveError::NotOwner(board.state()));
        }
        board.set_moved(is_moved);
        drop(board);
        live.post.wish(|wishes| wishes.moves = Some(is_moved));
        Ok(())
    }

    /// What this node says of each address to the other node of its pair. A thread that hangs
    /// speaks for nothing: its address is left out.
    pub(crate) fn heartbeats(&self) -> Vec<(Arc<str>, Heartbeat)> {
        let live = self.live();
        let said = live.iter().filter_map(|live| {
            let heartbeat = live.post.board().heartbeat(&live.vip.policy)?;
            Some((Arc::clone(&live.vip.name), heartbeat))
        });
        said.collect()
    }

    /// Returns when one of them may have become another.
    pub(crate) async fn heartbeat_changed(&self) {
        self.said.notified().await;
    }

    /// How often that is to be said; `None`: there is nothing to say.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.live().iter().map(|live| live.vip.policy.interval).min()
    }

    /// What the other node says of an address. Of one that is not here it is of no interest.
    pub(crate) fn peer_says(&self, name: &str, heartbeat: Heartbeat) {
        let live = self.live();
        if let Some(live) = live.iter().find(|live| &*live.vip.name == name) {
            live.post.wish(|wishes| wishes.peer = Some(PeerWord::Says(heartbeat)));
        }
    }

    /// The other node is heard no more.
    pub(crate) fn peer_is_silent(&self) {
        for live in &*self.live() {
            live.post.wish(|wishes| wishes.peer = Some(PeerWord::Silent));
        }
    }

    /// All addresses are given away.
    pub(crate) fn stop(&self) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.extend(self.live().drain(..).map(stop));
    }

    /// Stops without giving anything away: another process goes on. Nothing begins here any more,
    /// whatever plan follows.
    pub(crate) fn hand_over(&self) {
        self.await_heritage();
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.extend(self.live().drain(..).inspect(|live| {
            live.post.wish(|wishes| wishes.end = Some(End::HandOver));
        }));
    }

    /// The names of those that were handed over as owner, once [`Self::have_stopped`].
    pub(crate) fn handed_over(&self) -> Vec<String> {
        let leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = leaving.iter().filter(|live| live.post.board().handed_over());
        owned.map(|live| live.vip.name.to_string()).collect()
    }

    fn heritage(&self) -> MutexGuard<'_, Heritage> {
        self.heritage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all that were stopped have ended.
    pub(crate) fn have_stopped(&self) -> bool {
        let leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.iter().all(|live| live.post.has_ended.load(Ordering::Acquire))
    }

    fn live(&self) -> MutexGuard<'_, Vec<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sockets and machine of the one do for the other.
fn is_same_place(one: &Vip, other: &Vip) -> bool {
    let group = |vip: &Vip| vip.policy.peers.is_empty();
    let number = |vip: &Vip| (vip.policy.version, vip.policy.router_id);
    one.interface == other.interface
        && one.source == other.source
        && group(one) == group(other)
        && number(one) == number(other)
        && one.policy.is_v4() == other.policy.is_v4()
        && one.command == other.command
}

/// What the claim depends on is something else.
fn looks_elsewhere(one: &Vip, other: &Vip) -> bool {
    let looks = |vip: &Vip| (vip.track.clone(), vip.witnesses.clone(), vip.look_every);
    looks(one) != looks(other)
}

fn stop(live: Live) -> Live {
    live.post.wish(|wishes| wishes.end = Some(End::Leave));
    live
}
