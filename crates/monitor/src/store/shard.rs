//! One shard: its sessions, its writer, and whether it answers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::maria::Copy;
use super::pool::{Pool, PoolState};
use super::sql::{Dialect, Fault, Session};
use super::writer::{self, Figures, Submission};
use super::{Address, schema};
use crate::clock;
use crate::metrics::Histogram;

/// After a fault, for so long nobody is sent to the shard: who waits is told to come back.
const PAUSE_MS: u64 = 500;

#[derive(Debug)]
pub(crate) struct Shard {
    index: usize,
    name: String,
    address: Address,
    is_current: AtomicBool,
    sessions: Arc<Pool>,
    /// With the replica, where there is one.
    readers: Arc<Pool>,
    /// Until then it is taken to be down, in milliseconds since 1970.
    down_until_ms: AtomicU64,
    figures: Arc<Figures>,
    answers: Histogram,
}

impl Shard {
    pub(super) fn new(index: usize, address: Address) -> Arc<Self> {
        Arc::new(Self {
            index,
            name: format!("shard{index}"),
            address,
            is_current: AtomicBool::new(false),
            sessions: Arc::new(Pool::new()),
            readers: Arc::new(Pool::new()),
            down_until_ms: AtomicU64::new(0),
            figures: Arc::default(),
            answers: Histogram::default(),
        })
    }

    /// The copy of shard number `index` in `file`.
    pub(crate) fn in_file(index: usize, file: &Path) -> Arc<Self> {
        Self::new(index, Address::Sqlite(file.to_owned()))
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// `shard0` and so on, by its place in the settings.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.address.dialect()
    }

    pub(crate) fn pool(&self) -> PoolState {
        self.sessions.state()
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// How long questions took.
    pub(crate) fn answers(&self) -> &Histogram {
        &self.answers
    }

    /// Whether it failed a moment ago.
    pub(crate) fn is_down(&self) -> bool {
        clock::now_ms() < self.down_until_ms.load(Ordering::Relaxed)
    }

    /// A new session with the schema up to date.
    pub(super) fn open(&self) -> Result<Box<dyn Session>, Fault> {
        let mut session = self.address.open()?;
        if !self.is_current.load(Ordering::Relaxed) {
            schema::migrate(&mut *session, self.dialect(), self.index)?;
            self.is_current.store(true, Ordering::Relaxed);
        }
        Ok(session)
    }

    /// Runs `work` with a session of this shard.
    pub(super) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut dyn Session) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let shard = Arc::clone(self);
        let began = clock::instant();
        let done = self.sessions.with(move || shard.open(), work).await;
        self.answers.observe(began.elapsed());
        self.note(&done);
        done
    }

    /// Runs `work`, which only reads and may see what was there some seconds ago, with a session
    /// of the replica; without one that follows, of the shard.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut dyn Session) -> Result<T, Fault> + Clone + Send + 'static,
    ) -> Result<T, Fault> {
        if self.address.has_replica() {
            let shard = Arc::clone(self);
            let began = clock::instant();
            let open = move || shard.address.open_replica();
            if let Ok(done) = self.readers.with(open, work.clone()).await {
                self.answers.observe(began.elapsed());
                return Ok(done);
            }
        }
        self.with(work).await
    }

    /// How the copy is; `None` without one.
    pub(crate) async fn copy(self: &Arc<Self>) -> Option<Copy> {
        let shard = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || shard.address.copy());
        asked.await.expect("asking does not panic")
    }

    /// Remembers how the shard did, and tells when that changed.
    pub(super) fn note<T>(&self, done: &Result<T, Fault>) {
        let until = match done {
            Ok(_) | Err(Fault::Refused(_)) => 0,
            Err(Fault::Down(_) | Fault::Misplaced(_)) => clock::now_ms() + PAUSE_MS,
        };
        // The common case is a load.
        if self.down_until_ms.load(Ordering::Relaxed) == until {
            return;
        }
        let before = self.down_until_ms.swap(until, Ordering::Relaxed);
        match (before, done) {
            (0, Err(fault)) => tracing::warn!("{} is down: {fault}", self.name),
            (1.., Ok(_)) => tracing::info!("{} answers again", self.name),
            _ => {}
        }
    }

    /// Starts the thread that writes what is submitted. It ends when the last sender is gone and
    /// everything is written.
    pub(crate) fn start_writer(
        self: &Arc<Self>,
    ) -> std::io::Result<(mpsc::Sender<Submission>, std::thread::JoinHandle<()>)> {
        writer::start(Arc::clone(self), Arc::clone(&self.figures))
    }

    /// Asks for the least it can answer.
    pub(crate) async fn ask(self: &Arc<Self>) -> Result<(), Fault> {
        self.with(|session| session.query("SELECT value FROM meta LIMIT 1", &[]).map(|_| ())).await
    }
}
