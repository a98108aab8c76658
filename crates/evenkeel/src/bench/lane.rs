//! One thread of a load generator: sends what is due by the clock, and takes answers as they come.
//!
//! Threads share nothing but the schedule. Each takes every so-manieth request and has its part of
//! the connections.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::connection::Connection;
use super::schedule::Schedule;
use super::talk::{Done, Due, Outcome};
use super::tally::{Failure, Tally};
use super::target::Target;
use crate::clock;

/// How often requests that are late are looked for, and the longest a thread does not look whether
/// it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// Events taken at once.
const EVENTS: usize = 256;

/// How often a request is sent anew because a server had not looked at it. Connections that were
/// opened at the same time are ended at the same time by a server that counts requests, so that a
/// request may meet several; one that refuses all does not deserve more.
const MOST_REFUSALS: u8 = 5;

/// The event that is of no slot.
const ALARM: u64 = u64::MAX;

/// A test, as all of its threads know it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) schedule: Schedule,
    /// How long after it was due a request may be answered.
    pub(crate) patience: Duration,
    /// At once, over all threads.
    pub(crate) connections: u32,
    pub(crate) lanes: u32,
}

/// What threads tell while they run, and what they are told.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) stop: AtomicBool,
    pub(crate) good: AtomicU32,
    pub(crate) failed: AtomicU32,
}

impl Live {
    /// For the next test.
    pub(crate) fn reset(&self) {
        self.good.store(0, Ordering::Relaxed);
        self.failed.store(0, Ordering::Relaxed);
    }
}

/// One thread at work.
struct Lane<'a> {
    plan: &'a Plan,
    live: &'a Live,
    start: Instant,
    epoll: OwnedFd,
    /// Rings when the next request is due. What `epoll` waits itself is in whole milliseconds.
    alarm: OwnedFd,
    slots: Vec<Slot>,
    /// Slots whose connection had room for another request; the one that waited longest comes
    /// first, so that all are used alike.
    free: VecDeque<usize>,
    /// Slots without a connection.
    vacant: Vec<usize>,
    /// Requests that were refused unseen and are to be sent anew.
    again: VecDeque<Due>,
    /// Requests that came to an end a moment ago.
    done: Vec<Done>,
    /// The number of the next request.
    next: u32,
    /// Whether requests that are due wait for a connection.
    starved: bool,
    tally: Tally,
    scratch: Vec<u8>,
}

/// A place for a connection.
#[derive(Debug, Default)]
struct Slot {
    connection: Option<Connection>,
    /// It is among those that are free.
    is_free: bool,
    /// Whether the kernel is asked to say when it can be written to.
    asked_to_write: bool,
}

/// Sends the requests of thread `number` from `start` on; returns when each is answered, has failed,
/// or `live` says stop.
pub(crate) fn run(plan: &Plan, number: u32, start: Instant, live: &Live) -> io::Result<Tally> {
    let share = plan.connections / plan.lanes;
    let more = u32::from(number < plan.connections % plan.lanes);
    let slots = (0..share + more).map(|_| Slot::default()).collect::<Vec<_>>();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let alarm = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    // Told once each time it rings, so that nobody has to read it.
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&epoll, &alarm, epoll::EventData::new_u64(ALARM), flags)?;
    let mut lane = Lane {
        plan,
        live,
        start,
        epoll,
        alarm,
        free: VecDeque::with_capacity(slots.len()),
        vacant: (0..slots.len()).rev().collect(),
        again: VecDeque::new(),
        done: Vec::new(),
        slots,
        next: number,
        starved: false,
        tally: Tally::new(plan.schedule.grid()),
        scratch: vec![0; READ_BYTES],
    };
    lane.run()?;
    Ok(lane.tally)
}

impl Lane<'_> {
    fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut woke = self.now();
        let mut looked = woke;
        loop {
            self.send(woke)?;
            if woke >= looked + LOOK_EVERY {
                looked = woke;
                self.give_up(woke)?;
            }
            if self.live.stop.load(Ordering::Relaxed) {
                self.cut_off();
                return Ok(());
            }
            let next = self.plan.schedule.due(self.next);
            if next.is_none() && self.is_quiet() {
                return Ok(());
            }
            let sleeps = self.now();
            self.tally.at_work(woke, sleeps.saturating_sub(woke));
            // A request that waits for a connection is woken by the connection.
            let until = next.filter(|_| !self.starved).unwrap_or(Duration::MAX);
            events.clear();
            self.wait(until.saturating_sub(sleeps), &mut events)?;
            woke = self.now();
            for event in &events {
                let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                self.ready(index)?;
            }
        }
    }

    /// Waits for so long, at most [`LOOK_EVERY`], or until something happens on a connection.
    fn wait(&self, left: Duration, events: &mut Vec<epoll::Event>) -> io::Result<()> {
        let mut limit = LOOK_EVERY;
        if left.is_zero() {
            limit = Duration::ZERO;
        } else if left < LOOK_EVERY {
            let it_interval = Timespec::default();
            let it_value = Timespec::try_from(left).expect("it is short");
            let rings = Itimerspec { it_interval, it_value };
            timerfd_settime(&self.alarm, TimerfdTimerFlags::empty(), &rings)?;
        }
        let limit = Timespec::try_from(limit).expect("it is short");
        let room = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.epoll, room, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn now(&self) -> Duration {
        clock::instant().saturating_duration_since(self.start)
    }

    fn is_quiet(&self) -> bool {
        self.under_way() == 0
    }

    /// Requests that were taken in hand and have not come to an end.
    fn under_way(&self) -> usize {
        let connections = self.slots.iter().filter_map(|slot| slot.connection.as_ref());
        connections.map(Connection::carries).sum::<usize>() + self.again.len()
    }

    /// Sends all that is due by `now`, as far as there are connections.
    fn send(&mut self, now: Duration) -> io::Result<()> {
        while let Some(due) = self.again.pop_front() {
            let Some(slot) = self.place() else {
                self.again.push_front(due);
                self.starved = true;
                return Ok(());
            };
            self.give(slot, due)?;
        }
        while let Some(at) = self.plan.schedule.due(self.next).filter(|at| *at <= now) {
            let expired = now.saturating_sub(at) >= self.plan.patience;
            let slot = if expired { None } else { self.place() };
            if slot.is_none() && !expired {
                self.starved = true;
                return Ok(());
            }
            self.tally.due(at);
            if self.starved {
                self.tally.waited(at);
            } else {
                self.tally.taken(at, now);
            }
            match slot {
                Some(slot) => self.give(slot, Due { at, refusals: 0 })?,
                None => self.failed(at, Failure::Timeout),
            }
            self.next = self.next.saturating_add(self.plan.lanes);
        }
        self.starved = false;
        Ok(())
    }

    /// A slot that can take a request: its connection has room, or it has none yet.
    fn place(&mut self) -> Option<usize> {
        while let Some(index) = self.free.pop_front() {
            let slot = &mut self.slots[index];
            slot.is_free = false;
            if slot.connection.as_ref().is_some_and(Connection::has_room) {
                return Some(index);
            }
        }
        self.vacant.pop()
    }

    /// Has `slot` carry the request that was due then.
    fn give(&mut self, index: usize, due: Due) -> io::Result<()> {
        let slot = &mut self.slots[index];
        if slot.connection.is_none() {
            match Connection::open(&self.plan.target) {
                Ok(connection) => {
                    let data = epoll::EventData::new_u64(u64::try_from(index).unwrap_or(u64::MAX));
                    let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT;
                    epoll::add(&self.epoll, &connection, data, flags)?;
                    slot.asked_to_write = true;
                    slot.connection = Some(connection);
                    self.tally.connections += 1;
                }
                Err(why) => {
                    self.vacant.push(index);
                    self.failed(due.at, why);
                    return Ok(());
                }
            }
        }
        let connection = slot.connection.as_mut().expect("it was opened above");
        connection.send(due, &mut self.scratch, &mut self.done);
        self.settle(index)
    }

    /// Something has happened on the connection of `slot`.
    fn ready(&mut self, index: usize) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        // An event of a connection that was closed after the kernel told of it.
        let Some(connection) = &mut slot.connection else { return Ok(()) };
        connection.advance(&mut self.scratch, &mut self.done);
        self.settle(index)
    }

    /// Draws the conclusions from what became of a connection and its requests.
    fn settle(&mut self, index: usize) -> io::Result<()> {
        self.conclude();
        let slot = &mut self.slots[index];
        let Some(connection) = &slot.connection else { return Ok(()) };
        if connection.is_over() {
            self.close(index);
            return Ok(());
        }
        if connection.has_room() && !slot.is_free {
            slot.is_free = true;
            self.free.push_back(index);
        }
        self.ask(index)
    }

    /// Counts the requests that have come to an end.
    fn conclude(&mut self) {
        if self.done.is_empty() {
            return;
        }
        let now = self.now();
        let mut done = std::mem::take(&mut self.done);
        for Done { due, outcome } in done.drain(..) {
            match outcome {
                Outcome::Answered(status) => match Failure::of_status(status) {
                    None => {
                        self.tally.good(due.at, now);
                        self.live.good.fetch_add(1, Ordering::Relaxed);
                    }
                    Some(why) => self.failed(due.at, why),
                },
                Outcome::Refused if due.refusals < MOST_REFUSALS => {
                    self.again.push_back(Due { refusals: due.refusals + 1, ..due });
                }
                Outcome::Refused => self.failed(due.at, Failure::Reset),
                Outcome::Failed(why) => self.failed(due.at, why),
            }
        }
        self.done = done;
    }

    /// Asks the kernel for what the connection waits for.
    fn ask(&mut self, index: usize) -> io::Result<()> {
        let slot = &mut self.slots[index];
        let Some(connection) = &slot.connection else { return Ok(()) };
        let to_write = connection.wants_to_write();
        if to_write == slot.asked_to_write {
            return Ok(());
        }
        slot.asked_to_write = to_write;
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, to_write);
        let data = epoll::EventData::new_u64(u64::try_from(index).unwrap_or(u64::MAX));
        Ok(epoll::modify(&self.epoll, connection, data, flags)?)
    }

    /// Ends a connection.
    fn close(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.connection = None;
        if std::mem::take(&mut slot.is_free) {
            self.free.retain(|free| *free != index);
        }
        self.vacant.push(index);
    }

    /// Ends what should have been answered by `now`.
    fn give_up(&mut self, now: Duration) -> io::Result<()> {
        let Some(at) = now.checked_sub(self.plan.patience) else { return Ok(()) };
        for index in 0..self.slots.len() {
            let Some(connection) = &mut self.slots[index].connection else { continue };
            connection.give_up(at, &mut self.done);
            if !self.done.is_empty() {
                self.settle(index)?;
            }
        }
        let (late, again) = self.again.drain(..).partition::<VecDeque<_>, _>(|due| due.at <= at);
        self.again = again;
        for due in late {
            self.failed(due.at, Failure::Timeout);
        }
        Ok(())
    }

    /// Lets go of what is under way.
    fn cut_off(&mut self) {
        self.tally.cut_off = u32::try_from(self.under_way()).unwrap_or(u32::MAX);
    }

    fn failed(&mut self, due: Duration, why: Failure) {
        self.tally.failed(due, why, self.plan.patience);
        self.live.failed.fetch_add(1, Ordering::Relaxed);
    }
}
