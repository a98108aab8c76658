//! Field names this node acts on, told apart once per message.

use std::mem::MaybeUninit;

use crate::config::HttpLimits;

/// What a field name is to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Name {
    /// Of no meaning here: passed on, unless `Connection` lists it.
    Other,
    /// Holds an underscore, which many servers read as a hyphen: not passed on to servers, so that
    /// `Transfer_Encoding` and `X_Forwarded_For` cannot pass for what they are not.
    Underscored,
    Authorization,
    /// Says who the client is, how it came or what it asked for, to servers that believe a proxy:
    /// passed on from peers that are trusted only.
    Claim,
    Connection,
    ContentLength,
    Cookie,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    MaxForwards,
    /// A program started by a server finds it as `HTTP_PROXY` (CVE-2016-5385): never passed on.
    Proxy,
    ProxyAuthorization,
    ProxyConnection,
    Referer,
    Te,
    Traceparent,
    Tracestate,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRealIp,
    XRequestId,
}

impl Name {
    /// Tells `name` by its length, then by its letters, whatever their case.
    pub fn of(name: &[u8]) -> Self {
        let candidates: &[(&[u8], Self)] = match name.len() {
            2 => &[(b"te", Self::Te)],
            3 => &[(b"via", Self::Via)],
            4 => &[(b"host", Self::Host)],
            5 => &[(b"proxy", Self::Proxy)],
            6 => &[(b"cookie", Self::Cookie), (b"expect", Self::Expect)],
            7 => &[
                (b"referer", Self::Referer),
                (b"upgrade", Self::Upgrade),
                (b"trailer", Self::Trailer),
            ],
            9 => &[(b"x-real-ip", Self::XRealIp), (b"forwarded", Self::Forwarded)],
            10 => &[
                (b"user-agent", Self::UserAgent),
                (b"connection", Self::Connection),
                (b"keep-alive", Self::KeepAlive),
                (b"tracestate", Self::Tracestate),
            ],
            11 => &[(b"traceparent", Self::Traceparent), (b"x-client-ip", Self::Claim)],
            12 => &[
                (b"x-request-id", Self::XRequestId),
                (b"max-forwards", Self::MaxForwards),
                (b"x-url-scheme", Self::Claim),
            ],
            13 => &[(b"authorization", Self::Authorization), (b"x-rewrite-url", Self::Claim)],
            14 => &[
                (b"content-length", Self::ContentLength),
                (b"http2-settings", Self::Http2Settings),
                (b"x-original-url", Self::Claim),
                (b"true-client-ip", Self::Claim),
            ],
            15 => &[(b"x-forwarded-for", Self::XForwardedFor), (b"front-end-https", Self::Claim)],
            16 => &[
                (b"x-forwarded-host", Self::XForwardedHost),
                (b"x-forwarded-port", Self::XForwardedPort),
                (b"proxy-connection", Self::ProxyConnection),
            ],
            17 => &[
                (b"transfer-encoding", Self::TransferEncoding),
                (b"x-forwarded-proto", Self::XForwardedProto),
            ],
            19 => &[
                (b"proxy-authorization", Self::ProxyAuthorization),
                (b"x-cluster-client-ip", Self::Claim),
            ],
            24 => &[(b"x-original-forwarded-for", Self::Claim)],
            _ => &[],
        };
        for (text, kind) in candidates {
            if name.eq_ignore_ascii_case(text) {
                return *kind;
            }
        }
        if name.contains(&b'_') {
            Self::Underscored
        } else if is_forwarded(name) {
            Self::Claim
        } else {
            Self::Other
        }
    }

    /// Fields that frame or route the message, or concern one connection only: this node writes
    /// them itself, and neither a peer nor a route's edits may.
    pub const fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::ContentLength
                | Self::Expect
                | Self::Host
                | Self::Http2Settings
                | Self::KeepAlive
                | Self::ProxyAuthorization
                | Self::ProxyConnection
                | Self::Te
                | Self::Trailer
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

/// One of the many names that begin with `X-Forwarded`.
fn is_forwarded(name: &[u8]) -> bool {
    const START: &[u8] = b"x-forwarded";
    matches!(name, [b'x' | b'X', b'-', b'f' | b'F', ..])
        && name.get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START))
}

/// The table a head is parsed into, on the caller's stack. Cheap to make: nothing but the kinds,
/// a byte each, is written before it is used.
#[derive(Debug)]
pub struct Space<'b> {
    pub(super) headers: [MaybeUninit<httparse::Header<'b>>; MOST],
    pub(super) kinds: [Name; MOST],
    /// Fields that came in frames, one by one; no memory for others.
    pub(super) framed: Vec<httparse::Header<'b>>,
    /// A path that had to be rewritten; no memory until then.
    pub(super) path: String,
}

const MOST: usize = HttpLimits::MOST_HEADERS as usize;

impl Space<'_> {
    /// An empty table.
    #[inline] // eight KiB are made in place, not moved
    pub const fn new() -> Self {
        Self {
            headers: [const { MaybeUninit::uninit() }; MOST],
            kinds: [Name::Other; MOST],
            framed: Vec::new(),
            path: String::new(),
        }
    }
}

impl Default for Space<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// The header section of a parsed head, in the order it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'s, 'b> {
    pub(super) headers: &'s [httparse::Header<'b>],
    pub(super) kinds: &'s [Name],
    /// `Connection` lists a name this node does not know.
    pub(super) connection_names: bool,
}

impl<'s, 'b> Fields<'s, 'b> {
    /// Kind, name as sent, value without surrounding white space.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Name, &'b str, &'b [u8])> + use<'s, 'b> {
        self.headers.iter().zip(self.kinds).map(|(field, kind)| (*kind, field.name, field.value))
    }

    /// The values of all lines of one kind.
    pub fn of(&self, kind: Name) -> impl DoubleEndedIterator<Item = &'b [u8]> + use<'s, 'b> {
        self.iter().filter(move |(own, ..)| *own == kind).map(|(_, _, value)| value)
    }

    /// The value of the first line with this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        let field = self.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| field.value)
    }

    /// The values of all lines with this name, whatever its case.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &'b [u8]> + use<'s, 'b> {
        let named = self.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value)
    }

    /// What `Connection` lists, with commas between, if it names a field this node does not know:
    /// trailers of that name are of this hop only, too.
    pub fn hop(&self) -> Option<Box<[u8]>> {
        let lines = || self.of(Name::Connection);
        self.connection_names.then(|| lines().collect::<Vec<_>>().join(&b","[..]).into())
    }

    /// Whether `Connection` makes the field `name` one of this hop only (RFC 9110 §7.6.1).
    pub(super) fn is_named_by_connection(&self, name: &str) -> bool {
        self.connection_names
            && self
                .of(Name::Connection)
                .any(|value| list(value).any(|option| option.eq_ignore_ascii_case(name.as_bytes())))
    }
}

/// The members of a comma-separated list without surrounding white space; empty ones are left out
/// (RFC 9110 §5.6.1.2).
pub(crate) fn list(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Without the optional white space of RFC 9110 §5.6.3: spaces and tabs, nothing else.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// RFC 9110 §5.6.2.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

pub(super) fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| is_token_byte(*byte))
}

#[cfg(test)]
mod tests;
