//! What a device has measured and comm has not acknowledged: what to send next, and what follows
//! from an answer. Without a socket, and with the time as an argument.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

use crate::protocol::{Answer, WINDOW};

/// Readings that a device keeps; when there are more it does not measure.
pub(super) const MOST_KEPT: usize = 10_000;

/// What a device has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Readings made and numbered.
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    /// Readings without an answer at the end.
    pub(crate) unanswered: u64,
    /// Lines on the wire, with those sent again.
    pub(crate) transmissions: u64,
    /// Times that comm said later.
    pub(crate) retries: u64,
    /// Measurements left out because too much was kept.
    pub(crate) skipped: u64,
    pub(crate) connections: u64,
}

/// What a device keeps.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The next number, once comm has said where to go on.
    next: Option<u64>,
    first: u64,
    kept: BTreeMap<u64, Kept>,
    on_the_wire: usize,
    pub(super) counts: Counts,
    /// The longest time from when a reading was due to its acknowledgement.
    pub(super) slowest_ms: u64,
}

#[derive(Debug)]
struct Kept {
    line: String,
    due_ms: u64,
    state: State,
}

/// ```text
/// waiting ──sent──► on the wire ──acknowledged, refused──► gone
///    ▲                  │
///    └── later, or the connection is lost
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be sent, not before this time.
    Waiting(u64),
    OnTheWire,
}

impl Outbox {
    pub(super) fn new() -> Self {
        let (kept, counts) = (BTreeMap::new(), Counts::default());
        Self { next: None, first: 0, kept, on_the_wire: 0, counts, slowest_ms: 0 }
    }

    /// Comm knows this device and has its readings up to `highest`. What was on the wire of an
    /// earlier connection is to be sent again.
    pub(super) fn connected(&mut self, highest: u64) {
        self.counts.connections += 1;
        if self.next.is_none() {
            self.first = highest + 1;
            self.next = Some(highest + 1);
        }
        for kept in self.kept.values_mut().filter(|kept| kept.state == State::OnTheWire) {
            kept.state = State::Waiting(0);
        }
        self.on_the_wire = 0;
    }

    /// Whether there is a number and room for a reading.
    pub(super) fn may_measure(&self) -> bool {
        self.next.is_some() && self.kept.len() < MOST_KEPT
    }

    /// Keeps a reading of `time_ms`, which was to be made at `due_ms`.
    pub(super) fn keep(&mut self, time_ms: u64, due_ms: u64, body: &str) {
        let Some(sequence) = self.next else { return };
        self.next = Some(sequence + 1);
        let line = format!("put {sequence} {time_ms} {body}\n");
        let kept = Kept { line, due_ms, state: State::Waiting(0) };
        self.kept.insert(sequence, kept);
        self.counts.sent += 1;
    }

    /// Appends to `wire` what may be sent at `now_ms`.
    pub(super) fn fill(&mut self, wire: &mut String, now_ms: u64) {
        let room = WINDOW.saturating_sub(self.on_the_wire);
        let due = |kept: &&mut Kept| matches!(kept.state, State::Waiting(at) if at <= now_ms);
        for kept in self.kept.values_mut().filter(due).take(room) {
            wire.push_str(&kept.line);
            kept.state = State::OnTheWire;
            self.on_the_wire += 1;
            self.counts.transmissions += 1;
        }
    }

    /// Takes what comm says of a reading; other answers change nothing.
    pub(super) fn hear(&mut self, answer: Answer, now_ms: u64) {
        match answer {
            Answer::Ack(sequence) => {
                let Some(kept) = self.forget(sequence) else { return };
                self.counts.acknowledged += 1;
                let waited = now_ms.saturating_sub(kept.due_ms);
                self.slowest_ms = self.slowest_ms.max(waited);
            }
            Answer::Refused(sequence, _) => {
                self.counts.refused += u64::from(self.forget(sequence).is_some());
            }
            Answer::Retry(sequence, after_ms, _) => {
                if let Some(kept) = self.kept.get_mut(&sequence)
                    && kept.state == State::OnTheWire
                {
                    kept.state = State::Waiting(now_ms.saturating_add(after_ms));
                    self.on_the_wire -= 1;
                    self.counts.retries += 1;
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, sequence: u64) -> Option<Kept> {
        let kept = self.kept.remove(&sequence)?;
        self.on_the_wire -= usize::from(kept.state == State::OnTheWire);
        Some(kept)
    }

    /// When the next reading that was put off may be sent; `None` when none was.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let due = self.kept.values().filter_map(|kept| match kept.state {
            State::Waiting(at) => Some(at),
            State::OnTheWire => None,
        });
        due.min().filter(|_| self.on_the_wire < WINDOW)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether less is kept than may be on the wire.
    pub(super) fn is_short(&self) -> bool {
        self.kept.len() < WINDOW
    }

    /// The numbers from the first to the last, both 0 when there are none.
    pub(super) fn numbers(&self) -> (u64, u64) {
        match self.next {
            Some(next) if next > self.first => (self.first, next - 1),
            _ => (0, 0),
        }
    }

    /// The counts at the end.
    pub(super) fn final_counts(&self) -> Counts {
        Counts { unanswered: self.kept.len() as u64, ..self.counts }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { sent, acknowledged, refused, unanswered, transmissions, .. } = self;
        *sent += other.sent;
        *acknowledged += other.acknowledged;
        *refused += other.refused;
        *unanswered += other.unanswered;
        *transmissions += other.transmissions;
        self.retries += other.retries;
        self.skipped += other.skipped;
        self.connections += other.connections;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Delay, Refusal};

    fn sent(outbox: &mut Outbox, now_ms: u64) -> Vec<u64> {
        let mut wire = String::new();
        outbox.fill(&mut wire, now_ms);
        let number = |line: &str| line.split(' ').nth(1).unwrap().parse().unwrap();
        wire.lines().map(number).collect()
    }

    fn with(readings: u64) -> Outbox {
        let mut outbox = Outbox::new();
        outbox.connected(41);
        (0..readings).for_each(|_| outbox.keep(7, 5, "{}"));
        outbox
    }

    #[test]
    fn it_goes_on_after_what_is_stored() {
        let mut outbox = with(2);
        assert_eq!(sent(&mut outbox, 0), [42, 43]);
        assert!(sent(&mut outbox, 0).is_empty());
        assert_eq!(outbox.numbers(), (42, 43));
    }

    #[test]
    fn what_was_on_the_wire_is_sent_again_on_the_next_connection() {
        let mut outbox = with(3);
        sent(&mut outbox, 0);
        outbox.hear(Answer::Ack(43), 0);
        outbox.connected(43);
        assert_eq!(sent(&mut outbox, 0), [42, 44]);
        outbox.hear(Answer::Ack(42), 0);
        outbox.hear(Answer::Ack(42), 0);
        outbox.hear(Answer::Ack(99), 0);
        assert_eq!(outbox.final_counts().acknowledged, 2);
        assert_eq!(outbox.final_counts().unanswered, 1);
    }

    #[test]
    fn later_is_later_and_never_is_never() {
        let mut outbox = with(2);
        sent(&mut outbox, 100);
        outbox.hear(Answer::Retry(42, 50, Delay::Busy), 100);
        outbox.hear(Answer::Refused(43, Refusal::Time), 100);
        assert!(sent(&mut outbox, 149).is_empty());
        assert_eq!(outbox.next_due_ms(), Some(150));
        assert_eq!(sent(&mut outbox, 150), [42]);
        assert!(!outbox.is_empty());
        outbox.hear(Answer::Ack(42), 160);
        assert!(outbox.is_empty());
        let Counts { refused, acknowledged, retries, transmissions, .. } = outbox.counts;
        assert_eq!((refused, acknowledged, retries, transmissions), (1, 1, 1, 3));
    }

    #[test]
    fn the_longest_wait_is_from_when_a_reading_was_due() {
        let mut outbox = with(2);
        sent(&mut outbox, 7);
        outbox.hear(Answer::Ack(42), 905);
        outbox.hear(Answer::Ack(43), 300);
        assert_eq!(outbox.slowest_ms, 900);
    }

    #[test]
    fn no_more_than_the_window_is_on_the_wire() {
        let mut outbox = with(WINDOW as u64 + 5);
        assert_eq!(sent(&mut outbox, 0).len(), WINDOW);
        assert_eq!(outbox.next_due_ms(), None);
        outbox.hear(Answer::Ack(42), 0);
        assert_eq!(sent(&mut outbox, 0), [42 + WINDOW as u64]);
    }

    #[test]
    fn what_it_keeps_is_bounded() {
        assert!(!Outbox::new().may_measure());
        assert!(with(MOST_KEPT as u64 - 1).may_measure());
        assert!(!with(MOST_KEPT as u64).may_measure());
    }
}
