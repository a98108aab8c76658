//! Frames that cost more to take than to send, counted as they come in.
//!
//! Each kind has an allowance that grows with time (a token bucket). A peer that uses it up is not
//! a client: it is told to calm down and let go (RFC 9113 §10.5).

use std::time::Duration;

use super::frame::{Header, flag, kind};
use crate::moment::Moment;

/// What a flood is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `RST_STREAM`: each may have cost a request to a server (CVE-2023-44487).
    Reset,
    /// `PING` that asks for an answer.
    Ping,
    /// `SETTINGS` that ask for an acknowledgement.
    Settings,
    /// `DATA` without bytes, but for padding, that does not end its stream (CVE-2019-9518).
    EmptyData,
    /// `CONTINUATION` (CVE-2024-27316).
    Continuation,
    /// `PRIORITY`, which means nothing here, frames of unknown types, and `GOAWAY`, which means
    /// something once.
    Idle,
    /// `WINDOW_UPDATE`.
    Window,
    /// What made this node reset a stream (CVE-2025-8671), and heads that are too
    /// large, as often as they are.
    Error,
    /// Requests beyond the streams that are allowed.
    Refused,
}

/// How much of one kind is taken.
struct Allowance {
    /// At once.
    burst: u32,
    /// What a second adds.
    per_second: u32,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Reset,
        Self::Ping,
        Self::Settings,
        Self::EmptyData,
        Self::Continuation,
        Self::Idle,
        Self::Window,
        Self::Error,
        Self::Refused,
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
            Self::Error => "h2-error-flood",
            Self::Refused => "h2-refused-flood",
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
            Self::Error => (64, 2),
            // A client that begins before it has heard how many are allowed.
            Self::Refused => (1_000, 100),
        };
        Allowance { burst, per_second }
    }

    /// `None`: this frame costs no more than it should.
    const fn of(frame: &Header) -> Option<Self> {
        match frame.kind {
            kind::RST_STREAM => Some(Self::Reset),
            kind::SETTINGS if !frame.has(flag::ACK) => Some(Self::Settings),
            kind::PING if !frame.has(flag::ACK) => Some(Self::Ping),
            kind::WINDOW_UPDATE => Some(Self::Window),
            kind::CONTINUATION => Some(Self::Continuation),
            kind::DATA | kind::HEADERS | kind::SETTINGS | kind::PING => None,
            _ => Some(Self::Idle),
        }
    }
}

/// Counts the frames of one connection.
#[derive(Clone, Debug)]
pub struct Meter {
    buckets: [Bucket; Kind::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    used: u32,
    since: Moment,
}

impl Meter {
    /// Nothing has come yet.
    pub fn new(now: Moment) -> Self {
        Self { buckets: [Bucket { used: 0, since: now }; Kind::ALL.len()] }
    }

    /// Counts a frame by its header. The error is what there was too much of.
    pub fn take(&mut self, frame: &Header, now: Moment) -> Result<(), Kind> {
        Kind::of(frame).map_or(Ok(()), |kind| self.count(kind, 1, now))
    }

    /// Counts what is seen only when a frame is understood, so many times.
    pub fn count(&mut self, kind: Kind, times: u32, now: Moment) -> Result<(), Kind> {
        let Allowance { burst, per_second } = kind.allowance();
        let bucket = &mut self.buckets[kind as usize];
        let whole_seconds = now.since(bucket.since).as_secs();
        if whole_seconds > 0 {
            let grown = u64::from(per_second).saturating_mul(whole_seconds);
            bucket.used = bucket.used.saturating_sub(u32::try_from(grown).unwrap_or(u32::MAX));
            bucket.since = bucket.since + Duration::from_secs(whole_seconds);
        }
        bucket.used = bucket.used.saturating_add(times);
        if bucket.used > burst { Err(kind) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u32) -> Header {
        Header { length, kind, flags, stream: 1 }
    }

    #[test]
    fn each_kind_has_its_burst_and_its_rate() {
        for kind in Kind::ALL {
            let start = Moment::START + Duration::from_secs(1);
            let mut meter = Meter::new(start);
            let Allowance { burst, per_second } = kind.allowance();
            for _ in 0..burst {
                meter.count(kind, 1, start).unwrap();
            }
            assert_eq!(meter.count(kind, 1, start), Err(kind));
            let later = start + Duration::from_secs(2);
            for _ in 0..per_second {
                meter.count(kind, 1, later).unwrap();
            }
        }
    }

    #[test]
    fn frames_are_told_by_their_headers() {
        use Kind::{Continuation, Idle, Ping, Reset, Settings, Window};
        let frames = [(3, Reset), (4, Settings), (6, Ping), (8, Window), (9, Continuation)];
        for (number, kind) in
            frames.into_iter().chain([(2, Idle), (5, Idle), (7, Idle), (0xfe, Idle)])
        {
            assert_eq!(Kind::of(&frame(number, 0, 4)), Some(kind));
        }
    }

    #[test]
    fn what_ends_a_stream_or_acknowledges_is_no_flood() {
        let mut meter = Meter::new(Moment::START);
        for _ in 0..10_000 {
            for (kind, payload) in [(0x0, 0), (0x4, 0), (0x6, 8)] {
                meter.take(&frame(kind, 1, payload), Moment::START).unwrap();
            }
            meter.take(&frame(0x1, 4, 20), Moment::START).unwrap();
            meter.take(&frame(0x0, 0, 200), Moment::START).unwrap();
        }
    }
}
