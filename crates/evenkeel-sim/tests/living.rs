//! Living with it: stop, drain, ask, log.

use std::process::{Command, Output};
use std::time::Duration;

use evenkeel_sim::balancer::file_with;
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::find;
use serde_json::Value;

const GET: &str = "GET / HTTP/1.1\r\nHost: test.example\r\n\r\n";

#[test]
fn what_runs_is_finished_before_the_end() {
    let [server] = &origins();
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[server]));
    server.set(Mode::Hang);
    let mut running = client(listen);
    running.send(GET);
    wait_until("the request is under way", PATIENCE, || server.served() == 1);
    lb.terminate();
    wait_until("it says that it is not ready", PATIENCE, || {
        lb.try_api("GET", "/readyz", "").is_ok_and(|answer| answer.status == 503)
    });
    assert_eq!(lb.api("GET", "/healthz", "").status, 200);
    wait_until("it accepts no more", PATIENCE, || Client::connect(listen).is_err());
    server.set(Mode::Ok);
    assert!(running.answer().is_intact());
    assert_eq!(lb.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let [server] = &origins();
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[server]));
    server.set(Mode::Hang);
    let mut running = client(listen);
    running.send(GET);
    wait_until("the request is under way", PATIENCE, || server.served() == 1);
    lb.terminate();
    wait_until("it drains", PATIENCE, || {
        lb.try_api("GET", "/readyz", "").is_ok_and(|answer| answer.status == 503)
    });
    lb.terminate();
    lb.wait(PATIENCE);
    running.try_answer("GET").expect_err("it was ended");
}

#[test]
fn an_idle_node_ends_at_once() {
    let [server] = &origins();
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[server]));
    let mut idle = client(listen);
    assert_eq!(idle.get("/").status, 200);
    lb.terminate();
    assert_eq!(lb.wait(PATIENCE).code(), Some(0));
    idle.expect_closed();
}

#[test]
fn a_limit_ends_what_does_not_finish() {
    let [server] = &origins();
    let listen = free_address();
    let mut lb = balancer(&("[node]\ndrain = \"300ms\"\n".to_owned() + &http(listen, &[server])));
    server.set(Mode::Hang);
    let mut running = client(listen);
    running.send(GET);
    wait_until("the request is under way", PATIENCE, || server.served() == 1);
    lb.terminate();
    assert_eq!(lb.wait(PATIENCE).code(), Some(0));
}

/// A server's path in the API.
fn path(server: &Origin) -> String {
    format!("/api/v1/pools/app/servers/{}", server.address())
}

#[test]
fn servers_are_drained_and_taken_out_by_the_api() {
    let [one, two] = &origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &[one, two]));
    one.set(Mode::Hang);
    two.set(Mode::Hang);
    let mut running = [client(listen), client(listen)];
    for client in &mut running {
        client.send(GET);
    }
    wait_until("both are busy", PATIENCE, || one.served() == 1 && two.served() == 1);
    two.set(Mode::Ok);

    for state in ["drain", "maint"] {
        let body = format!("{{\"state\":\"{state}\",\"author\":\"ops\",\"reason\":\"a test\"}}");
        let answer = lb.api("PUT", &path(one), &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let server: Value = serde_json::from_str(&answer.text()).expect("JSON");
        assert_eq!(server["admin"]["state"], state);
        assert_eq!(
            (&server["admin"]["author"], &server["admin"]["reason"]),
            (&"ops".into(), &"a test".into())
        );
        assert!((0..6).all(|_| get(listen, "/").server() == "1"), "{state}");
    }
    // What ran on it was left alone.
    one.set(Mode::Ok);
    let answered = running.map(|mut client| client.answer().server().to_owned());
    assert!(answered.contains(&"0".to_owned()), "{answered:?}");

    assert_eq!(lb.api("PUT", &path(one), "{\"state\":\"ready\"}").status, 200);
    wait_until("it is used again", PATIENCE, || get(listen, "/").server() == "0");
    assert_eq!(
        lb.api("PUT", "/api/v1/pools/app/servers/none", "{\"state\":\"ready\"}").status,
        404
    );
    assert_eq!(lb.api("PUT", &path(one), "{\"state\":\"asleep\"}").status / 100, 4);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_command_line_speaks_to_the_node() {
    let [one, two] = &origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &[one, two]));
    let server = format!("app/{}", one.address());

    done(&lb.cli(&["server", "drain", &server, "--wait"]));
    assert_eq!(lb.server("app", &one.address().to_string())["admin"]["state"], "drain");
    assert!((0..6).all(|_| get(listen, "/").server() == "1"));
    let shown = done(&lb.cli(&["status"]));
    assert!(shown.contains("drain") && shown.contains(&one.address().to_string()), "{shown}");
    let status: Value = serde_json::from_str(&done(&lb.cli(&["status", "--json"]))).expect("JSON");
    assert_eq!(status["pools"][0]["servers"][0]["admin"]["state"], "drain");
    done(&lb.cli(&["server", "maint", &server]));
    assert_eq!(lb.server("app", &one.address().to_string())["admin"]["state"], "maint");
    done(&lb.cli(&["server", "ready", &server]));
    wait_until("it is used again", PATIENCE, || get(listen, "/").server() == "0");

    let version = lb.version();
    lb.write_config(&format!("# new\n{}", http(listen, &[one])));
    done(&lb.cli(&["reload"]));
    assert_ne!(lb.version(), version);
    lb.write_config("[listener.front]\nbnd = 1\n");
    let refused = lb.cli(&["reload"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("bnd"), "{}", text(&refused.stderr));

    let unknown = lb.cli(&["server", "drain", "app/none"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown.stderr));
    assert_eq!(lb.cli(&["server", "rest", &server]).status.code(), Some(2));
}

#[test]
fn a_drain_waits_for_what_runs_and_says_who_wanted_it_and_why() {
    let [server] = &origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &[server]));
    let name = server.address().to_string();
    let which = format!("app/{name}");
    server.set(Mode::Hang);
    let mut client = client(listen);
    client.send("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    wait_until("it is under way", PATIENCE, || lb.server("app", &name)["in_flight"] == 1);

    let why = ["--reason", "new disk", "--author", "ann"];
    let drain = ["server", "drain", &which, "--wait"];
    let late = lb.cli(&[&drain[..], &["--limit", "1"], &why].concat());
    assert_eq!(late.status.code(), Some(1));
    let told = text(&late.stderr);
    assert!(told.contains("draining, 1 under way after 1 s"), "{told}");
    let admin = lb.server("app", &name)["admin"].clone();
    assert_eq!(
        (&admin["state"], &admin["author"], &admin["reason"]),
        (&"drain".into(), &"ann".into(), &"new disk".into())
    );

    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| lb.cli(&[&drain[..], &["--author", "bob"]].concat()));
        wait_until("it is asked again", PATIENCE, || {
            lb.server("app", &name)["admin"]["author"] == "bob"
        });
        assert!(!waiting.is_finished(), "a request is under way");
        server.set(Mode::Ok);
        assert_eq!(client.answer().status, 200);
        let said = done(&waiting.join().expect("it ends"));
        assert_eq!(said, format!("{which} is draining, 0 under way\n"));
    });
    for state in ["maint", "ready"] {
        done(&lb.cli(&[&["server", state, &which, "--wait"][..], &why].concat()));
        let admin = lb.server("app", &name)["admin"].clone();
        assert_eq!((&admin["state"], &admin["author"]), (&state.into(), &"ann".into()));
    }
}

#[test]
fn metrics_can_be_read_and_count() {
    let [server] = &origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &[server]));
    let mut client = client(listen);
    for _ in 0..20 {
        client.get("/");
    }
    client.get("/?status=404");
    let text = lb.api("GET", "/metrics", "").text();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
        assert!(name.starts_with("evenkeel_") || name.starts_with("process_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    wait_until("the requests are counted", PATIENCE, || {
        lb.metric("evenkeel_listener_requests_total", "listener=\"front\"") >= 21.0
    });
}

#[test]
fn the_access_log_is_combined() {
    let [server] = &origins();
    let listen = free_address();
    let log = "[access_log]\nformat = \"combined\"\npath = \"access.log\"\n";
    let lb = balancer(&(http(listen, &[server]) + log));
    client(listen)
        .send(
            "GET /a?size=7 HTTP/1.1\r\nHost: test.example\r\nReferer: http://from.example/\r\n\
             User-Agent: a \"test\" \\\r\n\r\n",
        )
        .answer();
    let line = file_with(&lb.file("access.log"), 1).remove(0);
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(
        line.contains("] \"GET /a?size=7 HTTP/1.1\" 200 7 \"http://from.example/\" \""),
        "{line}"
    );
    assert!(!line.contains("\"test\""), "{line}");
}

#[test]
fn the_access_log_is_json() {
    let [server] = &origins();
    let listen = free_address();
    let log = "[access_log]\nformat = \"json\"\npath = \"access.log\"\n";
    let lb = balancer(&(http(listen, &[server]) + log));
    get(listen, "/a%22b?size=7");
    // Workers write their lines in batches of their own.
    file_with(&lb.file("access.log"), 1);
    client(listen).send("GET / HTTP/1.1\r\n\r\n").answer();
    let lines = file_with(&lb.file("access.log"), 2);
    let first: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!((&first["method"], &first["path"]), (&"GET".into(), &"/a%22b?size=7".into()));
    assert_eq!((first["status"].as_u64(), first["bytes"].as_u64()), (Some(200), Some(7)));
    assert_eq!((&first["pool"], &first["termination"]), (&"app".into(), &"--".into()));
    let second: Value = serde_json::from_str(&lines[1]).expect("JSON");
    assert_eq!((second["status"].as_u64(), &second["termination"]), (Some(400), &"PR".into()));
}

#[test]
fn the_access_log_follows_a_template_and_is_rotated() {
    let [server] = &origins();
    let listen = free_address();
    let log = "[access_log]\nformat = \"{client} {method} {path} {status} {pool}\"\npath = \"access.log\"\n";
    let config = http(listen, &[server]) + log;
    let lb = balancer(&config);
    get(listen, "/one");
    assert_eq!(file_with(&lb.file("access.log"), 1), ["127.0.0.1 GET /one 200 app"]);
    std::fs::rename(lb.file("access.log"), lb.file("access.log.1")).expect("it is there");
    lb.reload(&format!("# rotated\n{config}"));
    get(listen, "/two");
    assert_eq!(file_with(&lb.file("access.log"), 1), ["127.0.0.1 GET /two 200 app"]);
}

#[test]
fn an_ordinary_user_can_run_it_and_one_right_is_enough_for_low_ports() {
    let root = rustix::process::geteuid().is_root();
    let setpriv = find("setpriv").filter(|_| root);
    skip_unless!(setpriv, "needs root and setpriv, to become another user");
    let [server] = &origins();
    let mut listen = free_address();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    skip_unless!(can_start(&nobody), "the program lies where another user cannot reach it");
    let mut lb = Start::with(&http(listen, &[server])).under(&nobody).start();
    assert_eq!(get(listen, "/").status, 200);
    let status = std::fs::read_to_string(format!("/proc/{}/status", lb.process().pid()));
    assert!(status.is_ok_and(|status| status.contains("Uid:\t65534\t65534")));

    listen.set_port(80);
    let right = ["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"];
    let low = Start::with(&http(listen, &[server])).under(&[&nobody[..], &right].concat());
    let _low = low.start();
    assert_eq!(get(listen, "/").status, 200);
}

fn can_start(wrapper: &[&str]) -> Option<()> {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(evenkeel_sim::balancer::binary()).arg("--version");
    command.output().is_ok_and(|output| output.status.success()).then_some(())
}

#[test]
fn a_request_that_panics_takes_only_its_connection() {
    let [server] = &origins();
    let listen = free_address();
    let start =
        Start::with(&http(listen, &[server])).variable("EVENKEEL_FAULT_PANIC_PATH", "/__panic");
    let mut lb = start.start();
    let mut kept = client(listen);
    assert_eq!(kept.get("/").status, 200);
    for _ in 0..20 {
        let mut lost = client(listen);
        lost.send("GET /__panic HTTP/1.1\r\nHost: test.example\r\n\r\n");
        let answer = lost.try_answer("GET");
        assert!(answer.map_or(true, |answer| answer.status == 500));
        assert_eq!(kept.get("/").status, 200);
        assert_eq!(get(listen, "/").status, 200);
    }
    assert!(lb.process().is_running());
}

#[test]
fn started_without_a_file_it_balances() {
    let pool: [Origin; 2] = origins();
    let (listen, admin) = (free_address(), free_address());
    let to = pool.each_ref().map(|origin| origin.address().to_string()).join(",");
    let mut command = evenkeel_sim::process::bound(&evenkeel_sim::balancer::binary());
    command.args(["serve", "--listen", &listen.to_string(), "--to", &to]);
    command.env("EVENKEEL__ADMIN__BIND", admin.to_string());
    let mut process = evenkeel_sim::process::Process::start("evenkeel", command);
    wait_until("it answers", PATIENCE, || {
        assert!(process.is_running(), "{}", process.stderr.text());
        Client::connect(listen).is_ok()
    });
    let order: Vec<String> = (0..10).map(|_| get(listen, "/").server().to_owned()).collect();
    assert_eq!(order, ["0", "1"].repeat(5));
    process.signal(Signal::TERM);
    assert_eq!(process.wait(Duration::from_secs(10)).code(), Some(0));
}
