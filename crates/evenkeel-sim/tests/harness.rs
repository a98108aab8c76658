//! The proving ground itself: servers misbehave as told, clients see it.

use std::time::Duration;

use evenkeel_sim::body::Body;
use evenkeel_sim::load::{Pace, repeats};
use evenkeel_sim::nginx::{NO_NGINX, nginx_origin};
use evenkeel_sim::prelude::*;
use tungstenite::Message;

const GET: &str = "GET /?size=1000 HTTP/1.1\r\nHost: test.example\r\n\r\n";

/// How a GET ends.
fn ends(server: &Origin) -> Result<u16, Broken> {
    let mut client = Client::connect(server.address())?;
    client.try_send(GET)?;
    client.try_answer("GET").map(|answer| answer.status)
}

#[test]
fn a_server_misbehaves_as_told() {
    let server = origin("0");
    let cases = [
        (Mode::Ok, Ok(200)),
        (Mode::Refuse, Err(Broken::Refused)),
        (Mode::ResetOnAccept, Err(Broken::Reset)),
        (Mode::ResetBeforeAnswer, Err(Broken::Reset)),
        (Mode::ResetMidBody, Err(Broken::Cut)),
        (Mode::Truncate, Err(Broken::Cut)),
        (Mode::CloseRace, Ok(200)),
        (Mode::raw("HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n"), Ok(418)),
        (Mode::raw(""), Err(Broken::Closed)),
        (Mode::Raw(Vec::new(), Then::Reset), Err(Broken::Reset)),
        (Mode::Slow(Duration::from_millis(20)), Ok(200)),
        (Mode::SlowBody(Duration::from_millis(20)), Ok(200)),
        (Mode::Ok, Ok(200)),
    ];
    for (mode, expected) in cases {
        server.set(mode.clone());
        assert_eq!(ends(&server), expected, "{mode:?}");
    }
    for mode in ["garbage", "negative-length", "two-lengths", "length-and-chunked"] {
        server.set(mode.parse().expect("a mode"));
        assert!(matches!(ends(&server), Err(Broken::Garbage(_))), "{mode}");
    }
    for mode in ["slow 5", "slow-body 5", "hang", "ok", "refuse", "truncate", "close-race"] {
        assert!(mode.parse::<Mode>().is_ok(), "{mode}");
    }
    "slw 5".parse::<Mode>().expect_err("no mode");
}

#[test]
fn a_server_that_hangs_goes_on_when_told() {
    let server = origin("0");
    server.set(Mode::Hang);
    let mut client = client(server.address());
    client.send(GET);
    wait_until("the request is there", PATIENCE, || server.served() == 1);
    server.set(Mode::Ok);
    assert!(client.answer().is_intact());
}

#[test]
fn a_killed_server_is_gone_with_its_connections() {
    let server = origin("0");
    let mut client = client(server.address());
    assert!(client.get("/").is_intact());
    server.kill();
    client.expect_closed();
    assert_eq!(ends(&server), Err(Broken::Refused));
    server.set(Mode::Ok);
    assert_eq!(ends(&server), Ok(200));
}

#[test]
fn answers_have_the_wanted_shape() {
    let server = origin("0");
    let get = |target: &str| get(server.address(), target);
    for shape in ["length", "chunked", "close"] {
        for size in [0, 1, 1000, 65_536, 200_000] {
            let target = format!("/?size={size}&shape={shape}");
            let answer = get(&target);
            assert!(answer.is_intact(), "{target}");
            assert_eq!(answer.body.hash, Body::hash(&target, size), "{target}");
            assert_eq!(answer.keeps, shape != "close", "{target}");
        }
    }
    assert_eq!(get("/?status=404").status, 404);
    assert_eq!(get("/?interim=2").interim.len(), 2);
    let trailers = get("/?shape=chunked&trailer=1").body.trailers;
    assert_eq!(trailers, [("x-after".to_owned(), "the body".to_owned())]);
}

#[test]
fn requests_are_written_down() {
    let server = origin("0");
    let mut client = client(server.address());
    client.post("/a", b"hello");
    client.send(
        "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
    );
    client.answer();
    let seen = server.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("POST", "/a"));
    assert_eq!((seen[0].body.as_slice(), seen[1].body.as_slice()), (&b"hello"[..], &b"hello"[..]));
    assert_eq!(seen[1].trailers, [("x".to_owned(), "y".to_owned())]);
    assert_eq!(seen[0].connection, seen[1].connection);
}

#[test]
fn a_websocket_echoes() {
    let server = origin("0");
    let stream = client(server.address()).into_parts().0;
    let (mut socket, _) = tungstenite::client("ws://test.example/", stream).expect("upgraded");
    socket.send(Message::text("hello")).expect("open");
    assert_eq!(socket.read().expect("open"), Message::text("hello"));
}

#[test]
fn a_remote_server_can_be_killed_stopped_and_told() {
    let mut server = remote_origin("7");
    let address = server.address();
    assert_eq!(get(address, "/a").server(), "7");
    wait_until("the first is written down", PATIENCE, || server.served() == 1);
    server.kill();
    Client::connect(address).expect_err("it is dead");
    server.restart();
    server.set("negative-length");
    let mut client = client(address);
    client.send("GET /b HTTP/1.1\r\n\r\n");
    client.try_answer("GET").expect_err("no length is negative");
    server.set("ok");
    server.freeze();
    let mut patient = Client::connect(address).expect("the kernel accepts");
    patient.send("GET /c HTTP/1.1\r\n\r\n").set_patience(Duration::from_millis(50));
    assert_eq!(patient.try_answer("GET").map(|answer| answer.status), Err(Broken::Timeout));
    server.thaw();
    patient.set_patience(PATIENCE);
    assert_eq!(patient.answer().status, 200);
    wait_until("all are written down", PATIENCE, || server.served() == 3);
}

#[test]
fn load_finds_what_is_wrong() {
    let server = origin("0");
    let mut plan = Plan::steady(server.address(), 200);
    plan.post_every = 5;
    let load = Load::start(plan.clone());
    wait_until("load flows", PATIENCE, || load.ok() >= 20);
    let report = load.stop();
    assert!(report.is_clean() && report.stale == 0, "{report}");

    plan.pace = Pace::Rush { connections: 2, requests: 20 };
    server.set(Mode::ResetBeforeAnswer);
    let report = Load::start(plan.clone()).finish();
    assert_eq!((report.sent, report.ok), (20, 0), "{report}");
    let kinds = |failures: &evenkeel_sim::load::Failures| failures.values().sum::<u64>();
    assert_eq!((kinds(&report.failed_gets), kinds(&report.failed_posts)), (16, 4));
    server.set(Mode::raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"));
    assert_eq!(Load::start(plan).finish().corrupt, 20);

    let seen = [
        ("GET", "/1"),
        ("GET", "/1"),
        ("POST", "/2"),
        ("POST", "/3"),
        ("POST", "/3"),
        ("POST", "/3"),
    ];
    assert_eq!(repeats(seen), (1, 1));
}

#[test]
fn a_stream_server_says_its_name_and_goodbye() {
    let server = stream_origin("name");
    let mut client = client(server.address());
    assert_eq!(client.send("x").receive(6), b"name\nx");
    client.finish();
    assert_eq!(client.rest(), (b"bye".to_vec(), None));
    assert_eq!(server.spoken(), 1);
}

#[test]
fn nginx_serves_dies_and_comes_back() {
    let mut server = skip_unless!(nginx_origin("n"), NO_NGINX);
    assert_eq!(get(server.address(), "/").server(), "n");
    wait_until("it is in the log", PATIENCE, || server.served() == 1);
    server.kill();
    Client::connect(server.address()).expect_err("it is dead");
    server.restart();
    assert_eq!(get(server.address(), "/").text(), "n\n");
}
