//! What this side says: on its own, and for those who work on exchanges.

use super::super::flood::Kind;
use super::super::frame::{
    self, Code, FIRST_WINDOW, HEADER_BYTES, Header, MOST_PAYLOAD, MOST_WINDOW, PREFACE, count,
    flag, kind, setting,
};
use super::super::head::Head;
use super::super::hpack::Encoder;
use super::super::stream::Received;
use super::super::streams::Slot;
use super::{
    Connection, Departure, Event, Failure, LAST_STREAM, LEAVING, Limits, Peer, SPARE_HEADS_AT_REST,
    UNSENT_AT_REST, Wrong,
};
use crate::moment::Moment;

/// Bytes ready to be sent beyond which no stream adds more, and nothing is read: the most that is
/// held for a client that does not read is this and one frame.
const MOST_UNSENT: usize = 64 * 1024;
/// What the `PING` says that asks a server whether it is there.
const ASKING: [u8; 8] = *b"hearing?";
/// A name of a field that is put in lower case without memory of its own. The longest registered
/// one has 42 letters.
const USUAL_NAME: usize = 64;

impl Connection {
    /// The settings of this side, and the window of the connection.
    pub(super) fn introduce(&mut self) {
        let Limits { streams, stream_window, connection_window, head_bytes } = self.limits;
        let own = if matches!(self.peer, Peer::Server { .. }) {
            self.out.extend_from_slice(PREFACE);
            vec![(setting::ENABLE_PUSH, 0)]
        } else {
            vec![(setting::MAX_CONCURRENT_STREAMS, streams), (setting::ENABLE_CONNECT_PROTOCOL, 1)]
        };
        let common = [
            (setting::INITIAL_WINDOW_SIZE, stream_window),
            (setting::MAX_HEADER_LIST_SIZE, head_bytes),
        ];
        let mut payload = Vec::new();
        for (name, value) in own.into_iter().chain(common) {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        frame::write(&mut self.out, kind::SETTINGS, 0, 0, &payload);
        self.write_window(0, connection_window.saturating_sub(FIRST_WINDOW));
    }

    /// Bytes to send.
    pub fn unsent(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// The first `count` of them are sent.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent >= MOST_UNSENT {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Nothing has been under way for a while: gives back memory that was for many.
    pub fn rest(&mut self) {
        self.out.shrink_to(UNSENT_AT_REST);
        self.streams.rest();
        self.spare_heads.truncate(SPARE_HEADS_AT_REST);
    }

    /// So much is unsent that nothing should be added, by reading or otherwise.
    pub fn is_full(&self) -> bool {
        self.out.len() - self.sent >= MOST_UNSENT
    }

    /// Tells the client to make its next request elsewhere. What it sends before it has heard that
    /// is served.
    pub fn leave(&mut self) {
        if self.departure == Departure::None {
            self.departure = Departure::Announced;
            self.write_goaway(MOST_WINDOW, Code::NO_ERROR);
            frame::write(&mut self.out, kind::PING, 0, 0, &LEAVING);
        }
    }

    /// The client has said that it leaves, and nothing is under way.
    pub fn is_left(&self) -> bool {
        self.departure == Departure::Said && self.is_idle()
    }

    /// Either side was told to leave, and nothing is under way.
    pub fn is_over(&self) -> bool {
        matches!(self.departure, Departure::Settled(_))
            && self.streams.opened() == 0
            && self.unsent().is_empty()
    }

    /// When the last frame came.
    pub const fn heard(&self) -> Moment {
        self.now
    }

    /// Asks the peer whether it is there: any frame says so.
    pub fn send_ping(&mut self) {
        frame::write(&mut self.out, kind::PING, 0, 0, &ASKING);
    }

    /// Ends the connection: says why, and no more of any stream.
    pub fn end(&mut self, code: Code) {
        let last = if matches!(self.peer, Peer::Client(_)) { self.streams.last } else { 0 };
        self.write_goaway(last, code);
        self.abandon();
    }

    /// The peer is gone: its streams are, too. That is no word of the peer's.
    pub fn abandon(&mut self) {
        self.streams.abandon(0, Code::INTERNAL_ERROR);
    }

    pub(super) fn fail(&mut self, code: Code, label: &'static str) -> Failure {
        self.end(code);
        Failure { code, label }
    }

    /// A frame of the peer's ends its stream.
    pub(super) fn stream_error(&mut self, id: u32, code: Code) -> Result<Event, Wrong> {
        self.count(Kind::Error, 1)?;
        self.write_reset(id, code);
        let Some(slot) = self.streams.find(id) else { return Ok(Event::Nothing) };
        self.streams.get(slot).reset = Some(code);
        self.streams.close(id);
        Ok(Event::Changed(slot))
    }

    /// What has come of a body and was not [consumed](Connection::consume).
    pub fn peek(&self, slot: Slot) -> Received<'_> {
        self.streams.look(slot).peek()
    }

    /// The next `length` bytes of a body were used: others may come.
    pub fn consume(&mut self, slot: Slot, length: usize) {
        self.streams.get(slot).consume(length);
        self.consumed(slot, u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// What stood behind the body, once.
    pub fn take_trailers(&mut self, slot: Slot) -> Option<Box<Head>> {
        self.streams.get(slot).trailers.take()
    }

    /// Nothing more comes.
    pub fn is_read(&self, slot: Slot) -> bool {
        self.streams.look(slot).is_read()
    }

    /// Why the exchange is over, if it was given up.
    pub fn reset_code(&self, slot: Slot) -> Option<Code> {
        self.streams.look(slot).reset
    }

    /// How many exchanges at once a server may be asked for now; 0 once it is left.
    pub const fn most_asked(&self) -> u32 {
        match self.peer {
            Peer::Server { streams }
                if matches!(self.departure, Departure::None)
                    && self.streams.last < LAST_STREAM - 1 =>
            {
                streams
            }
            _ => 0,
        }
    }

    /// Asks a server. `fields`: pseudo-header fields first, names in any case. `head_only`: the
    /// method is `HEAD`. `ends`: no body follows, asked once all fields are taken. `is_sensitive`: as
    /// [set](Connection::set_sensitive) for an answer. `None`: no more
    /// [may be asked](Connection::most_asked).
    pub fn ask<'f>(
        &mut self,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        (head_only, is_sensitive): (bool, bool),
        ends: impl FnOnce() -> bool,
    ) -> Option<Slot> {
        if self.streams.opened() >= self.most_asked() as usize {
            return None;
        }
        let id = if self.streams.last == 0 { 1 } else { self.streams.last + 2 };
        self.streams.last = id;
        let slot = self.streams.open(id);
        let (credit, window) = (self.limits.stream_window, i64::from(self.first_window));
        let stream = self.streams.get(slot);
        stream.begin(id, credit, window);
        stream.head_only = head_only;
        stream.is_sensitive = is_sensitive;
        let start = self.begin_block();
        self.end_block(slot, start, fields, ends);
        Some(slot)
    }

    /// Among the fields that are sent from now on is one that its sender had marked as never to be
    /// put into a table (RFC 7541 §6.2.3). They are all marked so: which one it was is not kept.
    pub fn set_sensitive(&mut self, slot: Slot) {
        self.streams.get(slot).is_sensitive = true;
    }

    /// Sends the head of an answer. `fields`: names in any case. `ends`: no body follows, asked once
    /// all fields are taken.
    pub fn send_head<'f>(
        &mut self,
        slot: Slot,
        status: u16,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        ends: impl FnOnce() -> bool,
    ) {
        if self.may_send(slot) {
            let start = self.begin_block();
            self.encoder.status(status, &mut self.out);
            self.end_block(slot, start, fields, ends);
        }
    }

    /// Sends the end of a body, with the trailers behind it if there are any.
    pub fn send_end<'f>(
        &mut self,
        slot: Slot,
        trailers: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) {
        let mut trailers = trailers.peekable();
        if trailers.peek().is_none() {
            self.send_data(slot, &[], true);
        } else if self.may_send(slot) {
            let start = self.begin_block();
            self.end_block(slot, start, trailers, || true);
        }
    }

    fn may_send(&self, slot: Slot) -> bool {
        let stream = self.streams.look(slot);
        stream.reset.is_none() && !stream.sent
    }

    /// How many bytes of a body may be sent now. If none, a place in the line of those who are
    /// [told](Connection::each_ready) when there is room.
    pub fn room(&mut self, slot: Slot) -> usize {
        let by_connection = if self.is_full() { 0 } else { to_usize(self.window) };
        let stream = self.streams.get(slot);
        let by_stream = stream.window();
        if by_connection == 0 && by_stream > 0 && !stream.waits {
            stream.waits = true;
            self.waiting.push_back(slot);
        }
        by_connection.min(by_stream).min(MOST_PAYLOAD)
    }

    /// Calls `tell` with streams that waited for room, as many as there is room for.
    pub fn each_ready(&mut self, mut tell: impl FnMut(Slot)) {
        let unused = (MOST_UNSENT + self.sent).saturating_sub(self.out.len());
        let mut room = to_usize(self.window).min(unused);
        while room > 0 {
            let Some(slot) = self.waiting.pop_front() else { return };
            self.streams.get(slot).waits = false;
            room = room.saturating_sub(MOST_PAYLOAD);
            tell(slot);
        }
    }

    /// Sends bytes of a body, of which there is [room](Connection::room) for all. `ends`: they are
    /// the last.
    pub fn send_data(&mut self, slot: Slot, bytes: &[u8], ends: bool) {
        if !self.may_send(slot) {
            return;
        }
        let stream = self.streams.get(slot);
        stream.sent = ends;
        let count = i64::from(count(bytes));
        stream.narrow(count);
        self.window -= count;
        let flags = if ends { flag::END_STREAM } else { 0 };
        frame::write(&mut self.out, kind::DATA, flags, stream.id, bytes);
        self.close_if_done(slot);
    }

    /// Ends a stream that is not over, and says why.
    pub fn reset(&mut self, slot: Slot, code: Code) {
        let stream = self.streams.get(slot);
        if !stream.is_closed() {
            let id = stream.id;
            stream.reset = Some(code);
            self.write_reset(id, code);
            self.streams.close(id);
        }
    }

    /// Nobody works on the exchange any more. A stream that is not over is reset: an answer that
    /// was begun and not finished must not look whole, a request that was answered needs no
    /// further bytes (RFC 9113 §8.1), and an answer that nobody waits for need not come.
    pub fn release(&mut self, slot: Slot) {
        let stream = self.streams.get(slot);
        let (id, unread) = (stream.id, stream.unread());
        if !stream.is_closed() && stream.is_all_but_over() {
            // The peer is about to say that it was the last byte.
            self.streams.close(id);
            self.streams.ignore(id);
        } else {
            let code = match self.peer {
                Peer::Server { .. } => Code::CANCEL,
                Peer::Client(_) if stream.sent => Code::NO_ERROR,
                Peer::Client(_) => Code::INTERNAL_ERROR,
            };
            self.reset(slot, code);
        }
        let stream = self.streams.get(slot);
        let waited = std::mem::take(&mut stream.waits);
        let heads = stream.end_work();
        if waited {
            self.waiting.retain(|&other| other != slot);
        }
        heads.into_iter().flatten().for_each(|head| self.give_back(head));
        self.restore(unread);
        self.streams.release(slot);
    }

    /// `count` bytes of a stream's body were taken: the peer may send others.
    pub(super) fn consumed(&mut self, slot: Slot, count: u32) {
        let whole = self.limits.stream_window;
        let stream = self.streams.get(slot);
        let id = stream.id;
        if let Some(more) = stream.give_back(count, whole) {
            self.write_window(id, more);
        }
        self.restore(count);
    }

    /// The same for the window of the connection.
    pub(super) fn restore(&mut self, count: u32) {
        self.taken += count;
        if self.taken >= self.limits.connection_window / 2 {
            self.credit += self.taken;
            let more = std::mem::take(&mut self.taken);
            self.write_window(0, more);
        }
    }

    pub(super) fn close_if_done(&mut self, slot: Slot) {
        let stream = self.streams.get(slot);
        if stream.is_closed() {
            let id = stream.id;
            self.streams.close(id);
        }
    }

    /// Where the frame starts whose length is known when its block is.
    fn begin_block(&mut self) -> usize {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; HEADER_BYTES]);
        self.encoder.begin(&mut self.out);
        start
    }

    fn end_block<'f>(
        &mut self,
        slot: Slot,
        start: usize,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        ends: impl FnOnce() -> bool,
    ) {
        let stream = self.streams.get(slot);
        let mut write = |name: &[u8], value: &[u8]| {
            if stream.is_sensitive {
                Encoder::sensitive_field(name, value, &mut self.out);
            } else {
                self.encoder.field(name, value, &mut self.out);
            }
        };
        let mut lower = [0; USUAL_NAME];
        for (name, value) in fields {
            if let Some(lower) = lower.get_mut(..name.len()) {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                write(lower, value);
            } else {
                write(&name.to_ascii_lowercase(), value);
            }
        }
        let (id, ends) = (stream.id, ends());
        stream.sent = ends;
        self.frame_block(start, id, ends);
        self.close_if_done(slot);
    }

    /// Writes the header of the frame that starts at `start`; what does not fit follows in others.
    fn frame_block(&mut self, start: usize, stream: u32, ends: bool) {
        let end_stream = if ends { flag::END_STREAM } else { 0 };
        let block = &self.out[start + HEADER_BYTES..];
        let first = block.len().min(MOST_PAYLOAD);
        let is_whole = first == block.len();
        let flags = end_stream | if is_whole { flag::END_HEADERS } else { 0 };
        let header = Header { length: count(&block[..first]), kind: kind::HEADERS, flags, stream };
        self.out[start..start + HEADER_BYTES].copy_from_slice(&header.to_bytes());
        if is_whole {
            return;
        }
        let rest = self.out.split_off(start + HEADER_BYTES + first);
        let mut pieces = rest.chunks(MOST_PAYLOAD).peekable();
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
            frame::write(&mut self.out, kind::CONTINUATION, flags, stream, piece);
        }
    }

    pub(super) fn write_reset(&mut self, id: u32, code: Code) {
        self.streams.ignore(id);
        frame::write(&mut self.out, kind::RST_STREAM, 0, id, &code.0.to_be_bytes());
    }

    pub(super) fn write_goaway(&mut self, last: u32, code: Code) {
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&last.to_be_bytes());
        payload[4..].copy_from_slice(&code.0.to_be_bytes());
        frame::write(&mut self.out, kind::GOAWAY, 0, 0, &payload);
    }

    fn write_window(&mut self, id: u32, more: u32) {
        if more > 0 {
            frame::write(&mut self.out, kind::WINDOW_UPDATE, 0, id, &more.to_be_bytes());
        }
    }
}

/// A window that is overdrawn gives no room.
fn to_usize(window: i64) -> usize {
    usize::try_from(window).unwrap_or(0)
}
