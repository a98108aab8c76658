//! Exchanges that failed or were slow, on their way to whoever keeps them.
//!
//! Only such an exchange is ever looked at, each worker tells so many a second and no more, and the
//! queue has an end: a storm of failures costs a count.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_core::fault::Fault;

use crate::clock;
use crate::log::Line;
use crate::worker::Worker;

/// What a worker tells in a second: enough to see every kind of failure there is.
const MOST_A_SECOND: u32 = 100;

/// What may be unread: ten seconds of ten workers are told before whoever reads falls behind.
pub(crate) const MOST_UNREAD: usize = 10_000;

/// Bytes kept of a host and of a target: to know them again, not to repeat them.
const MOST_BYTES: usize = 256;

/// An exchange that failed, or was slow.
#[derive(Clone, Debug)]
pub struct Mishap {
    /// When it was over.
    pub at: SystemTime,
    pub listener: Arc<str>,
    /// Absent names are empty, here and below.
    pub route: String,
    pub pool: String,
    pub server: String,
    pub client: IpAddr,
    pub method: String,
    pub host: String,
    /// As the client sent it.
    pub target: String,
    pub request_id: String,
    /// Empty where it belongs to no trace that is known of.
    pub trace_id: String,
    /// `None`: closed without an answer, or a stream.
    pub status: Option<u16>,
    /// The termination code; `--` when it ended as it should.
    pub code: &'static str,
    /// What went wrong, in words; empty when it was the server's own answer.
    pub fault: String,
    /// Further tries after the first.
    pub retries: u8,
    /// `HAProxy`'s timers TR, Tw, Tc, Tr and Ta; `None`: the phase was not reached.
    pub request: Duration,
    pub wait: Option<Duration>,
    pub connect: Option<Duration>,
    pub response: Option<Duration>,
    pub active: Duration,
    /// It took longer than it should.
    pub is_slow: bool,
    /// How many before it this worker has not told.
    pub unseen: u64,
}

/// What one worker has told.
#[derive(Debug, Default)]
pub(crate) struct Mishaps {
    second: Cell<u64>,
    told: Cell<u32>,
    unseen: Cell<u64>,
}

impl Mishaps {
    /// Tells of an exchange, unless so many were told already. `pool` is where it was to go, also if
    /// no server was found there.
    #[cold]
    pub(crate) fn tell(
        &self,
        worker: &Worker,
        line: &Line<'_>,
        (pool, fault, is_slow): (&str, Option<Fault>, bool),
    ) {
        let second = clock::now().as_micros() / 1_000_000;
        if self.second.replace(second) != second {
            self.told.set(0);
        }
        let told = self.told.get();
        let permit = (told < MOST_A_SECOND).then(|| worker.shared.mishaps.try_reserve().ok());
        let Some(permit) = permit.flatten() else {
            self.unseen.set(self.unseen.get() + 1);
            return;
        };
        self.told.set(told + 1);
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_BYTES)]).into_owned()
        };
        permit.send(Mishap {
            at: clock::wall(),
            listener: line.listener.into(),
            route: line.route.to_owned(),
            pool: pool.to_owned(),
            server: line.server.to_owned(),
            client: line.client,
            method: text(line.said.method()),
            host: text(line.said.host()),
            target: text(line.said.target()),
            request_id: text(line.said.request_id()),
            trace_id: text(line.said.trace_id()),
            status: line.status,
            code: line.code,
            fault: fault.map_or_else(String::new, |fault| fault.to_string()),
            retries: line.retries,
            request: line.request,
            wait: line.wait,
            connect: line.connect,
            response: line.response,
            active: line.active,
            is_slow,
            unseen: self.unseen.take(),
        });
    }
}
