//! Traces: what servers, the log and whoever asks why are told of them.

use std::collections::BTreeSet;

use evenkeel_sim::balancer::file_with;
use evenkeel_sim::frames::{Frames, get as fields_of_get};
use evenkeel_sim::http1::Head;
use evenkeel_sim::prelude::*;
use serde_json::Value;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CAME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Trace, span and flags of the one `traceparent` there must be.
#[track_caller]
fn told(head: &Head) -> [String; 3] {
    let lines: Vec<&str> = head.all("traceparent").collect();
    let [line] = lines[..] else { panic!("one line: {lines:?}") };
    let parts: Vec<&str> = line.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{line}") };
    assert_eq!((version, trace.len(), span.len(), flags.len()), ("00", 32, 16, 2), "{line}");
    [trace, span, flags].map(str::to_owned)
}

/// Listeners for each way of going on with traces, before one pool.
fn config<const N: usize>(server: &Origin, ways: [&str; N]) -> ([std::net::SocketAddr; N], String) {
    let listen = ways.map(|_| free_address());
    let pool = format!("[pool.app]\nservers = [\"{}\"]\n", server.address());
    let listeners = ways.iter().zip(&listen).map(|(way, at)| {
        format!(
            "[listener.{way}]\nbind = [\"{at}\"]\nprotocol = \"http\"\nh2c = true\npool = \"app\"\n\
             forwarding = {{ trace = \"{way}\" }}\n"
        )
    });
    let config = listeners.fold(pool, |config, listener| config + &listener);
    (listen, config)
}

fn sends(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n")
}

#[test]
fn a_trace_goes_on_begins_or_ends_here() {
    let server = origin("0");
    let ([off, pass, start, restart], config) =
        config(&server, ["off", "pass", "start", "restart"]);
    let _lb = balancer(&config);
    let seen = |listen, fields: &str| {
        server.forget();
        client(listen).send(sends(fields)).answer();
        server.seen().remove(0).head
    };
    let valid = format!("traceparent: {CAME}\r\ntracestate: a=1\r\ntracestate: b=2\r\n");
    let broken = "traceparent: 00-0-0-01\r\ntracestate: a=1\r\n";
    let twice = format!("{valid}{valid}");

    // Nobody is told of this node's spans: servers are told of the one that somebody knows.
    for listen in [pass, start] {
        let head = seen(listen, &valid);
        assert_eq!(head.header("traceparent"), Some(CAME));
        assert_eq!(head.all("tracestate").collect::<Vec<_>>(), ["a=1,b=2"]);
    }
    let head = seen(off, &valid);
    assert_eq!(head.all("tracestate").collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(seen(off, broken).header("traceparent"), Some("00-0-0-01"));
    for fields in ["", broken, &twice] {
        let head = seen(pass, fields);
        assert_eq!((head.header("traceparent"), head.header("tracestate")), (None, None));
    }
    let mut begun = BTreeSet::new();
    for (listen, fields) in
        [(start, ""), (start, broken), (start, &*twice), (restart, &*valid), (restart, "")]
    {
        let head = seen(listen, fields);
        let [trace, span, flags] = told(&head);
        assert_eq!((head.header("tracestate"), &*flags), (None, "03"), "{fields}");
        assert_ne!(trace, TRACE);
        begun.extend([trace, span]);
    }
    assert_eq!(begun.len(), 10, "each has ids of its own");
}

#[test]
fn traces_pass_over_http2_on_both_sides() {
    let server = origin("0");
    let ([start], far) = config(&server, ["start"]);
    let near = free_address();
    let _lb = balancer(&format!(
        "{far}[listener.near]\nbind = [\"{near}\"]\nprotocol = \"http\"\nh2c = true\npool = \"far\"\n\
         forwarding = {{ trace = \"start\" }}\n\
         [pool.far]\nservers = [\"{start}\"]\nupstream = \"h2c\"\n"
    ));
    let mut peer = Frames::connect(near);
    let fields = fields_of_get("/");
    let fields = [&fields[..], &[("traceparent", CAME), ("tracestate", "a=1")]].concat();
    peer.head(evenkeel_sim::frames::flag::END_STREAM, 1, &fields);
    assert_eq!(peer.outcome(1), "200");
    let head = &server.seen()[0].head;
    assert_eq!((head.header("traceparent"), head.header("tracestate")), (Some(CAME), Some("a=1")));
    server.forget();
    peer.get(3, "/");
    assert_eq!(peer.outcome(3), "200");
    assert_eq!(told(&server.seen()[0].head)[2], "03");
}

#[test]
fn each_try_is_a_span_of_its_own_in_one_trace() {
    let [broken, good] = &origins();
    broken.set(Mode::ResetBeforeAnswer);
    let listen = free_address();
    let pool = format!("balance = \"first\"\nservers = {}", servers([broken, good]));
    let config = two_workers(listen, &pool);
    let start = "protocol = \"http\"\nforwarding = { trace = \"start\" }";
    let _lb = balancer(&config.replacen("protocol = \"http\"", start, 1));
    assert_eq!(get(listen, "/").server(), "1");
    let [first, second] = [broken, good].map(|server| told(&server.seen()[0].head));
    assert_eq!(first[0], second[0]);
    assert_ne!(first[1], second[1]);
}

#[test]
fn log_headers_and_why_name_the_trace() {
    let app = origin("app");
    let listen = free_address();
    let config = http(listen, &[&app]).replacen(
        "pool = \"app\"",
        "forwarding = { trace = \"start\" }\n\
         [[listener.front.route]]\npool = \"app\"\n\
         request_headers = { set = { \"x-trace\" = \"{trace_id}\" } }\n\
         response_headers = { set = { \"x-trace\" = \"{trace_id}\" } }",
        1,
    );
    let log = "[access_log]\nformat = \"json\"\npath = \"access.log\"\n";
    let lb = balancer(&(config + log));
    let answer = get(listen, "/");
    let head = app.seen()[0].head.clone();
    let [trace, ..] = told(&head);
    assert_eq!(answer.header("x-trace"), Some(&*trace));
    assert_eq!(head.header("x-trace"), Some(&*trace));
    let line: Value = serde_json::from_str(&file_with(&lb.file("access.log"), 1)[0]).expect("JSON");
    assert_eq!(line["trace_id"], *trace);

    app.kill();
    let lost = client(listen).send(sends(&format!("traceparent: {CAME}\r\n"))).answer();
    assert_eq!(lost.status, 503);
    wait_until("it is remembered", PATIENCE, || {
        let said = lb.cli(&["why", "503"]);
        String::from_utf8_lossy(&said.stdout).contains(&format!(", trace {TRACE}"))
    });
}
