//! What a node tells of its traffic, and of what it would do.

use evenkeel_sim::prelude::*;
use serde_json::Value;

#[track_caller]
fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text())
        .unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// What the node says of `GET /`, on the command line.
#[track_caller]
fn explained(lb: &Balancer, arguments: &[&str]) -> Value {
    let output = lb.cli(&[&["explain", "--json"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("the explanation is JSON")
}

#[test]
fn explain_names_the_server_that_serves_next_and_takes_no_turn() {
    let pool: [Origin; 3] = origins();
    let listen = free_address();
    let lb = balancer(&two_workers(listen, &format!("servers = {}", servers(&pool))));
    let url = format!("http://{listen}/x?y=1");
    for _ in 0..6 {
        let before = explained(&lb, &["GET", &url]);
        assert_eq!(before, explained(&lb, &["GET", &url]), "asking twice changes nothing");
        let chosen = before["outcome"]["chosen"].as_str().expect("somebody is chosen").to_owned();
        let served = get(listen, "/x?y=1").server().to_owned();
        let number: usize = served.parse().expect("they are numbered");
        assert_eq!(chosen, pool[number].address().to_string());
    }
    let gone = pool[1].address().to_string();
    let drained = lb.cli(&["server", "drain", &format!("app/{gone}")]);
    assert!(drained.status.success());
    let after = explained(&lb, &[&url]);
    let servers = after["outcome"]["servers"].as_array().expect("a list");
    let verdict = servers.iter().find(|server| server["server"] == *gone).expect("it is listed");
    assert_eq!(verdict["verdict"], "draining: only those who stick to it");
    let said = lb.cli(&["explain", "GET", &url]);
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("draining: only those who stick to it"), "{said}");
    assert!(said.contains("If that fails, up to 2 more tries"), "{said}");
}

#[test]
fn explain_tells_refusals_and_routes_as_they_are_served() {
    let web = origin("web");
    let listen = free_address();
    let lb = balancer(&format!(
        r#"
[listener.front]
bind = ["{listen}"]
protocol = "http"
deny = ["192.0.2.0/24"]
[[listener.front.route]]
name = "api"
path = "/api/"
methods = ["GET"]
pool = "web"
rewrite = {{ strip_prefix = "/api" }}
[[listener.front.route]]
name = "beta"
path = "/api/"
headers = {{ "x-beta" = "1" }}
pool = "web"
[[listener.front.route]]
name = "old"
path = "/old/"
redirect = {{ to = "https://{{host}}/new", status = 308 }}
[pool.web]
servers = ["{}"]
"#,
        web.address()
    ));
    let url = |path: &str| format!("http://{listen}{path}");
    let api = explained(&lb, &["GET", &url("/api/users")]);
    assert_eq!((&api["route"], &api["outcome"]["path"]), (&"api".into(), &"/users".into()));
    assert_eq!(api["passed_over"][0]["why"], "header x-beta is not 1");
    let beta = explained(&lb, &["POST", &url("/api/users"), "-H", "X-Beta: 1"]);
    assert_eq!(beta["route"], "beta");
    assert_eq!(beta["passed_over"][0]["why"], "not this method");
    let old = explained(&lb, &[&url("/old/x"), "-H", "Host: shop.example"]);
    assert_eq!(old["outcome"]["location"], "https://shop.example/new");
    assert_eq!(get(listen, "/old/x").status, 308);
    let none = explained(&lb, &[&url("/none")]);
    assert_eq!(none["outcome"]["status"], get(listen, "/none").status);
    let denied = explained(&lb, &[&url("/api/users"), "--from", "192.0.2.7"]);
    assert_eq!(denied["outcome"]["status"], 403);
    let bad = explained(&lb, &[&url("/api/users"), "-H", "Content-Length: 1x"]);
    assert_eq!(bad["outcome"]["status"], 400);
    let nobody = lb.cli(&["explain", "GET", "https://shop.example/"]);
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(said.contains("no listener takes https; there are: front"), "{said}");
}

#[test]
fn figures_of_a_second_are_live_and_kept() {
    let [good, bad] = &origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &[good, bad]));
    let mut watching = client(lb.admin());
    watching.send(format!("GET /api/v1/live HTTP/1.1\r\nHost: {}\r\n\r\n", lb.admin()));
    let head = watching.try_head().expect("it begins at once");
    assert_eq!(head.first_line, "HTTP/1.1 200 OK");
    let first = watching.receive(64);
    let first = String::from_utf8_lossy(&first);
    assert!(first.contains("event: tick") && first.contains("data: {\"at\":"), "{first}");
    let (name, address) = ("pool/app", bad.address());
    bad.kill();
    let load = Load::start(Plan::rush(listen, 2, 200));
    wait_until("a second with requests is kept", PATIENCE, || {
        let history = json(&lb.api("GET", "/api/v1/history?of=pool/app,server/*/*&last=1m", ""));
        let series = history["series"].as_array().expect("a list").iter();
        let mut rates = series.filter(|it| it["of"] == name && it["figure"] == "rate");
        rates.any(|it| {
            it["values"].as_array().into_iter().flatten().any(|it| it.as_f64() > Some(0.0))
        })
    });
    load.finish();
    let pool = "pool=\"app\"";
    assert!(lb.metric("evenkeel_pool_requests_total", pool) >= 200.0);
    let durations = lb.metric("evenkeel_pool_response_duration_seconds_count", pool);
    assert!(durations >= 200.0, "{durations}");
    lb.await_health("app", address, "down");
    let refused = "termination=\"SC\"";
    assert!(lb.metric("evenkeel_server_terminations_total", refused) >= 1.0);
    good.kill();
    assert_eq!(get(listen, "/").status, 503);
    wait_until("it is kept how that was answered", PATIENCE, || {
        let asked = "/api/v1/history?of=listener/front&figures=answered_5xx,ended&last=1m";
        let history = json(&lb.api("GET", asked, ""));
        let series: Vec<_> = history["series"].as_array().into_iter().flatten().collect();
        let is_kept = |figure: &str| {
            let found = series.iter().find(|it| it["figure"] == figure);
            let values = found.and_then(|it| it["values"].as_array()).into_iter().flatten();
            values.filter_map(Value::as_f64).any(|rate| rate > 0.0)
        };
        is_kept("answered_5xx") && is_kept("ended_SC")
    });
}

#[test]
fn why_says_what_failed_and_proves_it() {
    let app = origin("app");
    let listen = free_address();
    let slow = "[history]\nslow = \"1h\"\n";
    let lb = balancer(&(http(listen, &[&app]) + slow));
    app.kill();
    assert_eq!(get(listen, "/lost").status, 503);
    lb.await_health("app", app.address(), "down");
    assert_eq!(get(listen, "/lost-too").status, 503);
    let why = |arguments: &[&str]| {
        let output = lb.cli(&[&["why"], arguments].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    wait_until("both are remembered", PATIENCE, || why(&["503"]).starts_with("2 requests"));
    let said = why(&["503", "--last", "5m"]);
    let server = format!("app/{}", app.address());
    for part in [
        "2 requests were answered 503 in the last 5 minutes.".to_owned(),
        format!("2 of them: server {server}: connection refused (SC)."),
        format!("server-down {server}: "),
        format!("GET test.example/lost from 127.0.0.1: 503 SC by {}", app.address()),
    ] {
        assert!(said.contains(&part), "{part:?} is not in:\n{said}");
    }
    let said = why(&["server", &server]);
    assert!(said.starts_with(&format!("{server} is down, for ")), "{said}");
    assert!(why(&["slow"]).starts_with("No exchange was slow"), "{}", why(&["slow"]));
}
