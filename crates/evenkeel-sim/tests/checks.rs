//! Every kind of check, against what it is meant for.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use evenkeel_sim::address::free_neighbours;
use evenkeel_sim::http1::Head;
use evenkeel_sim::nginx::{NO_NGINX, nginx_origin, nginx_tls_origin};
use evenkeel_sim::peer::{Peer, peer, peer_at, web_peer};
use evenkeel_sim::prelude::*;
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::tls::{Certificate, NO_OPENSSL};
use serde_json::Value;

/// One listener before `pool.app`, with these servers and settings and a quick check.
fn config(listen: SocketAddr, servers: &[SocketAddr], pool: &str, check: &str) -> String {
    let quoted: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let quick = QUICK_CHECK.replace("kind = \"tcp\"\n", check);
    format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\npool = \"app\"\n\
         [pool.app]\nservers = [{}]\n{pool}\n{quick}",
        quoted.join(", ")
    )
}

/// A node that checks these servers so.
fn checking(servers: &[SocketAddr], pool: &str, check: &str) -> Balancer {
    Start::with(&config(free_address(), servers, pool, check)).not_ready().start()
}

/// Waits until a server has this health for a reason that says so much.
#[track_caller]
fn await_verdict(lb: &Balancer, server: SocketAddr, health: &str, reason: &str) {
    let mut shown = Value::Null;
    let comes = evenkeel_sim::clock::comes_true(PATIENCE, || {
        shown = lb.server("app", &server.to_string())["verdict"].clone();
        let said = shown["reason"].as_str().unwrap_or_default();
        shown["health"] == health && said.contains(reason)
    });
    assert!(comes, "{server} is not {health} with \"{reason}\": {shown}");
}

/// Answers the first thing it is told.
fn says(answer: &'static str) -> Peer {
    peer(move |mut stream| {
        let mut heard = [0; 64];
        if stream.read(&mut heard).is_ok_and(|size| heard[..size] == *b"PING\r\n") {
            // The check sees what comes of it.
            let _ = stream.write_all(answer.as_bytes());
        }
    })
}

#[test]
fn a_tcp_check_says_something_and_listens() {
    let (well, loading) = (says("+PONG\r\n"), says("-LOADING the data\r\n"));
    let lb = checking(
        &[well.address(), loading.address()],
        "",
        "kind = \"tcp\"\nsend = \"PING\\r\\n\"\nexpect = \"+PONG\"\n",
    );
    await_verdict(&lb, well.address(), "up", "checks passed");
    await_verdict(&lb, loading.address(), "down", "the expected text is missing");
}

#[test]
fn an_http_check_asks_as_it_is_told_and_looks_at_status_and_body() {
    let answers = |status: &'static str, body: &'static str| {
        web_peer(move |head: &Head| {
            let asked = head.first_line == "POST /state?deep HTTP/1.1"
                && head.header("host") == Some("app.example")
                && head.header("x-check") == Some("1");
            let status = if asked { status } else { "400 Not As Told" };
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        })
    };
    let cases = [
        (answers("200 OK", "state: ready"), "up", "checks passed"),
        (answers("218 Fine", "all ready"), "up", "checks passed"),
        (answers("503 No", "ready"), "down", "answered with status 503"),
        (answers("219 No", "ready"), "down", "answered with status 219"),
        (answers("200 OK", "waking"), "down", "the expected text is missing"),
        (says(""), "down", "connection closed before an answer"),
    ];
    let servers = cases.each_ref().map(|(peer, ..)| peer.address());
    let lb = checking(
        &servers,
        "",
        "kind = \"http\"\nmethod = \"POST\"\npath = \"/state?deep\"\nhost = \"app.example\"\n\
         headers = { x-check = \"1\" }\nexpect = \"200,210-218\"\nbody = \"ready\"\n",
    );
    for (peer, health, reason) in &cases {
        await_verdict(&lb, peer.address(), health, reason);
    }
}

#[test]
fn a_tls_check_looks_at_the_certificate() {
    let good = skip_unless!(Certificate::new("app.example"), NO_OPENSSL);
    let old = skip_unless!(Certificate::expired("app.example"), "faketime is not installed");
    let good_server = skip_unless!(nginx_tls_origin("good", &good), NO_NGINX);
    let old_server = skip_unless!(nginx_tls_origin("old", &old), NO_NGINX);
    let plain = skip_unless!(nginx_origin("plain"), NO_NGINX);
    let servers = [good_server.address(), old_server.address(), plain.address()];
    let lb = checking(&servers, "", "kind = \"tls\"\nserver_name = \"app.example\"\n");
    await_verdict(&lb, servers[0], "up", "certificate valid for 1 days only");
    await_verdict(&lb, servers[1], "down", "certificate expired 8 days ago");
    await_verdict(&lb, servers[2], "down", "TLS handshake failed");
    let events = lb.log();
    assert!(events.contains("certificate-expires"), "{events}");

    // Trusted is who is signed by the certificate in this file, under the name it is asked for.
    let trusting = |name: &str| {
        let chain = good.chain();
        let check = format!(
            "kind = \"tls\"\nserver_name = \"{name}\"\ntrusted = \"{}\"\n",
            chain.display()
        );
        checking(&servers[..1], "", &check)
    };
    await_verdict(&trusting("app.example"), servers[0], "up", "checks passed");
    await_verdict(&trusting("other.example"), servers[0], "down", "not valid for name");
}

#[test]
fn an_exec_check_hears_what_the_program_says() {
    use std::os::unix::fs::PermissionsExt as _;
    let [good, bad]: [Origin; 2] = origins();
    let scratch = Scratch::new("check");
    let program = scratch.write(
        "check.sh",
        "#!/bin/sh\nread question\ncase \"$question\" in *'\"pool\":\"app\"'*'\"port\":'\"$1\"',\"server\":'*) ;; \
         *) echo 'replica lags by 90 s'; exit 3;; esac\n",
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let servers = [good.address(), bad.address()];
    let check = |program: &str| {
        format!("kind = \"exec\"\ncommand = [\"{program}\", \"{}\"]\n", servers[0].port())
    };
    let lb = checking(&servers, "", &check(&program.display().to_string()));
    await_verdict(&lb, servers[0], "up", "checks passed");
    await_verdict(&lb, servers[1], "down", "\"replica lags by 90 s\"");
}

/// An agent, and the line it answers with.
fn agent_at(address: SocketAddr) -> (Peer, Arc<Mutex<String>>) {
    let line = Arc::new(Mutex::new("up ready 100%\n".to_owned()));
    let said = Arc::clone(&line);
    let agent = peer_at(address, move |mut stream| {
        let line = said.lock().expect("no holder panics").clone();
        // The check sees what comes of it.
        let _ = stream.write_all(line.as_bytes());
    });
    (agent, line)
}

#[test]
fn an_agent_sets_weight_and_state() {
    // Each host has an agent on one port and a server on another.
    let (agents, hosts) = (free_neighbours(), free_neighbours());
    let (_agent, line) = agent_at(agents[0]);
    let _other_agent = agent_at(agents[1]);
    let here = Origin::start("here", hosts[0]);
    let _other = Origin::start("other", hosts[1]);
    let listen = free_address();
    let check = format!("kind = \"agent\"\nport = {}\n", agents[0].port());
    let lb = balancer(&config(listen, &hosts[..2], "", &check));
    for server in &hosts[..2] {
        await_verdict(&lb, *server, "up", "checks passed");
    }
    let weighted = format!("app/{}", here.address());
    let set = lb.cli(&["server", "weight", &weighted, "8"]);
    assert!(set.status.success(), "{set:?}");
    let tell = |words: &str| words.clone_into(&mut line.lock().expect("no holder panics"));
    let name = here.address().to_string();
    let share = || (0..18).filter(|_| get(listen, "/").server() == "here").count();

    assert_eq!(share(), 16);
    tell("25%\n");
    wait_until("it has a quarter of its weight", PATIENCE, || share() == 12);
    for word in ["drain", "maint"] {
        tell(&format!("{word}\n"));
        wait_until(&format!("it is not used: {word}"), PATIENCE, || {
            lb.server("app", &name)["in_use"] == false
        });
        assert_eq!(share(), 0, "{word}");
        let verdict = lb.server("app", &name)["verdict"].clone();
        assert_eq!(verdict["health"], "up", "{word} says nothing of its health: {verdict}");
        tell("ready\n");
        wait_until("it is used again", PATIENCE, || lb.server("app", &name)["in_use"] == true);
    }
    tell("down#disk is full\n");
    await_verdict(&lb, here.address(), "down", "\"disk is full\"");
    tell("up 100%\n");
    await_verdict(&lb, here.address(), "up", "checks passed");
    wait_until("it has its weight again", PATIENCE, || share() == 16);
}

#[test]
fn a_check_may_ask_another_port() {
    let health = web_peer(|_| "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_owned());
    let here = Origin::start("here", SocketAddr::new(health.address().ip(), free_address().port()));
    let check =
        format!("kind = \"http\"\npath = \"/health\"\nport = {}\n", health.address().port());
    let lb = checking(&[here.address()], "", &check);
    await_verdict(&lb, here.address(), "down", "answered with status 503");
    assert_eq!(here.checks(), 0);
}

/// A server that keeps the first bytes of each connection.
fn witness() -> (Peer, Arc<Mutex<Vec<Vec<u8>>>>) {
    let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let noted = Arc::clone(&heard);
    let witness = peer(move |mut stream: TcpStream| {
        let mut bytes = Vec::new();
        let mut piece = [0; 256];
        while let Ok(size @ 1..) = stream.read(&mut piece) {
            bytes.extend_from_slice(&piece[..size]);
            if bytes.ends_with(b"\r\n\r\n") && bytes.contains(&b'G') {
                break;
            }
        }
        // The check sees what comes of it.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        noted.lock().expect("no holder panics").push(bytes);
    });
    (witness, heard)
}

#[test]
fn checks_of_servers_that_speak_proxy_protocol_begin_with_it() {
    // This node speaks for itself: UNKNOWN, and LOCAL with its checksum (§2.1, §2.2, §2.2.3).
    let v1: &[u8] = b"PROXY UNKNOWN\r\n";
    let v2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20";
    for (version, begins) in [("v1", v1), ("v2", v2)] {
        for kind in ["tcp", "http"] {
            let (server, heard) = witness();
            let pool = format!("proxy_protocol = \"{version}\"");
            let lb = checking(&[server.address()], &pool, &format!("kind = \"{kind}\"\n"));
            await_verdict(&lb, server.address(), "up", "checks passed");
            let heard = heard.lock().expect("no holder panics").clone();
            assert!(!heard.is_empty(), "{version} {kind}");
            for bytes in heard {
                let said = String::from_utf8_lossy(&bytes);
                assert!(bytes.starts_with(begins), "{version} {kind}: {said:?}");
                assert_eq!(said.contains("GET / HTTP/1.1\r\n"), kind == "http", "{said:?}");
            }
        }
    }
}

/// A server with one component, the database at this address, which it asks at each deep check.
fn with_database(database: SocketAddr) -> Peer {
    web_peer(move |head: &Head| {
        let (status, body) = if head.first_line.starts_with("GET /health?deep ") {
            let asked = TcpStream::connect(database).and_then(|mut stream| {
                let mut word = [0; 2];
                stream.read_exact(&mut word).map(|()| word == *b"ok")
            });
            let state = if asked.is_ok_and(|well| well) { "up" } else { "down" };
            let component = format!(
                "{{\"name\":\"db\",\"status\":\"{state}\",\"critical\":true,\"latency_ms\":1}}"
            );
            let status = if state == "up" { "200 OK" } else { "503 Service Unavailable" };
            (status, format!("{{\"status\":\"{state}\",\"components\":[{component}]}}"))
        } else {
            ("200 OK", "a page".to_owned())
        };
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    })
}

/// One way to the database.
fn database_at(address: SocketAddr) -> Peer {
    peer_at(address, |mut stream| {
        // Whoever asks sees what comes of it.
        let _ = stream.write_all(b"ok");
    })
}

#[test]
fn a_database_lost_by_one_is_its_fault_and_lost_by_all_is_nobodys() {
    const SERVERS: usize = 5;
    let addresses: Vec<SocketAddr> = (0..SERVERS).map(|_| free_address()).collect();
    let mut ways: Vec<Option<Peer>> = addresses.iter().map(|it| Some(database_at(*it))).collect();
    let pool: Vec<Peer> = addresses.iter().map(|way| with_database(*way)).collect();
    let servers: Vec<SocketAddr> = pool.iter().map(Peer::address).collect();
    let listen = free_address();
    let check = "kind = \"deep\"\npath = \"/health?deep\"\n";
    let lb = balancer(&config(listen, &servers, "", check));
    let used = || {
        let status = lb.status();
        let shown = status["pools"][0]["servers"].as_array().cloned().unwrap_or_default();
        shown.iter().filter(|server| server["in_use"] == true).count()
    };
    for server in &servers {
        await_verdict(&lb, *server, "up", "checks passed");
    }

    // Stopped for one: that one leaves.
    ways[0] = None;
    await_verdict(&lb, servers[0], "down", "`db` is down for this server alone");
    assert_eq!(used(), SERVERS - 1);

    // Stopped for all: nobody else leaves, and the first has done nothing that the others have not.
    ways.fill_with(|| None);
    let events = |kind: &str| {
        let kind = format!("kind=\"{kind}\"");
        lb.log().lines().filter(|line| line.contains(&kind)).count()
    };
    wait_until("the database is found out", PATIENCE, || events("pool-degraded") > 0);
    let checks =
        |server: &SocketAddr| lb.server("app", &server.to_string())["checks_total"].as_u64();
    let before: Vec<Option<u64>> = servers.iter().map(checks).collect();
    wait_until("each is asked some more", PATIENCE, || {
        servers.iter().map(checks).zip(&before).all(|(now, before)| now > before.map(|it| it + 4))
    });
    assert!(used() >= SERVERS - 1, "{:#}", lb.status());
    assert_eq!((events("pool-degraded"), events("server-down")), (1, 1), "{}", lb.log());
    assert!((0..10).all(|_| get(listen, "/").status == 200));

    let _back: Vec<Peer> = addresses.iter().map(|it| database_at(*it)).collect();
    wait_until("the database is back", PATIENCE, || events("pool-recovered") > 0);
    wait_until("all are used again", PATIENCE, || used() == SERVERS);
    assert_eq!((events("pool-degraded"), events("pool-recovered")), (1, 1), "{}", lb.log());
}
