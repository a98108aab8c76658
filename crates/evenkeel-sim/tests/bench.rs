//! The load test that is shipped, against a node.

use evenkeel_sim::haproxy::{NO_HAPROXY, haproxy};
use evenkeel_sim::nginx::{NO_NGINX, nginx_http2};
use evenkeel_sim::prelude::*;
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::tls::{Certificate, NO_OPENSSL};
use serde_json::Value;

fn report(lb: &Balancer, args: &[&str]) -> Value {
    let output = lb.cli(&[&["bench"], args, &["--json"]].concat());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

#[test]
fn tls_is_spoken_with_whom_is_trusted() {
    let [server] = &origins();
    let listen = free_address();
    let certificate = skip_unless!(Certificate::new(&listen.ip().to_string()), NO_OPENSSL);
    let (chain, key) = (certificate.chain(), certificate.key());
    let front = format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"https\"\npool = \"app\"\n\
         certificates = [{{ chain = {chain:?}, key = {key:?} }}]\n\
         [pool.app]\nservers = [\"{}\"]\n",
        server.address()
    );
    let lb = balancer(&front);
    let url = format!("https://{listen}/?size=100000");
    let chain = chain.to_str().expect("a path of ours");
    for trust in [&["--ca", chain][..], &["--insecure"], &["--insecure", "--no-keep-alive"]] {
        let args = [&[&*url, "--rate", "50", "--duration", "400ms"], trust].concat();
        let report = report(&lb, &args);
        assert_eq!(report["total"]["good"], 20, "{trust:?}: {report}");
        let made = report["connections_made"].as_u64().expect("a number");
        assert_eq!(made >= 20, trust.contains(&"--no-keep-alive"), "{trust:?}: {made}");
    }
    let stranger = lb.cli(&["bench", &url]);
    assert_eq!(stranger.status.code(), Some(1));
    let words = String::from_utf8_lossy(&stranger.stderr);
    assert!(words.contains("cannot be reached") && words.contains("certificate"), "{words}");
}

#[test]
fn a_server_of_a_real_balancer_is_taken_out_and_put_back() {
    let [one, two] = &origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &[one, two]));
    let (alone, both) = (format!("http://{}/", one.address()), format!("http://{listen}/"));
    let server = format!("app/{}", two.address());
    let load = ["--rate", "50", "--duration", "400ms", "--steps", "1", "--timeout", "1s"];
    let urls = ["compare", "--one", &alone, "--two", &both, "--maint", &server];
    let comparison = report(&lb, &[&urls[..], &load].concat());
    assert_eq!(comparison["loss"]["how"], "taken out");
    assert_eq!(comparison["loss"]["report"]["total"]["failed"], 0, "{comparison}");
    let is = |state: &str| lb.server("app", &two.address().to_string())["admin"]["state"] == state;
    assert!(is("ready"));
    let seen = two.served();
    assert!(seen >= 10, "it had its half of the second test: {seen}");

    lb.cli(&["server", "drain", &server]);
    let refused = lb.cli(&[&["bench"], &urls[..], &load].concat());
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(words.contains("somebody is at work on it"), "{words}");
    assert!(is("drain"), "what somebody else has said stays");
}

/// So many requests in half a second over no more than two connections.
const FEW: [&str; 6] = ["--rate", "200", "--duration", "500ms", "--connections", "2"];

/// What was spoken, and how many were answered well on how many connections.
fn outcome(report: &Value) -> (&str, Option<u64>, Option<u64>) {
    let good = report["total"]["good"].as_u64();
    (report["http"].as_str().unwrap_or_default(), good, report["connections_made"].as_u64())
}

#[test]
fn nginx_chooses_http_2_and_loses_nothing_when_it_ends_connections() {
    let certificate = skip_unless!(Certificate::new("127.0.0.1"), NO_OPENSSL);
    let server = skip_unless!(nginx_http2("far", &certificate, 20), NO_NGINX);
    let [here] = &origins();
    let lb = balancer(&http(free_address(), &[here]));
    let url = format!("https://{}/", server.address());
    let asked = |more: &[&str]| report(&lb, &[&[&*url, "--insecure"], &FEW[..], more].concat());
    let chosen = asked(&[]);
    let (http, good, made) = outcome(&chosen);
    assert_eq!((http, good), ("2", Some(100)), "{chosen}");
    assert!(made >= Some(5), "a connection carries twenty: {chosen}");
    let told = asked(&["--http", "1.1"]);
    assert_eq!(outcome(&told).0, "1.1", "{told}");
}

#[test]
fn haproxy_is_spoken_to_in_http_2_with_tls_and_without() {
    let certificate = skip_unless!(Certificate::new("127.0.0.1"), NO_OPENSSL);
    let scratch = Scratch::new("pem");
    let read = |path| std::fs::read_to_string(path).expect("made just now");
    let pem = scratch.write("both.pem", read(certificate.chain()) + &read(certificate.key()));
    let (plain, secure) = (free_address(), free_address());
    let config = format!(
        "frontend front\n mode http\n bind {plain} proto h2\n bind {secure} ssl crt {} alpn h2\n \
         http-request return status 200 content-type text/plain string well\n",
        pem.display()
    );
    let _peer = skip_unless!(haproxy(&config, plain), NO_HAPROXY);
    let [here] = &origins();
    let lb = balancer(&http(free_address(), &[here]));
    for (scheme, address) in [("http", plain), ("https", secure)] {
        let url = format!("{scheme}://{address}/");
        let how = ["--http", "2", "--streams", "4", "--insecure", "--body", "some words"];
        let report = report(&lb, &[&[&*url][..], &how, &FEW].concat());
        assert_eq!(report["streams"], 4);
        let (http, good, made) = outcome(&report);
        assert_eq!((http, good), ("2", Some(100)), "{report}");
        assert!(made <= Some(2), "{report}");
    }
}

#[test]
fn a_server_that_does_not_speak_http_2_is_said_to() {
    let [here] = &origins();
    let lb = balancer(&http(free_address(), &[here]));
    let url = format!("http://{}/", here.address());
    let refused = lb.cli(&["bench", &url, "--http", "2"]);
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(words.contains("cannot be reached") && words.contains("HTTP/2"), "{words}");
}

#[test]
fn a_comparison_speaks_http_2_as_well() {
    let [one, two] = &origins();
    let lb = balancer(&http(free_address(), &[one]));
    let to = format!("{},{}", one.address(), two.address());
    let args = ["compare", "--to", &to, "--http", "2", "--rate", "100", "--duration", "300ms"];
    let comparison = report(&lb, &[&args[..], &["--steps", "1", "--timeout", "1s"]].concat());
    for part in ["one", "two"] {
        let (http, good, _) = outcome(&comparison[part]);
        assert_eq!((http, good), ("2", Some(30)), "{comparison}");
    }
    assert_eq!(comparison["loss"]["report"]["total"]["failed"], 0, "{comparison}");
}
