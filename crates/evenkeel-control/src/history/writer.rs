//! The thread of the history.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use evenkeel_api as api;
use evenkeel_core::history::Tier;
use evenkeel_core::history::ladder::{Due, Ladder};
use tokio::sync::{mpsc, oneshot};

use super::query::{Query, QueryError};
use super::shelf::Shelf;
use super::store::Store;
use super::{MOST_MEMORY_BYTES, Told};

/// Ticks kept while another process still has the folder: an upgrade takes some seconds.
const MOST_WAITING: usize = 60;

/// What it is told.
#[derive(Debug)]
pub(super) enum Order {
    Record(Arc<api::Tick>),
    Ask(Query, oneshot::Sender<Result<api::History, QueryError>>),
    Resize(u64),
    Leave(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Writer {
    place: Place,
    most_bytes: u64,
    ladder: Ladder,
    waiting: VecDeque<Arc<api::Tick>>,
    told: Arc<Told>,
}

/// What is kept, or where it would be.
#[derive(Debug)]
enum Place {
    Open(Box<Store>),
    Closed(Shelf),
    /// Between the two.
    Nowhere,
}

impl Writer {
    pub(super) fn new(shelf: Shelf, bytes: u64, told: Arc<Told>) -> Self {
        let most_bytes = if shelf.is_memory() { bytes.min(MOST_MEMORY_BYTES) } else { bytes };
        Self {
            place: Place::Closed(shelf),
            most_bytes,
            ladder: Ladder::default(),
            waiting: VecDeque::new(),
            told,
        }
    }

    /// Obeys until nobody is left to give orders.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = inbox.blocking_recv() {
            match order {
                Order::Record(tick) => self.record(tick),
                Order::Ask(query, answer) => {
                    // Who asked may be gone.
                    let _ = answer.send(self.ask(&query));
                }
                Order::Resize(bytes) => self.resize(bytes),
                Order::Leave(done) => {
                    self.leave();
                    // Who asked may have lost patience.
                    let _ = done.send(());
                }
            }
        }
        self.leave();
    }

    fn record(&mut self, tick: Arc<api::Tick>) {
        if self.most_bytes == 0 {
            return;
        }
        self.waiting.push_back(tick);
        if let Err(error) = self.open() {
            if self.waiting.len() > MOST_WAITING {
                self.waiting.pop_front();
                self.told.lose(1);
                self.told.stands(Some(format!("the history cannot be kept: {error}")));
            }
            return;
        }
        while let Place::Open(store) = &mut self.place
            && let Some(tick) = self.waiting.pop_front()
        {
            let row = store.row(&tick);
            let due = self.ladder.push(&row);
            self.write(due);
        }
    }

    fn write(&mut self, due: Vec<Due>) {
        let Place::Open(store) = &mut self.place else { return };
        for (tier, block) in due {
            let written = store.append(tier, &block);
            if let (Err(_), Tier::Second) = (&written, tier) {
                self.told.lose(block.steps as u64);
            }
            let problem = |error: io::Error| format!("the history cannot be written: {error}");
            self.told.stands(written.err().map(problem));
        }
        self.told.bytes.store(store.bytes(), Ordering::Relaxed);
    }

    /// Has the store open.
    fn open(&mut self) -> io::Result<()> {
        let shelf = match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::Closed(shelf) => shelf,
            other => {
                self.place = other;
                return Ok(());
            }
        };
        match Store::open(shelf, self.most_bytes, &mut self.ladder) {
            Ok(store) => {
                self.told.bytes.store(store.bytes(), Ordering::Relaxed);
                self.place = Place::Open(Box::new(store));
                Ok(())
            }
            Err((shelf, error)) => {
                self.place = Place::Closed(shelf);
                Err(match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        io::Error::other("another process writes to its folder")
                    }
                    _ => error,
                })
            }
        }
    }

    fn ask(&mut self, query: &Query) -> Result<api::History, QueryError> {
        if self.most_bytes == 0 {
            return Err(QueryError::Off);
        }
        self.open().map_err(QueryError::Closed)?;
        let Place::Open(store) = &self.place else { return Err(QueryError::Busy) };
        query.answer(store, &self.ladder)
    }

    fn resize(&mut self, bytes: u64) {
        if bytes == 0 {
            self.leave();
        }
        let is_memory = match &self.place {
            Place::Closed(shelf) => shelf.is_memory(),
            Place::Open(store) => store.is_in_memory(),
            Place::Nowhere => false,
        };
        self.most_bytes = if is_memory { bytes.min(MOST_MEMORY_BYTES) } else { bytes };
        if let Place::Open(store) = &mut self.place {
            store.resize(self.most_bytes);
        }
    }

    /// Writes what is not written yet, and lets another process have the folder.
    fn leave(&mut self) {
        let due = self.ladder.finish();
        self.write(due);
        self.ladder = Ladder::default();
        self.place = match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::Open(store) => Place::Closed(store.leave()),
            other => other,
        };
    }
}
