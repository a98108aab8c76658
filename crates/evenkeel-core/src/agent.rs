//! What a server says of itself in one line, as `HAProxy`'s agent check defines it: programs that
//! speak it exist for many services.
//!
//! Words are separated by spaces, tabs or commas: `75%`, `weight:N` or `weight:N%`, `maxconn:N`,
//! `ready`, `drain`, `maint`, `up`, and `down`, `fail`, `failed` or `stopped`, with or without a
//! `#` and a description behind it, which runs to the end of the line. What is not mentioned stays
//! as it is, and an agent that cannot be reached says nothing.

use crate::pool::Admin;

/// Bytes a caller need read: a longer line is no agent's.
pub const MOST_LINE_BYTES: usize = 1024;
/// Bytes of the description that are kept.
const MOST_TEXT_BYTES: usize = 128;
/// The largest weight a server can have.
const MOST_WEIGHT: u16 = 256;

/// What an agent has said; `None` is what it has not mentioned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    pub weight: Option<Weight>,
    /// Requests (or connections) at the same time.
    pub max_connections: Option<u32>,
    pub admin: Option<Admin>,
    pub health: Option<AgentHealth>,
    /// How many of its words are none of the protocol's, or have a number that is none.
    pub unknown_words: u16,
}

/// A weight in an agent's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Of the weight that the configuration gives.
    Percent(u16),
    /// In its place.
    Absolute(u16),
}

/// Whether the server works, in an agent's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentHealth {
    Up,
    /// With its description, without control characters; empty when there is none.
    Down(Box<str>),
}

impl Weight {
    /// The weight of a server to which the configuration gives `configured`; at most 256. A server
    /// with a weight loses all of it only at 0 %.
    pub fn of(self, configured: u16) -> u16 {
        match self {
            Self::Absolute(weight) => weight.min(MOST_WEIGHT),
            Self::Percent(percent) => {
                let weight = (u32::from(configured) * u32::from(percent)).div_ceil(100);
                u16::try_from(weight).unwrap_or(MOST_WEIGHT).min(MOST_WEIGHT)
            }
        }
    }
}

/// Reads the first line of what an agent has sent. Of words that contradict each other the last
/// one counts.
pub fn parse(bytes: &[u8]) -> Advice {
    let bytes = &bytes[..bytes.len().min(MOST_LINE_BYTES)];
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n' | 0)).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let (words, text) = line.split_once('#').unwrap_or((&line, ""));
    let mut advice = Advice::default();
    for word in words.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        if advice.take(&word.to_ascii_lowercase(), text).is_none() {
            advice.unknown_words += 1;
        }
    }
    advice
}

impl Advice {
    fn take(&mut self, word: &str, text: &str) -> Option<()> {
        match word {
            "ready" => self.admin = Some(Admin::Ready),
            "drain" => self.admin = Some(Admin::Drain),
            "maint" => self.admin = Some(Admin::Maint),
            "up" => self.health = Some(AgentHealth::Up),
            "down" | "fail" | "failed" | "stopped" => {
                self.health = Some(AgentHealth::Down(printable(text)));
            }
            _ => match word.split_once(':') {
                Some(("maxconn", number)) => self.max_connections = Some(whole(number)?),
                Some(("weight", number)) => {
                    self.weight = Some(percent(number).or_else(|| absolute(number))?);
                }
                Some(_) => return None,
                None => self.weight = Some(percent(word)?),
            },
        }
        Some(())
    }
}

fn percent(word: &str) -> Option<Weight> {
    Some(Weight::Percent(whole(word.strip_suffix('%')?)?))
}

fn absolute(number: &str) -> Option<Weight> {
    Some(Weight::Absolute(whole(number)?))
}

/// Digits alone: no sign.
fn whole<N: std::str::FromStr>(number: &str) -> Option<N> {
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
}

fn printable(text: &str) -> Box<str> {
    let text = text.trim();
    let text = &text[..text.floor_char_boundary(MOST_TEXT_BYTES)];
    text.chars().filter(|c| !c.is_control()).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_word() {
        use AgentHealth::{Down, Up};
        use Weight::{Absolute, Percent};
        let nothing = Advice::default;
        let weight = |weight| Advice { weight: Some(weight), ..nothing() };
        let admin = |admin| Advice { admin: Some(admin), ..nothing() };
        let health = |health| Advice { health: Some(health), ..nothing() };
        let unknown = |unknown_words| Advice { unknown_words, ..nothing() };
        let cases = [
            ("", nothing()),
            ("\n75%", nothing()),
            ("75%\n", weight(Percent(75))),
            ("0%\r\n", weight(Percent(0))),
            ("weight:10", weight(Absolute(10))),
            ("weight:10%", weight(Percent(10))),
            ("maxconn:30\n", Advice { max_connections: Some(30), ..nothing() }),
            ("READY", admin(Admin::Ready)),
            ("drain", admin(Admin::Drain)),
            ("maint", admin(Admin::Maint)),
            ("up", health(Up)),
            ("down", health(Down("".into()))),
            ("failed#disk is full, 99%", health(Down("disk is full, 99%".into()))),
            ("stopped #\tby ops\x07 ", health(Down("by ops".into()))),
            ("fail", health(Down("".into()))),
            (
                "up, ready\t50% maxconn:7",
                Advice {
                    weight: Some(Percent(50)),
                    max_connections: Some(7),
                    admin: Some(Admin::Ready),
                    health: Some(Up),
                    unknown_words: 0,
                },
            ),
            ("down up", health(Up)),
            ("maybe", unknown(1)),
            ("75", unknown(1)),
            ("+5% weight:-1 maxconn:x maxconn: load:3 70000% %", unknown(7)),
            ("HTTP/1.1 400 Bad Request\r\n", unknown(4)),
        ];
        for (line, advice) in cases {
            assert_eq!(parse(line.as_bytes()), advice, "{line:?}");
        }
    }

    #[test]
    fn weights() {
        let cases = [
            (Weight::Percent(50), 10, 5),
            (Weight::Percent(1), 1, 1),
            (Weight::Percent(0), 10, 0),
            (Weight::Percent(65_535), 256, 256),
            (Weight::Percent(100), 0, 0),
            (Weight::Absolute(7), 100, 7),
            (Weight::Absolute(1_000), 1, 256),
        ];
        for (weight, configured, expected) in cases {
            assert_eq!(weight.of(configured), expected, "{weight:?} of {configured}");
        }
    }

    proptest! {
        #[test]
        fn nothing_an_agent_sends_is_too_much(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let Advice { health, .. } = parse(&bytes);
            if let Some(AgentHealth::Down(text)) = health {
                prop_assert!(text.len() <= MOST_TEXT_BYTES && !text.contains(char::is_control));
            }
        }
    }
}
