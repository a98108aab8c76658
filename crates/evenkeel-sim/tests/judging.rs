//! What is done about requests that fail or come too many: retries, their budget, breakers.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_sim::prelude::*;

/// A pool that nothing but its requests tells about its servers.
fn config(listen: SocketAddr, pool: &str) -> String {
    format!(
        r#"
[node]
workers = 2
[listener.front]
bind = ["{listen}"]
protocol = "http"
pool = "app"
[pool.app]
balance = "first"
check = false
outlier = false
{pool}
"#
    )
}

#[test]
fn retries_of_a_pool_that_fails_as_a_whole_stay_within_its_budget() {
    const REQUESTS: u64 = 500;
    const FLOOR: u64 = 10; // one a second, over the window of ten
    let pool: [Origin; 3] = origins();
    for server in &pool {
        server.set(Mode::ResetBeforeAnswer);
    }
    let listen = free_address();
    let settings =
        format!("retry = {{ budget = \"20%\", budget_floor = 1 }}\nservers = {}", servers(&pool));
    let _lb = balancer(&config(listen, &settings));
    Load::start(Plan::rush(listen, 8, REQUESTS)).finish();
    let attempts: u64 = pool.iter().map(|server| server.served() as u64).sum();
    assert!(attempts > REQUESTS, "some are tried again: {attempts}");
    assert!(attempts <= REQUESTS * 12 / 10 + FLOOR, "{attempts} attempts of {REQUESTS} requests");
}

#[test]
fn what_must_not_be_done_twice_is_so_only_on_the_operators_word() {
    let [broken, good] = origins();
    broken.set(Mode::ResetBeforeAnswer);
    for (unsafe_methods, status) in [(false, 502), (true, 200)] {
        let listen = free_address();
        let settings = format!(
            "retry = {{ unsafe_methods = {unsafe_methods} }}\nservers = {}",
            servers([&broken, &good])
        );
        let _lb = balancer(&config(listen, &settings));
        assert_eq!(client(listen).post("/", b"order").status, status);
        assert_eq!(get(listen, "/").status, 200, "a GET may always be done twice");
    }
}

#[test]
fn a_server_that_is_late_loses_the_request_to_another_one() {
    let [late, good] = origins();
    late.set(Mode::Hang);
    let listen = free_address();
    let settings =
        format!("retry = {{ per_try = \"100ms\" }}\nservers = {}", servers([&late, &good]));
    let _lb = balancer(&config(listen, &settings));
    let answer = get(listen, "/");
    assert_eq!((answer.status, answer.server()), (200, "1"));
    assert_eq!(late.served(), 1);
}

#[test]
fn beyond_its_breaker_a_request_is_refused_at_once() {
    for breaker in ["{ requests = 1 }", "{ server = { requests = 1 } }"] {
        let [server] = &origins();
        server.set(Mode::Slow(Duration::from_secs(1)));
        let listen = free_address();
        let settings = format!("breaker = {breaker}\nservers = {}", servers([server]));
        let _lb = balancer(&config(listen, &settings));
        let mut first = client(listen);
        first.send("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n");
        wait_until("the server has it", PATIENCE, || server.served() == 1);
        assert_eq!(get(listen, "/").status, 503, "{breaker}");
        assert_eq!(first.answer().status, 200, "{breaker}");
        // An answer may be read before the place of its request is free again.
        wait_until("what is over makes room", PATIENCE, || get(listen, "/").status == 200);
    }
}
