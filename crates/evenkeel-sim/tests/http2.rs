//! HTTP/2 in front, to servers of HTTP/1 and of HTTP/2; peers that break its rules, and floods.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use evenkeel_sim::body::{Body, Hasher};
use evenkeel_sim::floods::{self, Flood};
use evenkeel_sim::frames::{
    self, Frame, Frames, block, flag, frame, get as fields_of_get, kind, sensitive,
};
use evenkeel_sim::prelude::*;

/// `ENHANCE_YOUR_CALM` (RFC 9113 §7).
const CALM: &str = "goaway 11";

fn h2c(listen: SocketAddr, origins: &[&Origin]) -> String {
    http(listen, origins).replacen("protocol = \"http\"", "protocol = \"http\"\nh2c = true", 1)
}

/// A server of HTTP/1 behind a listener of HTTP/2.
fn one_server() -> (SocketAddr, Origin, Balancer) {
    let server = origin("0");
    let listen = free_address();
    let lb = balancer(&h2c(listen, &[&server]));
    (listen, server, lb)
}

/// The same, reached through a second listener whose pool speaks HTTP/2 to the first.
fn chain() -> (SocketAddr, Origin, Balancer) {
    let server = origin("0");
    let (far, near) = (free_address(), free_address());
    let config = format!(
        "{}[listener.near]\nbind = [\"{near}\"]\nprotocol = \"http\"\nh2c = true\npool = \"far\"\n\
         [pool.far]\nservers = [\"{far}\"]\nupstream = \"h2c\"\n",
        h2c(far, &[&server])
    );
    (near, server, balancer(&config))
}

/// A listener of HTTP/2 with one worker, before a server of HTTP/2.
fn before(server: SocketAddr, pool: &str) -> (SocketAddr, Balancer) {
    let listen = free_address();
    let lb = balancer(&format!(
        "[node]\nworkers = 1\n[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\n\
         h2c = true\npool = \"app\"\n\
         [pool.app]\nservers = [\"{server}\"]\nupstream = \"h2c\"\n{pool}"
    ));
    (listen, lb)
}

fn curl(arguments: &[&str]) -> Option<String> {
    curl_bytes(arguments).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// What curl prints, speaking HTTP/2 from the start.
fn curl_bytes(arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("curl")
        .args(["--silent", "--http2-prior-knowledge", "--max-time", "10"])
        .args(arguments)
        .output()
        .ok()?;
    Some(output.stdout)
}

#[test]
fn curl_is_served_over_both_kinds_of_servers() {
    for (listen, server, lb) in [one_server(), chain()] {
        let url = |path: &str| format!("http://{listen}{path}");
        let get =
            curl(&["--write-out", " %{http_version} %{http_code}", &url("/?status=404&size=5")]);
        let get = skip_unless!(get, "curl is not installed");
        assert!(get.ends_with(" 2 404"), "{get}");
        let head = curl(&["--head", &url("/?size=5000")]).unwrap_or_default();
        assert!(head.contains("content-length: 5000"), "{head}");
        assert!(!head.to_lowercase().contains("connection:"), "{head}");
        for shape in ["length", "chunked", "close"] {
            let path = format!("/?size=300000&shape={shape}");
            let bytes = curl_bytes(&[&url(&path)]).unwrap_or_default();
            let mut hasher = Hasher::default();
            hasher.write(&bytes);
            assert_eq!(hasher.finish(), Body::hash(&path, 300_000), "{shape}: {}", bytes.len());
        }
        let posted = curl(&["--data-binary", "hello", &url("/post")]);
        assert!(posted.is_some());
        let seen = server.seen();
        assert!(seen.iter().any(|seen| seen.body == b"hello"), "{seen:?}");
        drop(lb);
    }
}

#[test]
fn a_body_of_unknown_length_ends_with_its_stream_and_brings_trailers_back() {
    for (listen, server, lb) in [one_server(), chain()] {
        let mut peer = Frames::connect(listen);
        let post = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/?size=10&shape=chunked&trailer=1"),
            (":authority", "test.example"),
        ];
        peer.head(0, 1, &post).send(kind::DATA, 0, 1, b"hello ");
        peer.send(kind::DATA, flag::END_STREAM, 1, b"world");
        assert_eq!(peer.outcome(1), "200");
        let last = peer.find(|frame| frame.kind == kind::HEADERS && frame.stream == 1);
        let last = last.expect("trailers");
        assert_eq!(last.flags & flag::END_STREAM, flag::END_STREAM);
        assert_eq!(server.seen()[0].body, b"hello world");
        drop(lb);
    }
}

#[test]
fn trailers_of_a_request_reach_its_server() {
    for (listen, server, lb) in [one_server(), chain()] {
        let mut peer = Frames::connect(listen);
        let mut post = fields_of_get("/").to_vec();
        post[0] = (":method", "POST");
        peer.head(0, 1, &post).send(kind::DATA, 0, 1, b"hello");
        // What would be believed if it were merged into the head stays behind (RFC 9110 §6.5.1).
        let trailers = [("x-checksum", "5d41"), ("authorization", "evil"), ("content-length", "9")];
        assert_eq!(peer.head(flag::END_STREAM, 1, &trailers).outcome(1), "200");
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\nhello\r\n0\r\nx-checksum: 5d41\r\nauthorization: evil\r\n\r\n";
        assert_eq!(client(listen).send(chunked).answer().status, 200);
        for seen in server.seen() {
            assert_eq!(seen.body, b"hello");
            assert_eq!(seen.trailers, [("x-checksum".to_owned(), "5d41".to_owned())]);
        }
        let many: Vec<(String, &str)> = (0..40).map(|n| (format!("x-{n}"), "1")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, it)| (name.as_str(), *it)).collect();
        peer.head(0, 3, &post).send(kind::DATA, 0, 3, b"hello");
        assert_eq!(peer.head(flag::END_STREAM, 3, &many).outcome(3), "431");
        drop(lb);
    }
}

/// RFC 7541 §6.2.3: in heads and in trailers, there and back.
#[test]
fn what_one_side_calls_sensitive_the_other_hears_of_as_such() {
    let (tell, told) = mpsc::channel();
    let server = frames::server(move |mut client| {
        let marked = |fields: &[(&str, &str)], name| [block(fields), sensitive(name, "2")].concat();
        while let Some(head) = client.find(|frame| frame.kind == kind::HEADERS) {
            let is_last = head.flags & flag::END_STREAM != 0;
            let _ = tell.send(head.payload); // the test may be over
            let (ends, stream) = (flag::END_HEADERS | flag::END_STREAM, head.stream);
            if !is_last {
                let answer = marked(&[(":status", "200")], "x-answer");
                client.send(kind::HEADERS, flag::END_HEADERS, stream, &answer);
            } else if stream == 1 {
                client.send(kind::HEADERS, ends, stream, &marked(&[], "x-last-answer"));
            } else {
                client.head(flag::END_STREAM, stream, &[(":status", "200"), ("x-answer", "2")]);
            }
        }
    });
    let (listen, _lb) = before(server.address(), "");
    let has = |block: &[u8], field: &[u8]| block.windows(field.len()).any(|at| at == field);
    let heard = || told.recv_timeout(PATIENCE).expect("a head reaches the server");
    let mut peer = Frames::connect(listen);
    let mut post = fields_of_get("/").to_vec();
    post[0] = (":method", "POST");
    let asked = [block(&post), sensitive("x-asked", "1")].concat();
    peer.send(kind::HEADERS, flag::END_HEADERS, 1, &asked);
    assert!(has(&heard(), &sensitive("x-asked", "1")));
    let is_head = |frame: &Frame| frame.kind == kind::HEADERS;
    let answer = peer.find(is_head).expect("an answer").payload;
    assert!(has(&answer, &sensitive("x-answer", "2")));
    let ends = flag::END_HEADERS | flag::END_STREAM;
    peer.send(kind::HEADERS, ends, 1, &sensitive("x-last-asked", "1"));
    assert!(has(&heard(), &sensitive("x-last-asked", "1")));
    let last = peer.find(is_head).expect("trailers").payload;
    assert!(has(&last, &sensitive("x-last-answer", "2")));
    // What nobody has marked goes as ever.
    let fields = [&fields_of_get("/")[..], &[("x-asked", "1")]].concat();
    peer.head(flag::END_STREAM, 3, &fields);
    assert!(has(&heard(), &block(&[("x-asked", "1")])));
    assert!(has(&peer.find(is_head).expect("an answer").payload, &block(&[("x-answer", "2")])));
}

/// A server that is gone without a word, as behind a cut cable.
#[test]
fn a_connection_on_which_a_request_was_in_vain_gets_no_other() {
    let connections = AtomicU32::new(0);
    let server = frames::server(move |mut client| {
        let is_first = connections.fetch_add(1, Ordering::Relaxed) == 0;
        while let Some(head) = client.find(|frame| frame.kind == kind::HEADERS) {
            if !is_first || head.stream == 1 {
                client.head(flag::END_STREAM, head.stream, &[(":status", "200")]);
            }
        }
    });
    let settings = "timeouts = { first_byte = \"1s\" }\n";
    let (listen, _lb) = before(server.address(), settings);
    let mut peer = Frames::connect(listen);
    let outcomes = [1, 3, 5, 7].map(|stream| peer.get(stream, "/").outcome(stream));
    assert_eq!(outcomes, ["200", "504", "200", "200"]);
}

#[test]
fn cookies_cut_in_pieces_reach_the_server_as_one() {
    let (listen, server, _lb) = one_server();
    let mut fields = fields_of_get("/").to_vec();
    fields.extend([("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")]);
    let mut peer = Frames::connect(listen);
    assert_eq!(peer.head(flag::END_STREAM, 1, &fields).outcome(1), "200");
    let head = &server.seen()[0].head;
    assert_eq!(head.all("cookie").collect::<Vec<_>>(), ["a=1; b=2"]);
    assert_eq!(head.all("host").collect::<Vec<_>>(), ["test.example"]);
    assert_eq!(head.all("te").count(), 0);
}

/// Requests that are no requests, and what becomes of each.
#[test]
fn nothing_ambiguous_reaches_a_server() {
    let get = |field: (&'static str, &'static str)| {
        let mut fields = fields_of_get("/").to_vec();
        fields.push(field);
        fields
    };
    let without = |name: &str| -> Vec<(&str, &str)> {
        fields_of_get("/").into_iter().filter(|(own, _)| *own != name).collect()
    };
    let with = |name: &'static str, value: &'static str| -> Vec<(&str, &str)> {
        let change = |(own, old)| if own == name { (own, value) } else { (own, old) };
        fields_of_get("/").into_iter().map(change).collect()
    };
    let refused: &[(&str, Vec<(&str, &str)>)] = &[
        ("a line end in a value", get(("x", "a\r\nhost: evil"))),
        ("NUL in a value", get(("x", "a\0b"))),
        ("a blank before a value", get(("x", " a"))),
        ("upper case", get(("X-Upper", "a"))),
        ("an empty name", get(("", "a"))),
        ("a line in a name", get(("x: y\r\nz", "a"))),
        ("a colon in a name", get(("x:y", "a"))),
        ("transfer-encoding", get(("transfer-encoding", "chunked"))),
        ("connection", get(("connection", "close"))),
        ("proxy-connection", get(("proxy-connection", "close"))),
        ("upgrade", get(("upgrade", "h2c"))),
        ("te", get(("te", "gzip"))),
        ("two hosts", get(("host", "evil.example"))),
        ("a length that is none", get(("content-length", "+5"))),
        ("a length without a body", get(("content-length", "5"))),
        ("a second path", get((":path", "/evil"))),
        ("an unknown pseudo-header", get((":evil", "x"))),
        ("no method", without(":method")),
        ("no path", without(":path")),
        ("no scheme", without(":scheme")),
        ("an empty path", with(":path", "")),
        ("a path that is none", with(":path", "evil")),
        ("a path with a blank", with(":path", "/a b")),
        ("a path that climbs", with(":path", "/../evil")),
        ("NUL in a path", with(":path", "/%00")),
        ("a method with a blank", with(":method", "GET /evil")),
        ("an authority with a user", with(":authority", "u@test.example")),
        ("CONNECT", with(":method", "CONNECT")),
    ];
    for (listen, server, lb) in [one_server(), chain()] {
        for (name, fields) in refused {
            let mut peer = Frames::connect(listen);
            let outcome = peer.head(flag::END_STREAM, 1, fields).outcome(1);
            let is_refused = outcome.starts_with('4')
                || outcome == "501"
                || outcome.starts_with("reset")
                || outcome.starts_with("goaway");
            assert!(is_refused, "{name}: {outcome}");
            assert_eq!(Frames::connect(listen).get(1, "/ok").outcome(1), "200", "after {name}");
        }
        let paths: Vec<String> =
            server.seen().iter().map(|seen| seen.head.first_line.clone()).collect();
        assert!(paths.iter().all(|line| line == "GET /ok HTTP/1.1"), "{paths:?}");
        drop(lb);
    }
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_never_looks_whole() {
    let (listen, server, _lb) = one_server();
    let post = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "test.example"),
        ("content-length", "10"),
    ];
    for data in [&b"hello"[..], b"hello world and more"] {
        let mut peer = Frames::connect(listen);
        peer.head(0, 1, &post).send(kind::DATA, flag::END_STREAM, 1, data);
        let outcome = peer.outcome(1);
        assert!(outcome.starts_with("reset") || outcome.starts_with("goaway"), "{outcome}");
    }
    assert_eq!(Frames::connect(listen).get(1, "/ok").outcome(1), "200");
    assert!(server.seen().iter().all(|seen| seen.head.first_line != "POST / HTTP/1.1"));
}

#[test]
fn an_answer_that_is_cut_is_reset() {
    let (listen, server, _lb) = one_server();
    server.set(Mode::Truncate);
    let mut peer = Frames::connect(listen);
    peer.get(1, "/?size=1000");
    let end = peer.find(|frame| {
        frame.kind == kind::RST_STREAM
            || frame.kind == kind::DATA && frame.flags & flag::END_STREAM != 0
    });
    let end = end.expect("an end");
    assert_eq!((end.kind, end.error()), (kind::RST_STREAM, 2), "INTERNAL_ERROR");
}

/// RFC 9113 §7: the path of a request is the code its answer ends with, once it has begun.
#[test]
fn a_client_hears_why_its_server_gave_up() {
    let server = frames::server(|mut client| {
        while let Some(head) = client.find(|frame| frame.kind == kind::HEADERS) {
            let code = head.payload.split(|&byte| byte == b'/').nth(1).expect("a path");
            let has_begun = code.first() == Some(&b'1');
            let code = [0, 0, 0, 10 * (code[1] - b'0') + code[2] - b'0'];
            if has_begun {
                client.head(0, head.stream, &[(":status", "200")]);
                client.send(kind::DATA, 0, head.stream, b"begun");
            }
            client.send(kind::RST_STREAM, 0, head.stream, &code);
        }
    });
    let (listen, _lb) = before(server.address(), "");
    let cases = [
        ("/108/", "reset 8"),  // CANCEL
        ("/107/", "reset 7"),  // REFUSED_STREAM
        ("/111/", "reset 11"), // ENHANCE_YOUR_CALM
        // About the connection to the server, or of no meaning here.
        ("/100/", "reset 2"),
        ("/101/", "reset 2"),
        ("/102/", "reset 2"),
        ("/112/", "reset 2"),
        ("/113/", "reset 2"),
        // Before an answer has begun there still is one.
        ("/008/", "502"),
        ("/011/", "502"),
    ];
    let mut peer = Frames::connect(listen);
    for (stream, (path, wanted)) in (1..).step_by(2).zip(cases) {
        peer.get(stream, path);
        let mut outcome = peer.outcome(stream);
        if outcome == "200" {
            outcome = peer.outcome(stream);
        }
        assert_eq!(outcome, wanted, "{path}");
    }
}

#[test]
fn a_server_that_is_lost_has_not_cancelled() {
    let server = frames::server(|mut client| {
        if let Some(head) = client.find(|frame| frame.kind == kind::HEADERS) {
            client.head(0, head.stream, &[(":status", "200")]);
        }
    });
    let (listen, _lb) = before(server.address(), "");
    let mut peer = Frames::connect(listen);
    peer.get(1, "/");
    assert_eq!((peer.outcome(1), peer.outcome(1)), ("200".to_owned(), "reset 2".to_owned()));
}

#[test]
fn floods_end_their_connection_and_nothing_else() {
    let (listen, _server, mut lb) = one_server();
    assert_eq!(get(listen, "/").status, 200);
    for flood in floods::REFUSED {
        let Flood { name, label, .. } = flood;
        let reason = format!("reason=\"{}\"", label.expect("it is refused"));
        let refused = |lb: &Balancer| lb.metric("evenkeel_listener_refusals_total", &reason);
        let (memory, counted) = (lb.process().resident_kib(), refused(&lb));
        let mut peer = Frames::connect(listen);
        peer.raw(&flood.bytes(2_000));
        let end = peer.find(|frame| frame.kind == kind::GOAWAY);
        let end = end.map_or_else(|| "gone".to_owned(), |end| format!("goaway {}", end.error()));
        assert!([CALM, "gone"].contains(&end.as_str()), "{name}: {end}");
        wait_until(&format!("{name}: {reason} is counted"), PATIENCE, || refused(&lb) > counted);
        assert!(get(listen, "/").is_intact(), "{name}");
        let grown = lb.process().resident_kib().saturating_sub(memory);
        assert!(grown < 4 * 1024, "{name}: {grown} KiB more");
    }
}

#[test]
fn rapid_resets_end_their_connection() {
    let (listen, _server, lb) = one_server();
    let mut peer = Frames::connect(listen);
    for number in 0..1_000 {
        let stream = number * 2 + 1;
        peer.get(stream, "/?wait=1000").send(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    }
    let end = peer.find(|frame| frame.kind == kind::GOAWAY && frame.error() != 0);
    assert_eq!(end.map(|frame| frame.error()), Some(11));
    assert!(get(listen, "/").is_intact());
    let in_flight = || lb.status()["pools"][0]["servers"][0]["in_flight"].as_u64();
    wait_until("nothing is under way", PATIENCE, || in_flight() == Some(0));
}

/// Frames behind a request by which a client has this node reset the stream (CVE-2025-8671).
fn provocations(stream: u32) -> [(&'static str, u8, Vec<u8>); 5] {
    let window = |size: u32| frame(kind::WINDOW_UPDATE, 0, stream, &size.to_be_bytes());
    let end = flag::END_STREAM;
    [
        ("a window grown by nothing", end, window(0)),
        ("a window grown too far", end, window(0x7fff_ffff)),
        ("data behind the end", end, frame(kind::DATA, 0, stream, b"more")),
        (
            "a head behind the end",
            end,
            frame(kind::HEADERS, flag::END_HEADERS, stream, &block(&[("x", "y")])),
        ),
        (
            "trailers that do not end",
            0,
            frame(kind::HEADERS, flag::END_HEADERS, stream, &block(&[("x", "y")])),
        ),
    ]
}

#[test]
fn resets_that_a_client_provokes_end_its_connection() {
    for case in 0..provocations(1).len() {
        let (listen, server, mut lb) = one_server();
        assert_eq!(get(listen, "/").status, 200);
        let before = lb.process().resident_kib();
        let mut peer = Frames::connect(listen);
        let head = block(&fields_of_get("/?wait=2000"));
        let mut name = "";
        for number in 0..1_000 {
            let stream = number * 2 + 1;
            let (what, ends, frame) = &provocations(stream)[case];
            name = what;
            peer.send(kind::HEADERS, flag::END_HEADERS | ends, stream, &head).raw(frame);
        }
        let end = peer.find(|frame| frame.kind == kind::GOAWAY && frame.error() != 0);
        // Too many, or at once an error of the whole connection.
        let end = end.map(|frame| frame.error());
        assert!(matches!(end, Some(11 | 1)), "{name}: {end:?}");
        wait_until(&format!("{name}: it is counted"), PATIENCE, || {
            let refusals = |line: &String| line.starts_with("evenkeel_listener_refusals_total");
            lb.metrics().iter().filter(|line| refusals(line)).any(|line| line.contains("\"h2-"))
        });
        let in_flight = || lb.status()["pools"][0]["servers"][0]["in_flight"].as_u64();
        wait_until(&format!("{name}: nothing is under way"), PATIENCE, || in_flight() == Some(0));
        assert!(server.served() < 500, "{name}: {} requests reached the server", server.served());
        assert!(get(listen, "/").is_intact());
        let grown = lb.process().resident_kib().saturating_sub(before);
        assert!(grown < 4 * 1024, "{name}: {grown} KiB more");
    }
}

#[test]
fn a_header_block_that_stops_ends_its_connection_in_time() {
    let server = origin("0");
    let listen = free_address();
    let config = h2c(listen, &[&server]).replacen(
        "h2c = true",
        "h2c = true\ntimeouts = { header = \"300ms\" }",
        1,
    );
    let lb = balancer(&config);
    let mut peer = Frames::connect(listen);
    // Another stream goes on, but nothing else may come within a block (RFC 9113 §6.10).
    peer.send(kind::HEADERS, flag::END_STREAM, 1, &block(&fields_of_get("/")));
    let end = peer.find(|frame| frame.kind == kind::GOAWAY && frame.error() != 0);
    assert_eq!(end.map(|frame| frame.error()), Some(11));
    wait_until("it is counted", PATIENCE, || {
        lb.metric("evenkeel_listener_refusals_total", "client-timeout") >= 1.0
    });
    assert_eq!(server.served(), 0);
}

#[test]
fn a_head_that_grows_when_it_is_unpacked_is_refused() {
    let (listen, server, mut lb) = one_server();
    assert_eq!(get(listen, "/").status, 200);
    let before = lb.process().resident_kib();
    server.forget();
    let mut peer = Frames::connect(listen);
    // 3,000 bytes once, into the table, then 4,000 times by one byte each (RFC 7541 §6.2.1, §6.1).
    let value = "v".repeat(3_000);
    let mut bomb = block(&fields_of_get("/"));
    let mut entry = block(&[("x-bomb", &value)]);
    entry[0] = 0x40;
    bomb.extend(entry);
    bomb.extend([0x80 | 0x3e; 4_000]);
    peer.send(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, 1, &bomb);
    let outcome = peer.outcome(1);
    assert!(["431", "reset 1", "reset 2", "reset 11", CALM].contains(&&*outcome), "{outcome}");
    assert_eq!(server.served(), 0);
    assert!(get(listen, "/").is_intact());
    let grown = lb.process().resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
}

#[test]
fn a_header_block_without_end_ends_its_connection() {
    let (listen, _server, mut lb) = one_server();
    let before = lb.process().resident_kib();
    let mut peer = Frames::connect(listen);
    peer.send(kind::HEADERS, flag::END_STREAM, 1, &block(&fields_of_get("/")));
    let more = block(&[("x-more", &"x".repeat(8_000))]);
    for _ in 0..2_000 {
        peer.send(kind::CONTINUATION, 0, 1, &more);
    }
    let end = peer.find(|frame| frame.kind == kind::GOAWAY);
    assert!(end.is_none_or(|frame| frame.error() != 0));
    let grown = lb.process().resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
}

#[test]
fn a_client_that_does_not_read_holds_little_and_not_for_ever() {
    let server = origin("0");
    let listen = free_address();
    let config = h2c(listen, &[&server]).replacen(
        "h2c = true",
        "h2c = true\ntimeouts = { idle = \"500ms\" }",
        1,
    );
    let mut lb = balancer(&config);
    let before = lb.process().resident_kib();
    let mut peer = Frames::connect(listen);
    peer.send(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]); // a window of nothing
    for number in 0..100 {
        peer.get(number * 2 + 1, "/?size=1000000");
    }
    let reset = peer.find(|frame| frame.kind == kind::RST_STREAM).expect("streams time out");
    assert_ne!(reset.error(), 0);
    let grown = lb.process().resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    wait_until("the servers are let go", PATIENCE, || {
        lb.status()["pools"][0]["servers"][0]["in_flight"].as_u64() == Some(0)
    });
}

#[test]
fn a_drain_lets_streams_end_and_says_goodbye() {
    let (listen, _server, mut lb) = one_server();
    let mut peer = Frames::connect(listen);
    peer.get(1, "/?wait=500");
    wait_until("the request is under way", PATIENCE, || {
        lb.status()["pools"][0]["servers"][0]["in_flight"].as_u64() == Some(1)
    });
    lb.process().signal(Signal::TERM);
    let goodbye = peer.find(|frame| frame.kind == kind::GOAWAY).expect("a goodbye");
    assert_eq!(goodbye.error(), 0);
    assert_eq!(peer.outcome(1), "200");
    assert!(lb.wait(Duration::from_secs(10)).success());
}

#[test]
fn http1_goes_on_beside_it() {
    let (listen, _server, _lb) = one_server();
    assert!(get(listen, "/").is_intact());
    let mut upgrade = client(listen);
    upgrade.send(
        "GET / HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade, HTTP2-Settings\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert_eq!(upgrade.answer().status, 200);
}
