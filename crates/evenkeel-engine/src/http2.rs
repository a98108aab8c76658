//! A client's HTTP/2 connection: each of its streams is an exchange of its own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use evenkeel_core::config::{ClientTimeouts, Http};
use evenkeel_core::http2::{Code, Connection, Event, Limits, Slot};
use evenkeel_core::moment::Moment;
use tokio::io::AsyncWrite;

use crate::accept::Seat;
use crate::buffer::Buffer;
use crate::clock;
use crate::exchange::{DRAIN_PATIENCE, EVICTABLE_AFTER};
use crate::stream::Stream;
use crate::timers::{Watch, until};

mod asking;
mod fields;
mod framed;
mod runner;
mod shared;

pub(crate) use asking::Asking;
pub(crate) use framed::Framed;
pub(crate) use runner::Runner;
pub(crate) use shared::SharedConnections;

/// Exchanges at once on one connection: what nginx allows, and browsers are content with.
const MOST_STREAMS: u32 = 128;
/// Bytes of a request body that may be on their way while its server is slow. A link of 100 Mbit/s
/// over 20 ms is filled by it.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same over all streams of a connection: the most that a client can make this node hold.
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// Bytes received and not yet understood: the largest frame, and some that follow it.
const MOST_RECEIVED: usize = 32 * 1024;
/// How long the last frames may take to leave.
const GOODBYE: Duration = Duration::from_secs(2);
/// Bytes that are thrown away so that a client which is still sending reads why it is let go.
const MOST_UNHEARD: usize = 256 * 1024;

/// What the streams of a connection have in common.
#[derive(Debug)]
struct Common {
    seat: Rc<Seat>,
    address_text: Rc<str>,
    connection: RefCell<Connection>,
    /// Of the tasks that wait for something of their stream, by the index of its slot.
    waiting: RefCell<Vec<Option<Waker>>>,
    /// The task that drives the connection.
    driver: RefCell<Waker>,
    /// It is woken already.
    driven: Cell<bool>,
}

/// A connection and its deadlines.
struct Driver {
    common: Rc<Common>,
    stream: Stream,
    /// Received and not yet understood; no memory while there is nothing.
    inbox: Option<Buffer>,
    /// TLS may hold bytes that the socket did not take.
    is_flushed: bool,
    /// Bytes the kernel has taken.
    written: u64,
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
    /// That the client has heard that it should leave, and does.
    Leaving,
    /// The client.
    Idle,
}

/// The connection is over.
struct Over;

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
        connection: RefCell::new(Connection::new(limits, clock::now())),
        waiting: RefCell::default(),
        driver: RefCell::new(Waker::noop().clone()),
        driven: Cell::new(false),
    });
    let mut driver = Driver {
        common,
        stream,
        inbox: None,
        is_flushed: true,
        written: 0,
        watch,
        timeouts,
        most_requests,
        requests: 0,
        leaving: false,
        phase: None,
        since: clock::now(),
    };
    poll_fn(|cx| driver.poll(cx)).await;
    driver.common.connection.borrow_mut().abandon();
    driver.common.wake_all();
    driver.say_goodbye().await;
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
        self.common.driver.borrow_mut().clone_from(cx.waker());
        self.common.driven.set(false);
        if self.drive(cx).is_err() {
            return Poll::Ready(());
        }
        self.leave_if_asked();
        if self.common.connection.borrow().is_over() {
            return Poll::Ready(());
        }
        if !self.is_late() {
            return Poll::Pending;
        }
        match self.phase {
            Some((Phase::Block, _)) => self.refuse("client-timeout"),
            Some((Phase::Reader, _)) => self.refuse("h2-slow-reader"),
            _ => self.common.connection.borrow_mut().end(Code::NO_ERROR),
        }
        Poll::Ready(())
    }

    /// Reads and writes as much as can be.
    fn drive(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        loop {
            let was_full = self.receive(cx)?;
            self.send(cx)?;
            let common = &self.common;
            let mut connection = common.connection.borrow_mut();
            connection.each_ready(|slot| common.wake(slot));
            if !was_full || connection.is_full() {
                return Ok(());
            }
        }
    }

    /// Reads what has come. `true`: there may be more, but first what is unsent has to leave.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        loop {
            if self.common.connection.borrow().is_full() {
                return Ok(true);
            }
            let spare = &self.common.seat.worker.buffers;
            let inbox = self.inbox.get_or_insert_with(|| spare.take().unwrap_or_default());
            inbox.make_room(MOST_RECEIVED);
            let read = inbox.poll_fill(cx, &mut self.stream);
            if let Poll::Ready(Ok(1..)) = read {
                self.understand()?;
                continue;
            }
            if let Some(mut empty) = self.inbox.take_if(|inbox| inbox.is_empty()) {
                empty.shrink();
                spare.give_back(empty);
            }
            return match read {
                Poll::Pending => Ok(false),
                Poll::Ready(_) => Err(Over), // the client has left
            };
        }
    }

    /// Takes whole frames out of the inbox.
    fn understand(&mut self) -> Result<(), Over> {
        let now = clock::now();
        loop {
            let Some(inbox) = &mut self.inbox else { return Ok(()) };
            let next = self.common.connection.borrow_mut().next(inbox.unread(), now);
            match next {
                Ok(None) => return Ok(()),
                Ok(Some((length, event))) => {
                    inbox.consume(length);
                    self.heed(event);
                }
                Err(failure) => {
                    self.common.seat.slot.counts.refuse(failure.label);
                    return Err(Over);
                }
            }
        }
    }

    fn heed(&mut self, event: Event) {
        match event {
            Event::Nothing => {}
            Event::Request(slot) => self.begin(slot),
            Event::Changed(slot) => self.common.wake(slot),
            Event::Room => self.common.wake_all(),
        }
    }

    /// One more exchange.
    fn begin(&mut self, slot: Slot) {
        self.requests += 1;
        if self.requests >= self.most_requests {
            self.leaving = true;
            self.common.connection.borrow_mut().leave();
        }
        runner::run(&self.common.seat.worker, Framed::new(Rc::clone(&self.common), slot));
    }

    /// Writes what is unsent, as far as the client takes it.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        let mut connection = self.common.connection.borrow_mut();
        while !connection.unsent().is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, connection.unsent()) {
                Poll::Ready(Ok(written @ 1..)) => {
                    connection.sent(written);
                    self.written += written as u64;
                    self.is_flushed = false;
                }
                Poll::Ready(_) => return Err(Over),
                Poll::Pending => return Ok(()),
            }
        }
        if !self.is_flushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_flushed = true,
                Poll::Ready(Err(_gone)) => return Err(Over),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// Tells the client to connect elsewhere and finishes what it has begun.
    fn leave_if_asked(&mut self) {
        if self.leaving {
            return;
        }
        let Common { seat, connection, .. } = &*self.common;
        let Seat { worker, slot, .. } = &**seat;
        let is_idle = || connection.borrow().is_idle();
        let evicted =
            || is_idle() && clock::now().since(self.since) >= EVICTABLE_AFTER && worker.evicts();
        if worker.draining() || slot.is_removed() || evicted() {
            self.leaving = true;
            connection.borrow_mut().leave();
            self.common.drive();
        }
    }

    /// Sets the deadline when what is waited for changes, or moves on.
    fn is_late(&mut self) -> bool {
        let connection = self.common.connection.borrow();
        let phase = if connection.is_within_block() {
            (Phase::Block, 0)
        } else if !connection.is_idle() {
            (Phase::Exchanges, 0)
        } else if !connection.unsent().is_empty() || !self.is_flushed {
            (Phase::Reader, self.written)
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
    fn refuse(&self, label: &'static str) {
        self.common.seat.slot.counts.refuse(label);
        self.common.connection.borrow_mut().end(Code::ENHANCE_YOUR_CALM);
    }

    /// Lets the last frames leave. Closing on unread bytes would reset the connection, and with it
    /// what the client has not read of them.
    async fn say_goodbye(mut self) {
        let watch = &self.watch;
        watch.set_after(GOODBYE);
        let mut unheard = self.inbox.take().unwrap_or_default();
        let mut left = MOST_UNHEARD;
        let mut is_shut = false;
        let goodbye = poll_fn(|cx| {
            while !is_shut {
                let mut connection = self.common.connection.borrow_mut();
                let stream = Pin::new(&mut self.stream);
                if connection.unsent().is_empty() {
                    ready!(stream.poll_shutdown(cx))?;
                    is_shut = true;
                } else {
                    let written = ready!(stream.poll_write(cx, connection.unsent()))?;
                    connection.sent(written);
                }
            }
            while left > 0 {
                unheard.clear();
                match ready!(unheard.poll_fill(cx, &mut self.stream))? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            Poll::Ready(io::Result::Ok(()))
        });
        let _ = until(watch, goodbye).await; // who has gone does not need to hear it
    }
}

impl Common {
    /// Wakes whoever waits for something of this stream.
    fn wake(&self, slot: Slot) {
        let waker = self.waiting.borrow_mut().get_mut(slot.index()).and_then(Option::take);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        self.waiting.borrow_mut().iter_mut().filter_map(Option::take).for_each(Waker::wake);
    }

    /// Has the task woken when something of this stream changes.
    fn wait(&self, slot: Slot, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        let missing = (slot.index() + 1).saturating_sub(waiting.len());
        waiting.extend(std::iter::repeat_n(None, missing));
        match &mut waiting[slot.index()] {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Has the driver look at the connection again.
    fn drive(&self) {
        if !self.driven.replace(true) {
            self.driver.borrow().wake_by_ref();
        }
    }
}
