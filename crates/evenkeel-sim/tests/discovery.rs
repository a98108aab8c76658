//! A real Prometheus that is told by the node itself what to scrape, and shows what stands for what
//! it counts.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{Process, bound, find};
use evenkeel_sim::scratch::Scratch;
use serde_json::Value;

/// For a look at the file, a scrape and a question, of a program that has just been started.
const SCRAPED: Duration = Duration::from_secs(40);

/// What a Prometheus says to a question; nothing while it is still starting.
fn asked(prometheus: SocketAddr, path: &str, query: &str) -> Vec<Value> {
    let mut target = format!("/api/v1/{path}?query=");
    for byte in query.bytes() {
        write!(target, "%{byte:02X}").expect("strings grow");
    }
    // Exemplars are asked for over a time.
    target += "&start=1&end=4000000000";
    let Ok(mut client) = Client::connect(prometheus) else { return Vec::new() };
    let request = format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n");
    let answer = client.send(request).answer();
    let found: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
    let found = if path == "query" { &found["data"]["result"] } else { &found["data"] };
    found.as_array().cloned().unwrap_or_default()
}

#[test]
fn prometheus_scrapes_what_the_node_says_and_shows_its_exemplars() {
    let prometheus = skip_unless!(find("prometheus"), "prometheus is not installed");
    let server = origin("0");
    let (listen, scraped) = (free_address(), origin("metrics"));
    let metrics = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
                   Content-Length: 7\r\n\r\nthis 1\n";
    scraped.set(Mode::raw(metrics));
    let scratch = Scratch::new("discovery");
    let file = scratch.file("targets.json");
    let start = "protocol = \"http\"\nforwarding = { trace = \"start\" }";
    let lb = balancer(&format!(
        "{}[prometheus]\ntargets_file = \"{}\"\nports = {{ app = {} }}\n[node]\nname = \"lb0\"\n",
        http(listen, &[&server]).replacen("protocol = \"http\"", start, 1),
        file.display(),
        scraped.address().port(),
    ));
    wait_until("the file is written", PATIENCE, || file.exists());
    scratch.write(
        "prometheus.yml",
        "global: { scrape_interval: 500ms }\nscrape_configs:\n\
         - { job_name: evenkeel, file_sd_configs: [{ files: ['targets.json'], refresh_interval: 1s }] }\n",
    );
    let at = free_address();
    let mut command = bound(&prometheus);
    command.arg(format!("--web.listen-address={at}"));
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
    command.arg("--enable-feature=exemplar-storage").current_dir(scratch.path());
    let _prometheus = Process::start("prometheus", command);
    let is_up = |labels: &str| {
        let query = format!("up{{{labels}}} == 1");
        wait_until(&query, SCRAPED, || asked(at, "query", &query).len() == 1);
    };
    is_up("job=\"evenkeel\",node=\"lb0\"");
    is_up(&format!("job=\"app\",pool=\"app\",server=\"{}\"", server.address()));

    get(listen, "/");
    let head = server.seen()[0].head.clone();
    let trace = &head.header("traceparent").expect("it was begun")[3..35];
    wait_until("its trace is shown", SCRAPED, || {
        let found = asked(at, "query_exemplars", "evenkeel_pool_response_duration_seconds_bucket");
        found.iter().any(|series| series["exemplars"][0]["labels"]["trace_id"] == *trace)
    });

    // A server that comes at run time is told of as well.
    let other = origin("1");
    let body = format!("{{\"address\": \"{}\", \"name\": \"late\"}}", other.address());
    assert_eq!(lb.api("POST", "/api/v1/pools/app/servers", &body).status, 200);
    is_up("job=\"app\",server=\"late\"");
}
