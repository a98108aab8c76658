//! Spans, told to a receiver of OpenTelemetry: OTLP over HTTP, in batches.
//!
//! One batch is on its way at a time. While no receiver takes it the engine's queue fills up: what
//! finds no room there is counted, and no traffic waits for it.

mod batch;
mod line;
mod protobuf;

use std::hash::{BuildHasher as _, RandomState};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_core::delivery::{Delivery, Outcome};
use evenkeel_engine::TracedExchange;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout};

use self::batch::Batch;
use self::line::{LOOK_THERE, Line, Rejected, SendError};
use crate::clock;
use crate::node::Node;

/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);

/// How long the end of the process may be held up for the last spans.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// For how long it is among the problems that spans found no room. It is looked at with each batch, and
/// one that fills up slowly takes [`GATHER`].
const LOSS_TOLD_FOR: Duration = Duration::from_mins(1);

/// What became of spans that were to be exported, and what the one who does it is to know.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    sent: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    trouble: Mutex<Trouble>,
    /// The process ends: nothing is waited for any more.
    ends: watch::Sender<bool>,
    /// Nothing is left.
    done: Notify,
}

/// What keeps spans from a receiver.
#[derive(Debug, Default)]
struct Trouble {
    /// Why the last batch was not, or not all, taken, and what to do about it.
    failure: Option<(String, &'static str)>,
    /// When spans were last seen to find no room although every batch was taken at once, by
    /// [`clock::monotonic`].
    lossy_at: Option<Duration>,
}

/// As of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExportCounts {
    /// Spans that a receiver has taken.
    pub(crate) sent: u64,
    /// That it did not want.
    pub(crate) refused: u64,
    /// That it was not there for in time.
    pub(crate) dropped: u64,
    /// The last batch was not taken by a receiver that is still to have them.
    pub(crate) is_failing: bool,
}

pub(crate) fn counts(node: &Node) -> ExportCounts {
    let exports = node.exports();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    ExportCounts {
        sent: count(&exports.sent),
        refused: count(&exports.refused),
        dropped: count(&exports.dropped) + node.spans_without_room(),
        is_failing: node.receiver().is_some() && exports.trouble().failure.is_some(),
    }
}

/// What an operator should look after.
pub(crate) fn problem(node: &Node) -> Option<String> {
    let receiver = node.receiver()?;
    let (receiver, dropped) = (receiver.authority(), counts(node).dropped);
    let trouble = node.exports().trouble();
    if let Some((why, advice)) = &trouble.failure {
        return Some(format!(
            "spans are not exported to {receiver}: {why}; {advice}. What finds no room meanwhile is \
             dropped, {dropped} so far"
        ));
    }
    let is_recent = |at: Duration| clock::monotonic().saturating_sub(at) < LOSS_TOLD_FOR;
    trouble.lossy_at.filter(|at| is_recent(*at)).map(|_| {
        format!(
            "spans come faster than {receiver} takes them: {dropped} are dropped so far; lower \
             `sample` of [trace], or give the receiver more room"
        )
    })
}

impl Exports {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        // Its fields are replaced one by one: a panic leaves nothing half-made.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once the last span has been sent or given up, at the latest after [`LAST_PATIENCE`].
    pub(crate) async fn settle(&self) {
        self.ends.send_replace(true);
        // A receiver that takes longer has had its time.
        let _ = timeout(LAST_PATIENCE, self.done.notified()).await;
    }
}

/// Exports what the engine tells; never returns.
pub(crate) async fn keep_exporting(
    node: &Node,
    unread: &mut Option<mpsc::Receiver<TracedExchange>>,
) {
    // In a build without it no configuration asks for anything of what follows.
    if cfg!(feature = "otel")
        && let Some(unread) = unread
    {
        let ends = node.exports().ends.subscribe();
        let (batch, line) = (Batch::default(), Line::default());
        let mut exporter = Exporter { node, unread, ends, batch, line, without_room: 0 };
        while exporter.gather().await {
            exporter.deliver().await;
        }
    }
    node.exports().done.notify_one();
    std::future::pending::<()>().await;
}

struct Exporter<'n> {
    node: &'n Node,
    unread: &'n mut mpsc::Receiver<TracedExchange>,
    ends: watch::Receiver<bool>,
    batch: Batch,
    line: Line,
    /// Spans that had found no room when the last batch was done with.
    without_room: u64,
}

impl Exporter<'_> {
    /// Fills the batch. `false`: the process ends, and nothing is left.
    async fn gather(&mut self) -> bool {
        let Self { unread, ends, batch, .. } = self;
        let first = tokio::select! {
            biased;
            first = unread.recv() => first,
            () = ending(ends) => None,
        };
        let Some(first) = first else { return false };
        batch.add(&first);
        let more = async {
            while !batch.is_full() {
                let Some(next) = unread.recv().await else { return };
                batch.add(&next);
            }
        };
        let over = async {
            tokio::select! {
                () = sleep(GATHER) => {}
                () = ending(ends) => {}
            }
        };
        tokio::select! {
            biased;
            () = more => {}
            () = over => {}
        }
        true
    }

    /// Sends the batch until it is taken, refused or given up.
    async fn deliver(&mut self) {
        let (node, exports) = (self.node, self.node.exports());
        let (count, mut delivery) = (self.batch.count(), Delivery::default());
        let mut is_smooth = !self.is_failing();
        loop {
            let Some(to) = node.receiver() else {
                // Since then the configuration has lost it.
                break count_up(&exports.dropped, count);
            };
            let body = self.batch.request(&to.service_name, &node.settings().name);
            let posted = self.line.post(&to, body.into()).await;
            let answer = match &posted {
                Ok(_) => Some(evenkeel_core::delivery::Answer { status: 200, retry_after: None }),
                Err(SendError::Refused(answer)) => Some(*answer),
                Err(_) => None,
            };
            self.announce(to.authority(), &posted);
            is_smooth &= !self.is_failing();
            match delivery.after(answer, RandomState::new().hash_one(count)) {
                Outcome::Taken => {
                    let refused = posted.map_or(0, |it| it.spans).min(count);
                    count_up(&exports.sent, count - refused);
                    break count_up(&exports.refused, refused);
                }
                Outcome::Refused => break count_up(&exports.refused, count),
                Outcome::GivenUp => break count_up(&exports.dropped, count),
                Outcome::Again(wait) => tokio::select! {
                    biased;
                    () = ending(&mut self.ends) => break count_up(&exports.dropped, count),
                    () = sleep(wait) => {}
                },
            }
        }
        self.batch.clear();
        self.look_for_losses(is_smooth);
    }

    fn is_failing(&self) -> bool {
        self.node.exports().trouble().failure.is_some()
    }

    /// What found no room while the receiver took everything at once is lost because it is slow.
    fn look_for_losses(&mut self, is_smooth: bool) {
        let without_room = self.node.spans_without_room();
        if is_smooth && without_room > self.without_room {
            self.node.exports().trouble().lossy_at = Some(clock::monotonic());
        }
        self.without_room = without_room;
    }

    /// Says when the receiver begins not to take what it is sent, and when it takes it again.
    fn announce(&self, receiver: &str, posted: &Result<Rejected, SendError>) {
        let failure = match posted {
            Ok(Rejected { spans: 0, .. }) => None,
            Ok(Rejected { spans, reason }) => {
                Some((format!("it did not take {spans} spans: {reason}"), LOOK_THERE))
            }
            Err(error) => Some((error.to_string(), error.advice())),
        };
        let why = failure.as_ref().map(|(why, _)| why.clone());
        let before = mem::replace(&mut self.node.exports().trouble().failure, failure);
        match why {
            Some(why) if before.is_none() => {
                self.node.announce("export-failing", format!("spans to {receiver}: {why}"));
            }
            None if before.is_some() => {
                self.node.announce("export-recovered", format!("{receiver} takes spans again"));
            }
            _ => {}
        }
    }
}

fn count_up(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// Returns when the process ends.
async fn ending(ends: &mut watch::Receiver<bool>) {
    // The one who says so lives as long as the node.
    let _ = ends.wait_for(|ends| *ends).await;
}
