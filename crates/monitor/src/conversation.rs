//! What a connection of a device may say when, without the socket.
//!
//! ```text
//! stranger ──hello──► introducing ──admitted──► known ──bye──► leaving
//!     │                    │                     │
//!     └──── any other line, or not admitted ─────┴──► closed
//! ```

use crate::protocol::{Answer, Closing, Refusal, Request};
use crate::reading::{Fields, TimeWindow};

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conversation {
    /// Has not said who it is.
    #[default]
    Stranger,
    /// Has said so; the directory is asked.
    Introducing,
    /// May send readings.
    Known,
    /// Sends no more.
    Leaving,
}

/// What follows from a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<'a> {
    /// Ask the directory for this device; then [`Conversation::admitted`] or close.
    Introduce {
        /// Its name.
        device: &'a str,
        /// Its secret.
        key: &'a str,
    },
    /// Store this reading.
    Store(Reading),
    /// Say this at once.
    Say(Answer),
    /// Answer what is under way, then close.
    Leave,
    /// Say why and close.
    Close(Closing),
}

/// A reading that may be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its number, given by the device.
    pub sequence: u64,
    /// When it was taken, by the device's clock, in milliseconds since 1970.
    pub time_ms: u64,
    /// What was measured.
    pub fields: Fields,
}

impl Conversation {
    /// The next step after `line`, which came at `now_ms`.
    pub fn hear<'a>(&mut self, line: &'a [u8], window: TimeWindow, now_ms: u64) -> Step<'a> {
        match (*self, Request::parse(line)) {
            (Self::Stranger, Ok(Request::Hello { device, key })) => {
                *self = Self::Introducing;
                Step::Introduce { device, key }
            }
            (Self::Known, Ok(Request::Put { sequence, time_ms, body })) => {
                judge(sequence, time_ms, body, window, now_ms)
            }
            (Self::Known, Ok(Request::Ping)) => Step::Say(Answer::Pong),
            (Self::Known, Ok(Request::Bye)) => {
                *self = Self::Leaving;
                Step::Leave
            }
            // No line at all, or one whose time is over or has not come.
            _ => {
                *self = Self::Leaving;
                Step::Close(Closing::NotUnderstood)
            }
        }
    }

    /// The directory knows the device, and the key is right.
    pub fn admitted(&mut self) {
        if *self == Self::Introducing {
            *self = Self::Known;
        }
    }
}

fn judge(
    sequence: u64,
    time_ms: u64,
    body: &[u8],
    window: TimeWindow,
    now_ms: u64,
) -> Step<'static> {
    let Ok(fields) = Fields::parse(body) else {
        return Step::Say(Answer::Refused(sequence, Refusal::Body));
    };
    if !window.holds(time_ms, now_ms) {
        return Step::Say(Answer::Refused(sequence, Refusal::Time));
    }
    Step::Store(Reading { sequence, time_ms, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: TimeWindow = TimeWindow { past_ms: 1000, future_ms: 1000 };

    fn hear(from: Conversation, line: &str) -> (Conversation, Step<'_>) {
        let mut conversation = from;
        let step = conversation.hear(line.as_bytes(), WINDOW, 5000);
        (conversation, step)
    }

    /// The whole table: each state with each kind of line.
    #[test]
    fn every_line_in_every_state() {
        use Conversation::{Introducing, Known, Leaving, Stranger};
        let close = || (Leaving, Step::Close(Closing::NotUnderstood));
        let fields = Fields::parse(br#"{"a":1}"#).unwrap();
        let store = Step::Store(Reading { sequence: 1, time_ms: 5000, fields });
        let introduce = Step::Introduce { device: "d", key: "k" };
        let say = |answer| (Known, Step::Say(answer));
        let hello = "hello 1 d k";
        let put = r#"put 1 5000 {"a":1}"#;
        for (from, line, expected) in [
            (Stranger, hello, (Introducing, introduce)),
            (Stranger, put, close()),
            (Stranger, "ping", close()),
            (Stranger, "bye", close()),
            (Stranger, "GET / HTTP/1.1", close()),
            (Introducing, hello, close()),
            (Introducing, put, close()),
            (Introducing, "ping", close()),
            (Introducing, "bye", close()),
            (Introducing, "?", close()),
            (Known, hello, close()),
            (Known, put, (Known, store)),
            (Known, "put 2 5000 {}", say(Answer::Refused(2, Refusal::Body))),
            (Known, r#"put 3 3999 {"a":1}"#, say(Answer::Refused(3, Refusal::Time))),
            (Known, r#"put 4 6001 {"a":1}"#, say(Answer::Refused(4, Refusal::Time))),
            (Known, "ping", say(Answer::Pong)),
            (Known, "bye", (Leaving, Step::Leave)),
            (Known, "put x", close()),
            (Leaving, hello, close()),
            (Leaving, put, close()),
            (Leaving, "ping", close()),
            (Leaving, "bye", close()),
        ] {
            assert_eq!(hear(from, line), expected, "{from:?} hears {line}");
        }
    }

    #[test]
    fn only_who_is_being_introduced_is_admitted() {
        for (from, to) in [
            (Conversation::Stranger, Conversation::Stranger),
            (Conversation::Introducing, Conversation::Known),
            (Conversation::Known, Conversation::Known),
            (Conversation::Leaving, Conversation::Leaving),
        ] {
            let mut conversation = from;
            conversation.admitted();
            assert_eq!(conversation, to);
        }
    }
}
