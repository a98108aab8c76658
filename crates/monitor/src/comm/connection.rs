//! One connection of a device: reads lines, hands readings to the writer, gives answers back.
//!
//! While a connection waits for bytes it has no buffer of its own.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::admission::Admitted;
use super::{COME_BACK_MS, Seat, Shared};
use crate::clock;
use crate::conversation::{Conversation, Reading, Step};
use crate::protocol::{Answer, Closing, Delay, Framing, LONGEST_LINE, WINDOW, frame};
use crate::store::{Submission, Verdict};

/// From the connection to its hello, and from a line's first byte to its last.
const LINE: Duration = Duration::from_secs(10);
/// Without a word. Devices that measure rarely say ping.
const IDLE: Duration = Duration::from_mins(10);
/// Until answers are taken.
const WRITE: Duration = Duration::from_secs(10);
/// Until the writer has room.
const ROOM: Duration = Duration::from_secs(1);
/// Until what is under way is answered, at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(8);
/// What a device waits before it sends again what found no room, in milliseconds.
const BUSY_MS: u64 = 500;
/// Bytes read at once.
const READ: usize = 4 * LONGEST_LINE;

/// A connection of a device.
pub(super) struct Connection {
    seat: Seat,
    conversation: Conversation,
    admitted: Option<Admitted>,
    /// What has arrived and was not understood yet.
    arrived: BytesMut,
    /// Since when half a line is there, or no hello.
    unfinished_since: Option<Instant>,
    /// Answers to be sent.
    answers: String,
    verdicts: mpsc::Receiver<Verdict>,
    answer_to: mpsc::Sender<Verdict>,
    /// Readings at the writer.
    under_way: usize,
}

/// The connection is over.
enum End {
    /// The device has left, or its network has; nobody is told.
    Gone,
    /// It is told why, and when to come back, in milliseconds.
    Told(Closing, u64),
}

impl Connection {
    pub(super) fn new(seat: Seat) -> Self {
        let (answer_to, verdicts) = mpsc::channel(WINDOW);
        Self {
            seat,
            conversation: Conversation::default(),
            admitted: None,
            arrived: BytesMut::new(),
            unfinished_since: Some(clock::instant()),
            answers: String::new(),
            verdicts,
            answer_to,
            under_way: 0,
        }
    }

    /// Serves `stream` to its end.
    pub(super) async fn run(mut self, mut stream: TcpStream) {
        let end = loop {
            let turn = self.turn(&mut stream).await;
            if let Err(end) = turn {
                break end;
            }
        };
        match end {
            // Not a byte: a check of a balancer.
            End::Gone if self.conversation == Conversation::Stranger && self.arrived.is_empty() => {
                self.shared().metrics.probes.inc();
            }
            End::Gone => self.shared().metrics.gone.inc(),
            End::Told(why, after_ms) => self.close(&mut stream, why, after_ms).await,
        }
    }

    /// Waits for one thing and does what follows.
    async fn turn(&mut self, stream: &mut TcpStream) -> Result<(), End> {
        let mut ending = self.seat.0.ending.clone();
        // A sender that is gone ends as well.
        let end = async { drop(ending.wait_for(|is_ending| *is_ending).await) };
        let patience = self.patience();
        let is_reading = self.under_way < WINDOW;
        let mut taken = 0;
        tokio::select! {
            biased;
            Some(verdict) = self.verdicts.recv() => self.take_verdict(verdict),
            readable = stream.readable(), if is_reading => {
                readable.map_err(|_gone| End::Gone)?;
                taken = self.read(stream)?;
            }
            () = end => {
                return Err(End::Told(Closing::Stopping, COME_BACK_MS));
            }
            () = tokio::time::sleep(patience) => return Err(self.out_of_patience()),
        }
        while let Ok(verdict) = self.verdicts.try_recv() {
            self.take_verdict(verdict);
        }
        // Also what was left because too many were under way.
        self.hear().await?;
        self.send(stream).await?;
        if taken > LONGEST_LINE {
            // The runtime would let a connection that always has more go on for a hundred turns
            // while the others wait.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn shared(&self) -> &Shared {
        &self.seat.0
    }

    fn patience(&self) -> Duration {
        self.unfinished_since.map_or(IDLE, |since| LINE.saturating_sub(since.elapsed()))
    }

    fn out_of_patience(&self) -> End {
        let why = if self.unfinished_since.is_some() { Closing::TooSlow } else { Closing::Idle };
        End::Told(why, COME_BACK_MS)
    }

    /// Takes what has arrived; how many bytes that is.
    fn read(&mut self, stream: &TcpStream) -> Result<usize, End> {
        self.arrived.reserve(READ);
        match stream.try_read_buf(&mut self.arrived) {
            Ok(0) => Err(End::Gone),
            Ok(size) => Ok(size),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(0),
            Err(_gone) => Err(End::Gone),
        }
    }

    /// Understands every line that is whole, as far as there is room for answers.
    async fn hear(&mut self) -> Result<(), End> {
        while self.under_way < WINDOW {
            match frame(&self.arrived) {
                Framing::Line(length) => {
                    let line = self.arrived.split_to(length);
                    self.unfinished_since = None;
                    self.hear_line(&line).await?;
                }
                Framing::TooLong => return Err(End::Told(Closing::LineTooLong, COME_BACK_MS)),
                Framing::Partial => break,
            }
        }
        if self.arrived.is_empty() {
            self.arrived = BytesMut::new();
        } else if self.under_way < WINDOW && self.unfinished_since.is_none() {
            self.unfinished_since = Some(clock::instant());
        }
        Ok(())
    }

    async fn hear_line(&mut self, line: &[u8]) -> Result<(), End> {
        let now_ms = clock::now_ms();
        match self.conversation.hear(line, self.seat.0.window, now_ms) {
            Step::Introduce { device, key } => self.introduce(device, key).await,
            Step::Store(reading) => self.store(reading, now_ms).await,
            Step::Say(answer) => {
                self.say(answer);
                Ok(())
            }
            Step::Leave => Err(End::Told(Closing::Bye, 0)),
            Step::Close(why) => Err(End::Told(why, COME_BACK_MS)),
        }
    }

    async fn introduce(&mut self, device: &str, key: &str) -> Result<(), End> {
        match Admitted::new(&self.seat.0, device, key).await {
            Ok(admitted) => {
                self.conversation.admitted();
                self.say(Answer::Welcome { highest: admitted.highest });
                self.admitted = Some(admitted);
                Ok(())
            }
            Err(Answer::Closing(why, after_ms)) => Err(End::Told(why, after_ms)),
            Err(_other) => unreachable!("who is not admitted is told by closing"),
        }
    }

    async fn store(&mut self, reading: Reading, now_ms: u64) -> Result<(), End> {
        let admitted = self.admitted.as_ref().expect("only the known may store");
        let device = &admitted.device;
        let Reading { sequence, time_ms, fields } = reading;
        if let Err(after_ms) = self.shared().rate.take(&device.allowance, now_ms * 1000) {
            self.say(Answer::Retry(sequence, after_ms.max(1), Delay::Rate));
            return Ok(());
        }
        let submission = Submission {
            device: device.number,
            sequence,
            time_ms,
            received_ms: now_ms,
            body: fields.to_json(),
            answer_to: self.answer_to.clone(),
        };
        let writer = &self.shared().writers[device.shard];
        match timeout(ROOM, writer.send(submission)).await {
            Ok(Ok(())) => self.under_way += 1,
            Ok(Err(_)) => self.say(Answer::Retry(sequence, BUSY_MS, Delay::ShardDown)),
            Err(_full) => self.say(Answer::Retry(sequence, BUSY_MS, Delay::Busy)),
        }
        Ok(())
    }

    fn take_verdict(&mut self, verdict: Verdict) {
        self.under_way -= 1;
        self.say(verdict.answer());
    }

    fn say(&mut self, answer: Answer) {
        use std::fmt::Write as _;
        self.seat.0.metrics.answered(answer);
        // Writing to a string cannot fail.
        let _ = write!(self.answers, "{answer}");
    }

    async fn send(&mut self, stream: &mut TcpStream) -> Result<(), End> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE, stream.write_all(self.answers.as_bytes())).await;
        self.answers.clear();
        match written {
            Ok(Ok(())) => Ok(()),
            // It does not read, so there is no use in telling it.
            Ok(Err(_)) => Err(End::Gone),
            Err(_late) => {
                self.shared().metrics.closed(Closing::TooSlow);
                Err(End::Gone)
            }
        }
    }

    /// Gives what is under way its answers, says why, and closes.
    async fn close(&mut self, stream: &mut TcpStream, why: Closing, after_ms: u64) {
        let last_answers = async {
            while self.under_way > 0 {
                let Some(verdict) = self.verdicts.recv().await else { return };
                self.take_verdict(verdict);
            }
        };
        // Who gets no answer sends again.
        let _ = timeout(LAST_ANSWERS, last_answers).await;
        self.shared().metrics.closed(why);
        self.say(Answer::Closing(why, after_ms));
        if self.send(stream).await.is_ok() {
            // What is still unread would turn the end into a reset that takes the last line along.
            let _ = stream.shutdown().await;
            let _ = timeout(ROOM, drain(stream)).await;
        }
        let device = self.admitted.as_ref().map_or("a stranger", |it| &it.device.name);
        tracing::debug!("closed {device}: {}", why.word());
    }
}

/// Reads and forgets until the other side has closed too.
async fn drain(stream: &TcpStream) {
    let mut nothing = [0; 1024];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut nothing) {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}
