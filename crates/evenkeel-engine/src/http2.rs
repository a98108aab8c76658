//! A client's HTTP/2 connection: each of its streams is an exchange of its own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use evenkeel_core::config::{ClientTimeouts, Http};
use evenkeel_core::moment::Moment;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;

use crate::accept::Seat;
use crate::clock;
use crate::exchange::{DRAIN_PATIENCE, EVICTABLE_AFTER};
use crate::stream::Stream;
use crate::timers::{Watch, until};

mod asking;
mod fields;
mod framed;
mod metered;
mod runner;
mod shared;

pub(crate) use asking::Asking;
pub(crate) use framed::Framed;
use metered::{Gauge, Metered};
use runner::Job;
pub(crate) use runner::Runner;
pub(crate) use shared::SharedConnections;

/// Exchanges at once on one connection: what nginx allows, and browsers are content with.
const MOST_STREAMS: u32 = 128;
/// Bytes of a request body that may be on their way while its server is slow. A link of 100 Mbit/s
/// over 20 ms is filled by it.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same over all streams of a connection: the most that a client can make this node hold.
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// Bytes of an answer held for a client that does not read.
const MOST_UNSENT: usize = 32 * 1024;
/// Streams that this node has reset and still knows, to tell late frames from wrong ones.
const MOST_RESET: usize = 32;
/// Errors of streams that end the connection: no client makes so many (CVE-2025-8671).
const MOST_STREAM_ERRORS: usize = 64;
/// How long the last frames may take to leave.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the streams of a connection have in common.
#[derive(Debug)]
struct Common {
    seat: Rc<Seat>,
    address_text: Rc<str>,
    /// Exchanges under way.
    open: Cell<u32>,
    /// The task that drives the connection.
    driver: RefCell<Waker>,
}

/// One exchange, counted.
#[derive(Debug)]
struct Open(Rc<Common>);

/// A connection and its deadlines.
struct Driver {
    common: Rc<Common>,
    connection: Connection<Metered, Bytes>,
    gauge: Rc<Gauge>,
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
    /// The rest of a header block: nothing else can come before it.
    Block,
    /// Its exchanges, each of which has its own deadlines.
    Exchanges,
    /// That the client takes the last frames of exchanges that are over.
    Reader,
    /// That the client has heard that it should leave, and does.
    Leaving,
    /// The client.
    Idle,
}

/// Serves a client that speaks HTTP/2 to its end.
pub(crate) async fn serve(seat: Rc<Seat>, stream: Stream, watch: Watch) {
    let place = seat.slot.place(&seat.worker);
    let Some(http) = place.listener().protocol.http() else { return };
    let timeouts = place.listener().timeouts.clone();
    let builder = builder(http);
    let most_requests = http.limits.requests;
    drop(place); // connections outlive reloads
    watch.set_after(timeouts.header);
    let (metered, gauge) = Metered::new(stream);
    let handshake = builder.handshake::<_, Bytes>(metered);
    let Some(Ok(connection)) = until(&watch, handshake).await else {
        seat.slot.counts.refuse("h2-preface");
        return;
    };
    let address_text = seat.peer.ip().to_canonical().to_string().into();
    let driver = RefCell::new(Waker::noop().clone());
    let common = Rc::new(Common { seat, address_text, open: Cell::new(0), driver });
    let mut driver = Driver {
        common,
        connection,
        gauge,
        watch,
        timeouts,
        most_requests,
        requests: 0,
        leaving: false,
        phase: None,
        since: clock::now(),
    };
    poll_fn(|cx| driver.poll(cx)).await;
    driver.say_goodbye().await;
}

fn builder(http: &Http) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(http.limits.head_bytes)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(MOST_UNSENT)
        .max_concurrent_reset_streams(MOST_RESET)
        .max_local_error_reset_streams(Some(MOST_STREAM_ERRORS))
        .enable_connect_protocol();
    builder
}

impl Driver {
    /// Ready when the connection is over, or has to be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.common.driver.borrow_mut().clone_from(cx.waker());
        loop {
            if let Some(kind) = self.gauge.flooded() {
                self.refuse(kind.label());
                return Poll::Ready(());
            }
            let accepted = pin!(self.connection.accept()).poll(cx);
            match accepted {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                Poll::Ready(Some(Err(error))) => {
                    self.note(&error);
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending if self.gauge.flooded().is_some() => {}
                Poll::Pending => break,
            }
        }
        self.leave_if_asked();
        if !self.is_late() {
            return Poll::Pending;
        }
        match self.phase {
            Some((Phase::Block, _)) => self.refuse("client-timeout"),
            Some((Phase::Reader, _)) => self.refuse("h2-slow-reader"),
            _ => self.connection.abrupt_shutdown(Reason::NO_ERROR),
        }
        Poll::Ready(())
    }

    /// Counts what this node found wrong with the client's frames.
    fn note(&self, error: &h2::Error) {
        if error.is_library() {
            let calms = error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
            self.common.seat.slot.counts.refuse(if calms { "h2-flood" } else { "h2-protocol" });
        }
    }

    /// One more exchange.
    fn begin(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        self.requests += 1;
        if self.requests >= self.most_requests {
            self.leaving = true;
            self.connection.graceful_shutdown();
        }
        let (head, body) = request.into_parts();
        let framed = Framed::new(head, body, respond);
        let common = Rc::clone(&self.common);
        common.open.set(common.open.get() + 1);
        runner::run(&self.common.seat.worker, Job { open: Open(common), framed });
    }

    /// Tells the client to connect elsewhere and finishes what it has begun.
    fn leave_if_asked(&mut self) {
        let Seat { worker, slot, .. } = &*self.common.seat;
        let evicted = || {
            self.common.open.get() == 0
                && clock::now().since(self.since) >= EVICTABLE_AFTER
                && worker.evicts()
        };
        if !self.leaving && (worker.draining() || slot.is_removed() || evicted()) {
            self.leaving = true;
            self.connection.graceful_shutdown();
            self.common.driver.borrow().wake_by_ref();
        }
    }

    /// Sets the deadline when what is waited for changes, or moves on.
    fn is_late(&mut self) -> bool {
        let phase = if self.gauge.is_in_block() {
            (Phase::Block, 0)
        } else if self.common.open.get() > 0 {
            (Phase::Exchanges, 0)
        } else if self.connection.has_streams() {
            (Phase::Reader, self.gauge.written())
        } else if self.leaving {
            (Phase::Leaving, 0)
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
                Phase::Idle => self.watch.set_after(self.timeouts.keep_alive),
            }
            return false;
        }
        self.watch.expired()
    }

    /// Counts why the client is no longer served and tells it so.
    fn refuse(&mut self, label: &'static str) {
        self.common.seat.slot.counts.refuse(label);
        self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
    }

    /// Lets the last frames leave.
    async fn say_goodbye(mut self) {
        self.watch.set_after(GOODBYE);
        self.gauge.stop_reading();
        let _ = until(&self.watch, poll_fn(|cx| self.connection.poll_closed(cx))).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self(common) = self;
        common.open.set(common.open.get() - 1);
        if common.open.get() == 0 {
            common.driver.borrow().wake_by_ref();
        }
    }
}
