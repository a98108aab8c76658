//! The spans of an exchange, on their way to whoever exports them: that of the exchange with the
//! client, and one for each try.
//!
//! Nothing of this is done unless they are exported and the trace is sampled. The queue has an end:
//! a reader that is too slow costs a count.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_core::fault::Fault;
use evenkeel_core::moment::Moment;
use evenkeel_core::trace::{SpanId, Trace};

use crate::clock;
use crate::connect::LocalServer;
use crate::log::Line;
use crate::worker::Worker;

/// Exchanges that may be unread, some 2 MiB: as many spans as OpenTelemetry's own exporters hold.
pub(crate) const MOST_UNREAD: usize = 2_048;

/// Bytes kept of each thing that was said: with the tries there may be, an exchange stays below
/// 10 KiB, whatever a client sends.
const MOST_BYTES: usize = 512;

/// An exchange that is over.
#[derive(Clone, Debug)]
pub struct TracedExchange {
    pub trace: Trace,
    pub span: SpanId,
    pub began: SystemTime,
    pub took: Duration,
    pub listener: Arc<str>,
    /// Absent names are empty, here and below.
    pub route: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    pub client: IpAddr,
    pub client_port: u16,
    pub method: String,
    pub host: String,
    /// As the client sent it.
    pub target: String,
    pub user_agent: String,
    /// `HTTP/1.1`
    pub version: &'static str,
    /// `None`: closed without an answer.
    pub status: Option<u16>,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// In the order in which they began.
    pub tries: Vec<TracedTry>,
}

/// A server that was asked.
#[derive(Clone, Debug)]
pub struct TracedTry {
    pub span: SpanId,
    pub pool: Arc<str>,
    pub server: Arc<str>,
    pub address: SocketAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// As they were sent to this server.
    pub method: String,
    pub target: String,
    /// How many were asked before, for the same.
    pub before: u8,
    pub began: SystemTime,
    pub took: Duration,
    /// `None`: it did not answer.
    pub status: Option<u16>,
    pub end: TryEnd,
}

/// How a try has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryEnd {
    /// With an answer, which was passed on or was not good enough.
    Answered,
    Failed(Fault),
    /// Another server that was asked besides had answered before.
    GivenUp,
}

/// The tries of an exchange so far; empty where nobody is told of them.
#[derive(Debug, Default)]
pub(crate) struct Tries(Vec<Try>);

#[derive(Debug)]
struct Try {
    span: SpanId,
    server: Rc<LocalServer>,
    method: String,
    target: String,
    before: u8,
    began: Moment,
    status: Option<u16>,
    /// `None`: it is under way.
    ended: Option<(Moment, TryEnd)>,
}

impl Tries {
    /// `head` goes to `server`, which is the one after so many `before`.
    #[cold]
    pub(crate) fn begin(
        &mut self,
        span: SpanId,
        server: &Rc<LocalServer>,
        before: u8,
        head: &[u8],
    ) {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ').map(text);
        self.0.push(Try {
            span,
            server: Rc::clone(server),
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            before,
            began: clock::now(),
            status: None,
            ended: None,
        });
    }

    /// The server has answered so. What is said later in its place by this node does not count.
    pub(crate) fn answered(&mut self, span: SpanId, status: u16) {
        if let Some(one) = self.under_way(span) {
            one.status.get_or_insert(status);
        }
    }

    /// The try is over, unless it was before.
    pub(crate) fn end(&mut self, span: SpanId, at: Moment, end: TryEnd) {
        if let Some(one) = self.under_way(span) {
            one.ended = Some((at, end));
        }
    }

    fn under_way(&mut self, span: SpanId) -> Option<&mut Try> {
        self.0.iter_mut().rfind(|one| one.span == span && one.ended.is_none())
    }

    /// Whatever is not over is given up `at` this moment.
    pub(crate) fn give_up(&mut self, at: Moment) {
        for one in self.0.iter_mut().filter(|one| one.ended.is_none()) {
            one.ended = Some((at, TryEnd::GivenUp));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Tells of an exchange that is over, unless too much is unread.
#[cold]
pub(crate) fn tell(
    worker: &Worker,
    (trace, span): (Trace, SpanId),
    line: &Line<'_>,
    (scheme, fault): (&'static str, Option<Fault>),
    tries: &Tries,
) {
    let Ok(permit) = worker.shared.spans.try_reserve() else {
        worker.vitals().spans_dropped.add(1 + tries.0.len() as u64);
        return;
    };
    let now = clock::now();
    let wall = line.started + line.active;
    let tries = tries.0.iter().map(|one| {
        let server = &one.server.server;
        let (ended, end) = one.ended.unwrap_or((now, TryEnd::GivenUp));
        TracedTry {
            span: one.span,
            pool: Arc::clone(&server.pool),
            server: Arc::clone(&server.name),
            address: server.address,
            scheme: one.server.scheme(),
            method: one.method.clone(),
            target: one.target.clone(),
            before: one.before,
            began: wall.checked_sub(now.since(one.began)).unwrap_or(wall),
            took: ended.since(one.began),
            status: one.status,
            end,
        }
    });
    permit.send(TracedExchange {
        trace,
        span,
        began: line.started,
        took: line.active,
        listener: line.listener.into(),
        route: line.route.to_owned(),
        scheme,
        client: line.client,
        client_port: line.client_port,
        method: text(line.said.method()),
        host: text(line.said.host()),
        target: text(line.said.target()),
        user_agent: text(line.said.user_agent()),
        version: line.version,
        status: line.status,
        fault,
        tries: tries.collect(),
    });
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_BYTES)]).into_owned()
}
