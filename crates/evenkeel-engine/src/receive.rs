//! From a client's bytes to a request that knows where it goes, with its new head in the outbox.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use evenkeel_core::acme;
use evenkeel_core::compress::Wish;
use evenkeel_core::config::{
    Action, Balance, Files, HashOn, HeaderEdits, Http, HttpLimits, Mirror, Pool, PoolId, Route,
};
use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::grpc;
use evenkeel_core::hash;
use evenkeel_core::http2::Head;
use evenkeel_core::message::forward::{self, Outgoing, kept_request_id, write_request};
use evenkeel_core::message::header::Name;
use evenkeel_core::message::request::{self, Body, RequestHead, Space, Upgrade};
use evenkeel_core::message::{Reason, Refusal, Version};
use evenkeel_core::route::Question;
use evenkeel_core::split::{Split, SplitOn};
use evenkeel_core::sticky::{self, Token};
use evenkeel_core::template::{Fact, Facts};
use evenkeel_core::trace::Onward;

use crate::answer::NO_TUNNEL;
use crate::auth::{self, Shown};
use crate::clock;
use crate::exchange::{Client, Desk, Next};
use crate::facts::Told;
use crate::files::{self, Asked, FileBody, Finder};
use crate::fleet::LivePool;
use crate::guard::{self, Fields};
use crate::offer::{Offered, opens};
use crate::own::Own;
use crate::record::Record;
use crate::stream::Stream;
use crate::trace::Traced;
use crate::websocket;
use crate::worker::{Place, Worker};

pub(crate) static NO_EDITS: HeaderEdits =
    HeaderEdits { remove: Vec::new(), set: Vec::new(), add: Vec::new() };

/// What is kept of a request head once it is parsed and routed.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) goal: Goal,
    /// Place of the route in the listener; `None`: the default.
    pub(crate) route: Option<usize>,
    pub(crate) version: Version,
    pub(crate) body: Body,
    /// Most bytes of the body.
    pub(crate) body_bytes: Option<u64>,
    /// Most bytes of the trailer section.
    pub(crate) trailer_bytes: u32,
    /// What `Connection` lists, where trailers may follow.
    pub(crate) hop: Option<Box<[u8]>>,
    /// The method was `HEAD`.
    pub(crate) head_only: bool,
    /// This node asks somebody about the client's request; the rest of it has not been read.
    pub(crate) is_question: bool,
    pub(crate) idempotent: bool,
    /// A gRPC call, for which failures have a form of their own.
    pub(crate) grpc: bool,
    /// How long whoever calls waits for the answer.
    pub(crate) patience: Option<Duration>,
    /// The client and this node would keep the connection.
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: Offered,
    /// Where it belongs, for a pool that hashes.
    pub(crate) key: Option<u64>,
    /// The cookie of a pool to which clients stick.
    pub(crate) token: Option<Token>,
    /// The route's edits of the answer, where they say something of this request.
    pub(crate) answer_edits: Option<Box<HeaderEdits>>,
    /// Who the client says it is, where somebody wants to know.
    pub(crate) shown: Option<Box<Shown>>,
    /// Who gets a copy.
    pub(crate) mirror: Option<PoolId>,
    /// Bytes of the answer a second.
    pub(crate) bandwidth: Option<u64>,
    /// What the client would be sent, where answers are compressed.
    pub(crate) wish: Wish,
    /// Where in the head for the server the id of the span is that it is told of.
    pub(crate) span_at: Option<usize>,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) enum Goal {
    Pool(PoolId),
    /// A file; the head of the answer is in the reply.
    File(Box<FileBody>),
    /// An answer of this node's own.
    Own(Own),
    /// It did not pass the guard, or a file cannot be had.
    Refuse(Fault),
}

impl From<Own> for Goal {
    fn from(own: Own) -> Self {
        Self::Own(own)
    }
}

impl Request {
    /// Has the client show who it is, where the route wants it. `Some`: it was answered by whom
    /// this node has asked.
    pub(crate) async fn vouch(
        &self,
        client: &mut Client,
        desk: &mut Desk,
        place: &Place,
    ) -> Result<Option<Next>, Fault> {
        let Some(shown) = &self.shown else { return Ok(None) };
        let Some(http) = place.listener().protocol.http() else { return Ok(None) };
        // In a box: the task of a connection does not grow by what few of them wait for.
        Box::pin(auth::pass(client, desk, place, (http, self, shown))).await
    }
}

/// Reads a request head, at most as long as the listener allows. `None`: the client has nothing
/// more to ask.
pub(crate) async fn receive(
    client: &mut Client,
    desk: &mut Desk,
    place: &Place,
) -> Result<Option<Request>, Fault> {
    desk.record.begin(clock::now());
    let listener = place.listener();
    let Some(http) = listener.protocol.http() else { return Ok(None) };
    if let Stream::Framed(framed) = &mut client.stream {
        if framed.is_reset() {
            return Ok(None); // what was taken back as soon as it was said costs nobody more
        }
        let Some(head) = framed.take_head() else { return Ok(None) };
        let ends = framed.ends();
        let request = read_frames(client, desk, place, http, (&head, ends));
        if let Stream::Framed(framed) = &client.stream {
            framed.give_back(head);
        }
        let request = request?;
        note(client, desk, place, &request);
        return Ok(Some(request));
    }
    if client.requests > 0 {
        client.watch.set_after(listener.timeouts.header);
    } // else the time runs since the connection was accepted
    let most = http.limits.head_bytes as usize;
    let mut fresh = 0;
    loop {
        if worth_parsing(desk, fresh, &http.limits)
            && let Some(request) = parse(client, desk, place, http)?
        {
            note(client, desk, place, &request);
            if desk.inbox.is_empty() {
                desk.inbox.release(&client.worker().stocks.buffers);
            }
            return Ok(Some(request));
        }
        desk.inbox.make_room(most);
        let begun = !desk.inbox.is_empty();
        let spare = &client.seat.worker.stocks.buffers;
        let read = poll_fn(|cx| match desk.inbox.poll_fill_with(cx, &mut client.stream, spare) {
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending if client.watch.expired() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match read.await {
            Some(Ok(read)) if read > 0 => fresh = read,
            None if begun => return Err(Fault::ClientTimeout(Phase::Request)),
            Some(_) if begun => return Err(Fault::ClientGone(Phase::Request)),
            _ => return Ok(None),
        }
    }
}

/// Counts a request that was understood.
fn note(client: &mut Client, desk: &mut Desk, place: &Place, request: &Request) {
    client.requests += 1;
    client.seat.slot.counts.tally(client.worker().index).requests.add(1);
    desk.record.received(request, place.flow(request));
}

/// A head that comes in drops is not parsed anew with each of them: a line has to end, or a limit
/// to be reached. The first piece always is: it may be no HTTP at all.
fn worth_parsing(desk: &Desk, fresh: usize, limits: &HttpLimits) -> bool {
    let unread = desk.inbox.unread();
    if fresh == 0 || fresh >= unread.len() {
        return !unread.is_empty();
    }
    unread[unread.len() - fresh..].contains(&b'\n')
        || unread.len() >= limits.head_bytes as usize
        || (unread.len() >= limits.target_bytes as usize && desk.inbox.is_full())
}

fn parse(
    client: &Client,
    desk: &mut Desk,
    place: &Place,
    http: &Http,
) -> Result<Option<Request>, Fault> {
    let Desk { inbox, outbox, reply, record, fields, .. } = desk;
    let mut space = Space::new();
    let head = match request::parse(inbox.unread(), &mut space, &http.limits) {
        Ok(None) => return Ok(None),
        Ok(Some(head)) => head,
        Err(refusal) => return Err(refused(client, refusal)),
    };
    let out = Out { outbox, reply, fields };
    let request = understand(&head, client, (out, record), place, http)?;
    let length = head.length;
    client.seat.slot.counts.tally(client.worker().index).bytes_received.add(length as u64);
    inbox.consume(length);
    Ok(Some(request))
}

/// A head that came in frames.
fn read_frames(
    client: &Client,
    desk: &mut Desk,
    place: &Place,
    http: &Http,
    (head, ends): (&Head, bool),
) -> Result<Request, Fault> {
    let Desk { outbox, reply, record, fields: extra, .. } = desk;
    let mut space = Space::new();
    let head = request::from_frames(head, ends, &mut space, &http.limits);
    let head = head.map_err(|refusal| refused(client, refusal))?;
    let out = Out { outbox, reply, fields: extra };
    understand(&head, client, (out, record), place, http)
}

#[cold]
fn refused(client: &Client, refusal: Refusal) -> Fault {
    client.seat.slot.counts.refuse(refusal.reason.label());
    Fault::BadRequest(refusal.status)
}

/// Where a request leaves what it says.
struct Out<'d> {
    /// To the server.
    outbox: &'d mut Vec<u8>,
    /// To the client.
    reply: &'d mut Vec<u8>,
    /// To the client, with an answer of this node's own.
    fields: &'d mut Fields,
}

/// What a request is about, and its form for the server.
fn understand(
    head: &RequestHead<'_, '_>,
    client: &Client,
    (out, record): (Out<'_>, &mut Record),
    place: &Place,
    http: &Http,
) -> Result<Request, Fault> {
    assert!(
        client.worker().shared.panic_path.as_deref() != Some(head.path),
        "asked to panic by EVENKEEL_FAULT_PANIC_PATH"
    );
    if http.methods.as_ref().is_some_and(|methods| !methods.contains(head.method)) {
        return Err(Fault::MethodClosed);
    }
    let peer = client.seat.peer.ip().to_canonical();
    let from = forward::Client {
        address: peer,
        address_text: &client.address_text,
        trusted: http.trusted_proxies.iter().any(|network| network.contains(peer)),
        scheme: client.seat.scheme(),
        port_text: &client.seat.port,
    };
    let own_id = client.worker().request_id();
    let request_id = kept_request_id(head, from.trusted).unwrap_or_else(|| str_of(&own_id));
    record.note(head, request_id);
    if from.trusted {
        record.comes_for(forward::client_address(head, peer, &http.trusted_proxies));
    }
    let tracing = http.forwarding.trace;
    let traces = place.local.plan.snapshot.config().traces;
    let traced = Traced::of(head, (tracing, from.trusted), traces, client.worker());
    if let Some(traced) = traced {
        record.belongs_to(traced);
    }
    if place.local.plan.log.is_some() || traced.is_some_and(|it| it.exported.is_some()) {
        record.note_fields(head);
    }
    // Whoever may come here, and whatever is routed: the authority is not to be held up.
    if let Some(token) = head.path.strip_prefix(acme::CHALLENGE_PATH)
        && !opens(head)
        && let Some(answer) = client.worker().shared.challenges.answer(token)
    {
        return Ok(summary(head, client, http, (None, None), Own::text(answer).into()));
    }
    let trace_id = traced.map(|it| it.trace.id.digits());
    let trace_id = trace_id.as_ref().map_or("", |digits| str_of(digits));
    let onward = Traced::onward(traced.as_ref(), tracing);
    let marks = Marks { request_id, own_id: &own_id, trace_id, onward };
    let route = route(head, place).map_err(|reason| refused(client, reason.into()))?;
    Ok(aim((client, place, http), (head, &from, route), &marks, out))
}

/// The route it takes, whatever a server makes of its path.
fn route(head: &RequestHead<'_, '_>, place: &Place) -> Result<Option<usize>, Reason> {
    let router = place.http_router();
    ask(head, |question| {
        let route = router.route(question);
        if head.path_is_ambiguous && router.detour(question, route)?.is_some() {
            return Err(Reason::PathTwoRoutes);
        }
        Ok(route)
    })
}

/// By what a request is known, here and elsewhere.
struct Marks<'a> {
    request_id: &'a str,
    /// The request id, if the client's had not been kept.
    own_id: &'a [u8; 32],
    /// Empty where it belongs to no trace.
    trace_id: &'a str,
    onward: Onward,
}

/// Where the request goes, and with which words if it goes to a server.
fn aim(
    (client, place, http): (&Client, &Place, &Http),
    (head, from, route): (&RequestHead<'_, '_>, &forward::Client<'_>, Option<usize>),
    marks: &Marks<'_>,
    Out { outbox, reply, fields }: Out<'_>,
) -> Request {
    let through = route.map(|route| &http.routes[route]);
    let name = through.map_or("", |route| &route.name);
    let (seat, scheme) = (&client.seat, from.scheme);
    let Marks { request_id, own_id, trace_id, onward } = *marks;
    let mut told = Told { head, seat, http, scheme, request_id, trace_id, route: name, pool: "" };
    let admitted = admit(client, place, (http, route), head, fields);
    let may_pass = admitted.is_ok();
    let goal = admitted.and_then(|()| match Own::last_hop(head) {
        Some(own) => Ok(own.into()),
        None => goal((client, http, through), &told, reply),
    });
    let goal = match goal.unwrap_or_else(Goal::Refuse) {
        Goal::File(_) if opens(head) => Goal::Refuse(NO_TUNNEL),
        goal => goal,
    };
    let live = match &goal {
        Goal::Pool(pool) => Some(&place.pool(*pool).live),
        Goal::File(_) | Goal::Own(_) | Goal::Refuse(_) => None,
    };
    told.pool = live.map_or("", |live| &live.name);
    // A WebSocket in frames has no key (RFC 8441 §5), a server of HTTP/1 wants one.
    let new_key = (opens(head) && live.is_some()).then(|| websocket::key(own_id));
    let subject = client.seat.tls.as_deref().and_then(|tls| tls.subject.as_deref());
    let facts = Facts(&|fact| told.fact(fact));
    let outgoing = Outgoing {
        path: stripped(head.path, through),
        default_host: told.pool,
        client: from,
        forwarding: &http.forwarding,
        trusted_proxies: &http.trusted_proxies,
        request_id,
        only: None,
        edits: through.map_or(&NO_EDITS, |route| &route.request_headers),
        reserved: &http.reserved,
        subject: http.client_subject.as_deref().zip(subject),
        websocket_key: new_key.as_ref().map(|key| str_of(key)),
        trace: onward,
        facts,
    };
    let mut request = summary(head, client, http, (route, new_key), goal);
    if may_pass {
        request.shown = through.and_then(|route| auth::shown(&route.auth, head, &outgoing));
    }
    if let Some(live) = live {
        outbox.clear();
        request.span_at = write_request(outbox, head, &outgoing);
        request.key = key(head, outbox, &live.config, &outgoing);
        request.token = token(head, live);
        if http.compress(route).is_some() {
            request.wish = Wish::read(&head.fields);
        }
        request.answer_edits = through.and_then(|route| answer_edits(route, facts));
    }
    request
}

/// Whether the request may go on at all.
fn admit(
    client: &Client,
    place: &Place,
    (http, route): (&Http, Option<usize>),
    head: &RequestHead<'_, '_>,
    fields: &mut Fields,
) -> Result<(), Fault> {
    let tls = client.seat.tls.as_deref();
    if tls.is_none_or(|tls| tls.showing.is_at_home(tls.server_name.as_deref(), head.host)) {
        guard::admit(client, place, (http, route), head, fields)
    } else {
        Err(Fault::Misdirected)
    }
}

/// Where the route leads; if it is to a file, the head of the answer is in `reply`.
fn goal(
    (client, http, through): (&Client, &Http, Option<&Route>),
    told: &Told<'_>,
    reply: &mut Vec<u8>,
) -> Result<Goal, Fault> {
    let action = through.map_or(http.default.as_ref(), |route| Some(&route.action));
    Ok(match action.ok_or(Fault::NoRoute)? {
        Action::Redirect(to) => {
            let location = to.to.location(Facts(&|fact| told.fact(fact)));
            let location = location.ok_or(Fault::BadRequest(400))?;
            Own::with(to.status, "Location", location).into()
        }
        Action::Files(files) => {
            let facts = Facts(&|fact| told.fact(fact));
            let settled = through.and_then(|route| answer_edits(route, facts));
            let mut asked = asked(files, told.head, (client, http), through);
            asked.edits = settled.as_deref().unwrap_or(asked.edits);
            let worker = client.worker();
            let (roots, date) = (&worker.roots, &worker.date);
            files::goal(&asked, &Finder { roots, date, chance: worker.chance() }, reply)?
        }
        Action::Pool(pool) => Goal::Pool(*pool),
        Action::Split(split) => Goal::Pool(share(split, told)),
    })
}

fn asked<'a, 's, 'b>(
    files: &'a Arc<Files>,
    head: &'a RequestHead<'s, 'b>,
    (client, http): (&Client, &'a Http),
    through: Option<&'a Route>,
) -> Asked<'a, 's, 'b> {
    Asked {
        files,
        head,
        path: stripped(head.path, through),
        keep_alive: client.is_framed() || keeps(head, client, http) && head.body.is_empty(),
        via: http.forwarding.via.as_deref(),
        hsts: http.hsts.as_deref(),
        edits: through.map_or(&NO_EDITS, |route| &route.response_headers),
    }
}

fn summary(
    head: &RequestHead<'_, '_>,
    client: &Client,
    http: &Http,
    (route, new_key): (Option<usize>, Option<[u8; websocket::KEY_BYTES]>),
    goal: Goal,
) -> Request {
    let through = route.map(|route| &http.routes[route]);
    // The answer to a failed call is 200, which would open a tunnel (RFC 8441 §5).
    let grpc = head.version == Version::Http2 && !opens(head) && is_grpc(head);
    let patience = if grpc { head.header("grpc-timeout").and_then(grpc::timeout) } else { None };
    Request {
        goal,
        route,
        version: head.version,
        body: head.body,
        body_bytes: through.map_or(http.body_bytes, |route| route.body_bytes),
        trailer_bytes: http.limits.head_bytes,
        hop: if head.body == Body::Chunked { head.fields.hop() } else { None },
        head_only: head.method == "HEAD",
        is_question: false,
        idempotent: head.is_idempotent(),
        grpc,
        patience,
        keep_alive: keeps(head, client, http),
        upgrade: Offered::of(head, new_key.as_ref().map(|key| &key[..])),
        key: None,
        token: None,
        answer_edits: None,
        shown: None,
        mirror: through.and_then(|route| mirrored(route, head, client.worker())),
        bandwidth: through.and_then(|route| route.bandwidth),
        wish: Wish::default(),
        span_at: None,
    }
}

fn keeps(head: &RequestHead<'_, '_>, client: &Client, http: &Http) -> bool {
    head.keep_alive
        && client.requests + 1 < http.limits.requests
        && !client.worker().draining()
        && !client.seat.slot.is_removed()
}

/// What the pool hashes on. `written` is the head as the server gets it.
fn key(
    head: &RequestHead<'_, '_>,
    written: &[u8],
    pool: &Pool,
    outgoing: &Outgoing<'_>,
) -> Option<u64> {
    if !matches!(pool.balance, Balance::Hash(_)) {
        return None;
    }
    match &pool.hash_on {
        HashOn::Source => {
            let (peer, trusted) = (outgoing.client.address, outgoing.trusted_proxies);
            Some(hash::source(forward::client_address(head, peer, trusted)))
        }
        HashOn::Uri => written.split(|&byte| byte == b' ').nth(1).map(hash::key),
        HashOn::Header(name) => head.header(name).map(hash::key),
        HashOn::Cookie(name) => cookie(head, name).map(hash::key),
        HashOn::Sni => None,
    }
}

pub(crate) fn token(head: &RequestHead<'_, '_>, pool: &LivePool) -> Option<Token> {
    let sticky = pool.config.sticky.as_ref()?;
    cookie(head, &sticky.cookie).and_then(Token::parse)
}

pub(crate) fn cookie<'b>(head: &RequestHead<'_, 'b>, name: &str) -> Option<&'b [u8]> {
    head.fields.of(Name::Cookie).find_map(|field| sticky::find(field, name))
}

/// Asks about the route of a request.
pub(crate) fn ask<T>(head: &RequestHead<'_, '_>, answer: impl FnOnce(&Question<'_>) -> T) -> T {
    answer(&Question {
        host: head.host,
        path: head.path,
        method: head.method,
        header: &|name| head.header(name),
        cookie: &|name| cookie(head, name),
    })
}

fn is_grpc(head: &RequestHead<'_, '_>) -> bool {
    head.header("content-type").is_some_and(grpc::is_call)
}

pub(crate) fn stripped<'p>(path: &'p str, route: Option<&Route>) -> &'p str {
    let prefix = route.and_then(|route| route.strip_prefix.as_deref());
    match prefix.and_then(|prefix| path.strip_prefix(prefix)) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The pool whose share of the traffic this request belongs to.
fn share(split: &Split, told: &Told<'_>) -> PoolId {
    let address = || told.fact(Fact::ClientIp).unwrap_or_default();
    let client = share_key(split, told.head, address);
    split.choose(client.unwrap_or_else(|| told.seat.worker.chance()))
}

/// What its client is known by; `None`: chance decides.
pub(crate) fn share_key<'a>(
    split: &Split,
    head: &RequestHead<'_, '_>,
    address: impl FnOnce() -> Cow<'a, str>,
) -> Option<u64> {
    match split.on.as_ref()? {
        SplitOn::Source => Some(hash::key(address().as_bytes())),
        SplitOn::Header(name) => head.header(name).map(hash::key),
        SplitOn::Cookie(name) => cookie(head, name).map(hash::key),
    }
}

/// The pool that gets a copy of this request. A tunnel has none.
fn mirrored(route: &Route, head: &RequestHead<'_, '_>, worker: &Worker) -> Option<PoolId> {
    let Mirror { pool, percent } = route.mirror?;
    let is_chosen = percent == 100 || worker.chance() % 100 < u64::from(percent);
    (is_chosen && head.upgrade == Upgrade::None).then_some(pool)
}

/// What is known now, for edits that are made when the request is gone.
fn answer_edits(route: &Route, facts: Facts<'_>) -> Option<Box<HeaderEdits>> {
    let edits = &route.response_headers;
    (!edits.is_fixed()).then(|| Box::new(edits.settled(facts)))
}

fn str_of(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).expect("digits are ASCII")
}
