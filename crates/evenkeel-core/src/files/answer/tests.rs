use super::*;
use crate::template::Template;

const FACTS: Facts = Facts { size: 1_000, modified: 784_111_777 };
const NOW: (&str, u64) = ("Sun, 06 Nov 1994 08:49:40 GMT", 784_111_780);

fn file() -> Representation<'static> {
    Representation {
        facts: FACTS,
        tag: EntityTag::new(FACTS, None),
        content_type: "text/css; charset=utf-8",
        coding: None,
        varies: false,
        expires: None,
    }
}

fn head(file: &Representation<'_>, verdict: &Verdict, around: &Around<'_>) -> String {
    let parts = match verdict {
        Verdict::Parts(ranges) => Some(Multipart::new(file, ranges.clone(), 7)),
        _ => None,
    };
    let mut out = Vec::new();
    write_answer(&mut out, file, verdict, parts.as_ref(), around);
    String::from_utf8(out).unwrap()
}

const fn around(edits: &HeaderEdits) -> Around<'_> {
    Around { date: NOW, keep_alive: true, client: Version::Http11, via: None, hsts: None, edits }
}

const NO_EDITS: HeaderEdits = HeaderEdits { remove: Vec::new(), set: Vec::new(), add: Vec::new() };

#[test]
fn the_head_of_a_whole_file() {
    assert_eq!(
        head(&file(), &Verdict::Whole, &around(&NO_EDITS)),
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:40 GMT\r\n\
         Content-Type: text/css; charset=utf-8\r\nContent-Length: 1000\r\nAccept-Ranges: bytes\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"2ebc98a1-3e8\"\r\n\r\n"
    );
}

#[test]
fn a_304_has_what_caches_need_and_no_length() {
    let file = Representation {
        tag: EntityTag::new(FACTS, Some(Coding::Gzip)),
        coding: Some(Coding::Gzip),
        varies: true,
        expires: Some(Expires::After(Duration::from_hours(1))),
        ..file()
    };
    assert_eq!(
        head(&file, &Verdict::NotModified, &around(&NO_EDITS)),
        "HTTP/1.1 304 Not Modified\r\nDate: Sun, 06 Nov 1994 08:49:40 GMT\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"2ebc98a1-3e8-gzip\"\r\n\
         Vary: Accept-Encoding\r\nExpires: Sun, 06 Nov 1994 09:49:40 GMT\r\n\
         Cache-Control: max-age=3600\r\n\r\n"
    );
}

#[test]
fn edits_and_the_connection() {
    let edits = HeaderEdits {
        remove: vec!["etag".into()],
        set: vec![("cache-control".into(), Template::text("private"))],
        add: vec![("x-from".into(), Template::text("files"))],
    };
    let around =
        Around { keep_alive: false, via: Some("lb0"), hsts: Some("max-age=1"), ..around(&edits) };
    let file = Representation { expires: Some(Expires::NoCache), ..file() };
    let head = head(&file, &Verdict::Part(0..1), &around);
    assert!(head.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{head}");
    assert!(head.contains("Content-Length: 1\r\n"), "{head}");
    assert!(head.contains("Content-Range: bytes 0-0/1000\r\n"), "{head}");
    let end = "Connection: close\r\nVia: 1.1 lb0\r\nStrict-Transport-Security: max-age=1\r\ncache-control: private\r\nx-from: files\r\n\r\n";
    assert!(head.ends_with(end), "{head}");
    assert!(!head.contains("ETag") && !head.contains("no-cache"), "{head}");
}

#[test]
fn the_length_of_several_parts_is_that_of_what_is_written() {
    let file = file();
    let ranges = vec![0..2, 990..1_000];
    let parts = Multipart::new(&file, ranges.clone(), 7);
    let mut body = Vec::new();
    for index in 0..=2 {
        parts.write_before(&mut body, index);
        let length = parts.range(index).map_or(0, |range| range.end - range.start);
        body.extend(std::iter::repeat_n(b'x', usize::try_from(length).unwrap()));
    }
    assert_eq!(
        String::from_utf8(body.clone()).unwrap(),
        "\r\n--00000000000000000007\r\nContent-Type: text/css; charset=utf-8\r\n\
         Content-Range: bytes 0-1/1000\r\n\r\nxx\
         \r\n--00000000000000000007\r\nContent-Type: text/css; charset=utf-8\r\n\
         Content-Range: bytes 990-999/1000\r\n\r\nxxxxxxxxxx\
         \r\n--00000000000000000007--\r\n"
    );
    let head = head(&file, &Verdict::Parts(ranges), &around(&NO_EDITS));
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    let kind = "Content-Type: multipart/byteranges; boundary=00000000000000000007\r\n";
    assert!(head.contains(kind), "{head}");
}

#[test]
fn how_long_a_file_is_fresh_is_in_its_name() {
    let day = Expires::After(Duration::from_hours(24));
    let mut files = Files {
        root: std::path::Path::new("/srv").into(),
        index: Vec::new(),
        expires: [("css".into(), day)].into(),
        expires_otherwise: None,
        types: [("css".into(), "text/x-css".into())].into(),
        precompressed: false,
        symlinks: crate::config::Symlinks::Within,
        hidden: false,
    };
    assert_eq!(files.expires(b"a/b.CSS"), Some(day));
    assert_eq!(files.expires(b"a/b.js"), None);
    files.expires_otherwise = Some(Expires::NoCache);
    assert_eq!(files.expires(b"a/b.js"), Some(Expires::NoCache));
    assert_eq!(files.expires(b"css"), Some(Expires::NoCache));
    assert_eq!(files.content_type(b"a.css"), "text/x-css");
    assert_eq!(files.content_type(b"a.js"), "text/javascript; charset=utf-8");
    assert_eq!(files.content_type(b"a"), "application/octet-stream");
}

#[test]
fn a_date_is_never_later_than_now_nor_than_dates_go() {
    let told = |modified, now| Facts { size: 0, modified }.told(now).modified;
    assert_eq!(told(10, 20), 10);
    assert_eq!(told(30, 20), 20);
    assert_eq!(told(u64::MAX, u64::MAX), LAST_DATE);
    assert_eq!(date(u64::MAX).as_str(), "Fri, 31 Dec 9999 23:59:59 GMT");
}
