//! `evenkeel bench` against a small server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::node::command;
use crate::{directory, evenkeel, text};

/// Answers each request by its path: `/ok`, `/fail` (503), `/never`, `/close` (hangs up).
struct Service {
    address: SocketAddr,
    seen: Arc<AtomicU32>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(AtomicU32::new(0));
        let counts = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counts = Arc::clone(&counts);
                thread::spawn(move || serve(stream, &counts));
            }
        });
        Self { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> u32 {
        self.seen.load(Ordering::Relaxed)
    }
}

/// Until the client or the path ends it.
fn serve(stream: TcpStream, seen: &AtomicU32) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    loop {
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        lines.by_ref().find(String::is_empty)?;
        seen.fetch_add(1, Ordering::Relaxed);
        let answer: &[u8] = match path.as_str() {
            "/never" => continue,
            "/close" => return None,
            "/fail" => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n",
        };
        writer.write_all(answer).ok()?;
    }
}

fn bench(args: &[&str]) -> (Option<i32>, Value, String) {
    let Output { status, stdout, stderr } =
        evenkeel(&directory("check"), &[&["bench", "--json"], args].concat());
    (status.code(), serde_json::from_str(&text(&stdout)).unwrap_or_default(), text(&stderr))
}

#[test]
fn each_request_of_the_schedule_is_sent_and_answered() {
    let service = Service::start();
    let page = std::env::temp_dir().join(format!("evenkeel-bench-{}.html", std::process::id()));
    let shown = page.to_str().expect("the path is text");
    let args = ["--rate", "60..100", "--duration", "500ms", "--html", shown, "--threads", "2"];
    let (code, report, stderr) = bench(&[&args[..], &[&service.url("/ok")]].concat());
    assert_eq!((code, &*stderr), (Some(0), ""));
    let total = &report["total"];
    assert_eq!((&total["requests"], &total["good"]), (&40.into(), &40.into()), "{report}");
    assert_eq!(service.seen(), 40);
    assert!(total["latency_seconds"]["p999"].as_f64() > Some(0.0), "{report}");
    assert!(report["levels"].as_array().is_some_and(|levels| levels.len() == 5), "{report}");
    let written = fs::read_to_string(&page).expect("it was written");
    fs::remove_file(&page).expect("it is ours");
    assert_eq!(written.matches("<svg").count(), 6, "three by rate, three by time");
}

#[test]
fn an_answer_that_does_not_come_delays_no_request() {
    let service = Service::start();
    let args = ["--rate", "100", "--duration", "300ms", "--timeout", "500ms"];
    let (code, report, _) = bench(&[&args[..], &[&service.url("/never")]].concat());
    assert_eq!(code, Some(0));
    assert_eq!(report["total"]["failures"], serde_json::json!({ "timeout": 30 }), "{report}");
    let p50 = report["total"]["latency_seconds"]["p50"].as_f64();
    assert!(p50 > Some(0.49), "giving up makes nothing faster: {report}");
    // With one connection the others do not even leave, and count all the same.
    let url = service.url("/never");
    let (_, report, _) = bench(&[&args[..], &["--connections", "1", &url]].concat());
    assert_eq!(report["total"]["failures"], serde_json::json!({ "timeout": 30 }), "{report}");
    assert!(report["total"]["waited"].as_u64() >= Some(29), "{report}");
}

#[test]
fn failures_are_told_apart_and_limits_are_held() {
    let service = Service::start();
    let limits = ["--max-errors", "50%", "--max-p99", "1m"];
    for (path, kind, code, said) in [
        ("/ok", None, 0, ""),
        ("/fail", Some("5xx"), 1, "100.000 % of the requests failed"),
        ("/close", Some("reset"), 1, "no request was answered"),
    ] {
        let url = service.url(path);
        let args = [&url, "--rate", "50", "--duration", "200ms"];
        let (exit, report, stderr) = bench(&[&args[..], &limits].concat());
        assert_eq!(exit, Some(code), "{path}: {report}");
        assert!(stderr.contains(said), "{path}: {stderr}");
        if let Some(kind) = kind {
            assert_eq!(report["total"]["failures"][kind], 10, "{report}");
        }
    }
}

#[test]
fn exit_codes_tell_an_unreachable_target_from_usage() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{unused}/");
    for (args, code, part) in [
        (&[&*url][..], 1, "cannot be reached at 127.0.0.1:"),
        (&["127.0.0.1:80"], 2, "write http://HOST:PORT/PATH"),
        (&[&*url, "--rate", "0"], 2, "requests a second, such as"),
        (&[&*url, "--rate", "1..2", "--steps", "500"], 2, "at least 100 ms long"),
        (&[&*url, "-H", "nonsense"], 2, "write 'NAME: VALUE'"),
        (&[], 2, "required"),
    ] {
        let (exit, _, stderr) = bench(args);
        assert_eq!(exit, Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
}

#[test]
fn ctrl_c_ends_early_with_what_there_is() {
    let service = Service::start();
    let mut child = command(&directory("check"))
        .args(["bench", "--json", "--rate", "100", "--duration", "1h", &service.url("/ok")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    while service.seen() < 5 {
        thread::sleep(Duration::from_millis(2)); // wait: until the load has begun
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let report: Value = serde_json::from_reader(&mut stdout).expect("it is JSON");
    assert_eq!(child.wait().expect("it is our child").code(), Some(0));
    assert_eq!(report["ended_early"], true);
    assert!(report["total"]["good"].as_u64() >= Some(1), "{report}");
}

#[test]
fn a_person_reads_a_table() {
    let service = Service::start();
    let url = service.url("/ok");
    let args = ["bench", &url, "--rate", "50", "--duration", "200ms"];
    let shown = text(&evenkeel(&directory("check"), &args).stdout);
    for part in ["GET http://127.0.0.1:", "OFFERED/S", "P99.9", "all ", "none"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

fn compare(args: &[&str]) -> Value {
    let Output { status, stdout, stderr } =
        evenkeel(&directory("check"), &[&["bench", "compare", "--json"], args].concat());
    assert_eq!(status.code(), Some(0), "{}", text(&stderr));
    serde_json::from_slice(&stdout).expect("it is JSON")
}

#[test]
fn one_against_two_needs_nothing_but_the_program() {
    let args = ["--rate", "20..40", "--duration", "600ms", "--steps", "2", "--max-errors", "0"];
    let comparison = compare(&args);
    for (part, requests) in [("one", 18), ("two", 18)] {
        assert_eq!(comparison[part]["total"]["good"], requests, "{part}: {comparison}");
    }
    let loss = &comparison["loss"];
    assert_eq!((&loss["how"], &loss["report"]["total"]["failed"]), (&"killed".into(), &0.into()));
    assert!(loss["after"]["good"].as_u64() >= Some(1), "{loss}");
}

#[test]
fn one_against_two_of_real_servers() {
    let services = [Service::start(), Service::start()];
    let to = services.each_ref().map(|service| service.address.to_string()).join(",");
    let args = ["--rate", "50", "--duration", "400ms", "--steps", "1", "--timeout", "10s"];
    let comparison = compare(&[&args[..], &["--to", &to, "--path", "/ok"]].concat());
    assert_eq!(comparison["one"]["total"]["good"], 20, "{comparison}");
    assert_eq!(comparison["loss"]["how"], "taken out");
    assert_eq!(comparison["loss"]["report"]["total"]["failed"], 0, "{comparison}");
    assert!(
        services[0].seen() > services[1].seen(),
        "the second was left out at first and at last"
    );
    assert!(services[1].seen() >= 10, "{}", services[1].seen());
}

#[test]
fn what_a_comparison_starts_ends_with_it() {
    let mut child = command(&directory("check"))
        .args(["bench", "compare", "--duration", "1h"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let line = stderr.lines().map_while(Result::ok).next();
    assert!(line.is_some_and(|line| line.contains("ended afterwards")));
    let id = child.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.expect("the kernel tells of children");
    assert_eq!(children.split_whitespace().count(), 4, "two servers, two balancers: {children}");
    child.kill().expect("it runs");
    child.wait().expect("it is our child");
    for child in children.split_whitespace() {
        let status = || fs::read_to_string(format!("/proc/{child}/status"));
        while status().is_ok_and(|status| !status.contains("State:\tZ")) {
            thread::sleep(Duration::from_millis(5)); // wait: until the kernel has ended it
        }
    }
}
