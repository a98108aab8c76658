//! HTTP/1.0 and HTTP/1.1, both sides.

use std::net::SocketAddr;

use evenkeel_sim::body::{Body, Hasher};
use evenkeel_sim::prelude::*;

/// A server behind an http listener.
fn one_server() -> (SocketAddr, Origin, Balancer) {
    let server = origin("0");
    let listen = free_address();
    let lb = balancer(&http(listen, &[&server]));
    (listen, server, lb)
}

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n")
}

#[test]
fn connections_are_kept_on_both_sides() {
    let (listen, server, _lb) = one_server();
    let mut client = client(listen);
    for number in 0..5 {
        assert!(client.get(&format!("/{number}")).is_intact());
    }
    let connections: Vec<u64> = server.seen().iter().map(|seen| seen.connection).collect();
    assert!(connections.iter().all(|connection| *connection == connections[0]), "{connections:?}");
}

#[test]
fn a_client_that_wants_it_closed_gets_it_closed() {
    let (listen, _server, _lb) = one_server();
    let mut client = client(listen);
    client.send("GET / HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n");
    let answer = client.answer();
    assert!(!answer.keeps, "{:?}", answer.head);
    client.expect_closed();
}

/// RFC 9110 §7.6.2.
#[test]
fn a_request_that_looks_for_its_way_goes_no_further_than_it_may() {
    let (listen, server, _lb) = one_server();
    let mut client = client(listen);
    for (method, hops, status) in
        [("OPTIONS", 0, 200), ("TRACE", 0, 501), ("OPTIONS", 1, 200), ("TRACE", 1, 200)]
    {
        client.send(format!(
            "{method} / HTTP/1.1\r\nHost: test.example\r\nMax-Forwards: {hops}\r\n\r\n"
        ));
        assert_eq!(client.answer().status, status, "{method} {hops}");
    }
    let seen = server.seen();
    let hops: Vec<_> = seen.iter().filter_map(|seen| seen.head.header("max-forwards")).collect();
    assert_eq!(hops, ["0", "0"]);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (listen, _server, _lb) = one_server();
    let targets = ["/a?wait=100", "/b?shape=chunked", "/c?size=40000", "/d?status=404", "/e"];
    let mut client = client(listen);
    client.send(targets.map(request).concat());
    for target in targets {
        let answer = client.answer();
        let size = answer.body.size;
        assert_eq!(answer.body.hash, Body::hash(target, size), "{target}");
    }
}

#[test]
fn chunks_and_trailers_pass_to_the_client() {
    let (listen, _server, _lb) = one_server();
    let answer = get(listen, "/?size=100000&shape=chunked&trailer=1");
    assert!(answer.is_intact());
    assert_eq!(answer.body.trailers, [("x-after".to_owned(), "the body".to_owned())]);
}

#[test]
fn chunks_and_trailers_pass_to_the_server() {
    let (listen, server, _lb) = one_server();
    let mut client = client(listen);
    client.send(
        "POST / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\
         Trailer: x-sum\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 11\r\n\r\n",
    );
    assert_eq!(client.answer().status, 200);
    let seen = &server.seen()[0];
    assert_eq!(seen.body, b"hello world");
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "11".to_owned())]);
    assert_eq!(client.get("/next").status, 200);
}

#[test]
fn trailers_that_would_change_the_meaning_are_dropped() {
    let (listen, server, _lb) = one_server();
    client(listen)
        .send(
            "POST / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\nContent-Length: 3\r\nHost: evil\r\nAuthorization: x\r\nTransfer-Encoding: x\r\n\r\n",
        )
        .answer();
    for seen in server.seen() {
        assert_eq!(seen.trailers, []);
        assert_eq!(seen.head.all("host").collect::<Vec<_>>(), ["test.example"]);
    }
}

#[test]
fn a_body_may_wait_for_100_continue() {
    let (listen, server, _lb) = one_server();
    let mut client = client(listen);
    client.send(
        "POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    let head = client.try_head().expect("an interim answer");
    assert!(head.first_line.starts_with("HTTP/1.1 100"), "{}", head.first_line);
    assert_eq!(client.send("hello").answer().status, 200);
    assert_eq!(server.seen()[0].body, b"hello");
    assert_eq!(client.get("/next").status, 200);
}

#[test]
fn interim_answers_are_passed_on() {
    let (listen, _server, _lb) = one_server();
    let answer = get(listen, "/?interim=3");
    assert_eq!(answer.interim.len(), 3);
    assert_eq!(answer.interim[2].header("link"), Some("</2.css>"));
    assert!(answer.is_intact());
}

#[test]
fn head_has_no_body_and_keeps_the_connection() {
    let (listen, _server, _lb) = one_server();
    let mut client = client(listen);
    for target in ["/?size=5000", "/?size=5000&shape=chunked", "/?status=304&size=5000"] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: test.example\r\n\r\n"));
        let answer = client.answer_to("HEAD");
        assert_eq!(answer.body.size, 0, "{target}");
    }
    client.send("HEAD /?size=5000 HTTP/1.1\r\nHost: test.example\r\n\r\n");
    assert_eq!(client.answer_to("HEAD").header("content-length"), Some("5000"));
    assert!(client.get("/after").is_intact());
}

#[test]
fn answers_without_a_body_keep_the_connection() {
    let (listen, _server, _lb) = one_server();
    let mut client = client(listen);
    for status in [204, 304] {
        assert_eq!(client.get(&format!("/?status={status}")).status, status);
    }
    assert!(client.get("/after").is_intact());
}

#[test]
fn an_old_client_is_answered_without_chunks() {
    let (listen, _server, _lb) = one_server();
    for shape in ["length", "chunked", "close"] {
        let mut client = client(listen);
        client
            .send(format!("GET /?size=3000&shape={shape} HTTP/1.0\r\nHost: test.example\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.header("transfer-encoding"), None, "{shape}");
        assert_eq!(answer.body.size, 3000, "{shape}");
        client.expect_closed();
    }
}

#[test]
fn an_old_client_may_keep_its_connection() {
    let (listen, _server, _lb) = one_server();
    let mut client = client(listen);
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: test.example\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert!(answer.keeps && answer.is_intact(), "{:?}", answer.head);
    }
}

#[test]
fn an_old_server_is_understood() {
    let (listen, server, _lb) = one_server();
    server.set(Mode::raw("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello"));
    let answer = get(listen, "/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
}

#[test]
fn a_body_of_unknown_length_ends_with_the_connection() {
    let (listen, _server, _lb) = one_server();
    let answer = get(listen, "/?size=70000&shape=close");
    assert!(answer.is_intact());
    assert_eq!(answer.body.size, 70_000);
}

#[test]
fn a_client_that_ends_its_half_is_answered() {
    let (listen, _server, _lb) = one_server();
    for target in ["/", "/?size=300000", "/?shape=chunked", "/?wait=200"] {
        let mut client = client(listen);
        client.send(request(target)).finish();
        assert!(client.answer().is_intact(), "{target}");
    }
}

#[test]
fn uploads_arrive_whole() {
    let (listen, server, _lb) = one_server();
    let size = 50_000_000;
    for chunked in [false, true] {
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {size}")
        };
        let mut client = client(listen);
        client.send(format!("PUT /up HTTP/1.1\r\nHost: test.example\r\n{framing}\r\n\r\n"));
        let (mut body, mut hasher) = (Body::new("upload", size), Hasher::default());
        while let Some(piece) = body.piece() {
            hasher.write(piece);
            if chunked {
                client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
            } else {
                client.send(piece);
            }
        }
        if chunked {
            client.send("0\r\n\r\n");
        }
        let answer = client.answer();
        assert_eq!(answer.header("x-upload-size"), Some("50000000"));
        assert_eq!(answer.header("x-upload-hash"), Some(hasher.finish().as_str()));
    }
    assert_eq!(server.served(), 2);
}

#[test]
fn hop_by_hop_headers_stay_on_their_hop() {
    let (listen, server, _lb) = one_server();
    client(listen)
        .send(
            "GET / HTTP/1.1\r\nHost: test.example\r\nConnection: keep-alive, X-Hop, X-Forwarded-For\r\n\
             X-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nX-End: 2\r\n\r\n",
        )
        .answer();
    let head = server.seen()[0].head.clone();
    for name in ["x-hop", "keep-alive", "proxy-connection"] {
        assert_eq!(head.header(name), None, "{name}");
    }
    assert_eq!(head.header("x-end"), Some("2"));
    assert_eq!(head.header("x-forwarded-for"), Some("127.0.0.1"));
}

/// RFC 9110 §6.6.1: what passes on an answer without a date adds one.
#[test]
fn an_answer_without_a_date_gets_one() {
    let (listen, _server, _lb) = one_server();
    let answer = get(listen, "/?interim=1");
    let date = answer.header("date").expect("there is a date");
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    assert_eq!(answer.interim[0].header("date"), None);
}
