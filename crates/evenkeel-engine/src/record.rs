//! What is known of an exchange: the one source of its counters and its log line.

use std::mem;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_core::fault::{Blame, Fault};
use evenkeel_core::message::Version;
use evenkeel_core::message::header::Name;
use evenkeel_core::message::request::RequestHead;
use evenkeel_core::moment::Moment;
use evenkeel_core::trace::{SpanId, TraceId, Traceparent};

use crate::accept::Seat;
use crate::clock;
use crate::connect::LocalServer;
use crate::count::{IS_RECORDING, class};
use crate::exchange::Client;
use crate::exemplar::Exemplar;
use crate::flow::{Ends, LocalFlow, is_error};
use crate::log::{Line, Said};
use crate::receive::Request;
use crate::span::{self, Tries, TryEnd};
use crate::trace::Traced;
use crate::worker::Worker;

/// An exchange from its first byte to its last.
#[derive(Debug, Default)]
pub(crate) struct Record {
    began: Moment,
    received: Option<Moment>,
    trying: Option<Moment>,
    connected: Option<Moment>,
    answered: Option<Moment>,
    status: Option<u16>,
    server: Option<Rc<LocalServer>>,
    tries: u8,
    sent: u64,
    body: u64,
    uploaded: u64,
    known: Option<Known>,
    address: Option<IpAddr>,
    route: Option<Rc<LocalFlow>>,
    pool: Option<Rc<LocalFlow>>,
    /// Its place in a trace, if it has one.
    pub(crate) traced: Option<Traced>,
    /// The servers it has asked, where somebody is told of them.
    asked: Tries,
    said: Said,
}

/// What matters of the request after it is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    version: Version,
    pub(crate) keep_alive: bool,
    pub(crate) head_only: bool,
    pub(crate) grpc: bool,
}

impl Record {
    /// Another exchange begins.
    pub(crate) fn begin(&mut self, now: Moment) {
        let (mut said, mut asked) = (mem::take(&mut self.said), mem::take(&mut self.asked));
        said.clear();
        asked.clear();
        *self = Self { began: now, said, asked, ..Self::default() };
    }

    pub(crate) fn began(&self) -> Moment {
        self.began
    }

    /// What is told of it, should it fail, in the client's own words.
    pub(crate) fn note(&mut self, head: &RequestHead<'_, '_>, request_id: &str) {
        if !IS_RECORDING {
            return;
        }
        let said = &mut self.said;
        said.set_method(head.method.as_bytes());
        said.set_host(head.authority.as_bytes());
        said.set_target(head.target.as_bytes());
        said.set_request_id(request_id.as_bytes());
    }

    /// The client's address, by the word of a proxy that is trusted.
    pub(crate) fn comes_for(&mut self, address: IpAddr) {
        self.address = Some(address);
    }

    /// It belongs to a trace.
    pub(crate) fn belongs_to(&mut self, traced: Traced) {
        self.said.set_trace_id(&traced.trace.id.digits());
        self.traced = Some(traced);
    }

    /// What only a log line or a span will need.
    pub(crate) fn note_fields(&mut self, head: &RequestHead<'_, '_>) {
        let said = &mut self.said;
        for (kind, _, value) in head.headers() {
            match kind {
                Name::Referer => said.set_referer(value),
                Name::UserAgent => said.set_user_agent(value),
                Name::Traceparent if self.traced.is_none() => {
                    let told = Traceparent::parse(value);
                    told.inspect(|it| said.set_trace_id(&it.trace.digits()));
                }
                _ => {}
            }
        }
    }

    /// `route`: what is counted of the one that was taken.
    pub(crate) fn received(&mut self, request: &Request, route: Option<&Rc<LocalFlow>>) {
        if let Some(route) = route {
            route.requests.add(1);
            self.route = Some(Rc::clone(route));
        }
        self.received = Some(clock::now());
        self.known = Some(Known {
            version: request.version,
            keep_alive: request.keep_alive && request.body.is_empty(),
            head_only: request.head_only,
            grpc: request.grpc,
        });
    }

    /// The request, once it was understood.
    pub(crate) fn request(&self) -> Option<Known> {
        self.known
    }

    /// It goes to a pool.
    pub(crate) fn enters(&mut self, pool: &Rc<LocalFlow>) {
        pool.requests.add(1);
        self.pool = Some(Rc::clone(pool));
    }

    /// A server is tried: `head` goes to it.
    pub(crate) fn tries(&mut self, server: &Rc<LocalServer>, worker: &Worker, head: &[u8]) {
        if let Some(before) = &self.server {
            let tally = before.tally(worker);
            tally.ends.took(self.tried_for());
            // Its answer was not passed on: its status is why there is this try.
            if let Some(status) = self.status.take() {
                tally.answers[class(Some(status))].add(1);
            }
        }
        self.answered = None;
        let tally = server.tally(worker);
        tally.requests.add(1);
        tally.retries.add(u64::from(self.tries > 0));
        if let Some(span) = self.exported_try() {
            self.asked.begin(span, server, self.tries, head);
        }
        self.tries += 1;
        self.trying = Some(clock::now());
        self.connected = None;
        self.server = Some(Rc::clone(server));
    }

    /// Nothing will be passed on of the try that was made last; `fault` is `None` after a status.
    pub(crate) fn missed(&mut self, fault: Option<Fault>) {
        if let Some(span) = self.exported_try() {
            self.asked.end(span, clock::now(), fault.map_or(TryEnd::Answered, TryEnd::Failed));
        }
    }

    /// Another server is asked besides: `head` goes to it. Returns the span it is to be told of.
    pub(crate) fn hedges(
        &mut self,
        server: &Rc<LocalServer>,
        worker: &Worker,
        head: &[u8],
    ) -> Option<SpanId> {
        server.tally(worker).requests.add(1);
        let span = self.traced.and_then(|traced| traced.new_span(worker));
        if let Some(span) = span.filter(|_| self.exported_try().is_some()) {
            self.asked.begin(span, server, self.tries, head);
        }
        self.tries += 1;
        span
    }

    /// That one has failed.
    pub(crate) fn hedge_missed(&mut self, span: Option<SpanId>, fault: Fault) {
        if let Some(span) = span {
            self.asked.end(span, clock::now(), TryEnd::Failed(fault));
        }
    }

    /// That one answers.
    pub(crate) fn hedged(
        &mut self,
        server: &Rc<LocalServer>,
        span: Option<SpanId>,
        (asked, connected): (Moment, Moment),
    ) {
        if let Some(first) = self.exported_try() {
            self.asked.end(first, clock::now(), TryEnd::GivenUp);
        }
        (self.trying, self.connected) = (Some(asked), Some(connected));
        self.server = Some(Rc::clone(server));
        if let (Some(traced), Some(span)) = (&mut self.traced, span) {
            traced.attempt = span;
        }
    }

    /// The span of the try that was made last, if somebody is told of it.
    fn exported_try(&self) -> Option<SpanId> {
        let traced = self.traced.as_ref()?;
        traced.exported.map(|_| traced.attempt)
    }

    /// The server that was tried has only said that the request may go on to another one.
    pub(crate) fn vouched_for(&mut self) {
        self.missed(None);
        (self.server, self.status, self.tries) = (None, None, 0);
        (self.trying, self.connected, self.answered) = (None, None, None);
    }

    pub(crate) fn connected(&mut self) {
        self.connected = Some(clock::now());
    }

    /// How long the server that was tried last has taken so far, or took.
    fn tried_for(&self) -> Duration {
        let until = self.answered.unwrap_or_else(clock::now);
        self.trying.map_or(Duration::ZERO, |trying| until.since(trying))
    }

    /// Returns how long the server took.
    pub(crate) fn answered(&mut self, status: u16) -> Duration {
        let now = clock::now();
        self.answered = Some(now);
        self.status = Some(status);
        if let Some(span) = self.exported_try() {
            self.asked.answered(span, status);
        }
        self.connected.map_or(Duration::ZERO, |connected| now.since(connected))
    }

    /// Bytes that went to the client, of which the first `head` are no body, and body bytes that
    /// went to the server.
    pub(crate) fn sent(&mut self, to_client: u64, head: usize, to_server: u64) {
        self.sent += to_client;
        self.body += to_client.saturating_sub(head as u64);
        self.uploaded += to_server;
    }

    /// The exchange is over: counts it and, if a log is kept, writes its line.
    pub(crate) fn finish(&mut self, client: &Client, fault: Option<Fault>) {
        if IS_RECORDING {
            self.tell(client, fault);
        }
        (self.server, self.route, self.pool) = (None, None, None);
        self.asked.clear();
        self.said.clear();
    }

    /// Those who read records: counters, log, exemplars, spans, and whoever keeps what failed or was slow.
    fn tell(&mut self, client: &Client, fault: Option<Fault>) {
        let now = clock::now();
        let worker = client.worker();
        let active = now.since(self.began);
        let tally = client.seat.slot.counts.tally(worker.index);
        tally.answers[class(self.status)].add(1);
        tally.bytes_sent.add(self.sent);
        tally.bytes_received.add(self.uploaded);
        tally.ends.count(active, self.status, fault);
        let bytes = (self.uploaded, self.sent);
        if let Some(route) = &self.route {
            route.finish((active, self.status, fault), bytes);
        }
        if let Some(pool) = &self.pool {
            let until = self.answered.unwrap_or(now);
            let took = self.received.map_or(Duration::ZERO, |received| until.since(received));
            pool.finish((took, self.status, fault), bytes);
        }
        if let Some(server) = &self.server {
            let tally = server.tally(worker);
            tally.ends.took(self.tried_for());
            tally.bytes_received.add(self.sent);
            tally.bytes_sent.add(self.uploaded);
            // A status that stands for a fault is this node's answer, not the server's.
            tally.answers[class(self.status.filter(|_| fault.is_none()))].add(1);
        }
        if let Some(fault) = fault
            && fault.verdict().blame != Blame::Client
        {
            client.seat.slot.counts.refuse(fault.label());
        }
        // The log of this moment: a long exchange must not hold on to one that was rotated.
        let plan = &worker.local().plan;
        let begun = self.answered.unwrap_or(now).since(self.began);
        let is_slow = plan.snapshot.config().slow.is_some_and(|slow| begun >= slow);
        let is_told = is_slow || is_error(self.status, fault);
        if let Some(log) = &plan.log {
            let of_trace = self.traced.map(|it| it.trace.id.chance());
            if is_told || log.0.keeps(|| of_trace.unwrap_or_else(|| worker.chance())) {
                worker.log.borrow_mut().write(log, &self.line(client, (fault, active)));
            } else {
                worker.vitals().log_lines_left_out.add(1);
            }
        }
        if let Some(traced) = self.traced.filter(|it| it.trace.is_sampled()) {
            let is_error = is_error(self.status, fault);
            self.show(traced.trace.id, (active, now), (&tally.ends, worker), is_error);
            self.export(traced, client, (fault, active));
        }
        if is_told {
            let line = self.line(client, (fault, active));
            let pool = self.pool.as_ref().map_or(line.pool, |pool| pool.name());
            worker.mishaps.tell(worker, &line, (pool, fault, is_slow));
        }
    }

    /// It may stand for others: somebody keeps its trace.
    fn show(
        &self,
        trace: TraceId,
        (active, now): (Duration, Moment),
        (listener, worker): (&Ends, &Worker),
        is_error: bool,
    ) {
        let at = clock::wall();
        let took = |took| Exemplar { trace, took, at };
        listener.show(took(active), is_error);
        if let Some(route) = &self.route {
            route.ends.show(took(active), is_error);
        }
        if let (Some(pool), Some(received)) = (&self.pool, self.received) {
            pool.ends.show(took(self.answered.unwrap_or(now).since(received)), is_error);
        }
        if let Some(server) = &self.server {
            server.tally(worker).ends.show(took(self.tried_for()), false);
        }
    }

    /// Tells of its spans, if somebody is told of them.
    fn export(
        &mut self,
        traced: Traced,
        client: &Client,
        (fault, active): (Option<Fault>, Duration),
    ) {
        let Some(span) = traced.exported else { return };
        self.missed(fault);
        self.asked.give_up(self.answered.unwrap_or_else(clock::now));
        let line = self.line(client, (fault, active));
        let ended = (client.seat.scheme(), fault);
        span::tell(client.worker(), (traced.trace, span), &line, ended, &self.asked);
    }

    fn line<'a>(
        &'a self,
        client: &'a Client,
        (fault, active): (Option<Fault>, Duration),
    ) -> Line<'a> {
        let since = |later: Option<Moment>, earlier: Option<Moment>| Some(later?.since(earlier?));
        let server = self.server.as_ref().map(|server| &server.server);
        Line {
            client: self.address.unwrap_or_else(|| client.seat.peer.ip().to_canonical()),
            client_port: client.seat.peer.port(),
            started: clock::wall().checked_sub(active).unwrap_or_else(clock::wall),
            listener: &client.seat.slot.name,
            route: self.route.as_ref().map_or("", |route| route.name()),
            pool: server.map_or("", |server| &server.pool),
            server: server.map_or("", |server| &server.name),
            said: &self.said,
            version: match self.known.map(|known| known.version) {
                Some(Version::Http2) => "HTTP/2.0",
                Some(Version::Http11) => "HTTP/1.1",
                Some(Version::Http10) => "HTTP/1.0",
                None => "",
            },
            status: self.status,
            bytes: self.body,
            request: self.received.unwrap_or_else(clock::now).since(self.began),
            wait: since(self.trying, self.received),
            connect: since(self.connected, self.trying),
            response: since(self.answered, self.connected),
            active,
            code: fault.map_or("--", |fault| fault.verdict().code),
            retries: self.tries.saturating_sub(1),
        }
    }
}

/// A tcp or tls stream that is over, or that never reached a server.
#[derive(Debug)]
pub(crate) struct StreamRecord<'a> {
    pub(crate) began: Moment,
    /// When the first server was tried, and when one was reached.
    pub(crate) trying: Moment,
    pub(crate) connected: Option<Moment>,
    pub(crate) pool: Option<&'a LocalFlow>,
    pub(crate) server: Option<&'a LocalServer>,
    pub(crate) tries: usize,
    pub(crate) from_client: u64,
    pub(crate) from_server: u64,
    pub(crate) fault: Option<Fault>,
}

impl StreamRecord<'_> {
    /// One that was not let in.
    pub(crate) fn refused(fault: Fault) -> Self {
        let now = clock::now();
        Self {
            began: now,
            trying: now,
            connected: None,
            pool: None,
            server: None,
            tries: 0,
            from_client: 0,
            from_server: 0,
            fault: Some(fault),
        }
    }

    /// Counts it and, if a log is kept, writes its line.
    pub(crate) fn finish(&self, seat: &Seat) {
        let worker = &seat.worker;
        let active = clock::now().since(self.began);
        let tally = seat.slot.counts.tally(worker.index);
        tally.bytes_received.add(self.from_client);
        tally.bytes_sent.add(self.from_server);
        tally.ends.count(active, None, self.fault);
        let reached = self.connected.unwrap_or_else(clock::now).since(self.trying);
        if let Some(pool) = self.pool {
            pool.finish((reached, None, self.fault), (self.from_client, self.from_server));
        }
        if let Some(server) = self.server {
            let tally = server.tally(worker);
            tally.ends.took(reached);
            tally.requests.add(1);
            tally.retries.add(self.tries.saturating_sub(1) as u64);
            tally.bytes_sent.add(self.from_client);
            tally.bytes_received.add(self.from_server);
        }
        if let Some(fault) = self.fault {
            seat.slot.counts.refuse(fault.label());
        }
        let local = worker.local();
        let log = local.plan.log.as_ref();
        let is_error = is_error(None, self.fault);
        let log = log.filter(|log| {
            let keeps = is_error || log.0.keeps(|| worker.chance());
            worker.vitals().log_lines_left_out.add(u64::from(!keeps));
            keeps
        });
        if log.is_none() && !is_error {
            return;
        }
        let said = Said::default();
        let line = Line {
            client: seat.peer.ip().to_canonical(),
            client_port: seat.peer.port(),
            started: clock::wall().checked_sub(active).unwrap_or_else(clock::wall),
            listener: &seat.slot.name,
            route: "",
            pool: self.server.map_or("", |local| &local.server.pool),
            server: self.server.map_or("", |local| &local.server.name),
            said: &said,
            version: "",
            status: None,
            bytes: self.from_server,
            request: self.trying.since(self.began),
            wait: Some(Duration::ZERO),
            connect: self.connected.map(|connected| connected.since(self.trying)),
            response: None,
            active,
            code: self.fault.map_or("--", |fault| fault.verdict().code),
            retries: u8::try_from(self.tries.saturating_sub(1)).unwrap_or(u8::MAX),
        };
        if let Some(log) = log {
            worker.log.borrow_mut().write(log, &line);
        }
        if is_error {
            let pool = self.pool.map_or("", |pool| pool.name());
            worker.mishaps.tell(worker, &line, (pool, self.fault, false));
        }
    }
}
