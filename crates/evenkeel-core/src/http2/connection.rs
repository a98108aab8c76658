//! A connection, of a client or to a server: what the peer's frames mean, and which frames answer
//! them.
//!
//! Bytes go in through [`Connection::next`], bytes come out of [`Connection::unsent`]; who reads
//! and writes them, and who works on the exchanges, is not known here.

use std::collections::VecDeque;

use self::blocks::Block;
use super::flood::{Kind, Meter};
use super::frame::{
    self, Code, FIRST_WINDOW, HEADER_BYTES, Header, MOST_PAYLOAD, MOST_WINDOW, PREFACE, count,
    flag, kind, setting, without_padding,
};
use super::head::Head;
use super::hpack::{Decoder, Encoder};
use super::streams::{Slot, Streams};
use crate::moment::Moment;

mod blocks;
mod sending;
#[cfg(test)]
mod tests;

/// Bytes of the peer's table of fields kept here: what a peer may count on (RFC 9113 §6.5.2).
const TABLE_BYTES: u32 = 4_096;
/// What the `PING` says whose answer shows that the client has heard it should leave.
const LEAVING: [u8; 8] = *b"leaving!";
/// Memory for heads that is kept between bursts of requests.
const MOST_SPARE_HEADS: usize = 32;
/// The same while nothing is under way.
const SPARE_HEADS_AT_REST: usize = 1;
/// Bytes of memory for what is sent that are kept while nothing is under way.
const UNSENT_AT_REST: usize = 4 * 1024;
/// Streams that a server is asked for before it has said how many it allows: the least that RFC 9113
/// §6.5.2 recommends.
const FIRST_MOST_STREAMS: u32 = 100;
/// The highest number of a stream (RFC 9113 §5.1.1).
const LAST_STREAM: u32 = MOST_WINDOW;

/// What a peer is told, and held to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Exchanges at once, of a client.
    pub streams: u32,
    /// Bytes of a body that may be on their way.
    pub stream_window: u32,
    /// The same over all streams.
    pub connection_window: u32,
    /// Bytes of a head, as RFC 9113 §10.5.1 counts them.
    pub head_bytes: u32,
}

/// One side of a connection.
#[derive(Debug)]
pub struct Connection {
    peer: Peer,
    limits: Limits,
    decoder: Decoder,
    encoder: Encoder,
    streams: Streams,
    stage: Stage,
    /// A header block of which the end has not come.
    block: Option<Block>,
    /// Bytes the peer may still send.
    credit: u32,
    /// Bytes taken of which the peer has not been told.
    taken: u32,
    /// Bytes of bodies this node may still send.
    window: i64,
    /// What the window of a new stream is.
    first_window: u32,
    departure: Departure,
    /// When the last frame came.
    now: Moment,
    /// Streams that have something to say and found no room, in the order they came.
    waiting: VecDeque<Slot>,
    out: Vec<u8>,
    /// Bytes of `out` that are sent.
    sent: usize,
    #[expect(clippy::vec_box, reason = "they come and go in boxes")]
    spare_heads: Vec<Box<Head>>,
}

/// Who the other side is.
#[derive(Debug)]
enum Peer {
    /// Somebody of whom anything may come.
    Client(Meter),
    /// A server of the operator's, and how many streams it allows.
    Server { streams: u32 },
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Preface,
    /// The peer's settings, before all else (RFC 9113 §3.4).
    Settings,
    Frames,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    None,
    /// The client is told to leave; what it had begun before it heard that is served
    /// (RFC 9113 §6.8).
    Announced,
    /// Streams above this one are not served.
    Settled(u32),
    /// The client has said that it leaves. Until it does it is served and answered.
    Said,
}

/// What a frame has changed for those who work on exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Nothing,
    /// A request: [its head](Connection::take_head) is there.
    Request(Slot),
    /// More of a body, the end of one, room to send, or a reset.
    Changed(Slot),
    /// The same, on any stream.
    Everything,
}

/// The connection is over: the `GOAWAY` that says so is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    /// A short word for a counter.
    pub label: &'static str,
}

/// What is wrong with a frame.
enum Wrong {
    /// It ends its stream.
    Stream(u32, Code),
    Connection(Code),
    /// There is too much of this.
    Flood(Kind),
}

const PROTOCOL: Wrong = Wrong::Connection(Code::PROTOCOL_ERROR);
const FRAME_SIZE: Wrong = Wrong::Connection(Code::FRAME_SIZE_ERROR);

impl Connection {
    /// A client's connection on which nothing has been said but this side's settings, which are
    /// unsent.
    pub fn with_client(limits: Limits, now: Moment) -> Self {
        Self::new(Peer::Client(Meter::new(now)), Stage::Preface, limits)
    }

    /// The same to a server.
    pub fn with_server(limits: Limits) -> Self {
        Self::new(Peer::Server { streams: FIRST_MOST_STREAMS }, Stage::Settings, limits)
    }

    fn new(peer: Peer, stage: Stage, limits: Limits) -> Self {
        let mut connection = Self {
            peer,
            limits,
            decoder: Decoder::new(TABLE_BYTES),
            encoder: Encoder::new(),
            streams: Streams::default(),
            stage,
            block: None,
            credit: limits.connection_window,
            taken: 0,
            window: i64::from(FIRST_WINDOW),
            first_window: FIRST_WINDOW,
            departure: Departure::None,
            now: Moment::START,
            waiting: VecDeque::new(),
            out: Vec::new(),
            sent: 0,
            spare_heads: Vec::new(),
        };
        connection.introduce();
        connection
    }

    /// Reads the frame at the start of `input`. Gives how many bytes it had; `None`: not all of it
    /// is there.
    pub fn next(&mut self, input: &[u8], now: Moment) -> Result<Option<(usize, Event)>, Failure> {
        if self.stage == Stage::Preface {
            return self.preface(input);
        }
        let Some(header) = Header::read(input) else { return Ok(None) };
        let length = header.length as usize;
        if length > MOST_PAYLOAD {
            return Err(self.fail(Code::FRAME_SIZE_ERROR, "h2-protocol"));
        }
        let Some(payload) = input[HEADER_BYTES..].get(..length) else { return Ok(None) };
        self.now = now;
        let event = match self.take(&header, payload) {
            Err(Wrong::Stream(stream, code)) => self.stream_error(stream, code),
            otherwise => otherwise,
        };
        match event {
            Ok(event) => Ok(Some((HEADER_BYTES + length, event))),
            Err(Wrong::Flood(kind)) => Err(self.fail(Code::ENHANCE_YOUR_CALM, kind.label())),
            Err(Wrong::Connection(code) | Wrong::Stream(_, code)) => {
                Err(self.fail(code, "h2-protocol"))
            }
        }
    }

    /// Counts what a client may do only so often. A server is the operator's own.
    fn count(&mut self, kind: Kind, times: u32) -> Result<(), Wrong> {
        match &mut self.peer {
            Peer::Client(meter) => meter.count(kind, times, self.now).map_err(Wrong::Flood),
            Peer::Server { .. } => Ok(()),
        }
    }

    /// The head of a request or an answer, each once.
    pub fn take_head(&mut self, slot: Slot) -> Option<Box<Head>> {
        self.streams.get(slot).head.take()
    }

    /// A head whose memory may be used for another.
    pub fn give_back(&mut self, head: Box<Head>) {
        if self.spare_heads.len() < MOST_SPARE_HEADS {
            self.spare_heads.push(head);
        }
    }

    /// Neither the preface nor settings have come, or a header block has begun and not ended:
    /// whether its time is over is for whoever keeps the time.
    pub fn is_within_block(&self) -> bool {
        self.block.is_some() || self.stage != Stage::Frames
    }

    /// Nobody works on an exchange.
    pub const fn is_idle(&self) -> bool {
        self.streams.held() == 0
    }

    fn preface(&mut self, input: &[u8]) -> Result<Option<(usize, Event)>, Failure> {
        let known = input.len().min(PREFACE.len());
        if input[..known] != PREFACE[..known] {
            return Err(self.fail(Code::PROTOCOL_ERROR, "h2-preface"));
        }
        if known < PREFACE.len() {
            return Ok(None);
        }
        self.stage = Stage::Settings;
        Ok(Some((known, Event::Nothing)))
    }

    fn take(&mut self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        if let Peer::Client(meter) = &mut self.peer {
            meter.take(header, self.now).map_err(Wrong::Flood)?;
        }
        let is_expected = match (self.stage, &self.block) {
            (Stage::Settings, _) => header.kind == kind::SETTINGS && !header.has(flag::ACK),
            (_, Some(block)) => block.goes_on(header),
            (_, None) => header.kind != kind::CONTINUATION,
        };
        if !is_expected {
            return Err(PROTOCOL);
        }
        let concerns_connection = matches!(header.kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        let known = header.kind <= kind::CONTINUATION && header.kind != kind::WINDOW_UPDATE;
        if known && concerns_connection != (header.stream == 0) {
            return Err(PROTOCOL);
        }
        match header.kind {
            kind::DATA => self.data(header, payload),
            kind::HEADERS => self.headers(header, payload),
            kind::CONTINUATION => self.continuation(header, payload),
            kind::PRIORITY => self.priority(header, payload),
            kind::RST_STREAM => self.rst_stream(header, payload),
            kind::SETTINGS => self.settings(header, payload),
            kind::PUSH_PROMISE => Err(PROTOCOL),
            kind::PING => self.ping(header, payload),
            kind::GOAWAY => self.goaway(payload),
            kind::WINDOW_UPDATE => self.window_update(header, payload),
            _ => Ok(Event::Nothing), // RFC 9113 §5.5
        }
    }

    /// RFC 9113 §6.1.
    fn data(&mut self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        let Header { stream: id, length, .. } = *header;
        self.credit =
            self.credit.checked_sub(length).ok_or(Wrong::Connection(Code::FLOW_CONTROL_ERROR))?;
        let data = without_padding(header, payload).ok_or(PROTOCOL)?;
        if data.is_empty() && !header.has(flag::END_STREAM) {
            self.count(Kind::EmptyData, 1)?;
        }
        let Some(slot) = self.streams.find(id) else {
            self.restore(length);
            return self.late(id).map(|()| Event::Nothing);
        };
        let stream = self.streams.get(slot);
        let is_early = matches!(self.peer, Peer::Server { .. }) && !stream.answered;
        let received = if is_early {
            Err(Code::PROTOCOL_ERROR) // a head comes first (RFC 9113 §8.1)
        } else {
            stream.receive(data, length, header.has(flag::END_STREAM))
        };
        if let Err(code) = received {
            self.restore(length);
            return Err(Wrong::Stream(id, code));
        }
        self.close_if_done(slot);
        self.consumed(slot, length - count(data)); // padding
        Ok(Event::Changed(slot))
    }

    /// A frame of a stream that is not open: under way since before it was closed, or wrong
    /// (RFC 9113 §5.1).
    fn late(&self, id: u32) -> Result<(), Wrong> {
        if self.is_unused(id) {
            return Err(PROTOCOL);
        }
        let is_ignored = self.streams.ignores(id) || self.is_after_departure(id);
        if is_ignored { Ok(()) } else { Err(Wrong::Stream(id, Code::STREAM_CLOSED)) }
    }

    /// Nobody has used the stream. Those of even numbers are a server's, which may open none.
    const fn is_unused(&self, id: u32) -> bool {
        id > self.streams.last || id.is_multiple_of(2)
    }

    fn is_after_departure(&self, id: u32) -> bool {
        matches!(self.departure, Departure::Settled(last) if id > last)
    }

    /// RFC 9113 §5.3.2: it means nothing, but it has a form (RFC 9113 §6.3).
    fn priority(&self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        let code = match payload.first_chunk() {
            Some(priority) if payload.len() == 5 => {
                if depends_on(*priority) != header.stream {
                    return Ok(Event::Nothing);
                }
                Code::PROTOCOL_ERROR
            }
            _ => Code::FRAME_SIZE_ERROR,
        };
        let is_open = self.streams.find(header.stream).is_some();
        // A stream that is not open cannot be reset.
        Err(if is_open { Wrong::Stream(header.stream, code) } else { Wrong::Connection(code) })
    }

    /// RFC 9113 §6.4.
    fn rst_stream(&mut self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        let code = u32::from_be_bytes(payload.try_into().map_err(|_length| FRAME_SIZE)?);
        if self.is_unused(header.stream) {
            return Err(PROTOCOL);
        }
        let Some(slot) = self.streams.find(header.stream) else { return Ok(Event::Nothing) };
        self.streams.get(slot).reset = Some(Code(code));
        self.streams.close(header.stream);
        Ok(Event::Changed(slot))
    }

    /// RFC 9113 §6.5.
    fn settings(&mut self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        if header.has(flag::ACK) {
            return if payload.is_empty() { Ok(Event::Nothing) } else { Err(FRAME_SIZE) };
        }
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(FRAME_SIZE);
        }
        if let Peer::Server { streams } = &mut self.peer
            && self.stage == Stage::Settings
        {
            *streams = u32::MAX; // no limit, unless it says one
        }
        let most_push = u32::from(matches!(self.peer, Peer::Client(_)));
        let mut event = Event::Nothing;
        for &[i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                setting::HEADER_TABLE_SIZE => self.encoder.set_most_table(value),
                setting::ENABLE_PUSH if value > most_push => return Err(PROTOCOL),
                setting::MAX_CONCURRENT_STREAMS => {
                    if let Peer::Server { streams } = &mut self.peer {
                        *streams = value;
                    }
                }
                setting::INITIAL_WINDOW_SIZE => {
                    self.set_first_window(value)?;
                    event = Event::Everything;
                }
                setting::MAX_FRAME_SIZE if !(16_384..1 << 24).contains(&value) => {
                    return Err(PROTOCOL);
                }
                _ => {} // of no meaning here: larger frames are not sent (RFC 9113 §6.5.2)
            }
        }
        self.stage = Stage::Frames;
        frame::write(&mut self.out, kind::SETTINGS, flag::ACK, 0, &[]);
        Ok(event)
    }

    /// RFC 9113 §6.9.2.
    fn set_first_window(&mut self, value: u32) -> Result<(), Wrong> {
        if value > MOST_WINDOW {
            return Err(Wrong::Connection(Code::FLOW_CONTROL_ERROR));
        }
        let by = i64::from(value) - i64::from(self.first_window);
        self.first_window = value;
        let mut overflows = false;
        self.streams.each_open(|stream| overflows |= stream.widen(by).is_err());
        if overflows { Err(Wrong::Connection(Code::FLOW_CONTROL_ERROR)) } else { Ok(()) }
    }

    /// RFC 9113 §6.7.
    fn ping(&mut self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        if payload.len() != LEAVING.len() {
            return Err(FRAME_SIZE);
        }
        if !header.has(flag::ACK) {
            frame::write(&mut self.out, kind::PING, flag::ACK, 0, payload);
        } else if self.departure == Departure::Announced && payload == LEAVING {
            self.departure = Departure::Settled(self.streams.last);
            self.write_goaway(self.streams.last, Code::NO_ERROR);
        }
        Ok(Event::Nothing)
    }

    /// RFC 9113 §6.8: nothing new will come, or may be asked for; what is under way goes on. A
    /// server has not looked at streams above the one it names.
    fn goaway(&mut self, payload: &[u8]) -> Result<Event, Wrong> {
        let [a, b, c, d, _, _, _, _] = *payload.first_chunk().ok_or(FRAME_SIZE)?;
        if matches!(self.peer, Peer::Client(_)) {
            if !matches!(self.departure, Departure::Settled(_)) {
                self.departure = Departure::Said;
            }
            return Ok(Event::Nothing);
        }
        self.departure = Departure::Settled(LAST_STREAM);
        self.streams.abandon(u32::from_be_bytes([a, b, c, d]), Code::REFUSED_STREAM);
        Ok(Event::Everything)
    }

    /// RFC 9113 §6.9.
    fn window_update(&mut self, header: &Header, payload: &[u8]) -> Result<Event, Wrong> {
        let by =
            u32::from_be_bytes(payload.try_into().map_err(|_length| FRAME_SIZE)?) & MOST_WINDOW;
        if header.stream == 0 {
            self.window += i64::from(by);
            return if by == 0 {
                Err(PROTOCOL)
            } else if self.window > i64::from(MOST_WINDOW) {
                Err(Wrong::Connection(Code::FLOW_CONTROL_ERROR))
            } else {
                Ok(Event::Nothing)
            };
        }
        let Some(slot) = self.streams.find(header.stream) else {
            return if self.is_unused(header.stream) { Err(PROTOCOL) } else { Ok(Event::Nothing) };
        };
        let outcome = match by {
            0 => Err(Code::PROTOCOL_ERROR),
            by => self.streams.get(slot).widen(i64::from(by)),
        };
        outcome.map_err(|code| Wrong::Stream(header.stream, code))?;
        Ok(Event::Changed(slot))
    }
}

/// The stream that another depends on (RFC 7540 §6.3).
const fn depends_on(priority: [u8; 5]) -> u32 {
    let [exclusive, a, b, c, _weight] = priority;
    u32::from_be_bytes([exclusive & 0x7f, a, b, c])
}
