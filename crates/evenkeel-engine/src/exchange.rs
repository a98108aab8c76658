//! The spine: a client's connection, and on it one exchange after another:
//! receive → route → pick → connect → forward → record.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use evenkeel_core::breaker::Permit;
use evenkeel_core::config::{Balance, ClientTimeouts, PoolId};
use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::moment::Moment;
use evenkeel_core::pick::{Choice, Pick, Tried};
use evenkeel_core::retry;
use evenkeel_core::shed::Level;
use evenkeel_sys::Peeked;
use tokio::io::AsyncWrite;

use crate::accept::Seat;
use crate::answer::{Answer, await_answer};
use crate::buffer::{BUFFER_BYTES, Buffer, Stock};
use crate::clock;
use crate::connect::{Upstream, Wanted, connect};
use crate::deliver::deliver;
use crate::files;
use crate::fleet::InFlight;
use crate::guard;
use crate::hedge;
use crate::introduction;
use crate::mirror;
use crate::offer::Offered;
use crate::own;
use crate::receive::{Goal, Request, receive};
use crate::record::Record;
use crate::stream::Stream;
use crate::timers::Watch;
use crate::trace;
use crate::tunnel::Upgraded;
use crate::upload::Upload;
use crate::waiting;
use crate::worker::{LocalPool, Place, Worker};

/// How long a connection that never sent a request may hold up a drain.
pub(crate) const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// A connection that has been idle for this long may be closed when descriptors are short.
pub(crate) const EVICTABLE_AFTER: Duration = Duration::from_secs(1);

/// An HTTP client's connection, or one exchange of a connection that carries many.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) watch: Watch,
    pub(crate) seat: Rc<Seat>,
    pub(crate) address_text: Rc<str>,
    /// Requests received so far.
    pub(crate) requests: u32,
    /// The client has sent its FIN: it may still want its answer.
    pub(crate) half_closed: Cell<bool>,
}

/// The memory an exchange works with. A connection holds one only while an exchange is under way,
/// and its buffers have memory only while something in them is unread.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// From the client.
    pub(crate) inbox: Buffer,
    /// To the server: the head, then what of the body is on its way or kept for another try.
    pub(crate) outbox: Vec<u8>,
    /// From the server.
    pub(crate) answer: Buffer,
    /// To the client: heads, chunk lines, small bodies.
    pub(crate) reply: Vec<u8>,
    /// What an answer of our own says besides.
    pub(crate) fields: guard::Fields,
    pub(crate) record: Record,
}

/// What becomes of the client's connection.
#[derive(Debug)]
pub(crate) enum Next {
    Keep,
    Close,
    Upgraded(Box<Upgraded>),
}

/// A request on its way to some server of a pool.
#[derive(Debug)]
pub(crate) struct Errand<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) desk: &'a mut Desk,
    pub(crate) place: &'a Place,
    pub(crate) request: &'a Request,
    pub(crate) pool: &'a LocalPool,
    pub(crate) upload: Upload<'a>,
    /// One request of its pool, over all its tries.
    pub(crate) admitted: Permit,
    /// One that is in a further try.
    pub(crate) retry: Permit,
    /// The client has said more or sent its FIN: nothing to learn from it until its answer is over.
    client_spoke: Cell<bool>,
    pub(crate) tried: Tried,
    /// Place in the pool of the server that was tried last.
    pub(crate) serving: usize,
    turn: u64,
    /// When the exchange as a whole has taken too long.
    pub(crate) end: Moment,
    /// What it means that the time is over.
    pub(crate) over: Fault,
}

/// Why a try did not give an answer to pass on.
enum Miss {
    Fault(Fault),
    /// The answer has a status for which the operator wants another server; that try is granted.
    Status(Permit),
}

/// Serves a client's connection to its end.
pub(crate) async fn serve(seat: Rc<Seat>, stream: Stream) {
    let address_text = seat.peer.ip().to_canonical().to_string().into();
    let mut client = Client::new(seat, stream, address_text).await;
    while client.speaks().await {
        let mut desk = client.worker().stocks.desks.take().unwrap_or_default();
        let next = loop {
            match exchange(&mut client, &mut desk).await {
                Next::Keep if !desk.inbox.is_empty() => {}
                next => break next,
            }
        };
        if let Next::Upgraded(upgraded) = next {
            return upgraded.run(client, desk).await;
        }
        client.worker().put_back(desk);
        if matches!(next, Next::Close) {
            return;
        }
        if client.half_closed.get() {
            break;
        }
    }
    client.say_goodbye().await;
}

/// Serves the one exchange of a stream in frames.
pub(crate) async fn serve_one(mut client: Client) {
    let mut desk = client.worker().stocks.desks.take().unwrap_or_default();
    match exchange(&mut client, &mut desk).await {
        Next::Upgraded(upgraded) => return upgraded.run(client, desk).await,
        Next::Keep => {
            client.stream.finish();
            // Who is reset while still sending may not look at the answer.
            own::linger(&mut client, &mut desk.inbox).await;
        }
        Next::Close => {}
    }
    client.worker().put_back(desk);
}

/// One request and its answer.
async fn exchange(client: &mut Client, desk: &mut Desk) -> Next {
    let place = client.seat.slot.place(client.worker());
    let outcome = match receive(client, desk, &place).await {
        Ok(None) => return Next::Close,
        Ok(Some(request)) => match request.vouch(client, desk, &place).await {
            Ok(None) => go(client, desk, &place, &request).await,
            Ok(Some(next)) => Ok(next),
            Err(fault) => Err(fault),
        },
        Err(fault) => Err(fault),
    };
    let (next, fault) = match outcome {
        Ok(upgraded @ Next::Upgraded(_)) => return upgraded, // goes on
        Ok(next) => (next, None),
        Err(fault) => (own::answer_fault(client, desk, &place, fault).await, Some(fault)),
    };
    desk.record.finish(client, fault);
    next
}

/// A request that may go, to where it goes.
async fn go(
    client: &mut Client,
    desk: &mut Desk,
    place: &Place,
    request: &Request,
) -> Result<Next, Fault> {
    match &request.goal {
        Goal::Pool(pool) => {
            desk.record.enters(&place.pool(*pool).flow);
            let admitted = admit(client, desk, (place, *pool), request)?;
            Errand::new(client, desk, (place, *pool), request, admitted).run().await
        }
        Goal::File(body) => files::send(client, desk, place, request, body).await,
        Goal::Own(own) => own::answer(client, desk, place, request, own).await,
        Goal::Refuse(fault) => Err(*fault),
    }
}

/// A request that this node and its pool have room for.
pub(crate) fn admit(
    client: &Client,
    desk: &Desk,
    (place, pool): (&Place, PoolId),
    request: &Request,
) -> Result<Permit, Fault> {
    let level = client.worker().shared.shed_level();
    if level != Level::NONE {
        let priority = place.route(request).map(|route| route.priority).unwrap_or_default();
        if level.sheds(priority) {
            let tally = client.seat.slot.counts.tally(client.worker().index);
            tally.shed[usize::from(priority.get())].add(1);
            return Err(Fault::Shed);
        }
    }
    place.pool(pool).live.admit(desk.record.began())
}

impl<'a> Errand<'a> {
    pub(crate) fn new(
        client: &'a mut Client,
        desk: &'a mut Desk,
        (place, pool): (&'a Place, PoolId),
        request: &'a Request,
        admitted: Permit,
    ) -> Self {
        let pool = place.pool(pool);
        let upload = Upload::new(request, place.barred(request), desk);
        let after = |time| desk.record.began() + time;
        let end = pool.live.config.timeouts.total.map_or(Moment::NEVER, after);
        let (end, over) = match request.patience.map(after) {
            Some(deadline) if deadline < end => (deadline, Fault::DeadlineExceeded),
            _ => (end, Fault::TotalTimeout),
        };
        Self {
            client,
            desk,
            place,
            request,
            pool,
            upload,
            admitted,
            retry: Permit::default(),
            client_spoke: Cell::new(false),
            tried: Tried::new(),
            serving: 0,
            turn: pool.live.take_turn(),
            end,
            over,
        }
    }

    /// Nothing may happen for at most this long from now.
    pub(crate) fn patience(&self, limit: Duration) {
        self.client.watch.set((clock::now() + limit).min(self.end));
    }

    pub(crate) fn is_over_time(&self) -> bool {
        self.end <= clock::now()
    }

    /// What went wrong, unless whoever calls has not waited for it: that is nobody else's fault.
    fn unless_given_up(&self, fault: Fault) -> Fault {
        let is_given_up = self.over == Fault::DeadlineExceeded && self.is_over_time();
        if is_given_up { self.over } else { fault }
    }

    pub(crate) fn client_timeouts(&self) -> &'a ClientTimeouts {
        &self.place.listener().timeouts
    }

    /// Tries servers until one answers, then passes the answer on.
    async fn run(mut self) -> Result<Next, Fault> {
        let (upstream, answer) = self.reach().await?;
        self.hand_over(upstream, answer).await
    }

    /// Tries servers until one answers.
    pub(crate) async fn reach(&mut self) -> Result<(Upstream, Answer), Fault> {
        self.upload.take_body(self.desk)?;
        let mut last = None;
        loop {
            let (index, in_flight) = self.seize(last).await?;
            self.tried.insert(index);
            self.serving = index;
            let fault = match self.attempt(in_flight, last.is_none()).await {
                Ok(answered) => return Ok(answered),
                Err(Miss::Status(retry)) => {
                    self.desk.record.missed(None);
                    self.retry = retry;
                    None
                }
                Err(Miss::Fault(fault)) => {
                    let fault = self.unless_given_up(fault);
                    self.desk.record.missed(Some(fault));
                    self.blame(self.serving, fault);
                    if self.is_over_time() {
                        return Err(self.over);
                    }
                    self.retry = self.admit_again(fault).ok_or(fault)?;
                    Some(fault)
                }
            };
            self.back_off(fault).await?;
            last = Some((fault.unwrap_or(Fault::BadAnswer), self.serving));
            self.upload.rewind();
            self.desk.tries_again(self.client.worker(), self.request.span_at);
            self.desk.answer.clear();
            self.desk.reply.clear();
        }
    }

    /// A place on a server, waiting for one if all are full.
    async fn seize(&self, last: Option<(Fault, usize)>) -> Result<(usize, InFlight), Fault> {
        let (live, watch) = (&self.pool.live, &self.client.watch);
        let seized = waiting::seize(live, watch, self.end, last.is_some(), || self.pick(last));
        self.unless_gone(seized).await.map_err(|fault| match (fault, last) {
            (Fault::NoServer | Fault::BreakerOpen, Some((fault, _))) => fault,
            _ => self.unless_given_up(fault),
        })
    }

    fn pick(&self, last: Option<(Fault, usize)>) -> Pick {
        if self.tried.len() == Tried::MOST {
            return Pick::Nobody;
        }
        let (turn, chance) = (self.turn, self.client.worker().chance());
        let choice = Choice { turn, chance, key: self.request.key, token: self.request.token };
        let loads = self.pool.live.loads(last.is_some());
        let pick = self.pool.roster().pick(&choice, &loads, &self.tried);
        match (pick, last) {
            // A kept connection that had died says nothing against its server: a new one may serve.
            (Pick::Nobody, Some((Fault::ServerResetReused | Fault::NotProcessed, at))) => {
                Pick::Server(at)
            }
            _ => pick,
        }
    }

    /// Whether there may be another try; if so, it has been paid for.
    fn admit_again(&self, fault: Fault) -> Option<Permit> {
        let attempt = self.upload.attempt(self.request.idempotent, self.tried.len());
        if !retry::again(&self.pool.live.config.retry, fault, attempt) {
            return None;
        }
        let charged = retry::is_charged(fault);
        if charged { self.pool.live.admit_retry() } else { Some(Permit::default()) }
    }

    /// Waits before another try; `fault` is `None` after a status.
    async fn back_off(&self, fault: Option<Fault>) -> Result<(), Fault> {
        let tries = u8::try_from(self.tried.len()).unwrap_or(u8::MAX);
        let (policy, watch) = (&self.pool.live.config.retry.backoff, &self.client.watch);
        let wait = retry::wait(policy, fault, tries, self.client.worker().chance());
        if wait.is_zero() {
            return Ok(());
        }
        self.patience(wait);
        // The watch wakes this task.
        let over = poll_fn(|_| if watch.expired() { Poll::Ready(Ok(())) } else { Poll::Pending });
        self.unless_gone(over).await?;
        if self.is_over_time() { Err(self.over) } else { Ok(()) }
    }

    /// A server other than those that were tried.
    pub(crate) fn pick_another(&self) -> Pick {
        self.pick(Some((Fault::BadAnswer, self.serving)))
    }

    /// Tells the judge of a server's failure.
    pub(crate) fn blame(&self, member: usize, fault: Fault) {
        self.client.worker().report_fault(&self.pool.servers[member].server, fault);
    }

    /// What `stage` gives, unless the client leaves before.
    pub(crate) async fn unless_gone<T>(
        &self,
        stage: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut stage = pin!(stage);
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = stage.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            self.watch_client(cx, Phase::Connect)?;
            Poll::Pending
        })
        .await
    }

    /// A client that resets the connection does not want its answer any more; one that only sends
    /// its FIN does. While its body is under way, the upload sees to it.
    pub(crate) fn watch_client(&self, cx: &mut Context<'_>, phase: Phase) -> Result<(), Fault> {
        if self.client_spoke.get() || !self.upload.is_read() || !self.desk.inbox.is_empty() {
            return Ok(());
        }
        let Poll::Ready(peeked) = self.client.stream.poll_peek(cx) else { return Ok(()) };
        self.client_spoke.set(true);
        let peeked = peeked.map_err(|_reset| Fault::ClientGone(phase))?;
        self.client.half_closed.set(peeked == Peeked::End);
        Ok(())
    }

    /// One server: connects, sends, waits for the head of its answer.
    async fn attempt(
        &mut self,
        in_flight: InFlight,
        reuse: bool,
    ) -> Result<(Upstream, Answer), Miss> {
        let pool = self.pool;
        let (server, config) = (&pool.servers[self.serving], &pool.live.config);
        let worker = Rc::clone(self.client.worker());
        self.desk.record.tries(server, &worker, &self.desk.outbox);
        let deadline = (clock::now() + config.timeouts.connect).min(self.end);
        let introduction = config.proxy_protocol.map(|version| {
            introduction::write(version, &self.client.seat, &self.client.stream, &[])
        });
        let wanted = match &introduction {
            Some(introduction) => Wanted::Introduced(introduction),
            None if reuse => Wanted::Any,
            None => Wanted::New,
        };
        let (live, watch) = (&pool.live, &self.client.watch);
        let connecting = connect(&worker, live, (server, in_flight), (watch, deadline), wanted);
        let mut upstream = self.unless_gone(connecting).await.map_err(Miss::Fault)?;
        self.desk.record.connected();
        let hedged = self.place.hedged(self.request).filter(|_| self.may_be_hedged());
        let late = hedged.and_then(|route| Some((route, route.wait(self)?)));
        let answer = match late {
            None => await_answer(self, &mut upstream).await,
            Some((route, late)) => {
                let answered = hedge::first_answer(self, upstream, route, late).await;
                let (other, answer) = answered.map_err(Miss::Fault)?;
                upstream = other;
                Ok(answer)
            }
        };
        let answer = answer.map_err(Miss::Fault)?;
        let waited = self.desk.record.answered(answer.status);
        hedged.inspect(|route| route.record(waited));
        let server = &pool.servers[self.serving];
        if answer.status >= 500 {
            server.server.latency.fail(waited, clock::now());
            server.server.failing.add(clock::now());
        } else if config.balance == Balance::PeakEwma {
            server.server.latency.record(waited, clock::now());
        }
        let attempt = self.upload.attempt(self.request.idempotent, self.tried.len());
        // Where no other server is left, this one's own words beat ours.
        let wanted = retry::again_on_status(&config.retry, answer.status, attempt);
        let elsewhere = wanted && matches!(self.pick_another(), Pick::Server(_));
        match elsewhere.then(|| pool.live.admit_retry()).flatten() {
            Some(retry) => Err(Miss::Status(retry)),
            None => Ok((upstream, answer)),
        }
    }

    /// Nothing but a head is to be sent, and nothing but an answer can come of it.
    fn may_be_hedged(&self) -> bool {
        self.request.body.is_empty() && matches!(self.request.upgrade, Offered::Nothing)
    }

    /// The rest of the answer, or all that follows when both sides changed the protocol.
    pub(crate) async fn hand_over(
        mut self,
        mut upstream: Upstream,
        mut answer: Answer,
    ) -> Result<Next, Fault> {
        if let (Some(pool), Some(whole)) = (self.request.mirror, self.upload.whole(self.desk)) {
            mirror::send(self.client, self.place, pool, whole, self.request.head_only);
        }
        if answer.status == 101 {
            own::flush(self.client, self.desk).await?;
            return Ok(Next::Upgraded(Box::new(Upgraded::new(self, upstream))));
        }
        let delivered = deliver(&mut self, &mut upstream, &mut answer).await;
        let worker = self.client.worker();
        // Only now: a server that breaks off within its answers is no better than one that resets.
        let keep = delivered.inspect_err(|&fault| {
            worker.report_fault(&upstream.local.server, fault);
        })?;
        worker.report_success(&upstream.local.server);
        if keep {
            upstream.keep();
        }
        if answer.keep_client {
            return Ok(Next::Keep);
        }
        // Closing on unread bytes would reset the connection, and with it what the client has not
        // read of the answer.
        let more_may_come = !self.upload.is_read() || self.request.is_question;
        if more_may_come || self.client.has_said_more(&self.desk.inbox) {
            own::linger(self.client, &mut self.desk.inbox).await;
        } else {
            self.client.say_goodbye().await;
        }
        Ok(Next::Close)
    }
}

impl Client {
    pub(crate) async fn new(seat: Rc<Seat>, stream: Stream, address_text: Rc<str>) -> Self {
        let watch = poll_fn(|cx| Poll::Ready(seat.worker.timers.watch(cx.waker().clone()))).await;
        Self { stream, watch, seat, address_text, requests: 0, half_closed: Cell::new(false) }
    }

    /// Tells a client within TLS that nothing was cut off (RFC 9112 §9.8); it is not waited for.
    async fn say_goodbye(&mut self) {
        if self.stream.plain().is_none() {
            poll_fn(|cx| {
                // Who has gone does not need to hear it.
                let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
    }

    /// The stream is one exchange of a connection that goes on.
    pub(crate) fn is_framed(&self) -> bool {
        matches!(self.stream, Stream::Framed(_))
    }

    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.seat.worker
    }

    /// Waits without memory until the client has something to say. `false`: it has not, or too late.
    async fn speaks(&mut self) -> bool {
        let worker = Rc::clone(self.worker());
        let wait = {
            let place = self.seat.slot.place(&worker);
            let timeouts = &place.listener().timeouts;
            if self.requests == 0 { timeouts.header } else { timeouts.keep_alive }
        };
        self.watch.set_after(wait);
        let since = clock::now();
        let mut hurried = false;
        poll_fn(|cx| {
            if let Poll::Ready(ready) = self.stream.poll_read_ready(cx) {
                return Poll::Ready(ready.is_ok());
            }
            let leaving = worker.hurries() || self.seat.slot.is_removed();
            let long = clock::now().since(since) >= EVICTABLE_AFTER;
            if self.watch.expired() || (leaving && self.requests > 0) || (long && worker.evicts()) {
                return Poll::Ready(false);
            }
            if leaving && !hurried {
                hurried = true;
                self.watch.set_after(DRAIN_PATIENCE.min(wait));
            }
            Poll::Pending
        })
        .await
    }
}

impl Client {
    fn has_said_more(&mut self, inbox: &Buffer) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        !inbox.is_empty()
            || matches!(self.stream.poll_peek(&mut nobody), Poll::Ready(Ok(Peeked::Bytes)))
    }
}

impl Desk {
    /// The request in the outbox goes out once more.
    pub(crate) fn tries_again(&mut self, worker: &Worker, span_at: Option<usize>) {
        let Some(traced) = &mut self.record.traced else { return };
        trace::rename(&mut self.outbox, span_at, traced.tries_again(worker));
    }

    /// Ready for another exchange, without what one large message made it grow to.
    pub(crate) fn clear(&mut self, spare: &Stock<Buffer>) {
        self.inbox.release(spare);
        self.answer.release(spare);
        for bytes in [&mut self.outbox, &mut self.reply] {
            bytes.clear();
            bytes.shrink_to(BUFFER_BYTES);
        }
    }
}
