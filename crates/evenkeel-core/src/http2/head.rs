//! What one header block says: the head of a request or an answer, or the trailers behind its body.
//!
//! Whatever RFC 9113 §8 calls malformed is found while the fields come, so that nothing that means
//! something else in HTTP/1 gets any further.

use std::ops::Range;

use super::hpack;
use crate::message::header::Name;

/// Bytes that each field counts for beside its name and value (RFC 9113 §10.5.1).
const FIELD_OVERHEAD: usize = 32;

/// The fields of a header block, in memory that is used again.
#[derive(Debug, Default)]
pub struct Head {
    /// Names and values, one behind the other.
    bytes: Vec<u8>,
    fields: Vec<Place>,
    pseudo: [Option<Range<usize>>; Pseudo::COUNT],
    /// Bytes as RFC 9113 §10.5.1 counts them, of all fields that came.
    size: usize,
    /// Of `size`; what comes beyond is counted and not kept.
    most: usize,
    malformed: bool,
    /// There is white space around a value.
    padded: bool,
    content_length: Option<u64>,
    /// The value of `Host`, the last of them.
    host: Option<Range<usize>>,
    is_sensitive: bool,
}

/// Where a field lies in the bytes.
#[derive(Debug)]
struct Place {
    kind: Name,
    start: usize,
    colon: usize,
    end: usize,
}

/// What HTTP/1 has in its first line (RFC 9113 §8.3, RFC 8441 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pseudo {
    Method,
    Scheme,
    Authority,
    Path,
    Protocol,
    Status,
}

impl Pseudo {
    const COUNT: usize = 6;

    const fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b":protocol" => Self::Protocol,
            b":status" => Self::Status,
            _ => return None,
        })
    }
}

impl Head {
    /// Ready for another block, of which at most `most` bytes are kept.
    pub fn clear(&mut self, most: usize) {
        self.bytes.clear();
        self.fields.clear();
        self.pseudo = [const { None }; Pseudo::COUNT];
        self.size = 0;
        self.most = most;
        self.malformed = false;
        self.padded = false;
        self.content_length = None;
        self.host = None;
        self.is_sensitive = false;
    }

    /// Takes the next field of the block.
    pub fn take(&mut self, name: &[u8], value: &[u8]) {
        self.size = self.size.saturating_add(name.len() + value.len() + FIELD_OVERHEAD);
        if self.size > self.most {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let colon = self.bytes.len();
        self.bytes.extend_from_slice(value);
        let end = self.bytes.len();
        if name.first() == Some(&b':') {
            self.take_pseudo(name, value, colon..end);
            return;
        }
        let kind = Name::of(name);
        self.malformed |= !is_name(name) || !is_value(value) || concerns_connection(kind, value);
        self.padded |= is_padded(value);
        match kind {
            Name::ContentLength => {
                self.content_length = number(value);
                self.malformed |= self.content_length.is_none();
            }
            Name::Host => self.host = Some(colon..end),
            _ => {}
        }
        self.fields.push(Place { kind, start, colon, end });
    }

    /// The field of this name that was taken is not to be put into a table by whoever it is passed
    /// on to (RFC 7541 §6.2.3). Those of which that is known by name need no mark.
    pub fn mark(&mut self, name: &[u8]) {
        self.is_sensitive |= !hpack::is_sensitive(name);
    }

    fn take_pseudo(&mut self, name: &[u8], value: &[u8], place: Range<usize>) {
        let is_late = !self.fields.is_empty();
        let Some(which) = Pseudo::of(name) else {
            self.malformed = true;
            return;
        };
        let earlier = self.pseudo[which as usize].replace(place);
        let is_clean = match which {
            Pseudo::Method => value.iter().all(|&byte| is_token(byte.to_ascii_lowercase())),
            _ => value.iter().all(u8::is_ascii_graphic),
        };
        self.malformed |= is_late || earlier.is_some() || !is_clean;
    }

    /// The block is no head of a request (RFC 9113 §8.1.1, §8.3.1): its stream is to be reset.
    /// `ends`: no body follows.
    pub fn is_no_request(&self, ends: bool) -> bool {
        let has = |which: Pseudo| self.pseudo[which as usize].is_some();
        let is_empty = |which| self.pseudo(which).is_some_and(str::is_empty);
        let lacks_body = ends && self.content_length.is_some_and(|length| length > 0);
        if self.malformed
            || self.padded
            || lacks_body
            || self.names_two_hosts()
            || is_empty(Pseudo::Method)
            || has(Pseudo::Status)
        {
            return true;
        }
        if self.is_too_large() {
            return false; // what is missing may have been cut
        }
        let is_connect = self.pseudo(Pseudo::Method) == Some("CONNECT");
        let fits = if is_connect && !has(Pseudo::Protocol) {
            has(Pseudo::Authority) && !has(Pseudo::Scheme) && !has(Pseudo::Path)
        } else {
            let is_said = |which| has(which) && !is_empty(which);
            is_said(Pseudo::Scheme) && is_said(Pseudo::Path)
        };
        !has(Pseudo::Method) || !fits || (has(Pseudo::Protocol) && !is_connect)
    }

    /// `Host` is another than `:authority` (RFC 9113 §8.3.1). The port that a scheme has anyway makes
    /// no difference (RFC 3986 §6.2.3).
    fn names_two_hosts(&self) -> bool {
        let (Some(host), Some(authority)) = (&self.host, self.pseudo(Pseudo::Authority)) else {
            return false;
        };
        let port = match self.pseudo(Pseudo::Scheme) {
            Some("http") => ":80",
            Some("https") => ":443",
            _ => "",
        };
        let end = |host: &[u8], end: &[u8]| host.strip_suffix(end).map(<[u8]>::len);
        let bare = |host: &[u8]| {
            end(host, port.as_bytes()).or_else(|| end(host, b":")).unwrap_or(host.len())
        };
        let (host, authority) = (&self.bytes[host.clone()], authority.as_bytes());
        !host[..bare(host)].eq_ignore_ascii_case(&authority[..bare(authority)])
    }

    /// What the head of an answer says, and nothing else does (RFC 9113 §8.3.2): 100 to 599. White
    /// space around a server's values is taken as HTTP/1 takes it: it is an old habit of some.
    pub fn status(&self) -> Option<u16> {
        let is_alone = self.pseudo.iter().flatten().count() == 1;
        let digits = self.pseudo(Pseudo::Status).filter(|digits| digits.len() == 3)?;
        let status = digits.parse().ok().filter(|status| (100..600).contains(status));
        if self.malformed || !is_alone { None } else { status }
    }

    /// The block cannot stand behind a body (RFC 9113 §8.1).
    pub fn is_no_trailers(&self) -> bool {
        self.malformed || self.pseudo.iter().any(Option::is_some) || self.is_too_large()
    }

    /// More came than is kept.
    pub const fn is_too_large(&self) -> bool {
        self.size > self.most
    }

    /// How often what is kept would have filled up once more; 0: it was kept whole.
    pub fn excess(&self) -> u32 {
        u32::try_from(self.size.saturating_sub(1) / self.most.max(1)).unwrap_or(u32::MAX)
    }

    /// One of its fields is marked: all of them are to be passed on [as sensitive
    /// ones](super::Connection::set_sensitive).
    pub const fn is_sensitive(&self) -> bool {
        self.is_sensitive
    }

    /// What `Content-Length` announces, if it is a number.
    pub const fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The value of a pseudo-header field.
    pub fn pseudo(&self, which: Pseudo) -> Option<&str> {
        let place = self.pseudo[which as usize].clone()?;
        str::from_utf8(&self.bytes[place]).ok()
    }

    /// How many fields there are beside the pseudo-header fields.
    pub const fn count(&self) -> usize {
        self.fields.len()
    }

    /// Kind, name in lower case, value.
    pub fn fields(&self) -> impl Iterator<Item = (Name, &str, &[u8])> {
        self.fields.iter().map(|&Place { kind, start, colon, end }| {
            // What is no text was malformed.
            let name = str::from_utf8(&self.bytes[start..colon]).unwrap_or_default();
            (kind, name, &self.bytes[colon..end])
        })
    }
}

/// RFC 9113 §8.2.1, RFC 9110 §5.1.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_token(byte))
}

/// What may stand in a token, but for upper case (RFC 9110 §5.6.2).
const fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let signs = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
        let mut at = 0;
        while at < signs.len() {
            table[signs[at] as usize] = true;
            at += 1;
        }
        table
    };
    TOKEN[byte as usize]
}

/// RFC 9113 §8.2.1: no line end, no NUL. What HTTP/1 could not carry must not reach a server that
/// speaks it.
fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
}

/// RFC 9113 §8.2.1: white space around.
fn is_padded(value: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_blank(value.first()) || is_blank(value.last())
}

/// RFC 9113 §8.2.2.
fn concerns_connection(kind: Name, value: &[u8]) -> bool {
    match kind {
        Name::Connection
        | Name::Http2Settings
        | Name::KeepAlive
        | Name::ProxyConnection
        | Name::TransferEncoding
        | Name::Upgrade => true,
        Name::Te => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if is_number { str::from_utf8(digits).ok()?.parse().ok() } else { None }
}
