//! Traces: what `traceparent` and `tracestate` say, and how this node goes on with what they say.
//!
//! W3C Trace Context Level 2, of which Level 1 is a part: what is accepted here is what Level 2
//! accepts, and version 00 is written.

use std::num::{NonZeroU64, NonZeroU128};

use crate::dice::Dice;
use crate::message::header::{Fields, Name, list};
use crate::share::Share;

/// A `traceparent` of version 00 (§3.2.2).
const TRACEPARENT_BYTES: usize = 55;

/// Where in it the id of the span is.
pub(crate) const SPAN_AT: usize = 36;

/// Most members of a `tracestate` (§3.3.1.1); one with more is dropped as a whole.
const MOST_MEMBERS: usize = 32;

/// Most bytes of the key or the value of a member (§3.3.1.3).
const MOST_MEMBER_BYTES: usize = 256;

/// Whoever asked keeps what it knows of this request (§3.2.2.5.1).
const SAMPLED: u8 = 1;

/// The lower 56 bits of the trace id were left to chance (§3.2.2.5.2).
const RANDOM: u8 = 2;

/// What a listener does about traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// Nothing: the two headers pass like any others.
    #[default]
    Off,
    /// A trace that has begun goes on; headers that say nothing valid are dropped.
    Pass,
    /// The same, and a request without a trace begins one.
    Start,
    /// The same, and only peers that are trusted are believed: who else asks begins one.
    Restart,
}

/// A trace; never all zeros (§3.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(NonZeroU128);

/// A span, called parent id in `traceparent`; never all zeros (§3.2.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(NonZeroU64);

/// What a valid `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    pub trace: TraceId,
    pub span: SpanId,
    /// Of the flags those that are known here, the others are 0 (§3.2.2.5.3).
    pub flags: u8,
}

/// A request's place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    pub id: TraceId,
    /// The span of whoever has asked; `None`: the trace begins here.
    pub parent: Option<SpanId>,
    pub flags: u8,
}

/// The two headers on their way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// As any other header.
    AsSent,
    /// Neither of them.
    Dropped,
    Said(Said),
}

/// What this node says of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub traceparent: Traceparent,
    /// The trace began elsewhere: the `tracestate` that came with it goes on, if it is valid.
    pub goes_on: bool,
}

impl TraceId {
    pub fn new(dice: &mut Dice) -> Self {
        Self::of_halves([dice.roll(), dice.roll()]).unwrap_or(Self(NonZeroU128::MIN))
    }

    /// Its upper half and its lower one.
    pub fn halves(self) -> [u64; 2] {
        [self.0.get() >> 64, self.0.get() << 64 >> 64]
            .map(|half| u64::try_from(half).expect("64 bits are left"))
    }

    /// `None`: all zeros.
    pub fn of_halves([upper, lower]: [u64; 2]) -> Option<Self> {
        NonZeroU128::new(u128::from(upper) << 64 | u128::from(lower)).map(Self)
    }

    /// The most significant byte first.
    pub fn bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// In lower-case hexadecimal digits.
    pub fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        write_digits(&mut digits, self.0.get());
        digits
    }

    /// A number by which every node decides alike for the whole trace: the part that is left to
    /// chance (§5.1), in the upper bits.
    pub fn chance(self) -> u64 {
        self.halves()[1] << 8
    }
}

impl SpanId {
    pub fn new(dice: &mut Dice) -> Self {
        Self(NonZeroU64::new(dice.roll()).unwrap_or(NonZeroU64::MIN))
    }

    /// The most significant byte first.
    pub fn bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    /// In lower-case hexadecimal digits.
    pub fn digits(self) -> [u8; 16] {
        let mut digits = [0; 16];
        write_digits(&mut digits, self.0.get().into());
        digits
    }
}

impl Traceparent {
    /// Reads the one value of the header (§3.2.2, and §4.3 for versions to come: what is known of
    /// them is as in version 00).
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, more) = value.split_at_checked(TRACEPARENT_BYTES)?;
        let [b'-', b'-', b'-'] = [known[2], known[35], known[52]] else { return None };
        let version = number(&known[..2])?;
        let is_whole = more.is_empty() || version > 0 && more[0] == b'-';
        if version == 0xff || !is_whole {
            return None;
        }
        let span = u64::try_from(number(&known[36..52])?).ok()?;
        let flags = u8::try_from(number(&known[53..])?).ok()?;
        Some(Self {
            trace: TraceId(NonZeroU128::new(number(&known[3..35])?)?),
            span: SpanId(NonZeroU64::new(span)?),
            flags: flags & (SAMPLED | RANDOM),
        })
    }

    /// The value of the header, in version 00.
    pub fn text(&self) -> [u8; TRACEPARENT_BYTES] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&self.trace.digits());
        text[SPAN_AT..52].copy_from_slice(&self.span.digits());
        write_digits(&mut text[53..], self.flags.into());
        text
    }
}

impl Trace {
    /// What a listener makes of what a request says. `trusted`: it is from a peer that is believed;
    /// `share`: of the traces that begin here, those that are sampled.
    pub fn of(
        fields: &Fields<'_, '_>,
        (tracing, trusted): (Tracing, bool),
        share: Share,
        dice: &mut Dice,
    ) -> Option<Self> {
        let believed = tracing != Tracing::Restart || trusted;
        let parent = if believed { sent(fields) } else { None };
        match (parent, tracing) {
            (_, Tracing::Off) | (None, Tracing::Pass) => None,
            (Some(Traceparent { trace: id, span, flags }), _) => {
                Some(Self { id, parent: Some(span), flags })
            }
            (None, Tracing::Start | Tracing::Restart) => {
                let id = TraceId::new(dice);
                let flags = if share.takes(id.chance()) { RANDOM | SAMPLED } else { RANDOM };
                Some(Self { id, parent: None, flags })
            }
        }
    }

    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED > 0
    }

    /// What a server is told, to which `span` belongs.
    pub const fn onward(&self, span: SpanId) -> Onward {
        let traceparent = Traceparent { trace: self.id, span, flags: self.flags };
        Onward::Said(Said { traceparent, goes_on: self.parent.is_some() })
    }
}

/// The one `traceparent` of a request, if it is valid; of several none is (§4.3).
fn sent(fields: &Fields<'_, '_>) -> Option<Traceparent> {
    let mut values = fields.of(Name::Traceparent);
    let value = values.next()?;
    if values.next().is_some() { None } else { Traceparent::parse(value) }
}

/// Whether all lines of a `tracestate` together are one list that may be passed on (§3.3.1): a
/// member that is not understood spoils them all.
pub fn state_holds<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut members = 0;
    lines.flat_map(list).all(|member| {
        members += 1;
        members <= MOST_MEMBERS && is_member(member)
    })
}

/// `key=value`, in the grammar of Level 2 (§3.3.1.3), of which that of Level 1 is a part.
fn is_member(member: &[u8]) -> bool {
    let Some(at) = member.iter().position(|byte| *byte == b'=') else { return false };
    let (key, value) = (&member[..at], &member[at + 1..]);
    let first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let further = |byte: &u8| first(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    let of_value = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    let fits = |part: &[u8]| (1..=MOST_MEMBER_BYTES).contains(&part.len());
    fits(key)
        && fits(value)
        && key.first().is_some_and(first)
        && key.iter().all(further)
        && value.iter().all(of_value)
}

/// Digits and lower-case letters only (§3.2.2); at most 32 of them.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

fn write_digits(digits: &mut [u8], mut number: u128) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests;
