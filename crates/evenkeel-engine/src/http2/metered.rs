//! The stream below an HTTP/2 connection, with an eye on what its frames cost.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use evenkeel_core::http2::flood::{Kind, Meter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock;
use crate::stream::Stream;

/// Bytes of the client's preface before its first frame (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;

/// A stream whose frames are counted as they come in.
#[derive(Debug)]
pub(crate) struct Metered {
    stream: Stream,
    gauge: Rc<Gauge>,
}

/// What is known of the bytes.
#[derive(Debug)]
pub(crate) struct Gauge {
    meter: RefCell<Meter>,
    flooded: Cell<Option<Kind>>,
    written: Cell<u64>,
    deaf: Cell<bool>,
}

impl Metered {
    pub(crate) fn new(stream: Stream) -> (Self, Rc<Gauge>) {
        let gauge = Rc::new(Gauge {
            meter: RefCell::new(Meter::new(PREFACE_BYTES, clock::now())),
            flooded: Cell::new(None),
            written: Cell::new(0),
            deaf: Cell::new(false),
        });
        (Self { stream, gauge: Rc::clone(&gauge) }, gauge)
    }
}

impl Gauge {
    /// What the client has sent too much of. Nothing is read from then on.
    pub(crate) fn flooded(&self) -> Option<Kind> {
        self.flooded.get()
    }

    /// A header block has begun and not ended.
    pub(crate) fn is_in_block(&self) -> bool {
        self.meter.borrow().is_in_block()
    }

    /// Bytes the kernel has taken.
    pub(crate) fn written(&self) -> u64 {
        self.written.get()
    }

    /// Nothing more is read.
    pub(crate) fn stop_reading(&self) {
        self.deaf.set(true);
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, gauge } = self.get_mut();
        if gauge.deaf.get() {
            return Poll::Pending;
        }
        let before = space.filled().len();
        ready!(Pin::new(stream).poll_read(cx, space))?;
        let taken = gauge.meter.borrow_mut().take(&space.filled()[before..], clock::now());
        if let Err(kind) = taken {
            space.set_filled(before);
            gauge.flooded.set(Some(kind));
            gauge.deaf.set(true);
            cx.waker().wake_by_ref(); // whoever drives the connection looks
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, gauge } = self.get_mut();
        let written = ready!(Pin::new(stream).poll_write(cx, bytes))?;
        gauge.written.set(gauge.written.get() + written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, gauge } = self.get_mut();
        let written = ready!(Pin::new(stream).poll_write_vectored(cx, slices))?;
        gauge.written.set(gauge.written.get() + written as u64);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
