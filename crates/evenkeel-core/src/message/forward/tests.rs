use super::*;
use crate::compress::Form;
use crate::config::HttpLimits;
use crate::message::request::{self, Space};
use crate::message::response::{self, Asked};
use crate::template::{Facts, Template};
use crate::trace::Traceparent;

/// A peer and a listener to try rewriting with.
struct Setting {
    peer: &'static str,
    forwarding: Forwarding,
    edits: HeaderEdits,
    reserved: Vec<Arc<str>>,
    subject: Option<(&'static str, &'static str)>,
    trace: Onward,
}

impl Default for Setting {
    fn default() -> Self {
        let off = Forwarding {
            x_forwarded: false,
            forwarded: false,
            request_id: false,
            ..Forwarding::default()
        };
        Self {
            peer: "192.0.2.1",
            forwarding: off,
            edits: HeaderEdits::default(),
            reserved: Vec::new(),
            subject: None,
            trace: Onward::AsSent,
        }
    }
}

const PROXY: &str = "10.0.0.1";

impl Setting {
    /// The forwarded head, one line each, without `Host` and the request line.
    fn fields(&self, sent: &str) -> Vec<String> {
        let out = self.forward(&format!("GET / HTTP/1.1\r\nHost: a\r\n{sent}\r\n"));
        let rest = out.strip_prefix("GET / HTTP/1.1\r\nHost: a\r\n").expect("line and host first");
        rest.trim_end_matches("\r\n")
            .split("\r\n")
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn forward(&self, sent: &str) -> String {
        self.written(sent).0
    }

    /// And where the id of the span is.
    fn written(&self, sent: &str) -> (String, Option<usize>) {
        let mut space = Space::new();
        let head = request::parse(sent.as_bytes(), &mut space, &HttpLimits::default());
        self.write(&head.expect("accepted").expect("whole"), None)
    }

    fn write(
        &self,
        head: &RequestHead<'_, '_>,
        only: Option<&[Arc<str>]>,
    ) -> (String, Option<usize>) {
        let trusted_proxies = networks();
        let address = self.peer.parse().unwrap();
        let client = Client {
            address,
            address_text: self.peer,
            trusted: trusted_proxies.iter().any(|network| network.contains(address)),
            scheme: "http",
            port_text: "8080",
        };
        let outgoing = Outgoing {
            path: head.path,
            default_host: "10.0.0.9:80",
            client: &client,
            forwarding: &self.forwarding,
            trusted_proxies: &trusted_proxies,
            request_id: kept_request_id(head, client.trusted).unwrap_or("new"),
            only,
            edits: &self.edits,
            reserved: &self.reserved,
            subject: self.subject,
            websocket_key: None,
            trace: self.trace,
            facts: Facts::NONE,
        };
        let mut out = Vec::new();
        let span_at = write_request(&mut out, head, &outgoing);
        (String::from_utf8(out).unwrap(), span_at)
    }
}

fn networks() -> [Network; 2] {
    ["10.0.0.0/8", "2001:db8::/32"].map(|text| {
        let (address, bits) = text.split_once('/').unwrap();
        Network::new(address.parse().unwrap(), bits.parse().unwrap()).unwrap()
    })
}

fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> HeaderEdits {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| (Arc::from(*name), Template::text(value))).collect()
    };
    HeaderEdits {
        remove: remove.iter().map(|name| Arc::from(*name)).collect(),
        set: pairs(set),
        add: pairs(add),
    }
}

/// RFC 9110 §7.6.2.
#[test]
fn a_request_that_looks_for_its_way_is_told_of_each_hop() {
    let forward = |method: &str, fields: &str| {
        let sent = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let out = Setting::default().forward(&sent);
        out.strip_prefix(&format!("{method} / HTTP/1.1\r\nHost: a\r\n")).unwrap().to_owned()
    };
    assert_eq!(forward("TRACE", "max-forwards: 10\r\nX: y\r\n"), "X: y\r\nMax-Forwards: 9\r\n\r\n");
    assert_eq!(forward("GET", "max-forwards: 10\r\n"), "max-forwards: 10\r\n\r\n");
    assert_eq!(forward("GET", "max-forwards: 1\r\nConnection: max-forwards\r\n"), "\r\n");
}

#[test]
fn request_lines_are_written_anew() {
    for (sent, wanted) in [
        ("GET /a/../b?c HTTP/1.0\r\n\r\n", "GET /b?c HTTP/1.1\r\nHost: 10.0.0.9:80\r\n\r\n"),
        ("GET http://b:1/?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q HTTP/1.1\r\nHost: b:1\r\n\r\n"),
        (
            "OPTIONS * HTTP/1.1\r\nX: y\r\nhost: A.\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: A.\r\nX: y\r\n\r\n",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 007\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\nTrailer: x\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTrailer: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
    ] {
        assert_eq!(Setting::default().forward(sent), wanted);
    }
}

#[test]
fn fields_of_one_hop_stay_there() {
    let cases: [(&str, &[&str]); 13] = [
        ("X-Foo: 1\r\nConnection: X-Foo\r\nX-Bar: 2\r\n", &["X-Bar: 2"]),
        ("Connection: close, x-foo\r\nConnection: X-BAR\r\nX-Foo: 1\r\nX-Bar: 2\r\n", &[]),
        ("Connection: host, content-length\r\nContent-Length: 0\r\n", &["Content-Length: 0"]),
        (
            "Connection: authorization, cookie\r\nAuthorization: b\r\nCookie: c\r\n",
            &["Authorization: b", "Cookie: c"],
        ),
        ("Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\n", &[]),
        ("Proxy-Authorization: x\r\n", &[]),
        ("Transfer_Encoding: chunked\r\nX_Y: z\r\n", &[]),
        ("Upgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: upgrade, http2-settings\r\n", &[]),
        ("Upgrade: websocket\r\n", &[]),
        (
            "Upgrade: tls/1.3\r\nConnection: upgrade\r\n",
            &["Connection: upgrade", "Upgrade: tls/1.3"],
        ),
        ("Expect: 100-continue\r\n", &[]),
        (
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            &["Content-Length: 1", "Expect: 100-continue"],
        ),
        (
            "Via: 1.1 x\r\nUser-Agent: u\r\nReferer: r\r\n",
            &["Via: 1.1 x", "User-Agent: u", "Referer: r"],
        ),
    ];
    for (sent, wanted) in cases {
        assert_eq!(Setting::default().fields(sent), wanted, "{sent}");
    }
    let websocket = "Connection: Upgrade\r\nUpgrade: WebSocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let fields = Setting::default().fields(websocket);
    assert_eq!(fields[2..], ["Connection: upgrade", "Upgrade: websocket"]);
}

const CLAIMS: &str = "X-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Forwarded-For: 8.8.8.8\r\nX-Real-IP: 6.6.6.6\r\n\
                      X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Forwarded-Port: 443\r\n\
                      X-Request-Id: theirs\r\nForwarded: for=6.6.6.6\r\n";

fn all_on() -> Forwarding {
    Forwarding { forwarded: true, via: Some("lb".into()), ..Forwarding::default() }
}

#[test]
fn claims_of_a_stranger_are_replaced() {
    let wanted = [
        "X-Real-IP: 192.0.2.1",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: a",
        "X-Forwarded-Port: 8080",
        "Forwarded: for=192.0.2.1;host=\"a\";proto=http",
        "X-Request-Id: new",
        "Via: 1.1 lb",
    ];
    let setting = Setting { forwarding: all_on(), ..Setting::default() };
    assert_eq!(setting.fields(CLAIMS), wanted);
    assert_eq!(setting.fields(""), wanted);
    assert!(Setting::default().fields(CLAIMS).is_empty());
}

#[test]
fn claims_of_a_trusted_proxy_are_extended() {
    let setting = Setting { peer: PROXY, forwarding: all_on(), ..Setting::default() };
    let wanted = [
        "X-Real-IP: 8.8.8.8",
        "X-Forwarded-For: 6.6.6.6, 7.7.7.7, 8.8.8.8, 10.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: b",
        "X-Forwarded-Port: 443",
        "Forwarded: for=6.6.6.6, for=10.0.0.1;host=\"a\";proto=http",
        "X-Request-Id: theirs",
        "Via: 1.1 lb",
    ];
    assert_eq!(setting.fields(CLAIMS), wanted);
    assert_eq!(setting.fields("X-Real-IP: 6.6.6.6\r\n")[0], "X-Real-IP: 6.6.6.6");
    assert_eq!(setting.fields("X-Real-IP: 6.6.6.6, 7\r\n")[0], "X-Real-IP: 10.0.0.1");
    assert_eq!(
        setting.fields("X-Forwarded-Proto: a\r\nX-Forwarded-Proto: b\r\n")[2],
        "X-Forwarded-Proto: http"
    );
    let off = Setting { peer: PROXY, ..Setting::default() };
    let sent: Vec<_> = CLAIMS.trim_end().split("\r\n").map(str::to_owned).collect();
    let mut kept = off.fields(CLAIMS);
    kept.sort();
    let mut sorted = sent;
    sorted.sort();
    assert_eq!(kept, sorted);
}

#[test]
fn request_ids_are_kept_only_when_sane() {
    let setting = Setting { peer: PROXY, forwarding: all_on(), ..Setting::default() };
    let long = "x".repeat(129);
    for (value, wanted) in
        [("0a-Z", "0a-Z"), ("", "new"), ("a b", "new"), ("\u{e4}", "new"), (&long, "new")]
    {
        let fields = setting.fields(&format!("X-Request-Id: {value}\r\n"));
        assert!(fields.contains(&format!("X-Request-Id: {wanted}")), "{value}: {fields:?}");
    }
}

#[test]
fn an_ipv6_peer_is_quoted_where_needed() {
    let setting = Setting { peer: "2001:db9::1", forwarding: all_on(), ..Setting::default() };
    let fields = setting.fields("");
    assert!(fields.contains(&"X-Forwarded-For: 2001:db9::1".to_owned()), "{fields:?}");
    assert!(fields.contains(&"Forwarded: for=\"[2001:db9::1]\";host=\"a\";proto=http".to_owned()));
}

#[test]
fn the_client_is_the_right_most_address_not_trusted() {
    let thousand = "6.6.6.6, ".repeat(1000) + "7.7.7.7";
    let own = "10.1.1.1, ".repeat(1000) + "10.2.2.2";
    for (peer, claim, wanted) in [
        ("192.0.2.1", "6.6.6.6", "192.0.2.1"),
        (PROXY, "", PROXY),
        (PROXY, "6.6.6.6", "6.6.6.6"),
        (PROXY, "6.6.6.6, 7.7.7.7", "7.7.7.7"),
        (PROXY, "6.6.6.6, 7.7.7.7, 10.9.9.9", "7.7.7.7"),
        (PROXY, "6.6.6.6\r\nX-Forwarded-For: 10.9.9.9", "6.6.6.6"),
        (PROXY, "6.6.6.6:1234", "6.6.6.6"),
        (PROXY, "[2001:db9::1]:80, 10.9.9.9", "2001:db9::1"),
        (PROXY, "2001:db9::1", "2001:db9::1"),
        (PROXY, "[2001:db9::1]", "2001:db9::1"),
        (PROXY, "::ffff:6.6.6.6", "6.6.6.6"),
        (PROXY, "6.6.6.6, fe80::1%eth0", PROXY),
        (PROXY, "6.6.6.6, unknown, 10.9.9.9", "10.9.9.9"),
        (PROXY, "6.6.6.6, , 10.9.9.9", "10.9.9.9"),
        (PROXY, "\u{e4}", PROXY),
        (PROXY, &thousand, "7.7.7.7"),
        (PROXY, &own, "10.1.1.1"),
        ("::ffff:10.0.0.1", "6.6.6.6", "6.6.6.6"),
    ] {
        let sent = format!("GET / HTTP/1.0\r\nX-Forwarded-For: {claim}\r\n\r\n");
        let mut space = Space::new();
        let head = request::parse(sent.as_bytes(), &mut space, &HttpLimits::default());
        let head = head.unwrap().unwrap();
        let client = client_address(&head, peer.parse().unwrap(), &networks());
        assert_eq!(client.to_string(), wanted, "{peer} claims {}", &claim[..claim.len().min(60)]);
    }
}

#[test]
fn edits_are_applied_to_what_leaves() {
    let setting = Setting {
        forwarding: all_on(),
        edits: edits(
            &["x-secret", "x-forwarded-port", "forwarded"],
            &[
                ("x-from", "front"),
                ("x-forwarded-proto", "https"),
                ("transfer-encoding", "chunked"),
            ],
            &[("x-more", "1"), ("x-more", "2")],
        ),
        ..Setting::default()
    };
    let wanted = [
        "x-more: 0",
        "X-Real-IP: 192.0.2.1",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Host: a",
        "X-Request-Id: new",
        "Via: 1.1 lb",
        "x-from: front",
        "x-forwarded-proto: https",
        "x-more: 1",
        "x-more: 2",
    ];
    assert_eq!(setting.fields("X-Secret: s\r\nX-From: me\r\nx-more: 0\r\n"), wanted);
}

/// The head that leaves for one that came.
fn answered(sent: &str, asked: Asked<'_>, answer: &AnswerOut<'_>) -> String {
    let sent = format!("HTTP/1.{sent}\r\n");
    let mut space = Space::new();
    let head = response::parse(sent.as_bytes(), &mut space, asked).unwrap().unwrap();
    let mut out = Vec::new();
    write_answer(&mut out, &head, answer);
    String::from_utf8(out).unwrap()
}

static NO_EDITS: HeaderEdits = HeaderEdits { remove: vec![], set: vec![], add: vec![] };
const GET: Asked<'_> = Asked { head: false, offer: None };

fn to(client: Version, keep_alive: bool, body: AnswerBody) -> AnswerOut<'static> {
    AnswerOut {
        body,
        form: Form::AsIs,
        keep_alive,
        client,
        via: None,
        date: None,
        cookie: None,
        edits: &NO_EDITS,
        hsts: None,
        facts: Facts::NONE,
    }
}

#[test]
fn answers_are_framed_for_their_client() {
    use AnswerBody::{Chunked, Length, UntilClose};
    let (old, new) = (Version::Http10, Version::Http11);
    for (fields, answer, wanted) in [
        ("X: y\r\n", to(new, true, Length(5)), "X: y\r\nContent-Length: 5\r\n"),
        ("", to(new, false, Length(5)), "Content-Length: 5\r\nConnection: close\r\n"),
        ("", to(old, true, Length(5)), "Content-Length: 5\r\nConnection: keep-alive\r\n"),
        ("Trailer: X\r\n", to(new, true, Length(5)), "Content-Length: 5\r\n"),
        ("Trailer: X\r\n", to(new, true, Chunked), "Trailer: X\r\nTransfer-Encoding: chunked\r\n"),
        ("", to(old, true, UntilClose), "Connection: close\r\n"),
    ] {
        let sent = format!("1 200 OK\r\ncontent-length: 05\r\n{fields}");
        assert_eq!(answered(&sent, GET, &answer), format!("HTTP/1.1 200 OK\r\n{wanted}\r\n"));
    }
}

#[test]
fn answers_without_a_body_keep_what_they_say_of_it() {
    const HEAD: Asked<'_> = Asked { head: true, offer: None };
    const UPGRADE: Asked<'_> = Asked { head: false, offer: Some(b"websocket") };
    let answer = to(Version::Http11, true, AnswerBody::None);
    for (asked, sent, wanted) in [
        (HEAD, "200 OK\r\nContent-Length: 5\r\n", "200 OK\r\nContent-Length: 5\r\n"),
        (
            GET,
            "304 x\r\nContent-Length: 5\r\nETag: e\r\n",
            "304 x\r\nETag: e\r\nContent-Length: 5\r\n",
        ),
        (GET, "204\r\nContent-Length: 5\r\n", "204 \r\n"),
        (
            GET,
            "103 Early Hints\r\nLink: l\r\nConnection: close\r\n",
            "103 Early Hints\r\nLink: l\r\n",
        ),
        (
            UPGRADE,
            "101 S\r\nUpgrade: websocket\r\nConnection: upgrade, x-hop\r\nX-Hop: 1\r\n",
            "101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
        ),
    ] {
        let got = answered(&format!("1 {sent}"), asked, &answer);
        assert_eq!(got, format!("HTTP/1.1 {wanted}\r\n"));
    }
}

#[test]
fn answers_lose_the_fields_of_one_hop() {
    let sent = "1 200 OK\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2\r\nTE: x\r\n\
                Connection: x-foo\r\nX-Foo: 1\r\nA_b: c\r\nTransfer-Encoding: chunked\r\n";
    let answer = to(Version::Http11, true, AnswerBody::Chunked);
    let wanted = "HTTP/1.1 200 OK\r\nA_b: c\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(answered(sent, GET, &answer), wanted);
}

/// RFC 9110 §15.5.22: without it nobody knows what to speak.
#[test]
fn who_is_to_speak_something_else_is_told_what() {
    let answer = to(Version::Http11, true, AnswerBody::Length(0));
    let sent =
        "1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: a/1, b\r\nContent-Length: 0\r\n";
    let wanted = "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: a/1, b\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(answered(sent, GET, &answer), wanted);
}

#[test]
fn answers_carry_via_and_edits() {
    let edits = edits(&["server"], &[("x-a", "1")], &[]);
    let answer = AnswerOut {
        cookie: None,
        via: Some("lb"),
        edits: &edits,
        facts: Facts::NONE,
        ..to(Version::Http11, true, AnswerBody::Length(0))
    };
    let wanted = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nVia: 1.0 lb\r\nx-a: 1\r\n\r\n";
    assert_eq!(answered("0 200 OK\r\nServer: s\r\nContent-Length: 0\r\n", GET, &answer), wanted);
}

/// RFC 9110 §6.6.1.
#[test]
fn answers_say_when_they_came_unless_an_edit_does() {
    let sent = "1 200 OK\r\nContent-Length: 0\r\n";
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    let answer = AnswerOut { date, ..to(Version::Http11, true, AnswerBody::Length(0)) };
    let wanted =
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
    assert_eq!(answered(sent, GET, &answer), wanted);
    let edits = edits(&["date"], &[], &[]);
    let answer = AnswerOut {
        date,
        edits: &edits,
        facts: Facts::NONE,
        ..to(Version::Http11, true, AnswerBody::Length(0))
    };
    assert_eq!(answered(sent, GET, &answer), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn nobody_else_says_whom_a_certificate_is_about() {
    let reserved = vec![Arc::from("x-client-subject")];
    let sent = "X-Client-Subject: CN=admin\r\nx-CLIENT-subject: CN=root\r\nX_Client_Subject: CN=root\r\n\
                X-Other: 1\r\n";
    for (peer, subject, wanted) in [
        ("192.0.2.1", None, &["X-Other: 1"][..]),
        (PROXY, None, &["X-Other: 1"]),
        (
            "192.0.2.1",
            Some(("x-client-subject", "CN=app")),
            &["X-Other: 1", "x-client-subject: CN=app"],
        ),
    ] {
        let reserved = reserved.clone();
        let setting = Setting { peer, reserved, subject, ..Setting::default() };
        assert_eq!(setting.fields(sent), wanted);
    }
}

#[test]
fn strict_transport_security_is_this_nodes_to_say() {
    let sent = "1 200 OK\r\nstrict-transport-security: max-age=0\r\nContent-Length: 0\r\n";
    for (hsts, wanted) in [
        (None, "strict-transport-security: max-age=0\r\nContent-Length: 0\r\n"),
        (Some("max-age=9"), "Content-Length: 0\r\nStrict-Transport-Security: max-age=9\r\n"),
    ] {
        let out = AnswerOut { hsts, ..to(Version::Http11, true, AnswerBody::Length(0)) };
        assert_eq!(answered(sent, GET, &out), format!("HTTP/1.1 200 OK\r\n{wanted}\r\n"));
    }
}

/// W3C Trace Context §3 and §4.3.
#[test]
fn a_trace_is_passed_as_sent_said_anew_or_dropped() {
    let state = "tracestate: a=1,b=2\r\nTraceState: c=3\r\n";
    let came = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent = format!("{came}\r\n{state}");
    assert_eq!(
        Setting::default().fields(&sent),
        [came, "tracestate: a=1,b=2", "TraceState: c=3"],
        "as sent"
    );
    let dropped = Setting { trace: Onward::Dropped, ..Setting::default() };
    assert_eq!(dropped.fields(&(sent.clone() + "x: 1\r\n")), ["x: 1"]);

    let traceparent = Traceparent::parse(&came.as_bytes()[13..]).unwrap();
    let said = |goes_on| Setting {
        trace: Onward::Said(Said { traceparent, goes_on }),
        ..Setting::default()
    };
    assert_eq!(said(true).fields(&sent), [came, "tracestate: a=1,b=2,c=3"]);
    assert_eq!(said(true).fields("tracestate:\r\n"), [came]);
    assert_eq!(said(true).fields(&format!("{state}tracestate: =\r\n")), [came], "one is broken");
    assert_eq!(said(false).fields(&sent), [came], "that of another trace");
    let edited =
        Setting { edits: edits(&["tracestate"], &[("traceparent", "x")], &[]), ..said(true) };
    assert_eq!(edited.fields(&sent), ["traceparent: x"]);
}

#[test]
fn another_try_finds_the_place_of_its_span() {
    let sent = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let came = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traceparent = Traceparent::parse(came).unwrap();
    let trace = Onward::Said(Said { traceparent, goes_on: false });
    let (out, span_at) = Setting { trace, ..Setting::default() }.written(sent);
    let at = span_at.expect("one was written");
    assert_eq!(&out[at..at + 16], "b7ad6b7169203331");
    let edits = edits(&["traceparent"], &[], &[]);
    assert_eq!(Setting { edits, trace, ..Setting::default() }.written(sent).1, None);
}

#[test]
fn claims_of_strangers_are_left_out() {
    let claims = "X-Forwarded-Ssl: on\r\nX-Forwarded-Prefix: /p\r\nX-Forwarded: a\r\nX-Client-IP: 6.6.6.6\r\n\
                  Front-End-Https: on\r\nX-Url-Scheme: https\r\nTrue-Client-IP: 6.6.6.6\r\n\
                  X-Cluster-Client-IP: 6.6.6.6\r\nX-Original-Forwarded-For: 6.6.6.6\r\n\
                  X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n";
    let sent = format!("{claims}Proxy: http://evil.example\r\nX-Other: 1\r\n");
    assert_eq!(Setting::default().fields(&sent), ["X-Other: 1"]);
    let trusted = Setting { peer: PROXY, ..Setting::default() };
    let passed: Vec<_> = claims.lines().chain(["X-Other: 1"]).collect();
    assert_eq!(trusted.fields(&sent), passed, "but for what is nobody's to say");
    let edits = edits(&[], &[("X-Forwarded-Ssl", "off"), ("Proxy", "ours")], &[]);
    let operator = Setting { edits, ..Setting::default() };
    assert_eq!(operator.fields(&sent), ["X-Other: 1", "X-Forwarded-Ssl: off", "Proxy: ours"]);
}

#[test]
fn a_quote_that_stays_open_swallows_nothing() {
    let forwarding = Forwarding { forwarded: true, ..Setting::default().forwarding };
    let setting = Setting { peer: PROXY, forwarding, ..Setting::default() };
    let own = "for=10.0.0.1;host=\"a\";proto=http";
    for (sent, kept) in [
        ("Forwarded: for=\"[::1]\"\r\n", "for=\"[::1]\", "),
        ("Forwarded: for=\"a\\\"b\"\r\n", "for=\"a\\\"b\", "),
        ("Forwarded: for=\"6.6.6.6, for=127.0.0.1\r\n", ""),
        ("Forwarded: for=\"6.6.6.6\\\"\r\n", ""),
        ("Forwarded: for=\"6.6.6.6\\\r\n", ""),
        (
            "Forwarded: for=1.1.1.1\r\nForwarded: for=\"x\r\nForwarded: for=2.2.2.2\r\n",
            "for=2.2.2.2, ",
        ),
    ] {
        assert_eq!(setting.fields(sent), [format!("Forwarded: {kept}{own}")], "{sent}");
    }
}

/// Whatever its version, what is asked about a client holds the fields that are asked for only.
#[test]
fn a_cookie_in_frames_is_held_to_the_fields_that_pass() {
    let mut head = crate::http2::Head::default();
    head.clear(1_000);
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
        ("cookie", "a=1"),
        ("user-agent", "u"),
        ("cookie", "b=2"),
    ] {
        head.take(name.as_bytes(), value.as_bytes());
    }
    let mut space = Space::new();
    let head = request::from_frames(&head, true, &mut space, &HttpLimits::default()).unwrap();
    let setting = Setting::default();
    for (only, wanted) in
        [(vec!["user-agent"], "user-agent: u\r\n"), (vec!["cookie"], "Cookie: a=1; b=2\r\n")]
    {
        let only: Vec<Arc<str>> = only.into_iter().map(Arc::from).collect();
        let written = setting.write(&head, Some(&only)).0;
        let fields = written.strip_prefix("GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
        assert_eq!(fields, format!("{wanted}\r\n"));
    }
}
