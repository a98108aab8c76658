use super::*;

const GET: Asked<'_> = Asked { head: false, offer: None };
const HEAD: Asked<'_> = Asked { head: true, offer: None };
const UPGRADE: Asked<'_> = Asked { head: false, offer: Some(b"websocket") };

/// What one answer means, in one line.
fn meaning(bytes: &[u8], asked: Asked<'_>) -> String {
    let mut space = Space::new();
    match parse(bytes, &mut space, asked) {
        Ok(None) => "more".to_owned(),
        Err(reason) => reason.label().to_owned(),
        Ok(Some(head)) => {
            let body = match head.body {
                AnswerBody::None => "none".to_owned(),
                AnswerBody::Length(length) => length.to_string(),
                AnswerBody::Chunked => "chunked".to_owned(),
                AnswerBody::UntilClose => "until-close".to_owned(),
            };
            let end = if head.keep_alive { "keep" } else { "close" };
            format!("{} {body} {end}", head.status)
        }
    }
}

#[test]
fn bodies() {
    for (asked, bytes, wanted) in [
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 5 keep"),
        (GET, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 0 keep"),
        (GET, "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", "200 chunked keep"),
        (GET, "HTTP/1.1 200 OK\r\n\r\n", "200 until-close close"),
        (
            GET,
            "HTTP/1.1 200 \u{e4}\r\nConnection: close\r\nContent-Length: 1\r\n\r\n",
            "200 1 close",
        ),
        (GET, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "200 5 close"),
        (
            GET,
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
            "200 5 keep",
        ),
        (HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 none keep"),
        (HEAD, "HTTP/1.1 200 OK\r\n\r\n", "200 none keep"),
        (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 none keep"),
        (GET, "HTTP/1.1 204 No Content\r\n\r\n", "204 none keep"),
        (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204 none close"),
        (GET, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "204 none close"),
        (GET, "HTTP/1.1 100 Continue\r\n\r\n", "100 none keep"),
        (GET, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "103 none keep"),
        (
            UPGRADE,
            "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "101 none close",
        ),
        (GET, "HTTP/1.1 599 x\r\nContent-Length: 1\r\n\r\n", "599 1 keep"),
    ] {
        assert_eq!(meaning(bytes.as_bytes(), asked), wanted, "{}", bytes.escape_debug());
    }
}

#[test]
fn bad_answers() {
    for (asked, bytes, wanted) in [
        (GET, "", "more"),
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "more"),
        (GET, "hello", "status-line"),
        (GET, "\r\nHTTP/1.1 200 OK\r\n\r\n", "status-line"),
        (GET, "HTTP/9.9 200 OK\r\n\r\n", "version"),
        (GET, "HTTP/2.0 200 OK\r\n\r\n", "version"),
        (GET, "HTTP/1.1  200 OK\r\n\r\n", "status-line"),
        (GET, "HTTP/1.1 099 OK\r\n\r\n", "status-range"),
        (GET, "HTTP/1.1 99 OK\r\n\r\n", "status-line"),
        (GET, "HTTP/1.1 600 OK\r\n\r\n", "status-range"),
        (GET, "HTTP/1.1 1000 OK\r\n\r\n", "status-line"),
        (GET, "HTTP/1.1 abc OK\r\n\r\n", "status-line"),
        (GET, "HTTP/1.1 200 O\0K\r\n\r\n", "status-line"),
        (GET, "HTTP/1.1 200 OK\n\r\n", "bare-lf"),
        (GET, "HTTP/1.1 200 OK\r\nX: y\n\r\n", "bare-lf"),
        (GET, "HTTP/1.1 200 OK\r\nX: y\0\r\n\r\n", "field-value"),
        (GET, "HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "field-name"),
        (GET, "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "field-name"),
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "length-syntax"),
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "length-syntax"),
        (
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "length-repeated",
        ),
        (
            HEAD,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "length-repeated",
        ),
        (
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "length-and-coding",
        ),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "coding-unknown"),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "coding-unknown"),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "coding-syntax"),
        (GET, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "coding-http10"),
        (
            GET,
            "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "upgrade-unasked",
        ),
        (UPGRADE, "HTTP/1.1 101 S\r\n\r\n", "upgrade-unasked"),
        (
            UPGRADE,
            "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n",
            "upgrade-unasked",
        ),
        (UPGRADE, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: ,\r\n\r\n", "upgrade-unasked"),
        (UPGRADE, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", "upgrade-unasked"),
        (GET, "HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\n", "interim-framing"),
        (GET, "HTTP/1.1 100 C\r\nTransfer-Encoding: chunked\r\n\r\n", "interim-framing"),
    ] {
        assert_eq!(meaning(bytes.as_bytes(), asked), wanted, "{}", bytes.escape_debug());
    }
}

#[test]
fn large_heads_are_refused() {
    let field = format!("X: {}\r\n", "y".repeat(65_500));
    let many = "X: y\r\n".repeat(257);
    for (fields, wanted) in [(&field, "head-size"), (&many, "field-count")] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{fields}{fields}\r\n");
        assert_eq!(meaning(bytes.as_bytes(), GET), wanted);
        let cut = &bytes.as_bytes()[..bytes.len() - 2];
        assert_eq!(meaning(cut, GET), wanted);
    }
}
