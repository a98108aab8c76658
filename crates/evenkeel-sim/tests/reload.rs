//! A new configuration under way, and a broken one.

use std::net::SocketAddr;

use evenkeel_sim::prelude::*;
use tungstenite::Message;

/// Two http listeners at most, a tcp listener, and a pool of these servers.
fn config(front: SocketAddr, extra: Option<SocketAddr>, tcp: &str, pool: &[&Origin]) -> String {
    let extra = extra.map_or_else(String::new, |extra| {
        format!("[listener.extra]\nbind = [\"{extra}\"]\nprotocol = \"http\"\npool = \"app\"\n")
    });
    http(front, pool) + &extra + tcp
}

#[test]
fn nothing_fails_over_fifty_reloads_and_streams_live_on() {
    let requests = if std::env::var_os("EVENKEEL_FULL").is_some() { 100_000 } else { 10_000 };
    let [one, two, three] = &origins();
    let stream = stream_origin("stream");
    let (front, extra, plain) = (free_address(), free_address(), free_address());
    let tcp = format!(
        "[listener.plain]\nbind = [\"{plain}\"]\nprotocol = \"tcp\"\npool = \"stream\"\n\
         [pool.stream]\nservers = [\"{}\"]\n",
        stream.address()
    );
    let mut lb = balancer(&config(front, None, &tcp, &[one, two]));

    let socket = client(front).into_parts().0;
    let (mut socket, _) = tungstenite::client("ws://test.example/echo", socket).expect("upgraded");
    let mut held = client(plain);
    assert_eq!(held.send("hello").receive(12), b"stream\nhello");

    let load = Load::start(Plan::rush(front, 8, requests));
    for reload in 0..50 {
        let pool: &[&Origin] = match reload % 3 {
            0 => &[one, two, three],
            1 => &[two, three],
            _ => &[one, two],
        };
        let added = reload % 2 == 0;
        let config = config(front, added.then_some(extra), &tcp, pool);
        if reload % 5 == 0 {
            lb.hang_up(&format!("# {reload}\n{config}"));
        } else {
            lb.reload(&config);
        }
        if added {
            assert_eq!(get(extra, "/extra").status, 200);
        } else {
            wait_until("the listener is gone", PATIENCE, || Client::connect(extra).is_err());
        }
        socket.send(Message::text(format!("message {reload}"))).expect("open");
        assert_eq!(socket.read().expect("open"), Message::text(format!("message {reload}")));
        assert_eq!(held.send("again").receive(5), b"again");
        let due = requests * (reload + 1) / 51;
        wait_until("load goes on", PATIENCE, || load.ok() >= due || load.is_done());
    }
    let report = load.finish();
    assert!(report.is_clean() && report.stale == 0, "{report}");
    assert!([one, two, three].iter().all(|origin| origin.served() > 0));
    assert_eq!(stream.spoken(), 1);
}

#[test]
fn a_broken_file_leaves_everything_as_it_was() {
    let [server] = &origins();
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[server]));
    let (version, mut kept) = (lb.version(), client(listen));
    assert_eq!(kept.get("/").status, 200);

    let broken = http(listen, &[server]).replace("protocol = \"http\"", "protocl = \"http\"");
    let line = broken.lines().position(|line| line.starts_with("protocl")).expect("there") + 1;
    let answer = lb.try_reload(&broken);
    assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
    let problem: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
    let lines = problem["faults"].as_array().into_iter().flatten().map(|fault| &fault["line"]);
    assert!(lines.into_iter().any(|at| at == line), "{problem:#}");

    assert_eq!(lb.version(), version);
    assert_eq!(kept.get("/").status, 200);
    assert_eq!(get(listen, "/").status, 200);

    // The same by signal: said on stderr, and the old one goes on.
    lb.process().signal(Signal::HUP);
    wait_until("the refusal is told", PATIENCE, || {
        let status = lb.status();
        status["config"]["last_refusal"].is_string() && lb.log().contains(&format!(":{line}:"))
    });
    assert_eq!(kept.get("/").status, 200);
    lb.reload(&format!("# mended\n{}", http(listen, &[server])));
    assert_eq!(lb.status()["config"]["last_refusal"], serde_json::Value::Null);
}

#[test]
fn an_address_in_use_leaves_everything_as_it_was() {
    let [server] = &origins();
    let listen = free_address();
    let taken = std::net::TcpListener::bind(free_address()).expect("free");
    let taken_address = taken.local_addr().expect("bound");
    let lb = balancer(&http(listen, &[server]));
    let answer = lb.try_reload(&config(listen, Some(taken_address), "", &[server]));
    assert!(answer.status >= 400, "{}", answer.text());
    assert!(answer.text().contains(&taken_address.to_string()), "{}", answer.text());
    assert_eq!(get(listen, "/").status, 200);
}

#[test]
fn health_survives_for_servers_that_stay() {
    let [dead, one, two] = &origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &[dead, one]));
    dead.kill();
    lb.await_health("app", dead.address(), "down");
    let since = |lb: &Balancer| lb.server("app", &dead.address().to_string())["verdict"].clone();
    let before = since(&lb);
    lb.reload(&http(listen, &[dead, one, two]));
    assert_eq!(since(&lb), before);
}

#[test]
fn a_listener_may_change_its_protocol_and_pool() {
    let [server] = &origins();
    let stream = stream_origin("stream");
    let listen = free_address();
    let lb = balancer(&http(listen, &[server]));
    assert_eq!(get(listen, "/").status, 200);
    let servers = format!("servers = [\"{}\"]", stream.address());
    let old = format!("servers = [\"{}\"]", server.address());
    lb.reload(&tcp(listen, &[server]).replace(&old, &servers));
    wait_until("it speaks tcp", PATIENCE, || {
        let mut client = client(listen);
        client.send("hello\r\n\r\n");
        let mut answer = client.receive(7);
        answer.truncate(7);
        answer == b"stream\n"
    });
}
