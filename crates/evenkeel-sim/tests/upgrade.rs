//! Processes that follow one another, and clients who do not notice.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use evenkeel_sim::link::{Link, NO_LINK};
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{Stranger, find};
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::stream::StreamOrigin;
use serde_json::Value;

/// An http listener and a tcp one, on so many workers.
fn both(
    http: SocketAddr,
    tcp: SocketAddr,
    web: &Origin,
    echo: &StreamOrigin,
    workers: u8,
) -> String {
    format!(
        r#"
[node]
workers = {workers}
[listener.front]
bind = ["{http}"]
protocol = "http"
pool = "web"
[listener.bytes]
bind = ["{tcp}"]
protocol = "tcp"
pool = "echo"
[pool.web]
servers = ["{}"]
[pool.echo]
servers = ["{}"]
"#,
        web.address(),
        echo.address()
    )
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Puts another program where the node's own is.
fn replace_program(lb: &Balancer, script: &str) {
    let new = lb.file("new");
    fs::write(&new, script).expect("the scratch directory takes it");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::rename(new, lb.file("evenkeel")).expect("the same folder");
}

#[test]
fn requests_and_streams_survive_three_upgrades() {
    let (web, echo) = (origin("web"), stream_origin("echo"));
    let (http, tcp) = (free_address(), free_address());
    let mut lb = balancer(&both(http, tcp, &web, &echo, 2));
    let mut streams: Vec<Client> = (0..200).map(|_| client(tcp)).collect();
    for stream in &mut streams {
        assert_eq!(stream.send("one").receive(8), b"echo\none");
    }
    let load = Load::start(Plan::steady(http, 1_200));
    // Other numbers of workers: every queue is still somebody's.
    for workers in [3, 1, 2] {
        let before = load.ok();
        lb.write_config(&both(http, tcp, &web, &echo, workers));
        lb.upgrade();
        wait_until("requests go on", PATIENCE * 3, || load.ok() > before + 1_000);
        for stream in &mut streams {
            assert_eq!(stream.send("again").receive(5), b"again");
        }
    }
    wait_until("many requests are answered", PATIENCE * 6, || load.ok() >= 20_000);
    let report = load.stop();
    assert!(report.is_clean(), "{report}");
    assert_eq!(echo.spoken(), 200, "no stream was made anew");
    // With the last stream, the first process ends.
    assert!(lb.process().is_running());
    drop(streams);
    assert!(lb.wait(PATIENCE).success());
}

#[test]
fn a_signal_upgrades_and_who_is_connected_may_ask_once_more() {
    let web = origin("web");
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[&web]));
    let first = lb.serving();
    let mut client = client(listen);
    let get = "GET / HTTP/1.1\r\nHost: test.example\r\n\r\n";
    client.send(get);
    assert_eq!(client.answer().header("connection"), None);
    lb.process().signal(Signal::USR2);
    wait_until("another one serves", PATIENCE, || lb.serving() != first);
    lb.adopt();
    wait_until("nobody stands by", PATIENCE, || lb.log().contains("finishing what runs here"));
    client.send(get);
    let last = client.answer();
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    assert!(lb.wait(PATIENCE).success());
    assert_eq!(get_once(listen), 200);
}

fn get_once(listen: SocketAddr) -> u16 {
    let mut client = client(listen);
    client.send("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    client.answer().status
}

#[test]
fn a_new_program_that_is_broken_replaces_nothing() {
    let web = origin("web");
    let listen = free_address();
    let lb = balancer(&http(listen, &[&web]));
    let first = lb.serving();
    let load = Load::start(Plan::steady(listen, 200));
    for (script, reason) in [
        ("#!/bin/sh\nexit 3\n", "exit status: 3"),
        ("no program at all", "cannot start"),
        ("#!/bin/sh\necho nonsense >&0\n", "exit status: 0"),
    ] {
        replace_program(&lb, script);
        let refused = lb.cli(&["upgrade"]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(said(&refused).contains(reason), "{}", said(&refused));
    }
    assert_eq!(lb.serving(), first);
    let before = load.ok();
    wait_until("requests go on", PATIENCE, || load.ok() > before + 50);
    let report = load.stop();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_file_with_faults_is_refused_with_a_word() {
    let web = origin("web");
    let listen = free_address();
    let lb = balancer(&http(listen, &[&web]));
    let first = lb.serving();
    lb.write_config("[listener.x]\nbind = \"nowhere\"\n");
    let refused = lb.cli(&["upgrade"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("evenkeel check"), "{}", said(&refused));
    assert_eq!((lb.serving(), get_once(listen)), (first, 200));
}

#[test]
fn when_the_new_process_dies_the_old_one_serves_on() {
    let web = origin("web");
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[&web]));
    let first = lb.serving();
    let answer = lb.api("POST", "/api/v1/upgrade", "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_until("another one serves", PATIENCE, || lb.serving() != first);
    lb.adopt().signal(Signal::KILL);
    wait_until("the first one serves", PATIENCE, || lb.serving() == first);
    wait_until("it says so", PATIENCE, || lb.log().contains("this one serves on alone"));
    assert_eq!(get_once(listen), 200);
    // And it can be upgraded as before.
    lb.upgrade();
    assert_ne!(lb.serving(), first);
    assert_eq!(get_once(listen), 200);
    assert!(lb.wait(PATIENCE).success());
}

#[test]
fn the_old_process_ends_what_does_not_end_within_its_limit() {
    let (web, echo) = (origin("web"), stream_origin("echo"));
    let (http, tcp) = (free_address(), free_address());
    let config = both(http, tcp, &web, &echo, 2);
    let limit = "drain_after_upgrade = \"1s\"\n[listener.front]";
    let mut lb = balancer(&config.replacen("[listener.front]", limit, 1));
    let mut stream = client(tcp);
    assert_eq!(stream.send("one").receive(8), b"echo\none");
    lb.upgrade();
    assert!(lb.wait(PATIENCE).success());
    wait_until("it says so", PATIENCE, || lb.log().contains("1 connections were cut"));
    assert_eq!(get_once(http), 200);
}

#[test]
fn the_old_process_can_be_told_to_hurry() {
    let web = origin("web");
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[&web]));
    let mut idle = client(listen);
    idle.get("/");
    lb.upgrade();
    assert!(lb.process().is_running(), "it waits for who may ask once more");
    lb.terminate();
    assert!(lb.wait(PATIENCE).success());
    assert_eq!((idle.rest().1, get_once(listen)), (None, 200));
}

#[test]
fn what_an_operator_said_holds_in_the_new_process() {
    let (a, b) = (origin("a"), origin("b"));
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[&a, &b]));
    let drained = lb.cli(&["server", "drain", &format!("app/{}", a.address())]);
    assert!(drained.status.success(), "{drained:?}");
    lb.upgrade();
    assert_eq!(lb.server("app", &a.address().to_string())["admin"]["state"], "drain");
    a.forget();
    assert!((0..6).all(|_| get_once(listen) == 200));
    assert_eq!(a.served(), 0);
}

#[test]
fn sockets_of_a_service_manager_are_taken() {
    // As systemd passes them (sd_listen_fds(3)): from descriptor 3 on.
    const MANAGER: &str = "import os, socket, sys\n\
        named = [it.rsplit(':', 1) for it in sys.argv[1].split(',')]\n\
        sockets = [socket.create_server((host, int(port))) for host, port in named]\n\
        kept = [os.dup(it.fileno()) for it in sockets]\n\
        high = [os.dup2(it, 50 + n, False) for n, it in enumerate(kept)]\n\
        [os.dup2(it, 3 + n) for n, it in enumerate(high)]\n\
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)))\n\
        os.execv(sys.argv[2], sys.argv[2:])\n";
    let web = origin("web");
    let (listen, unused) = (free_address(), free_address());
    let passed = format!("{listen},{unused}");
    let start = Start::with(&http(listen, &[&web])).under(&["python3", "-c", MANAGER, &passed]);
    let lb = start.start();
    assert_eq!(get_once(listen), 200);
    let expected = format!("{unused}: handed over, but no listener is there: closed");
    assert!(lb.log().contains(&expected), "{}", lb.log());
    std::net::TcpStream::connect(unused).expect_err("closed");
}

#[test]
fn the_service_manager_hears_that_it_lives_and_who_follows() {
    let web = origin("web");
    let manager = Scratch::new("manager");
    let path = manager.file("notify");
    let socket = UnixDatagram::bind(&path).expect("the scratch directory takes it");
    let notices = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&notices);
    let listening = thread::spawn(move || {
        let mut notice = [0; 1024];
        while let Ok(size) = socket.recv(&mut notice)
            && &notice[..size] != b"end"
        {
            heard
                .lock()
                .expect("no holder panics")
                .push_str(&String::from_utf8_lossy(&notice[..size]));
        }
    });
    let count = |word: &str| notices.lock().expect("no holder panics").matches(word).count();
    let path = path.to_str().expect("a plain path");
    let good = http(free_address(), &[&web]);
    let start = Start::with(&good);
    let start = start.variable("NOTIFY_SOCKET", path).variable("WATCHDOG_USEC", "200000");
    let mut lb = start.start();
    assert_eq!(count("READY=1"), 1);
    wait_until("it lives", PATIENCE, || count("WATCHDOG=1") > 1);
    lb.write_config("[listener]\nbind = 7\n");
    lb.process().signal(Signal::HUP);
    let refused = "STATUS=the last change was refused, everything stays as it was: ";
    wait_until("a refusal is said", PATIENCE, || count(refused) == 1);
    lb.write_config(&good);
    lb.upgrade();
    let follows = format!("MAINPID={}\n", lb.serving());
    wait_until(&follows, PATIENCE, || count(&follows) == 1);
    assert!(lb.wait(PATIENCE).success());
    let before = count("WATCHDOG=1");
    wait_until("the new one lives and says so", PATIENCE, || count("WATCHDOG=1") > before);
    let end = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"end", path));
    end.expect("somebody listens");
    listening.join().expect("it does not panic");
}

#[test]
fn the_service_manager_understands_the_units() {
    let tool = skip_unless!(find("systemd-analyze"), "systemd-analyze is not installed");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd");
    let units = Scratch::new("units");
    let mut verify = Command::new(tool);
    verify.arg("verify");
    for name in ["evenkeel.service", "evenkeel.socket"] {
        let unit = fs::read_to_string(folder.join(name)).expect("it is packaged");
        // What is not installed here, and what managers before 253 do not know.
        let unit = unit.replace("/usr/bin/evenkeel", "/bin/true");
        let unit = unit.replace("notify-reload", "notify").replace("man:evenkeel(1)", "");
        verify.arg(units.write(name, unit));
    }
    let output = verify.output().expect("it was found");
    let said = String::from_utf8_lossy(&output.stderr);
    // It looks at units of this machine, too.
    assert!(!said.contains("evenkeel."), "{said}");
}

#[test]
fn a_pair_does_not_notice_that_its_owner_is_replaced() {
    let vip = |priority: u8| {
        format!(
            "[vip.main]\naddress = \"192.0.2.10/24\"\ninterface = \"eth0\"\nrouter_id = 51\n\
             priority = {priority}\nadvertise = \"fast\"\n"
        )
    };
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let (mut a, b) = link.pair(vip);
    let client = link.watch("client", "192.0.2.10");
    let upgraded = a.api("POST", "/api/v1/upgrade", "").expect("a serves");
    let upgraded: Value = serde_json::from_str(&upgraded).expect("a document");
    let heir = upgraded["process"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let heir = Stranger::find(heir.expect("a process id"));
    assert!(a.process().wait(PATIENCE).success());
    a.await_state("main", "active");
    assert_eq!(a.vip("main")["reason"], "the process before owned it");
    let seen = client.end();
    eprintln!("upgraded: {seen}");
    assert_eq!((seen.servers, seen.failed), (vec!["a".to_owned()], 0));
    assert!(!b.log().contains("→ active"), "{}", b.log());
    // The one that follows has the address at heart like the first.
    heir.signal(Signal::TERM);
    b.await_state("main", "active");
    wait_until("a has given it away", PATIENCE, || !link.has("a", "192.0.2.10"));
}
