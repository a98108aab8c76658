//! Servers that die and come back, and servers that answer badly.

use std::time::Duration;

use evenkeel_sim::body::Body;
use evenkeel_sim::nginx::{NO_NGINX, nginx_origin};
use evenkeel_sim::prelude::*;

/// A server that cannot be reached is out of use within this time.
const OUT: Duration = Duration::from_secs(3);

#[test]
fn two_real_nginx_share_the_work_and_one_may_die() {
    let one = skip_unless!(nginx_origin("0"), NO_NGINX);
    let mut two = skip_unless!(nginx_origin("1"), NO_NGINX);
    let listen = free_address();
    let lb = balancer(&format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\npool = \"app\"\n\
         [pool.app]\nservers = [\"{}\", \"{}\"]\n",
        one.address(),
        two.address()
    ));
    let mut order = Vec::new();
    for _ in 0..10 {
        let mut client = client(listen);
        order.extend((0..100).map(|_| client.get("/").server().to_owned()));
    }
    assert_eq!(order, ["0", "1"].repeat(500));

    // In the middle of load one is killed: nobody notices.
    let mut kept = client(listen);
    for request in 0..500 {
        if request == 100 {
            two.kill();
        }
        assert_eq!(kept.get("/").status, 200, "request {request}");
    }
    wait_until("the dead server is out of use", OUT, || {
        lb.server("app", &two.address().to_string())["in_use"] == false
    });
    assert!((0..20).all(|_| get(listen, "/").server() == "0"));

    two.restart();
    lb.await_health("app", two.address(), "up");
    let order: Vec<String> = (0..10).map(|_| kept.get("/").server().to_owned()).collect();
    assert_eq!(order.iter().filter(|server| *server == "1").count(), 5, "{order:?}");
}

#[test]
fn killing_a_server_under_load_fails_no_get() {
    let mut pool = ["0", "1", "2"].map(remote_origin);
    let listen = free_address();
    let addresses = pool.each_ref().map(|server| format!("\"{}\"", server.address())).join(", ");
    let config = http(listen, &[]).replace("servers = []", &format!("servers = [{addresses}]"));
    let lb = balancer(&config);
    let load = Load::start(Plan::steady(listen, 150));
    wait_until("load is under way", PATIENCE, || load.ok() > 50);
    let address = pool[1].address();
    pool[1].kill();
    lb.await_health("app", address, "down");
    pool[1].restart();
    lb.await_health("app", address, "up");
    let before = pool[1].served();
    wait_until("the server is used again", PATIENCE, || pool[1].served() > before);
    let report = load.stop();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_refused_connection_moves_any_request_to_another_server() {
    let [gone, there] = &origins();
    let listen = free_address();
    let config =
        http(listen, &[gone, there]).replace("kind = \"tcp\"", "kind = \"tcp\"\nfall = 100");
    let _lb = balancer(&config);
    gone.kill();
    for _ in 0..3 {
        assert_eq!(client(listen).post("/", b"hello").server(), "1");
        assert_eq!(get(listen, "/").server(), "1");
    }
}

#[test]
fn a_reset_before_the_answer_moves_a_get_but_not_a_post() {
    let [broken, good] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[broken, good]));
    broken.set(Mode::ResetBeforeAnswer);
    let answer = get(listen, "/get");
    assert_eq!((answer.status, answer.server()), (200, "1"));
    assert_eq!(broken.served(), 1);
    // Wherever the turn is: one of two POSTs meets the broken server, and nobody repeats it.
    let statuses = [1, 2].map(|_| client(listen).post("/post", b"hello").status);
    assert!(statuses.contains(&502) && statuses.contains(&200), "{statuses:?}");
    assert_eq!(broken.served() + good.served(), 2 + 2);
}

#[test]
fn a_kept_connection_that_the_server_closes_costs_nothing() {
    let [racing] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[racing]));
    racing.set(Mode::CloseRace);
    let report = Load::start(Plan::rush(listen, 4, 400)).finish();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn an_answer_that_cannot_be_understood_is_502() {
    let [server] = &origins();
    let listen = free_address();
    let config = http(listen, &[server]) + "[pool.app.outlier]\nconsecutive_failures = 1000\n";
    let _lb = balancer(&config);
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let status = |line: &str| format!("{line}\r\nContent-Length: 2\r\n\r\nok");
    let cases = [
        "\x16\x03\x01 garbage\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nA\0: b\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
        status("HTTP/9.9 200 OK"),
        status("HTTP/1.1 99 Low"),
        status("HTTP/1.1 1000 High"),
        status("HTTP/1.1 abc Words"),
        status("hello"),
        "HTTP/1.1 200 OK\r\nContent-".to_owned(),
        String::new(),
    ];
    for case in cases {
        server.set(Mode::raw(case.as_str()));
        assert_eq!(get(listen, "/").status, 502, "{case:?}");
    }
    server.set(Mode::raw(format!("{chunks}xyz\r\n")));
    let mut client = client(listen);
    client.send("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    assert!(client.try_answer("GET").map_or(true, |answer| answer.status == 502));
}

#[test]
fn a_cut_answer_is_seen_to_be_cut() {
    let [server] = &origins();
    let listen = free_address();
    let config = http(listen, &[server]) + "[pool.app.outlier]\nconsecutive_failures = 1000\n";
    let _lb = balancer(&config);
    for mode in [Mode::Truncate, Mode::ResetMidBody] {
        for target in ["/?size=100000", "/?size=100000&shape=chunked"] {
            server.set(mode.clone());
            let mut client = client(listen);
            client.send(format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n"));
            match client.try_answer("GET") {
                Err(Broken::Cut | Broken::Closed | Broken::Garbage(_)) => {}
                // Nothing of the answer had been passed on: the client is told so.
                Ok(answer) if answer.status == 502 => {}
                other => panic!("{mode:?} {target}: {other:?}"),
            }
        }
    }
}

#[test]
fn bytes_after_an_answer_reach_nobody() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    server.set(Mode::Raw(smuggled.into(), Then::Keep));
    let mut client = client(listen);
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "ok");
    }
}

#[test]
fn a_slow_server_is_left_for_another() {
    let [slow, fast] = &origins();
    let listen = free_address();
    let config = http(listen, &[slow, fast])
        .replace("[pool.app]\n", "[pool.app]\ntimeouts = { first_byte = \"300ms\" }\n");
    let _lb = balancer(&config);
    slow.set(Mode::Hang);
    assert_eq!([1, 2].map(|_| get(listen, "/").status), [200; 2]);
    let statuses = [1, 2].map(|_| client(listen).post("/", b"hello").status);
    assert!(statuses.contains(&504) && statuses.contains(&200), "{statuses:?}");
    slow.set(Mode::Ok);
}

#[test]
fn with_no_server_left_the_answer_is_503_at_once() {
    let pool: [Origin; 2] = origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &pool.each_ref()));
    pool.iter().for_each(Origin::kill);
    for server in &pool {
        lb.await_health("app", server.address(), "down");
    }
    let status = get(listen, "/").status;
    assert!(matches!(status, 502 | 503), "{status}");
    for server in &pool {
        server.set(Mode::Ok);
    }
    wait_until("it is well again", PATIENCE, || get(listen, "/").status == 200);
}

#[test]
fn checks_over_http_look_at_the_status() {
    let [sick, well] = &origins();
    let listen = free_address();
    let check = "kind = \"http\"\npath = \"/health\"\nfall = 2\nrise = 2";
    let config = http(listen, &[sick, well]).replace("kind = \"tcp\"", check);
    let lb = balancer(&config);
    wait_until("it is checked", PATIENCE, || sick.checks() > 0 && well.checks() > 0);
    sick.set(Mode::Hang);
    lb.await_health("app", sick.address(), "down");
    let verdict = lb.server("app", &sick.address().to_string())["verdict"].clone();
    assert!(verdict["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{verdict}");
    assert!((0..6).all(|_| get(listen, "/").server() == "1"));
    sick.set(Mode::Ok);
    lb.await_health("app", sick.address(), "up");
}

#[test]
fn large_answers_arrive_whole() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&http(listen, &[server]));
    for shape in ["length", "chunked", "close"] {
        for size in [0, 1, 16_383, 16_384, 16_385, 300_000, 20_000_000] {
            let target = format!("/big?size={size}&shape={shape}");
            let answer = get(listen, &target);
            assert_eq!(answer.body.size, size, "{target}");
            assert_eq!(answer.body.hash, Body::hash(&target, size), "{target}");
        }
    }
}

#[test]
fn answers_that_say_so_are_tried_elsewhere() {
    let [busy, free] = &origins();
    let listen = free_address();
    let retry = "[pool.app]\nretry = { attempts = 1, on = [\"connect\", \"503\"] }\n";
    let _lb = balancer(&http(listen, &[busy, free]).replace("[pool.app]\n", retry));
    let sorry = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
    busy.set(Mode::Raw(sorry.into(), Then::Keep));
    assert!((0..10).all(|_| get(listen, "/").server() == "1"));
    // Of two POSTs one meets the busy server; it is not repeated.
    let mut statuses = [1, 2].map(|_| client(listen).post("/", b"hello").status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
    // With nowhere left to go the answer is passed on as it is.
    free.set(Mode::Raw(sorry.into(), Then::Keep));
    let answer = get(listen, "/");
    assert_eq!((answer.status, answer.text().as_str()), (503, "busy"));
}

#[test]
fn a_server_that_joins_takes_nothing_before_its_check_has_passed() {
    let [good, bad] = origins();
    bad.set(Mode::ResetBeforeAnswer);
    let listen = free_address();
    let config = two_workers(listen, &format!("servers = {}", servers([&good])));
    let lb = balancer(&config.replace("kind = \"tcp\"", "kind = \"http\"\npath = \"/check\""));
    let added = lb.cli(&["server", "add", "app", &bad.address().to_string()]);
    assert!(added.status.success(), "{added:?}");
    let report = Load::start(Plan::rush(listen, 4, 200)).finish();
    assert!(report.is_clean(), "{report}");
    assert!(bad.seen().iter().all(|it| it.target == "/check"), "{:?}", bad.seen());
    bad.set(Mode::Ok);
    wait_until("it is used", PATIENCE, || get(listen, "/").server() == "1");
}
