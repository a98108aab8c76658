//! Waiting for a server with room: who may, for how long, and who is next.
//!
//! One queue for each pool, first come, first served. Nobody overtakes: while somebody waits, a
//! newcomer waits behind.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::QueueLimits;
use crate::moment::Moment;

/// A place in the queue. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Who waits.
#[derive(Debug)]
pub struct Queue {
    limits: QueueLimits,
    /// Oldest first. All wait equally long, so it is also the order of their deadlines.
    waiting: VecDeque<(Ticket, Moment)>,
    tickets: u64,
}

impl Queue {
    /// Nobody yet.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, waiting: VecDeque::new(), tickets: 0 }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits. Who keeps this in an atomic need not lock the queue to pick.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// One that found no room waits until it is called ([`Queue::next`]) or the moment has come;
    /// then it is refused and has to [`Queue::leave`]. `None`: the queue is full, which is a 503
    /// with `Retry-After` ([`QueueLimits::retry_after`]).
    pub fn join(&mut self, now: Moment) -> Option<(Ticket, Moment)> {
        if self.waiting.len() >= usize::try_from(self.limits.length).unwrap_or(usize::MAX) {
            return None;
        }
        let (ticket, until) = (Ticket(self.tickets), now + self.limits.wait);
        self.tickets += 1;
        self.waiting.push_back((ticket, until));
        Some((ticket, until))
    }

    /// There is room for one more: who has waited longest, but not too long, is to pick a server.
    /// Those who have waited too long are passed over; they know it themselves.
    pub fn next(&mut self, now: Moment) -> Option<Ticket> {
        self.next_from(0, now)
    }

    /// Who was called cannot use that room, because it has tried that server: somebody behind it
    /// may. A room is offered down the line and never up again, so this ends.
    pub fn next_behind(&mut self, ticket: Ticket, now: Moment) -> Option<Ticket> {
        self.next_from(self.waiting.partition_point(|(other, _)| *other <= ticket), now)
    }

    fn next_from(&mut self, place: usize, now: Moment) -> Option<Ticket> {
        while let Some((ticket, until)) = self.waiting.remove(place) {
            if now < until {
                return Some(ticket);
            }
        }
        None
    }

    /// The room was gone before one who was called could take it: it waits on, before all others.
    /// Its deadline stays what it was.
    pub fn put_back(&mut self, ticket: Ticket, until: Moment) {
        let at = self.waiting.partition_point(|(other, _)| *other < ticket);
        self.waiting.insert(at, (ticket, until));
    }

    /// One that waits has given up, or its time is over. `false`: it was called meanwhile, and the
    /// room it was called to is for the next one.
    pub fn leave(&mut self, ticket: Ticket) -> bool {
        let place = self.waiting.binary_search_by_key(&ticket, |&(ticket, _)| ticket);
        place.is_ok_and(|at| self.waiting.remove(at).is_some())
    }

    /// How long the one that has waited longest has been waiting.
    pub fn oldest_wait(&self, now: Moment) -> Duration {
        let waited =
            |&(_, until): &(Ticket, Moment)| self.limits.wait.saturating_sub(until.since(now));
        self.waiting.front().map_or(Duration::ZERO, waited)
    }

    /// A reload has changed the limits. Who waits keeps its deadline.
    pub fn reconfigure(&mut self, limits: QueueLimits) {
        self.limits = limits;
    }
}

#[cfg(test)]
mod tests;
