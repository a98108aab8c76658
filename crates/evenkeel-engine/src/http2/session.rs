//! A connection in frames: who works on its streams, and the task that reads and writes for them.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use evenkeel_core::http2::{Connection, Event, Failure, Received, Slot};
use tokio::io::AsyncWrite;

use super::fields::broken;
use crate::buffer::{Buffer, Stock};
use crate::clock;
use crate::stream::Stream;

/// Bytes received and not yet understood: the largest frame, and some that follow it.
const MOST_RECEIVED: usize = 32 * 1024;
/// Bytes that are thrown away so that a peer which is still sending reads why it is let go.
const MOST_UNHEARD: usize = 256 * 1024;

/// What the streams of a connection have in common.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: RefCell<Connection>,
    /// Of the tasks that wait for something of their stream, by the index of its slot.
    waiting: RefCell<Vec<Option<Waker>>>,
    /// The task that drives the connection.
    driver: RefCell<Waker>,
    /// It is woken already.
    is_driven: Cell<bool>,
}

/// The bytes below a session.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    /// Received and not yet understood.
    inbox: Buffer,
    /// TLS may hold bytes that the socket did not take.
    is_flushed: bool,
    /// Bytes that were taken to be sent.
    written: u64,
}

/// The connection is over.
#[derive(Debug)]
pub(super) enum Over {
    /// The peer has left.
    Gone,
    /// It has broken a rule, and is told.
    Failure(Failure),
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: RefCell::new(connection),
            waiting: RefCell::default(),
            driver: RefCell::new(Waker::noop().clone()),
            is_driven: Cell::new(false),
        }
    }

    /// Has the task woken when something of this stream changes.
    pub(super) fn wait(&self, slot: Slot, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        let missing = (slot.index() + 1).saturating_sub(waiting.len());
        waiting.extend(std::iter::repeat_n(None, missing));
        match &mut waiting[slot.index()] {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Hands over what has come of a body, at most `most` bytes at once. `false`: it is over.
    pub(super) fn poll_read(
        &self,
        cx: &Context<'_>,
        slot: Slot,
        most: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<bool>> {
        let mut connection = self.connection.borrow_mut();
        let length = match connection.peek(slot) {
            Received::Bytes(bytes) => {
                let piece = &bytes[..bytes.len().min(most)];
                take(piece);
                piece.len()
            }
            Received::End => return Poll::Ready(Ok(false)),
            Received::Reset(code) => return Poll::Ready(Err(broken(code))),
            Received::Nothing => {
                self.wait(slot, cx);
                return Poll::Pending;
            }
        };
        connection.consume(slot, length);
        if !connection.unsent().is_empty() {
            self.drive(); // the peer is told that there is room
        }
        Poll::Ready(Ok(true))
    }

    /// Has the driver look at the connection again.
    pub(super) fn drive(&self) {
        if !self.is_driven.replace(true) {
            self.driver.borrow().wake_by_ref();
        }
    }

    /// Nothing comes or goes any more: whoever works on a stream hears that.
    pub(super) fn abandon(&self) {
        self.connection.borrow_mut().abandon();
        self.wake_all();
    }

    /// The task that calls this is the driver.
    pub(super) fn is_driven_by(&self, cx: &Context<'_>) {
        self.driver.borrow_mut().clone_from(cx.waker());
        self.is_driven.set(false);
    }

    fn wake(&self, slot: Slot) {
        let waker = self.waiting.borrow_mut().get_mut(slot.index()).and_then(Option::take);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        self.waiting.borrow_mut().iter_mut().filter_map(Option::take).for_each(Waker::wake);
    }
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, inbox: Buffer::default(), is_flushed: true, written: 0 }
    }

    /// Bytes that were taken to be sent.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Nothing waits to be sent.
    pub(super) fn is_quiet(&self, session: &Session) -> bool {
        self.is_flushed && session.connection.borrow().unsent().is_empty()
    }

    /// Reads and writes as much as can be. `begin` gets each request.
    pub(super) fn drive(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        spare: &Stock<Buffer>,
        mut begin: impl FnMut(Slot),
    ) -> Result<(), Over> {
        loop {
            let was_full = self.receive(cx, session, spare, &mut begin)?;
            self.send(cx, session)?;
            let mut connection = session.connection.borrow_mut();
            connection.each_ready(|slot| session.wake(slot));
            if !was_full || connection.is_full() {
                return Ok(());
            }
        }
    }

    /// Reads what has come. `true`: there may be more, but first what is unsent has to leave.
    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        spare: &Stock<Buffer>,
        begin: &mut impl FnMut(Slot),
    ) -> Result<bool, Over> {
        loop {
            if session.connection.borrow().is_full() {
                return Ok(true);
            }
            self.inbox.make_room(MOST_RECEIVED);
            match self.inbox.poll_fill_with(cx, &mut self.stream, spare) {
                Poll::Ready(Ok(1..)) => understand(&mut self.inbox, session, begin)?,
                Poll::Ready(_) => return Err(Over::Gone),
                Poll::Pending => return Ok(false),
            }
        }
    }

    /// Writes what is unsent, as far as the peer takes it.
    fn send(&mut self, cx: &mut Context<'_>, session: &Session) -> Result<(), Over> {
        let mut connection = session.connection.borrow_mut();
        while !connection.unsent().is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, connection.unsent()) {
                Poll::Ready(Ok(written @ 1..)) => {
                    connection.sent(written);
                    self.written += written as u64;
                    self.is_flushed = false;
                }
                Poll::Ready(_) => return Err(Over::Gone),
                Poll::Pending => return Ok(()),
            }
        }
        if !self.is_flushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_flushed = true,
                Poll::Ready(Err(_gone)) => return Err(Over::Gone),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// Lets the last frames leave. Closing on unread bytes would reset the connection, and with it
    /// what the peer has not read of them.
    pub(super) async fn say_goodbye(mut self, session: &Session) {
        let mut unheard = mem::take(&mut self.inbox);
        let mut left = MOST_UNHEARD;
        let mut is_shut = false;
        let goodbye = poll_fn(|cx| {
            while !is_shut {
                let mut connection = session.connection.borrow_mut();
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
        let _ = goodbye.await; // who has gone does not need to hear it
    }
}

/// Takes whole frames out of the inbox.
fn understand(
    inbox: &mut Buffer,
    session: &Session,
    begin: &mut impl FnMut(Slot),
) -> Result<(), Over> {
    let now = clock::now();
    loop {
        let next = session.connection.borrow_mut().next(inbox.unread(), now);
        let Some((length, event)) = next.map_err(Over::Failure)? else { return Ok(()) };
        inbox.consume(length);
        match event {
            Event::Nothing => {}
            Event::Request(slot) => begin(slot),
            Event::Changed(slot) => session.wake(slot),
            Event::Everything => session.wake_all(),
        }
    }
}
