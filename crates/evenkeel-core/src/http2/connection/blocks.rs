//! Header blocks: gathered, unpacked, and what they begin, answer or end.

use super::super::flood::Kind;
use super::super::frame::{Code, Header, MOST_PAYLOAD, flag, kind, without_padding};
use super::super::head::Head;
use super::super::streams::Slot;
use super::{Connection, Event, FRAME_SIZE, PROTOCOL, Peer, Wrong, depends_on};

/// The start of a header block.
#[derive(Debug)]
pub(super) struct Block {
    start: BlockStart,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct BlockStart {
    stream: u32,
    ends_stream: bool,
    /// The stream is said to depend on itself.
    is_circular: bool,
}

impl Block {
    /// `frame` is the next piece of this block.
    pub(super) const fn goes_on(&self, frame: &Header) -> bool {
        frame.kind == kind::CONTINUATION && frame.stream == self.start.stream
    }
}

impl Connection {
    /// RFC 9113 §6.2.
    pub(super) fn headers(&mut self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        let mut fragment = without_padding(header, payload).ok_or(PROTOCOL)?;
        let mut is_circular = false;
        if header.has(flag::PRIORITY) {
            let (priority, rest) = fragment.split_first_chunk::<5>().ok_or(FRAME_SIZE)?;
            is_circular = depends_on(*priority) == header.stream;
            fragment = rest;
        }
        if header.stream.is_multiple_of(2) {
            return Err(PROTOCOL);
        }
        let ends_stream = header.has(flag::END_STREAM);
        let start = BlockStart { stream: header.stream, ends_stream, is_circular };
        if header.has(flag::END_HEADERS) {
            return self.whole_block(start, fragment);
        }
        self.block = Some(Block { start, bytes: fragment.to_vec() });
        Ok(Event::Nothing)
    }

    /// RFC 9113 §6.10.
    pub(super) fn continuation(&mut self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        let Some(mut block) = self.block.take() else { return Err(PROTOCOL) };
        // Compressed it is hardly longer than what it says.
        let most = self.limits.head_bytes as usize + MOST_PAYLOAD;
        if block.bytes.len() + payload.len() > most {
            return Err(Wrong::Flood(Kind::Continuation));
        }
        block.bytes.extend_from_slice(payload);
        if header.has(flag::END_HEADERS) {
            return self.whole_block(block.start, &block.bytes);
        }
        self.block = Some(block);
        Ok(Event::Nothing)
    }

    /// Reads a header block. It is unpacked whatever becomes of it: the tables of both sides must
    /// agree (RFC 9113 §4.3).
    fn whole_block(&mut self, start: BlockStart, block: &[u8]) -> Result<Event, Wrong> {
        let mut head = self.spare_heads.pop().unwrap_or_default();
        head.clear(self.limits.head_bytes as usize);
        self.decoder
            .decode(block, |name, value, is_sensitive| {
                head.take(name, value);
                if is_sensitive {
                    head.mark(name);
                }
            })
            .map_err(|_malformed| Wrong::Connection(Code::COMPRESSION_ERROR))?;
        // Packed, it may mean a thousand times its bytes, and cost as much whatever becomes of it.
        self.count(Kind::Error, head.excess())?;
        let id = start.stream;
        if let Some(slot) = self.streams.find(id) {
            return self.further(slot, start, head);
        }
        if id > self.streams.last && matches!(self.peer, Peer::Client(_)) {
            self.streams.last = id;
            if !self.is_after_departure(id) {
                return self.request(start, head);
            }
        }
        self.give_back(head);
        match self.late(id) {
            // One that was used (RFC 9113 §5.1), or one that was passed over (RFC 9113 §5.1.1).
            Err(Wrong::Stream(_, code)) if self.streams.was_used(id) => {
                Err(Wrong::Connection(code))
            }
            Err(Wrong::Stream(..)) => Err(PROTOCOL),
            Err(wrong) => Err(wrong),
            Ok(()) => self.count(Kind::Idle, 1).map(|()| Event::Nothing),
        }
    }

    fn request(&mut self, start: BlockStart, head: Box<Head>) -> Result<Event, Wrong> {
        let BlockStart { stream: id, ends_stream, is_circular } = start;
        if is_circular || head.is_no_request(ends_stream) {
            self.give_back(head);
            return Err(Wrong::Stream(id, Code::PROTOCOL_ERROR));
        }
        let most = self.limits.streams as usize;
        // Those that are reset need a moment to end: their place is not given away at once, or
        // resetting would get around the limit (CVE-2023-44487).
        if self.streams.opened() >= most || self.streams.held() >= 2 * most {
            self.give_back(head);
            self.write_reset(id, Code::REFUSED_STREAM);
            return self.count(Kind::Refused, 1).map(|()| Event::Nothing);
        }
        let slot = self.streams.open(id);
        let (credit, window) = (self.limits.stream_window, i64::from(self.first_window));
        let stream = self.streams.get(slot);
        stream.begin(id, credit, window);
        stream.ask(head, ends_stream);
        Ok(Event::Request(slot))
    }

    /// A block on a stream that is open: trailers, or what a server answers.
    fn further(&mut self, slot: Slot, start: BlockStart, head: Box<Head>) -> Result<Event, Wrong> {
        let stream = self.streams.get(slot);
        let outcome = match self.peer {
            _ if start.is_circular => Err(Code::PROTOCOL_ERROR),
            Peer::Client(_) => stream.trail(head, start.ends_stream).map(|()| None),
            Peer::Server { .. } => stream.answer(head, start.ends_stream),
        };
        let unused = outcome.map_err(|code| Wrong::Stream(start.stream, code))?;
        if let Some(head) = unused {
            self.give_back(head);
        }
        self.close_if_done(slot);
        Ok(Event::Changed(slot))
    }
}
