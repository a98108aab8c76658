//! Requests that wait for a server with room. Who is next is decided in [`evenkeel_core::queue`].

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use evenkeel_core::config::QueueLimits;
use evenkeel_core::fault::Fault;
use evenkeel_core::moment::Moment;
use evenkeel_core::pick::Pick;
use evenkeel_core::queue::{Queue, Ticket};
use tokio::sync::oneshot;

use crate::clock;
use crate::fleet::{InFlight, LivePool, PoolTally};
use crate::timers::Watch;

/// The queue of a pool, shared by all workers.
#[derive(Debug)]
pub(crate) struct Waiting {
    line: Mutex<Line>,
    /// Length of the line: nobody locks to learn that nobody waits.
    length: AtomicU32,
}

#[derive(Debug)]
struct Line {
    queue: Queue,
    callers: BTreeMap<Ticket, oneshot::Sender<()>>,
}

/// A request in the line; it leaves when dropped.
#[derive(Debug)]
struct Waiter<'w> {
    waiting: &'w Waiting,
    ticket: Ticket,
    until: Moment,
    call: oneshot::Receiver<()>,
    /// It was called, to a room that it has not taken yet.
    is_called: bool,
}

/// A place on a server that `pick` finds, waiting for one if all are full. On its first try a
/// request goes behind those who wait already; a `further` one has waited before.
pub(crate) async fn seize(
    live: &LivePool,
    watch: &Watch,
    end: Moment,
    further: bool,
    pick: impl Fn() -> Pick,
) -> Result<(usize, InFlight), Fault> {
    let pending = live.admit_pending()?;
    let mut waiter: Option<Waiter<'_>> = None;
    let mut behind = !further && live.waiting.is_used();
    loop {
        match if behind { Pick::Full } else { pick() } {
            Pick::Server(index) => {
                if let Some(mut in_flight) = live.enter(index, further) {
                    in_flight.waits_as(pending);
                    if let Some(waiter) = &mut waiter {
                        waiter.is_called = false;
                    }
                    return Ok((index, in_flight));
                }
                continue; // another worker was faster
            }
            Pick::Nobody => return Err(Fault::NoServer),
            Pick::Refused => {
                PoolTally::count(&live.tally.refused_by_servers);
                return Err(Fault::BreakerOpen);
            }
            Pick::Full => {}
        }
        behind = false;
        match &mut waiter {
            // Room that came free before the line was joined was announced to nobody: once in the
            // line, look again.
            None => {
                let last = live.waiting.join().ok_or(Fault::QueueFull);
                waiter = Some(last.inspect_err(|_| PoolTally::count(&live.tally.queue_full))?);
            }
            Some(waiter) if waiter.is_called => waiter.go_back(further),
            Some(waiter) => waiter.called(watch, end).await.inspect_err(|_| {
                PoolTally::count(&live.tally.queue_timeouts);
            })?,
        }
    }
}

impl Waiting {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let line = Line { queue: Queue::new(limits), callers: BTreeMap::new() };
        Self { line: Mutex::new(line), length: AtomicU32::new(0) }
    }

    pub(crate) fn reconfigure(&self, limits: QueueLimits) {
        self.lock().queue.reconfigure(limits);
    }

    /// Somebody waits: newcomers go behind.
    pub(crate) fn is_used(&self) -> bool {
        self.length.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn length(&self) -> u32 {
        self.length.load(Ordering::Relaxed)
    }

    /// How long the one that has waited longest has been waiting.
    pub(crate) fn oldest_wait(&self, now: Moment) -> Duration {
        if self.is_used() { self.lock().queue.oldest_wait(now) } else { Duration::ZERO }
    }

    /// A place at the end of the line. `None`: the line is full.
    fn join(&self) -> Option<Waiter<'_>> {
        let mut line = self.lock();
        let (ticket, until) = line.queue.join(clock::now())?;
        let call = self.expect_call(&mut line, ticket);
        Some(Waiter { waiting: self, ticket, until, call, is_called: false })
    }

    /// A server has room for one more.
    pub(crate) fn call_next(&self) {
        if self.is_used() {
            let mut line = self.lock();
            self.call(&mut line);
        }
    }

    /// Servers have come or changed: all look again.
    pub(crate) fn call_all(&self) {
        if self.is_used() {
            let mut line = self.lock();
            while self.call(&mut line) {}
        }
    }

    fn call(&self, line: &mut Line) -> bool {
        let next = line.queue.next(clock::now());
        self.tell(line, next)
    }

    fn tell(&self, line: &mut Line, next: Option<Ticket>) -> bool {
        self.length.store(line.length(), Ordering::Relaxed);
        let Some(ticket) = next else { return false };
        // Who is gone has left the line as well: there is somebody to hear it.
        line.callers.remove(&ticket).is_some_and(|caller| caller.send(()).is_ok())
    }

    fn expect_call(&self, line: &mut Line, ticket: Ticket) -> oneshot::Receiver<()> {
        let (caller, call) = oneshot::channel();
        line.callers.insert(ticket, caller);
        self.length.store(line.length(), Ordering::Relaxed);
        call
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        // What is in the line is valid after each of its operations: a panic elsewhere harms nothing.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn length(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX)
    }
}

impl Waiter<'_> {
    /// Returns when there may be room.
    async fn called(&mut self, watch: &Watch, end: Moment) -> Result<(), Fault> {
        watch.set(self.until.min(end));
        poll_fn(|cx| {
            if Pin::new(&mut self.call).poll(cx).is_ready() {
                self.is_called = true;
                return Poll::Ready(Ok(()));
            }
            if watch.expired() { Poll::Ready(Err(Fault::QueueTimeout)) } else { Poll::Pending }
        })
        .await
    }

    /// The room was gone, or is with a server that a `further` try has tried, and may be for somebody
    /// behind it. Waits on, before all who came later.
    fn go_back(&mut self, further: bool) {
        self.is_called = false;
        let mut line = self.waiting.lock();
        if further {
            let next = line.queue.next_behind(self.ticket, clock::now());
            self.waiting.tell(&mut line, next);
        }
        line.queue.put_back(self.ticket, self.until);
        self.call = self.waiting.expect_call(&mut line, self.ticket);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut line = self.waiting.lock();
        line.callers.remove(&self.ticket);
        let waited = line.queue.leave(self.ticket);
        self.waiting.length.store(line.length(), Ordering::Relaxed);
        // Called, but gone before it could take the room: that is the next one's.
        // It may also leave because it found room by itself: then the call was for another place.
        if !waited && (self.is_called || self.call.try_recv().is_ok()) {
            self.waiting.call(&mut line);
        }
    }
}
