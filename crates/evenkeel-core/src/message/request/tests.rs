use std::fmt::Write;

use super::*;

fn limits() -> HttpLimits {
    HttpLimits { body_bytes: Some(1000), ..HttpLimits::default() }
}

/// What one request means, in one line.
fn meaning(bytes: &[u8]) -> String {
    let mut space = Space::new();
    match parse(bytes, &mut space, &limits()) {
        Ok(None) => "more".to_owned(),
        Err(refusal) => format!("{} {}", refusal.status, refusal.reason.label()),
        Ok(Some(head)) => {
            let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
            let mut line = format!("{} {} {}{query}", head.method, head.host, head.path);
            match head.body {
                Body::None => {}
                Body::Length(length) => write!(line, " length={length}").unwrap(),
                Body::Chunked => line += " chunked",
            }
            for (set, word) in [(!head.keep_alive, " close"), (head.expect_continue, " expects")] {
                line += if set { word } else { "" };
            }
            match head.upgrade {
                Upgrade::None => {}
                Upgrade::WebSocket => line += " websocket",
                Upgrade::Other(name) => write!(line, " upgrade={}", name.escape_ascii()).unwrap(),
            }
            if let Some(hops) = head.hops {
                write!(line, " hops={hops}").unwrap();
            }
            line
        }
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (bytes, wanted) in cases {
        assert_eq!(meaning(bytes.as_bytes()), *wanted, "{}", bytes.escape_debug());
    }
}

/// A request whose header section is `Host: a` and `fields`.
fn post(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[track_caller]
fn check_fields(cases: &[(&str, &str)]) {
    for (fields, wanted) in cases {
        assert_eq!(meaning(post(fields).as_bytes()), *wanted, "{}", fields.escape_debug());
    }
}

#[test]
fn lines() {
    check(&[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /"),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /"),
        ("GET / HTTP/1.0\r\n\r\n", "GET  / close"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \t b \r\n\r\n", "GET a /"),
        ("", "more"),
        ("\r", "more"),
        ("\r\n", "more"),
        ("GET / HTTP/1.1\r\nHost: a\r\n", "more"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r", "more"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request-line"),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request-line"),
        ("\r\n\r", "400 request-line"),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", "400 bare-lf"),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", "400 bare-lf"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", "400 bare-lf"),
        ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "400 bare-lf"),
        ("GET / HTTP/1.0\n\n", "400 bare-lf"),
        ("GET / HTTP/1.0\n\r\n", "400 bare-lf"),
        ("GET / HTTP/1.1\rHost: a\r\n\r\n", "400 version-syntax"),
        ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", "400 field-value"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\0\r\n\r\n", "400 field-value"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\x0bc\r\n\r\n", "400 field-value"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n", "400 field-value"),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "400 field-name"),
        ("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", "400 field-name"),
        ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "400 field-name"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "400 field-name"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", "400 field-name"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\x01X: b\r\n\r\n", "400 field-name"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", "400 field-name"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", "400 field-name"),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 field-name"),
    ]);
}

#[test]
fn request_lines() {
    check(&[
        ("GET /\r\n", "400 request-line"),
        ("GET / HTTP/0.9\r\n\r\n", "505 version"),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505 version"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505 version"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 version"),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", "400 version-syntax"),
        ("GET / HTTP/1.1x\r\nHost: a\r\n\r\n", "400 version-syntax"),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400 version-syntax"),
        ("GET / HTTP/11\r\nHost: a\r\n\r\n", "400 version-syntax"),
        ("GET / XTTP/1.1\r\nHost: a\r\n\r\n", "400 version-syntax"),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "400 version-syntax"),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request-line"),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400 version-syntax"),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 request-line"),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request-line"),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request-line"),
        ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "400 request-line"),
        ("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "400 request-line"),
        ("GET /ä HTTP/1.1\r\nHost: a\r\n\r\n", "400 path-byte"),
        ("GET /?ä HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", "400 path-byte"),
        ("GET /?a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", "get a /"),
        ("UPDATEREDIRECTREF / HTTP/1.1\r\nHost: a\r\n\r\n", "UPDATEREDIRECTREF a /"),
        ("\x16\x03\x01\x02\0\x01", "400 request-line"),
    ]);
}

#[test]
fn targets_and_hosts() {
    check(&[
        ("GET /a?b?c=%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /a?b?c=%zz"),
        ("GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /a?"),
        ("GET /b/../%61 HTTP/1.1\r\nHost: a\r\n\r\n", "GET a /a"),
        ("GET /../a HTTP/1.1\r\nHost: a\r\n\r\n", "400 path-above-root"),
        ("GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n", "GET b /c"),
        ("GET HTTPS://b:1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET b /"),
        ("GET http://b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET b /?c"),
        ("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS b *"),
        ("GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 host-syntax"),
        ("GET http:///c HTTP/1.1\r\nHost: a\r\n\r\n", "400 host-syntax"),
        ("GET http://b#c HTTP/1.1\r\nHost: a\r\n\r\n", "400 path-byte"),
        ("GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"),
        ("GET http://b/ HTTP/1.1\r\n\r\n", "400 host-missing"),
        ("GET http://b/ HTTP/1.0\r\n\r\n", "GET b / close"),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS a *"),
        ("OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "501 connect"),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "501 connect"),
        ("GET / HTTP/1.1\r\n\r\n", "400 host-missing"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 host-repeated"),
        ("GET / HTTP/1.0\r\nHost: a\r\nhOST: b\r\n\r\n", "400 host-repeated"),
    ]);
}

#[test]
fn hosts() {
    for (value, host) in [
        ("a", Some("a")),
        ("A.example", Some("A.example")),
        ("a.", Some("a")),
        ("a:80", Some("a")),
        ("a.:80", Some("a")),
        ("a_b-c.d~e", Some("a_b-c.d~e")),
        ("127.0.0.1:8080", Some("127.0.0.1")),
        ("[::1]", Some("[::1]")),
        ("[::ffff:1.2.3.4]:80", Some("[::ffff:1.2.3.4]")),
        ("", None),
        (".", None),
        (".a", None),
        ("a..", None),
        ("a..b", None),
        (":80", None),
        ("a:", Some("a")),
        ("[::1]:", Some("[::1]")),
        ("a::", None),
        ("a:80:", None),
        (":", None),
        ("a:x", None),
        ("a:+1", None),
        ("a:65536", None),
        ("a:80:80", None),
        ("a b", None),
        ("a, b", None),
        ("x@a", None),
        ("a/b", None),
        ("a?b", None),
        ("a#b", None),
        ("a\\b", None),
        ("%61", None),
        ("a;b", None),
        ("ä", None),
        ("[::1", None),
        ("::1", None),
        ("[::1]a", None),
        ("[::1]a:80", None),
        ("[fe80::1%25eth0]", None),
        ("[v1.a]", None),
        ("[]", None),
    ] {
        let checked = authority::check(value.as_bytes()).ok().map(authority::host);
        assert_eq!(checked, host, "{value}");
    }
    let longer = [b'a'; MOST_HOST_BYTES + 1];
    assert_eq!(authority::check(&longer[1..]).map(str::len), Ok(MOST_HOST_BYTES));
    assert_eq!(authority::check(&longer), Err(Reason::HostSyntax));
}

#[test]
fn content_lengths() {
    check_fields(&[
        ("Content-Length: 0\r\n", "POST a / length=0"),
        ("content-length:  007\t\r\n", "POST a / length=7"),
        ("Content-Length: 1000\r\n", "POST a / length=1000"),
        ("Content-Length: 1001\r\n", "413 body-size"),
        ("Content-Length: 18446744073709551615\r\n", "413 body-size"),
        ("Content-Length: 18446744073709551616\r\n", "400 length-syntax"),
        ("Content-Length: 18446744073709551621\r\n", "400 length-syntax"),
        ("Content-Length: 0000000000000000000000000000000000000005\r\n", "400 length-syntax"),
        ("Content-Length:\r\n", "400 length-syntax"),
        ("Content-Length: +5\r\n", "400 length-syntax"),
        ("Content-Length: -5\r\n", "400 length-syntax"),
        ("Content-Length: 0x5\r\n", "400 length-syntax"),
        ("Content-Length: 5a\r\n", "400 length-syntax"),
        ("Content-Length: 5.0\r\n", "400 length-syntax"),
        ("Content-Length: 5 5\r\n", "400 length-syntax"),
        ("Content-Length: \"5\"\r\n", "400 length-syntax"),
        ("Content-Length: 5, 5\r\n", "400 length-syntax"),
        ("Content-Length: 5,6\r\n", "400 length-syntax"),
        ("Content-Length: 5\0\r\n", "400 field-value"),
        ("Content-Length: 5\x0b\r\n", "400 field-value"),
        ("Content-Length: ５\r\n", "400 length-syntax"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "400 length-repeated"),
        ("Content-Length: 5\r\nCONTENT-LENGTH: 6\r\n", "400 length-repeated"),
    ]);
}

#[test]
fn transfer_encodings() {
    check_fields(&[
        ("Transfer-Encoding: chunked\r\n", "POST a / chunked"),
        ("transfer-encoding:\tCHUNKED \r\n", "POST a / chunked"),
        ("Transfer-Encoding: identity\r\n", "501 coding-unknown"),
        ("Transfer-Encoding: xchunked\r\n", "501 coding-unknown"),
        ("Transfer-Encoding: gzip\r\n", "501 coding-unknown"),
        ("Transfer-Encoding: gzip, chunked\r\n", "501 coding-unknown"),
        ("Transfer-Encoding: chunked, identity\r\n", "400 coding-syntax"),
        ("Transfer-Encoding: chunked, chunked\r\n", "400 coding-repeated"),
        ("Transfer-Encoding: \x0bchunked\r\n", "400 field-value"),
        ("Transfer-Encoding: \"chunked\"\r\n", "400 coding-syntax"),
        ("Transfer-Encoding: chunked;a=b\r\n", "400 coding-syntax"),
        ("Transfer-Encoding: chunked,\r\n", "400 coding-syntax"),
        ("Transfer-Encoding: ,chunked\r\n", "400 coding-syntax"),
        ("Transfer-Encoding: chunked\u{a0}\r\n", "400 coding-syntax"),
        ("Transfer-Encoding: chunked chunked\r\n", "400 coding-syntax"),
        ("Transfer-Encoding:\r\n", "400 coding-syntax"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "400 coding-repeated"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "400 coding-repeated"),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "501 coding-unknown"),
        ("Content-Length: 36\r\nTransfer-Encoding: chunked\r\n", "400 length-and-coding"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 36\r\n", "400 length-and-coding"),
        ("Transfer_Encoding: chunked\r\n", "POST a /"),
    ]);
    check(&[(
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "400 coding-http10",
    )]);
}

#[test]
fn connections() {
    check_fields(&[
        ("Connection: close\r\n", "POST a / close"),
        ("Connection: x, CLOSE\r\n", "POST a / close"),
        ("Connection: keep-alive\r\n", "POST a /"),
        ("Connection: keep-alive\r\nConnection: close\r\n", "POST a / close"),
        ("Expect: 100-Continue\r\nContent-Length: 1\r\n", "POST a / length=1 expects"),
        ("Expect: 100-continue\r\n", "POST a /"),
        ("Expect: 200-ok\r\n", "417 expectation"),
        ("Expect: 100-continue, x\r\n", "417 expectation"),
        ("Upgrade: tls/1.0\r\nConnection: upgrade\r\n", "POST a / upgrade=tls/1.0"),
        ("Upgrade: tls/1.0\r\n", "POST a /"),
        ("Connection: upgrade\r\n", "POST a /"),
        (
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\n",
            "POST a /",
        ),
        ("Upgrade: websocket, h2c\r\nConnection: upgrade\r\n", "POST a /"),
        ("Upgrade: h2c/1\r\nConnection: upgrade\r\n", "POST a /"),
        ("Upgrade: a\r\nUpgrade: b\r\nConnection: upgrade\r\n", "POST a /"),
        ("Upgrade: a\r\nConnection: upgrade\r\nContent-Length: 3\r\n", "POST a / length=3"),
        ("Upgrade: websocket\r\nConnection: upgrade\r\n", "400 websocket"),
    ]);
    check(&[
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET  /"),
        (
            "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
            "POST  / length=1 close",
        ),
        ("GET / HTTP/1.0\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", "GET  / close"),
    ]);
    let options = format!("Connection: {}\r\n", "a,".repeat(33));
    check_fields(&[(&options, "400 connection-options")]);
}

#[test]
fn websockets() {
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    for (method, key, version, wanted) in [
        ("GET", KEY, "13", "GET a / websocket"),
        ("GET", KEY, "12", "426 websocket-version"),
        ("GET", KEY, "", "426 websocket-version"),
        ("POST", KEY, "12", "400 websocket"),
        ("GET", "", "13", "400 websocket"),
        ("GET", "c2hvcnQ=", "13", "400 websocket"),
        ("POST", KEY, "13", "400 websocket"),
    ] {
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n\r\n"
        );
        assert_eq!(meaning(request.as_bytes()), wanted, "{request}");
    }
}

#[test]
fn limits_are_kept_while_the_head_is_incomplete() {
    let most = HttpLimits::default();
    let target = "a".repeat(most.target_bytes as usize);
    let field = format!("X: {}\r\n", "b".repeat(60_000));
    let many = "X: b\r\n".repeat(127);
    for (bytes, wanted) in [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", &target[1..]), "GET "),
        (format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"), "414 target-size"),
        (format!("GET /{target}"), "414 target-size"),
        (format!("GET /{}", &target[1..]), "more"),
        ("M".repeat(32) + " / HTTP/1.1\r\nHost: a\r\n\r\n", "MMMM"),
        ("M".repeat(33) + " / HTTP/1.1\r\nHost: a\r\n\r\n", "501 method"),
        ("M".repeat(9000) + " / HTTP/1.1\r\nHost: a\r\n\r\n", "501 method"),
        ("M".repeat(33), "501 method"),
        ("M".repeat(32), "more"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{field}"), "more"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{field}{field}\r\n"), "431 head-size"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{field}{field}"), "431 head-size"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "GET "),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}X: b\r\n\r\n"), "431 field-count"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}X: b\r\n"), "431 field-count"),
    ] {
        let meaning = meaning(bytes.as_bytes());
        let got = if meaning.starts_with(char::is_numeric) { &meaning } else { &meaning[..4] };
        assert_eq!(got, wanted, "{}… of {} bytes", &bytes[..20], bytes.len());
    }
}

#[test]
fn a_head_of_exactly_the_limit_is_read() {
    let limits = HttpLimits { head_bytes: 40, ..HttpLimits::default() };
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "b".repeat(8));
    assert_eq!(head.len(), 40);
    let mut space = Space::new();
    assert!(parse(&head.as_bytes()[..39], &mut space, &limits).is_ok_and(|it| it.is_none()));
    let mut space = Space::new();
    assert!(parse(head.as_bytes(), &mut space, &limits).is_ok_and(|it| it.is_some()));
    let mut space = Space::new();
    let longer = head.replace("X: ", "X:  ");
    let refused = parse(longer.as_bytes(), &mut space, &limits);
    assert_eq!(refused.map(|_| ()).map_err(|refusal| refusal.status), Err(431));
}

/// Long values are read by vector instructions, short ones byte by byte: neither lets a control
/// byte pass, at any place.
#[test]
fn no_control_byte_passes_anywhere() {
    let head = post(&format!("X-{}: {}\r\n", "n".repeat(70), "v".repeat(70)));
    let head = head.replace("POST / ", &format!("POST /{} ", "t".repeat(70)));
    for at in 0..head.len() {
        for byte in (0..0x20).chain([0x7f]) {
            let mut bytes = head.clone().into_bytes();
            let before = std::mem::replace(&mut bytes[at], byte);
            if before == byte
                || (byte == b'\t' && before == b'v')
                || (byte == b'\t' && before == b' ')
            {
                continue;
            }
            let meaning = meaning(&bytes);
            assert!(meaning.starts_with("400"), "{at} {byte:#x}: {meaning}");
        }
    }
}

/// Whatever one byte more is read as by a server behind: it finds no other framing than this node.
#[test]
fn one_byte_more_hides_no_framing() {
    let seams = [
        ("transfer-encoding: chunked", "POST a / chunked"),
        ("content-length: 5", "POST a / length=5"),
    ];
    for (field, wanted) in seams {
        let colon = field.find(':').expect("a field");
        for at in 0..=field.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = post("").into_bytes();
                bytes.truncate(bytes.len() - 2);
                bytes.extend_from_slice(&field.as_bytes()[..at]);
                bytes.push(byte);
                bytes.extend_from_slice(&field.as_bytes()[at..]);
                bytes.extend_from_slice(b"\r\n\r\n");
                let meaning = meaning(&bytes);
                let is_another_name =
                    at <= colon && header::is_token(&[byte]) || at < colon && byte == b':';
                let is_blank = at > colon && matches!(byte, b' ' | b'\t');
                let is_digit = at > colon && byte.is_ascii_digit();
                let is_refused = meaning.starts_with("400") || meaning.starts_with("501");
                let fits = match meaning.as_str() {
                    "POST a /" => is_another_name,
                    meaning if meaning == wanted => is_blank || is_digit,
                    meaning => is_refused || meaning.starts_with("POST a / length=") && is_digit,
                };
                assert!(fits, "{}: {meaning}", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn hops_are_counted_of_requests_that_look_for_their_way() {
    let of =
        |method: &str, fields: &str| format!("{method} /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for (method, fields, wanted) in [
        ("OPTIONS", "", "OPTIONS a /x"),
        ("OPTIONS", "Max-Forwards: 5\r\n", "OPTIONS a /x hops=5"),
        ("TRACE", "max-forwards: 00\r\n", "TRACE a /x hops=0"),
        ("TRACE", "Max-Forwards: 1\r\nMax-Forwards: 1\r\n", "400 max-forwards"),
        ("TRACE", "Max-Forwards:\r\n", "400 max-forwards"),
        ("OPTIONS", "Max-Forwards: -1\r\n", "400 max-forwards"),
        ("OPTIONS", "Max-Forwards: 1, 2\r\n", "400 max-forwards"),
        ("GET", "Max-Forwards: x\r\n", "GET a /x"),
    ] {
        assert_eq!(meaning(of(method, fields).as_bytes()), wanted);
    }
}

#[test]
fn headers_are_found_by_name_and_kind() {
    let text = b"GET / HTTP/1.1\r\nhOsT: a\r\nX-A: 1\r\nx-a: 2\r\nVia: v\r\n\r\nrest";
    let mut space = Space::new();
    let head = parse(text, &mut space, &limits()).unwrap().unwrap();
    assert_eq!(head.length, text.len() - 4);
    assert_eq!(head.header("x-a"), Some(&b"1"[..]));
    assert_eq!(head.header("x-b"), None);
    let kinds: Vec<_> = head.headers().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, [Name::Host, Name::Other, Name::Other, Name::Via]);
    assert!(head.is_idempotent());
}
