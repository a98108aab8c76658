//! What happens when: the only clock there is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use evenkeel_core::moment::Moment;

/// Events in the order of their moments; those of one moment in the order they were written down.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    now: Moment,
    written: u64,
    events: BinaryHeap<Reverse<Entry<E>>>,
}

#[derive(Debug)]
struct Entry<E> {
    key: (Moment, u64),
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Self {
        // Not at the beginning of time: subtractions must have room.
        let now = Moment::START + Duration::from_hours(1);
        Self { now, written: 0, events: BinaryHeap::new() }
    }

    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// At this moment, or now if it is past.
    pub(super) fn at(&mut self, moment: Moment, event: E) {
        self.written += 1;
        let key = (moment.max(self.now), self.written);
        self.events.push(Reverse(Entry { key, event }));
    }

    pub(super) fn after(&mut self, wait: Duration, event: E) {
        self.at(self.now + wait, event);
    }

    /// The next event; its moment is now.
    pub(super) fn next(&mut self) -> Option<E> {
        let Reverse(entry) = self.events.pop()?;
        self.now = entry.key.0;
        Some(entry.event)
    }
}
