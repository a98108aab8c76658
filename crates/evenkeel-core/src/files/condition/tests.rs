use super::Verdict::{NotModified, Part, Parts, PreconditionFailed, Unsatisfiable, Whole};
use super::*;
use crate::config::HttpLimits;
use crate::message::request::{Space, parse};

const FACTS: Facts = Facts { size: 1_000, modified: 784_111_777 };
const TAG: &str = "\"2ebc98a1-3e8\"";
const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn verdict(method: &str, fields: &str) -> Verdict {
    let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut space = Space::new();
    let head = parse(request.as_bytes(), &mut space, &HttpLimits::default());
    let head = head.expect("a request").expect("whole");
    judge(&head.fields, method == "HEAD", FACTS, &EntityTag::new(FACTS, None))
}

#[test]
fn preconditions_in_the_order_of_the_standard() {
    let cases = [
        ("", Whole),
        ("If-Match: *\r\n", Whole),
        ("If-Match: TAG\r\n", Whole),
        ("If-Match: \"x\", TAG\r\n", Whole),
        ("If-Match: \"x\"\r\nIf-Match: TAG\r\n", Whole),
        ("If-Match: W/TAG\r\n", PreconditionFailed),
        ("If-Match: \"x\"\r\n", PreconditionFailed),
        ("If-Match:\r\n", PreconditionFailed),
        ("If-Match: TAG\r\nIf-Unmodified-Since: BEFORE\r\n", Whole),
        ("If-Match: \"x\"\r\nIf-None-Match: TAG\r\n", PreconditionFailed),
        ("If-Unmodified-Since: SAME\r\n", Whole),
        ("If-Unmodified-Since: AFTER\r\n", Whole),
        ("If-Unmodified-Since: BEFORE\r\n", PreconditionFailed),
        ("If-Unmodified-Since: yesterday\r\n", Whole),
        ("If-None-Match: *\r\n", NotModified),
        ("If-None-Match: TAG\r\n", NotModified),
        ("If-None-Match: W/TAG\r\n", NotModified),
        ("If-None-Match: \"x\"\r\nIf-None-Match: W/TAG\r\n", NotModified),
        ("If-None-Match: \"x\"\r\n", Whole),
        ("If-None-Match: \"x\"\r\nIf-Modified-Since: SAME\r\n", Whole),
        ("If-None-Match: TAG\r\nIf-Modified-Since: BEFORE\r\n", NotModified),
        ("If-Modified-Since: BEFORE\r\n", Whole),
        ("If-Modified-Since: SAME\r\n", NotModified),
        ("If-Modified-Since: AFTER\r\n", NotModified),
        ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", NotModified),
        ("If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", NotModified),
        ("If-Modified-Since: 1994\r\n", Whole),
        ("If-Modified-Since: \u{ff}\r\n", Whole),
        ("If-Unmodified-Since: SAME\r\nIf-Modified-Since: SAME\r\n", NotModified),
        ("If-None-Match: TAG\r\nRange: bytes=0-1\r\n", NotModified),
        ("If-Match: TAG\r\nRange: bytes=0-1\r\n", Part(0..2)),
        ("Range: bytes=0-1\r\n", Part(0..2)),
        ("Range: bytes=0-1,4-5\r\n", Parts(vec![0..2, 4..6])),
        ("Range: bytes=1000-\r\n", Unsatisfiable),
        ("Range: bytes=1000-\r\nIf-Range: \"x\"\r\n", Whole),
        ("If-Range: TAG\r\nRange: bytes=0-1\r\n", Part(0..2)),
        ("If-Range: SAME\r\nRange: bytes=0-1\r\n", Part(0..2)),
        ("If-Range: W/TAG\r\nRange: bytes=0-1\r\n", Whole),
        ("If-Range: AFTER\r\nRange: bytes=0-1\r\n", Whole),
        ("If-Range: BEFORE\r\nRange: bytes=0-1\r\n", Whole),
        ("If-Range: yesterday\r\nRange: bytes=0-1\r\n", Whole),
        ("If-Range: TAG\r\n", Whole),
    ];
    for (fields, wanted) in cases {
        let fields = fields.replace("TAG", TAG).replace("SAME", SAME);
        let fields = fields.replace("BEFORE", BEFORE).replace("AFTER", AFTER);
        assert_eq!(verdict("GET", &fields), wanted, "{fields}");
    }
}

#[test]
fn only_get_has_parts() {
    assert_eq!(verdict("HEAD", "Range: bytes=0-1\r\n"), Whole);
    assert_eq!(verdict("HEAD", "Range: bytes=1000-\r\n"), Whole);
    assert_eq!(verdict("HEAD", &format!("If-None-Match: {TAG}\r\n")), NotModified);
}
