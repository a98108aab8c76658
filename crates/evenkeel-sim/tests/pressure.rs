//! Too much of everything.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_sim::body::{Body, Hasher};
use evenkeel_sim::loris::Loris;
use evenkeel_sim::prelude::*;

/// More than all buffers between a server and a client on one machine, the kernel's included.
const HUGE: u64 = 200_000_000;
/// What the program may grow by while [`HUGE`] bytes wait to pass.
const GROWTH_KIB: u64 = 16 * 1024;

#[test]
fn a_slow_reader_does_not_fill_the_memory() {
    let [server] = &origins();
    let (web, plain) = (free_address(), free_address());
    let tcp =
        format!("[listener.plain]\nbind = [\"{plain}\"]\nprotocol = \"tcp\"\npool = \"app\"\n");
    let mut lb = balancer(&(http(web, &[server]) + &tcp));
    assert_eq!(get(web, "/").status, 200);
    for (listen, shape) in [(web, "length"), (web, "chunked"), (plain, "length")] {
        let before = lb.process().resident_kib();
        let target = format!("/big?size={HUGE}&shape={shape}");
        let mut client = client(listen);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n"));
        client.try_head().expect("an answer");
        let mut most = 0;
        if shape == "length" {
            // Between these reads there is time to take in everything.
            let mut left = usize::try_from(HUGE).expect("64 bits");
            let mut hasher = Hasher::default();
            for _ in 0..20 {
                hasher.write(&client.receive(500_000));
                left -= 500_000;
                lb.status();
                most = most.max(lb.process().resident_kib());
            }
            hasher.write(&client.receive(left));
            assert_eq!(hasher.finish(), Body::hash(&target, HUGE));
        } else {
            for _ in 0..20 {
                client.receive(500_000);
                lb.status();
                most = most.max(lb.process().resident_kib());
            }
        }
        let allowed = before + GROWTH_KIB;
        assert!(most < allowed, "{shape} over {listen}: {before} KiB, then {most} KiB");
    }
}

#[test]
fn an_upload_to_a_slow_server_does_not_fill_the_memory() {
    let [server] = &origins();
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[server]));
    let mut client = client(listen);
    client.send(format!("POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: {HUGE}\r\n\r\n"));
    let before = lb.process().resident_kib();
    let (mut body, mut hasher) = (Body::new("upload", HUGE), Hasher::default());
    let mut most = 0;
    while let Some(piece) = body.piece() {
        hasher.write(piece);
        client.send(piece);
        most = most.max(lb.process().resident_kib());
    }
    assert_eq!(client.answer().header("x-upload-hash"), Some(hasher.finish().as_str()));
    assert!(most < before + GROWTH_KIB, "{before} KiB, then {most} KiB");
}

#[test]
fn slow_loris_is_shown_the_door_and_nobody_else_notices() {
    let [server] = &origins();
    let listen = free_address();
    let timeouts = "protocol = \"http\"\ntimeouts = { header = \"2s\" }";
    let _lb = balancer(&http(listen, &[server]).replace("protocol = \"http\"", timeouts));
    let mut loris = Loris::start(listen, 300);
    let load = Load::start(Plan::steady(listen, 100));
    wait_until("every slow connection is ended at the deadline", PATIENCE, || {
        loris.drip();
        loris.ended() == 300
    });
    let report = load.stop();
    assert!(report.is_clean(), "{report}");
    assert_eq!(server.seen().iter().filter(|seen| seen.target == "/").count(), 0);
}

#[test]
fn descriptors_run_out_and_come_back() {
    let prlimit = evenkeel_sim::process::find("prlimit").is_some().then_some("prlimit");
    let prlimit = skip_unless!(prlimit, "prlimit is not installed");
    let [server] = &origins();
    let listen = free_address();
    let start = Start::with(&http(listen, &[server])).under(&[prlimit, "--nofile=128:128"]);
    let mut lb = start.start();
    let mut kept = client(listen);
    assert_eq!(kept.get("/").status, 200);
    let held: Vec<Client> = (0..300).map(|_| with_half_a_request(listen)).collect();
    wait_until("accepting pauses", PATIENCE, || lb.log().contains("accept"));
    // Those who are in are served.
    for _ in 0..10 {
        assert_eq!(kept.get("/").status, 200);
    }
    drop(held);
    wait_until("new clients are served again", PATIENCE, || is_served(listen));
    assert!(lb.process().is_running());
}

/// A kernel may show a listener only connections on which something was sent.
fn with_half_a_request(listen: SocketAddr) -> Client {
    let mut client = client(listen);
    client.send("GET / HTTP/1.1\r\n");
    client
}

fn is_served(listen: SocketAddr) -> bool {
    Client::connect(listen).is_ok_and(|mut client| {
        client.set_patience(Duration::from_secs(1));
        let sent = client.try_send("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n");
        sent.and_then(|()| client.try_answer("GET")).is_ok_and(|answer| answer.status == 200)
    })
}

#[test]
fn thousands_of_idle_connections_are_held() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    let mut held: Vec<Client> = (0..2000).map(|_| client(listen)).collect();
    for client in &mut held {
        assert_eq!(client.get("/?size=0").status, 200);
    }
    for client in held.iter_mut().step_by(100) {
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn an_idle_client_is_ended_at_its_limit() {
    let [server] = &origins();
    let listen = free_address();
    let timeouts = "protocol = \"http\"\ntimeouts = { keep_alive = \"300ms\" }";
    let _lb = balancer(&http(listen, &[server]).replace("protocol = \"http\"", timeouts));
    let mut client = client(listen);
    assert_eq!(client.get("/").status, 200);
    client.expect_closed();
}

#[test]
fn a_request_head_that_never_ends_is_408() {
    let [server] = &origins();
    let listen = free_address();
    let timeouts = "protocol = \"http\"\ntimeouts = { header = \"300ms\" }";
    let _lb = balancer(&http(listen, &[server]).replace("protocol = \"http\"", timeouts));
    let mut client = client(listen);
    client.send("GET / HTTP/1.1\r\nHost: ");
    assert_eq!(client.answer().status, 408);
    client.expect_closed();
}

#[test]
fn a_full_listener_lets_new_clients_wait() {
    let [server] = &origins();
    let listen = free_address();
    let most = "protocol = \"http\"\nmax_connections = 2";
    let config = http(listen, &[server]).replace("protocol = \"http\"", most);
    let _lb = balancer(&("[node]\nworkers = 1\n".to_owned() + &config));
    let mut held = [client(listen), client(listen)];
    for client in &mut held {
        assert_eq!(client.get("/").status, 200);
    }
    let mut waiting = client(listen);
    waiting.send("GET /waits HTTP/1.1\r\nHost: test.example\r\n\r\n");
    assert_eq!(held[0].get("/").status, 200);
    assert!(server.seen().iter().all(|seen| seen.target != "/waits"));
    drop(held);
    assert!(waiting.answer().is_intact());
}
