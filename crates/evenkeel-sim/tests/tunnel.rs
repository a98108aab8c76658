//! Connections that stop speaking HTTP, and those that must not.

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
