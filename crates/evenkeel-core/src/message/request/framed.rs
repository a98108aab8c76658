//! A request head that came in HTTP/2 frames (RFC 9113 §8), read by the rules of HTTP/1: it may be
//! passed on in either version.

use super::super::framing::Framing;
use super::super::header::{Fields, Name, Space};
use super::super::{Reason, Refusal, Version};
use super::{
    Body, RequestHead, Upgrade, authority, body, count_hops, counts_hops, split_query,
    websocket_version,
};
use crate::config::HttpLimits;
use crate::http2::{Head, Pseudo};
use crate::path;

/// Reads the head of a request that [is one](Head::is_no_request). `ends`: no body follows.
pub fn from_frames<'s, 'b>(
    head: &'b Head,
    ends: bool,
    space: &'s mut Space<'b>,
    limits: &HttpLimits,
) -> Result<RequestHead<'s, 'b>, Refusal> {
    if head.is_too_large() {
        return Err(Reason::HeadTooLarge.into());
    }
    let Space { headers: _, kinds, framed, path } = space;
    let most = usize::from(limits.headers).min(kinds.len());
    if head.count() > most {
        return Err(Reason::TooManyFields.into());
    }
    framed.clear();
    framed.reserve_exact(head.count());
    let mut framing = Framing::default();
    let mut host = None;
    let mut expects = false;
    let mut hops = None;
    let (method, upgrade) = method(head, ends)?;
    for (kind, name, value) in head.fields() {
        match kind {
            Name::Host if host.is_some() => return Err(Reason::HostRepeated.into()),
            Name::Host => host = Some(value),
            Name::Expect if value.eq_ignore_ascii_case(b"100-continue") => expects = true,
            Name::Expect => return Err(Reason::Expectation.into()),
            Name::MaxForwards if counts_hops(method) => count_hops(&mut hops, value)?,
            _ => framing.take(kind, value)?,
        }
        kinds[framed.len()] = kind;
        framed.push(httparse::Header { name, value });
    }
    let fields = Fields { headers: framed, kinds: &kinds[..framed.len()], connection_names: false };
    if upgrade == Upgrade::WebSocket {
        // It takes the place of the key (RFC 8441 §5); one beside it would make two at the server.
        if fields.get("sec-websocket-key").is_some() {
            return Err(Reason::WebSocket.into());
        }
        websocket_version(&fields)?;
    }
    let authority = authority(head.pseudo(Pseudo::Authority), host)?;
    let target = head.pseudo(Pseudo::Path).ok_or(Reason::Pseudo)?;
    let (unread_path, query) = split_target(target, method, limits)?;
    let body = match body(&framing, limits)? {
        _ if upgrade == Upgrade::WebSocket => Body::None,
        Body::None if !ends => Body::Chunked, // its length is not known
        body => body,
    };
    let normal = path::normalise(unread_path, path)?;
    Ok(RequestHead {
        length: 0,
        method,
        target,
        version: Version::Http2,
        authority,
        host: authority::host(authority),
        path: normal.path,
        path_is_ambiguous: normal.is_ambiguous,
        query,
        body,
        keep_alive: true,
        upgrade,
        expect_continue: expects && !body.is_empty(),
        hops,
        fields,
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

/// `:authority`, else `Host`; where there are both they agree.
fn authority<'b>(named: Option<&'b str>, host: Option<&'b [u8]>) -> Result<&'b str, Reason> {
    let named = named.map(str::as_bytes).or(host).ok_or(Reason::HostMissing)?;
    authority::check(named)
}

/// The method in HTTP/1's terms, of a request to a scheme that is served. An extended `CONNECT` for a WebSocket is its handshake
/// (RFC 8441 §5); there is no other tunnel here.
fn method(head: &Head, ends: bool) -> Result<(&str, Upgrade<'_>), Reason> {
    let is_known =
        |scheme: &str| ["http", "https"].iter().any(|it| scheme.eq_ignore_ascii_case(it));
    if !head.pseudo(Pseudo::Scheme).is_none_or(is_known) {
        return Err(Reason::Pseudo);
    }
    let method = head.pseudo(Pseudo::Method).ok_or(Reason::Pseudo)?;
    match (method, head.pseudo(Pseudo::Protocol)) {
        ("CONNECT", Some("websocket")) if !ends => Ok(("GET", Upgrade::WebSocket)),
        ("CONNECT", None) => Err(Reason::Connect),
        (_, Some(_)) => Err(Reason::Pseudo),
        (method, None) if method.len() > super::MOST_METHOD_BYTES => Err(Reason::Method),
        (method, None) => Ok((method, Upgrade::None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = ":method GET, :scheme https, :authority a:443, :path /x/../y?q";
    const POST: &str = ":method POST, :scheme https, :authority a:443, :path /";
    const SOCKET: &str = ":method CONNECT, :scheme https, :authority a, :path /, :protocol";

    /// Fields with commas between them: a name, a blank, a value.
    fn meaning(fields: &str, ends: bool) -> String {
        let limits = HttpLimits { body_bytes: Some(1_000), headers: 8, ..HttpLimits::default() };
        let mut head = Head::default();
        head.clear(1_000);
        for field in fields.split(", ") {
            let (name, value) = field.split_once(' ').unwrap();
            head.take(name.as_bytes(), value.as_bytes());
        }
        if head.is_no_request(ends) {
            return "reset".to_owned();
        }
        match from_frames(&head, ends, &mut Space::new(), &limits) {
            Ok(head) => format!("{} {} {} {:?}", head.method, head.host, head.path, head.body),
            Err(refusal) => format!("{} {}", refusal.status, refusal.reason.label()),
        }
    }

    #[test]
    fn a_head_has_one_meaning_or_none() {
        let cases: &[(&str, &str, &str)] = &[
            (GET, "", "GET a /y None"),
            (GET, "host A:443", "GET a /y None"),
            (GET, "te trailers", "GET a /y None"),
            (POST, "", "POST a / Chunked"),
            (POST, "content-length 5", "POST a / Length(5)"),
            (GET, "content-length 5", "reset"),
            (":method GET, :scheme http, :path /", "host b", "GET b / None"),
            (":method GET, :scheme http, :path /", "", "400 host-missing"),
            (GET, "host b", "reset"),
            (GET, "host a", "GET a /y None"),
            (GET, "host a:80", "reset"),
            (GET, "host a:4430", "reset"),
            (GET, "host ", "reset"),
            (":method GET, :scheme http, :authority a, :path /", "host a:80", "GET a / None"),
            (":method GET, :scheme http, :authority a, :path /", "host a:443", "reset"),
            (":method GET, :scheme http, :authority , :path /", "host a", "reset"),
            (GET, "host a:443, host a:443", "400 host-repeated"),
            (":method GET, :scheme http, :path /, :authority u@a", "", "400 host-syntax"),
            (GET, "connection close", "reset"),
            (GET, "transfer-encoding chunked", "reset"),
            (GET, "upgrade h2c", "reset"),
            (GET, "te gzip", "reset"),
            (GET, "x  a", "reset"),
            (GET, "x a\r\nb: c", "reset"),
            (GET, "x a\0b", "reset"),
            (GET, "x a ", "reset"),
            (GET, "X a", "reset"),
            (GET, "x\r a", "reset"),
            (GET, " a", "reset"),
            (POST, "content-length +5", "reset"),
            (POST, "content-length ", "reset"),
            (POST, "content-length 18446744073709551616", "reset"),
            (POST, "content-length 5, content-length 5", "400 length-repeated"),
            (POST, "content-length 1001", "413 body-size"),
            (POST, "expect more", "417 expectation"),
            (GET, "a 1, a 2, a 3, a 4, a 5, a 6, a 7, a 8, a 9", "431 field-count"),
            (GET, ":path /again", "reset"),
            (GET, ":status 200", "reset"),
            (GET, "a 1, :protocol x", "reset"),
            (GET, ":protocol websocket", "reset"),
            (":method GET, :scheme http, :authority a", "", "reset"),
            (":method GET, :authority a, :path /", "", "reset"),
            (":scheme http, :authority a, :path /", "", "reset"),
            (":method GET, :scheme http, :authority a, :path ", "", "reset"),
            (":method GET, :scheme , :authority a, :path /", "", "reset"),
            (":method , :scheme http, :authority a, :path /", "", "reset"),
            (":method GET, :scheme http, :authority a, :path /a b", "", "reset"),
            (":method G T, :scheme http, :authority a, :path /", "", "reset"),
            (":method GET(, :scheme http, :authority a, :path /", "", "reset"),
            (":method GET, :scheme http, :authority a, :path x", "", "400 target"),
            (":method GET, :scheme http, :authority a, :path http://b/", "", "400 target"),
            (":method GET, :scheme http, :authority a, :path *", "", "400 target"),
            (":method OPTIONS, :scheme http, :authority a, :path *", "", "OPTIONS a * None"),
            (":method GET, :scheme http, :authority a, :path /../x", "", "400 path-above-root"),
            (":method CONNECT, :authority a", "", "501 connect"),
            (":method CONNECT, :authority a, :path /", "", "reset"),
            (":method GET, :scheme HTTPS, :authority a, :path /", "", "GET a / None"),
            (":method GET, :scheme ftp, :authority a, :path /", "", "400 pseudo-field"),
            (&format!("{SOCKET} x"), "", "400 pseudo-field"),
        ];
        for &(pseudo, fields, wanted) in cases {
            let separator = if fields.is_empty() { "" } else { ", " };
            let ends = pseudo.contains("GET") || pseudo.contains("OPTIONS");
            let found = meaning(&format!("{pseudo}{separator}{fields}"), ends);
            assert_eq!(found, wanted, "{pseudo} {fields}");
        }
    }

    /// RFC 8441 §5, RFC 6455 §4.4 and §11.3.1.
    #[test]
    fn a_websocket_on_a_stream_has_a_version_and_no_key() {
        for (fields, wanted) in [
            ("sec-websocket-version 13", "GET a / None"),
            ("sec-websocket-version 8", "426 websocket-version"),
            ("x y", "400 websocket"),
            (
                "sec-websocket-version 13, sec-websocket-key dGhlIHNhbXBsZSBub25jZQ==",
                "400 websocket",
            ),
        ] {
            assert_eq!(
                meaning(&format!("{SOCKET} websocket, {fields}"), false),
                wanted,
                "{fields}"
            );
        }
    }

    #[test]
    fn a_head_that_is_too_large_is_refused_whatever_was_cut() {
        let long = format!("x {}, {GET}", "a".repeat(1_000));
        assert_eq!(meaning(&long, true), "431 head-size");
        let long = format!("{GET}, x {}", "a".repeat(1_000));
        assert_eq!(meaning(&long, true), "431 head-size");
    }
}
