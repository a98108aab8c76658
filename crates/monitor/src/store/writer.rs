//! The one thread that writes to a shard: whatever has gathered while the last batch was written
//! is the next one, and nothing is acknowledged before its batch is on the disk.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

use super::shard::Shard;
use super::sql::{Fault, Record, Session, transaction};
use crate::clock;
use crate::metrics::{Counter, Histogram};
use crate::protocol::{Answer, Delay};

/// Records that wait for the writer. At the asked rate it is half a second's worth.
const QUEUE: usize = 16 * 1024;
/// Records of one transaction: enough that the disk's part of each is small, few enough that a
/// batch takes milliseconds.
const MOST_BATCH: usize = 2048;
/// What a device waits before it sends a record again, in milliseconds.
const RETRY_MS: u64 = 1000;

/// A reading to be stored, and who waits for the answer.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) device: u64,
    pub(crate) sequence: u64,
    pub(crate) time_ms: u64,
    pub(crate) received_ms: u64,
    /// The fields as JSON.
    pub(crate) body: String,
    /// Has room for every answer that its connection waits for.
    pub(crate) answer_to: mpsc::Sender<Verdict>,
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) sequence: u64,
    pub(crate) is_stored: bool,
}

/// What a writer has done.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) stored: Counter,
    /// Records that were there already.
    pub(crate) repeated: Counter,
    /// Records that could not be stored then.
    pub(crate) failed: Counter,
    /// Transactions that ended well.
    pub(crate) batches: Histogram,
}

impl Verdict {
    pub(crate) fn answer(self) -> Answer {
        if self.is_stored {
            Answer::Ack(self.sequence)
        } else {
            Answer::Retry(self.sequence, RETRY_MS, Delay::ShardDown)
        }
    }
}

pub(super) fn start(
    shard: Arc<Shard>,
    figures: Arc<Figures>,
) -> std::io::Result<(mpsc::Sender<Submission>, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let name = format!("write-{}", shard.name());
    let runtime = tokio::runtime::Handle::current();
    let thread = thread::Builder::new().name(name).spawn(move || {
        let _runtime = runtime.enter();
        Writer { shard, figures, session: None }.run(receiver);
    })?;
    Ok((sender, thread))
}

struct Writer {
    shard: Arc<Shard>,
    figures: Arc<Figures>,
    session: Option<Box<dyn Session>>,
}

impl Writer {
    fn run(mut self, mut receiver: mpsc::Receiver<Submission>) {
        let mut waiting = Vec::with_capacity(MOST_BATCH);
        let mut records = Vec::with_capacity(MOST_BATCH);
        while receiver.blocking_recv_many(&mut waiting, MOST_BATCH) > 0 {
            records.clear();
            records.extend(waiting.iter_mut().map(|submission| Record {
                device: submission.device,
                sequence: submission.sequence,
                time_ms: submission.time_ms,
                received_ms: submission.received_ms,
                body: std::mem::take(&mut submission.body),
            }));
            let is_stored = self.write(&records).is_ok();
            for Submission { sequence, answer_to, .. } in waiting.drain(..) {
                // A connection that is gone asks again over its next one.
                let _ = answer_to.try_send(Verdict { sequence, is_stored });
            }
        }
    }

    fn write(&mut self, records: &[Record]) -> Result<(), Fault> {
        let began = clock::instant();
        let done = self.try_write(records);
        let count = records.len() as u64;
        let Figures { stored, repeated, failed, batches } = &*self.figures;
        if let Ok(added) = &done {
            stored.add(*added);
            repeated.add(count.saturating_sub(*added));
            batches.observe(began.elapsed());
        } else {
            failed.add(count);
        }
        done.map(|_added| ())
    }

    fn try_write(&mut self, records: &[Record]) -> Result<u64, Fault> {
        // Whoever waits is told at once; the pause is not made longer by that.
        if self.shard.is_down() {
            return Err(Fault::Down("it failed a moment ago".to_owned()));
        }
        let session = self.session.take().map_or_else(|| self.shard.open(), Ok);
        let done = session.and_then(|mut session| {
            let added = transaction(&mut *session, |session| session.append(records))?;
            self.session = Some(session);
            Ok(added)
        });
        self.shard.note(&done);
        done
    }
}
