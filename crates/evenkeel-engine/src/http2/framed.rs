//! One request of an HTTP/2 connection and its answer, as a stream of bytes: what is read is the
//! body of the request, what is written is the answer as HTTP/1 has it, and leaves in frames.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use tokio::io::ReadBuf;

use super::fields::{broken, ends_of_head, fields};

/// Bytes of an answer handed over at once: a frame of the size that every peer takes
/// (RFC 9113 §4.2).
pub(super) const MOST_WRITTEN: usize = 16 * 1024;

/// A request, and the way its answer takes.
#[derive(Debug)]
pub(crate) struct Framed {
    head: Option<Box<Parts>>,
    body: RecvStream,
    /// Received and not read.
    rest: Bytes,
    /// No body follows whatever the head says.
    head_only: bool,
    /// 101 means that the stream is a tunnel now (RFC 8441 §5).
    tunnels: bool,
    /// Looked at while the exchange is borrowed.
    sending: RefCell<Sending>,
    trailers: Option<HeaderMap>,
    /// Behind the body of the request.
    received: Option<HeaderMap>,
}

/// How far the answer has got.
#[derive(Debug)]
enum Sending {
    /// No final head was written.
    Head(SendResponse<Bytes>),
    /// With what is left of the announced length.
    Body(SendStream<Bytes>, Option<u64>),
    Done,
}

impl Framed {
    pub(crate) fn new(head: Parts, body: RecvStream, respond: SendResponse<Bytes>) -> Self {
        Self {
            head_only: head.method == Method::HEAD,
            tunnels: head.method == Method::CONNECT,
            head: Some(Box::new(head)),
            body,
            rest: Bytes::new(),
            sending: RefCell::new(Sending::Head(respond)),
            trailers: None,
            received: None,
        }
    }

    /// The head of the request, once.
    pub(crate) fn take_head(&mut self) -> Option<Box<Parts>> {
        self.head.take()
    }

    /// The request ends with its head.
    pub(crate) fn ends(&self) -> bool {
        self.body.is_end_stream()
    }

    /// The body, piece by piece; then, as on a socket, nothing.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() && !self.body.is_end_stream() => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Ok(data)) => self.rest = data,
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => {
                    let trailers = ready!(self.body.poll_trailers(cx)).map_err(broken)?;
                    self.received = trailers.or_else(|| self.received.take());
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let taken = self.rest.len().min(space.remaining());
        space.put_slice(&self.rest.split_to(taken));
        // Only what was taken makes room for more: a slow server slows its client.
        let _ = self.body.flow_control().release_capacity(taken); // the stream may be reset
        Poll::Ready(Ok(()))
    }

    /// Takes the answer as HTTP/1 has it, each head in one piece.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !matches!(self.sending.get_mut(), Sending::Head(_)) {
            return self.poll_body(cx, bytes);
        }
        let length = self.send_head(bytes)?;
        if length == bytes.len() {
            return Poll::Ready(Ok(length));
        }
        match self.poll_body(cx, &bytes[length..]) {
            Poll::Ready(Ok(sent)) => Poll::Ready(Ok(length + sent)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Ok(length)),
        }
    }

    /// Ready when the client does not want its answer any more.
    pub(crate) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let reason = match &mut *self.sending.borrow_mut() {
            Sending::Head(respond) => ready!(respond.poll_reset(cx)),
            Sending::Body(send, _) => ready!(send.poll_reset(cx)),
            Sending::Done => return Poll::Pending,
        };
        Poll::Ready(reason.map_or_else(broken, |reason| broken(reason.into())))
    }

    /// What stood behind the body of the request, once that was read to its end.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.received.take()
    }

    /// Lines that follow the body.
    pub(crate) fn set_trailers(&mut self, lines: &[u8]) {
        let mut trailers = HeaderMap::new();
        for (name, value) in fields(lines) {
            trailers.append(name, value);
        }
        self.trailers = (!trailers.is_empty()).then_some(trailers);
    }

    /// The answer is whole.
    pub(crate) fn finish(&mut self) {
        if let Sending::Body(send, _) = self.sending.get_mut() {
            // What fails here has been reset, or goes with its connection.
            let _ = match self.trailers.take() {
                Some(trailers) => send.send_trailers(trailers),
                None => send.send_data(Bytes::new(), true),
            };
            self.sending.replace(Sending::Done);
        }
    }

    /// Returns how many of the bytes were the head.
    fn send_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Sending::Head(respond) = self.sending.get_mut() else { return Ok(0) };
        let (line, length) = ends_of_head(bytes)?;
        let head = &bytes[..length];
        let status = head.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let mut response = Response::new(());
        for (name, value) in fields(&head[line..]) {
            response.headers_mut().append(name, value);
        }
        let opens = self.tunnels && status == StatusCode::SWITCHING_PROTOCOLS;
        *response.status_mut() = if opens { StatusCode::OK } else { status };
        if status.is_informational() && !opens {
            // What a peer does not take is no loss: an answer follows.
            let _ = respond.send_informational(response);
            return Ok(length);
        }
        if opens {
            response.headers_mut().remove("sec-websocket-accept");
        }
        let left = response.headers().get(CONTENT_LENGTH);
        let left = left.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let ends = self.head_only
            || left == Some(0)
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let send = respond.send_response(response, ends).map_err(broken)?;
        let sending = if ends { Sending::Done } else { Sending::Body(send, left) };
        self.sending.replace(sending);
        Ok(length)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Sending::Body(send, left) = self.sending.get_mut() else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let wanted = bytes.len().min(MOST_WRITTEN);
        send.reserve_capacity(wanted);
        let mut room = send.capacity();
        while room == 0 {
            room = match ready!(send.poll_capacity(cx)) {
                Some(room) => room.map_err(broken)?,
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            };
        }
        let sent = wanted.min(room);
        *left = left.map(|left| left.saturating_sub(sent as u64));
        let ends = *left == Some(0);
        send.send_data(Bytes::copy_from_slice(&bytes[..sent]), ends).map_err(broken)?;
        if ends {
            self.sending.replace(Sending::Done);
        }
        Poll::Ready(Ok(sent))
    }
}

impl Drop for Framed {
    /// An answer that was begun and not finished must not look whole.
    fn drop(&mut self) {
        match self.sending.get_mut() {
            Sending::Head(respond) => respond.send_reset(Reason::INTERNAL_ERROR),
            Sending::Body(send, _) => send.send_reset(Reason::INTERNAL_ERROR),
            Sending::Done => {}
        }
    }
}
