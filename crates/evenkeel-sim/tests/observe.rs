//! What a node tells of its traffic.

use evenkeel_sim::prelude::*;
use serde_json::Value;

#[track_caller]
fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text())
        .unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
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
