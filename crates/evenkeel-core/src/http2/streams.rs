//! The streams of a connection: by place, for whoever works on one, and by number, for frames.

use std::collections::VecDeque;

use super::frame::Code;
use super::stream::Stream;

/// Closed streams that are still known, those that were reset from here and others: twice as many as
/// a client may have open, for one whose uploads are all refused.
const MOST_KNOWN: usize = 256;

/// The place of a stream, until [`release`](super::Connection::release).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(pub(super) u16);

impl Slot {
    /// A small number, which no other stream has at the same time.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Stream>,
    free: Vec<Slot>,
    /// Number and place of those that are not closed, by number.
    open: Vec<(u32, Slot)>,
    /// The highest number that the peer has used.
    pub(super) last: u32,
    /// The last ones that were closed.
    used: VecDeque<u32>,
    /// The last ones of which frames may still come that are no mistake: they were reset from here.
    ignored: VecDeque<u32>,
}

impl Streams {
    /// A place for stream `id`, which is higher than all before.
    pub(super) fn open(&mut self, id: u32) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Stream::default());
            Slot(u16::try_from(self.places.len() - 1).unwrap_or(u16::MAX)) // there are few
        });
        self.open.push((id, slot));
        slot
    }

    /// Streams on which frames go to and fro.
    pub(super) const fn opened(&self) -> usize {
        self.open.len()
    }

    /// Streams that somebody works on, closed ones too.
    pub(super) const fn held(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn find(&self, id: u32) -> Option<Slot> {
        let at = self.open.binary_search_by_key(&id, |&(id, _)| id).ok()?;
        Some(self.open[at].1)
    }

    pub(super) fn get(&mut self, slot: Slot) -> &mut Stream {
        &mut self.places[slot.index()]
    }

    pub(super) fn look(&self, slot: Slot) -> &Stream {
        &self.places[slot.index()]
    }

    /// The streams that are open, with their places.
    pub(super) fn each_open(&mut self, mut each: impl FnMut(&mut Stream)) {
        for &(_, slot) in &self.open {
            each(&mut self.places[slot.index()]);
        }
    }

    /// No frame of this stream is expected any more.
    pub(super) fn close(&mut self, id: u32) {
        if let Ok(at) = self.open.binary_search_by_key(&id, |&(id, _)| id) {
            self.open.remove(at);
            remember(&mut self.used, id);
        }
    }

    /// What comes of this stream, which is closed, is no mistake: it was under way.
    pub(super) fn ignore(&mut self, id: u32) {
        remember(&mut self.ignored, id);
    }

    pub(super) fn ignores(&self, id: u32) -> bool {
        self.ignored.contains(&id)
    }

    /// The stream is one of the last that were closed.
    pub(super) fn was_used(&self, id: u32) -> bool {
        self.used.contains(&id)
    }

    /// Nobody works on the stream any more.
    pub(super) fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    /// Gives back the memory of places, if nobody has one.
    pub(super) fn rest(&mut self) {
        if self.held() == 0 {
            self.places = Vec::new();
            self.free = Vec::new();
        }
    }

    /// Those above `last` end with `code`; nothing is sent for it.
    pub(super) fn abandon(&mut self, last: u32, code: Code) {
        let first = self.open.partition_point(|&(id, _)| id <= last);
        for (_, slot) in self.open.drain(first..) {
            self.places[slot.index()].reset = Some(code);
        }
    }
}

fn remember(last: &mut VecDeque<u32>, id: u32) {
    if last.len() == MOST_KNOWN {
        last.pop_front();
    }
    last.push_back(id);
}
