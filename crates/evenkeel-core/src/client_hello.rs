//! The first message of TLS, read for its server name and protocols, never consumed (RFC 8446 §4.1.2).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// Bytes of a `ClientHello`. With post-quantum key shares it has 2 KiB, with encrypted client hello
/// 4 KiB; widely used TLS stacks stop at this number.
pub const MOST_CLIENT_HELLO_BYTES: usize = 64 * 1024;

/// Records a `ClientHello` may be cut into. Clients cut it into a few to hide its name from
/// middleboxes; each record is one step for every look at what has come so far.
pub const MOST_RECORDS: usize = 1024;

/// Bytes a caller has to hold to see any acceptable `ClientHello` whole.
pub const MOST_BYTES: usize = MOST_CLIENT_HELLO_BYTES + 4 + RECORD_HEAD * MOST_RECORDS;

/// Bytes of the id of a session (RFC 8446 §4.1.2).
const MOST_SESSION_ID: usize = 32;

/// Bytes in front of each record: type, version, length.
const RECORD_HEAD: usize = 5;

/// The bytes are not the beginning of TLS, or of no TLS a server would accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotTls {
    /// The first byte of a record is not that of a handshake: some other protocol.
    NotHandshake,
    /// The record's version or length is impossible.
    BadRecord,
    /// A handshake message, but not a `ClientHello`.
    NotClientHello,
    /// More than [`MOST_CLIENT_HELLO_BYTES`] or [`MOST_RECORDS`].
    TooLarge,
    /// Its inner lengths contradict each other, or an extension is there twice.
    Malformed,
}

impl NotTls {
    /// A short word for a counter.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotHandshake => "not-tls",
            Self::BadRecord => "bad-record",
            Self::NotClientHello => "not-client-hello",
            Self::TooLarge => "too-large",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for NotTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHandshake => "the client does not speak TLS",
            Self::BadRecord => "the client's TLS record has an impossible version or length",
            Self::NotClientHello => "the client's TLS does not begin with a ClientHello",
            Self::TooLarge => {
                "the client's ClientHello is larger than 64 KiB or in too many pieces"
            }
            Self::Malformed => "the client's ClientHello contradicts itself",
        })
    }
}

impl std::error::Error for NotTls {}

/// What a client asks of a TLS server.
#[derive(Clone, Debug)]
pub struct ClientHello<'b> {
    /// The handshake message without its head; copied only when it came in several records.
    body: Cow<'b, [u8]>,
    server_name: Option<Range<usize>>,
    alpn: Range<usize>,
}

impl ClientHello<'_> {
    /// The host the client wants, in the case it was sent. A name that is none (an IP address, an
    /// empty label, a forbidden byte, more than 255 bytes) counts as not sent: nothing is routed on
    /// it, and the server decides what to answer.
    pub fn server_name(&self) -> Option<&str> {
        std::str::from_utf8(self.body.get(self.server_name.clone()?)?).ok()
    }

    /// The application protocols offered, in the client's order.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Reader(self.body.get(self.alpn.clone()).unwrap_or_default());
        std::iter::from_fn(move || rest.vector8().ok())
    }
}

/// Reads the `ClientHello` at the start of `bytes`. `None`: it is not whole yet. Until it is, only
/// the heads of its records are looked at, so that bytes that dribble in cost little.
pub fn parse(bytes: &[u8]) -> Result<Option<ClientHello<'_>>, NotTls> {
    let Some(body) = handshake_body(bytes)? else { return Ok(None) };
    let Found { server_name, alpn } = find(&body)?;
    Ok(Some(ClientHello { body, server_name, alpn }))
}

/// The body of the first handshake message, out of as many records as it takes.
fn handshake_body(bytes: &[u8]) -> Result<Option<Cow<'_, [u8]>>, NotTls> {
    let Some(first) = record(bytes)? else { return Ok(None) };
    if first.first().is_some_and(|kind| *kind != 1) {
        return Err(NotTls::NotClientHello);
    }
    // Almost always the first record holds all of it.
    if let [_, high, middle, low, rest @ ..] = first {
        let length = message_length([*high, *middle, *low])?;
        if let Some(body) = rest.get(..length) {
            return Ok(Some(Cow::Borrowed(body)));
        }
    }
    let Some(length) = whole_length(bytes)? else { return Ok(None) };
    let mut message = Vec::with_capacity(length);
    let mut at = 0;
    while message.len() < length {
        let Some(piece) = bytes.get(at..).map(record).transpose()?.flatten() else {
            return Ok(None);
        };
        message.extend_from_slice(piece);
        at += RECORD_HEAD + piece.len();
    }
    message.truncate(length);
    message.drain(..4);
    Ok(Some(Cow::Owned(message)))
}

/// Bytes of the handshake message with its head, once all of them have come; looks at nothing but
/// record heads and the message's head.
fn whole_length(bytes: &[u8]) -> Result<Option<usize>, NotTls> {
    let mut head = Vec::with_capacity(4);
    let mut sum = 0;
    let mut at = 0;
    for _ in 0..MOST_RECORDS {
        let Some(rest) = bytes.get(at..) else { return Ok(None) };
        let Some(length) = record_length(rest)? else { return Ok(None) };
        let piece = &rest[RECORD_HEAD..rest.len().min(RECORD_HEAD + length)];
        head.extend(piece.iter().take(4 - head.len()));
        sum += piece.len();
        at += RECORD_HEAD + length;
        if let [_, high, middle, low] = head[..] {
            let wanted = 4 + message_length([high, middle, low])?;
            if sum >= wanted {
                return Ok(Some(wanted));
            }
        }
        if piece.len() < length {
            return Ok(None);
        }
    }
    Err(NotTls::TooLarge)
}

fn message_length(length: [u8; 3]) -> Result<usize, NotTls> {
    let [high, middle, low] = length.map(usize::from);
    let length = high << 16 | middle << 8 | low;
    if length > MOST_CLIENT_HELLO_BYTES { Err(NotTls::TooLarge) } else { Ok(length) }
}

/// As much of the record at the start of `bytes` as has come.
fn record(bytes: &[u8]) -> Result<Option<&[u8]>, NotTls> {
    let Some(length) = record_length(bytes)? else { return Ok(None) };
    Ok(Some(&bytes[RECORD_HEAD..bytes.len().min(RECORD_HEAD + length)]))
}

/// RFC 8446 §5.1: handshake records are not empty and hold at most 2^14 bytes.
fn record_length(bytes: &[u8]) -> Result<Option<usize>, NotTls> {
    const HANDSHAKE: u8 = 22;
    const MOST_RECORD_BYTES: usize = 1 << 14;
    match bytes {
        [kind, ..] if *kind != HANDSHAKE => Err(NotTls::NotHandshake),
        [_, major, ..] if *major != 3 => Err(NotTls::BadRecord),
        [_, _, _, high, low, ..] => {
            let length = usize::from(*high) << 8 | usize::from(*low);
            if (1..=MOST_RECORD_BYTES).contains(&length) {
                Ok(Some(length))
            } else {
                Err(NotTls::BadRecord)
            }
        }
        _ => Ok(None),
    }
}

/// Where in the body the interesting parts are.
struct Found {
    server_name: Option<Range<usize>>,
    alpn: Range<usize>,
}

fn find(body: &[u8]) -> Result<Found, NotTls> {
    const SERVER_NAME: u16 = 0;
    const ALPN: u16 = 16;
    let mut found = Found { server_name: None, alpn: 0..0 };
    let (mut saw_name, mut saw_alpn) = (false, false);
    let place = |part: &[u8]| {
        let start = part.as_ptr().addr() - body.as_ptr().addr();
        start..start + part.len()
    };

    let mut reader = Reader(body);
    reader.take(2 + 32)?; // version and random
    if reader.vector8()?.len() > MOST_SESSION_ID {
        return Err(NotTls::Malformed);
    }
    reader.vector16()?; // cipher suites
    reader.vector8()?; // compression methods
    if reader.is_empty() {
        return Ok(found);
    }
    let mut extensions = Reader(reader.vector16()?);
    if !reader.is_empty() {
        return Err(NotTls::Malformed);
    }
    while !extensions.is_empty() {
        let kind = extensions.number16()?;
        let content = extensions.vector16()?;
        match kind {
            SERVER_NAME if saw_name => return Err(NotTls::Malformed),
            SERVER_NAME => {
                saw_name = true;
                found.server_name = server_name(content)?.filter(|name| is_host(name)).map(place);
            }
            ALPN if saw_alpn => return Err(NotTls::Malformed),
            ALPN => {
                saw_alpn = true;
                found.alpn = place(protocols(content)?);
            }
            _ => {} // also GREASE (RFC 8701)
        }
    }
    Ok(found)
}

/// RFC 6066 §3: a list in which one name of each type may stand; hosts are type 0.
fn server_name(content: &[u8]) -> Result<Option<&[u8]>, NotTls> {
    let mut list = list(content)?;
    let mut host = None;
    while !list.is_empty() {
        let kind = list.take(1)?;
        let name = list.vector16()?;
        if kind == [0] && host.replace(name).is_some() {
            return Err(NotTls::Malformed);
        }
    }
    Ok(host)
}

/// RFC 7301 §3.1: a list of names that are not empty.
fn protocols(content: &[u8]) -> Result<&[u8], NotTls> {
    let names = list(content)?;
    let mut rest = Reader(names.0);
    while !rest.is_empty() {
        if rest.vector8()?.is_empty() {
            return Err(NotTls::Malformed);
        }
    }
    Ok(names.0)
}

/// The one list, not empty, that an extension consists of.
fn list(content: &[u8]) -> Result<Reader<'_>, NotTls> {
    let mut reader = Reader(content);
    let list = Reader(reader.vector16()?);
    if reader.is_empty() && !list.is_empty() { Ok(list) } else { Err(NotTls::Malformed) }
}

/// Labels of letters, digits, hyphens and underscores; the last one is not a number, so that no IPv4
/// address passes.
fn is_host(name: &[u8]) -> bool {
    const MOST_NAME_BYTES: usize = 255;
    const MOST_LABEL_BYTES: usize = 63;
    let is_label = |label: &[u8]| {
        (1..=MOST_LABEL_BYTES).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let name = name.strip_suffix(b".").unwrap_or(name);
    let mut labels = name.split(|byte| *byte == b'.');
    let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    name.len() <= MOST_NAME_BYTES && labels.all(is_label) && !last.iter().all(u8::is_ascii_digit)
}

/// Takes length-prefixed parts off a slice.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], NotTls> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(NotTls::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number16(&mut self) -> Result<u16, NotTls> {
        let bytes = self.take(2)?;
        Ok(u16::from(bytes[0]) << 8 | u16::from(bytes[1]))
    }

    fn vector8(&mut self) -> Result<&'b [u8], NotTls> {
        let length = self.take(1)?[0];
        self.take(usize::from(length))
    }

    fn vector16(&mut self) -> Result<&'b [u8], NotTls> {
        let length = self.number16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests;
