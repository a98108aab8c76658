//! A stream of bytes to a client or a server: a socket, TLS on one, or an exchange in HTTP/2 frames
//! that is read and written as if it were one of HTTP/1.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use evenkeel_core::http2::{Code, Head};
use evenkeel_sys::{Peeked, peek, reset_on_close, unacknowledged};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::http2::{Asking, Framed};

#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// From a client of HTTP/2.
    Framed(Box<Framed>),
    /// To a server of HTTP/2.
    Asking(Box<Asking>),
}

impl Stream {
    /// The socket, if its bytes are the stream's: only such streams can be spliced.
    pub(crate) fn plain(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(_) | Self::Framed(_) | Self::Asking(_) => None,
        }
    }

    /// The socket below, if it is this stream's alone.
    pub(crate) fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(stream) => Some(stream.get_ref().0),
            Self::Framed(_) | Self::Asking(_) => None,
        }
    }

    /// Waits, without memory, until a read may give something.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_read_ready(cx),
            Self::Tls(stream) if holds_plaintext(stream) => Poll::Ready(Ok(())),
            Self::Tls(stream) => stream.get_ref().0.poll_read_ready(cx),
            Self::Framed(_) | Self::Asking(_) => Poll::Ready(Ok(())),
        }
    }

    /// Looks at what has come, leaves it there, and is woken when something does. Of TLS only the
    /// records are seen: a word of goodbye looks like any other.
    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>) -> Poll<io::Result<Peeked>> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) if holds_plaintext(stream) => return Poll::Ready(Ok(Peeked::Bytes)),
            Self::Tls(stream) => stream.get_ref().0,
            Self::Framed(framed) => return framed.poll_reset(cx).map(Err),
            Self::Asking(_) => return Poll::Pending,
        };
        loop {
            ready!(socket.poll_read_ready(cx))?;
            let look = || match peek(socket)? {
                Peeked::Nothing => Err(io::ErrorKind::WouldBlock.into()),
                something => Ok(something),
            };
            match socket.try_io(Interest::READABLE, look) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                peeked => return Poll::Ready(peeked),
            }
        }
    }

    /// Neither closed nor, against all order, spoken on. Costs a system call only if something came.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        match self {
            Self::Plain(socket) => {
                let nothing = socket.try_read(&mut byte);
                matches!(nothing, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            // A ticket for another session may lie there; nobody waits for the stream meanwhile.
            Self::Tls(stream) => {
                let mut nobody = Context::from_waker(Waker::noop());
                let mut space = ReadBuf::new(&mut byte);
                Pin::new(stream).poll_read(&mut nobody, &mut space).is_pending()
            }
            Self::Framed(_) | Self::Asking(_) => false, // nobody keeps them
        }
    }

    /// Makes the end of the stream look broken, so that nobody takes what came for the whole. Frames
    /// need no care: an exchange that was not [finished](Stream::finish) is reset.
    pub(crate) fn break_off(&self) {
        if let Some(socket) = self.socket() {
            let _ = reset_on_close(socket); // it may be gone
        }
    }

    /// Bytes the other side has not taken out of the kernel's queue; 0 where that is not known.
    pub(crate) fn unacknowledged(&self) -> u32 {
        self.socket().and_then(|socket| unacknowledged(socket).ok()).unwrap_or(0)
    }

    /// The code with which the other side has ended an exchange in frames before its time.
    pub(crate) fn reset_code(&self) -> Option<Code> {
        match self {
            Self::Asking(asking) => asking.reset_code(),
            Self::Plain(_) | Self::Tls(_) | Self::Framed(_) => None,
        }
    }

    /// What comes of the answer is not all of it, as its server says by this code. Bytes have no word
    /// for that: they [break off](Stream::break_off).
    pub(crate) fn give_up(&self, code: Code) {
        if let Self::Framed(framed) = self {
            framed.give_up(code);
        }
    }

    /// The answer is whole. Bytes need no mark for that, frames do.
    pub(crate) fn finish(&mut self) {
        if let Self::Framed(framed) = self {
            framed.finish();
        }
    }

    /// A field that came in frames was marked as one that nobody is to put into a table: what is
    /// passed on of it must be marked, too (RFC 7541 §6.2.3).
    pub(crate) fn brings_sensitive(&self) -> bool {
        match self {
            Self::Framed(framed) => framed.brings_sensitive(),
            Self::Asking(asking) => asking.brings_sensitive(),
            Self::Plain(_) | Self::Tls(_) => false,
        }
    }

    /// Fields that go out in frames from now on are marked so.
    pub(crate) fn set_sensitive(&mut self) {
        match self {
            Self::Framed(framed) => framed.set_sensitive(),
            Self::Asking(asking) => asking.set_sensitive(),
            Self::Plain(_) | Self::Tls(_) => {}
        }
    }

    /// A server has not answered in time, by which a connection that others share may be known to be
    /// dead. One that is this stream's alone is closed anyway.
    pub(crate) fn time_out(&self) {
        if let Self::Asking(asking) = self {
            asking.time_out();
        }
    }

    /// What stood behind the body of a request in frames, once that was read to its end.
    pub(crate) fn take_trailers(&mut self) -> Option<Box<Head>> {
        match self {
            Self::Framed(framed) => framed.take_trailers(),
            Self::Plain(_) | Self::Tls(_) | Self::Asking(_) => None,
        }
    }

    /// Lines that follow the body of an answer in frames.
    pub(crate) fn set_trailers(&mut self, lines: &[u8]) {
        if let Self::Framed(framed) = self {
            framed.set_trailers(lines);
        }
    }
}

/// Decrypted and not yet read.
fn holds_plaintext(stream: &TlsStream<TcpStream>) -> bool {
    let (_, session) = stream.get_ref();
    !session.wants_read()
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, space),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, space),
            Self::Framed(framed) => framed.poll_read(cx, space),
            Self::Asking(asking) => asking.poll_read(cx, space),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Framed(framed) => framed.poll_write(cx, bytes),
            Self::Asking(asking) => asking.poll_write(cx, bytes),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            framed => {
                let first = slices.iter().find(|slice| !slice.is_empty());
                Pin::new(framed).poll_write(cx, first.map_or(&[], |slice| slice))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Plain(_) | Self::Tls(_))
    }

    /// TLS may hold records that the socket did not take; the other streams hold nothing back.
    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Plain(_) | Self::Framed(_) | Self::Asking(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Framed(framed) => {
                framed.finish();
                Poll::Ready(Ok(()))
            }
            Self::Asking(_) => Poll::Ready(Ok(())), // a body says itself where it ends
        }
    }
}
