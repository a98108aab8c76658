//! The flight recorder: what failed or was slow in the last hour, and what changed, in memory.

mod causes;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use evenkeel_api as api;
use evenkeel_engine::Mishap;
use tokio::sync::mpsc;

use crate::node::Node;

/// How long it remembers.
const KEPT: Duration = Duration::from_hours(1);

/// Exchanges kept, of some 700 bytes each: 7 MiB in an hour in which much goes wrong.
const MOST_EXCHANGES: usize = 10_000;

/// Events kept, of some 200 bytes each.
const MOST_EVENTS: usize = 2_000;

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Tape>);

#[derive(Debug, Default)]
struct Tape {
    /// The oldest first, each with how many before it were not kept.
    exchanges: VecDeque<(api::RecordedExchange, u64)>,
    events: VecDeque<api::Event>,
}

/// What is asked for; `None` and empty: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) listener: Option<String>,
    pub(crate) pool: Option<String>,
    /// Of `pool`.
    pub(crate) server: Option<String>,
    pub(crate) slow: bool,
    /// The first moment, in milliseconds since 1970; of the last hour in any case.
    pub(crate) from: u64,
    /// The last one; `None`: now.
    pub(crate) to: Option<u64>,
    /// Of the exchanges, not of what is said of all of them.
    pub(crate) limit: usize,
    pub(crate) with_events: bool,
}

impl Recorder {
    /// Something has changed.
    pub(crate) fn event(&self, event: &api::Event) {
        let mut tape = self.tape();
        if tape.events.len() == MOST_EVENTS {
            tape.events.pop_front();
        }
        tape.events.push_back(event.clone());
    }

    fn exchange(&self, mishap: &Mishap) {
        let mut tape = self.tape();
        let mut unseen = mishap.unseen;
        if tape.exchanges.len() == MOST_EXCHANGES
            && let Some((_, before)) = tape.exchanges.pop_front()
        {
            unseen += 1 + before;
        }
        tape.exchanges.push_back((document(mishap), unseen));
    }

    /// What is remembered of it.
    pub(crate) fn recall(&self, wanted: &Wanted, now: SystemTime) -> api::Recorded {
        let mut tape = self.tape();
        let old = millis(now.checked_sub(KEPT).unwrap_or(SystemTime::UNIX_EPOCH));
        while tape.exchanges.front().is_some_and(|(it, _)| it.at < old) {
            tape.exchanges.pop_front();
        }
        while tape.events.front().is_some_and(|it| millis(it.at.0) < old) {
            tape.events.pop_front();
        }
        let from = wanted.from.max(old);
        let is_later = |it: &api::RecordedExchange| wanted.to.is_some_and(|to| it.at > to);
        let recent = || {
            let until_then = tape.exchanges.iter().rev().skip_while(move |(it, _)| is_later(it));
            until_then.take_while(|(it, _)| it.at >= from)
        };
        let matching = || recent().map(|(it, _)| it).filter(|it| wanted.is(it));
        let with_cause = |it: &api::RecordedExchange| api::RecordedExchange {
            cause: causes::cause(it, wanted.slow),
            ..it.clone()
        };
        let events = tape.events.iter().rev().filter(|_| wanted.with_events);
        api::Recorded {
            from,
            matched: matching().count() as u64,
            unseen: recent().map(|(_, unseen)| unseen).sum(),
            causes: causes::causes(matching(), wanted.slow),
            exchanges: matching().take(wanted.limit).map(with_cause).collect(),
            events: events.cloned().collect(),
        }
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        // Whole entries are added or taken: a panic leaves nothing half-made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    /// The most of an answer.
    pub(crate) const MOST: usize = MOST_EXCHANGES;

    fn is(&self, it: &api::RecordedExchange) -> bool {
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        self.status.is_none_or(|status| it.status == Some(status))
            && fits(&self.code, &it.code)
            && fits(&self.listener, &it.listener)
            && fits(&self.pool, &it.pool)
            && fits(&self.server, &it.server)
            && (it.slow || !self.slow)
    }
}

/// Keeps what the engine tells; never returns.
pub(crate) async fn keep_recording(node: &Node, mishaps: &mut Option<mpsc::Receiver<Mishap>>) {
    let Some(mishaps) = mishaps else { return std::future::pending().await };
    while let Some(mishap) = mishaps.recv().await {
        node.recorder().exchange(&mishap);
    }
    // The engine is gone: there is nothing to remember any more.
    std::future::pending::<()>().await;
}

fn document(it: &Mishap) -> api::RecordedExchange {
    api::RecordedExchange {
        at: millis(it.at),
        listener: it.listener.to_string(),
        route: it.route.clone(),
        pool: it.pool.clone(),
        server: it.server.clone(),
        client: it.client.to_string(),
        method: it.method.clone(),
        host: it.host.clone(),
        target: it.target.clone(),
        request_id: it.request_id.clone(),
        trace_id: it.trace_id.clone(),
        status: it.status,
        code: it.code.to_owned(),
        fault: it.fault.clone(),
        // Said when somebody asks: it depends on the question.
        cause: String::new(),
        retries: it.retries,
        request_seconds: it.request.as_secs_f64(),
        wait_seconds: it.wait.map(|it| it.as_secs_f64()),
        connect_seconds: it.connect.map(|it| it.as_secs_f64()),
        response_seconds: it.response.map(|it| it.as_secs_f64()),
        active_seconds: it.active.as_secs_f64(),
        slow: it.is_slow,
    }
}

pub(crate) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn mishap(second: u64, status: u16, server: &str) -> Mishap {
        Mishap {
            at: at(second),
            listener: "web".into(),
            route: String::new(),
            pool: "app".to_owned(),
            server: server.to_owned(),
            client: IpAddr::from([192, 0, 2, 7]),
            method: "GET".to_owned(),
            host: "shop.example".to_owned(),
            target: "/x".to_owned(),
            request_id: String::new(),
            trace_id: String::new(),
            status: Some(status),
            code: "SC",
            fault: "no server may be used".to_owned(),
            retries: 0,
            request: Duration::ZERO,
            wait: None,
            connect: None,
            response: None,
            active: Duration::from_millis(3),
            is_slow: status == 200,
            unseen: 0,
        }
    }

    fn wanted() -> Wanted {
        Wanted { limit: 10, with_events: true, ..Wanted::default() }
    }

    #[test]
    fn an_hour_is_remembered_the_newest_first() {
        let recorder = Recorder::default();
        for (second, status, server) in [(10, 503, "a"), (4_000, 503, "a"), (4_010, 200, "b")] {
            recorder.exchange(&mishap(second, status, server));
        }
        let seen = |wanted: Wanted| -> Vec<u64> {
            let all = recorder.recall(&wanted, at(4_020)).exchanges;
            all.iter().map(|it| it.at / 1_000).collect()
        };
        assert_eq!(seen(wanted()), [4_010, 4_000]);
        assert_eq!(seen(Wanted { status: Some(503), ..wanted() }), [4_000]);
        assert_eq!(seen(Wanted { slow: true, ..wanted() }), [4_010]);
        assert_eq!(seen(Wanted { server: Some("b".to_owned()), ..wanted() }), [4_010]);
        assert_eq!(seen(Wanted { from: 4_005_000, ..wanted() }), [4_010]);
        assert_eq!(seen(Wanted { to: Some(4_005_000), ..wanted() }), [4_000]);
        assert_eq!(seen(Wanted { code: Some("sC".to_owned()), ..wanted() }), [0; 0]);
        assert_eq!(recorder.recall(&Wanted { limit: 1, ..wanted() }, at(4_020)).matched, 2);
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let recorder = Recorder::default();
        for _ in 0..MOST_EXCHANGES + 5 {
            recorder.exchange(&mishap(100, 503, "a"));
        }
        recorder.exchange(&Mishap { unseen: 40, ..mishap(100, 503, "a") });
        let recorded = recorder.recall(&wanted(), at(110));
        assert_eq!((recorded.matched, recorded.unseen), (MOST_EXCHANGES as u64, 46));
        assert_eq!(recorded.exchanges.len(), 10);
    }

    #[test]
    fn every_termination_code_is_explained() {
        let manual = include_str!("../../../docs/termination-codes.md");
        for code in evenkeel_core::fault::Fault::CODES {
            let row = manual.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
            let cells = row.map(|row| row.split('|').filter(|cell| cell.trim().len() > 5).count());
            assert_eq!(cells, Some(2), "{code}: what happened, and what to do");
        }
    }
}
