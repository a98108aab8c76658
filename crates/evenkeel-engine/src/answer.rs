//! Waiting for the head of a server's answer, while the request may still be on its way.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use evenkeel_core::config::{HttpLimits, Protocol};
use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::message::Version;
use evenkeel_core::message::forward::{AnswerOut, write_answer};
use evenkeel_core::message::response::{self, AnswerBody, Asked, ResponseHead, Space};
use evenkeel_sys::{Peeked, peek};
use tokio::io::AsyncWrite;

use crate::connect::Upstream;
use crate::exchange::{Client, Errand};
use crate::receive::{NO_EDITS, Offered, Request};

/// Interim answers of one request that are passed on; a server that sends more is at fault.
const MOST_INTERIM: u8 = 64;

/// A final answer whose head has come; the client's version of it is in `reply`.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How the server frames the body.
    pub(crate) from_server: AnswerBody,
    /// How it is framed to the client.
    pub(crate) to_client: AnswerBody,
    /// The server's connection can serve another exchange once the body is over.
    pub(crate) keep_server: bool,
    pub(crate) keep_client: bool,
}

/// One wait for an answer.
struct Wait<'w, 'e> {
    errand: &'w mut Errand<'e>,
    upstream: &'w mut Upstream,
    interim: u8,
    /// Bytes of interim answers the client has taken.
    passed: usize,
    /// The client has said something or gone half: nothing more to learn from its readiness.
    client_spoke: bool,
    sent: bool,
}

/// Sends the request and returns once a final answer has begun.
pub(crate) async fn await_answer(
    errand: &mut Errand<'_>,
    upstream: &mut Upstream,
) -> Result<Answer, Fault> {
    let mut wait =
        Wait { errand, upstream, interim: 0, passed: 0, client_spoke: false, sent: false };
    wait.errand.client.watch.set_after(wait.errand.pool.live.config.timeouts.idle);
    poll_fn(|cx| wait.poll(cx)).await
}

impl Wait<'_, '_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        if !self.sent {
            self.poll_upload(cx)?;
        }
        if let Poll::Ready(answer) = self.poll_answer(cx) {
            return Poll::Ready(answer);
        }
        if self.sent && !self.client_spoke {
            self.watch_client(cx)?;
        }
        let Errand { client, upload, .. } = &*self.errand;
        if !client.watch.expired() {
            return Poll::Pending;
        }
        Poll::Ready(Err(if self.errand.is_over_time() {
            Fault::TotalTimeout
        } else if !self.sent && upload.waits_for_client {
            Fault::ClientTimeout(Phase::Data)
        } else {
            Fault::ServerTimeout
        }))
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let Errand { client, desk, upload, .. } = &mut *self.errand;
        let polled = upload.poll(cx, client, desk, &mut self.upstream.link.stream);
        let moved = mem::take(&mut upload.moved);
        let config = &self.errand.pool.live.config.timeouts;
        let limit = match polled {
            Poll::Ready(Err(fault)) => return Err(fault),
            Poll::Ready(Ok(())) => {
                self.sent = true;
                config.first_byte
            }
            Poll::Pending if !moved => return Ok(()),
            Poll::Pending if self.errand.upload.waits_for_client => {
                self.errand.client_timeouts().idle
            }
            Poll::Pending => config.idle,
        };
        self.errand.patience(limit);
        Ok(())
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        loop {
            ready!(self.poll_interim(cx))?;
            match self.read_head() {
                Ok(Some(answer)) => return Poll::Ready(Ok(answer)),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(fault)),
            }
            if !self.errand.desk.reply.is_empty() {
                continue; // an interim answer to pass on
            }
            let answer = &mut self.errand.desk.answer;
            let most = HttpLimits::MOST_HEAD_BYTES as usize;
            if !answer.make_room(most) {
                return Poll::Ready(Err(Fault::BadAnswer));
            }
            let begun = !answer.is_empty();
            match ready!(answer.poll_fill(cx, &mut self.upstream.link.stream)) {
                Ok(read) if read > 0 => {}
                Ok(_) if begun => return Poll::Ready(Err(Fault::BadAnswer)),
                _ if self.upstream.reused => {
                    return Poll::Ready(Err(Fault::ServerResetReused));
                }
                _ => return Poll::Ready(Err(Fault::ServerReset)),
            }
        }
    }

    /// The head at the start of what the server has sent, if it is whole. An interim one is put
    /// into `reply` and `None` is returned.
    fn read_head(&mut self) -> Result<Option<Answer>, Fault> {
        let Errand { client, desk, request, upload, local, .. } = &mut *self.errand;
        if desk.answer.is_empty() {
            return Ok(None);
        }
        let mut space = Space::new();
        let asked = Asked {
            head: request.head_only,
            upgrade: !matches!(request.upgrade, Offered::Nothing),
        };
        let parsed = response::parse(desk.answer.unread(), &mut space, asked);
        let Some(head) = parsed.map_err(|reason| bad_answer(self.upstream, &reason))? else {
            return Ok(None);
        };
        check_accept(&head, request)?;
        let Protocol::Http(http) =
            &local.plan.snapshot.config().listeners[request.listener].protocol
        else {
            return Err(Fault::Internal);
        };
        let mut answer = judge(&head, request, client, upload.is_read());
        if client.worker().draining() {
            answer.keep_client = false;
        }
        let out = AnswerOut {
            body: answer.to_client,
            keep_alive: answer.keep_client,
            client: request.version,
            via: http.forwarding.via.as_deref(),
            edits: request.route.map_or(&NO_EDITS, |route| &http.routes[route].response_headers),
        };
        let length = head.length;
        let interim = head.is_interim();
        // RFC 9110 §15.2: HTTP/1.0 knows no interim answers.
        if !interim || request.version == Version::Http11 {
            write_answer(&mut desk.reply, &head, &out);
        }
        desk.answer.consume(length);
        if interim {
            self.interim += 1;
            return if self.interim > MOST_INTERIM { Err(Fault::BadAnswer) } else { self.again() };
        }
        Ok(Some(answer))
    }

    /// An interim answer may stand right before the next one.
    fn again(&mut self) -> Result<Option<Answer>, Fault> {
        self.read_head()
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Errand { client, desk, .. } = &mut *self.errand;
        while self.passed < desk.reply.len() {
            let unsent = &desk.reply[self.passed..];
            match ready!(Pin::new(&mut client.stream).poll_write(cx, unsent)) {
                Ok(written) => self.passed += written,
                Err(_gone) => return Poll::Ready(Err(Fault::ClientGone(Phase::Answer))),
            }
        }
        desk.reply.clear();
        self.passed = 0;
        Poll::Ready(Ok(()))
    }

    /// A client that resets the connection does not want its answer any more; one that only sends
    /// its FIN does.
    fn watch_client(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let client = &mut *self.errand.client;
        if !self.errand.desk.inbox.is_empty() || client.stream.poll_read_ready(cx).is_pending() {
            return Ok(());
        }
        self.client_spoke = true;
        match peek(&client.stream) {
            Ok(Peeked::Open) => Ok(()),
            Ok(Peeked::End) => {
                client.half_closed = true;
                Ok(())
            }
            Err(_reset) => Err(Fault::ClientGone(Phase::Answer)),
        }
    }
}

/// How the answer is passed on.
fn judge(
    head: &ResponseHead<'_, '_>,
    request: &Request,
    client: &Client,
    request_is_read: bool,
) -> Answer {
    let to_client = match (head.body, request.version) {
        // Chunks tell a cut from an end; a client of HTTP/1.0 does not know them.
        (AnswerBody::UntilClose, Version::Http11) => AnswerBody::Chunked,
        (AnswerBody::Chunked, Version::Http10) => AnswerBody::UntilClose,
        (body, _) => body,
    };
    Answer {
        status: head.status,
        from_server: head.body,
        to_client,
        keep_server: head.keep_alive && request_is_read,
        keep_client: request.keep_alive
            && request_is_read
            && to_client != AnswerBody::UntilClose
            && !client.half_closed,
    }
}

/// Without the right `Sec-WebSocket-Accept` the server has not understood, and what follows its 101
/// may be anything.
fn check_accept(head: &ResponseHead<'_, '_>, request: &Request) -> Result<(), Fault> {
    match &request.upgrade {
        Offered::WebSocket { accept }
            if head.status == 101 && head.header("sec-websocket-accept") != Some(accept) =>
        {
            Err(Fault::BadAnswer)
        }
        _ => Ok(()),
    }
}

fn bad_answer(upstream: &Upstream, reason: &response::BadAnswer) -> Fault {
    let server = &upstream.local.server;
    tracing::debug!(pool = %server.pool, server = %server.name, %reason, "answer refused");
    Fault::BadAnswer
}
