//! One request to a server that speaks HTTP/2 and its answer, as a stream of bytes: what is written
//! is the request as HTTP/1 has it, what is read is the answer in the same form.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};

use evenkeel_core::http2::{Code, Head, Slot};
use evenkeel_core::message::chunked::{self, Decoder, Step};
use evenkeel_core::message::header::Name;
use evenkeel_core::message::own::phrase;
use tokio::io::ReadBuf;

use super::fields::{Lines, broken, concerns_connection, fields, number};
use super::session::Session;
use super::shared::Lease;

/// A trailer section of our own making: its lines were bounded when they were read.
const MOST_TRAILER_BYTES: u32 = u32::MAX;
/// Bytes of a chunk that a body of unknown length is passed on in.
const MOST_CHUNK: usize = 16 * 1024;

/// A request, and the way its answer comes.
#[derive(Debug)]
pub(crate) struct Asking {
    /// The stream, once the request has begun.
    slot: Option<Slot>,
    sending: Sending,
    answer: Answer,
    /// The answer as HTTP/1 has it, not read yet.
    out: Vec<u8>,
    /// Bytes of `out` that have been read.
    read: usize,
    /// The method was `HEAD`.
    head_only: bool,
    /// The request holds a field that is never to be put into a table.
    is_sensitive: bool,
    /// The answer does.
    brings_sensitive: bool,
    /// A place on the connection.
    lease: Lease,
}

/// How far the request has got.
#[derive(Debug)]
enum Sending {
    Head,
    Length(u64),
    Chunked(Box<Decoder>),
    Done,
}

/// How far the answer has got.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Its head has not come.
    Head,
    /// The rest of the body; whether its length was not announced.
    Body {
        is_chunked: bool,
    },
    Ended,
    /// The connection takes no more requests.
    Refused,
}

impl Asking {
    pub(super) const fn new(lease: Lease) -> Self {
        Self {
            slot: None,
            sending: Sending::Head,
            answer: Answer::Head,
            out: Vec::new(),
            read: 0,
            head_only: false,
            is_sensitive: false,
            brings_sensitive: false,
            lease,
        }
    }

    /// Takes the request as HTTP/1 has it, its head in one piece.
    pub(crate) fn poll_write(&mut self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !matches!(self.sending, Sending::Head) {
            return self.poll_body(cx, bytes);
        }
        let length = self.send_head(bytes).inspect_err(|_refused| {
            self.lease.close();
            self.answer = Answer::Refused;
        })?;
        self.session().drive();
        if length == bytes.len() {
            return Poll::Ready(Ok(length));
        }
        match self.poll_body(cx, &bytes[length..]) {
            Poll::Ready(Ok(sent)) => Poll::Ready(Ok(length + sent)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(Ok(length)),
        }
    }

    /// The answer in HTTP/1's form, piece by piece; then nothing.
    pub(crate) fn poll_read(
        &mut self,
        cx: &Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.read == self.out.len() {
            self.out.clear();
            self.read = 0;
            match (self.answer, self.slot) {
                (Answer::Refused, _) => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
                }
                (Answer::Ended, _) => return Poll::Ready(Ok(())),
                (_, None) => return Poll::Pending, // nothing was asked
                (Answer::Head, Some(slot)) => ready!(self.poll_head(cx, slot))?,
                (Answer::Body { is_chunked: false }, Some(slot)) => {
                    return self.poll_data(cx, slot, space);
                }
                (Answer::Body { is_chunked: true }, Some(slot)) => {
                    ready!(self.poll_chunk(cx, slot))?;
                }
            }
        }
        let unread = &self.out[self.read..];
        let taken = unread.len().min(space.remaining());
        space.put_slice(&unread[..taken]);
        self.read += taken;
        Poll::Ready(Ok(()))
    }

    /// The server has marked a field of its answer as sensitive (RFC 7541 §7.1.3).
    pub(crate) const fn brings_sensitive(&self) -> bool {
        self.brings_sensitive
    }

    /// What is still to be written of the request holds a field that its client has marked so.
    pub(crate) fn set_sensitive(&mut self) {
        self.is_sensitive = true;
        if let Some(slot) = self.slot {
            self.session().connection.borrow_mut().set_sensitive(slot);
        }
    }

    /// The server has given the exchange up.
    pub(crate) fn reset_code(&self) -> Option<Code> {
        self.session().connection.borrow().reset_code(self.slot?)
    }

    /// The time of the exchange is over: that may speak against the connection.
    pub(crate) fn time_out(&self) {
        self.lease.time_out();
    }

    fn session(&self) -> &Session {
        &self.lease.carrier().session
    }

    /// Returns how many of the bytes were the head.
    fn send_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (first, mut lines) = Lines::of_head(bytes);
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut words = first.split(|&byte| byte == b' ');
        let method = words.next().ok_or_else(invalid)?;
        let path = words.next().ok_or_else(invalid)?;
        // This node writes it before all others.
        let authority = lines.clone().find(|&(kind, ..)| kind == Name::Host);
        let (.., authority) = authority.ok_or_else(invalid)?;
        let carrier = self.lease.carrier();
        let pseudo: [(&[u8], &[u8]); 4] = [
            (b":method", method),
            (b":scheme", carrier.scheme.as_bytes()),
            (b":authority", authority),
            (b":path", path),
        ];
        let (left, is_chunked) = (Cell::new(None), Cell::new(false));
        let passes = |&(kind, _, value): &(Name, &[u8], &[u8])| {
            match kind {
                Name::ContentLength => left.set(number(value).filter(|&left| left > 0)),
                Name::TransferEncoding => is_chunked.set(true),
                _ => {}
            }
            !concerns_connection(kind) && !matches!(kind, Name::Host | Name::Te)
        };
        let passed_on = lines.by_ref().filter(passes).map(|(_, name, value)| (name, value));
        // Whoever speaks through this node takes trailers or has them dropped here.
        let te: (&[u8], &[u8]) = (b"te", b"trailers");
        let fields = pseudo.into_iter().chain(passed_on).chain([te]);
        let ends = || !is_chunked.get() && left.get().is_none();
        self.head_only = method == b"HEAD";
        let mut connection = carrier.session.connection.borrow_mut();
        let slot = connection.ask(fields, (self.head_only, self.is_sensitive), ends);
        drop(connection);
        self.slot = Some(slot.ok_or(io::ErrorKind::ConnectionRefused)?);
        self.sending = match left.get() {
            _ if is_chunked.get() => Sending::Chunked(Box::new(Decoder::new(MOST_TRAILER_BYTES))),
            Some(left) => Sending::Length(left),
            None => Sending::Done,
        };
        Ok(bytes.len() - lines.body()?.len())
    }

    fn poll_body(&mut self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(slot) = self.slot else { return Poll::Ready(Ok(0)) };
        let session = &self.lease.carrier().session;
        let mut connection = session.connection.borrow_mut();
        if let Some(code) = connection.reset_code(slot) {
            return Poll::Ready(Err(broken(code)));
        }
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            match &mut self.sending {
                Sending::Length(left) => {
                    let room = connection.room(slot).min(rest.len());
                    if room == 0 {
                        break;
                    }
                    *left = left.saturating_sub(room as u64);
                    let ends = *left == 0;
                    connection.send_data(slot, &rest[..room], ends);
                    taken += room;
                    if ends {
                        self.sending = Sending::Done;
                    }
                }
                Sending::Chunked(decoder) => {
                    // What frames a chunk takes no room: the end must not wait for any.
                    let most = if decoder.is_within_data() {
                        connection.room(slot)
                    } else {
                        rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1)
                    };
                    if most == 0 {
                        break;
                    }
                    let decoded = decoder.decode(&rest[..most.min(rest.len())]);
                    let (step, consumed) = decoded.map_err(|_reason| io::ErrorKind::InvalidData)?;
                    taken += consumed;
                    match step {
                        Step::More => {}
                        Step::Data(data) => connection.send_data(slot, data, false),
                        Step::End => {
                            connection.send_end(slot, fields(decoder.trailers()));
                            self.sending = Sending::Done;
                        }
                    }
                }
                Sending::Head | Sending::Done => break,
            }
        }
        if taken > 0 {
            session.drive();
            return Poll::Ready(Ok(taken));
        }
        if matches!(self.sending, Sending::Done) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())); // more than was announced
        }
        session.wait(slot, cx);
        Poll::Pending
    }

    fn poll_head(&mut self, cx: &Context<'_>, slot: Slot) -> Poll<io::Result<()>> {
        let session = &self.lease.carrier().session;
        let mut connection = session.connection.borrow_mut();
        let Some(head) = connection.take_head(slot) else {
            if let Some(code) = connection.reset_code(slot) {
                return Poll::Ready(Err(broken(code)));
            }
            session.wait(slot, cx);
            return Poll::Pending;
        };
        self.brings_sensitive |= head.is_sensitive();
        let status = head.status().ok_or(io::ErrorKind::InvalidData)?;
        if status < 200 {
            write_head(&mut self.out, status, &head, b"");
            connection.give_back(head);
            return Poll::Ready(Ok(()));
        }
        let has_none = self.head_only || matches!(status, 204 | 304);
        let ends = connection.is_read(slot);
        let is_chunked = head.content_length().is_none() && !has_none;
        let framing: &[u8] = match (is_chunked, ends) {
            (true, true) => b"content-length: 0\r\n",
            (true, false) => b"transfer-encoding: chunked\r\n",
            (false, _) => b"",
        };
        write_head(&mut self.out, status, &head, framing);
        connection.give_back(head);
        self.answer = if ends || has_none { Answer::Ended } else { Answer::Body { is_chunked } };
        Poll::Ready(Ok(()))
    }

    /// A piece of a body of known length, where it is wanted.
    fn poll_data(
        &self,
        cx: &Context<'_>,
        slot: Slot,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let session = &self.lease.carrier().session;
        session
            .poll_read(cx, slot, space.remaining(), |data| space.put_slice(data))
            .map_ok(|_more| ())
    }

    /// A piece of a body of unknown length, or its end, as HTTP/1 has it.
    fn poll_chunk(&mut self, cx: &Context<'_>, slot: Slot) -> Poll<io::Result<()>> {
        let Self { out, lease, .. } = self;
        let session = &lease.carrier().session;
        let write = |data: &[u8]| chunked::write_chunk(out, data);
        if ready!(session.poll_read(cx, slot, MOST_CHUNK, write))? {
            return Poll::Ready(Ok(()));
        }
        let trailers = session.connection.borrow_mut().take_trailers(slot);
        let mut lines = Vec::new();
        if let Some(head) = &trailers {
            self.brings_sensitive |= head.is_sensitive();
            write_fields(&mut lines, head);
        }
        chunked::write_end(&mut self.out, &lines);
        self.answer = Answer::Ended;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Asking {
    /// Nobody waits for the rest of the answer.
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let session = self.session();
            session.connection.borrow_mut().release(slot);
            session.drive();
        }
    }
}

fn write_head(out: &mut Vec<u8>, status: u16, head: &Head, framing: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    let digits = [status / 100, status / 10 % 10, status % 10];
    out.extend(digits.map(|digit| b'0' + u8::try_from(digit).unwrap_or(0)));
    out.push(b' ');
    out.extend_from_slice(phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    write_fields(out, head);
    out.extend_from_slice(framing);
    out.extend_from_slice(b"\r\n");
}

fn write_fields(out: &mut Vec<u8>, head: &Head) {
    for (_, name, value) in head.fields() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}
