//! A second request when the first one is late: the first answer wins, the other is given up. When
//! that is is decided in [`evenkeel_core::hedge`].

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use evenkeel_core::breaker::Permit;
use evenkeel_core::config::{Balance, Config, Hedge, HttpLimits};
use evenkeel_core::fault::{Again, Fault};
use evenkeel_core::hedge::Latencies;
use evenkeel_core::moment::Moment;
use evenkeel_core::pick::Pick;
use evenkeel_core::shed::Level;
use evenkeel_core::trace::SpanId;
use tokio::io::AsyncWrite;
use tokio::time::sleep;

use crate::answer::{Answer, Wait, await_answer};
use crate::buffer::Buffer;
use crate::clock;
use crate::connect::{LocalServer, Upstream, Wanted, connect};
use crate::exchange::Errand;
use crate::fleet::{InFlight, LivePool, PoolTally};
use crate::introduction;
use crate::receive::Request;
use crate::timers::Watch;
use crate::trace;
use crate::worker::{Place, Worker};

/// A route whose late requests are sent twice, as one worker sees it.
#[derive(Debug)]
pub(crate) struct Hedged {
    /// Its listener's and its own place in the plan.
    place: (usize, usize),
    /// The same as names, by which a reload knows it.
    name: (Arc<str>, Arc<str>),
    policy: Hedge,
    latencies: Rc<RefCell<Latencies>>,
}

impl Hedged {
    /// Those of a plan, by their places; what was measured under the plan `before` is kept.
    pub(crate) fn all(config: &Config, before: &[Self]) -> Vec<Self> {
        let mut all = Vec::new();
        for (at, listener) in config.listeners.iter().enumerate() {
            let routes = listener.protocol.http().map_or(&[][..], |http| &http.routes);
            for (index, route) in routes.iter().enumerate() {
                let Some(policy) = route.hedge else { continue };
                let name = (Arc::clone(&listener.name), Arc::clone(&route.name));
                let known = before.iter().find(|old| old.name == name);
                let latencies = known.map_or_else(Rc::default, |known| Rc::clone(&known.latencies));
                all.push(Self { place: (at, index), name, policy, latencies });
            }
        }
        all
    }

    /// An answer has come, or was given up, after this time.
    pub(crate) fn record(&self, latency: Duration) {
        self.latencies.borrow_mut().record(latency);
    }

    /// How long to wait for the server that was asked before another one is.
    pub(crate) fn wait(&self, errand: &Errand<'_>) -> Option<Duration> {
        let attempt = errand.upload.attempt(errand.request.idempotent, errand.tried.len());
        evenkeel_core::hedge::wait(&self.policy, &self.latencies.borrow(), attempt)
    }
}

impl Place {
    /// What is known of the request's route, if its requests may be sent twice.
    pub(crate) fn hedged(&self, request: &Request) -> Option<&Hedged> {
        let hedged = &self.local.hedged;
        if hedged.is_empty() {
            return None;
        }
        let place = (self.index, request.route?);
        let at = hedged.binary_search_by_key(&place, |route| route.place).ok()?;
        Some(&hedged[at])
    }
}

/// A server that is asked besides.
struct Second {
    member: usize,
    /// By which it knows who has asked it.
    span: Option<SpanId>,
    began: Moment,
    /// What it takes of the pool's limits as a further try.
    retry: Permit,
    asking: Pin<Box<dyn Future<Output = Result<Reached, Fault>>>>,
}

/// A server that has begun to answer.
struct Reached {
    upstream: Upstream,
    /// The beginning of its answer.
    answer: Buffer,
    connected: Moment,
}

/// How the race of two requests has ended.
enum End {
    First(Result<Answer, Fault>),
    Second(Reached),
}

/// Sends the request to `first` and, if it has not begun to answer within `late`, to another server
/// as well. Returns the one that answers.
pub(crate) async fn first_answer(
    errand: &mut Errand<'_>,
    mut first: Upstream,
    route: &Hedged,
    late: Duration,
) -> Result<(Upstream, Answer), Fault> {
    let asked = clock::now();
    let mut timer = pin!(sleep(late));
    let (mut is_late, mut second) = (false, None::<Second>);
    let mut wait = Wait::new(errand, &mut first);
    let end = poll_fn(|cx| {
        if let Poll::Ready(answer) = wait.poll(cx) {
            return Poll::Ready(End::First(answer));
        }
        if wait.has_begun() {
            (is_late, second) = (true, None);
            return Poll::Pending;
        }
        if !is_late {
            ready!(timer.as_mut().poll(cx));
            is_late = true;
            second = Second::ask(wait.errand, cx);
        }
        let Some(running) = &mut second else { return Poll::Pending };
        match ready!(running.asking.as_mut().poll(cx)) {
            Ok(reached) => Poll::Ready(End::Second(reached)),
            Err(fault) => {
                wait.errand.blame(running.member, fault);
                wait.errand.desk.record.hedge_missed(running.span, fault);
                second = None;
                Poll::Pending
            }
        }
    })
    .await;
    let reached = match (end, &mut second) {
        (End::First(Ok(answer)), _) => return Ok((first, answer)),
        (End::First(Err(fault)), Some(running)) if fault.verdict().again != Again::Never => {
            // Whoever is left decides.
            match errand.unless_gone(running.asking.as_mut()).await {
                Ok(reached) => {
                    errand.desk.record.missed(Some(fault));
                    errand.blame(errand.serving, fault);
                    reached
                }
                Err(gone @ Fault::ClientGone(_)) => return Err(gone),
                Err(other) => {
                    errand.blame(running.member, other);
                    errand.desk.record.hedge_missed(running.span, other);
                    return Err(fault);
                }
            }
        }
        (End::First(Err(fault)), _) => return Err(fault),
        (End::Second(reached), _) => reached,
    };
    let given_up = clock::now().since(asked);
    route.record(given_up);
    if errand.pool.live.config.balance == Balance::PeakEwma {
        // It would have taken longer still.
        first.local.server.latency.record(given_up, clock::now());
    }
    drop(first);
    let second = second.expect("it has been reached");
    second.take_over(errand, reached).await
}

impl Second {
    /// `None`: there is no other server with room, or it cannot be afforded.
    fn ask(errand: &mut Errand<'_>, cx: &Context<'_>) -> Option<Self> {
        let (worker, live) = (Rc::clone(errand.client.worker()), &errand.pool.live);
        if worker.shared.shed_level() != Level::NONE {
            return None;
        }
        let Pick::Server(member) = errand.pick_another() else { return None };
        let mut in_flight = live.enter(member, true)?;
        in_flight.waits_as(live.try_pending()?);
        let retry = live.admit_retry()?;
        PoolTally::count(&live.tally.hedges);
        let local = Rc::clone(&errand.pool.servers[member]);
        errand.tried.insert(member);
        let (began, timeouts) = (clock::now(), &live.config.timeouts);
        let mut head = errand.desk.outbox.clone();
        let span = errand.desk.record.hedges(&local, &worker, &head);
        trace::rename(&mut head, errand.request.span_at, span);
        let question = Question {
            head,
            introduction: live.config.proxy_protocol.map(|version| {
                introduction::write(version, &errand.client.seat, &errand.client.stream, &[])
            }),
            watch: worker.timers.watch(cx.waker().clone()),
            connect_by: (began + timeouts.connect).min(errand.end),
            first_byte: live.config.retry.per_try.unwrap_or(timeouts.first_byte),
            end: errand.end,
            is_sensitive: errand.client.stream.brings_sensitive(),
        };
        let asking = Box::pin(question.ask(worker, Arc::clone(live), (local, in_flight)));
        Some(Self { member, span, began, retry, asking })
    }

    /// What is left of the exchange is this one's.
    async fn take_over(
        self,
        errand: &mut Errand<'_>,
        reached: Reached,
    ) -> Result<(Upstream, Answer), Fault> {
        let Reached { mut upstream, answer, connected } = reached;
        PoolTally::count(&errand.pool.live.tally.hedges_won);
        (errand.serving, errand.retry) = (self.member, self.retry);
        errand.desk.answer = answer;
        errand.desk.record.hedged(&upstream.local, self.span, (self.began, connected));
        errand.upload.was_sent(errand.desk);
        let answer = await_answer(errand, &mut upstream).await?;
        Ok((upstream, answer))
    }
}

/// A request without a body, for a server that is asked besides.
struct Question {
    head: Vec<u8>,
    introduction: Option<Vec<u8>>,
    watch: Watch,
    connect_by: Moment,
    first_byte: Duration,
    end: Moment,
    is_sensitive: bool,
}

impl Question {
    async fn ask(
        self,
        worker: Rc<Worker>,
        live: Arc<LivePool>,
        (local, in_flight): (Rc<LocalServer>, InFlight),
    ) -> Result<Reached, Fault> {
        let wanted = self.introduction.as_deref().map_or(Wanted::Any, Wanted::Introduced);
        let (to, by) = ((&local, in_flight), (&self.watch, self.connect_by));
        let mut upstream = connect(&worker, &live, to, by, wanted).await?;
        if self.is_sensitive {
            upstream.link.stream.set_sensitive();
        }
        let connected = clock::now();
        self.watch.set((connected + self.first_byte).min(self.end));
        let (mut sent, mut answer) = (0, Buffer::default());
        poll_fn(|cx| self.poll(cx, &mut upstream, &mut sent, &mut answer)).await?;
        Ok(Reached { upstream, answer, connected })
    }

    /// Ready with the first bytes of an answer.
    fn poll(
        &self,
        cx: &mut Context<'_>,
        upstream: &mut Upstream,
        sent: &mut usize,
        answer: &mut Buffer,
    ) -> Poll<Result<(), Fault>> {
        while *sent < self.head.len() {
            let unsent = &self.head[*sent..];
            match Pin::new(&mut upstream.link.stream).poll_write(cx, unsent) {
                Poll::Ready(Ok(count)) => *sent += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(upstream.lost(&Err(error)))),
                Poll::Pending => break,
            }
        }
        if *sent == self.head.len() {
            // Within TLS the last of it may still lie on this side.
            let flushed = Pin::new(&mut upstream.link.stream).poll_flush(cx);
            if let Poll::Ready(Err(error)) = flushed {
                return Poll::Ready(Err(upstream.lost(&Err(error))));
            }
        }
        answer.make_room(HttpLimits::MOST_HEAD_BYTES as usize);
        match answer.poll_fill(cx, &mut upstream.link.stream) {
            Poll::Ready(Ok(read)) if read > 0 => Poll::Ready(Ok(())),
            Poll::Ready(lost) => Poll::Ready(Err(upstream.lost(&lost))),
            Poll::Pending if self.watch.expired() => {
                upstream.link.stream.time_out();
                Poll::Ready(Err(Fault::ServerTimeout))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
