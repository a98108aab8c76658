//! A request head that came in HTTP/2 frames (RFC 9113 §8), read by the rules of HTTP/1: it may be
//! passed on in either version.

use super::super::framing::Framing;
use super::super::header::{Fields, Name, Space};
use super::super::{Reason, Refusal, Version};
use super::{Body, RequestHead, Upgrade, authority, body, split_query};
use crate::config::HttpLimits;
use crate::path;

/// Bytes that each field counts for beside its name and value (RFC 9113 §10.5.1).
const FIELD_OVERHEAD: usize = 32;

/// The pseudo-header fields (RFC 9113 §8.3.1), and whether the stream ends with the head.
#[derive(Clone, Copy, Debug)]
pub struct Pseudo<'b> {
    pub method: &'b str,
    pub authority: Option<&'b str>,
    /// Path and query; absent only with `CONNECT`.
    pub path: Option<&'b str>,
    /// What an extended `CONNECT` asks for (RFC 8441 §4).
    pub protocol: Option<&'b str>,
    /// No body follows.
    pub ends: bool,
}

/// Reads the head of a request whose fields came one by one, with names in lower case.
pub fn from_frames<'s, 'b>(
    pseudo: &Pseudo<'b>,
    fields: impl Iterator<Item = (&'b str, &'b [u8])>,
    space: &'s mut Space<'b>,
    limits: &HttpLimits,
) -> Result<RequestHead<'s, 'b>, Refusal> {
    let Space { headers: _, kinds, framed, path } = space;
    let most = usize::from(limits.headers).min(kinds.len());
    let mut framing = Framing::default();
    let mut host = None;
    let mut expects = false;
    let mut bytes = pseudo.path.map_or(0, str::len);
    framed.clear();
    for (name, value) in fields {
        if framed.len() == most {
            return Err(Reason::TooManyFields.into());
        }
        bytes += name.len() + value.len() + FIELD_OVERHEAD;
        let kind = Name::of(name.as_bytes());
        match kind {
            Name::Host if host.is_some() => return Err(Reason::HostRepeated.into()),
            Name::Host => host = Some(value),
            Name::Expect if value.eq_ignore_ascii_case(b"100-continue") => expects = true,
            Name::Expect => return Err(Reason::Expectation.into()),
            // RFC 9113 §8.2.2.
            Name::Connection
            | Name::Http2Settings
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::TransferEncoding
            | Name::Upgrade => return Err(Reason::ConnectionField.into()),
            Name::Te if !value.eq_ignore_ascii_case(b"trailers") => {
                return Err(Reason::ConnectionField.into());
            }
            _ => framing.take(kind, value)?,
        }
        check_value(value)?;
        kinds[framed.len()] = kind;
        framed.push(httparse::Header { name, value });
    }
    if bytes > limits.head_bytes as usize {
        return Err(Reason::HeadTooLarge.into());
    }
    let authority = authority(pseudo.authority, host)?;
    let (method, upgrade) = method(pseudo)?;
    let target = pseudo.path.ok_or(Reason::Pseudo)?;
    let (unread_path, query) = split_target(target, method, limits)?;
    let body = match body(&framing, limits)? {
        _ if upgrade == Upgrade::WebSocket => Body::None,
        Body::None if !pseudo.ends => Body::Chunked, // its length is not known
        body => body,
    };
    Ok(RequestHead {
        length: 0,
        method,
        target,
        version: Version::Http2,
        authority,
        host: authority::host(authority),
        path: path::normalise(unread_path, path)?,
        query,
        body,
        keep_alive: true,
        upgrade,
        expect_continue: expects && !body.is_empty(),
        fields: Fields { headers: framed, kinds: &kinds[..framed.len()], connection_names: false },
    })
}

/// Path and query.
fn split_target<'b>(
    target: &'b str,
    method: &str,
    limits: &HttpLimits,
) -> Result<(&'b str, Option<&'b str>), Refusal> {
    if target.len() > limits.target_bytes as usize {
        return Err(Reason::TargetTooLong.into());
    }
    match target {
        "*" if method == "OPTIONS" => Ok(("*", None)),
        target if target.starts_with('/') => Ok(split_query(target)?),
        _ => Err(Reason::Target.into()),
    }
}

/// RFC 9113 §8.2.1: no line end, no NUL, no white space around. What HTTP/1 could not carry must
/// not reach a server that speaks it.
fn check_value(value: &[u8]) -> Result<(), Reason> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 127);
    if is_blank(value.first()) || is_blank(value.last()) || value.iter().any(is_control) {
        return Err(Reason::FieldValue);
    }
    Ok(())
}

/// `:authority`, else `Host`; where there are both they must agree (RFC 9113 §8.3.1).
fn authority<'b>(named: Option<&'b str>, host: Option<&'b [u8]>) -> Result<&'b str, Reason> {
    match (named, host) {
        (Some(named), Some(host)) if !host.eq_ignore_ascii_case(named.as_bytes()) => {
            Err(Reason::HostDiffers)
        }
        (Some(named), _) => authority::check(named.as_bytes()),
        (None, Some(host)) => authority::check(host),
        (None, None) => Err(Reason::HostMissing),
    }
}

/// The method in HTTP/1's terms. An extended `CONNECT` for a WebSocket is its handshake
/// (RFC 8441 §5); there is no other tunnel here.
fn method<'b>(pseudo: &Pseudo<'b>) -> Result<(&'b str, Upgrade<'b>), Reason> {
    match (pseudo.method, pseudo.protocol) {
        ("CONNECT", Some("websocket")) if !pseudo.ends => Ok(("GET", Upgrade::WebSocket)),
        ("CONNECT", None) => Err(Reason::Connect),
        (_, Some(_)) => Err(Reason::Pseudo),
        (method, None) if method.len() > super::MOST_METHOD_BYTES => Err(Reason::Method),
        (method, None) => Ok((method, Upgrade::None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(pseudo: &Pseudo<'_>, fields: &[(&str, &[u8])]) -> String {
        let mut space = Space::new();
        let limits = HttpLimits { body_bytes: Some(1_000), headers: 8, ..HttpLimits::default() };
        match from_frames(pseudo, fields.iter().copied(), &mut space, &limits) {
            Ok(head) => format!("{} {} {} {:?}", head.method, head.host, head.path, head.body),
            Err(refusal) => format!("{} {}", refusal.status, refusal.reason.label()),
        }
    }

    const GET: Pseudo<'_> = Pseudo {
        method: "GET",
        authority: Some("a:443"),
        path: Some("/x/../y?q"),
        protocol: None,
        ends: true,
    };
    const POST: Pseudo<'_> = Pseudo { method: "POST", ends: false, ..GET };

    #[test]
    fn a_head_has_one_meaning_or_none() {
        type Case<'c> = (Pseudo<'c>, &'c [(&'c str, &'c [u8])], &'c str);
        let cases: &[Case<'_>] = &[
            (GET, &[], "GET a /y None"),
            (GET, &[("host", b"A:443")], "GET a /y None"),
            (GET, &[("te", b"trailers")], "GET a /y None"),
            (POST, &[], "POST a /y Chunked"),
            (POST, &[("content-length", b"5")], "POST a /y Length(5)"),
            (Pseudo { authority: None, ..GET }, &[("host", b"b")], "GET b /y None"),
            (Pseudo { authority: None, ..GET }, &[], "400 host-missing"),
            (GET, &[("host", b"b")], "400 host-differs"),
            (GET, &[("host", b"a:443"), ("host", b"a:443")], "400 host-repeated"),
            (Pseudo { authority: Some("u@a"), ..GET }, &[], "400 host-syntax"),
            (GET, &[("connection", b"close")], "400 connection-field"),
            (GET, &[("transfer-encoding", b"chunked")], "400 connection-field"),
            (GET, &[("upgrade", b"h2c")], "400 connection-field"),
            (GET, &[("te", b"gzip")], "400 connection-field"),
            (GET, &[("x", b" a")], "400 field-value"),
            (GET, &[("x", b"a\r\nb: c")], "400 field-value"),
            (GET, &[("x", b"a\0b")], "400 field-value"),
            (POST, &[("content-length", b"+5")], "400 length-syntax"),
            (POST, &[("content-length", b"5"), ("content-length", b"5")], "400 length-repeated"),
            (POST, &[("content-length", b"1001")], "413 body-size"),
            (POST, &[("expect", b"more")], "417 expectation"),
            (GET, &[("a", b"".as_slice()); 9], "431 field-count"),
            (Pseudo { path: None, ..GET }, &[], "400 pseudo-field"),
            (Pseudo { path: Some("x"), ..GET }, &[], "400 target"),
            (Pseudo { path: Some("http://b/"), ..GET }, &[], "400 target"),
            (Pseudo { path: Some("*"), ..GET }, &[], "400 target"),
            (Pseudo { path: Some("*"), method: "OPTIONS", ..GET }, &[], "OPTIONS a * None"),
            (Pseudo { path: Some("/../x"), ..GET }, &[], "400 path-above-root"),
            (Pseudo { method: "CONNECT", ..POST }, &[], "501 connect"),
            (Pseudo { protocol: Some("websocket"), ..GET }, &[], "400 pseudo-field"),
            (
                Pseudo { method: "CONNECT", protocol: Some("websocket"), ..POST },
                &[],
                "GET a /y None",
            ),
            (Pseudo { method: "CONNECT", protocol: Some("x"), ..POST }, &[], "400 pseudo-field"),
        ];
        for (pseudo, fields, wanted) in cases {
            assert_eq!(meaning(pseudo, fields), *wanted, "{pseudo:?} {fields:?}");
        }
    }
}
