//! What an HTTP client speaks: TLS or not, HTTP/1 or HTTP/2.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use evenkeel_core::acme;
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::accept::Seat;
use crate::exchange;
use crate::http2;
use crate::stream::Stream;
use crate::timers::{Watch, until};
use crate::tls::{self, Front, Secured};

/// How a connection of HTTP/2 begins (RFC 9113 §3.4). No request of HTTP/1 does: the method is
/// reserved, and even its first letters are in one segment.
const PREFACE_START: &[u8] = b"PRI";

/// HTTP/2 within TLS (RFC 9113 §3.2).
const ALPN_HTTP2: &[u8] = b"h2";

/// Serves a client of an http or https listener.
pub(crate) async fn serve(seat: Seat, socket: TcpStream) {
    let place = seat.slot.place(&seat.worker);
    let listener = place.listener();
    let front = place.live_listener().front.clone();
    let may_choose = listener.protocol.http().is_some_and(|http| http.h2c);
    let patience =
        if front.is_some() { listener.timeouts.handshake } else { listener.timeouts.header };
    drop(place); // connections outlive reloads
    if front.is_none() && !may_choose {
        return exchange::serve(Rc::new(seat), Stream::Plain(socket)).await;
    }
    let watch = poll_fn(|cx| Poll::Ready(seat.worker.timers.watch(cx.waker().clone()))).await;
    watch.set_after(patience);
    if let Some(front) = front {
        return secure(seat, socket, &front, watch).await;
    }
    match poll_fn(|cx| poll_is_http2(cx, &socket, &watch)).await {
        Some(true) => Box::pin(http2::serve(Rc::new(seat), Stream::Plain(socket), watch)).await,
        Some(false) => exchange::serve(Rc::new(seat), Stream::Plain(socket)).await,
        None => {}
    }
}

/// Looks at the first bytes and leaves them there. `None`: none have come.
fn poll_is_http2(cx: &mut Context<'_>, socket: &TcpStream, watch: &Watch) -> Poll<Option<bool>> {
    let mut first = [0; PREFACE_START.len()];
    let mut space = ReadBuf::new(&mut first);
    match socket.poll_peek(cx, &mut space) {
        Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(None),
        Poll::Ready(Ok(_)) => Poll::Ready(Some(space.filled() == PREFACE_START)),
        Poll::Pending if watch.expired() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    }
}

/// Shakes hands and serves what the client has chosen.
async fn secure(mut seat: Seat, socket: TcpStream, front: &Arc<Front>, watch: Watch) {
    // In boxes: the task of a connection keeps the size of the largest thing it waits for, and the
    // hands are shaken once.
    let mut stream = match Box::pin(shake_hands(&mut seat, socket, front, &watch)).await {
        Ok(stream) => stream,
        Err(label) => return seat.slot.counts.refuse(label),
    };
    if seat.tls.as_ref().is_some_and(|tls| tls.alpn.as_deref() == Some(acme::ALPN)) {
        let _ = until(&watch, stream.shutdown()).await; // the authority has seen what it came for
        return;
    }
    let seat = Rc::new(seat);
    if seat.tls.as_ref().is_some_and(|tls| tls.alpn.as_deref() == Some(ALPN_HTTP2)) {
        Box::pin(http2::serve(seat, stream, watch)).await;
    } else {
        drop(watch);
        exchange::serve(seat, stream).await;
    }
}

/// The error is the label a refusal is counted under.
async fn shake_hands(
    seat: &mut Seat,
    socket: TcpStream,
    front: &Arc<Front>,
    watch: &Watch,
) -> Result<Stream, &'static str> {
    let Some(_handshake) = front.enter() else { return Err("handshakes") };
    let showing = front.showing();
    let challenges = &seat.worker.shared.challenges;
    match until(watch, tls::accept(&showing, challenges, socket)).await {
        None => Err("handshake-timeout"),
        Some(Ok(stream)) => {
            seat.tls = Some(Box::new(Secured::new(showing, &stream)));
            Ok(Stream::Tls(Box::new(stream)))
        }
        Some(Err((error, mut socket))) => {
            let Some(error) = error.get_ref().and_then(|error| error.downcast_ref()) else {
                return Err(if error.kind() == io::ErrorKind::UnexpectedEof {
                    "client-gone"
                } else {
                    "handshake"
                });
            };
            if let Some(farewell) = tls::farewell(error) {
                let _ = until(watch, socket.write_all(farewell)).await; // it may be gone
            }
            Err(tls::label(error))
        }
    }
}
