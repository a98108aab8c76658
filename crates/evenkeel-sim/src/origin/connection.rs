//! One connection of a server: its requests and how they are answered.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use super::{Mode, Seen, Shared, Then, reset};
use crate::body::{Body, HASH_HEADER};
use crate::http1::{Broken, Framing, Head, Reader, Received};

/// The longest a connection of a test is silent.
const SILENCE: Duration = Duration::from_mins(2);

/// Serves requests until one of the two sides has had enough.
pub(super) fn serve(stream: TcpStream, number: u64, shared: &Shared) {
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(SILENCE)).expect("more than zero");
    let mut reader = Reader::new(stream);
    // A broken connection is the other side's affair: the test looks there.
    while let Ok(head) = reader.head() {
        let upgrades =
            head.lists("upgrade", "websocket") && !head.first_line.contains("upgrade=no");
        if upgrades && shared.state().mode == Mode::Ok {
            note(shared, number, &head, &Received::default());
            websocket(reader, &head);
            return;
        }
        let Ok(keep) = exchange(&mut reader, &head, number, shared) else { return };
        if !keep {
            finish(reader.stream());
            return;
        }
    }
}

/// Our FIN, then what the other side still has to say: closing earlier would send a RST.
fn finish(stream: &TcpStream) {
    if stream.shutdown(Shutdown::Write).is_ok() {
        // Whatever still comes is of no interest.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = io::copy(&mut &*stream, &mut io::sink());
    }
}

/// How a request is treated: a check as by a good server, if by any.
fn mode_for(is_check: bool, shared: &Shared) -> Mode {
    let state = shared.state();
    match &state.mode {
        Mode::Hang => Mode::Hang,
        _ if is_check => Mode::Ok,
        Mode::Every(count, other) if state.seen.len().is_multiple_of(*count) => (**other).clone(),
        Mode::Every(..) => Mode::Ok,
        mode => mode.clone(),
    }
}

/// One request and its answer; whether the connection stays.
fn exchange(
    reader: &mut Reader,
    head: &Head,
    number: u64,
    shared: &Shared,
) -> Result<bool, Broken> {
    if head.lists("expect", "100-continue") {
        send(reader.stream(), b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let body = reader.body(head.framing(Framing::Length(0))?)?;
    let mut wanted = Wanted::of(head);
    let is_check = wanted.path == "/health";
    if is_check {
        shared.update(|state| state.checks += 1);
    } else {
        note(shared, number, head, &body);
    }
    let mode = mode_for(is_check, shared);
    prepare(&mode, &mut wanted, shared);
    let stream = reader.stream();
    match mode {
        Mode::Raw(bytes, then) => {
            send(stream, &bytes)?;
            if then == Then::Reset {
                reset(stream);
                return Err(Broken::Reset);
            }
            return Ok(then == Then::Keep);
        }
        Mode::ResetBeforeAnswer => {
            reset(stream);
            return Err(Broken::Reset);
        }
        Mode::SlowBody(time) => answer(stream, &wanted, head, &body, time, shared)?,
        Mode::ResetMidBody | Mode::Truncate => {
            half(stream, &wanted, head, &body, shared)?;
            if mode == Mode::ResetMidBody {
                reset(stream);
                return Err(Broken::Reset);
            }
            return Ok(false);
        }
        Mode::CloseRace => {
            answer(stream, &wanted, head, &body, Duration::ZERO, shared)?;
            // At once, so that the next request on this connection is answered with a RST.
            return Err(Broken::Closed);
        }
        _ => answer(stream, &wanted, head, &body, Duration::ZERO, shared)?,
    }
    Ok(wanted.shape != Shape::Close
        && !head.lists("connection", "close")
        && (!head.first_line.ends_with("HTTP/1.0") || head.lists("connection", "keep-alive")))
}

/// What comes before the answer, and changes it.
fn prepare(mode: &Mode, wanted: &mut Wanted<'_>, shared: &Shared) {
    match mode {
        Mode::Hang => shared.linger(SILENCE),
        Mode::Slow(time) => shared.linger(*time),
        Mode::Works { at_once, time } => {
            if !shared.work(*at_once, *time) {
                wanted.status = 503;
            }
        }
        Mode::LengthAndChunked => wanted.shape = Shape::Both,
        Mode::Ok | Mode::Refuse | Mode::ResetOnAccept | Mode::Every(..) => {
            shared.linger(wanted.wait);
        }
        Mode::Raw(..)
        | Mode::ResetBeforeAnswer
        | Mode::SlowBody(_)
        | Mode::ResetMidBody
        | Mode::Truncate
        | Mode::CloseRace => {}
    }
}

fn note(shared: &Shared, connection: u64, head: &Head, body: &Received) {
    let mut words = head.first_line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    shared.update(|state| {
        state.observer.inspect(|observe| observe(&method, &target));
        state.seen.push(Seen {
            method,
            target,
            head: head.clone(),
            body: body.bytes.clone(),
            body_size: body.size,
            body_hash: body.hash.clone(),
            trailers: body.trailers.clone(),
            connection,
        });
    });
}

/// What a target asks for.
#[derive(Debug)]
struct Wanted<'a> {
    target: &'a str,
    path: &'a str,
    size: u64,
    shape: Shape,
    trailer: bool,
    interim: u64,
    status: u64,
    wait: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Length,
    Chunked,
    /// `Content-Length` and chunks: no honest server does that.
    Both,
    Close,
}

impl<'a> Wanted<'a> {
    fn of(head: &'a Head) -> Self {
        let target = head.first_line.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(is, _)| *is == name).map(|(_, value)| value)
        };
        let number = |name, otherwise| {
            value(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or(otherwise)
        };
        let shape = match value("shape") {
            Some("chunked") => Shape::Chunked,
            Some("close") => Shape::Close,
            _ => Shape::Length,
        };
        Self {
            target,
            path,
            size: number("size", 100),
            shape,
            trailer: number("trailer", 0) > 0,
            interim: number("interim", 0),
            status: number("status", 200),
            wait: Duration::from_millis(number("wait", 0)),
        }
    }

    fn is_chunked(&self) -> bool {
        matches!(self.shape, Shape::Chunked | Shape::Both)
    }

    fn bodiless(&self, request: &Head) -> bool {
        request.first_line.starts_with("HEAD ") || matches!(self.status, 204 | 304)
    }

    /// The head of the answer.
    fn head(&self, request: &Head, body: &Received, server: &str) -> String {
        let Self { target, size, status, .. } = self;
        let hash = Body::hash(target, *size);
        let (upload, uploaded) = (&body.hash, body.size);
        let mut head = String::new();
        for number in 0..self.interim {
            let _ = write!(head, "HTTP/1.1 103 Early Hints\r\nlink: </{number}.css>\r\n\r\n");
        }
        let _ = write!(
            head,
            "HTTP/1.1 {status} Said By Origin\r\nx-server: {server}\r\n{HASH_HEADER}: {hash}\r\n\
             x-upload-hash: {upload}\r\nx-upload-size: {uploaded}\r\n"
        );
        let _ = match self.shape {
            _ if *status == 204 => Ok(()),
            Shape::Length => write!(head, "content-length: {size}\r\n"),
            Shape::Chunked => write!(head, "transfer-encoding: chunked\r\n"),
            Shape::Both => write!(head, "content-length: 5\r\ntransfer-encoding: chunked\r\n"),
            Shape::Close => write!(head, "connection: close\r\n"),
        };
        if self.shape == Shape::Chunked && self.trailer {
            head.push_str("trailer: x-after\r\n");
        }
        if request.first_line.ends_with("HTTP/1.0") && request.lists("connection", "keep-alive") {
            head.push_str("connection: keep-alive\r\n");
        }
        head + "\r\n"
    }
}

/// The whole answer, its body over `time`.
fn answer(
    stream: &TcpStream,
    wanted: &Wanted<'_>,
    request: &Head,
    upload: &Received,
    time: Duration,
    shared: &Shared,
) -> Result<(), Broken> {
    /// A slow body comes in so many parts.
    const PARTS: u32 = 10;
    let mut message = wanted.head(request, upload, &shared.name).into_bytes();
    if wanted.bodiless(request) {
        return send(stream, &message);
    }
    let mut body = Body::new(wanted.target, wanted.size);
    while let Some(piece) = body.piece() {
        let parts = if time.is_zero() { 1 } else { PARTS as usize };
        for part in piece.chunks(piece.len().div_ceil(parts)) {
            if wanted.is_chunked() {
                message.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                message.extend_from_slice(part);
                message.extend_from_slice(b"\r\n");
            } else {
                message.extend_from_slice(part);
            }
            send(stream, &message)?;
            message.clear();
            if !time.is_zero() {
                shared.linger(time / PARTS);
            }
        }
    }
    if wanted.is_chunked() {
        let trailer: &[u8] = if wanted.trailer { b"x-after: the body\r\n" } else { b"" };
        message.extend_from_slice(&[b"0\r\n", trailer, b"\r\n"].concat());
    }
    send(stream, &message)
}

/// The head and half of the body.
fn half(
    stream: &TcpStream,
    wanted: &Wanted<'_>,
    request: &Head,
    upload: &Received,
    shared: &Shared,
) -> Result<(), Broken> {
    let mut message = wanted.head(request, upload, &shared.name).into_bytes();
    let mut body = Body::new(wanted.target, wanted.size);
    let piece = body.piece().unwrap_or_default();
    message.extend_from_slice(&piece[..piece.len() / 2]);
    send(stream, &message)
}

/// Sends every message back.
fn websocket(reader: Reader, head: &Head) {
    let accept = derive_accept_key(head.header("sec-websocket-key").unwrap_or_default().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    if send(reader.stream(), answer.as_bytes()).is_err() {
        return;
    }
    let (stream, ahead) = reader.into_parts();
    let mut socket = WebSocket::from_partially_read(stream, ahead, Role::Server, None);
    while let Ok(message) = socket.read() {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).is_err()
        {
            return;
        }
    }
}

fn send(mut stream: &TcpStream, bytes: &[u8]) -> Result<(), Broken> {
    stream.write_all(bytes).map_err(|error| crate::http1::broken(&error, true))
}
