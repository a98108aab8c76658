use super::*;
use crate::template::Template;

/// Body, trailers and bytes left, with the input cut into pieces of `size`.
fn decode(input: &[u8], size: usize) -> Result<String, Reason> {
    let mut decoder = Decoder::new(256);
    let (mut data, mut consumed) = (Vec::new(), 0);
    for piece in input.chunks(size) {
        let mut rest = piece;
        loop {
            let (step, used) = decoder.decode(rest)?;
            rest = &rest[used..];
            consumed += used;
            match step {
                Step::Data(bytes) => data.extend_from_slice(bytes),
                Step::More => break,
                Step::End => {
                    let (data, trailers) = (data.escape_ascii(), decoder.trailers().escape_ascii());
                    return Ok(format!("{data}|{trailers}|{}", input.len() - consumed));
                }
            }
        }
    }
    Ok("more".to_owned())
}

#[track_caller]
fn check(input: &str, wanted: Result<&str, Reason>) {
    for size in 1..=input.len().max(1) {
        let got = decode(input.as_bytes(), size);
        assert_eq!(got.as_deref(), wanted.as_ref().copied(), "{} by {size}", input.escape_debug());
    }
}

#[test]
fn bodies() {
    for (input, wanted) in [
        ("0\r\n\r\n", "||0"),
        ("0\r\n\r\nGET", "||3"),
        ("5\r\nhello\r\n0\r\n\r\n", "hello||0"),
        ("5\r\nhello\r\nA\r\n, worlds!!\r\n00\r\n\r\n", "hello, worlds!!||0"),
        ("0000000000000001\r\na\r\n0000000000000000\r\n\r\n", "a||0"),
        ("1;a\r\na\r\n0;b=\"c;d\\\" e\" ; f=g\r\n\r\n", "a||0"),
        ("0\r\nX: y\r\nX-Sum:z\t\r\n\r\n", "|X: y\\r\\nX-Sum: z\\r\\n|0"),
        ("5\r\nhel", "more"),
        ("5\r\nhello\r\n0\r\n", "more"),
    ] {
        check(input, Ok(wanted));
    }
}

#[test]
fn bad_bodies() {
    use Reason::*;
    for (input, reason) in [
        ("\r\n", ChunkSize),
        (" 5\r\nhello", ChunkSize),
        ("5 \r\nhello", ChunkSize),
        ("+5\r\nhello", ChunkSize),
        ("-5\r\nhello", ChunkSize),
        ("0x5\r\nhello", ChunkSize),
        ("5xyz\r\nhello", ChunkSize),
        ("0_5\r\nhello", ChunkSize),
        ("g\r\n", ChunkSize),
        ("5\nhello", ChunkSize),
        ("5\rhello", ChunkSize),
        (";a\r\n", ChunkSize),
        ("00000000000000001\r\na", ChunkSize),
        ("fffffffffffffffff\r\n", ChunkSize),
        ("5;a\nhello", ChunkExtension),
        ("5;a\0\r\nhello", ChunkExtension),
        ("5;\"a\r\nhello", ChunkExtension),
        ("5;\"a\n\"\r\nhello", ChunkExtension),
        ("5;\"\\\r\n\"\r\nhello", ChunkExtension),
        ("5;\u{1}\r\n", ChunkExtension),
        ("5;a\rb\r\nhello", ChunkSize),
        ("5\r\nhelloworld", ChunkEnd),
        ("5\r\nhello\n0\r\n\r\n", ChunkEnd),
        ("5\r\nhello\r0\r\n\r\n", ChunkEnd),
        ("5\r\nhello0\r\n\r\n", ChunkEnd),
        ("0\r\n\n", TrailerSyntax),
        ("0\r\n\rX", TrailerSyntax),
        ("0\r\nX: y\n\r\n", TrailerSyntax),
        ("0\r\nX : y\r\n\r\n", TrailerSyntax),
        ("0\r\nX: y\r\n z\r\n\r\n", TrailerSyntax),
        ("0\r\nX: \0\r\n\r\n", TrailerSyntax),
        ("0\r\nX: a\rb\r\n\r\n", TrailerSyntax),
        ("0\r\nno colon\r\n\r\n", TrailerSyntax),
        ("0\r\n: a\r\n\r\n", TrailerSyntax),
    ] {
        check(input, Err(reason));
    }
}

#[test]
fn limits() {
    let extensions = "1;a\r\na\r\n".repeat(2049);
    assert_eq!(decode(extensions.as_bytes(), 100), Err(Reason::ChunkExtension));
    let extension = format!("1;{}\r\na", "a".repeat(65_536));
    assert_eq!(decode(extension.as_bytes(), 1000), Err(Reason::ChunkExtension));
    let trailer = format!("0\r\nX: {}", "y".repeat(65_536));
    assert_eq!(decode(trailer.as_bytes(), 1000), Err(Reason::TrailerTooLarge));
    let trailers = format!("0\r\n{}\r\n", "X:\r\n".repeat(33));
    assert_eq!(decode(trailers.as_bytes(), 1000), Err(Reason::TrailerTooLarge));
}

#[test]
fn harmful_trailers_are_dropped() {
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "TE",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Connection",
        "X-Forwarded-For",
        "X-Forwarded-Server",
        "X-Forwarded",
        "X-Client-IP",
        "Proxy",
        "X-Real-IP",
        "Forwarded",
        "Expect",
        "Content-Type",
        "content-encoding",
        "Cache-Control",
        "If-Match",
        "Proxy-Foo",
        "Range",
        "Transfer_Encoding",
        "Upgrade",
        "Trailer",
        "Location",
        "Sec-WebSocket-Key",
    ] {
        check(&format!("0\r\n{name}: 5\r\nOk: 1\r\n\r\n"), Ok("|Ok: 1\\r\\n|0"));
    }
}

#[test]
fn a_trailer_says_nothing_that_the_head_may_not() {
    let edits = HeaderEdits {
        remove: vec!["x-user".into()],
        set: vec![("X-From".into(), Template::text("front"))],
        add: vec![("x-more".into(), Template::text("1"))],
    };
    let barred = Barred { reserved: &["x-subject".into()], edits: &edits, hop: b"close, X-Hop" };
    let all = b"Ok: 1\r\nX-User: root\r\nx-from: a:b\r\nX-More: 2\r\nX-SUBJECT: c\r\nx-hop: d\r\nEnd:\r\n";
    let kept = b"Ok: 1\r\nX-More: 2\r\nEnd:\r\n";
    assert_eq!(&*barred.keep(all), kept);
    assert!(matches!(barred.keep(kept), Cow::Borrowed(_)));
    let fields = [("ok", &b"1"[..]), ("x-user", b"root"), ("x-subject", b"c"), ("host", b"a")];
    let mut out = Vec::new();
    write_end_with(&mut out, fields.into_iter(), &barred).unwrap();
    assert_eq!(out, b"0\r\nok: 1\r\n\r\n");
}

#[test]
fn what_is_written_is_read() {
    let mut out = Vec::new();
    for piece in [&b"hello"[..], &[b'x'; 300]] {
        write_chunk(&mut out, piece);
    }
    assert!(out.starts_with(b"5\r\nhello\r\n12c\r\nxxx"));
    write_end(&mut out, b"Ok: 1\r\n");
    let read = decode(&out, 7).unwrap();
    assert_eq!(read, format!("hello{}|Ok: 1\\r\\n|0", "x".repeat(300)));
}
