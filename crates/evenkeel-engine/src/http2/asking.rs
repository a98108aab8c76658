//! One request to a server that speaks HTTP/2 and its answer, as a stream of bytes: what is written
//! is the request as HTTP/1 has it, what is read is the answer in the same form.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use evenkeel_core::message::chunked::{self, Decoder, Step};
use evenkeel_core::message::own::phrase;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::io::ReadBuf;

use super::fields::{ends_of_head, fields};
use super::shared::Lease;

/// Bytes of a request's body handed over at once: a frame of the size that every peer takes
/// (RFC 9113 §4.2).
const MOST_WRITTEN: usize = 16 * 1024;
/// A trailer section of our own making: its lines were bounded when they were read.
const MOST_TRAILER_BYTES: u32 = u32::MAX;

/// A request, and the way its answer comes.
#[derive(Debug)]
pub(crate) struct Asking {
    sender: SendRequest<Bytes>,
    scheme: Scheme,
    sending: Sending,
    answer: Answer,
    /// The answer as HTTP/1 has it, not read yet.
    out: Vec<u8>,
    /// Bytes of `out` that have been read.
    read: usize,
    /// The method was `HEAD`.
    head_only: bool,
    /// A place on the connection.
    lease: Lease,
}

/// How far the request has got.
#[derive(Debug)]
enum Sending {
    Head,
    Length(SendStream<Bytes>, u64),
    Chunked(SendStream<Bytes>, Box<Decoder>),
    Done,
}

/// How far the answer has got.
#[derive(Debug)]
enum Answer {
    NotAsked,
    /// The connection takes no more requests.
    Refused,
    Head(ResponseFuture),
    /// The rest of the body; whether its length was not announced.
    Body(RecvStream, bool),
    Ended,
}

impl Asking {
    pub(super) fn new(sender: SendRequest<Bytes>, scheme: Scheme, lease: Lease) -> Self {
        Self {
            sender,
            scheme,
            sending: Sending::Head,
            answer: Answer::NotAsked,
            out: Vec::new(),
            read: 0,
            head_only: false,
            lease,
        }
    }

    /// Takes the request as HTTP/1 has it, its head in one piece.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !matches!(self.sending, Sending::Head) {
            return self.poll_body(cx, bytes);
        }
        let ready = ready!(self.sender.poll_ready(cx)).map_err(broken);
        let length = ready.and_then(|()| self.send_head(bytes)).inspect_err(|_gone| {
            self.lease.close();
            self.answer = Answer::Refused;
        })?;
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
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.read == self.out.len() {
            self.out.clear();
            self.read = 0;
            match &mut self.answer {
                Answer::NotAsked => return Poll::Pending,
                Answer::Refused => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
                }
                Answer::Head(_) => ready!(self.poll_head(cx))?,
                Answer::Body(..) => ready!(self.poll_data(cx))?,
                Answer::Ended => return Poll::Ready(Ok(())),
            }
        }
        let unread = &self.out[self.read..];
        let taken = unread.len().min(space.remaining());
        space.put_slice(&unread[..taken]);
        self.read += taken;
        Poll::Ready(Ok(()))
    }

    /// Returns how many of the bytes were the head.
    fn send_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (line, length) = ends_of_head(bytes)?;
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut words = bytes[..line].split(|&byte| byte == b' ');
        let method = words.next().and_then(|method| Method::from_bytes(method).ok());
        let path = words.next().and_then(|path| PathAndQuery::try_from(path).ok());
        let mut request = Request::new(());
        let mut authority = None;
        for (name, value) in fields(&bytes[line..length]) {
            if name == HOST {
                authority = Authority::try_from(value.as_bytes()).ok();
            } else {
                request.headers_mut().append(name, value);
            }
        }
        // Whoever speaks through this node takes trailers or has them dropped here.
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(authority.ok_or_else(invalid)?);
        uri.path_and_query = Some(path.ok_or_else(invalid)?);
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_parts| invalid())?;
        *request.method_mut() = method.ok_or_else(invalid)?;
        self.head_only = request.method() == Method::HEAD;

        let is_chunked = bytes[..length]
            .split(|&byte| byte == b'\n')
            .any(|line| line.eq_ignore_ascii_case(b"transfer-encoding: chunked\r"));
        let left = announced(request.headers()).filter(|&left| left > 0);
        let ends = !is_chunked && left.is_none();
        let (future, stream) = self.sender.send_request(request, ends).map_err(broken)?;
        self.answer = Answer::Head(future);
        self.sending = match left {
            _ if is_chunked => Sending::Chunked(stream, Box::new(Decoder::new(MOST_TRAILER_BYTES))),
            Some(left) => Sending::Length(stream, left),
            None => Sending::Done,
        };
        Ok(length)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (Sending::Length(stream, _) | Sending::Chunked(stream, _)) = &mut self.sending else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let wanted = bytes.len().min(MOST_WRITTEN);
        stream.reserve_capacity(wanted);
        let mut room = stream.capacity();
        while room == 0 {
            room = match ready!(stream.poll_capacity(cx)) {
                Some(room) => room.map_err(broken)?,
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            };
        }
        let bytes = &bytes[..wanted.min(room)];
        match &mut self.sending {
            Sending::Length(stream, left) => {
                *left = left.saturating_sub(bytes.len() as u64);
                let ends = *left == 0;
                stream.send_data(Bytes::copy_from_slice(bytes), ends).map_err(broken)?;
                if ends {
                    self.sending = Sending::Done;
                }
                Poll::Ready(Ok(bytes.len()))
            }
            _ => Poll::Ready(self.send_chunks(bytes)),
        }
    }

    /// For the bytes there is room: what frames a chunk takes none.
    fn send_chunks(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Sending::Chunked(stream, decoder) = &mut self.sending else { return Ok(0) };
        let mut taken = 0;
        while taken < bytes.len() {
            let decoded = decoder.decode(&bytes[taken..]);
            let (step, consumed) = decoded.map_err(|_reason| io::ErrorKind::InvalidData)?;
            taken += consumed;
            match step {
                Step::More => {}
                Step::Data(data) => {
                    stream.send_data(Bytes::copy_from_slice(data), false).map_err(broken)?;
                }
                Step::End => {
                    let trailers: HeaderMap = fields(decoder.trailers()).collect();
                    let ended = if trailers.is_empty() {
                        stream.send_data(Bytes::new(), true)
                    } else {
                        stream.send_trailers(trailers)
                    };
                    ended.map_err(broken)?;
                    self.sending = Sending::Done;
                    break;
                }
            }
        }
        Ok(taken)
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Answer::Head(future) = &mut self.answer else { return Poll::Ready(Ok(())) };
        if let Poll::Ready(Some(interim)) = future.poll_informational(cx) {
            let interim = interim.map_err(failed)?;
            // Another protocol is not for the server to choose here.
            if interim.status() != StatusCode::SWITCHING_PROTOCOLS {
                write_head(&mut self.out, &interim, b"");
            }
            return Poll::Ready(Ok(()));
        }
        let response = ready!(Pin::new(future).poll(cx)).map_err(failed)?;
        let (parts, body) = response.into_parts();
        let response = Response::from_parts(parts, ());
        let has_none = self.head_only
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_unannounced = announced(response.headers()).is_none() && !has_none;
        let framing: &[u8] = match (is_unannounced, body.is_end_stream()) {
            (true, true) => b"content-length: 0\r\n",
            (true, false) => b"transfer-encoding: chunked\r\n",
            (false, _) => b"",
        };
        write_head(&mut self.out, &response, framing);
        let is_over = body.is_end_stream() || has_none;
        self.answer = if is_over { Answer::Ended } else { Answer::Body(body, is_unannounced) };
        Poll::Ready(Ok(()))
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Answer::Body(body, is_chunked) = &mut self.answer else { return Poll::Ready(Ok(())) };
        if let Some(data) = ready!(body.poll_data(cx)) {
            let data = data.map_err(failed)?;
            let _ = body.flow_control().release_capacity(data.len()); // the stream may be reset
            if *is_chunked && !data.is_empty() {
                chunked::write_chunk(&mut self.out, &data);
            } else {
                self.out.extend_from_slice(&data);
            }
            return Poll::Ready(Ok(()));
        }
        let trailers = ready!(body.poll_trailers(cx)).map_err(failed)?;
        if *is_chunked {
            let mut lines = Vec::new();
            for (name, value) in trailers.iter().flatten() {
                write_field(&mut lines, name, value);
            }
            chunked::write_end(&mut self.out, &lines);
        }
        self.answer = Answer::Ended;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Asking {
    /// Nobody waits for the rest of the answer.
    fn drop(&mut self) {
        if let Sending::Length(stream, _) | Sending::Chunked(stream, _) = &mut self.sending {
            stream.send_reset(Reason::CANCEL);
        }
    }
}

/// The length of the body, as its sender has announced it.
fn announced(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn write_head(out: &mut Vec<u8>, response: &Response<()>, framing: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(response.status().as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(phrase(response.status().as_u16()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        write_field(out, name, value);
    }
    out.extend_from_slice(framing);
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// An error of the answer. [`io::ErrorKind::ConnectionRefused`] says that the server has not looked
/// at the request: it is not among those that its `GOAWAY` names, or was refused (RFC 9113 §8.7).
fn failed(error: h2::Error) -> io::Error {
    let is_unprocessed =
        error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
    if is_unprocessed {
        io::Error::new(io::ErrorKind::ConnectionRefused, error)
    } else {
        broken(error)
    }
}

pub(super) fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
