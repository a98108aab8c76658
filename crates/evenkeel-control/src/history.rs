//! The history of this node: what is recorded goes over a queue with an end to a thread of its own,
//! which alone reads and writes what is kept.
//!
//! A slow or full disk costs steps, which are counted, and never the time of anybody else.

mod query;
mod shelf;
mod store;
mod writer;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use evenkeel_api as api;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::query::{Pattern, Query, QueryError};
use self::shelf::Shelf;
use self::writer::{Order, Writer};

/// The name of its folder in `state_dir`.
const FOLDER: &str = "history";

/// Ticks and questions that wait for a slow disk: a minute.
const MOST_ORDERS: usize = 64;

/// A node without a `state_dir` keeps its history in memory, and no more of it than this.
const MOST_MEMORY_BYTES: u64 = 8 << 20;

/// How long a slow disk may hold up the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The history of a node. Dropped, what is not written yet is written, by nobody waited for.
#[derive(Debug)]
pub(crate) struct History {
    orders: mpsc::Sender<Order>,
    told: Arc<Told>,
}

/// What the thread tells of itself.
#[derive(Debug, Default)]
pub(crate) struct Told {
    is_on: AtomicBool,
    bytes: AtomicU64,
    lost: AtomicU64,
    failing: AtomicBool,
    /// Events that nobody has announced yet. At most a few: one for each change.
    news: Mutex<Vec<(&'static str, String)>>,
}

/// How the history is, for `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) bytes: u64,
    /// Steps that were not written.
    pub(crate) lost: u64,
    pub(crate) is_failing: bool,
}

impl History {
    /// Of so many bytes at most; 0: none is kept. Without a directory it is kept in memory.
    pub(crate) fn start(directory: Option<&Path>, bytes: u64) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel(MOST_ORDERS);
        let told = Arc::new(Told::default());
        told.is_on.store(bytes > 0, Ordering::Relaxed);
        let shelf = directory.map_or_else(Shelf::memory, |it| Shelf::folder(it.join(FOLDER)));
        let writer = Writer::new(shelf, bytes, Arc::clone(&told));
        thread::Builder::new().name("history".into()).spawn(move || writer.run(inbox))?;
        Ok(Self { orders, told })
    }

    /// From now on of so many bytes at most.
    pub(crate) fn resize(&self, bytes: u64) {
        self.told.is_on.store(bytes > 0, Ordering::Relaxed);
        // A full queue is one that the next change of the configuration finds empty again.
        let _ = self.orders.try_send(Order::Resize(bytes));
    }

    pub(crate) fn is_on(&self) -> bool {
        self.told.is_on.load(Ordering::Relaxed)
    }

    /// Adds a second.
    pub(crate) fn record(&self, tick: Arc<api::Tick>) {
        if self.orders.try_send(Order::Record(tick)).is_err() {
            self.told.lose(1);
        }
    }

    /// Writes what is not written yet, and leaves what is kept to another process, until something
    /// is recorded again. Returns once that is done, at the latest after [`PATIENCE`].
    pub(crate) async fn leave(&self) {
        let (done, left) = oneshot::channel();
        let leaving = async {
            if self.orders.send(Order::Leave(done)).await.is_ok() {
                // The thread has ended: there is nothing to wait for.
                let _ = left.await;
            }
        };
        // A disk that takes longer has had its time; ten seconds are lost.
        let _ = tokio::time::timeout(PATIENCE, leaving).await;
    }

    /// What was.
    pub(crate) async fn ask(&self, query: Query) -> Result<api::History, QueryError> {
        let (answer, answered) = oneshot::channel();
        self.orders.try_send(Order::Ask(query, answer)).map_err(|_full| QueryError::Busy)?;
        answered.await.unwrap_or(Err(QueryError::Busy))
    }

    /// What an operator should know of and was not told.
    pub(crate) fn news(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut *self.told.news())
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing {
            bytes: self.told.bytes.load(Ordering::Relaxed),
            lost: self.told.lost.load(Ordering::Relaxed),
            is_failing: self.told.failing.load(Ordering::Relaxed),
        }
    }
}

impl Told {
    fn lose(&self, steps: u64) {
        self.lost.fetch_add(steps, Ordering::Relaxed);
    }

    /// It works, or does not and why; told when that changes.
    fn stands(&self, problem: Option<String>) {
        let was_failing = self.failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !was_failing => self.news().push(("history-failing", problem)),
            None if was_failing => {
                self.news().push(("history-recovered", "it is written again".to_owned()));
            }
            _ => {}
        }
    }

    fn news(&self) -> MutexGuard<'_, Vec<(&'static str, String)>> {
        // Whole entries are added or taken: a panic leaves nothing half-made.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
