//! The ways a server behaves.

use std::str::FromStr;
use std::time::Duration;

/// How a server treats requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As a good server does.
    #[default]
    Ok,
    /// Nobody listens.
    Refuse,
    /// Every new connection is reset.
    ResetOnAccept,
    /// Every request is read, then the connection is reset.
    ResetBeforeAnswer,
    /// The connection is reset after the head and half of the body.
    ResetMidBody,
    /// The connection is closed after the head and half of the body.
    Truncate,
    /// Right after each answer the connection is closed, without having said so.
    CloseRace,
    /// These bytes are the answer.
    Raw(Vec<u8>, Then),
    /// Right answers in chunks, with a wrong `Content-Length` besides.
    LengthAndChunked,
    /// Every answer comes this much later.
    Slow(Duration),
    /// So many requests are answered at once, each after this time; what is more gets 503 at once.
    Works { at_once: usize, time: Duration },
    /// The head at once, the body over this time.
    SlowBody(Duration),
    /// No answer until the mode changes.
    Hang,
    /// Every so-manieth request is treated in another way.
    Every(usize, Box<Self>),
}

/// What follows raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next request.
    Keep,
    Close,
    /// A close that is a RST.
    Reset,
}

impl Mode {
    /// Ends after its answer.
    pub fn raw(answer: impl Into<Vec<u8>>) -> Self {
        Self::Raw(answer.into(), Then::Close)
    }
}

impl FromStr for Mode {
    type Err = String;

    /// The name of a mode, for the last three with milliseconds: `slow 3000`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = text.split_once(' ').unwrap_or((text, "0"));
        let time =
            Duration::from_millis(argument.parse().ok().ok_or_else(|| format!("no time: {text}"))?);
        Ok(match name {
            "ok" => Self::Ok,
            "refuse" => Self::Refuse,
            "reset-on-accept" => Self::ResetOnAccept,
            "reset-before-answer" => Self::ResetBeforeAnswer,
            "reset-mid-body" => Self::ResetMidBody,
            "truncate" => Self::Truncate,
            "close-race" => Self::CloseRace,
            "garbage" => Self::raw("\x16\x03\x01 this is not the protocol you want\r\n\r\n"),
            "negative-length" => lengths("Content-Length: -5"),
            "two-lengths" => lengths("Content-Length: 5\r\nContent-Length: 6"),
            "length-and-chunked" => Self::LengthAndChunked,
            "slow" => Self::Slow(time),
            "slow-body" => Self::SlowBody(time),
            "hang" => Self::Hang,
            _ => return Err(format!("no such mode: {name}")),
        })
    }
}

/// An answer nobody can say the end of.
fn lengths(fields: &str) -> Mode {
    Mode::raw(format!(
        "HTTP/1.1 200 OK\r\n{fields}\r\nx-body-hash: 0\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ))
}
