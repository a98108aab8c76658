//! The load test that is shipped, against a node.

use evenkeel_sim::prelude::*;
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
