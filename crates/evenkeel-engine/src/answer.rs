//! Waiting for the head of a server's answer, while the request may still be on its way.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use evenkeel_core::compress::Form;
use evenkeel_core::config::HttpLimits;
use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::message::Version;
use evenkeel_core::message::forward::{AnswerOut, write_answer, write_named};
use evenkeel_core::message::response::{
    self, AnswerBody, Asked, MOST_INTERIM_ANSWERS, ResponseHead, Space,
};
use evenkeel_core::sticky::set_cookie;
use evenkeel_core::template::{Fact, Facts};
use tokio::io::AsyncWrite;

use crate::compress::Encoder;
use crate::connect::Upstream;
use crate::exchange::{Client, Errand};
use crate::offer::Offered;
use crate::receive::Request;
use crate::worker::{LocalPool, Place};

/// To a client that asked on a stream for a WebSocket where there is none: any 2xx would tell it that
/// the tunnel is there (RFC 8441 §5).
pub(crate) const NO_TUNNEL: Fault = Fault::BadRequest(501);

/// A final answer whose head has come; the client's version of it is in `reply`. If it is to a
/// question of this node's and vouches for the client, `reply` has the lines that go on with the
/// request.
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
    /// What `Connection` lists, where trailers may follow.
    pub(crate) hop: Option<Box<[u8]>>,
    /// What the body goes through.
    pub(crate) encoder: Option<Box<Encoder>>,
}

/// What a look at the server's bytes gave.
enum Head {
    Final(Answer),
    /// Another one follows.
    Interim,
    /// More bytes are needed.
    Partial,
}

/// One wait for an answer.
pub(crate) struct Wait<'w, 'e> {
    pub(crate) errand: &'w mut Errand<'e>,
    upstream: &'w mut Upstream,
    interim: u16,
    /// Bytes of interim answers the client has taken.
    passed: usize,
    sent: bool,
}

/// Sends the request and returns once a final answer has begun.
pub(crate) async fn await_answer(
    errand: &mut Errand<'_>,
    upstream: &mut Upstream,
) -> Result<Answer, Fault> {
    let mut wait = Wait::new(errand, upstream);
    poll_fn(|cx| wait.poll(cx)).await
}

impl<'w, 'e> Wait<'w, 'e> {
    pub(crate) fn new(errand: &'w mut Errand<'e>, upstream: &'w mut Upstream) -> Self {
        errand.patience(errand.pool.live.config.timeouts.idle);
        if errand.client.stream.brings_sensitive() {
            upstream.link.stream.set_sensitive();
        }
        Self { errand, upstream, interim: 0, passed: 0, sent: false }
    }

    /// Something of an answer has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.interim > 0 || !self.errand.desk.answer.is_empty()
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        // In the middle of an interim answer nothing else can be said to the client.
        self.poll_both(cx).map_err(|fault| match fault.verdict().status {
            Some(_) if self.passed > 0 => Fault::ServerCut,
            _ => fault,
        })
    }

    fn poll_both(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        if !self.sent {
            self.poll_upload(cx)?;
        }
        if let Poll::Ready(answer) = self.poll_answer(cx) {
            return Poll::Ready(answer);
        }
        if self.sent {
            self.errand.watch_client(cx, Phase::Answer)?;
        }
        if self.errand.client.watch.expired() {
            let fault = self.late();
            if !matches!(fault, Fault::ClientTimeout(_)) {
                self.upstream.link.stream.time_out();
            }
            Poll::Ready(Err(fault))
        } else {
            Poll::Pending
        }
    }

    /// Whose time is over.
    fn late(&self) -> Fault {
        let Errand { desk, upload, .. } = &*self.errand;
        if self.errand.is_over_time() {
            self.errand.over
        } else if !desk.reply.is_empty() {
            Fault::ClientTimeout(Phase::Answer) // does not take an interim answer
        } else if !self.sent && upload.waits_for_client {
            Fault::ClientTimeout(Phase::Data)
        } else {
            Fault::ServerTimeout
        }
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let Errand { client, desk, upload, .. } = &mut *self.errand;
        let polled = upload.poll(cx, client, desk, &mut self.upstream.link.stream);
        let moved = mem::take(&mut upload.moved);
        let pool = &self.errand.pool.live.config;
        let config = &pool.timeouts;
        let limit = match polled {
            Poll::Ready(Err(fault)) => return Err(fault),
            Poll::Ready(Ok(())) => {
                self.sent = true;
                pool.retry.per_try.unwrap_or(config.first_byte)
            }
            Poll::Pending if !moved => return Ok(()),
            Poll::Pending if self.errand.upload.waits_for_client => {
                self.errand.client_timeouts().idle.min(self.errand.upload.client_time())
            }
            Poll::Pending => config.idle,
        };
        self.errand.patience(limit);
        Ok(())
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        loop {
            match self.read_head()? {
                Head::Final(answer) => return Poll::Ready(Ok(answer)),
                Head::Interim => {
                    let before = self.passed;
                    let polled = self.poll_interim(cx);
                    self.pace_interim(before, polled.is_pending());
                    ready!(polled)?;
                    continue;
                }
                Head::Partial => {}
            }
            let Errand { client, desk, .. } = &mut *self.errand;
            let (answer, spare) = (&mut desk.answer, &client.worker().stocks.buffers);
            let begun = !answer.is_empty();
            answer.make_room(HttpLimits::MOST_HEAD_BYTES as usize);
            match ready!(answer.poll_fill_with(cx, &mut self.upstream.link.stream, spare)) {
                Ok(read) if read > 0 => {}
                Ok(_) if begun => return Poll::Ready(Err(Fault::BadAnswer)),
                lost => return Poll::Ready(Err(self.upstream.lost(&lost))),
            }
        }
    }

    /// Reads the head at the start of what the server has sent and writes the client's version of
    /// it into `reply`.
    fn read_head(&mut self) -> Result<Head, Fault> {
        if !self.errand.desk.reply.is_empty() {
            return Ok(Head::Interim); // not all of it has been passed on yet
        }
        let Errand { client, desk, request, upload, place, pool, serving, .. } = &mut *self.errand;
        if desk.answer.is_empty() {
            return Ok(Head::Partial);
        }
        let mut space = Space::new();
        let asked = Asked {
            head: request.head_only && !request.is_question,
            offer: request.upgrade.protocols(),
        };
        let parsed = response::parse(desk.answer.unread(), &mut space, asked);
        let Some(head) = parsed.map_err(|reason| bad_answer(self.upstream, reason))? else {
            return Ok(Head::Partial);
        };
        check_accept(&head, request)?;
        let http = place.listener().protocol.http().ok_or(Fault::Internal)?;
        let interim = head.is_interim();
        let compress = http.compress(request.route).filter(|_| !interim);
        let (form, encoder) = compress.map_or((Form::AsIs, None), |rules| {
            client.worker().encoders.form(rules, &head, request)
        });
        let answer = judge(&head, request, client, (upload.is_read(), encoder));
        match audience(&head, request) {
            Audience::Nobody => {}
            Audience::Node => {
                let forward = place.route(request).and_then(|route| route.auth.forward.as_ref());
                let wanted = forward.map_or(&[][..], |forward| &forward.response_headers);
                write_named(&mut desk.reply, &head.fields, wanted);
            }
            Audience::Client => {
                let about = (&**client, *place, *request);
                let server = (*pool, *serving);
                write_for_client(&mut desk.reply, &head, (&answer, form), about, server);
            }
        }
        if self.upstream.link.stream.brings_sensitive() {
            client.stream.set_sensitive();
        }
        let length = head.length;
        desk.answer.consume(length);
        if !interim {
            return Ok(Head::Final(answer));
        }
        self.interim += 1;
        if self.interim > MOST_INTERIM_ANSWERS { Err(Fault::BadAnswer) } else { Ok(Head::Interim) }
    }

    /// The client has its own time to take an interim answer, and after it the server anew.
    fn pace_interim(&self, before: usize, waits: bool) {
        let server = &self.errand.pool.live.config.timeouts;
        if !waits {
            self.errand.patience(if self.sent { server.first_byte } else { server.idle });
        } else if before == 0 || self.passed > before {
            self.errand.patience(self.errand.client_timeouts().idle);
        }
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
        if let Err(_gone) = ready!(Pin::new(&mut client.stream).poll_flush(cx)) {
            return Poll::Ready(Err(Fault::ClientGone(Phase::Answer)));
        }
        desk.reply.clear();
        self.passed = 0;
        Poll::Ready(Ok(()))
    }
}

/// Whom a head is for.
enum Audience {
    Client,
    /// This node itself, which has asked whether the client may pass: it may.
    Node,
    Nobody,
}

fn audience(head: &ResponseHead<'_, '_>, request: &Request) -> Audience {
    if head.is_interim() {
        // RFC 9110 §15.2: HTTP/1.0 knows no interim answers, and who is asked about a client does
        // not prepare it for an answer that somebody else will give.
        let is_told = request.version != Version::Http10 && !request.is_question;
        return if is_told { Audience::Client } else { Audience::Nobody };
    }
    let vouches = request.is_question && (200..300).contains(&head.status);
    if vouches { Audience::Node } else { Audience::Client }
}

/// The client's version of a head.
fn write_for_client(
    reply: &mut Vec<u8>,
    head: &ResponseHead<'_, '_>,
    (answer, form): (&Answer, Form),
    (client, place, request): (&Client, &Place, &Request),
    (pool, serving): (&LocalPool, usize),
) {
    let Some(http) = place.listener().protocol.http() else { return };
    let interim = head.is_interim();
    let server = &pool.servers[serving].server.name;
    let secure = client.seat.tls.is_some();
    let cookie = if interim { None } else { cookie(pool, request, (serving, secure)) };
    let has_date = interim || head.fields.get("date").is_some();
    let date = if has_date { None } else { Some(client.worker().date.now().0) };
    let out = AnswerOut {
        cookie: cookie.as_deref(),
        body: answer.to_client,
        form,
        keep_alive: answer.keep_client,
        client: request.version,
        via: http.forwarding.via.as_deref(),
        date: date.as_deref(),
        edits: place.answer_edits(request),
        facts: Facts(&|fact| (fact == Fact::Server).then(|| (**server).into())),
        hsts: if interim { None } else { http.hsts.as_deref() },
    };
    write_answer(reply, head, &out);
}

/// How the answer is passed on.
fn judge(
    head: &ResponseHead<'_, '_>,
    request: &Request,
    client: &Client,
    (request_is_read, encoder): (bool, Option<Box<Encoder>>),
) -> Answer {
    // A question is asked with GET, also about a HEAD, to which no content is answered (RFC 9110
    // §9.3.2): what was sent stays on the server's connection, which ends with it.
    let is_unwanted = request.head_only
        && head.body != AnswerBody::None
        && matches!(audience(head, request), Audience::Client);
    let from_server = if is_unwanted { AnswerBody::None } else { head.body };
    // How long it will be once it is compressed is not known beforehand.
    let body = if encoder.is_some() { AnswerBody::Chunked } else { from_server };
    let to_client = match (body, request.version) {
        // Chunks tell a cut from an end; a client of HTTP/1.0 does not know them.
        (AnswerBody::UntilClose, Version::Http11) => AnswerBody::Chunked,
        // Frames have an end of their own.
        (AnswerBody::Chunked, Version::Http10 | Version::Http2) => AnswerBody::UntilClose,
        (body, _) => body,
    };
    Answer {
        status: head.status,
        from_server,
        to_client,
        keep_server: head.keep_alive && !is_unwanted,
        keep_client: client.is_framed()
            || request.keep_alive
                && request_is_read
                && to_client != AnswerBody::UntilClose
                && !client.half_closed.get()
                && !client.worker().draining(),
        hop: if from_server == AnswerBody::Chunked { head.fields.hop() } else { None },
        encoder,
    }
}

/// The cookie by which the client comes back, unless it came with one that still does.
fn cookie(pool: &LocalPool, request: &Request, (serving, secure): (usize, bool)) -> Option<String> {
    let sticky = pool.live.config.sticky.as_ref()?;
    let token = pool.roster().token_to_issue(request.token, serving)?;
    let mut value = String::new();
    set_cookie(&mut value, sticky, token, secure).ok()?;
    Some(value)
}

/// Without the right `Sec-WebSocket-Accept` the server has not understood, and what follows its 101
/// may be anything.
fn check_accept(head: &ResponseHead<'_, '_>, request: &Request) -> Result<(), Fault> {
    let Offered::WebSocket { accept } = &request.upgrade else { return Ok(()) };
    match head.status {
        101 if head.header("sec-websocket-accept") != Some(accept) => Err(Fault::BadAnswer),
        200..300 if request.version == Version::Http2 => Err(NO_TUNNEL),
        _ => Ok(()),
    }
}

fn bad_answer(upstream: &Upstream, reason: response::BadAnswer) -> Fault {
    let server = &upstream.local.server;
    tracing::debug!(pool = %server.pool, server = %server.name, %reason, "answer refused");
    Fault::BadAnswer
}
