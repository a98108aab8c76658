//! What the node does, second by second: for those who watch, and for the history.

mod tick;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use evenkeel_api as api;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::tick::{Sample, tick};
use crate::clock;
use crate::node::Node;

/// Who may watch at once: people with pages open, and no more than a node wants to write to.
const MOST_READERS: usize = 64;

/// The newest tick as text, made once for all readers. One who is slow misses those between.
#[derive(Debug)]
pub(crate) struct Live {
    newest: watch::Sender<Arc<str>>,
    readers: Arc<Semaphore>,
    /// Of the last second, for the other node of a pair; `None` while nobody looks.
    totals: Mutex<Option<api::PeerFigures>>,
}

/// Who watches.
#[derive(Debug)]
pub(crate) struct Reader {
    newest: watch::Receiver<Arc<str>>,
    _one_of_them: OwnedSemaphorePermit,
}

impl Default for Live {
    fn default() -> Self {
        let readers = Arc::new(Semaphore::new(MOST_READERS));
        Self { newest: watch::Sender::new("".into()), readers, totals: Mutex::default() }
    }
}

impl Live {
    /// `None`: there are as many readers as there may be.
    pub(crate) fn read(&self) -> Option<Reader> {
        let permit = Arc::clone(&self.readers).try_acquire_owned().ok()?;
        Some(Reader { newest: self.newest.subscribe(), _one_of_them: permit })
    }

    /// What the node did in the last second as a whole.
    pub(crate) fn totals(&self) -> Option<api::PeerFigures> {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_totals(&self, totals: Option<api::PeerFigures>) {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner) = totals;
    }

    fn is_read(&self) -> bool {
        self.newest.receiver_count() > 0
    }
}

impl Reader {
    /// The next tick; `None` at the end of the node.
    pub(crate) async fn next(&mut self) -> Option<Arc<str>> {
        self.newest.changed().await.ok()?;
        Some(Arc::clone(&self.newest.borrow_and_update()))
    }
}

/// Looks at the counters on each whole second, if anybody wants to know; never returns.
pub(crate) async fn keep_figures(node: &Node) {
    let mut before: Option<Sample> = None;
    loop {
        tokio::time::sleep(until_next_second(clock::now())).await;
        let history = node.history();
        for (kind, message) in history.news() {
            node.announce(kind, message);
        }
        let is_kept = history.is_on() && node.is_in_charge();
        if !is_kept && !node.live().is_read() && !node.pair().is_heard() {
            before = None;
            node.live().set_totals(None);
            continue;
        }
        let sample = Sample::take(node);
        if let Some(before) = &before {
            let tick = Arc::new(tick(before, &sample));
            node.live().set_totals(Some(totals(&tick)));
            if node.live().is_read() {
                let text = serde_json::to_string(&*tick).expect("a tick is made of plain values");
                node.live().newest.send_replace(text.into());
            }
            if is_kept {
                history.record(tick);
            }
        }
        before = Some(sample);
    }
}

fn totals(tick: &api::Tick) -> api::PeerFigures {
    let listeners = || tick.listeners.values();
    api::PeerFigures {
        rate: listeners().map(|it| it.rate).sum(),
        errors: listeners().map(|it| it.errors).sum(),
        connections: listeners().map(|it| it.connections).sum(),
        cpu: tick.node.cpu,
    }
}

fn until_next_second(now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_nanos((1_000_000_000 - since.subsec_nanos()).into())
}
