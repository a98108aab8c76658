//! Breakers that let a request in where there is room, and clients that leave before a server has it.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use evenkeel_sim::balancer::file_with;
use evenkeel_sim::prelude::*;
use socket2::{Domain, SockRef, Socket, Type};

const GET: &str = "GET / HTTP/1.1\r\nHost: test.example\r\n\r\n";

/// A pool that nothing but its requests tells about its servers; each exchange's termination code
/// and status are in `access.log`.
fn config(listen: SocketAddr, pool: &str) -> String {
    let log = "\n[access_log]\nformat = \"{termination} {status}\"\npath = \"access.log\"\n";
    let pool = format!("check = false\noutlier = false\n{pool}{log}");
    two_workers(listen, &pool).replace(QUICK_CHECK, "")
}

/// Ends the connection with a RST.
fn leave(client: Client) {
    let (stream, _) = client.into_parts();
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
}

#[test]
fn a_server_with_a_full_breaker_is_left_out_while_another_one_has_room() {
    let pool: [Origin; 3] = origins();
    for server in &pool {
        server.set(Mode::Hang);
    }
    let listen = free_address();
    let settings =
        format!("breaker = {{ server = {{ requests = 1 }} }}\nservers = {}", servers(&pool));
    let lb = balancer(&config(listen, &settings));
    let mut running: Vec<Client> = (0..3).map(|_| client(listen)).collect();
    for client in &mut running {
        client.send(GET);
    }
    wait_until("each has one", PATIENCE, || pool.iter().all(|server| server.served() == 1));
    let refused = get(listen, "/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(lb.metric("evenkeel_pool_refusals_total", "reason=\"server-breakers\"") >= 1.0);
    let shown = lb.server("app", &pool[1].address().to_string());
    let full = serde_json::json!([{ "load": "requests", "under_way": 1, "limit": 1 }]);
    assert_eq!(shown["breaker"], full);

    pool[1].set(Mode::Ok);
    wait_until("one has room", PATIENCE, || get(listen, "/").status == 200);
    for _ in 0..10 {
        let answer = get(listen, "/");
        assert_eq!((answer.status, answer.server()), (200, "1"));
    }
}

#[test]
fn a_pools_breaker_counts_a_request_over_all_its_tries_and_the_waits_between() {
    let [broken, silent] = &origins();
    broken.set(Mode::ResetBeforeAnswer);
    silent.set(Mode::Hang);
    let listen = free_address();
    let settings = format!(
        "balance = \"first\"\nbreaker = {{ requests = 1 }}\n\
         retry = {{ backoff = {{ base = \"1s\", most = \"1s\" }} }}\nservers = {}",
        servers([broken, silent])
    );
    let lb = balancer(&config(listen, &settings));
    let mut first = client(listen);
    first.send(GET);
    wait_until("it was tried", PATIENCE, || broken.served() == 1);
    wait_until("it is tried again", PATIENCE, || {
        assert_eq!(get(listen, "/").status, 503);
        silent.served() == 1
    });
    assert!(lb.metric("evenkeel_pool_refusals_total", "reason=\"pool-breaker\"") >= 1.0);
    assert!(lb.metric("evenkeel_pool_further_tries_total", "result=\"granted\"") >= 1.0);
    silent.set(Mode::Ok);
    assert_eq!(first.answer().status, 200);
    assert_eq!(broken.served(), 1, "nobody else got in");
}

#[test]
fn retries_over_their_breaker_are_not_made() {
    let [broken, silent] = &origins();
    broken.set(Mode::ResetBeforeAnswer);
    silent.set(Mode::Hang);
    let listen = free_address();
    let settings = format!(
        "balance = \"first\"\nbreaker = {{ retries = 1 }}\n\
         retry = {{ backoff = {{ base = \"1ms\", most = \"1ms\" }} }}\nservers = {}",
        servers([broken, silent])
    );
    let lb = balancer(&config(listen, &settings));
    let mut first = client(listen);
    first.send(GET);
    wait_until("it is tried again", PATIENCE, || silent.served() == 1);
    assert_eq!(get(listen, "/").status, 502, "the first failure stands");
    assert!(lb.metric("evenkeel_pool_further_tries_total", "result=\"over-breaker\"") >= 1.0);
    assert_eq!(silent.served(), 1);
}

#[test]
fn a_client_that_leaves_in_a_back_off_is_noticed_at_once() {
    let [broken, spare] = &origins();
    broken.set(Mode::ResetBeforeAnswer);
    let listen = free_address();
    let settings = format!(
        "balance = \"first\"\nretry = {{ backoff = {{ base = \"10d\", most = \"10d\" }} }}\nservers = {}",
        servers([broken, spare])
    );
    let lb = balancer(&config(listen, &settings));
    let mut gone = client(listen);
    gone.send(GET);
    wait_until("it was tried", PATIENCE, || broken.served() == 1);
    leave(gone);
    assert_eq!(file_with(&lb.file("access.log"), 1), ["CC -"]);
    assert_eq!(spare.served(), 0);
}

#[test]
fn a_client_that_leaves_while_a_connection_is_made_is_noticed_at_once() {
    let (_listener, _held, silent) = full_backlog();
    let listen = free_address();
    let settings = format!("servers = [\"{silent}\"]\ntimeouts = {{ connect = \"1h\" }}");
    let lb = balancer(&config(listen, &settings));
    let mut gone = client(listen);
    gone.send(GET);
    let in_flight = || lb.metric("evenkeel_server_in_flight", "pool=\"app\"");
    wait_until("a connection is being made", PATIENCE, || in_flight() >= 1.0);
    leave(gone);
    assert_eq!(file_with(&lb.file("access.log"), 1), ["CC -"]);
    assert!(in_flight() < 1.0);
}

/// An address at which connections are neither made nor refused.
fn full_backlog() -> (Socket, Vec<TcpStream>, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("descriptors left");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    listener.bind(&any.into()).expect("port 0 is always free");
    listener.listen(0).expect("bound");
    let address = listener.local_addr().expect("bound").as_socket().expect("IPv4");
    // A backlog of 0 holds one.
    let held = vec![TcpStream::connect(address).expect("there is room for one")];
    (listener, held, address)
}

#[test]
fn a_client_that_leaves_the_line_is_noticed_at_once() {
    let [server] = &origins();
    server.set(Mode::Hang);
    let listen = free_address();
    let settings = format!(
        "queue = {{ wait = \"1h\" }}\nservers = [{{ address = \"{}\", max_connections = 1 }}]",
        server.address()
    );
    let lb = balancer(&config(listen, &settings));
    let mut first = client(listen);
    first.send(GET);
    wait_until("the server is full", PATIENCE, || server.served() == 1);
    let mut gone = client(listen);
    gone.send(GET);
    let length = || lb.metric("evenkeel_pool_queue_length", "pool=\"app\"");
    wait_until("one waits", PATIENCE, || length() >= 1.0);
    assert_eq!(lb.status()["pools"][0]["waiting"], 1);
    leave(gone);
    assert_eq!(file_with(&lb.file("access.log"), 1), ["CC -"]);
    assert!(length() < 1.0);
    server.set(Mode::Ok);
    assert_eq!(first.answer().status, 200);
}
