//! Answers this node makes itself.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use evenkeel_core::config::ErrorPage;
use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::grpc;
use evenkeel_core::message::forward::HSTS;
use evenkeel_core::message::own::{write_grpc, write_own};
use evenkeel_core::message::request::RequestHead;
use tokio::io::AsyncWrite;

use crate::buffer::Buffer;
use crate::exchange::{Client, Desk, Next};
use crate::receive::Request;
use crate::worker::Place;

/// How long a client that is still sending is listened to after its last answer. Closing at once
/// would reset the connection, and the client might lose the answer (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(5);
/// When a client that met no usable server may ask again: checks find one within this time.
const RETRY_AFTER_SECONDS: &str = "1";
/// What a client is told that speaks another version of WebSocket (RFC 6455 §4.4, RFC 9110 §15.5.22).
const SPOKEN_WEBSOCKET: [(&str, &str); 3] =
    [("Connection", "upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];

/// What such an answer says besides its status.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) status: u16,
    /// Name and value, which holds no line end.
    pub(crate) field: Option<(&'static str, String)>,
    /// In place of a page.
    content: Option<ErrorPage>,
}

impl Own {
    pub(crate) fn of(status: u16) -> Self {
        Self { status, field: None, content: None }
    }

    pub(crate) fn with(status: u16, name: &'static str, value: String) -> Self {
        Self { status, field: Some((name, value)), content: None }
    }

    /// To a request that may not be passed on any more (RFC 9110 §7.6.2); `None` to all others. This
    /// node shows nobody what it was sent, as `TRACE` would have it: that may hold a secret.
    pub(crate) fn last_hop(head: &RequestHead<'_, '_>) -> Option<Self> {
        let status = if head.method == "TRACE" { 501 } else { 200 };
        (head.hops == Some(0)).then(|| Self::of(status))
    }

    /// A text that is no page of anybody's.
    pub(crate) fn text(text: String) -> Self {
        let (content_type, body) = ("application/octet-stream".into(), text.into_bytes().into());
        let content = ErrorPage { status: 200, content_type, body };
        Self { status: 200, field: None, content: Some(content) }
    }
}

/// The answer to a request for which no server is needed.
pub(crate) async fn answer(
    client: &mut Client,
    desk: &mut Desk,
    place: &Place,
    request: &Request,
    own: &Own,
) -> Result<Next, Fault> {
    // A body that is still to come would be read as the next request.
    let keep = client.is_framed() || request.keep_alive && request.body.is_empty();
    desk.reply.clear();
    let (date, _) = client.worker().date.now();
    let mut extra = vec![("Date", &*date)];
    extra.extend(hsts(place));
    extra.extend(own.field.iter().map(|(name, value)| (*name, &**value)));
    let page = own.content.as_ref().or_else(|| page(place, own.status));
    write_own(&mut desk.reply, own.status, page, keep, request.head_only, &extra);
    desk.record.answered(own.status);
    flush(client, desk).await?;
    after(client, desk, keep).await
}

/// What follows an answer of this node's own that the client has been sent.
pub(crate) async fn after(client: &mut Client, desk: &mut Desk, keep: bool) -> Result<Next, Fault> {
    if keep {
        return Ok(Next::Keep);
    }
    linger(client, &mut desk.inbox).await;
    Ok(Next::Close)
}

fn page(place: &Place, status: u16) -> Option<&ErrorPage> {
    let http = place.listener().protocol.http()?;
    http.error_pages.iter().find(|page| page.status == status)
}

/// The answer that `fault` stands for, if the client can still be given one.
pub(crate) async fn answer_fault(
    client: &mut Client,
    desk: &mut Desk,
    place: &Place,
    fault: Fault,
) -> Next {
    desk.reply.clear();
    let Some(status) = fault.verdict().status else { return Next::Close };
    let page = page(place, status);
    let (date, _) = client.worker().date.now();
    let date = ("Date", &*date);
    let mut extra = vec![date];
    if status == 503 {
        extra.push(("Retry-After", RETRY_AFTER_SECONDS));
    }
    if status == 426 {
        extra.extend(SPOKEN_WEBSOCKET);
    }
    let fields = std::mem::take(&mut desk.fields);
    extra.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
    extra.extend(hsts(place));
    let request = desk.record.request();
    // After a request that was understood and read to its end the connection can go on; frames tell
    // one exchange from the next whatever became of it.
    let keep = client.is_framed()
        || request.is_some_and(|request| request.keep_alive)
            && !client.half_closed.get()
            && !client.worker().draining();
    let head_only = request.is_some_and(|request| request.head_only);
    if request.is_some_and(|request| request.grpc) {
        write_grpc(&mut desk.reply, status, grpc::code(fault, status), &extra);
    } else {
        write_own(&mut desk.reply, status, page, keep, head_only, &extra);
    }
    desk.record.answered(status);
    client.watch.set_after(LINGER);
    if flush(client, desk).await.is_err() {
        return Next::Close;
    }
    if keep {
        return Next::Keep;
    }
    linger(client, &mut desk.inbox).await;
    Next::Close
}

fn hsts(place: &Place) -> Option<(&str, &str)> {
    let http = place.listener().protocol.http()?;
    http.hsts.as_deref().map(|value| (HSTS, value))
}

/// Writes `reply` out; the watch's deadline holds.
pub(crate) async fn flush(client: &mut Client, desk: &mut Desk) -> Result<(), Fault> {
    let mut written = 0;
    poll_fn(|cx| {
        while written < desk.reply.len() {
            let unsent = &desk.reply[written..];
            match Pin::new(&mut client.stream).poll_write(cx, unsent) {
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(_gone)) => {
                    return Poll::Ready(Err(Fault::ClientGone(Phase::Data)));
                }
                Poll::Pending if client.watch.expired() => {
                    return Poll::Ready(Err(Fault::ClientTimeout(Phase::Data)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        match Pin::new(&mut client.stream).poll_flush(cx) {
            Poll::Ready(flushed) => {
                Poll::Ready(flushed.map_err(|_gone| Fault::ClientGone(Phase::Data)))
            }
            Poll::Pending if client.watch.expired() => {
                Poll::Ready(Err(Fault::ClientTimeout(Phase::Data)))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await?;
    let head = desk.reply.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |at| at + 4);
    desk.record.sent(written as u64, head, 0);
    desk.reply.clear();
    Ok(())
}

/// Sends the FIN and reads on, without looking, until the client's comes or the time is over.
pub(crate) async fn linger(client: &mut Client, scratch: &mut Buffer) {
    client.watch.set_after(LINGER);
    let spare = &client.seat.worker.stocks.buffers;
    let mut closed = false;
    poll_fn(|cx| {
        if !closed {
            closed = true;
            if Pin::new(&mut client.stream).poll_shutdown(cx).is_pending() {
                return Poll::Pending;
            }
        }
        loop {
            scratch.clear();
            match scratch.poll_fill_with(cx, &mut client.stream, spare) {
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if client.watch.expired() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}
