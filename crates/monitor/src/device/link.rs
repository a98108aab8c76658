//! A simulated device's connection to comm: made again whenever it is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

use super::outbox::{Counts, Outbox};
use super::progress::Progress;
use super::signal::Signal;
use super::{Line, Plan};
use crate::clock;
use crate::protocol::{Answer, VERSION};

/// Until a connection is there and comm has said welcome.
const CONNECT: Duration = Duration::from_secs(5);
/// Without an answer for so long the connection is taken for dead.
const SILENCE: Duration = Duration::from_secs(15);
/// First and last wait before the next try; doubled in between.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(3);

pub(super) struct Device {
    plan: Arc<Plan>,
    name: String,
    key: String,
    outbox: Outbox,
    /// Of all devices, and what of this one is in it.
    progress: Arc<Progress>,
    told: Counts,
    signal: Signal,
    next_measurement: Instant,
}

/// Why a connection ended.
enum End {
    /// The device is done.
    Done,
    /// Comm asked for this wait before the next.
    After(Duration),
    Lost,
}

struct Wire {
    lines: Lines<BufReader<OwnedReadHalf>>,
    out: OwnedWriteHalf,
}

impl Device {
    /// Measures first after `wait`.
    pub(super) fn new(
        plan: &Arc<Plan>,
        progress: &Arc<Progress>,
        (name, key): (String, String),
        wait: Duration,
    ) -> Self {
        Self {
            signal: Signal::new(&name),
            plan: Arc::clone(plan),
            name,
            key,
            outbox: Outbox::new(),
            progress: Arc::clone(progress),
            told: Counts::default(),
            next_measurement: clock::instant() + wait,
        }
    }

    /// Measures and sends until it is done, or until it was halted and nobody has patience.
    pub(super) async fn run(mut self, mut halted: watch::Receiver<bool>) -> Line {
        let mut waits = halted.clone();
        let patience = self.plan.patience;
        let last_call = async {
            // A sender that is gone halts as well.
            let _ = waits.wait_for(|halted| *halted).await;
            tokio::time::sleep(patience).await;
        };
        tokio::select! {
            () = self.keep_connected(&mut halted) => {}
            () = last_call => {}
        }
        self.tell();
        let (first, last) = self.outbox.numbers();
        Line { device: self.name, first, last, counts: self.outbox.final_counts() }
    }

    async fn keep_connected(&mut self, halted: &mut watch::Receiver<bool>) {
        let mut backoff = FIRST_BACKOFF;
        while !(*halted.borrow() && self.outbox.is_empty()) {
            let connected = timeout(CONNECT, self.connect()).await;
            let end = match connected {
                Ok(Ok(wire)) => {
                    backoff = FIRST_BACKOFF;
                    self.talk(wire, halted).await
                }
                Ok(Err(end)) => end,
                Err(_late) => End::Lost,
            };
            match end {
                End::Done => return,
                // As long as asked, but a server that comes back is not left waiting for long.
                End::After(wait) => tokio::time::sleep(wait.min(LAST_BACKOFF)).await,
                End::Lost => {
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(LAST_BACKOFF);
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<Wire, End> {
        let stream = TcpStream::connect(&self.plan.to).await.map_err(|_unreachable| End::Lost)?;
        // Lines are written many at once already; where this fails they are only later.
        let _ = stream.set_nodelay(true);
        let (input, out) = stream.into_split();
        let mut wire = Wire { lines: BufReader::new(input).lines(), out };
        let hello = format!("hello {VERSION} {} {}\n", self.name, self.key);
        wire.out.write_all(hello.as_bytes()).await.map_err(|_gone| End::Lost)?;
        match wire.hear().await? {
            Answer::Welcome { highest } => {
                self.outbox.connected(highest);
                Ok(wire)
            }
            _ => Err(End::Lost),
        }
    }

    /// Sends and hears until the connection or the work ends.
    async fn talk(&mut self, mut wire: Wire, halted: &mut watch::Receiver<bool>) -> End {
        let mut text = String::new();
        loop {
            let is_halted = *halted.borrow();
            if !is_halted {
                self.measure();
            }
            self.tell();
            if self.outbox.is_empty() && (is_halted || self.is_done()) {
                // Comm answers bye by closing; it has nothing to say that matters now.
                let _ = wire.out.write_all(b"bye\n").await;
                return End::Done;
            }
            self.outbox.fill(&mut text, clock::now_ms());
            if !text.is_empty() {
                match timeout(SILENCE, wire.out.write_all(text.as_bytes())).await {
                    Ok(Ok(())) => text.clear(),
                    _ => return End::Lost,
                }
            }
            let waits = !self.outbox.is_empty();
            let due = self.due(is_halted);
            tokio::select! {
                heard = wire.hear() => match heard {
                    Ok(answer) => self.outbox.hear(answer, clock::now_ms()),
                    Err(end) => return end,
                },
                () = tokio::time::sleep(due) => {}
                _ = halted.changed(), if !is_halted => {}
                () = tokio::time::sleep(SILENCE), if waits => return End::Lost,
            }
            while let Some(answer) = wire.heard_already() {
                self.outbox.hear(answer, clock::now_ms());
            }
        }
    }

    fn is_done(&self) -> bool {
        self.plan.records.is_some_and(|most| self.outbox.counts.sent >= most)
    }

    /// Makes the readings that are due.
    fn measure(&mut self) {
        let now = clock::instant();
        if self.plan.interval.is_zero() {
            while self.outbox.is_short() && !self.is_done() {
                self.keep_one(Duration::ZERO);
            }
            return;
        }
        while self.next_measurement <= now && !self.is_done() {
            let late = now.duration_since(self.next_measurement);
            self.next_measurement += self.plan.interval;
            for _ in 0..self.plan.burst {
                if self.is_done() {
                    break;
                }
                self.keep_one(late);
            }
        }
    }

    /// Adds to the progress what has happened since it was last told of.
    fn tell(&mut self) {
        self.progress.add(&self.told, &self.outbox.counts, self.outbox.slowest_ms);
        self.told = self.outbox.counts;
        self.outbox.slowest_ms = 0;
    }

    /// A reading that was due this long ago.
    fn keep_one(&mut self, late: Duration) {
        if self.outbox.may_measure() {
            let now_ms = clock::now_ms();
            let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            let fields = self.signal.measure(now_ms);
            self.outbox.keep(now_ms, now_ms.saturating_sub(late_ms), &fields.to_json());
        } else {
            self.outbox.counts.skipped += 1;
        }
    }

    /// Until the next measurement or the next reading that was put off.
    fn due(&self, is_halted: bool) -> Duration {
        let mut due = SILENCE;
        if !is_halted && !self.is_done() && !self.plan.interval.is_zero() {
            due = due.min(self.next_measurement.saturating_duration_since(clock::instant()));
        }
        if let Some(at_ms) = self.outbox.next_due_ms() {
            due = due.min(Duration::from_millis(at_ms.saturating_sub(clock::now_ms())));
        }
        due
    }
}

impl Wire {
    async fn hear(&mut self) -> Result<Answer, End> {
        let line = self.lines.next_line().await;
        let line = line.map_err(|_broken| End::Lost)?.ok_or(End::Lost)?;
        match Answer::parse(&line) {
            Some(Answer::Closing(_, after_ms)) => {
                Err(End::After(Duration::from_millis(after_ms).max(FIRST_BACKOFF)))
            }
            Some(answer) => Ok(answer),
            None => Err(End::Lost),
        }
    }

    /// An answer that has arrived whole and is no end.
    fn heard_already(&mut self) -> Option<Answer> {
        let buffer = self.lines.get_ref().buffer();
        let end = buffer.iter().position(|byte| *byte == b'\n')?;
        let answer = Answer::parse(std::str::from_utf8(&buffer[..end]).ok()?)?;
        if matches!(answer, Answer::Closing(..)) {
            return None;
        }
        std::pin::Pin::new(self.lines.get_mut()).consume(end + 1);
        Some(answer)
    }
}
