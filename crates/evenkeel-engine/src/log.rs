//! The access log: one line per exchange, formatted by the worker into memory of its own, written
//! by a thread that belongs to the target.
//!
//! Between the two is a queue with an end. A disk that is slow or full, or a receiver that does not
//! read, costs lines, which are counted, and never a worker's time.

mod format;
mod said;
mod sink;
mod stamp;
mod syslog;
mod writer;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use std::{io, mem, thread};

use evenkeel_core::config::{AccessLog, LogTarget};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::said::Said;
use self::stamp::Stamp;
use self::writer::{Order, Standing, Writer};

/// Text a worker gathers before it hands it over: some hundred lines for one system call.
const BLOCK_BYTES: usize = 32 * 1024;
/// Blocks that wait for a slow disk, together 2 MiB: at 100,000 lines a second a tenth of one.
const MOST_BLOCKS: usize = 64;

/// A target that is open, with the thread that writes to it. Dropped, the thread writes what it has
/// been given and ends; nobody waits for it.
#[derive(Debug)]
pub(crate) struct LogFile {
    orders: mpsc::Sender<Order>,
    standing: Arc<Standing>,
}

/// One worker's lines on their way to the log.
#[derive(Debug, Default)]
pub(crate) struct LogLines {
    text: Vec<u8>,
    /// Where `text` goes; `None` while it is empty, so that a log that was replaced is closed.
    file: Option<Arc<LogFile>>,
    /// Of the file written to last.
    standing: Arc<Standing>,
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
    pub(crate) version: &'static str,
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
        let sink = sink::open(to)?;
        let (orders, inbox) = mpsc::channel(MOST_BLOCKS);
        let standing = Arc::default();
        let writer = Writer::new(sink, to.to_string(), Arc::clone(&standing));
        thread::Builder::new().name("access-log".into()).spawn(move || writer.run(inbox))?;
        Ok(Self { orders, standing })
    }

    /// Has what is written from now on go to whatever has the file's name by then.
    pub(crate) fn reopen(&self) {
        self.standing.is_moved.store(true, Ordering::Relaxed);
        // A queue that is full wakes the thread as well.
        let _ = self.orders.try_send(Order::Look);
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
        self.dropped += self.standing.lost.swap(0, Ordering::Relaxed);
        mem::take(&mut self.dropped)
    }

    /// Leaves the file before, if any, for another one.
    fn turn_to(&mut self, file: &Arc<LogFile>) {
        self.hand_over();
        self.drop_text();
        if !Arc::ptr_eq(&self.standing, &file.standing) {
            self.dropped += self.standing.lost.swap(0, Ordering::Relaxed);
            self.standing = Arc::clone(&file.standing);
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
