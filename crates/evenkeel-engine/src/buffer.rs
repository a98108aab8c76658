//! Buffers that are held only while something is under way.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::stream::Stream;

/// Bytes read at once: the usual size of a loopback or jumbo segment burst, and two TLS records' half.
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;

/// Bytes read and not yet used: `bytes[start..end]`. It has no memory until something is read.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// The first `count` unread bytes are done with.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Gives back what was grown for one large head.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.len() > BUFFER_BYTES {
            *self = Self::default();
        }
    }

    /// Leaves its memory, and what is unread, to whoever needs some next.
    pub(crate) fn release(&mut self, spare: &Stock<Self>) {
        let mut left = mem::take(self);
        left.clear();
        left.shrink();
        if !left.bytes.is_empty() {
            spare.give_back(left);
        }
    }

    /// Makes room behind the unread bytes: moves them to the front, then grows, up to `most`. One
    /// that has no memory has none before something is read. `false`: they already fill `most`.
    pub(crate) fn make_room(&mut self, most: usize) -> bool {
        if self.end < self.bytes.len() || self.bytes.is_empty() {
            return true;
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            return true;
        }
        let grown = (self.bytes.len() * 2).min(most.max(BUFFER_BYTES));
        let grows = grown > self.bytes.len();
        if grows {
            self.bytes.resize(grown, 0);
        }
        grows
    }

    /// Reads once, behind what is unread. `Ok(0)` is the FIN. There must be room, or no memory yet.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.is_empty() {
            self.bytes.resize(BUFFER_BYTES, 0);
        }
        debug_assert!(self.end < self.bytes.len(), "reading into no room looks like a FIN");
        let mut space = ReadBuf::new(&mut self.bytes[self.end..]);
        ready!(Pin::new(stream).poll_read(cx, &mut space))?;
        let read = space.filled().len();
        self.end += read;
        Poll::Ready(Ok(read))
    }

    /// The same with memory of `spare`, which has it back unless something is unread: whoever waits
    /// for a peer that is slow holds none.
    pub(crate) fn poll_fill_with(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        spare: &Stock<Self>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.is_empty() {
            *self = spare.take().unwrap_or_default();
        }
        let read = self.poll_fill(cx, stream);
        if self.is_empty() {
            self.release(spare);
        }
        read
    }

    /// The last read filled all the room there was: more is probably waiting.
    pub(crate) fn is_full(&self) -> bool {
        self.end == self.bytes.len() && self.end > 0
    }
}

/// A stock of things that are costly to make, kept up to a limit.
#[derive(Debug)]
pub(crate) struct Stock<T> {
    spare: RefCell<Vec<T>>,
    most: usize,
    /// How many there were when there were fewest, since the stock was last eased.
    fewest: Cell<usize>,
}

impl<T> Stock<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { spare: RefCell::new(Vec::new()), most, fewest: Cell::new(0) }
    }

    /// The one given back last, whose memory is still in the cache.
    pub(crate) fn take(&self) -> Option<T> {
        let mut spare = self.spare.borrow_mut();
        let thing = spare.pop();
        self.fewest.set(self.fewest.get().min(spare.len()));
        thing
    }

    /// Whether it is kept.
    pub(crate) fn give_back(&self, thing: T) -> bool {
        let mut spare = self.spare.borrow_mut();
        let has_room = spare.len() < self.most;
        if has_room {
            spare.push(thing);
        }
        has_room
    }

    /// Lets go of half of what nobody has taken since the last time: what a burst has left behind.
    pub(crate) fn ease(&self) -> Vec<T> {
        let mut spare = self.spare.borrow_mut();
        let unused = self.fewest.get();
        let let_go: Vec<T> = spare.drain(..unused.div_ceil(2)).collect();
        self.fewest.set(spare.len());
        let_go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_by_moving_before_growing_and_never_past_the_limit() {
        let mut buffer = Buffer { bytes: vec![0; BUFFER_BYTES], start: 0, end: BUFFER_BYTES };
        buffer.consume(10);
        assert!(buffer.make_room(BUFFER_BYTES));
        assert_eq!(
            (buffer.start, buffer.end, buffer.bytes.len()),
            (0, BUFFER_BYTES - 10, BUFFER_BYTES)
        );
        buffer.end = BUFFER_BYTES;
        assert!(buffer.make_room(BUFFER_BYTES + 1));
        buffer.end = BUFFER_BYTES + 1;
        assert!(!buffer.make_room(BUFFER_BYTES + 1));
        buffer.clear();
        buffer.shrink();
        assert!(buffer.make_room(BUFFER_BYTES + 1));
        assert!(buffer.bytes.is_empty());
    }

    #[test]
    fn a_stock_keeps_no_more_than_it_may() {
        let stock = Stock::new(1);
        assert!(stock.give_back(1));
        assert!(!stock.give_back(2));
        assert_eq!((stock.take(), stock.take()), (Some(1), None));
    }

    #[test]
    fn a_stock_lets_go_of_what_nobody_takes() {
        let stock = Stock::new(9);
        assert!((0..9).all(|thing| stock.give_back(thing)));
        assert!(stock.ease().is_empty(), "they were all in use until now");
        let used: Vec<_> = (0..5).filter_map(|_| stock.take()).collect();
        assert!(used.into_iter().all(|thing| stock.give_back(thing)));
        assert_eq!(stock.ease(), [0, 1], "four were not");
        let left: Vec<usize> = (0..4).map(|_| stock.ease().len()).collect();
        assert_eq!(left, [4, 2, 1, 0]);
        assert_eq!(stock.take(), None);
    }
}
