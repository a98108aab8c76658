//! Where a message ends and whether its connection goes on: what requests and answers have in common.

use super::header::{self, Name};
use super::{Reason, Version};

/// Options a `Connection` field may list in all: a browser sends two, and each is compared with
/// every header line.
const MOST_CONNECTION_OPTIONS: u8 = 32;

/// What the header section says about the message's end and its connection.
#[derive(Debug, Default)]
pub(super) struct Framing<'b> {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    /// `Connection` lists `upgrade`.
    pub(super) upgrade: bool,
    /// The one `Upgrade` line.
    pub(super) protocol: Option<&'b [u8]>,
    pub(super) protocol_repeated: bool,
    /// `Connection` lists a name this node does not know.
    pub(super) names: bool,
    options: u8,
}

impl<'b> Framing<'b> {
    pub(super) fn take(&mut self, kind: Name, value: &'b [u8]) -> Result<(), Reason> {
        match kind {
            Name::ContentLength => self.take_length(value)?,
            Name::TransferEncoding => {
                if self.chunked {
                    return Err(Reason::CodingRepeated);
                }
                only_chunked(value)?;
                self.chunked = true;
            }
            Name::Connection => self.take_options(value)?,
            Name::Upgrade => self.protocol_repeated |= self.protocol.replace(value).is_some(),
            _ => {}
        }
        Ok(())
    }

    /// The rules that need the whole section (RFC 9112 §6.1).
    pub(super) fn judge(&self, version: Version) -> Result<(), Reason> {
        if self.chunked && self.length.is_some() {
            return Err(Reason::LengthAndCoding);
        }
        if self.chunked && version == Version::Http10 {
            return Err(Reason::CodingInHttp10);
        }
        Ok(())
    }

    /// Whether the connection goes on after the message (RFC 9112 §9.3).
    pub(super) fn persists(&self, version: Version) -> bool {
        !self.close && (version != Version::Http10 || self.keep_alive)
    }

    /// Identical lengths are refused as well: no client sends them, attackers do.
    fn take_length(&mut self, value: &[u8]) -> Result<(), Reason> {
        match self.length.replace(decimal(value).ok_or(Reason::LengthSyntax)?) {
            Some(_) => Err(Reason::LengthRepeated),
            None => Ok(()),
        }
    }

    fn take_options(&mut self, value: &[u8]) -> Result<(), Reason> {
        for option in header::list(value) {
            self.options += 1;
            if self.options > MOST_CONNECTION_OPTIONS {
                return Err(Reason::ConnectionOptions);
            }
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.names = true;
            }
        }
        Ok(())
    }
}

/// Classifies the parsed lines in one pass, handing each to `take`, and closes the gap the syntax
/// parser leaves open: it takes a bare LF for the end of a line.
pub(super) fn classify<'b>(
    head: &'b [u8],
    headers: &[httparse::Header<'b>],
    kinds: &mut [Name],
    mut take: impl FnMut(Name, &'b [u8]) -> Result<(), Reason>,
) -> Result<(), Reason> {
    for (field, slot) in headers.iter().zip(kinds) {
        // The line before a name ends just before it, so its CR is two bytes back: an LF the
        // parser accepted is found without looking for it.
        let at = field.name.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
        if head.get(at.wrapping_sub(2)) != Some(&b'\r') {
            return Err(Reason::BareLineFeed);
        }
        let kind = Name::of(field.name.as_bytes());
        *slot = kind;
        take(kind, field.value)?;
    }
    if head.ends_with(b"\r\n\r\n") { Ok(()) } else { Err(Reason::BareLineFeed) }
}

/// Digits and nothing else: of a length without the list of equal values that RFC 9110 §8.6 lets a
/// recipient accept.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    // Twenty digits hold every u64.
    if value.is_empty() || value.len() > 20 {
        return None;
    }
    for byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(number)
}

/// `chunked` and nothing else is accepted; the rest is sorted into what is not understood and what
/// is wrong (RFC 9112 §6.1, §7).
fn only_chunked(value: &[u8]) -> Result<(), Reason> {
    const CHUNKED: &[u8] = b"chunked";
    if value.eq_ignore_ascii_case(CHUNKED) {
        return Ok(());
    }
    let mut codings = value.split(|byte| *byte == b',').map(header::trim);
    if !codings.clone().all(header::is_token) {
        return Err(Reason::CodingSyntax);
    }
    let chunked = codings.clone().filter(|coding| coding.eq_ignore_ascii_case(CHUNKED)).count();
    let last = codings.next_back().is_some_and(|coding| coding.eq_ignore_ascii_case(CHUNKED));
    match (chunked, last) {
        (0, _) | (1, true) => Err(Reason::CodingUnknown),
        (1, false) => Err(Reason::CodingSyntax),
        _ => Err(Reason::CodingRepeated),
    }
}
