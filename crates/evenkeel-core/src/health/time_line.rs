//! How a verdict came about.

use std::collections::VecDeque;
use std::mem::discriminant;

use super::{Reason, State};
use crate::moment::Moment;

/// The last things that were thought of a server.
#[derive(Clone, Debug, Default)]
pub struct TimeLine(VecDeque<Entry>);

/// What was thought of a server from this moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Moment,
    pub state: State,
    pub usable: bool,
    /// With the last figures: a row of failures is one entry, not one for each failure.
    pub reason: Reason,
}

impl TimeLine {
    /// Entries that are kept: an outage, and what led to it, of a server that flaps.
    pub const MOST_ENTRIES: usize = 32;

    /// The oldest one first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.0.iter()
    }

    pub(super) fn note(&mut self, entry: Entry) {
        let kind = |entry: &Entry| (entry.state, entry.usable, discriminant(&entry.reason));
        match self.0.back_mut() {
            Some(last) if kind(last) == kind(&entry) => last.reason = entry.reason,
            _ => {
                if self.0.len() == Self::MOST_ENTRIES {
                    self.0.pop_front();
                }
                self.0.push_back(entry);
            }
        }
    }
}
