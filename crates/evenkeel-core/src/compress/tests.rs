use super::*;
use crate::config::{Compress, HeaderEdits};
use crate::message::forward::{AnswerOut, write_answer};
use crate::message::response::{AnswerBody, Asked, Space, parse};
use crate::template::Facts;

fn wish(accepted: &str) -> Wish {
    Wish(Accepted::read([accepted.as_bytes()].into_iter()))
}

/// The form of the answer `head`, and its head as it leaves.
fn passed_on(rules: &Compress, head: &str, version: Version, accepted: &str) -> (Form, String) {
    let head = format!("HTTP/1.1 {head}\r\n\r\n");
    let mut space = Space::new();
    let head = parse(head.as_bytes(), &mut space, Asked::default()).unwrap().unwrap();
    let form = form(rules, &head, version, wish(accepted));
    let mut out = Vec::new();
    let answer = AnswerOut {
        body: match form {
            Form::Coded(_) => AnswerBody::Chunked,
            _ => head.body,
        },
        form,
        keep_alive: true,
        client: version,
        via: None,
        date: None,
        cookie: None,
        edits: &HeaderEdits::default(),
        hsts: None,
        facts: Facts::NONE,
    };
    write_answer(&mut out, &head, &answer);
    (form, String::from_utf8(out).unwrap())
}

#[test]
fn which_answers_are_compressed() {
    const YES: bool = true;
    const NO: bool = false;
    for (head, wanted) in [
        ("200 OK\r\nContent-Type: text/html\r\nContent-Length: 1024", YES),
        ("200 OK\r\nContent-Type: TEXT/Plain ; charset=utf-8", YES),
        ("404 No\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked", YES),
        ("200 OK\r\nContent-Type: text/html\r\nContent-Encoding: identity", YES),
        ("200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store", YES),
        ("200 OK\r\nContent-Type: text/html\r\nContent-Length: 1023", NO),
        ("200 OK\r\nContent-Type: image/png", NO),
        ("200 OK\r\nContent-Type: application/json-seq", NO),
        ("200 OK\r\nContent-Type: text/event-stream", NO),
        ("200 OK\r\nContent-Type: text", NO),
        ("200 OK", NO),
        ("200 OK\r\nContent-Type: text/html\r\nContent-Range: bytes 0-1/2", NO),
        ("204 No\r\nContent-Type: text/html", NO),
        ("103 Hints\r\nContent-Type: text/html", NO),
        ("200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip", NO),
        ("200 OK\r\nContent-Type: text/html\r\nContent-Encoding: something", NO),
        ("200 OK\r\nContent-Type: text/html\r\nCache-Control: a, No-Transform", NO),
        ("200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=b", NO),
        ("200 OK\r\nContent-Type: text/html\r\nTrailer: x", NO),
        ("200 OK\r\nContent-Type: text/html\r\nContent-Digest: sha-256=:x:", NO),
        ("200 OK\r\nContent-Type: text/html\r\nRepr-Digest: sha-256=:x:", NO),
        ("200 OK\r\nContent-Type: text/html\r\nContent-MD5: x", NO),
    ] {
        let wanted = if wanted { Form::Coded(Coding::Gzip) } else { Form::AsIs };
        for version in [Version::Http11, Version::Http2] {
            let (form, _) = passed_on(&Compress::default(), head, version, "gzip");
            assert_eq!(form, wanted, "{head}");
        }
    }
}

/// RFC 9110 §15.3.7: a cache that knows parts only has to know on what the whole depends.
#[test]
fn a_part_says_that_its_whole_varies() {
    for (head, wanted) in [
        ("Content-Type: text/html\r\nContent-Range: bytes 0-1/2000\r\nContent-Length: 2", true),
        ("Content-Type: multipart/byteranges; boundary=x", true),
        ("Content-Type: image/png\r\nContent-Range: bytes 0-1/2000", false),
        ("Content-Type: text/html\r\nCache-Control: no-transform", false),
    ] {
        let head = format!("206 Partial Content\r\n{head}");
        let (form, out) = passed_on(&Compress::default(), &head, Version::Http11, "gzip");
        assert_eq!(form, if wanted { Form::Varies } else { Form::AsIs }, "{head}");
        assert_eq!(out.contains("\r\nVary: Accept-Encoding\r\n"), wanted, "{out}");
    }
}

#[test]
fn the_operator_names_types_and_allows_cookies() {
    let coded = Form::Coded(Coding::Gzip);
    let rules = Compress {
        types: vec!["font/*".into(), "text/event-stream".into()],
        with_cookies: true,
        ..Compress::default()
    };
    for (head, wanted) in [
        ("200 OK\r\nContent-Type: Font/ttf\r\nSet-Cookie: a=b", coded),
        ("200 OK\r\nContent-Type: text/event-stream", coded),
        ("200 OK\r\nContent-Type: text/html", Form::AsIs),
        ("200 OK\r\nContent-Type: fon", Form::AsIs),
    ] {
        assert_eq!(passed_on(&rules, head, Version::Http11, "gzip").0, wanted, "{head}");
    }
}

#[test]
fn the_client_chooses_and_others_are_told_that_it_did() {
    let page = "200 OK\r\nContent-Type: text/html";
    for (version, accepted, wanted) in [
        (Version::Http11, "gzip, br, zstd", Form::Coded(Coding::Zstd)),
        (Version::Http11, "gzip, br", Form::Coded(Coding::Brotli)),
        (Version::Http11, "gzip, br;q=0.9", Form::Coded(Coding::Gzip)),
        (Version::Http11, "identity", Form::Varies),
        (Version::Http11, "gzip;q=0", Form::Varies),
        (Version::Http11, "", Form::Varies),
        (Version::Http10, "gzip", Form::Varies),
    ] {
        let (form, head) = passed_on(&Compress::default(), page, version, accepted);
        assert_eq!(form, wanted, "{version:?} {accepted}");
        assert!(head.contains("Vary: Accept-Encoding\r\n"), "{head}");
    }
}

#[test]
fn a_client_may_forbid_it() {
    for (lines, wanted) in [
        ("Accept-Encoding: gzip\r\n", Some(Coding::Gzip)),
        ("Accept-Encoding: gzip\r\nCache-Control: no-cache\r\n", Some(Coding::Gzip)),
        ("Accept-Encoding: gzip\r\nCache-Control: x, no-transform\r\n", None),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let mut space = Space::new();
        let head = parse(head.as_bytes(), &mut space, Asked::default()).unwrap().unwrap();
        assert_eq!(Wish::read(&head.fields).coding(Version::Http11), wanted, "{lines}");
    }
}

#[test]
fn heads_say_what_was_done() {
    let page = "200 OK\r\nContent-Type: text/html\r\n";
    let coded = "Content-Encoding: gzip\r\n";
    let vary = "Vary: Accept-Encoding\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (accepted, sent, wanted) in [
        (
            "gzip",
            "Content-Length: 5000\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\nLast-Modified: d",
            format!("ETag: W/\"x\"\r\nLast-Modified: d\r\n{coded}{vary}{chunked}"),
        ),
        (
            "gzip",
            "ETag: W/\"x\"\r\nContent-Encoding: identity\r\nContent-Length: 5000",
            format!("ETag: W/\"x\"\r\n{coded}{vary}{chunked}"),
        ),
        (
            "gzip",
            "Vary: Origin, accept-encoding\r\nContent-Length: 5000",
            format!("Vary: Origin, accept-encoding\r\n{coded}{chunked}"),
        ),
        ("gzip", "Vary: *\r\nContent-Length: 5000", format!("Vary: *\r\n{coded}{chunked}")),
        (
            "br;q=0",
            "ETag: \"x\"\r\nAccept-Ranges: bytes\r\nVary: Origin\r\nContent-Length: 5000",
            format!(
                "ETag: \"x\"\r\nAccept-Ranges: bytes\r\nVary: Origin\r\n{vary}Content-Length: 5000\r\n"
            ),
        ),
    ] {
        let (_, head) =
            passed_on(&Compress::default(), &format!("{page}{sent}"), Version::Http11, accepted);
        assert_eq!(head, format!("HTTP/1.1 {page}{wanted}\r\n"), "{sent}");
    }
}

#[test]
fn a_304_has_the_tag_its_200_had() {
    for (accepted, tag, length) in [("gzip", "W/\"x\"", ""), ("", "\"x\"", "Content-Length: 9\r\n")]
    {
        let sent = "304 x\r\nETag: \"x\"\r\nContent-Length: 9";
        let (_, head) = passed_on(&Compress::default(), sent, Version::Http11, accepted);
        let wanted =
            format!("HTTP/1.1 304 x\r\nETag: {tag}\r\nVary: Accept-Encoding\r\n{length}\r\n");
        assert_eq!(head, wanted);
    }
}
