//! TLS passed through: the `ClientHello` is read for its names, then goes to the server as it came.

use std::future::poll_fn;
use std::task::Poll;

use evenkeel_core::client_hello::{self, NotTls};
use evenkeel_core::config::PoolId;
use tokio::net::TcpStream;

use crate::accept::Seat;
use crate::buffer::Buffer;
use crate::clock;
use crate::timers::Watch;
use crate::tunnel;
use crate::worker::Local;

/// Serves a client of a tls listener.
pub(crate) async fn serve(seat: Seat, mut stream: TcpStream) {
    let worker = &seat.worker;
    let watch = poll_fn(|cx| Poll::Ready(worker.timers.watch(cx.waker().clone()))).await;
    let began = clock::now();
    let (local, index) = seat.slot.place(worker);
    watch.set_after(local.plan.snapshot.config().listeners[index].timeouts.header);
    let routed = hello(&seat, &local, index, &watch, &mut stream).await;
    drop(local);
    match routed {
        Ok((pool, first)) => {
            tunnel::relay(&seat, stream, &watch, pool, (began, Some(first))).await;
        }
        Err(label) => seat.slot.counts.refuse(label),
    }
}

/// Reads until the whole `ClientHello` is there. The error is the label it is counted under.
async fn hello(
    seat: &Seat,
    local: &Local,
    listener: usize,
    watch: &Watch,
    stream: &mut TcpStream,
) -> Result<(PoolId, Buffer), &'static str> {
    let mut buffer = seat.worker.buffers.take().unwrap_or_default();
    loop {
        match client_hello::parse(buffer.unread()) {
            Ok(None) => {}
            Ok(Some(hello)) => {
                let router = local.plan.snapshot.tls_router(listener);
                let pool = router.route(hello.server_name(), |protocol| {
                    hello.alpn().any(|offered| offered == protocol)
                });
                return pool.map(|pool| (pool, buffer)).ok_or("no-route");
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
