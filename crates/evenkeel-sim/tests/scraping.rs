//! What scrapers see: two forms of our own names, and those of nginx and `HAProxy`, held against
//! the programs themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use evenkeel_sim::haproxy::{NO_HAPROXY, haproxy};
use evenkeel_sim::nginx::{NO_NGINX, nginx_stub_status};
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::find;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// A node that has had a request, and one that was an error.
fn node(server: &Origin) -> Balancer {
    let listen = free_address();
    let start = "protocol = \"http\"\nforwarding = { trace = \"start\" }";
    let lb = balancer(&http(listen, &[server]).replacen("protocol = \"http\"", start, 1));
    client(listen).get("/");
    client(listen).get("/?status=500");
    wait_until("both are counted", PATIENCE, || {
        lb.metric("evenkeel_pool_answers_total", "code") >= 2.0
    });
    lb
}

fn scraped(lb: &Balancer, target: &str, accept: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    let answer = client(lb.admin()).send(request).answer();
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer
}

/// Has a program read `text`.
fn fed(command: &mut Command, text: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it is there");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// What a family is, and the labels of its samples.
#[derive(Debug, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').expect("a name and a kind");
            let family = Family { kind: kind.to_owned(), ..Family::default() };
            families.insert(name.to_owned(), family);
        } else if !line.starts_with('#') {
            let (name, rest) = line.split_once(['{', ' ']).expect("a name and a value");
            let family = families.get_mut(name).unwrap_or_else(|| panic!("{name} has no TYPE"));
            let labels = rest.split_once('}').map_or("", |(labels, _)| labels);
            let names = labels.split("\",").filter_map(|label| label.split_once('='));
            family.labels.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
    families
}

#[test]
fn promtool_has_nothing_to_say_but_of_names_that_are_others() {
    let promtool = skip_unless!(find("promtool"), "promtool (prometheus) is not installed");
    let [server] = &origins();
    let lb = node(server);
    for (target, allowed) in [
        ("/metrics", &[][..]),
        ("/metrics?compat=haproxy", &[]),
        // nginx-prometheus-exporter calls these so.
        ("/metrics?compat=nginx", &["nginx_connections_accepted", "nginx_connections_handled"]),
    ] {
        let text = scraped(&lb, target, "*/*").text();
        let said = fed(Command::new(&promtool).args(["check", "metrics"]), &text);
        let words = String::from_utf8_lossy(&said.stderr);
        let unexpected =
            words.lines().filter(|line| !allowed.iter().any(|it| line.starts_with(it)));
        assert_eq!(unexpected.collect::<Vec<_>>(), Vec::<&str>::new(), "{target}");
        assert_eq!(said.status.success(), allowed.is_empty(), "{target}: {words}");
    }
}

#[test]
fn open_metrics_is_what_its_own_reader_takes() {
    const READ: &str = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
        print(sum(len(family.samples) for family in read(sys.stdin.read())))";
    // The system's own: packages are for it, and another may come first on the path.
    let python = "/usr/bin/python3";
    let is_there = Command::new(python).args(["-c", "import prometheus_client"]).output();
    let is_there = is_there.is_ok_and(|output| output.status.success());
    skip_unless!(is_there.then_some(()), "python3-prometheus-client is not installed");
    let [server] = &origins();
    let lb = node(server);
    for target in ["/metrics", "/metrics?compat=nginx", "/metrics?compat=haproxy"] {
        let answer = scraped(&lb, target, OPEN_METRICS);
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        assert!(kind.starts_with(OPEN_METRICS), "{kind}");
        let text = answer.text();
        assert!(text.ends_with("\n# EOF\n"), "{target}");
        let read = fed(Command::new(python).args(["-c", READ]), &text);
        assert!(read.status.success(), "{target}: {}", String::from_utf8_lossy(&read.stderr));
        let samples = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), samples.to_string(), "{target}");
    }
}

#[test]
fn buckets_and_errors_show_a_trace_in_open_metrics_only() {
    let [server] = &origins();
    let lb = node(server);
    let traces: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| seen.head.header("traceparent").expect("it was begun")[3..35].to_owned())
        .collect();
    let text = scraped(&lb, "/metrics", OPEN_METRICS).text();
    let shown = |name: &str| -> Vec<&str> {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.split_once(" # {trace_id=\"")?.1.get(..32)).collect()
    };
    for name in [
        "evenkeel_listener_request_duration_seconds_bucket",
        "evenkeel_pool_response_duration_seconds_bucket",
        "evenkeel_server_response_duration_seconds_bucket",
    ] {
        let shown = shown(name);
        assert!(!shown.is_empty(), "{name}");
        assert!(shown.iter().all(|shown| traces.iter().any(|trace| trace == shown)), "{shown:?}");
    }
    for name in ["evenkeel_listener_errors_total", "evenkeel_pool_errors_total"] {
        assert_eq!(shown(name), [&traces[1]], "{name}");
    }
    let plain = scraped(&lb, "/metrics", "text/plain").text();
    assert!(!plain.contains("trace_id"));
}

#[test]
fn stub_status_is_nginx_byte_for_byte_but_for_the_numbers() {
    let nginx = skip_unless!(nginx_stub_status(), NO_NGINX);
    let [server] = &origins();
    let lb = node(server);
    let form = |text: &str| {
        let mut form = String::new();
        for c in text.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }) {
            if c != 'N' || !form.ends_with('N') {
                form.push(c);
            }
        }
        form
    };
    let theirs = get(nginx.address(), "/");
    let ours = scraped(&lb, "/stub_status", "*/*");
    assert_eq!(form(&ours.text()), form(&theirs.text()));
    assert_eq!(ours.header("content-type"), theirs.header("content-type"));
}

#[test]
fn the_names_of_nginxs_exporter() {
    let [server] = &origins();
    let lb = node(server);
    let ours = families(&scraped(&lb, "/metrics?compat=nginx", "*/*").text());
    // What nginx-prometheus-exporter makes of stub_status.
    let theirs = [
        ("nginx_connections_accepted", "counter"),
        ("nginx_connections_active", "gauge"),
        ("nginx_connections_handled", "counter"),
        ("nginx_connections_reading", "gauge"),
        ("nginx_connections_waiting", "gauge"),
        ("nginx_connections_writing", "gauge"),
        ("nginx_http_requests_total", "counter"),
        ("nginx_up", "gauge"),
    ];
    let theirs = theirs.map(|(name, kind)| {
        (name.to_owned(), Family { kind: kind.to_owned(), labels: BTreeSet::new() })
    });
    assert_eq!(ours, BTreeMap::from(theirs));
}

#[test]
fn the_names_of_haproxys_exporter() {
    let [server] = &origins();
    let (front, stats) = (free_address(), free_address());
    let config = format!(
        " mode http\n\
         frontend stats\n bind {stats}\n http-request use-service prometheus-exporter\n\
         frontend front\n bind {front}\n default_backend app\n\
         backend app\n server one {} check\n",
        server.address()
    );
    let _witness = skip_unless!(haproxy(&config, stats), NO_HAPROXY);
    let theirs = families(&get(stats, "/metrics").text());
    let lb = node(server);
    let ours = families(&scraped(&lb, "/metrics?compat=haproxy", "*/*").text());
    assert!(ours.len() > 40, "{}", ours.len());
    for (name, family) in &ours {
        assert_eq!(Some(family), theirs.get(name), "{name}");
    }
}
