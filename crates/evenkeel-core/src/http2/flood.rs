//! Frames that cost more to take than to send, counted as they come in.
//!
//! Each kind has an allowance that grows with time (a token bucket). A peer that uses it up is not
//! a client: it is told to calm down and let go (RFC 9113 §10.5).

use std::time::Duration;

use crate::moment::Moment;

/// Bytes of a frame's header (RFC 9113 §4.1).
const HEADER_BYTES: usize = 9;

/// What a flood is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `RST_STREAM`: each may have cost a request to a server (CVE-2023-44487).
    Reset,
    /// `PING` that asks for an answer.
    Ping,
    /// `SETTINGS` that ask for an acknowledgement.
    Settings,
    /// `DATA` without bytes that does not end its stream (CVE-2019-9518).
    EmptyData,
    /// `CONTINUATION` (CVE-2024-27316).
    Continuation,
    /// `PRIORITY`, which means nothing here, and frames of unknown types.
    Idle,
    /// `WINDOW_UPDATE`.
    Window,
}

/// How much of one kind is taken.
struct Allowance {
    /// At once.
    burst: u32,
    /// What a second adds.
    per_second: u32,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Reset,
        Self::Ping,
        Self::Settings,
        Self::EmptyData,
        Self::Continuation,
        Self::Idle,
        Self::Window,
    ];

    /// A short word for a counter.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reset => "h2-reset-flood",
            Self::Ping => "h2-ping-flood",
            Self::Settings => "h2-settings-flood",
            Self::EmptyData => "h2-empty-data-flood",
            Self::Continuation => "h2-continuation-flood",
            Self::Idle => "h2-idle-frame-flood",
            Self::Window => "h2-window-flood",
        }
    }

    /// The table of limits. Each is several times what browsers and gRPC clients were seen to need.
    const fn allowance(self) -> Allowance {
        let (burst, per_second) = match self {
            // A page that is left cancels all of its streams at once, and so may the next.
            Self::Reset => (300, 30),
            // gRPC measures the bandwidth with a ping a round trip while data comes.
            Self::Ping => (500, 100),
            Self::Settings => (20, 2),
            Self::EmptyData => (50, 5),
            // A head of 64 KiB in frames of a few hundred bytes.
            Self::Continuation => (200, 20),
            Self::Idle => (500, 50),
            // Two for each frame taken, at ten gigabits a second in frames of 16 KiB.
            Self::Window => (160_000, 160_000),
        };
        Allowance { burst, per_second }
    }

    /// `None`: this frame costs no more than it should.
    fn of(kind: u8, flags: u8, length: usize) -> Option<Self> {
        const END_STREAM_OR_ACK: u8 = 1;
        match kind {
            0x0 if length == 0 && flags & END_STREAM_OR_ACK == 0 => Some(Self::EmptyData),
            0x3 => Some(Self::Reset),
            0x4 if flags & END_STREAM_OR_ACK == 0 => Some(Self::Settings),
            0x6 if flags & END_STREAM_OR_ACK == 0 => Some(Self::Ping),
            0x8 => Some(Self::Window),
            0x9 => Some(Self::Continuation),
            0x0 | 0x1 | 0x4 | 0x6 | 0x7 => None,
            _ => Some(Self::Idle),
        }
    }
}

/// Counts the frames of one connection.
#[derive(Clone, Debug)]
pub struct Meter {
    /// The start of a frame's header of which not all has come.
    header: [u8; HEADER_BYTES],
    held: usize,
    /// Bytes to skip: the preface, then payloads.
    skip: usize,
    /// A header block has begun and not ended.
    in_block: bool,
    buckets: [Bucket; Kind::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    used: u32,
    since: Moment,
}

impl Meter {
    /// `preface`: bytes that come before the first frame.
    pub fn new(preface: usize, now: Moment) -> Self {
        let bucket = Bucket { used: 0, since: now };
        let buckets = [bucket; Kind::ALL.len()];
        Self { header: [0; HEADER_BYTES], held: 0, skip: preface, in_block: false, buckets }
    }

    /// A header block has begun of which the end has not come: whether its time is over is for
    /// whoever keeps the time.
    pub const fn is_in_block(&self) -> bool {
        self.in_block
    }

    /// Looks at bytes as they come in. The error is what there was too much of.
    pub fn take(&mut self, mut bytes: &[u8], now: Moment) -> Result<(), Kind> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER_BYTES - self.held).min(bytes.len());
            if taken == 0 {
                return Ok(());
            }
            self.header[self.held..self.held + taken].copy_from_slice(&bytes[..taken]);
            self.held += taken;
            bytes = &bytes[taken..];
            if self.held == HEADER_BYTES {
                self.held = 0;
                self.count(now)?;
            }
        }
    }

    fn count(&mut self, now: Moment) -> Result<(), Kind> {
        const END_HEADERS: u8 = 4;
        let [high, middle, low, kind, flags, ..] = self.header;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, 0x1 | 0x9) {
            self.in_block = flags & END_HEADERS == 0;
        }
        let Some(kind) = Kind::of(kind, flags, self.skip) else { return Ok(()) };
        let Allowance { burst, per_second } = kind.allowance();
        let bucket = &mut self.buckets[kind as usize];
        let whole_seconds = now.since(bucket.since).as_secs();
        if whole_seconds > 0 {
            let grown = u64::from(per_second).saturating_mul(whole_seconds);
            bucket.used = bucket.used.saturating_sub(u32::try_from(grown).unwrap_or(u32::MAX));
            bucket.since = bucket.since + Duration::from_secs(whole_seconds);
        }
        bucket.used += 1;
        if bucket.used > burst { Err(kind) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, u8::try_from(payload).unwrap(), kind, flags, 0, 0, 0, 1];
        bytes.resize(HEADER_BYTES + payload, 0xff);
        bytes
    }

    #[test]
    fn each_kind_has_its_burst_and_its_rate() {
        let frames =
            [(0x3, 4), (0x6, 8), (0x4, 0), (0x0, 0), (0x9, 5), (0x2, 5), (0x8, 4)].into_iter();
        for (kind, (number, payload)) in Kind::ALL.into_iter().zip(frames) {
            let start = Moment::START + Duration::from_secs(1);
            let mut meter = Meter::new(0, start);
            let bytes = frame(number, 0, payload);
            let Allowance { burst, per_second } = kind.allowance();
            for _ in 0..burst {
                meter.take(&bytes, start).unwrap();
            }
            assert_eq!(meter.take(&bytes, start), Err(kind));
            let later = start + Duration::from_secs(2);
            for _ in 0..per_second {
                meter.take(&bytes, later).unwrap();
            }
        }
    }

    #[test]
    fn what_ends_a_stream_or_acknowledges_is_no_flood() {
        let mut meter = Meter::new(0, Moment::START);
        for _ in 0..10_000 {
            for (kind, payload) in [(0x0, 0), (0x4, 0), (0x6, 8)] {
                meter.take(&frame(kind, 1, payload), Moment::START).unwrap();
            }
            meter.take(&frame(0x1, 4, 20), Moment::START).unwrap();
            meter.take(&frame(0x0, 0, 200), Moment::START).unwrap();
        }
    }

    #[test]
    fn it_makes_no_difference_how_the_bytes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let preface = bytes.len();
        for _ in 0..30 {
            bytes.extend(frame(0x0, 0, 100));
            bytes.extend(frame(0x4, 0, 12));
        }
        for size in [1, 2, 7, 9, 10, 64, bytes.len()] {
            let mut meter = Meter::new(preface, Moment::START);
            let taken = bytes.chunks(size).try_for_each(|piece| meter.take(piece, Moment::START));
            assert_eq!(taken, Err(Kind::Settings), "pieces of {size}");
        }
    }

    #[test]
    fn an_unfinished_header_block_is_known() {
        let mut meter = Meter::new(0, Moment::START);
        meter.take(&frame(0x1, 0, 3), Moment::START).unwrap();
        assert!(meter.is_in_block());
        meter.take(&frame(0x9, 4, 3), Moment::START).unwrap();
        assert!(!meter.is_in_block());
    }
}
