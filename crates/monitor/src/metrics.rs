//! `/metrics`: what this process counts, in the text format of Prometheus.

mod exposition;
mod histogram;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::exposition::{Exposition, Kind};
pub(crate) use self::histogram::Histogram;
use crate::protocol::{Answer, Closing, Delay, Refusal};
use crate::store::Store;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What comm counts.
#[derive(Debug)]
pub(crate) struct CommMetrics {
    store: Arc<Store>,
    pub(crate) connections: Counter,
    /// Connections that came and went without a word: checks of a balancer do.
    pub(crate) probes: Counter,
    /// Connections that devices or their networks ended.
    pub(crate) gone: Counter,
    pub(crate) accept_failed: Counter,
    acknowledged: Counter,
    refused: [Counter; Refusal::ALL.len()],
    retried: [Counter; Delay::ALL.len()],
    closed: [Counter; Closing::ALL.len()],
}

impl CommMetrics {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            connections: Counter::default(),
            probes: Counter::default(),
            gone: Counter::default(),
            accept_failed: Counter::default(),
            acknowledged: Counter::default(),
            refused: Default::default(),
            retried: Default::default(),
            closed: Default::default(),
        }
    }

    pub(crate) fn answered(&self, answer: Answer) {
        match answer {
            Answer::Ack(_) => self.acknowledged.inc(),
            Answer::Refused(_, why) => self.refused[why as usize].inc(),
            Answer::Retry(_, _, why) => self.retried[why as usize].inc(),
            Answer::Welcome { .. } | Answer::Pong | Answer::Closing(..) => {}
        }
    }

    pub(crate) fn closed(&self, why: Closing) {
        self.closed[why as usize].inc();
    }

    /// Everything, as it is now; `open` connections.
    pub(crate) fn text(&self, open: usize) -> String {
        use Kind::{Counter, Gauge};
        let mut text = Exposition::default();
        for (name, kind, help, value) in [
            ("connections_open", Gauge, "Connections of devices.", open as u64),
            ("connections_total", Counter, "Connections accepted.", self.connections.get()),
            ("probes_total", Counter, "Of these, gone without a word.", self.probes.get()),
            ("connections_gone_total", Counter, "Of these, ended by devices.", self.gone.get()),
            ("accept_failed_total", Counter, "Failed accepts.", self.accept_failed.get()),
            ("acknowledged_total", Counter, "Readings stored.", self.acknowledged.get()),
            ("devices", Gauge, "Devices known.", self.store.directory().len() as u64),
        ] {
            text.single(&format!("monitor_comm_{name}"), kind, help, value);
        }
        let refused = Refusal::ALL.iter().map(|why| why.word()).zip(&self.refused);
        let retried = Delay::ALL.iter().map(|why| why.word()).zip(&self.retried);
        let closed = Closing::ALL.iter().map(|why| why.word()).zip(&self.closed);
        text.by_reason("monitor_comm_refused_total", "Readings refused for good.", refused);
        text.by_reason("monitor_comm_retry_total", "Readings put off.", retried);
        text.by_reason("monitor_comm_closed_total", "Connections closed by comm.", closed);
        about_store(&mut text, &self.store);
        text.into_text()
    }
}

/// What web counts.
#[derive(Debug)]
pub(crate) struct WebMetrics {
    store: Arc<Store>,
    pub(crate) connections: Counter,
    /// Connections that came and went without a byte: checks of a balancer do.
    pub(crate) probes: Counter,
    pub(crate) handshakes_failed: Counter,
    /// Answers by the first digit of their code.
    answers: [Counter; CLASSES.len()],
    pages: Histogram,
    api: Histogram,
}

/// Classes of codes, from 1xx.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl WebMetrics {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            connections: Counter::default(),
            probes: Counter::default(),
            handshakes_failed: Counter::default(),
            answers: Default::default(),
            pages: Histogram::default(),
            api: Histogram::default(),
        }
    }

    pub(crate) fn answered(&self, is_api: bool, code: u16, took: Duration) {
        if let Some(class) = self.answers.get(usize::from(code / 100).wrapping_sub(1)) {
            class.inc();
        }
        if is_api { self.api.observe(took) } else { self.pages.observe(took) }
    }

    /// Everything, as it is now.
    pub(crate) fn text(&self) -> String {
        let mut text = Exposition::default();
        for (name, help, value) in [
            ("connections", "Connections accepted.", self.connections.get()),
            ("probes", "Of these, gone without a byte.", self.probes.get()),
            ("handshakes_failed", "Of these, without TLS.", self.handshakes_failed.get()),
        ] {
            text.single(&format!("monitor_web_{name}_total"), Kind::Counter, help, value);
        }
        let answers = CLASSES.into_iter().zip(self.answers.iter().map(Counter::get));
        text.by("monitor_web_answers_total", Kind::Counter, "Answers.", "code", answers);
        let times = [("page", &self.pages), ("api", &self.api)].into_iter();
        text.histograms("monitor_web_request_seconds", "Requests.", "kind", times);
        about_store(&mut text, &self.store);
        text.into_text()
    }
}

/// What every process says of its shards.
fn about_store(text: &mut Exposition, store: &Store) {
    let shards = store.shards();
    let each = |count: fn(&crate::store::Shard) -> u64| {
        shards.iter().map(move |shard| (shard.name(), count(shard)))
    };
    let up = each(|shard| u64::from(!shard.is_down()));
    text.by("monitor_shard_up", Kind::Gauge, "Whether it answered last.", "shard", up);
    for (name, help, value) in [
        ("max", "Sessions that may be open.", each(|shard| shard.pool().max as u64)),
        ("in_use", "Sessions at work.", each(|shard| shard.pool().in_use as u64)),
        ("idle", "Sessions that wait for work.", each(|shard| shard.pool().idle as u64)),
        ("waiting", "Askers that wait for one.", each(|shard| shard.pool().waiting as u64)),
    ] {
        let name = format!("monitor_pool_sessions_{name}");
        text.by(&name, Kind::Gauge, help, "shard", value);
    }
    for (name, help, value) in [
        ("stored", "Records stored.", each(|shard| shard.figures().stored.get())),
        ("repeated", "Records that were there.", each(|shard| shard.figures().repeated.get())),
        ("failed", "Records not stored then.", each(|shard| shard.figures().failed.get())),
    ] {
        let name = format!("monitor_records_{name}_total");
        text.by(&name, Kind::Counter, help, "shard", value);
    }
    let batches = shards.iter().map(|shard| (shard.name(), &shard.figures().batches));
    let help = "Transactions of the writer.";
    text.histograms("monitor_write_seconds", help, "shard", batches);
    let answers = shards.iter().map(|shard| (shard.name(), shard.answers()));
    let help = "Questions to the shard, with the wait for a session.";
    text.histograms("monitor_query_seconds", help, "shard", answers);
}
