//! The heads this node writes: a request to a server, an answer to a client.
//!
//! Nothing about framing or the connection is copied; it is written anew from its meaning.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::Version;
use super::header::{Fields, Name};
use super::request::{Body, RequestHead, Upgrade};
use super::response::{AnswerBody, ResponseHead};
use crate::compress::Form;
use crate::config::{Forwarding, HeaderEdits, Network};
use crate::template::Facts;
use crate::trace::{Onward, SPAN_AT, Said, state_holds};

/// Entries of `X-Forwarded-For` that are looked at from its right end: more trusted proxies in a row
/// than anyone runs.
const MOST_HOPS: usize = 64;

/// Bytes of a request id taken over from a trusted proxy.
const MOST_REQUEST_ID_BYTES: usize = 128;

/// RFC 6797 §6.1: browsers come back in TLS only.
pub const HSTS: &str = "Strict-Transport-Security";

/// The peer that sent a request.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Of the socket.
    pub address: IpAddr,
    /// The same as text.
    pub address_text: &'a str,
    /// It is one of the listener's trusted proxies: what it forwards is believed.
    pub trusted: bool,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Port of the listener.
    pub port_text: &'a str,
}

/// What a request to a server is made of besides the client's own head.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The normalised path, after a route's `strip_prefix`.
    pub path: &'a str,
    /// `Host` of a request that named none, as HTTP/1.0 allows: the name of the pool.
    pub default_host: &'a str,
    pub client: &'a Client<'a>,
    pub forwarding: &'a Forwarding,
    pub trusted_proxies: &'a [Network],
    /// [`kept_request_id`], else a new one.
    pub request_id: &'a str,
    /// The only fields of the client that pass, lower case; `None`: all.
    pub only: Option<&'a [Arc<str>]>,
    pub edits: &'a HeaderEdits,
    /// Headers that this node alone may write: a client's are left out.
    pub reserved: &'a [Arc<str>],
    /// Whom the client's certificate is about, after the name of the header that says so.
    pub subject: Option<(&'a str, &'a str)>,
    /// For a WebSocket whose client has sent no key, as over HTTP/2.
    pub websocket_key: Option<&'a str>,
    /// What becomes of `traceparent` and `tracestate`.
    pub trace: Onward,
    /// What the edits' placeholders stand for.
    pub facts: Facts<'a>,
}

/// What an answer to a client is made of besides the server's own head.
#[derive(Clone, Copy, Debug)]
pub struct AnswerOut<'a> {
    /// How the body is framed towards the client.
    pub body: AnswerBody,
    pub form: Form,
    /// Whether the client's connection goes on.
    pub keep_alive: bool,
    /// What the client speaks.
    pub client: Version,
    pub via: Option<&'a str>,
    /// When the answer came, as the value of the `Date` that the server has not sent
    /// (RFC 9110 §6.6.1).
    pub date: Option<&'a str>,
    /// The value of a `Set-Cookie` of ours.
    pub cookie: Option<&'a str>,
    pub edits: &'a HeaderEdits,
    /// Value of `Strict-Transport-Security`, in place of the server's.
    pub hsts: Option<&'a str>,
    /// What the edits' placeholders stand for.
    pub facts: Facts<'a>,
}

/// Appends the head of the request to a server: always HTTP/1.1, `Host` first, exactly one framing
/// field or none. Returns where in `out` the id of the span is, if a `traceparent` was written:
/// another try is another span.
pub fn write_request(
    out: &mut Vec<u8>,
    head: &RequestHead<'_, '_>,
    outgoing: &Outgoing<'_>,
) -> Option<usize> {
    put(out, &[head.method, " ", outgoing.path]);
    if let Some(query) = head.query {
        put(out, &["?", query]);
    }
    let host = if head.authority.is_empty() { outgoing.default_host } else { head.authority };
    put(out, &[" HTTP/1.1\r\nHost: ", host, "\r\n"]);

    let edits = outgoing.edits;
    let is_wanted = |name: &str| {
        !is_edited(edits, name) && outgoing.only.is_none_or(|only| is_listed(only, name))
    };
    let mut cookie_is_written = false;
    for (kind, name, value) in head.headers() {
        let passes = match kind {
            Name::Traceparent | Name::Tracestate if outgoing.trace != Onward::AsSent => false,
            Name::MaxForwards if head.hops.is_some() => false,
            Name::Claim if !outgoing.client.trusted => false,
            Name::Other
            | Name::Claim
            | Name::MaxForwards
            | Name::Traceparent
            | Name::Tracestate => {
                !head.fields.is_named_by_connection(name) && !is_listed(outgoing.reserved, name)
            }
            Name::Trailer => head.body == Body::Chunked,
            // RFC 9113 §8.2.3: HTTP/2 may cut the one line into several.
            Name::Cookie if head.version == Version::Http2 => {
                if !cookie_is_written && is_wanted(name) {
                    put_cookies(out, &head.fields);
                }
                cookie_is_written = true;
                false
            }
            Name::Authorization | Name::Cookie | Name::Referer | Name::UserAgent | Name::Via => {
                true
            }
            _ => false,
        };
        if passes && is_wanted(name) {
            put_field(out, name, value);
        }
    }
    write_framing(out, head);
    if let Some(key) = outgoing.websocket_key {
        put(out, &["Sec-WebSocket-Key: ", key, "\r\n"]);
    }
    write_forwarding(out, head, outgoing);
    let span_at = match outgoing.trace {
        Onward::Said(said) => write_trace(out, head, (edits, said)),
        Onward::AsSent | Onward::Dropped => None,
    };
    if let Some((name, subject)) = outgoing.subject {
        put_own(out, edits, name, subject);
    }
    write_edits(out, edits, outgoing.facts);
    out.extend_from_slice(b"\r\n");
    span_at
}

/// Appends the head of the answer to a client: always in HTTP/1.1 (RFC 9110 §2.5), also to a client
/// of HTTP/1.0, to which interim answers must not be sent.
pub fn write_answer(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>, answer: &AnswerOut<'_>) {
    put(out, &["HTTP/1.1 "]);
    put_number(out, head.status.into());
    put(out, &[" ", head.reason, "\r\n"]);
    for (kind, name, value) in head.fields.iter() {
        let passes = match kind {
            Name::Other if answer.hsts.is_some() && name.eq_ignore_ascii_case(HSTS) => false,
            Name::Other => !head.fields.is_named_by_connection(name),
            Name::Trailer => answer.body == AnswerBody::Chunked,
            kind => !kind.is_ours(),
        };
        if !passes || is_edited(answer.edits, name) {
            continue;
        }
        match answer.form {
            Form::AsIs => put_field(out, name, value),
            form => {
                if let Some(before) = form.before(name, value) {
                    put(out, &[name, ": ", before]);
                    out.extend_from_slice(value);
                    put(out, &["\r\n"]);
                }
            }
        }
    }
    write_form(out, head, answer);
    write_answer_framing(out, head, answer);
    if let Some(via) = answer.via {
        write_via(out, head.version, via);
    }
    if let Some(date) = answer.date {
        put_own(out, answer.edits, "Date", date);
    }
    if let Some(hsts) = answer.hsts {
        put_own(out, answer.edits, HSTS, hsts);
    }
    if let Some(cookie) = answer.cookie {
        put(out, &["Set-Cookie: ", cookie, "\r\n"]);
    }
    write_edits(out, answer.edits, answer.facts);
    out.extend_from_slice(b"\r\n");
}

/// Appends those lines of an answer that are called `names`, each with its CRLF: what who was asked
/// about a client says of it. What concerns the connection to them only is left out.
pub fn write_named(out: &mut Vec<u8>, fields: &Fields<'_, '_>, names: &[Arc<str>]) {
    for (kind, name, value) in fields.iter() {
        let stays = kind.is_ours() || fields.is_named_by_connection(name);
        if !stays && is_listed(names, name) {
            put_field(out, name, value);
        }
    }
}

/// The client: the right-most address of `X-Forwarded-For` that is not a trusted proxy, as long as
/// each address further right is one. What cannot be read ends the chain.
pub fn client_address(head: &RequestHead<'_, '_>, peer: IpAddr, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    if !is_trusted(client) {
        return client;
    }
    let entries = head.fields.of(Name::XForwardedFor).rev();
    for entry in entries.flat_map(|line| line.rsplit(|byte| *byte == b',')).take(MOST_HOPS) {
        let Some(address) = address(entry) else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// The `X-Request-Id` of a trusted peer, when there is one of a sane form.
pub fn kept_request_id<'b>(head: &RequestHead<'_, 'b>, peer_is_trusted: bool) -> Option<&'b str> {
    let text = one_text(&head.fields, Name::XRequestId)?;
    (peer_is_trusted && text.len() <= MOST_REQUEST_ID_BYTES).then_some(text)
}

fn write_framing(out: &mut Vec<u8>, head: &RequestHead<'_, '_>) {
    match head.body {
        Body::None => {}
        Body::Length(length) => put_length(out, length),
        Body::Chunked => put(out, &["Transfer-Encoding: chunked\r\n"]),
    }
    match head.upgrade {
        Upgrade::None => {}
        Upgrade::WebSocket => put(out, &["Connection: upgrade\r\nUpgrade: websocket\r\n"]),
        Upgrade::Other(protocol) => {
            put(out, &["Connection: upgrade\r\n"]);
            put_field(out, "Upgrade", protocol);
        }
    }
    if head.expect_continue {
        put(out, &["Expect: 100-continue\r\n"]);
    }
    if let Some(hops) = head.hops {
        put(out, &["Max-Forwards: "]);
        put_number(out, hops.saturating_sub(1)); // RFC 9110 §7.6.2
        put(out, &["\r\n"]);
    }
}

fn write_forwarding(out: &mut Vec<u8>, head: &RequestHead<'_, '_>, outgoing: &Outgoing<'_>) {
    let forwarding = outgoing.forwarding;
    if forwarding.x_forwarded {
        write_x_forwarded(out, head, outgoing);
    } else if outgoing.client.trusted {
        write_as_sent(out, head, outgoing.edits, |kind| {
            matches!(
                kind,
                Name::XRealIp
                    | Name::XForwardedFor
                    | Name::XForwardedProto
                    | Name::XForwardedHost
                    | Name::XForwardedPort
            )
        });
    }
    if forwarding.forwarded {
        write_forwarded(out, head, outgoing);
    } else if outgoing.client.trusted {
        write_as_sent(out, head, outgoing.edits, |kind| kind == Name::Forwarded);
    }
    if forwarding.request_id {
        put_own(out, outgoing.edits, "X-Request-Id", outgoing.request_id);
    } else if outgoing.client.trusted {
        write_as_sent(out, head, outgoing.edits, |kind| kind == Name::XRequestId);
    }
    if let Some(via) = &forwarding.via {
        write_via(out, head.version, via);
    }
}

/// A trusted peer's addresses are extended, its other facts kept; those of others are replaced.
fn write_x_forwarded(out: &mut Vec<u8>, head: &RequestHead<'_, '_>, outgoing: &Outgoing<'_>) {
    let Outgoing { client, edits, .. } = outgoing;
    put_own(out, edits, "X-Real-IP", &real_ip(head, outgoing));
    put_appended(out, head, outgoing, Name::XForwardedFor, client.address_text);
    let kept = |kind| if client.trusted { one_text(&head.fields, kind) } else { None };
    put_own(out, edits, "X-Forwarded-Proto", kept(Name::XForwardedProto).unwrap_or(client.scheme));
    let host = if head.authority.is_empty() { outgoing.default_host } else { head.authority };
    put_own(out, edits, "X-Forwarded-Host", kept(Name::XForwardedHost).unwrap_or(host));
    put_own(out, edits, "X-Forwarded-Port", kept(Name::XForwardedPort).unwrap_or(client.port_text));
}

fn real_ip<'a>(head: &RequestHead<'_, '_>, outgoing: &Outgoing<'a>) -> Cow<'a, str> {
    let client = outgoing.client;
    if !client.trusted {
        return Cow::Borrowed(client.address_text);
    }
    let address = client_address(head, client.address, outgoing.trusted_proxies);
    let told = one_text(&head.fields, Name::XRealIp).and_then(|text| text.parse().ok());
    match told {
        Some(told) if address == client.address => Cow::Owned(IpAddr::to_string(&told)),
        _ if address == client.address => Cow::Borrowed(client.address_text),
        _ => Cow::Owned(address.to_string()),
    }
}

/// Whether each quoted string in the value of a `Forwarded` ends in it (RFC 9110 §5.6.4): what is
/// added behind one that does not would be within it.
fn ends_its_quotes(value: &[u8]) -> bool {
    let mut bytes = value.iter();
    let mut is_open = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_open = !is_open,
            b'\\' if is_open && bytes.next().is_none() => return false,
            _ => {}
        }
    }
    !is_open
}

/// RFC 7239: an element for this hop after those of trusted peers.
fn write_forwarded(out: &mut Vec<u8>, head: &RequestHead<'_, '_>, outgoing: &Outgoing<'_>) {
    let client = outgoing.client;
    let address = match client.address {
        IpAddr::V4(_) => Cow::Borrowed(client.address_text),
        IpAddr::V6(_) => Cow::Owned(format!("\"[{}]\"", client.address_text)),
    };
    let host = if head.authority.is_empty() { outgoing.default_host } else { head.authority };
    let element = format!("for={address};host=\"{host}\";proto={}", client.scheme);
    put_appended(out, head, outgoing, Name::Forwarded, &element);
}

/// One line: what a trusted peer sent in however many, then `last`.
fn put_appended(
    out: &mut Vec<u8>,
    head: &RequestHead<'_, '_>,
    outgoing: &Outgoing<'_>,
    kind: Name,
    last: &str,
) {
    let name = if kind == Name::Forwarded { "Forwarded" } else { "X-Forwarded-For" };
    if is_edited(outgoing.edits, name) {
        return;
    }
    put(out, &[name, ": "]);
    let start = out.len();
    if outgoing.client.trusted {
        for value in head.fields.of(kind).filter(|value| !value.is_empty()) {
            if kind == Name::Forwarded && !ends_its_quotes(value) {
                out.truncate(start); // nothing up to here can be believed
                continue;
            }
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
    }
    put(out, &[last, "\r\n"]);
}

/// Where the id of the span is. A `tracestate` belongs to the `traceparent` it came with, and goes
/// on in one line, however many it came in (W3C Trace Context §3.3.1).
fn write_trace(
    out: &mut Vec<u8>,
    head: &RequestHead<'_, '_>,
    (edits, said): (&HeaderEdits, Said),
) -> Option<usize> {
    let mut span_at = None;
    if !is_edited(edits, "traceparent") {
        put(out, &["traceparent: "]);
        span_at = Some(out.len() + SPAN_AT);
        out.extend_from_slice(&said.traceparent.text());
        put(out, &["\r\n"]);
    }
    let lines = || head.fields.of(Name::Tracestate).filter(|line| !line.is_empty());
    let passes = said.goes_on && !is_edited(edits, "tracestate") && state_holds(lines());
    if passes && lines().next().is_some() {
        put(out, &["tracestate"]);
        for (index, line) in lines().enumerate() {
            put(out, &[if index == 0 { ": " } else { "," }]);
            out.extend_from_slice(line);
        }
        put(out, &["\r\n"]);
    }
    span_at
}

fn write_as_sent(
    out: &mut Vec<u8>,
    head: &RequestHead<'_, '_>,
    edits: &HeaderEdits,
    wanted: impl Fn(Name) -> bool,
) {
    for (kind, name, value) in head.headers() {
        if wanted(kind) && !is_edited(edits, name) {
            put_field(out, name, value);
        }
    }
}

fn write_form(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>, answer: &AnswerOut<'_>) {
    if let Form::Coded(coding) = answer.form {
        put(out, &["Content-Encoding: ", coding.token(), "\r\n"]);
    }
    if answer.form.varies_on(&head.fields) {
        put_own(out, answer.edits, "Vary", "Accept-Encoding");
    }
}

fn write_answer_framing(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>, answer: &AnswerOut<'_>) {
    if head.is_interim() {
        return;
    }
    if head.status == 101 {
        put(out, &["Connection: upgrade\r\n"]);
        write_protocols(out, head);
        return;
    }
    if head.status == 426 {
        // What the client is to speak instead (RFC 9110 §15.5.22). Elsewhere an offer is one hop's.
        put(out, &["Connection: upgrade\r\n"]);
        write_protocols(out, head);
    }
    match (answer.body, head.content_length) {
        (AnswerBody::Length(length), _) => put_length(out, length),
        (AnswerBody::Chunked, _) => put(out, &["Transfer-Encoding: chunked\r\n"]),
        // What the length would have been (RFC 9110 §8.6); 204 has none.
        (AnswerBody::None, Some(length)) if head.status != 204 && answer.form.keeps_length() => {
            put_length(out, length);
        }
        (AnswerBody::None | AnswerBody::UntilClose, _) => {}
    }
    if !answer.keep_alive || answer.body == AnswerBody::UntilClose {
        put(out, &["Connection: close\r\n"]);
    } else if answer.client == Version::Http10 {
        put(out, &["Connection: keep-alive\r\n"]);
    }
}

fn write_protocols(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>) {
    for protocol in head.fields.of(Name::Upgrade) {
        put_field(out, "Upgrade", protocol);
    }
}

/// RFC 9110 §7.6.3, with the version in which the message came.
pub(crate) fn write_via(out: &mut Vec<u8>, version: Version, pseudonym: &str) {
    let version = match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2",
    };
    put(out, &["Via: ", version, " ", pseudonym, "\r\n"]);
}

/// Whether `name` is one of those, whatever its case.
pub(super) fn is_listed(names: &[Arc<str>], name: &str) -> bool {
    names.iter().any(|listed| listed.eq_ignore_ascii_case(name))
}

/// Whether a route removes or replaces `name`.
pub(super) fn is_edited(edits: &HeaderEdits, name: &str) -> bool {
    let HeaderEdits { remove, set, add: _ } = edits;
    is_listed(remove, name) || set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name))
}

pub(crate) fn write_edits(out: &mut Vec<u8>, edits: &HeaderEdits, facts: Facts<'_>) {
    for (name, value) in edits.set.iter().chain(&edits.add) {
        if !Name::of(name.as_bytes()).is_ours() {
            put(out, &[name, ": "]);
            value.write_value(out, facts);
            put(out, &["\r\n"]);
        }
    }
}

/// An address as `X-Forwarded-For` holds it: bare, in brackets, or with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(super::header::trim(entry)).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let address = address.or_else(|| text.parse().ok().map(|it: SocketAddr| it.ip()))?;
    Some(address.to_canonical())
}

/// The value of the one line of this kind, when it is visible ASCII.
fn one_text<'b>(fields: &Fields<'_, 'b>, kind: Name) -> Option<&'b str> {
    let mut values = fields.of(kind);
    let value = values.next().filter(|value| !value.is_empty())?;
    let is_only = values.next().is_none() && value.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(value).ok().filter(|_| is_only)
}

pub(crate) fn put_own(out: &mut Vec<u8>, edits: &HeaderEdits, name: &str, value: &str) {
    if !is_edited(edits, name) {
        put(out, &[name, ": ", value, "\r\n"]);
    }
}

fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn put_cookies(out: &mut Vec<u8>, fields: &Fields<'_, '_>) {
    put(out, &["Cookie"]);
    for (index, value) in fields.of(Name::Cookie).enumerate() {
        put(out, &[if index == 0 { ": " } else { "; " }]);
        out.extend_from_slice(value);
    }
    put(out, &["\r\n"]);
}

fn put_length(out: &mut Vec<u8>, length: u64) {
    put(out, &["Content-Length: "]);
    put_number(out, length);
    put(out, &["\r\n"]);
}

/// In decimal. Twice in each exchange: the formatting machinery would be seen in a profile.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] += (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

pub(crate) fn put(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

#[cfg(test)]
mod tests;
