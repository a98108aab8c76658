//! Bytes both ways.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::thread;

use evenkeel_sim::body::{Body, Hasher};
use evenkeel_sim::prelude::*;

/// A tcp listener before this server.
fn before(server: std::net::SocketAddr, listen: std::net::SocketAddr) -> Balancer {
    let servers = format!("servers = [\"{server}\"]");
    balancer(&tcp(listen, &[]).replace("servers = []", &servers))
}

#[test]
fn bytes_pass_both_ways() {
    let server = stream_origin("name");
    let listen = free_address();
    let _lb = before(server.address(), listen);
    let mut client = client(listen);
    assert_eq!(client.send("one").receive(8), b"name\none");
    for _ in 0..100 {
        assert_eq!(client.send("again").receive(5), b"again");
    }
}

#[test]
fn a_client_that_ends_its_half_still_gets_the_answer() {
    let server = stream_origin("name");
    let listen = free_address();
    let _lb = before(server.address(), listen);
    let mut client = client(listen);
    client.send("last words");
    client.finish();
    let (answer, broken) = client.rest();
    assert_eq!((String::from_utf8_lossy(&answer), broken), ("name\nlast wordsbye".into(), None));
}

#[test]
fn a_server_that_ends_its_half_still_gets_the_rest() {
    let server = TcpListener::bind(free_address()).expect("free");
    let listen = free_address();
    let config = tcp(listen, &[]).replace(
        "servers = []",
        &format!("servers = [\"{}\"]", server.local_addr().expect("bound")),
    );
    // Without checks every connection is a client's.
    let config = config.split("[pool.app.check]").next().expect("one").to_owned();
    let _lb = balancer(&(config + "check = false\n"));
    let told = thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a client comes");
        stream.write_all(b"first").expect("open");
        stream.shutdown(Shutdown::Write).expect("open");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).expect("open");
        rest
    });
    let mut client = client(listen);
    let (answer, broken) = client.rest();
    assert_eq!((answer.as_slice(), broken), (b"first".as_slice(), None));
    client.send("and then").finish();
    assert_eq!(told.join().expect("it reads to the end"), "and then");
}

#[test]
fn a_servers_reset_is_passed_on() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&tcp(listen, &[server]));
    server.set(Mode::ResetBeforeAnswer);
    let mut client = client(listen);
    client.send("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    assert_eq!(client.rest(), (Vec::new(), Some(Broken::Reset)));
}

#[test]
fn a_clients_reset_ends_the_servers_connection() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&tcp(listen, &[server]));
    server.set(Mode::Hang);
    let mut client = client(listen);
    client.send("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    wait_until("the server has the request", PATIENCE, || server.served() == 1);
    let stream = client.into_parts().0;
    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).expect("TCP");
    drop(stream);
    server.set(Mode::Ok);
    wait_until("the server's connection is gone", PATIENCE, || server.connections() == 0);
}

#[test]
fn bulk_arrives_whole_in_both_directions() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&tcp(listen, &[server]));
    let size = 50_000_000;
    let target = format!("/big?size={size}");
    let answer = get(listen, &target);
    assert_eq!((answer.body.size, answer.body.hash), (size, Body::hash(&target, size)));

    let (mut body, mut hasher) = (Body::new("upload", size), Hasher::default());
    let mut client = client(listen);
    client.send(format!("POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: {size}\r\n\r\n"));
    while let Some(piece) = body.piece() {
        hasher.write(piece);
        client.send(piece);
    }
    assert_eq!(client.answer().header("x-upload-hash"), Some(hasher.finish().as_str()));
}

#[test]
fn a_connection_that_is_refused_goes_to_another_server() {
    let [gone] = &origins();
    let there = stream_origin("there");
    let listen = free_address();
    let servers = format!("servers = [\"{}\", \"{}\"]", gone.address(), there.address());
    let slow = "kind = \"tcp\"\nfall = 100";
    let config = tcp(listen, &[]).replace("servers = []", &servers).replace("kind = \"tcp\"", slow);
    let _lb = balancer(&config);
    gone.kill();
    for _ in 0..6 {
        assert_eq!(client(listen).send("x").receive(6), b"there\n");
    }
}

#[test]
fn a_silent_stream_ends_at_its_limit() {
    let server = stream_origin("name");
    let listen = free_address();
    let servers =
        format!("servers = [\"{}\"]\ntimeouts = {{ tunnel = \"300ms\" }}", server.address());
    let _lb = balancer(&tcp(listen, &[]).replace("servers = []", &servers));
    let mut client = client(listen);
    client.send("x").receive(6);
    client.expect_closed();
}
