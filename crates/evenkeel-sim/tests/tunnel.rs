//! Connections that stop speaking HTTP, and those that must not.

use evenkeel_sim::frames::{Frame, Frames, flag, kind};
use evenkeel_sim::prelude::*;
use tungstenite::Message;

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn a_websocket_is_a_tunnel() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    let stream = client(listen).into_parts().0;
    let (mut socket, _) = tungstenite::client("ws://test.example/chat", stream).expect("upgraded");
    for size in [1, 100, 70_000, 1_000_000] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).expect("open");
        assert_eq!(socket.read().expect("open"), message);
    }
    socket.close(None).expect("open");
    while socket.read().is_ok() {}
    assert_eq!(server.seen()[0].head.header("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn bytes_sent_with_the_upgrade_reach_the_server() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    // A masked text frame "hi", sent before the answer is there.
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    let mut client = client(listen);
    let head = format!("GET /chat HTTP/1.1\r\nHost: test.example\r\n{UPGRADE}\r\n");
    client.send([head.as_bytes(), &frame].concat());
    assert_eq!(client.answer().status, 101);
    assert_eq!(client.receive(4), [0x81, 0x02, b'h', b'i']);
}

/// The fields by which a client asks for a WebSocket on a stream (RFC 8441 §4).
fn extended_connect(path: &str) -> [(&str, &str); 6] {
    [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test.example"),
        ("sec-websocket-version", "13"),
    ]
}

#[test]
fn a_websocket_on_a_stream_is_a_tunnel_to_a_server_of_http1() {
    const TUNNEL: u32 = 9;
    let [server] = &origins();
    let listen = free_address();
    let config = http(listen, &[server]).replacen("\"http\"", "\"http\"\nh2c = true", 1);
    let _lb = balancer(&config);
    let mut peer = Frames::connect(listen);
    let settings = peer.find(|frame| frame.kind == kind::SETTINGS).expect("settings").payload;
    let is_offered = settings.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]);
    assert!(is_offered, "ENABLE_CONNECT_PROTOCOL: {settings:?}");
    // One stream gets no WebSocket, and no 200 that would look like one; another is a tunnel, a third
    // an ordinary request.
    assert_eq!(peer.head(0, 1, &extended_connect("/chat?upgrade=no")).outcome(1), "501");
    for (stream, field, status) in [
        (3, ("sec-websocket-version", "8"), "426"),
        (5, ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), "400"),
        // In gRPC's words a refusal is 200.
        (7, ("content-type", "application/grpc"), "501"),
    ] {
        let version = ("sec-websocket-version", "13");
        let path = extended_connect("/chat?upgrade=no");
        let fields = path.iter().copied().filter(|it| it.0 != field.0 && *it != version);
        let fields: Vec<_> =
            fields.chain((field.0 != version.0).then_some(version)).chain([field]).collect();
        assert_eq!(peer.head(0, stream, &fields).outcome(stream), status, "{field:?}");
    }
    assert_eq!(peer.head(0, TUNNEL, &extended_connect("/chat")).outcome(TUNNEL), "200");
    assert_eq!(peer.get(11, "/").outcome(11), "200");
    let said = |frame: &Frame| frame.kind == kind::DATA && frame.stream == TUNNEL;
    for size in [1_u8, 100] {
        // A masked binary frame; what comes back is the same without a mask.
        let (content, mask) = (vec![7; usize::from(size)], [0; 4]);
        let sent = [&[0x82, 0x80 | size][..], &mask, &content].concat();
        peer.send(kind::DATA, 0, TUNNEL, &sent);
        let echo = peer.find(said).expect("an echo").payload;
        assert_eq!(echo, [&[0x82, size][..], &content].concat());
    }
    // A close frame is answered by one; then both sides end.
    peer.send(kind::DATA, 0, TUNNEL, &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    assert_eq!(peer.find(said).expect("a goodbye").payload, [0x88, 0x02, 0x03, 0xe8]);
    peer.send(kind::DATA, flag::END_STREAM, TUNNEL, &[]);
    let end = peer.find(|frame| frame.stream == TUNNEL && frame.flags & flag::END_STREAM != 0);
    assert_eq!(end.map(|frame| frame.kind), Some(kind::DATA));
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|seen| seen.head.first_line.as_str()).collect();
    assert_eq!(lines[2], "GET /chat HTTP/1.1");
    assert_eq!(seen[2].head.header("upgrade"), Some("websocket"));
    assert!(seen[2].head.header("sec-websocket-key").is_some());
}

#[test]
fn a_refused_upgrade_leaves_the_next_request_an_ordinary_one() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    let mut client = client(listen);
    client.send(format!(
        "GET /chat?upgrade=no HTTP/1.1\r\nHost: test.example\r\n{UPGRADE}\r\n\
         GET /second HTTP/1.1\r\nHost: test.example\r\nX-Real-IP: 6.6.6.6\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 200);
    let second = &server.seen()[1];
    assert_eq!(second.target, "/second");
    assert_eq!(second.head.all("x-real-ip").collect::<Vec<_>>(), ["127.0.0.1"]);
}

/// RFC 6455 §4.4.
#[test]
fn who_speaks_another_version_of_websocket_is_told_which_one_is_spoken() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    let mut client = client(listen);
    let old = UPGRADE.replace("Version: 13", "Version: 8");
    client.send(format!("GET /chat HTTP/1.1\r\nHost: test.example\r\n{old}\r\n"));
    let answer = client.answer();
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    client.expect_closed();
    assert!(server.seen().is_empty());
}

#[test]
fn h2c_is_not_offered_to_the_server() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    let answer = client(listen)
        .send(
            "GET / HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        )
        .answer();
    assert_eq!(answer.status, 200);
    let head = server.seen()[0].head.clone();
    assert_eq!((head.header("upgrade"), head.header("http2-settings")), (None, None));
}

#[test]
fn connect_is_refused_and_nothing_behind_it_is_sent_on() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    let mut client = client(listen);
    client.send(
        "CONNECT test.example:80 HTTP/1.1\r\nHost: test.example:80\r\n\r\n\
         GET /behind HTTP/1.1\r\nHost: test.example\r\n\r\n",
    );
    let status = client.answer().status;
    assert!(matches!(status, 400 | 405 | 501), "{status}");
    client.expect_closed();
    assert_eq!(server.served(), 0);
}

#[test]
fn a_tunnel_that_is_silent_too_long_ends() {
    let [server] = &origins();
    let listen = free_address();
    let config = http(listen, &[server])
        .replace("[pool.app]\n", "[pool.app]\ntimeouts = { tunnel = \"300ms\" }\n");
    let _lb = balancer(&config);
    let mut client = client(listen);
    client.send(format!("GET /chat HTTP/1.1\r\nHost: test.example\r\n{UPGRADE}\r\n"));
    assert_eq!(client.answer().status, 101);
    client.expect_closed();
}
