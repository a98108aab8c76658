//! More than can be done: breakers, retries that do not bury their servers, requests that are shed,
//! and clients that leave before a server has theirs.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use evenkeel_sim::balancer::file_with;
use evenkeel_sim::clock;
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
    for _ in 0..10 {
        // An answer may be read before the place of its request is free again.
        wait_until("one has room", PATIENCE, || {
            let answer = get(listen, "/");
            answer.status == 200 && answer.server() == "1"
        });
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

/// What one server does at once, and how long each request takes: threads that sleep, so that it
/// holds on a machine with other things to do.
const AT_ONCE: usize = 8;
const WORK: Duration = Duration::from_millis(200);
/// Requests a second that three such servers can answer.
const CAPACITY: u128 = 120;

/// Three servers at twice what they can do: what they achieved of [`CAPACITY`], and tries for each
/// request, both in percent.
fn storm(settings: &str) -> (u128, u64) {
    const TRIES: usize = 900;
    let pool: [Origin; 3] = origins();
    for server in &pool {
        server.set(Mode::Works { at_once: AT_ONCE, time: WORK });
    }
    let listen = free_address();
    let servers: Vec<_> = pool
        .iter()
        .map(|server| format!("{{ address = \"{}\"{settings} }}", server.address()))
        .collect();
    let retry = "retry = { on = [\"connect\", \"timeout\", \"503\"], budget_floor = 1 }\n\
                 queue = { length = 100, wait = \"1s\" }\n";
    let _lb = balancer(&config(listen, &format!("{retry}servers = [{}]", servers.join(", "))));
    let tries = || pool.iter().map(Origin::served).sum::<usize>();
    let began = clock::now();
    let load = Load::start(Plan::steady(listen, 240));
    wait_until("the storm has raged for a while", 3 * PATIENCE, || tries() >= TRIES);
    let report = load.stop();
    let could = CAPACITY * began.elapsed().as_millis() / 1_000;
    assert_eq!(report.corrupt, 0, "{report}");
    (u128::from(report.ok) * 100 / could, tries() as u64 * 100 / report.sent)
}

#[test]
fn a_retry_storm_leaves_most_of_the_capacity_for_work() {
    // Servers that refuse what is too much, and servers whose limit the balancer knows.
    for settings in ["", ", max_connections = 8"] {
        let (goodput, tries) = storm(settings);
        eprintln!("goodput {goodput} % of capacity, {tries} tries for 100 requests{settings}");
        assert!(goodput >= 80, "{goodput} % of capacity{settings}");
        assert!(tries <= 120, "{tries} tries for 100 requests{settings}");
    }
}

#[test]
fn the_least_important_routes_are_shed_first_and_let_in_again() {
    let [server] = &origins();
    server.set(Mode::Hang);
    let listen = free_address();
    let settings = format!(
        "queue = {{ wait = \"1h\" }}\nservers = [{{ address = \"{}\", max_connections = 1 }}]\n\
         [pool.other]\nservers = [\"{0}\"]\ncheck = false\n\
         [[listener.front.route]]\npath = \"/least\"\npool = \"other\"\npriority = 0\n\
         [[listener.front.route]]\npath = \"/most\"\npool = \"other\"\npriority = 9\n\
         [shed]\nqueue_wait = \"50ms\"\ncpu = \"100%\"\n",
        server.address()
    );
    let lb = balancer(&config(listen, &settings));
    let level = || lb.metric("evenkeel_shed_level", "");
    let mut running = [client(listen), client(listen)];
    for client in &mut running {
        client.send(GET);
    }
    wait_until("the queue's wait is over its limit for long", PATIENCE, || level() >= 9.0);
    let refused = get(listen, "/least");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(get(listen, "/").status, 503, "routes are of priority 5");
    let shed = lb.metric("evenkeel_listener_shed_total", "listener=\"front\",priority=\"0\"");
    assert!(shed >= 1.0);
    assert!(lb.log().contains("shed-level"), "{}", lb.log());
    assert_eq!(file_with(&lb.file("access.log"), 2), ["RQ 503", "RQ 503"]);
    let mut most = client(listen);
    most.send("GET /most HTTP/1.1\r\nHost: test.example\r\n\r\n");
    wait_until("the most important one is let in", PATIENCE, || {
        server.seen().iter().any(|seen| seen.target == "/most")
    });
    server.set(Mode::Ok);
    assert_eq!(most.answer().status, 200);
    for client in &mut running {
        assert_eq!(client.answer().status, 200);
    }
    wait_until("everybody is let in again", 3 * PATIENCE, || {
        let status = get(listen, "/least").status;
        status == 200
    });
}

#[test]
fn a_node_without_processor_time_serves_what_matters_most_and_then_everybody_again() {
    let [server] = &origins();
    let listen = free_address();
    // Any load at all is over this limit, on any machine, and rest is far below it.
    let settings = format!(
        "servers = [\"{}\"]\n[[listener.front.route]]\npath = \"/most\"\npool = \"app\"\n\
         priority = 9\n[[listener.front.route]]\npath = \"/\"\npool = \"app\"\npriority = 8\n\
         [shed]\nqueue_wait = \"1h\"\ncpu = \"5%\"\n",
        server.address()
    );
    let lb = balancer(&config(listen, &settings));
    let load = Load::start(Plan::rush(listen, 4, u64::MAX));
    wait_until("all that may be shed is", PATIENCE * 3, || {
        lb.metric("evenkeel_shed_level", "") >= 9.0
    });
    assert_eq!(get(listen, "/").status, 503);
    assert_eq!(get(listen, "/most").status, 200);
    let least = "listener=\"front\",priority=\"8\"";
    assert!(lb.metric("evenkeel_listener_shed_total", least) >= 1.0);
    wait_until("it is told", PATIENCE, || {
        lb.log().contains("of the processors are used (limit 5 %)")
    });
    load.stop();
    wait_until("who was shed is let in again", PATIENCE * 3, || get(listen, "/").status == 200);
}

/// A route that hedges, warmed up so that this node knows what late is, on one worker.
fn hedging(pool: &[Origin; 2], settings: &str) -> (Balancer, SocketAddr) {
    let listen = free_address();
    let settings = format!(
        "balance = \"first\"\n{settings}servers = {}\n\
         [[listener.front.route]]\npath = \"/\"\npool = \"app\"\nhedge = true\n",
        servers(pool)
    );
    let lb = balancer(&config(listen, &settings).replace("workers = 2", "workers = 1"));
    let mut client = client(listen);
    // As many as it takes and no more: a further one might be late by chance.
    for _ in 0..evenkeel_core::hedge::LEAST_ANSWERS {
        assert_eq!(client.get("/").status, 200);
    }
    (lb, listen)
}

#[test]
fn a_late_request_is_answered_by_a_second_server_and_the_first_one_is_given_up() {
    let pool: [Origin; 2] = origins();
    let (lb, listen) = hedging(&pool, "");
    assert_eq!(pool[1].served(), 0, "nobody was late");
    pool[0].set(Mode::Hang);
    let answer = get(listen, "/late");
    assert_eq!((answer.status, answer.server(), answer.is_intact()), (200, "1", true));
    for (figure, least) in [("hedges_total", 1.0), ("hedges_won_total", 1.0)] {
        assert!(lb.metric(&format!("evenkeel_pool_{figure}"), "") >= least, "{figure}");
    }
    let failures = lb.metric("evenkeel_server_failures_total", "");
    assert!(failures < 1.0, "nobody is blamed: {failures}");
    wait_until("nothing is under way", PATIENCE, || {
        lb.metric("evenkeel_server_in_flight", "") < 1.0
    });
    // What must not be done twice is waited for, and so is what has a body.
    let served = pool[1].served();
    let mut patient = client(listen);
    patient.send("POST /once HTTP/1.1\r\nHost: test.example\r\nContent-Length: 0\r\n\r\n");
    wait_until("the first one has it", PATIENCE, || {
        pool[0].seen().iter().any(|seen| seen.target == "/once")
    });
    assert_eq!(get(listen, "/late").server(), "1");
    pool[0].set(Mode::Ok);
    assert_eq!(patient.answer_to("POST").server(), "0");
    assert_eq!(pool[1].served(), served + 1);
}

#[test]
fn over_http2_the_first_server_is_given_up_by_a_reset() {
    let pool: [Origin; 2] = origins();
    let (near, far) = (free_address(), [free_address(), free_address()]);
    let settings = format!(
        "balance = \"first\"\nupstream = \"h2c\"\nservers = [\"{}\", \"{}\"]\n\
         [[listener.front.route]]\npath = \"/\"\npool = \"app\"\nhedge = true\n",
        far[0], far[1]
    );
    let behind = |at: usize| {
        let (bind, server) = (far[at], pool[at].address());
        format!(
            "[listener.far{at}]\nbind = [\"{bind}\"]\nprotocol = \"http\"\nh2c = true\n\
             pool = \"far{at}\"\n[pool.far{at}]\nservers = [\"{server}\"]\n"
        )
    };
    let near_text = config(near, &settings).replace("workers = 2", "workers = 1");
    let text = [near_text, behind(0), behind(1)].concat();
    let lb = balancer(&text);
    let mut client = client(near);
    for _ in 0..evenkeel_core::hedge::LEAST_ANSWERS {
        assert_eq!(client.get("/").status, 200);
    }
    pool[0].set(Mode::Hang);
    let answer = get(near, "/late");
    assert_eq!((answer.status, answer.server(), answer.is_intact()), (200, "1", true));
    assert!(lb.metric("evenkeel_pool_hedges_won_total", "pool=\"app\"") >= 1.0);
    // Behind the reset the far listener gives its server up, too.
    wait_until("nothing is under way", PATIENCE, || {
        lb.metric("evenkeel_server_in_flight", "") < 1.0
    });
    assert!(lb.metric("evenkeel_server_failures_total", "") < 1.0, "nobody is blamed");
}

#[test]
fn a_hedge_that_fails_leaves_the_first_server_its_time() {
    let pool: [Origin; 2] = origins();
    let (lb, listen) = hedging(&pool, "");
    pool[1].set(Mode::ResetBeforeAnswer);
    pool[0].set(Mode::Hang);
    let mut late = client(listen);
    late.send(GET);
    wait_until("the second one has failed", PATIENCE, || pool[1].served() == 1);
    pool[0].set(Mode::Ok);
    let answer = late.answer();
    assert_eq!((answer.status, answer.server()), (200, "0"));
    assert!(lb.metric("evenkeel_pool_hedges_won_total", "") < 1.0);
}

#[test]
fn when_the_first_server_breaks_the_hedge_serves() {
    let pool: [Origin; 2] = origins();
    let (_lb, listen) = hedging(&pool, "retry = { attempts = 0 }\n");
    pool[0].set(Mode::Hang);
    pool[1].set(Mode::Hang);
    let mut late = client(listen);
    late.send(GET);
    wait_until("both are asked", PATIENCE, || pool[1].served() == 1);
    pool[0].hang_up();
    pool[1].set(Mode::Ok);
    let answer = late.answer();
    assert_eq!((answer.status, answer.server()), (200, "1"));
}

#[test]
fn hedges_are_paid_from_the_retry_budget() {
    let pool: [Origin; 2] = origins();
    let (lb, listen) = hedging(&pool, "retry = { budget = \"0%\", budget_floor = 0 }\n");
    pool[0].set(Mode::Hang);
    let mut late = client(listen);
    late.send(GET);
    wait_until("it was refused", PATIENCE, || {
        lb.metric("evenkeel_pool_further_tries_total", "result=\"over-budget\"") >= 1.0
    });
    assert_eq!(pool[1].served(), 0);
    pool[0].set(Mode::Ok);
    assert_eq!(late.answer().server(), "0");
}
