//! The line protocol between devices and comm: bytes to meaning and back. The document is
//! `docs/monitor-protocol.md`.

use std::fmt;

use crate::reading::HIGHEST_SEQUENCE;

/// Bytes of a line with its end. A body and what stands before it fit with room.
pub const LONGEST_LINE: usize = 2048;
/// Bytes of a device's name.
pub const LONGEST_DEVICE: usize = 64;
/// Letters of a key: 16 random bytes in hexadecimal, or a longer one of somebody's own.
pub const LONGEST_KEY: usize = 128;
/// The version that is spoken.
pub const VERSION: &str = "1";
/// Readings of one connection that may wait for their answer. More are left unread.
pub const WINDOW: usize = 256;

/// Where the next line of what has arrived ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes, with the line feed.
    Line(usize),
    /// The end has not arrived yet.
    Partial,
    /// It can only be longer than [`LONGEST_LINE`].
    TooLong,
}

/// Finds the end of the first line of `bytes`.
pub fn frame(bytes: &[u8]) -> Framing {
    let reach = &bytes[..bytes.len().min(LONGEST_LINE)];
    match reach.iter().position(|byte| *byte == b'\n') {
        Some(at) => Framing::Line(at + 1),
        None if bytes.len() >= LONGEST_LINE => Framing::TooLong,
        None => Framing::Partial,
    }
}

/// What a device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// `hello 1 DEVICE KEY`: the first line.
    Hello {
        /// Its name; see [`is_device_name`].
        device: &'a str,
        /// Its secret.
        key: &'a str,
    },
    /// `put SEQUENCE TIME BODY`: a reading.
    Put {
        /// 1 to [`HIGHEST_SEQUENCE`].
        sequence: u64,
        /// Milliseconds since 1970, by the device's clock.
        time_ms: u64,
        /// Not yet looked into.
        body: &'a [u8],
    },
    /// `ping`: whether somebody is there.
    Ping,
    /// `bye`: no more readings on this connection.
    Bye,
}

/// Why a line is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// The first word is none of the four.
    #[error("expected hello, put, ping or bye")]
    UnknownWord,
    /// A hello of another version.
    #[error("only version {VERSION} is spoken")]
    Version,
    /// A hello without a name and key that could be ones.
    #[error("expected hello {VERSION} DEVICE KEY")]
    Hello,
    /// A put without its two numbers.
    #[error("expected put SEQUENCE TIME BODY, with a sequence from 1 to 2^53")]
    Put,
}

impl<'a> Request<'a> {
    /// Reads one line, with or without its end (LF or CR LF).
    pub fn parse(line: &'a [u8]) -> Result<Self, BadLine> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (word, rest) = split(line);
        match word {
            b"put" => put(rest),
            b"hello" => hello(rest),
            b"ping" if rest.is_empty() => Ok(Self::Ping),
            b"bye" if rest.is_empty() => Ok(Self::Bye),
            _ => Err(BadLine::UnknownWord),
        }
    }
}

/// Whether `name` may name a device: 1 to 64 letters, digits, `.`, `_` and `-`.
pub fn is_device_name(name: &str) -> bool {
    (1..=LONGEST_DEVICE).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn put(rest: &[u8]) -> Result<Request<'_>, BadLine> {
    let (sequence, rest) = split(rest);
    let (time, body) = split(rest);
    let sequence = number(sequence).filter(|number| (1..=HIGHEST_SEQUENCE).contains(number));
    match (sequence, number(time)) {
        (Some(sequence), Some(time_ms)) => Ok(Request::Put { sequence, time_ms, body }),
        _ => Err(BadLine::Put),
    }
}

fn hello(rest: &[u8]) -> Result<Request<'_>, BadLine> {
    let (version, rest) = split(rest);
    if version != VERSION.as_bytes() {
        return Err(BadLine::Version);
    }
    let (device, key) = split(rest);
    let device = std::str::from_utf8(device).ok().filter(|device| is_device_name(device));
    let key = std::str::from_utf8(key).ok().filter(|key| is_key(key));
    match (device, key) {
        (Some(device), Some(key)) => Ok(Request::Hello { device, key }),
        _ => Err(BadLine::Hello),
    }
}

fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The first word, and what follows the one space after it.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

/// A whole number of 1 to 19 digits.
fn number(word: &[u8]) -> Option<u64> {
    let digits = word.iter().all(u8::is_ascii_digit) && (1..=19).contains(&word.len());
    std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

/// Why a reading is not stored, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The body is not an object of numbers, or too long.
    Body,
    /// The device's time is outside of the window.
    Time,
}

/// Why a reading is not stored now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delay {
    /// The shard of the device does not answer.
    ShardDown,
    /// More arrives than can be stored.
    Busy,
    /// The device sends more than it may.
    Rate,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closing {
    /// The device said bye, and everything is answered.
    Bye,
    /// A line was not one.
    NotUnderstood,
    /// A line did not end.
    LineTooLong,
    /// No such device, or another key; which of them is not told.
    NotAdmitted,
    /// The device has too many connections.
    TooMany,
    /// No hello, half a line, or unread answers, for too long.
    TooSlow,
    /// Nothing said for very long.
    Idle,
    /// The shard of the device does not answer.
    ShardDown,
    /// This server is full.
    Full,
    /// This server ends; another takes over.
    Stopping,
}

macro_rules! words {
    ($name:ident: $($variant:ident $word:literal),* $(,)?) => {
        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word on the wire and in metrics.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The one of this word.
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }
    };
}

words!(Refusal: Body "body", Time "time");
words!(Delay: ShardDown "shard-down", Busy "busy", Rate "rate");
words!(Closing: Bye "bye", NotUnderstood "not-understood", LineTooLong "line-too-long",
    NotAdmitted "not-admitted", TooMany "too-many", TooSlow "too-slow", Idle "idle",
    ShardDown "shard-down", Full "full", Stopping "stopping");

/// What comm says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `welcome HIGHEST WINDOW`: the device is known. The highest sequence stored, 0 for none.
    Welcome {
        /// The highest sequence that is stored.
        highest: u64,
    },
    /// `ack SEQUENCE`: stored, now or earlier.
    Ack(u64),
    /// `refused SEQUENCE WHY`: it will never be stored.
    Refused(u64, Refusal),
    /// `retry SEQUENCE MILLISECONDS WHY`: it may be sent again after that time.
    Retry(u64, u64, Delay),
    /// `pong`.
    Pong,
    /// `closing WHY MILLISECONDS`: the last line; come back after that time.
    Closing(Closing, u64),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Welcome { highest } => writeln!(f, "welcome {highest} {WINDOW}"),
            Self::Ack(sequence) => writeln!(f, "ack {sequence}"),
            Self::Refused(sequence, why) => writeln!(f, "refused {sequence} {}", why.word()),
            Self::Retry(sequence, after_ms, why) => {
                writeln!(f, "retry {sequence} {after_ms} {}", why.word())
            }
            Self::Pong => writeln!(f, "pong"),
            Self::Closing(why, after_ms) => writeln!(f, "closing {} {after_ms}", why.word()),
        }
    }
}

impl Answer {
    /// Reads what [`fmt::Display`] writes, for devices. `None` for anything else.
    pub fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.trim_end_matches(['\r', '\n']).split(' ').collect();
        let number = |word: &str| number(word.as_bytes());
        match words.as_slice() {
            ["ack", sequence] => Some(Self::Ack(number(sequence)?)),
            ["welcome", highest, _] => Some(Self::Welcome { highest: number(highest)? }),
            ["refused", sequence, why] => {
                Some(Self::Refused(number(sequence)?, Refusal::of_word(why)?))
            }
            ["retry", sequence, after_ms, why] => {
                Some(Self::Retry(number(sequence)?, number(after_ms)?, Delay::of_word(why)?))
            }
            ["pong"] => Some(Self::Pong),
            ["closing", why, after_ms] => {
                Some(Self::Closing(Closing::of_word(why)?, number(after_ms)?))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
