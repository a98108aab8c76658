//! The access log: one line per exchange, formatted by the worker into memory of its own, written
//! by a thread that belongs to the file.
//!
//! Between the two is a queue with an end. A disk that is slow or full costs lines, which are
//! counted, and never a worker's time.

mod format;
mod said;
mod stamp;
mod writer;

use std::fs::{File, OpenOptions};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use std::{io, mem, thread};

use evenkeel_core::config::{AccessLog, LogTarget};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::said::Said;
use self::stamp::Stamp;
use self::writer::{Order, Writer};

/// Text a worker gathers before it hands it over: some hundred lines for one system call.
const BLOCK_BYTES: usize = 32 * 1024;
/// Blocks that wait for a slow disk, together 2 MiB: at 100,000 lines a second a tenth of one.
const MOST_BLOCKS: usize = 64;

/// A target that is open, with the thread that writes to it. Dropped, the thread writes what it has
/// been given and ends; nobody waits for it.
#[derive(Debug)]
pub(crate) struct LogFile {
    orders: mpsc::Sender<Order>,
    /// Lines that could not be written and that no worker has counted yet.
    lost: Arc<AtomicU64>,
}

/// One worker's lines on their way to the log.
#[derive(Debug, Default)]
pub(crate) struct LogLines {
    text: Vec<u8>,
    /// Where `text` goes; `None` while it is empty, so that a log that was replaced is closed.
    file: Option<Arc<LogFile>>,
    /// Of the file written to last.
    lost: Arc<AtomicU64>,
    /// Lines dropped since this was last asked.
    dropped: u64,
    stamp: Stamp,
}

/// What a line tells, but for what the client said. Absent names are empty.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) client: IpAddr,
    pub(crate) client_port: u16,
    pub(crate) started: SystemTime,
    pub(crate) listener: &'a str,
    pub(crate) route: &'a str,
    pub(crate) pool: &'a str,
    pub(crate) server: &'a str,
    pub(crate) said: &'a Said,
    /// `HTTP/1.1`
    pub(crate) version: &'a str,
    /// `None`: closed without an answer.
    pub(crate) status: Option<u16>,
    /// Of the answer's body, sent to the client.
    pub(crate) bytes: u64,
    /// `HAProxy`'s timers TR, Tw, Tc, Tr and Ta; `None`: the phase was not reached.
    pub(crate) request: Duration,
    pub(crate) wait: Option<Duration>,
    pub(crate) connect: Option<Duration>,
    pub(crate) response: Option<Duration>,
    pub(crate) active: Duration,
    /// `HAProxy`'s termination code.
    pub(crate) code: &'static str,
    /// Further tries after the first.
    pub(crate) retries: u8,
}

impl LogFile {
    /// Opens the target and starts its thread.
    pub(crate) fn open(to: &LogTarget) -> io::Result<Self> {
        let (file, name) = match to {
            LogTarget::Stdout => {
                (File::from(io::stdout().as_fd().try_clone_to_owned()?), Path::new("stdout"))
            }
            LogTarget::File(path) => (append_to(path)?, path.as_path()),
        };
        let (orders, inbox) = mpsc::channel(MOST_BLOCKS);
        let lost = Arc::default();
        let writer = Writer::new(file, name.display().to_string(), Arc::clone(&lost));
        thread::Builder::new().name("access-log".into()).spawn(move || writer.run(inbox))?;
        Ok(Self { orders, lost })
    }

    /// Returns once everything given so far has been written or counted as lost, at the latest
    /// after `limit`. For the end of the process, which does not wait for threads.
    pub(crate) async fn settle(&self, limit: Duration) {
        let (done, settled) = oneshot::channel();
        let settled = async {
            if self.orders.send(Order::Tell(done)).await.is_ok() {
                // The thread has ended: there is nothing to wait for.
                let _ = settled.await;
            }
        };
        // A disk that takes longer has had its time.
        let _ = tokio::time::timeout(limit, settled).await;
    }

    /// Takes `text`, unless the queue is full.
    fn take(&self, text: &mut Vec<u8>) -> bool {
        let permit = self.orders.try_reserve();
        permit.map(|permit| permit.send(Order::Write(mem::take(text)))).is_ok()
    }
}

/// Also opened for reading: then a named pipe that nobody reads opens at once, fills up and loses
/// lines like a slow disk, in place of holding up the reload, and takes up again with any reader.
fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

impl LogLines {
    /// Adds the line of an exchange.
    pub(crate) fn write(&mut self, log: &(AccessLog, Arc<LogFile>), line: &Line<'_>) {
        let (log, file) = log;
        if !self.file.as_ref().is_some_and(|current| Arc::ptr_eq(current, file)) {
            self.turn_to(file);
        }
        if self.text.capacity() == 0 {
            // With room for the line that goes over the bound, unless it is very long.
            self.text.reserve_exact(BLOCK_BYTES + BLOCK_BYTES / 8);
        }
        self.stamp.set(line.started);
        format::line(&mut self.text, &log.format, line, &self.stamp);
        if self.text.len() >= BLOCK_BYTES {
            self.hand_over();
            self.drop_text();
        }
    }

    /// Hands over what there is. Returns how many lines were dropped since the last call.
    pub(crate) fn flush(&mut self) -> u64 {
        self.hand_over();
        self.dropped += self.lost.swap(0, Ordering::Relaxed);
        mem::take(&mut self.dropped)
    }

    /// Leaves the file before, if any, for another one.
    fn turn_to(&mut self, file: &Arc<LogFile>) {
        self.hand_over();
        self.drop_text();
        if !Arc::ptr_eq(&self.lost, &file.lost) {
            self.dropped += self.lost.swap(0, Ordering::Relaxed);
            self.lost = Arc::clone(&file.lost);
        }
        self.file = Some(Arc::clone(file));
    }

    /// What the file does not take now stays for the next time.
    fn hand_over(&mut self) {
        let Some(file) = &self.file else { return };
        if self.text.is_empty() || file.take(&mut self.text) {
            self.file = None;
        }
    }

    /// Gives up what the file did not take.
    fn drop_text(&mut self) {
        self.dropped += writer::lines(&self.text);
        self.text.clear();
    }
}

#[cfg(test)]
mod tests;
