//! A client's HTTP/2 connection: each of its streams is an exchange of its own.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_core::config::{ClientTimeouts, Http};
use evenkeel_core::http2::{Code, Connection, Limits, Slot};
use evenkeel_core::moment::Moment;

use crate::accept::Seat;
use crate::clock;
use crate::exchange::{DRAIN_PATIENCE, EVICTABLE_AFTER};
use crate::stream::Stream;
use crate::timers::{Watch, until};

mod asking;
mod fields;
mod framed;
mod runner;
mod session;
mod shared;

pub(crate) use asking::Asking;
pub(crate) use framed::Framed;
pub(crate) use runner::Runner;
use session::{Over, Session, Wire};
pub(crate) use shared::SharedConnections;

/// Exchanges at once on one connection: what nginx allows, and browsers are content with.
const MOST_STREAMS: u32 = 128;
/// Bytes of a request body that may be on their way while its server is slow. A link of 100 Mbit/s
/// over 20 ms is filled by it.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same over all streams of a connection: the most that a client can make this node hold.
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// How long a connection without an exchange keeps its memory: browsers ask in bursts.
const REST_AFTER: Duration = Duration::from_secs(1);
/// How long the last frames may take to leave.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the streams of a connection have in common.
#[derive(Debug)]
struct Common {
    seat: Rc<Seat>,
    address_text: Rc<str>,
    session: Session,
}

/// A connection and its deadlines.
struct Driver {
    common: Rc<Common>,
    wire: Wire,
    watch: Watch,
    timeouts: ClientTimeouts,
    /// Requests after which the client is asked to connect anew.
    most_requests: u32,
    requests: u32,
    leaving: bool,
    /// What the deadline was set for.
    phase: Option<(Phase, u64)>,
    since: Moment,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The preface, or the rest of a header block: nothing else can come before it.
    Block,
    /// Its exchanges, each of which has its own deadlines.
    Exchanges,
    /// That the client takes the last frames of exchanges that are over.
    Reader,
    /// That the client leaves: it has been asked to, or has said that it does.
    Leaving,
    /// The client.
    Idle,
    /// The same, after a while: it has no memory for what is usually under way.
    Resting,
}

/// Serves a client that speaks HTTP/2 to its end.
pub(crate) async fn serve(seat: Rc<Seat>, stream: Stream, watch: Watch) {
    let place = seat.slot.place(&seat.worker);
    let Some(http) = place.listener().protocol.http() else { return };
    let timeouts = place.listener().timeouts.clone();
    let limits = limits(http);
    let most_requests = http.limits.requests;
    drop(place); // connections outlive reloads
    let common = Rc::new(Common {
        address_text: seat.peer.ip().to_canonical().to_string().into(),
        seat,
        session: Session::new(Connection::with_client(limits, clock::now())),
    });
    let mut driver = Driver {
        common,
        wire: Wire::new(stream),
        watch,
        timeouts,
        most_requests,
        requests: 0,
        leaving: false,
        phase: None,
        since: clock::now(),
    };
    poll_fn(|cx| driver.poll(cx)).await;
    let Driver { common, wire, watch, .. } = driver;
    common.session.abandon();
    watch.set_after(GOODBYE);
    let _ = until(&watch, wire.say_goodbye(&common.session)).await; // who has gone need not hear it
}

fn limits(http: &Http) -> Limits {
    Limits {
        streams: MOST_STREAMS,
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        head_bytes: http.limits.head_bytes,
    }
}

impl Driver {
    /// Ready when the connection is over, or has to be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.common.session.is_driven_by(cx);
        let Seat { worker, slot, .. } = &*self.common.seat;
        let (common, requests) = (&self.common, &mut self.requests);
        let begin = |slot: Slot| {
            *requests += 1;
            runner::run(worker, Framed::new(Rc::clone(common), slot));
        };
        match self.wire.drive(cx, &common.session, &worker.stocks.buffers, begin) {
            Ok(()) => {}
            Err(Over::Gone) => return Poll::Ready(()),
            Err(Over::Failure(failure)) => {
                slot.counts.refuse(failure.label);
                return Poll::Ready(());
            }
        }
        self.leave_if_asked();
        if self.common.session.connection.borrow().is_over() {
            return Poll::Ready(());
        }
        if !self.is_late() {
            return Poll::Pending;
        }
        match self.phase {
            Some((Phase::Idle, _)) => return self.rest(),
            Some((Phase::Block, _)) => self.refuse("client-timeout"),
            Some((Phase::Reader, _)) => self.refuse("h2-slow-reader"),
            _ => self.common.session.connection.borrow_mut().end(Code::NO_ERROR),
        }
        Poll::Ready(())
    }

    /// Tells the client to connect elsewhere and finishes what it has begun.
    fn leave_if_asked(&mut self) {
        if self.leaving {
            return;
        }
        let Common { seat, session, .. } = &*self.common;
        let Seat { worker, slot, .. } = &**seat;
        let is_idle = || session.connection.borrow().is_idle();
        let evicted =
            || is_idle() && clock::now().since(self.since) >= EVICTABLE_AFTER && worker.evicts();
        let is_served = self.requests >= self.most_requests;
        if is_served || worker.draining() || slot.is_removed() || evicted() {
            self.leaving = true;
            session.connection.borrow_mut().leave();
            session.drive();
        }
    }

    /// Sets the deadline when what is waited for changes, or moves on.
    fn is_late(&mut self) -> bool {
        let session = &self.common.session;
        let connection = session.connection.borrow();
        let phase = if connection.is_within_block() {
            (Phase::Block, 0)
        } else if !connection.is_idle() {
            (Phase::Exchanges, 0)
        } else if !self.wire.is_quiet(session) {
            (Phase::Reader, self.wire.written())
        } else if self.leaving || connection.is_left() {
            (Phase::Leaving, 0)
        } else if self.phase == Some((Phase::Resting, 0)) {
            (Phase::Resting, 0)
        } else {
            (Phase::Idle, 0)
        };
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.since = clock::now();
            match phase.0 {
                Phase::Block => self.watch.set_after(self.timeouts.header),
                Phase::Exchanges => self.watch.set(Moment::NEVER),
                Phase::Reader => self.watch.set_after(self.timeouts.idle),
                Phase::Leaving => self.watch.set_after(DRAIN_PATIENCE),
                Phase::Idle => self.watch.set_after(REST_AFTER.min(self.timeouts.keep_alive)),
                Phase::Resting => {} // it goes on
            }
            return false;
        }
        self.watch.expired()
    }

    /// Gives back memory, and waits for the client until its time is over.
    fn rest(&mut self) -> Poll<()> {
        self.common.session.connection.borrow_mut().rest();
        self.phase = Some((Phase::Resting, 0));
        self.watch.set(self.since + self.timeouts.keep_alive);
        Poll::Pending
    }

    /// Counts why the client is no longer served and tells it so.
    fn refuse(&self, label: &'static str) {
        self.common.seat.slot.counts.refuse(label);
        self.common.session.connection.borrow_mut().end(Code::ENHANCE_YOUR_CALM);
    }
}
