//! The streams of a connection: by place, for whoever works on one, and by number, for frames.

use std::collections::VecDeque;

use super::frame::Code;
use super::stream::Stream;

/// Streams that this node has reset and still knows: what was under way to them is no mistake of
/// the peer's. As many as may be open at once, for a client whose uploads are all refused.
const MOST_REMEMBERED: usize = 128;

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
    reset_here: VecDeque<u32>,
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
        }
    }

    /// Remembers a stream that was reset from here while the peer was still sending.
    pub(super) fn remember(&mut self, id: u32) {
        if self.reset_here.len() == MOST_REMEMBERED {
            self.reset_here.pop_front();
        }
        self.reset_here.push_back(id);
    }

    /// Whether frames of this closed stream may still be under way.
    pub(super) fn remembers(&self, id: u32) -> bool {
        self.reset_here.contains(&id)
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
