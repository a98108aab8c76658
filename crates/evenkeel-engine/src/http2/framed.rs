//! One exchange in frames, as a stream of bytes: what is read is the body of the request, what is
//! written is the answer in HTTP/1's form.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use evenkeel_core::http2::{Code, Head, Pseudo, Slot};
use evenkeel_core::message::header::Name;
use tokio::io::ReadBuf;

use super::Common;
use super::fields::{Lines, broken, concerns_connection, fields, number};

/// A request, and the way its answer takes.
#[derive(Debug)]
pub(crate) struct Framed {
    pub(super) common: Rc<Common>,
    slot: Slot,
    /// No body follows whatever the head says.
    head_only: bool,
    /// 101 means that the stream is a tunnel now (RFC 8441 §5).
    tunnels: bool,
    /// The request holds a field that is never to be put into a table.
    brings_sensitive: bool,
    sending: Sending,
    /// Lines behind the body of the answer.
    trailers: Vec<u8>,
}

/// How far the answer has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// No final head was written.
    Head,
    /// With what is left of the announced length.
    Body(Option<u64>),
    Done,
}

impl Framed {
    pub(super) const fn new(common: Rc<Common>, slot: Slot) -> Self {
        Self {
            common,
            slot,
            head_only: false,
            tunnels: false,
            brings_sensitive: false,
            sending: Sending::Head,
            trailers: Vec::new(),
        }
    }

    /// The head of the request, once.
    pub(crate) fn take_head(&mut self) -> Option<Box<Head>> {
        let head = self.common.session.connection.borrow_mut().take_head(self.slot)?;
        let method = head.pseudo(Pseudo::Method);
        self.head_only = method == Some("HEAD");
        self.tunnels = method == Some("CONNECT");
        self.brings_sensitive = head.is_sensitive();
        Some(head)
    }

    /// Takes back what [`Framed::take_head`] gave.
    pub(crate) fn give_back(&self, head: Box<Head>) {
        self.common.session.connection.borrow_mut().give_back(head);
    }

    /// The client has taken its request back.
    pub(crate) fn is_reset(&self) -> bool {
        self.common.session.connection.borrow().reset_code(self.slot).is_some()
    }

    /// The request ends with its head.
    pub(crate) fn ends(&self) -> bool {
        self.common.session.connection.borrow().is_read(self.slot)
    }

    /// The body, piece by piece; then, as on a socket, nothing.
    pub(crate) fn poll_read(
        &self,
        cx: &Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let session = &self.common.session;
        session
            .poll_read(cx, self.slot, space.remaining(), |data| space.put_slice(data))
            .map_ok(|_more| ())
    }

    /// Takes the answer as HTTP/1 has it, each head in one piece.
    pub(crate) fn poll_write(&mut self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let head = if self.sending == Sending::Head { self.send_head(bytes)? } else { 0 };
        let body = &bytes[head..];
        if body.is_empty() && head > 0 {
            return Poll::Ready(Ok(head));
        }
        match self.poll_body(cx, body) {
            Poll::Ready(Ok(sent)) => Poll::Ready(Ok(head + sent)),
            Poll::Pending if head > 0 => Poll::Ready(Ok(head)),
            otherwise => otherwise,
        }
    }

    /// Ready when the client does not want its answer any more.
    pub(crate) fn poll_reset(&self, cx: &Context<'_>) -> Poll<io::Error> {
        if self.sending == Sending::Done {
            return Poll::Pending;
        }
        if let Some(code) = self.common.session.connection.borrow().reset_code(self.slot) {
            return Poll::Ready(broken(code));
        }
        self.common.session.wait(self.slot, cx);
        Poll::Pending
    }

    /// What stood behind the body of the request, once that was read to its end.
    pub(crate) fn take_trailers(&mut self) -> Option<Box<Head>> {
        let head = self.common.session.connection.borrow_mut().take_trailers(self.slot)?;
        self.brings_sensitive |= head.is_sensitive();
        Some(head)
    }

    /// The client has marked a field of its request as sensitive (RFC 7541 §7.1.3).
    pub(crate) const fn brings_sensitive(&self) -> bool {
        self.brings_sensitive
    }

    /// What is still to be written of the answer holds a field that its server has marked so.
    pub(crate) fn set_sensitive(&self) {
        self.common.session.connection.borrow_mut().set_sensitive(self.slot);
    }

    /// Lines that follow the body.
    pub(crate) fn set_trailers(&mut self, lines: &[u8]) {
        self.trailers.clear();
        self.trailers.extend_from_slice(lines);
    }

    /// The rest of the answer does not come: its server has given it up with this code.
    pub(crate) fn give_up(&self, code: Code) {
        self.common.session.connection.borrow_mut().reset(self.slot, code.passed_on());
    }

    /// The answer is whole.
    pub(crate) fn finish(&mut self) {
        if !matches!(self.sending, Sending::Body(_)) {
            return;
        }
        self.sending = Sending::Done;
        let mut connection = self.common.session.connection.borrow_mut();
        connection.send_end(self.slot, fields(&self.trailers));
        self.common.session.drive();
    }

    /// Returns how many of the bytes were the head.
    fn send_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (first, mut lines) = Lines::of_head(bytes);
        let status = first.get(9..12).and_then(number).and_then(|status| status.try_into().ok());
        let status: u16 = status.ok_or(io::ErrorKind::InvalidData)?;
        let opens = self.tunnels && status == 101;
        let (left, ends) = (Cell::new(None), Cell::new(false));
        let passes = |&(kind, name, value): &(Name, &[u8], &[u8])| {
            if kind == Name::ContentLength {
                left.set(number(value));
            }
            let stays = concerns_connection(kind) || opens && is(name, "sec-websocket-accept");
            !stays
        };
        let fields = lines.by_ref().filter(passes).map(|(_, name, value)| (name, value));
        let is_last = || {
            let has_no_body = self.head_only || matches!(status, 204 | 304);
            ends.set(status >= 200 && (has_no_body || left.get() == Some(0)));
            ends.get()
        };
        let told = if opens { 200 } else { status };
        self.common.session.connection.borrow_mut().send_head(self.slot, told, fields, is_last);
        if ends.get() {
            self.sending = Sending::Done;
        } else if opens || status >= 200 {
            self.sending = Sending::Body(left.get());
        } // else it was an interim one
        self.common.session.drive();
        Ok(bytes.len() - lines.body()?.len())
    }

    fn poll_body(&mut self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut connection = self.common.session.connection.borrow_mut();
        if let Some(code) = connection.reset_code(self.slot) {
            return Poll::Ready(Err(broken(code)));
        }
        let mut sent = 0;
        while let (Sending::Body(left), true) = (self.sending, sent < bytes.len()) {
            let room = connection.room(self.slot).min(bytes.len() - sent);
            if room == 0 {
                break;
            }
            let left = left.map(|left| left.saturating_sub(room as u64));
            let ends = left == Some(0);
            connection.send_data(self.slot, &bytes[sent..sent + room], ends);
            self.sending = if ends { Sending::Done } else { Sending::Body(left) };
            sent += room;
        }
        if sent > 0 {
            self.common.session.drive();
            return Poll::Ready(Ok(sent));
        }
        if self.sending == Sending::Done {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())); // more than was announced
        }
        self.common.session.wait(self.slot, cx);
        Poll::Pending
    }
}

impl Drop for Framed {
    /// An answer that was begun and not finished must not look whole: its stream is reset.
    fn drop(&mut self) {
        self.common.session.connection.borrow_mut().release(self.slot);
        self.common.session.drive();
    }
}

fn is(name: &[u8], word: &str) -> bool {
    name.eq_ignore_ascii_case(word.as_bytes())
}
