//! Reading a request head: from bytes, or the fields of frames, to the one meaning they have.

use super::framing::{Framing, classify, decimal};
pub use super::header::Space;
use super::header::{self, Fields, Name};
use super::{Reason, Refusal, Version};
use crate::config::HttpLimits;
use crate::path;

mod authority;
mod framed;

pub use authority::MOST_HOST_BYTES;
pub use framed::from_frames;

/// Bytes of a method. The longest registered one, `UPDATEREDIRECTREF`, has 17.
pub const MOST_METHOD_BYTES: usize = 32;

/// A request head that was understood.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'s, 'b> {
    /// Bytes of the head with the empty line before it, if one was skipped; 0 if it came in frames.
    pub length: usize,
    pub method: &'b str,
    /// The request target as sent.
    pub target: &'b str,
    pub version: Version,
    /// Host and port as sent, of the target or of `Host`; empty only when an HTTP/1.0 request names none.
    pub authority: &'b str,
    /// The host of `authority` in the case it was sent, without its port and a trailing dot; an
    /// IPv6 address stands in brackets.
    pub host: &'b str,
    /// Normalised: the one form that is routed on and sent to the server. `*` for `OPTIONS *`.
    pub path: &'s str,
    /// A server may find another path in it (see [`path::readings`]).
    pub path_is_ambiguous: bool,
    /// As sent, without its `?`.
    pub query: Option<&'b str>,
    pub body: Body,
    /// Whether the client wants the connection kept after this exchange.
    pub keep_alive: bool,
    pub upgrade: Upgrade<'b>,
    /// The client waits for `100 Continue` before it sends its body.
    pub expect_continue: bool,
    /// How often a request that looks for its way, `OPTIONS` or `TRACE`, may still be passed on.
    pub hops: Option<u64>,
    pub fields: Fields<'s, 'b>,
}

/// Where the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Neither `Content-Length` nor `Transfer-Encoding`.
    None,
    /// `Content-Length`, also 0.
    Length(u64),
    Chunked,
}

/// The protocol a client offers to change to. Never h2c, never with a body, never in HTTP/1.0, and
/// only when `Connection` says so as well: otherwise the request is an ordinary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade<'b> {
    None,
    /// The handshake of RFC 6455 is complete on the client's side, or that of RFC 8441.
    WebSocket,
    /// The value of `Upgrade`.
    Other(&'b [u8]),
}

impl Body {
    /// Whether no byte follows the head.
    pub const fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

impl<'b> RequestHead<'_, 'b> {
    /// Kind, name as sent, value.
    pub fn headers(&self) -> impl Iterator<Item = (Name, &'b str, &'b [u8])> {
        self.fields.iter()
    }

    /// The value of the first line with this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.get(name)
    }

    /// Whether sending the request twice has the effect of sending it once (RFC 9110 §9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }
}

/// Reads the head at the start of `bytes`. `None`: it is not whole yet, and more may be read without
/// passing a limit.
pub fn parse<'s, 'b>(
    bytes: &'b [u8],
    space: &'s mut Space<'b>,
    limits: &HttpLimits,
) -> Result<Option<RequestHead<'s, 'b>>, Refusal> {
    let most = usize::from(limits.headers).min(space.headers.len());
    let Space { headers, kinds, path, framed: _ } = space;

    let Some(skipped) = empty_line(bytes)? else { return Ok(None) };
    let unread = &bytes[skipped..];
    let mut syntax = httparse::Request::new(&mut []);
    let length = match syntax.parse_with_uninit_headers(unread, &mut headers[..most]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return unfinished(unread, limits),
        Err(error) => return Err(syntax_error(error, unread).into()),
    };
    let httparse::Request { method: Some(method), path: Some(target), version, headers } = syntax
    else {
        return Err(Reason::RequestLine.into());
    };
    let headers: &'s [httparse::Header<'b>] = headers;
    let version = if version == Some(0) { Version::Http10 } else { Version::Http11 };
    check_sizes(length, method, target, limits)?;

    let mut framing = Framing::default();
    let mut host = None;
    let mut expects = false;
    let mut hops = None;
    classify(&unread[..length], headers, kinds, |kind, value| match kind {
        Name::Host => match host.replace(value) {
            Some(_) => Err(Reason::HostRepeated),
            None => Ok(()),
        },
        Name::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
            expects = true;
            Ok(())
        }
        Name::Expect => Err(Reason::Expectation),
        Name::MaxForwards if counts_hops(method) => count_hops(&mut hops, value),
        _ => framing.take(kind, value),
    })?;
    framing.judge(version)?;

    let fields =
        Fields { headers, kinds: &kinds[..headers.len()], connection_names: framing.names };
    let place = place(method, target, host, version)?;
    let body = body(&framing, limits)?;
    let upgrade = match version {
        Version::Http11 if body.is_empty() => upgrade(method, &framing, &fields)?,
        _ => Upgrade::None,
    };
    let normal = path::normalise(place.path, path)?;
    Ok(Some(RequestHead {
        length: skipped + length,
        method,
        target,
        version,
        authority: place.authority,
        host: authority::host(place.authority),
        path: normal.path,
        path_is_ambiguous: normal.is_ambiguous,
        query: place.query,
        body,
        keep_alive: framing.persists(version),
        upgrade,
        // RFC 9110 §10.1.1: a 100-continue in HTTP/1.0 is ignored, and so is one without a body.
        expect_continue: expects && !body.is_empty() && version == Version::Http11,
        hops,
        fields,
    }))
}

/// Length of the one empty line that may stand before a request: a body was one CRLF too long
/// (RFC 9112 §2.2). `None`: nothing behind it has come yet.
fn empty_line(bytes: &[u8]) -> Result<Option<usize>, Reason> {
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    match &bytes[skipped..] {
        [] => Ok(None),
        b"\r" if skipped == 0 => Ok(None),
        // The syntax parser would skip any number of empty lines, also of a bare LF.
        [b'\r' | b'\n', ..] => Err(Reason::RequestLine),
        _ => Ok(Some(skipped)),
    }
}

/// More bytes are needed: whether they may still come.
#[cold]
fn unfinished<'s, 'b>(
    unread: &[u8],
    limits: &HttpLimits,
) -> Result<Option<RequestHead<'s, 'b>>, Refusal> {
    if !unread.contains(&b'\n') {
        let mut words = unread.splitn(3, |byte| *byte == b' ');
        let method = words.next().map_or(0, <[u8]>::len);
        let target = words.next().map_or(0, <[u8]>::len);
        if method > MOST_METHOD_BYTES {
            return Err(Reason::Method.into());
        }
        if target > limits.target_bytes as usize {
            return Err(Reason::TargetTooLong.into());
        }
    }
    if unread.len() >= limits.head_bytes as usize {
        return Err(Reason::HeadTooLarge.into());
    }
    Ok(None)
}

fn check_sizes(
    length: usize,
    method: &str,
    target: &str,
    limits: &HttpLimits,
) -> Result<(), Reason> {
    if method.len() > MOST_METHOD_BYTES {
        return Err(Reason::Method);
    }
    if target.len() > limits.target_bytes as usize {
        return Err(Reason::TargetTooLong);
    }
    if length > limits.head_bytes as usize {
        return Err(Reason::HeadTooLarge);
    }
    Ok(())
}

#[cold]
fn syntax_error(error: httparse::Error, unread: &[u8]) -> Reason {
    match error {
        httparse::Error::HeaderName => Reason::FieldName,
        httparse::Error::HeaderValue => Reason::FieldValue,
        httparse::Error::TooManyHeaders => Reason::TooManyFields,
        httparse::Error::Version => version_error(unread),
        httparse::Error::NewLine => Reason::VersionSyntax,
        httparse::Error::Token | httparse::Error::Status => Reason::RequestLine,
    }
}

/// A version that is well written is not supported; another one is no version at all.
fn version_error(unread: &[u8]) -> Reason {
    let (line, is_whole) = match unread.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&unread[..end], true),
        None => (unread, false),
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let written = line.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
    let pattern = b"HTTP/0.0";
    let length_fits = written.len() == pattern.len() || !is_whole && written.len() < pattern.len();
    let fits = length_fits
        && written.iter().zip(pattern).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            _ => byte == wanted,
        });
    if fits { Reason::Version } else { Reason::VersionSyntax }
}

/// What a request is about.
struct Place<'b> {
    authority: &'b str,
    path: &'b str,
    query: Option<&'b str>,
}

/// RFC 9112 §3.2 and §3.3.
fn place<'b>(
    method: &str,
    target: &'b str,
    host: Option<&'b [u8]>,
    version: Version,
) -> Result<Place<'b>, Reason> {
    if method == "CONNECT" {
        return Err(Reason::Connect);
    }
    let named = match host {
        Some(value) => Some(authority::check(value)?),
        None if version == Version::Http11 => return Err(Reason::HostMissing),
        None => None,
    };
    if target.starts_with('/') {
        let (path, query) = split_query(target)?;
        return Ok(Place { authority: named.unwrap_or_default(), path, query });
    }
    if target == "*" && method == "OPTIONS" {
        return Ok(Place { authority: named.unwrap_or_default(), path: "*", query: None });
    }
    // The authority of an absolute form overrides Host (RFC 9112 §3.2.2).
    let rest = after_scheme(target).ok_or(Reason::Target)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let authority = authority::check(authority.as_bytes())?;
    let (path, query) = split_query(rest)?;
    let path = match path {
        "" if query.is_none() && method == "OPTIONS" => "*",
        "" => "/",
        path => path,
    };
    Ok(Place { authority, path, query })
}

fn split_query(target: &str) -> Result<(&str, Option<&str>), Reason> {
    let Some(at) = target.bytes().position(|byte| byte == b'?') else {
        return Ok((target, None));
    };
    let query = &target[at + 1..];
    // The query is passed on as sent; a fragment never is, nor what no URI may hold.
    if query.bytes().any(|byte| byte == b'#' || !byte.is_ascii_graphic()) {
        return Err(Reason::Target);
    }
    Ok((&target[..at], Some(query)))
}

fn after_scheme(target: &str) -> Option<&str> {
    ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Of other methods `Max-Forwards` means nothing (RFC 9110 §7.6.2).
fn counts_hops(method: &str) -> bool {
    matches!(method, "OPTIONS" | "TRACE")
}

fn count_hops(hops: &mut Option<u64>, value: &[u8]) -> Result<(), Reason> {
    match hops.replace(decimal(value).ok_or(Reason::Hops)?) {
        Some(_) => Err(Reason::Hops),
        None => Ok(()),
    }
}

fn body(framing: &Framing<'_>, limits: &HttpLimits) -> Result<Body, Reason> {
    match framing.length {
        _ if framing.chunked => Ok(Body::Chunked),
        None => Ok(Body::None),
        Some(length) if limits.body_bytes.is_some_and(|most| length > most) => {
            Err(Reason::BodyTooLarge)
        }
        Some(length) => Ok(Body::Length(length)),
    }
}

fn upgrade<'b>(
    method: &str,
    framing: &Framing<'b>,
    fields: &Fields<'_, 'b>,
) -> Result<Upgrade<'b>, Reason> {
    let Some(protocol) = framing.protocol else { return Ok(Upgrade::None) };
    let lists_h2c = header::list(protocol).any(|name| {
        let name = name.split(|byte| *byte == b'/').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"h2c") || name.eq_ignore_ascii_case(b"h2")
    });
    if !framing.upgrade || framing.protocol_repeated || protocol.is_empty() || lists_h2c {
        return Ok(Upgrade::None);
    }
    if !protocol.eq_ignore_ascii_case(b"websocket") {
        return Ok(Upgrade::Other(protocol));
    }
    // RFC 6455 §4.2.1. A server that refuses the handshake while a proxy believes in a tunnel has
    // been used to smuggle requests.
    let key = only(fields, "sec-websocket-key");
    if method != "GET" || !key.is_some_and(is_websocket_key) {
        return Err(Reason::WebSocket);
    }
    websocket_version(fields)?;
    Ok(Upgrade::WebSocket)
}

fn websocket_version(fields: &Fields<'_, '_>) -> Result<(), Reason> {
    match only(fields, "sec-websocket-version") {
        Some(b"13") => Ok(()),
        Some(_) => Err(Reason::WebSocketVersion),
        None => Err(Reason::WebSocket),
    }
}

/// The value of a field of which there is one line.
fn only<'b>(fields: &Fields<'_, 'b>, name: &'static str) -> Option<&'b [u8]> {
    let mut lines = fields.all(name);
    lines.next().filter(|_| lines.next().is_none())
}

/// Sixteen bytes in base64.
fn is_websocket_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(key, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(digit))
}

#[cfg(test)]
mod tests;
