//! TLS passed through: the `ClientHello` is read for its names, then goes to the server as it came.

use std::future::poll_fn;
use std::task::Poll;

use evenkeel_core::client_hello::{self, NotTls};
use evenkeel_core::config::PoolId;
use evenkeel_core::hash;

use crate::accept::Seat;
use crate::buffer::Buffer;
use crate::clock;
use crate::stream::Stream;
use crate::timers::Watch;
use crate::tunnel::{self, Coming};
use crate::worker::{Place, Worker};

/// Serves a client of a tls listener.
pub(crate) async fn serve(seat: Seat, mut stream: Stream) {
    let worker = &seat.worker;
    let watch = poll_fn(|cx| Poll::Ready(worker.timers.watch(cx.waker().clone()))).await;
    let began = clock::now();
    let place = seat.slot.place(worker);
    watch.set_after(place.listener().timeouts.header);
    match hello(worker, &place, &watch, &mut stream).await {
        Ok((pool, first, name_key)) => {
            let coming = Coming { began, first: Some(first), name_key };
            tunnel::relay(&seat, stream, &watch, (place, pool), coming).await;
        }
        Err(label) => seat.slot.counts.refuse(label),
    }
}

/// Reads until the whole `ClientHello` is there. The error is the label it is counted under.
async fn hello(
    worker: &Worker,
    place: &Place,
    watch: &Watch,
    stream: &mut Stream,
) -> Result<(PoolId, Buffer, Option<u64>), &'static str> {
    let mut buffer = worker.stocks.buffers.take().unwrap_or_default();
    loop {
        match client_hello::parse(buffer.unread()) {
            Ok(None) => {}
            Ok(Some(hello)) => {
                let offers = |protocol: &[u8]| hello.alpn().any(|offered| offered == protocol);
                let pool = place.tls_router().route(hello.server_name(), offers);
                let key =
                    hello.server_name().map(|name| hash::key(name.to_ascii_lowercase().as_bytes()));
                return pool.map(|pool| (pool, buffer, key)).ok_or("no-route");
            }
            Err(refused) => return Err(NotTls::label(refused)),
        }
        if !buffer.make_room(client_hello::MOST_BYTES) {
            return Err(NotTls::TooLarge.label());
        }
        let read = poll_fn(|cx| match buffer.poll_fill(cx, stream) {
            Poll::Pending if watch.expired() => Poll::Ready(Err("client-timeout")),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err("client-gone")),
            Poll::Ready(Ok(read)) => Poll::Ready(Ok(read)),
        });
        read.await?;
    }
}
