//! A peer that says anything, and what it is answered. The rules are those of RFC 9113, in its
//! order.

use std::fmt::Write as _;

use super::super::frame;
use super::super::stream::Received;
use super::*;

const LIMITS: Limits =
    Limits { streams: 4, stream_window: 70_000, connection_window: 100_000, head_bytes: 2_000 };

/// A peer, the connection it speaks to, and what it has heard.
struct Scripted {
    connection: Connection,
    decoder: Decoder,
    /// Bytes that were not a whole frame yet.
    rest: Vec<u8>,
    requests: Vec<Slot>,
    failure: Option<Failure>,
    now: Moment,
}

impl Scripted {
    /// Has said its preface, and nothing else.
    fn silent() -> Self {
        let mut peer = Self::of(Connection::with_client(LIMITS, Moment::START));
        peer.say(PREFACE);
        peer
    }

    fn of(connection: Connection) -> Self {
        let (decoder, requests) = (Decoder::new(4_096), Vec::new());
        let now = Moment::START;
        Self { connection, decoder, rest: Vec::new(), requests, failure: None, now }
    }

    /// Has exchanged settings.
    fn new() -> Self {
        let mut peer = Self::silent();
        peer.frame(kind::SETTINGS, 0, 0, b"");
        peer.frame(kind::SETTINGS, flag::ACK, 0, b"");
        let heard = peer.hear();
        assert!(
            heard.starts_with("SETTINGS 0 24, WINDOW_UPDATE 0 34465, SETTINGS! 0 0"),
            "{heard}"
        );
        peer
    }

    fn say(&mut self, bytes: &[u8]) -> &mut Self {
        self.rest.extend_from_slice(bytes);
        while self.failure.is_none() {
            match self.connection.next(&self.rest, self.now) {
                Ok(None) => break,
                Ok(Some((length, event))) => {
                    self.rest.drain(..length);
                    if let Event::Request(slot) = event {
                        self.requests.push(slot);
                    }
                }
                Err(failure) => self.failure = Some(failure),
            }
        }
        self
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, kind, flags, stream, payload);
        self.say(&bytes)
    }

    /// A request with a body to come.
    fn post(&mut self, stream: u32) -> &mut Self {
        self.frame(kind::HEADERS, flag::END_HEADERS, stream, &block(&REQUEST))
    }

    /// A request without a body.
    fn get(&mut self, stream: u32) -> &mut Self {
        let flags = flag::END_HEADERS | flag::END_STREAM;
        self.frame(kind::HEADERS, flags, stream, &block(&REQUEST))
    }

    /// What was sent since the last time, frame by frame.
    fn hear(&mut self) -> String {
        let bytes = self.connection.unsent().to_vec();
        self.connection.sent(bytes.len());
        let mut at = bytes.as_slice();
        let mut text = String::new();
        while let Some(header) = Header::read(at) {
            let (payload, rest) = at[HEADER_BYTES..].split_at(header.length as usize);
            at = rest;
            if !text.is_empty() {
                text.push_str(", ");
            }
            self.describe(&header, payload, &mut text);
        }
        text
    }

    fn describe(&mut self, header: &Header, payload: &[u8], text: &mut String) {
        let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        let stream = header.stream;
        let end = if header.has(flag::END_STREAM) { "!" } else { "" };
        let _ = match header.kind {
            kind::DATA => write!(text, "DATA{end} {stream} {}", payload.len()),
            kind::HEADERS => {
                write!(text, "HEADERS{end} {stream}").unwrap();
                let decoded = self.decoder.decode(payload, |name, value, is_sensitive| {
                    let [name, value] = [name, value].map(|it| str::from_utf8(it).unwrap());
                    let mark = if is_sensitive { "*" } else { "" };
                    write!(text, " {name}={value}{mark}").unwrap();
                });
                assert!(decoded.is_ok() || !header.has(flag::END_HEADERS));
                Ok(())
            }
            kind::RST_STREAM => write!(text, "RST_STREAM {stream} {}", number(0)),
            kind::SETTINGS => write!(text, "SETTINGS{end} {stream} {}", payload.len()),
            kind::PING => write!(text, "PING{end} {stream} {}", payload.escape_ascii()),
            kind::GOAWAY => write!(text, "GOAWAY {} {}", number(0), number(4)),
            kind::WINDOW_UPDATE => write!(text, "WINDOW_UPDATE {stream} {}", number(0)),
            other => write!(text, "{other} {stream} {}", payload.len()),
        };
    }

    /// Reads at most so many bytes at once, and says how many came or why none did.
    fn read(&mut self, slot: Slot, most: usize) -> String {
        match self.connection.peek(slot) {
            Received::Bytes(bytes) => {
                let length = bytes.len().min(most);
                self.connection.consume(slot, length);
                length.to_string()
            }
            other => format!("{other:?}"),
        }
    }
}

const REQUEST: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

/// Fields as literals that are not indexed (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// What comes of one frame after a request with a body on stream 1, and a whole one on stream 3.
fn answer_to(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> String {
    let mut peer = Scripted::new();
    peer.post(1).get(3).frame(kind, flags, stream, payload);
    peer.hear()
}

/// A frame after those of [`answer_to`], and what is answered.
type Case<'c> = (u8, u8, u32, &'c [u8], &'c str);

fn check(cases: &[Case<'_>]) {
    for &(kind, flags, stream, payload, wanted) in cases {
        let found = answer_to(kind, flags, stream, payload);
        assert_eq!(found, wanted, "{kind} {flags:#x} {stream} {:.20}", payload.escape_ascii());
    }
}

const END: u8 = flag::END_HEADERS | flag::END_STREAM;

#[test]
fn a_wrong_frame_of_a_stream_ends_it_or_the_connection() {
    use kind::{CONTINUATION, DATA, HEADERS, PRIORITY, PUSH_PROMISE, RST_STREAM, WINDOW_UPDATE};
    const PRIO: u8 = END | flag::PRIORITY;
    let request = block(&REQUEST);
    let padded = [b"\xff".as_slice(), &request].concat();
    let circular = [b"\0\0\0\x05\0".as_slice(), &request].concat();
    let trailers = block(&[("x", "y")]);
    let pseudo_trailers = block(&[(":path", "/")]);
    let large = vec![0; MOST_PAYLOAD + 1];
    check(&[
        // §4.2: sizes.
        (DATA, 0, 1, &large, "GOAWAY 3 6"),
        (HEADERS, END, 5, &large, "GOAWAY 3 6"),
        // §4.3: header blocks.
        (HEADERS, END, 5, b"\x80", "GOAWAY 3 9"),
        // §5.1: states. 5 is idle, 3 half-closed, 2 the server's.
        (DATA, 0, 5, b"a", "GOAWAY 3 1"),
        (RST_STREAM, 0, 5, &[0; 4], "GOAWAY 3 1"),
        (WINDOW_UPDATE, 0, 5, &[0, 0, 0, 1], "GOAWAY 3 1"),
        (CONTINUATION, 0, 5, b"", "GOAWAY 3 1"),
        (DATA, 0, 3, b"a", "RST_STREAM 3 5"),
        (HEADERS, END, 3, &request, "RST_STREAM 3 5"),
        (CONTINUATION, 0, 3, b"", "GOAWAY 3 1"),
        (HEADERS, END, 2, &request, "GOAWAY 3 1"),
        (DATA, 0, 2, b"a", "GOAWAY 3 1"),
        // §5.5: what is not known is no mistake.
        (0x16, 0xff, 1, b"abc", ""),
        (0x16, 0xff, 0, b"abc", ""),
        // §6.1: DATA.
        (DATA, 0, 0, b"a", "GOAWAY 3 1"),
        (DATA, flag::PADDED, 1, b"\x05abcd", "GOAWAY 3 1"),
        (DATA, flag::PADDED, 1, b"", "GOAWAY 3 1"),
        (DATA, flag::PADDED, 1, b"\x04abcd", ""),
        // §6.2: HEADERS.
        (HEADERS, END, 0, &request, "GOAWAY 3 1"),
        (HEADERS, END | flag::PADDED, 5, &padded, "GOAWAY 3 1"),
        (HEADERS, PRIO, 5, b"\0\0\0\x01", "GOAWAY 3 6"),
        (HEADERS, PRIO, 5, &circular, "RST_STREAM 5 1"),
        // §6.3: PRIORITY.
        (PRIORITY, 0, 0, &[0; 5], "GOAWAY 3 1"),
        (PRIORITY, 0, 1, &[0; 4], "RST_STREAM 1 6"),
        (PRIORITY, 0, 7, &[0; 4], "GOAWAY 3 6"),
        (PRIORITY, 0, 1, &[0, 0, 0, 1, 9], "RST_STREAM 1 1"),
        (PRIORITY, 0, 7, &[0, 0, 0, 1, 9], ""),
        // §6.4: RST_STREAM.
        (RST_STREAM, 0, 0, &[0; 4], "GOAWAY 3 1"),
        (RST_STREAM, 0, 1, &[0; 3], "GOAWAY 3 6"),
        (RST_STREAM, 0, 1, &[0; 4], ""),
        // §6.6: a client does not push.
        (PUSH_PROMISE, END, 1, &request, "GOAWAY 3 1"),
        // §8.1: what stands behind a body.
        (HEADERS, END, 1, &trailers, ""),
        (HEADERS, flag::END_HEADERS, 1, &trailers, "RST_STREAM 1 1"),
        (HEADERS, END, 1, &pseudo_trailers, "RST_STREAM 1 1"),
    ]);
}

#[test]
fn a_wrong_frame_of_the_connection_ends_it() {
    use kind::{GOAWAY, PING, SETTINGS, WINDOW_UPDATE};
    let setting =
        |name: u16, value: u32| [name.to_be_bytes().as_slice(), &value.to_be_bytes()].concat();
    let no_push = setting(setting::ENABLE_PUSH, 2);
    let wide = setting(setting::INITIAL_WINDOW_SIZE, 1 << 31);
    let small_frames = setting(setting::MAX_FRAME_SIZE, 16_383);
    let large_frames = setting(setting::MAX_FRAME_SIZE, 1 << 24);
    let unknown = setting(0x99, 7);
    let most = MOST_WINDOW.to_be_bytes();
    check(&[
        // §6.5: SETTINGS.
        (SETTINGS, flag::ACK, 0, b"x", "GOAWAY 3 6"),
        (SETTINGS, 0, 1, b"", "GOAWAY 3 1"),
        (SETTINGS, 0, 0, b"\0\0\0\0\0", "GOAWAY 3 6"),
        (SETTINGS, 0, 0, &no_push, "GOAWAY 3 1"),
        (SETTINGS, 0, 0, &wide, "GOAWAY 3 3"),
        (SETTINGS, 0, 0, &small_frames, "GOAWAY 3 1"),
        (SETTINGS, 0, 0, &large_frames, "GOAWAY 3 1"),
        (SETTINGS, 0, 0, &unknown, "SETTINGS! 0 0"),
        // §6.7: PING.
        (PING, 0, 0, b"12345678", "PING! 0 12345678"),
        (PING, flag::ACK, 0, b"12345678", ""),
        (PING, 0, 1, b"12345678", "GOAWAY 3 1"),
        (PING, 0, 0, b"1234567", "GOAWAY 3 6"),
        // §6.8: GOAWAY.
        (GOAWAY, 0, 1, &[0; 8], "GOAWAY 3 1"),
        (GOAWAY, 0, 0, &[0; 7], "GOAWAY 3 6"),
        (GOAWAY, 0, 0, &[0; 8], ""),
        // §6.9: WINDOW_UPDATE.
        (WINDOW_UPDATE, 0, 0, &[0; 4], "GOAWAY 3 1"),
        (WINDOW_UPDATE, 0, 1, &[0; 4], "RST_STREAM 1 1"),
        (WINDOW_UPDATE, 0, 0, &[0; 3], "GOAWAY 3 6"),
        (WINDOW_UPDATE, 0, 0, &most, "GOAWAY 3 3"),
        (WINDOW_UPDATE, 0, 1, &most, "RST_STREAM 1 3"),
        (WINDOW_UPDATE, 0, 1, &[0x80, 0, 0, 1], ""),
    ]);
}

#[test]
fn first_comes_the_preface_then_settings() {
    let mut peer = Scripted::silent();
    peer.frame(kind::PING, 0, 0, b"12345678");
    assert!(peer.hear().ends_with("GOAWAY 0 1"));

    let mut connection = Connection::with_client(LIMITS, Moment::START);
    for length in 0..PREFACE.len() {
        assert_eq!(connection.next(&PREFACE[..length], Moment::START), Ok(None));
    }
    let failure = connection.next(b"GET / HTTP/1.1\r\n", Moment::START).unwrap_err();
    assert_eq!((failure.code, failure.label), (Code::PROTOCOL_ERROR, "h2-preface"));
}

#[test]
fn a_block_in_pieces_is_one_block_and_nothing_comes_between() {
    let request = block(&REQUEST);
    let (start, end) = request.split_at(7);
    let mut peer = Scripted::new();
    peer.frame(kind::HEADERS, flag::END_STREAM, 1, start);
    assert!(peer.connection.is_within_block());
    peer.frame(kind::CONTINUATION, 0, 1, b"").frame(kind::CONTINUATION, flag::END_HEADERS, 1, end);
    assert!(!peer.connection.is_within_block());
    let slot = peer.requests[0];
    assert_eq!(
        peer.connection.take_head(slot).unwrap().pseudo(super::super::Pseudo::Path),
        Some("/")
    );
    assert_eq!(peer.read(slot, 10), "End");

    for (kind, stream) in [(kind::CONTINUATION, 3), (kind::PRIORITY, 1), (0x16, 1)] {
        let mut peer = Scripted::new();
        peer.frame(kind::HEADERS, 0, 1, start).frame(kind, 0, stream, &[0; 5]);
        assert_eq!(peer.hear(), "GOAWAY 0 1", "{kind} {stream}");
    }
}

#[test]
fn a_block_without_end_ends_the_connection() {
    let mut peer = Scripted::new();
    peer.frame(kind::HEADERS, 0, 1, b"");
    for _ in 0..100 {
        peer.frame(kind::CONTINUATION, 0, 1, &[0; 1_000]);
    }
    assert_eq!(peer.hear(), "GOAWAY 0 11");
}

#[test]
fn streams_are_counted_until_they_are_released() {
    let mut peer = Scripted::new();
    for stream in [1, 3, 5, 7, 9] {
        peer.get(stream);
    }
    assert_eq!((peer.requests.len(), peer.hear().as_str()), (4, "RST_STREAM 9 7"));
    // Reset, but not released: four others may begin, and no more.
    for stream in [1, 3, 5, 7] {
        peer.frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    }
    for stream in [11, 13, 15, 17] {
        peer.get(stream).frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    }
    peer.get(19);
    assert_eq!((peer.requests.len(), peer.hear().as_str()), (8, "RST_STREAM 19 7"));
    let slot = peer.requests[0];
    assert_eq!(peer.connection.reset_code(slot), Some(Code::CANCEL));
    peer.connection.release(slot);
    peer.get(21);
    assert_eq!((peer.requests.len(), peer.hear().as_str()), (9, ""));
}

#[test]
fn an_answer_goes_out_in_frames() {
    let mut peer = Scripted::new();
    peer.get(1).get(3);
    let [first, second] = peer.requests[..] else { panic!() };
    let fields: [(&[u8], &[u8]); 2] = [(b"Content-Type", b"text/plain"), (b"X", b"y")];
    peer.connection.send_head(first, 103, fields.into_iter().take(1), || false);
    peer.connection.send_head(first, 200, fields.into_iter(), || false);
    assert_eq!(peer.connection.room(first), MOST_PAYLOAD);
    peer.connection.send_data(first, b"abc", false);
    peer.connection.send_end(first, fields.into_iter().skip(1));
    peer.connection.send_head(second, 304, fields.into_iter().take(0), || true);
    for slot in [first, second] {
        peer.connection.release(slot);
    }
    assert_eq!(
        peer.hear(),
        "HEADERS 1 :status=103 content-type=text/plain, \
         HEADERS 1 :status=200 content-type=text/plain x=y, DATA 1 3, HEADERS! 1 x=y, \
         HEADERS! 3 :status=304"
    );
    assert!(peer.connection.is_idle());
}

/// RFC 7541 §6.2.3.
#[test]
fn what_a_sender_calls_sensitive_is_passed_on_as_such() {
    let mut peer = Scripted::new();
    // One that nobody would think so of, and one that is known: `authorization` (entry 23).
    for (stream, field) in [(1, &b"\x10\x01x\x01y"[..]), (3, b"\x1f\x08\x01z")] {
        peer.frame(kind::HEADERS, END, stream, &[&block(&REQUEST), field].concat());
    }
    let [first, second] = peer.requests[..] else { panic!() };
    let heads = [first, second].map(|slot| peer.connection.take_head(slot).unwrap());
    assert_eq!(heads.map(|head| head.is_sensitive()), [true, false]);
    let fields: [(&[u8], &[u8]); 2] = [(b"X", b"y"), (b"Vary", b"accept")];
    peer.connection.set_sensitive(first);
    peer.connection.send_head(first, 200, fields.into_iter(), || true);
    peer.connection.send_head(second, 200, fields.into_iter(), || true);
    assert_eq!(
        peer.hear(),
        "HEADERS! 1 :status=200 x=y* vary=accept*, HEADERS! 3 :status=200 x=y vary=accept"
    );
    let (mut peer, _first) = asked(false, true);
    assert!(peer.connection.ask(fields.into_iter(), (false, true), || true).is_some());
    assert_eq!(peer.hear(), "HEADERS! 3 x=y* vary=accept*");
}

#[test]
fn a_head_larger_than_a_frame_goes_on_in_others() {
    let mut peer = Scripted::new();
    peer.get(1);
    let long = vec![b'a'; 2 * MOST_PAYLOAD];
    let slot = peer.requests[0];
    peer.connection.send_head(slot, 200, [(b"X".as_slice(), long.as_slice())].into_iter(), || true);
    let bytes = peer.connection.unsent().to_vec();
    let mut at = bytes.as_slice();
    let (mut kinds, mut block) = (Vec::new(), Vec::new());
    while let Some(header) = Header::read(at) {
        let (payload, rest) = at[HEADER_BYTES..].split_at(header.length as usize);
        block.extend_from_slice(payload);
        kinds.push((header.kind, header.flags));
        at = rest;
    }
    let last = (kind::CONTINUATION, flag::END_HEADERS);
    assert_eq!(kinds, [(kind::HEADERS, flag::END_STREAM), (kind::CONTINUATION, 0), last]);
    let mut values = Vec::new();
    peer.decoder.decode(&block, |_, value, _| values.push(value.to_vec())).unwrap();
    assert_eq!(values, [b"200".to_vec(), long]);
}

#[test]
fn nothing_is_sent_beyond_a_window() {
    let mut peer = Scripted::new();
    peer.post(1).post(3);
    let [first, second] = peer.requests[..] else { panic!() };
    let body = vec![0; MOST_PAYLOAD];
    let mut sent = 0;
    loop {
        let room = peer.connection.room(first);
        if room == 0 {
            break;
        }
        peer.connection.send_data(first, &body[..room], false);
        sent += room;
        peer.hear();
    }
    assert_eq!(sent, FIRST_WINDOW as usize);
    // The other stream has a window, the connection has none: it is told when there is one.
    assert_eq!(peer.connection.room(second), 0);
    let mut told = Vec::new();
    peer.connection.each_ready(|slot| told.push(slot));
    assert!(told.is_empty());
    peer.frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 9]);
    peer.connection.each_ready(|slot| told.push(slot));
    assert_eq!((told, peer.connection.room(second)), (vec![second], 9));
    // A smaller first window counts for streams that are open, and may leave less than none.
    let setting = [0, 4, 0, 0, 0, 0];
    peer.frame(kind::SETTINGS, 0, 0, &setting);
    assert_eq!((peer.connection.room(first), peer.connection.room(second)), (0, 0));
    peer.frame(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0xff, 0xff]);
    assert_eq!(peer.connection.room(first), 0);
    peer.frame(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 5]);
    assert_eq!(peer.connection.room(first), 5);
}

#[test]
fn what_is_held_for_a_client_that_does_not_read_is_bounded() {
    let mut peer = Scripted::new();
    peer.frame(kind::SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    peer.frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    peer.get(1).get(3);
    peer.hear();
    let [first, second] = peer.requests[..] else { panic!() };
    for slot in [first, second, first, second, first, second] {
        let room = peer.connection.room(slot);
        peer.connection.send_data(slot, &vec![0; room], false);
    }
    assert!(peer.connection.is_full());
    assert!(peer.connection.unsent().len() <= 5 * (MOST_PAYLOAD + HEADER_BYTES));
    let mut told = Vec::new();
    peer.connection.each_ready(|slot| told.push(slot));
    assert!(told.is_empty());
    let unsent = peer.connection.unsent().len();
    peer.connection.sent(unsent / 2);
    peer.connection.each_ready(|slot| told.push(slot));
    assert_eq!(told, [first, second]);
}

#[test]
fn a_body_is_taken_as_fast_as_it_is_read() {
    let mut peer = Scripted::new();
    peer.post(1);
    let slot = peer.requests[0];
    assert_eq!(peer.read(slot, 10), "Nothing");
    for _ in 0..4 {
        peer.frame(kind::DATA, 0, 1, &[7; 16_000]);
    }
    assert_eq!(peer.hear(), "");
    assert_eq!(peer.read(slot, 30_000), "30000");
    assert_eq!(peer.hear(), "");
    assert_eq!(peer.read(slot, 30_000), "30000");
    assert_eq!(peer.hear(), "WINDOW_UPDATE 1 60000, WINDOW_UPDATE 0 60000");
    assert_eq!(peer.read(slot, 30_000), "4000");
    peer.frame(kind::DATA, flag::END_STREAM | flag::PADDED, 1, b"\x01a\0");
    assert!(!peer.connection.is_read(slot));
    assert_eq!(peer.read(slot, 30_000), "1");
    assert_eq!(peer.read(slot, 30_000), "End");
    assert!(peer.connection.is_read(slot));
}

#[test]
fn more_than_a_window_is_an_error() {
    for (streams, wanted) in [(&[1][..], "RST_STREAM 1 3"), (&[1, 3], "GOAWAY 3 3")] {
        let mut peer = Scripted::new();
        for &stream in streams {
            peer.post(stream);
        }
        for at in 0..7 {
            peer.frame(kind::DATA, 0, streams[at % streams.len()], &[7; 16_000]);
        }
        assert!(peer.hear().starts_with(wanted));
    }
}

#[test]
fn a_body_is_as_long_as_its_head_says() {
    let head = [&REQUEST[..], &[("content-length", "3")]].concat();
    for (pieces, wanted) in [
        (&["ab", "c!"][..], ""),
        (&["abc", "!"], ""),
        (&["ab", "!"], "RST_STREAM 1 1"),
        (&["ab", "cd"], "RST_STREAM 1 1"),
    ] {
        let mut peer = Scripted::new();
        peer.frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&head));
        for piece in pieces {
            let (data, flags) =
                piece.strip_suffix('!').map_or((*piece, 0), |data| (data, flag::END_STREAM));
            peer.frame(kind::DATA, flags, 1, data.as_bytes());
        }
        assert_eq!(peer.hear(), wanted, "{pieces:?}");
    }
}

#[test]
fn an_exchange_that_is_let_go_is_reset_and_late_frames_are_no_mistake() {
    let mut peer = Scripted::new();
    peer.post(1).post(3);
    let [first, second] = peer.requests[..] else { panic!() };
    peer.connection.send_head(first, 413, [].into_iter(), || true);
    peer.connection.send_head(second, 200, [].into_iter(), || false);
    peer.connection.release(first);
    peer.connection.release(second);
    assert_eq!(
        peer.hear(),
        "HEADERS! 1 :status=413, HEADERS 3 :status=200, RST_STREAM 1 0, RST_STREAM 3 2"
    );
    for stream in [1, 3] {
        peer.frame(kind::DATA, 0, stream, &[7; 16_000]);
        peer.frame(kind::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]);
        peer.frame(kind::RST_STREAM, 0, stream, &[0; 4]);
        peer.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &block(&[]));
    }
    // What nobody reads makes room on the connection all the same.
    peer.frame(kind::DATA, 0, 1, &[7; 16_000]).frame(kind::DATA, 0, 1, &[7; 16_000]);
    assert_eq!(peer.hear(), "WINDOW_UPDATE 0 64000");
}

#[test]
fn a_stream_that_is_over_cannot_be_used_again() {
    let over = || {
        let mut peer = Scripted::new();
        peer.get(3);
        let slot = peer.requests[0];
        peer.connection.send_head(slot, 200, [].into_iter(), || true);
        peer.connection.release(slot);
        peer.hear();
        peer
    };
    assert_eq!(over().frame(kind::DATA, 0, 3, b"a").hear(), "RST_STREAM 3 5");
    assert_eq!(over().get(3).hear(), "GOAWAY 3 5");

    let mut peer = Scripted::new();
    peer.get(5).get(3); // passed over, and so not to be used any more
    assert_eq!(peer.hear(), "GOAWAY 5 1");
}

#[test]
fn resets_that_a_peer_provokes_are_counted() {
    let mut peer = Scripted::new();
    for stream in (1..).step_by(2).take(100) {
        peer.frame(kind::HEADERS, flag::END_HEADERS, stream, &block(&REQUEST[1..]));
    }
    let failure = peer.failure.unwrap();
    assert_eq!((failure.code, failure.label), (Code::ENHANCE_YOUR_CALM, "h2-error-flood"));
    assert!(peer.hear().ends_with("GOAWAY 129 11"));
    // Over a long time so many mistakes are no attack.
    let mut peer = Scripted::new();
    for stream in (1..).step_by(2).take(100) {
        peer.now = peer.now + std::time::Duration::from_secs(1);
        peer.frame(kind::HEADERS, flag::END_HEADERS, stream, &block(&REQUEST[1..]));
    }
    assert_eq!(peer.failure, None);
}

/// What a peer does, again and again.
type Act = fn(&mut Scripted, u32);

#[test]
fn what_goes_round_the_limits_is_counted_too() {
    let empty = |peer: &mut Scripted, _| {
        peer.frame(kind::DATA, flag::PADDED, 1, b"\x02\0\0");
    };
    let refused = |peer: &mut Scripted, at: u32| {
        peer.get(11 + 2 * at);
    };
    let late = |peer: &mut Scripted, at: u32| {
        if at == 0 {
            peer.connection.release(peer.requests[0]);
        }
        peer.frame(kind::HEADERS, END, 1, &block(&[]));
    };
    let cases: [(Act, &str); 3] = [
        (empty, "h2-empty-data-flood"),
        (refused, "h2-refused-flood"),
        (late, "h2-idle-frame-flood"),
    ];
    for (act, label) in cases {
        let mut peer = Scripted::new();
        peer.post(1).post(3).post(5).post(7);
        for at in 0..2_000 {
            act(&mut peer, at);
            peer.hear();
        }
        assert_eq!(peer.failure.map(|failure| failure.label), Some(label));
    }
}

/// A block that begins with `fields`, puts one of 100 bytes into the table, and says its number
/// again so many times (RFC 7541 §6.1).
fn bomb(fields: &[(&str, &str)], times: usize) -> Vec<u8> {
    let mut block = block(fields);
    block.extend([0x40, 1, b'x', 100]);
    block.resize(block.len() + 100, b'v');
    block.resize(block.len() + times, 0x80 | 0x3e);
    block
}

/// As often as a field of [`bomb`] is kept.
const KEPT: usize = LIMITS.head_bytes as usize / 133;

const IS_A_FLOOD: Option<(Code, &str)> = Some((Code::ENHANCE_YOUR_CALM, "h2-error-flood"));

#[test]
fn a_head_counts_as_often_as_it_is_too_large() {
    let failure = |times| {
        let mut peer = Scripted::new();
        peer.frame(kind::HEADERS, END, 1, &bomb(&REQUEST, times));
        peer.failure.map(|failure| (failure.code, failure.label))
    };
    assert_eq!(failure(2 * KEPT), None, "a client with too many cookies");
    assert_eq!(failure(70 * KEPT), IS_A_FLOOD);
}

#[test]
fn what_is_unpacked_counts_whatever_becomes_of_it() {
    let upper = [("X", "y")];
    let cases = [
        ("of a request that lacks everything", 9, &[][..]),
        ("of a request with a name in upper case", 9, &upper),
        ("trailers", 1, &[]),
        ("on a stream whose request is over", 3, &REQUEST),
        ("on a stream that was reset from here", 5, &REQUEST),
        ("on a stream that its client has reset", 7, &REQUEST),
    ];
    for (what, stream, fields) in cases {
        let mut peer = Scripted::new();
        peer.post(1).get(3).post(5).post(7);
        peer.connection.release(peer.requests[2]);
        peer.frame(kind::RST_STREAM, 0, 7, &[0; 4]);
        peer.frame(kind::HEADERS, END, stream, &bomb(fields, 70 * KEPT));
        let failure = peer.failure.map(|failure| (failure.code, failure.label));
        assert_eq!(failure, IS_A_FLOOD, "{what}");
    }
}

#[test]
fn who_has_said_goodbye_is_served_to_the_end() {
    let mut peer = Scripted::new();
    peer.get(1).frame(kind::GOAWAY, 0, 0, &[0; 8]).get(3);
    assert_eq!(peer.requests.len(), 2);
    for slot in std::mem::take(&mut peer.requests) {
        assert!(!peer.connection.is_left());
        peer.connection.send_head(slot, 200, [].into_iter(), || true);
        peer.connection.release(slot);
        peer.hear();
    }
    assert!(peer.connection.is_left() && !peer.connection.is_over());
    peer.frame(kind::PING, 0, 0, b"pingpong");
    assert_eq!(peer.hear(), "PING! 0 pingpong");
}

#[test]
fn who_leaves_finishes_what_has_begun() {
    let mut peer = Scripted::new();
    peer.get(1);
    peer.connection.leave();
    peer.connection.leave();
    assert_eq!(peer.hear(), "GOAWAY 2147483647 0, PING 0 leaving!");
    peer.get(3); // sent before it heard that
    assert_eq!(peer.requests.len(), 2);
    peer.frame(kind::PING, flag::ACK, 0, b"leaving!");
    assert_eq!(peer.hear(), "GOAWAY 3 0");
    peer.get(5).frame(kind::DATA, 0, 5, b"late");
    assert_eq!((peer.requests.len(), peer.hear().as_str()), (2, ""));
    for slot in std::mem::take(&mut peer.requests) {
        assert!(!peer.connection.is_over());
        peer.connection.send_head(slot, 200, [].into_iter(), || true);
        peer.connection.release(slot);
    }
    assert!(!peer.connection.is_over());
    peer.hear();
    assert!(peer.connection.is_over());
}

#[test]
fn whoever_is_cut_off_reads_that() {
    let mut peer = Scripted::new();
    peer.post(1);
    let slot = peer.requests[0];
    peer.connection.abandon();
    assert_eq!(peer.read(slot, 10), "Reset(Code(2))");
    peer.connection.send_head(slot, 200, [].into_iter(), || true);
    peer.connection.release(slot);
    assert_eq!(peer.hear(), "");
}

/// A connection to a server that has said its settings, and what was asked of it on stream 1.
fn asked(head_only: bool, ends: bool) -> (Scripted, Slot) {
    let mut peer = Scripted::of(Connection::with_server(LIMITS));
    let introduction = peer.connection.unsent().to_vec();
    let settings = introduction.strip_prefix(PREFACE).unwrap();
    assert_eq!(Header::read(settings).unwrap().kind, kind::SETTINGS);
    peer.connection.sent(introduction.len());
    peer.frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 2]);
    assert_eq!(peer.hear(), "SETTINGS! 0 0");
    let fields = REQUEST.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let slot = peer.connection.ask(fields, (head_only, false), || ends).unwrap();
    let end = if ends { "!" } else { "" };
    let wanted = format!("HEADERS{end} 1 :method=GET :scheme=http :authority=a :path=/");
    assert_eq!(peer.hear(), wanted);
    (peer, slot)
}

/// A frame of an answer: type, flags, payload.
type Said<'c> = (u8, u8, &'c [u8]);

/// What a server's frames come to.
fn outcome(head_only: bool, said: &[Said<'_>]) -> String {
    let (mut peer, slot) = asked(head_only, true);
    for &(kind, flags, payload) in said {
        peer.frame(kind, flags, 1, payload);
    }
    let mut words = vec![peer.hear()];
    if let Some(head) = peer.connection.take_head(slot) {
        words.push(head.status().unwrap_or_default().to_string());
    }
    while words.last().is_none_or(|word| word != "End") && words.len() < 5 {
        words.push(peer.read(slot, 100));
    }
    if let Some(trailers) = peer.connection.take_trailers(slot) {
        words.push(format!("+{}", trailers.count()));
    }
    words.dedup();
    words.join(" ").trim().to_owned()
}

#[test]
fn an_answer_is_taken_if_it_is_one() {
    use kind::{DATA, HEADERS};
    const HEAD: u8 = flag::END_HEADERS;
    const BROKEN: &str = "RST_STREAM 1 1 Reset(Code(1))";
    let ok = block(&[(":status", "200")]);
    let sized = block(&[(":status", "200"), ("content-length", "3")]);
    let early = block(&[(":status", "103")]);
    let same = block(&[(":status", "304"), ("content-length", "3")]);
    let none = block(&[(":status", "204")]);
    let switched = block(&[(":status", "101")]);
    let short = block(&[(":status", "20")]);
    let loud = block(&[(":status", "200"), ("X", "")]);
    let padded = block(&[(":status", "200"), ("x", " y ")]);
    let trailers = block(&[("x", "y")]);
    let request = block(&REQUEST);
    let late = "RST_STREAM 1 1 200 Reset(Code(1))";
    let cases: &[(bool, &[Said<'_>], &str)] = &[
        (false, &[(HEADERS, END, &ok)], "200 End"),
        (false, &[(HEADERS, HEAD, &ok), (DATA, 1, b"abc")], "200 3 End"),
        (false, &[(HEADERS, HEAD, &ok)], "200 Nothing"),
        (false, &[(HEADERS, HEAD, &early), (HEADERS, END, &ok)], "200 End"),
        (false, &[(HEADERS, HEAD, &early)], "103 Nothing"),
        (false, &[(HEADERS, HEAD, &ok), (HEADERS, END, &trailers)], "200 End +1"),
        (false, &[(HEADERS, HEAD, &sized), (DATA, 1, b"abc")], "200 3 End"),
        (true, &[(HEADERS, END, &sized)], "200 End"),
        (false, &[(HEADERS, END, &padded)], "200 End"),
        (false, &[(HEADERS, END, &same)], "304 End"),
        (false, &[(HEADERS, HEAD, &none), (DATA, 1, b"")], "204 End"),
        (false, &[(HEADERS, HEAD, &none), (DATA, 1, b"a")], "RST_STREAM 1 1 204 Reset(Code(1))"),
        (true, &[(HEADERS, HEAD, &sized), (DATA, 1, b"abc")], late),
        (false, &[(HEADERS, HEAD, &switched)], BROKEN),
        (false, &[(HEADERS, END, &sized)], late),
        (false, &[(HEADERS, HEAD, &sized), (DATA, 1, b"ab")], late),
        (false, &[(HEADERS, HEAD, &ok), (HEADERS, END, &ok)], late),
        (false, &[(HEADERS, END, &early)], BROKEN),
        (false, &[(HEADERS, END, &trailers)], BROKEN),
        (false, &[(HEADERS, END, &request)], BROKEN),
        (false, &[(HEADERS, END, &short)], BROKEN),
        (false, &[(HEADERS, END, &loud)], BROKEN),
    ];
    for (head_only, said, wanted) in cases {
        assert_eq!(outcome(*head_only, said), *wanted, "{said:?}");
    }
}

#[test]
fn a_whole_answer_outlives_the_reset_that_stops_its_request() {
    let (mut peer, slot) = asked(false, false);
    peer.frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&[(":status", "413")]));
    peer.frame(kind::DATA, flag::END_STREAM, 1, b"no").frame(kind::RST_STREAM, 0, 1, &[0; 4]);
    assert_eq!(peer.connection.take_head(slot).unwrap().status(), Some(413));
    assert_eq!((peer.read(slot, 9), peer.read(slot, 9)), ("2".to_owned(), "End".to_owned()));
    assert_eq!(peer.connection.reset_code(slot), Some(Code::NO_ERROR));
}

#[test]
fn no_more_is_asked_of_a_server_than_it_allows() {
    let (mut peer, first) = asked(false, true);
    let second = peer.connection.ask([].into_iter(), (false, false), || true).unwrap();
    assert_eq!(peer.connection.most_asked(), 2);
    assert_eq!(peer.connection.ask([].into_iter(), (false, false), || true), None);
    peer.connection.release(first);
    assert_eq!(peer.hear(), "HEADERS! 3, RST_STREAM 1 8");
    let third = peer.connection.ask([].into_iter(), (false, false), || true).unwrap();
    // It has not looked at the third: somebody else may be asked.
    peer.frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]);
    assert!(peer.connection.most_asked() == 0 && !peer.connection.is_over());
    assert_eq!(peer.connection.reset_code(third), Some(Code::REFUSED_STREAM));
    assert_eq!(peer.connection.reset_code(second), None);
    peer.frame(kind::HEADERS, END, 3, &block(&[(":status", "200")]));
    assert_eq!(peer.connection.take_head(second).unwrap().status(), Some(200));
    peer.hear();
    assert!(peer.connection.is_over());
}

#[test]
fn a_server_that_breaks_a_rule_is_left() {
    for (kind, flags, stream, payload, wanted) in [
        (kind::PUSH_PROMISE, END, 1, &[0, 0, 0, 2][..], "GOAWAY 0 1"),
        (kind::HEADERS, END, 2, &[], "GOAWAY 0 1"),
        (kind::HEADERS, END, 3, &[], "GOAWAY 0 1"),
        (kind::DATA, 0, 3, &[], "GOAWAY 0 1"),
        (kind::DATA, 0, 1, &[], "RST_STREAM 1 1"),
        (kind::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 1], "GOAWAY 0 1"),
    ] {
        let (mut peer, _) = asked(false, true);
        peer.frame(kind, flags, stream, payload);
        assert_eq!(peer.hear(), wanted, "{kind} {stream}");
    }
}

#[test]
fn an_answer_that_came_in_full_is_not_reset_for_want_of_its_last_frame() {
    let (mut peer, slot) = asked(false, true);
    let head = block(&[(":status", "200"), ("content-length", "2")]);
    peer.frame(kind::HEADERS, flag::END_HEADERS, 1, &head).frame(kind::DATA, 0, 1, b"ok");
    assert_eq!(peer.read(slot, 9), "2");
    peer.connection.release(slot);
    peer.frame(kind::DATA, flag::END_STREAM, 1, b"");
    assert_eq!(peer.hear(), "");
}

#[test]
fn a_connection_at_rest_goes_on_where_it_was() {
    let mut peer = Scripted::new();
    for stream in [1, 3, 5] {
        peer.get(stream);
    }
    peer.connection.rest();
    for slot in std::mem::take(&mut peer.requests) {
        peer.connection.send_head(slot, 200, [].into_iter(), || true);
        peer.connection.release(slot);
    }
    peer.hear();
    peer.connection.rest();
    assert_eq!(peer.connection.streams.held(), 0);
    peer.get(7);
    assert_eq!(peer.requests.len(), 1);
    peer.connection.send_head(peer.requests[0], 200, [].into_iter(), || true);
    assert_eq!(peer.hear(), "HEADERS! 7 :status=200");
}

#[test]
fn a_server_that_names_no_limit_has_none() {
    let mut peer = Scripted::of(Connection::with_server(LIMITS));
    let unsent = peer.connection.unsent().len();
    peer.connection.sent(unsent);
    assert_eq!(peer.connection.most_asked(), FIRST_MOST_STREAMS);
    peer.frame(kind::SETTINGS, 0, 0, b"");
    assert_eq!(peer.connection.most_asked(), u32::MAX);
    peer.frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 7]).frame(kind::SETTINGS, 0, 0, b"");
    assert_eq!(peer.connection.most_asked(), 7);
}
