use super::*;
use crate::config::HttpLimits;
use crate::message::request::{self, Space};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn parse(value: &str) -> Option<Traceparent> {
    Traceparent::parse(value.as_bytes())
}

fn text(traceparent: &Traceparent) -> String {
    String::from_utf8(traceparent.text().to_vec()).unwrap()
}

/// What becomes of a request with these lines.
fn trace(lines: &str, tracing: Tracing, trusted: bool, share: Share) -> Option<Trace> {
    let sent = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let mut space = Space::new();
    let head = request::parse(sent.as_bytes(), &mut space, &HttpLimits::default());
    let head = head.expect("accepted").expect("whole");
    Trace::of(&head.fields, (tracing, trusted), share, &mut Dice::new(7))
}

/// §3.2.2 and §4.3, case by case.
#[test]
fn a_traceparent_is_believed_or_it_is_none() {
    let good = |value: &str, flags: u8| {
        let parsed = parse(value).unwrap_or_else(|| panic!("{value} is valid"));
        let expected = format!("00-{TRACE}-{SPAN}-{flags:02x}");
        assert_eq!(text(&parsed), expected, "{value}");
    };
    good(&format!("00-{TRACE}-{SPAN}-00"), 0);
    good(&format!("00-{TRACE}-{SPAN}-01"), 1);
    good(&format!("00-{TRACE}-{SPAN}-03"), 3);
    // Flags of later levels are not passed on by who does not know them.
    good(&format!("00-{TRACE}-{SPAN}-ff"), 3);
    good(&format!("00-{TRACE}-{SPAN}-04"), 0);
    // Versions to come are read as far as they are known, and version 00 is written.
    good(&format!("cc-{TRACE}-{SPAN}-01"), 1);
    good(&format!("01-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), 1);
    good(&format!("fe-{TRACE}-{SPAN}-01-"), 1);

    let zeros = "0".repeat(32);
    for bad in [
        String::new(),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("00-{TRACE}-{SPAN}-.0"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{TRACE}-{SPAN}-01."),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("cc-{TRACE}-{SPAN}-01.what"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("FF-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!(".0-{TRACE}-{SPAN}-01"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}0-{SPAN}-01"),
        format!("00-.{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}-{}-01", &zeros[..16]),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{TRACE}-{}-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}0-01"),
        format!("00_{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}_{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}_01"),
        format!("0x-{TRACE}-{SPAN}-01"),
    ] {
        assert_eq!(parse(&bad), None, "{bad}");
    }
}

#[test]
fn what_a_listener_makes_of_a_request() {
    use Tracing::{Off, Pass, Restart, Start};
    let valid = format!("TraceParent: 00-{TRACE}-{SPAN}-01\r\n");
    let twice = valid.clone() + &valid;
    let broken = format!("traceparent: 00-{TRACE}-{SPAN}-0\r\n");
    let begun = |trace: Option<Trace>| trace.map(|trace| trace.parent.is_none());
    for (lines, tracing, trusted, expected) in [
        (&*valid, Off, true, None),
        (&valid, Pass, false, Some(false)),
        (&valid, Start, false, Some(false)),
        (&valid, Restart, false, Some(true)),
        (&valid, Restart, true, Some(false)),
        (&twice, Pass, true, None),
        (&twice, Start, true, Some(true)),
        (&broken, Pass, true, None),
        (&broken, Start, false, Some(true)),
        ("", Pass, true, None),
        ("", Start, false, Some(true)),
        ("", Restart, true, Some(true)),
        ("", Off, true, None),
    ] {
        let found = trace(lines, tracing, trusted, Share::ALL);
        assert_eq!(begun(found), expected, "{tracing:?} {trusted} {lines:?}");
    }
    let goes_on = trace(&valid, Pass, false, Share::ALL).unwrap();
    let came = parse(&valid[13..68]).unwrap();
    assert_eq!((goes_on.id, goes_on.parent), (came.trace, Some(came.span)));
}

#[test]
fn a_trace_that_begins_here_is_sampled_by_chance() {
    let none = Share::of_million(0).unwrap();
    let sampled = trace("", Tracing::Start, false, Share::ALL).unwrap();
    let other = trace("", Tracing::Start, false, none).unwrap();
    assert_eq!((sampled.flags, other.flags), (SAMPLED | RANDOM, RANDOM));
    assert!(sampled.is_sampled() && !other.is_sampled());
    // What somebody else has begun, somebody else has decided.
    let valid = format!("traceparent: 00-{TRACE}-{SPAN}-01\r\n");
    assert!(trace(&valid, Tracing::Start, false, none).unwrap().is_sampled());
}

#[test]
fn a_tracestate_is_passed_whole_or_not_at_all() {
    let check = |lines: &[&str], expected: bool| {
        assert_eq!(state_holds(lines.iter().map(|it| it.as_bytes())), expected, "{lines:?}");
    };
    let members = |count: usize| -> String {
        (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",")
    };
    let long = |count: usize| "z".repeat(count);
    for good in [
        "",
        "foo=1",
        "foo=1,bar=2",
        " foo=1 \t,\t bar=2 ",
        "foo=1,,bar=2,",
        "foo= 1",
        "foo=a b",
        "a-*/_@0=!\"#$%&'()*+-./0:;<>?@[\\]^_`{|}~",
        "0foo=1",
        "fw529a3039@dt=FfZ2",
        &format!("{}=1", long(256)),
        &format!("foo={}", long(256)),
        &members(32),
    ] {
        check(&[good], true);
    }
    for bad in [
        "foo",
        "=1",
        "foo=",
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "@foo=1",
        "foo=bar=baz",
        "foo=\u{e9}",
        "foo=a\tb",
        &format!("{}=1", long(257)),
        &format!("foo={}", long(257)),
        &members(33),
    ] {
        check(&[bad], false);
        check(&["ok=1", bad], false);
    }
    check(&["foo=1", "", "bar=2,rojo=3"], true);
    check(&[&members(20), &members(13)], false);
    check(&[], true);
}
