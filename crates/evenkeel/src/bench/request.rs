//! The one request of a test, as each version of HTTP sends it.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context as _, Result, bail};
use http::{HeaderName, HeaderValue, Method};

use super::target::{Asked, Place};

/// The request is held whole, and sent as often as the test asks.
const MOST_BODY_BYTES: u64 = 16 << 20;

/// What this program says itself: how long a request is (RFC 9112 §6), and what becomes of its
/// connection, of which HTTP/2 has none (RFC 9113 §8.2.2).
const OURS: [&str; 6] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// One request, ready to be sent again and again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Head and body in HTTP/1.1.
    pub(crate) bytes: Vec<u8>,
    /// The head in HTTP/2, pseudo-header fields first.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The method is `HEAD`: no answer has a body (RFC 9110 §9.3.2).
    pub(crate) head_only: bool,
}

impl Request {
    /// From what was typed. Mistakes say what to write instead.
    pub(super) fn new(place: &Place, asked: &Asked<'_>) -> Result<Self> {
        let method = asked.method.to_ascii_uppercase();
        Method::from_bytes(method.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT)
            .with_context(|| format!("--method {}: not one that can be repeated", asked.method))?;
        let body = asked.body.map(body).transpose()?;
        let headers = headers(place, asked, body.as_deref())?;
        let mut lines = vec![format!("{method} {} HTTP/1.1", place.path)];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if !asked.keep_alive {
            lines.push("connection: close".to_owned());
        }
        let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
        let body = body.unwrap_or_default();
        bytes.extend_from_slice(&body);
        let head_only = method == "HEAD";
        Ok(Self { bytes, fields: fields(method, place, headers), body, head_only })
    }
}

/// What stands in the head, in the order it was typed, with what was not.
fn headers(
    place: &Place,
    asked: &Asked<'_>,
    body: Option<&[u8]>,
) -> Result<Vec<(HeaderName, String)>> {
    let mut headers = Vec::new();
    for header in asked.headers {
        let (name, value) = parse(header)?;
        if OURS.contains(&name.as_str()) {
            bail!(
                "-H '{header}': this program says itself where a request ends and what becomes of \
                 its connection; see --body and --no-keep-alive"
            );
        }
        headers.push((name, value));
    }
    for (name, value) in [
        (http::header::HOST, place.authority.as_str()),
        (http::header::USER_AGENT, concat!("evenkeel-bench/", env!("CARGO_PKG_VERSION"))),
        (http::header::ACCEPT, "*/*"),
    ] {
        if !headers.iter().any(|(given, _)| *given == name) {
            headers.push((name, value.to_owned()));
        }
    }
    if let Some(body) = body {
        headers.push((http::header::CONTENT_LENGTH, body.len().to_string()));
    }
    Ok(headers)
}

/// The same as HTTP/2 has it: whom it is for is no header there (RFC 9113 §8.3.1).
fn fields(
    method: String,
    place: &Place,
    headers: Vec<(HeaderName, String)>,
) -> Vec<(String, String)> {
    let is_host = |(name, _): &(HeaderName, String)| *name == http::header::HOST;
    let host = headers.iter().find(|header| is_host(header));
    let authority = host.map_or(&place.authority, |(_, value)| value).clone();
    let scheme = if place.secure { "https" } else { "http" };
    let pseudo = [
        (":method", method),
        (":scheme", scheme.to_owned()),
        (":authority", authority),
        (":path", place.path.clone()),
    ];
    let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value)).into_iter();
    let others = headers.into_iter().filter(|header| !is_host(header));
    pseudo.chain(others.map(|(name, value)| (name.as_str().to_owned(), value))).collect()
}

fn body(written: &str) -> Result<Vec<u8>> {
    let Some(path) = written.strip_prefix('@') else { return Ok(written.as_bytes().to_vec()) };
    let failed = || format!("cannot read the body from {path}");
    if fs::metadata(Path::new(path)).with_context(failed)?.len() > MOST_BODY_BYTES {
        let source = io::Error::from(io::ErrorKind::FileTooLarge);
        return Err(source).with_context(|| format!("{}: more than 16 MiB", failed()));
    }
    fs::read(path).with_context(failed)
}

fn parse(header: &str) -> Result<(HeaderName, String)> {
    let wrong = || format!("-H '{header}': write 'NAME: VALUE'");
    let (name, value) = header.split_once(':').with_context(wrong)?;
    let value = value.trim();
    HeaderValue::from_str(value).with_context(wrong)?;
    Ok((name.trim().parse().with_context(wrong)?, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::target::ASKED;
    use super::*;

    const AGENT: &str = concat!("evenkeel-bench/", env!("CARGO_PKG_VERSION"));

    fn request(url: &str, asked: &Asked<'_>) -> Result<Request> {
        Request::new(&Place::of(url)?, asked)
    }

    fn text(request: &Request) -> &str {
        std::str::from_utf8(&request.bytes).expect("it is text")
    }

    fn fields(request: &Request) -> Vec<(&str, &str)> {
        request.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn a_request_is_what_was_typed() {
        let get = request("http://a.example:81/x", &ASKED).expect("it is sound");
        let expected = format!(
            "GET /x HTTP/1.1\r\nhost: a.example:81\r\nuser-agent: {AGENT}\r\naccept: */*\r\n\r\n"
        );
        assert_eq!(text(&get), expected);
        let headers = ["Host: b.example".to_owned(), "X-A:  1 ".to_owned()];
        let asked = Asked {
            method: "post",
            headers: &headers,
            body: Some("{}"),
            keep_alive: false,
            ..ASKED
        };
        let post = request("https://a.example/", &asked).expect("it is sound");
        let text = text(&post);
        assert!(text.starts_with("POST / HTTP/1.1\r\nhost: b.example\r\nx-a: 1\r\n"), "{text}");
        assert!(text.ends_with("content-length: 2\r\nconnection: close\r\n\r\n{}"), "{text}");
        let expected = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "b.example"),
            (":path", "/"),
            ("x-a", "1"),
            ("user-agent", AGENT),
            ("accept", "*/*"),
            ("content-length", "2"),
        ];
        assert_eq!(fields(&post), expected);
        assert_eq!(post.body, b"{}");
    }

    #[test]
    fn what_would_break_the_framing_is_refused() {
        for header in [
            "Content-Length: 5",
            "transfer-encoding: chunked",
            "Upgrade: h2c",
            "no colon",
            "a b: c",
        ] {
            let headers = [header.to_owned()];
            request("http://a.example/", &Asked { headers: &headers, ..ASKED }).expect_err(header);
        }
        let newline = ["X: a\r\nY: b".to_owned()];
        let asked = Asked { headers: &newline, ..ASKED };
        request("http://a.example/", &asked).expect_err("a line end");
        let asked = Asked { method: "CONNECT", ..ASKED };
        request("http://a.example/", &asked).expect_err("CONNECT");
    }
}
