//! Who is let in, and how often.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use evenkeel_sim::balancer::file_with;
use evenkeel_sim::prelude::*;

/// A node with these settings of an http listener on two workers, before pool `app`.
fn http_with(settings: &str, rest: &str) -> (SocketAddr, Origin, Balancer) {
    let (listen, app) = (free_address(), origin("app"));
    let lb = balancer(&format!(
        "[node]\nworkers = 2\n[access_log]\npath = \"access.log\"\nformat = \"{{status}} {{termination}}\"\n\
         [listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\npool = \"app\"\n{settings}\n{rest}\n\
         [pool.app]\nservers = [\"{}\"]\n{QUICK_CHECK}",
        app.address()
    ));
    (listen, app, lb)
}

fn from(listen: SocketAddr, source: &str, target: &str) -> Answer {
    client(listen)
        .send(format!(
            "GET {target} HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: {source}\r\n\r\n"
        ))
        .answer()
}

#[test]
fn addresses_are_allowed_and_denied_by_listener_and_by_route() {
    let (listen, app, lb) = http_with(
        r#"
trusted_proxies = ["127.0.0.0/8"]
deny = ["198.51.100.0/24", "2001:db8:bad::/48"]
[[listener.front.route]]
path = "/admin/"
pool = "app"
allow = ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"]
deny = ["192.0.2.128/25"]
"#,
        "",
    );
    let cases = [
        ("192.0.2.1", "/", 200),
        ("198.51.100.7", "/", 403),
        ("::ffff:198.51.100.7", "/", 403),
        ("2001:db8:bad::1", "/", 403),
        ("192.0.2.1", "/admin/", 200),
        ("192.0.2.129", "/admin/", 403),
        ("203.0.113.1", "/admin/", 403),
        ("203.0.113.1", "/x/../admin/", 403),
        // What the listener denies no route lets in.
        ("198.51.100.7", "/admin/", 403),
        ("2001:db8::1", "/admin/", 200),
    ];
    for (source, target, status) in cases {
        assert_eq!(from(listen, source, target).status, status, "{source} {target}");
    }
    let refused = cases.iter().filter(|(_, _, status)| *status == 403).count();
    assert_eq!(app.served(), cases.len() - refused);
    let lines = file_with(&lb.file("access.log"), cases.len());
    assert_eq!(lines.iter().filter(|line| *line == "403 PR").count(), refused);
    let counted = lb.metric("evenkeel_listener_refusals_total", "reason=\"denied\"");
    assert_eq!(counted.to_string(), refused.to_string());
}

#[test]
fn a_refused_client_keeps_its_connection_and_cannot_smuggle_behind_it() {
    let (listen, app, _lb) = http_with("deny = [\"127.0.0.1\"]", "");
    let mut client = client(listen);
    assert_eq!(client.get("/").status, 403);
    assert_eq!(client.get("/").status, 403);
    let answer = client.post("/", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.status == 403 && !answer.keeps);
    assert_eq!(app.served(), 0);
}

#[test]
fn a_denied_tcp_client_is_closed_without_a_byte() {
    let (listen, server) = (free_address(), stream_origin("name"));
    let servers = format!("servers = [\"{}\"]", server.address());
    let denied = "protocol = \"tcp\"\ndeny = [\"127.0.0.0/8\"]";
    let config = tcp(listen, &[]).replace("servers = []", &servers);
    let lb = balancer(&config.replace("protocol = \"tcp\"", denied));
    client(listen).expect_closed();
    wait_until("the refusal is counted", PATIENCE, || {
        lb.metric("evenkeel_listener_refusals_total", "reason=\"denied\"") >= 1.0
    });
    lb.reload(&config);
    assert_eq!(client(listen).send("one").receive(8), b"name\none");
}

#[test]
fn beyond_its_rate_a_client_is_told_when_to_come_back() {
    let limits = "[rate.login]\nrate = \"2/m\"\nburst = 3\n\
                  [rate.watched]\nrate = \"1/h\"\nkey = \"header:x-key\"\ndry_run = true";
    let settings = "trusted_proxies = [\"127.0.0.1\"]\nrate_limits = [\"watched\"]\n\
                    [[listener.front.route]]\npath = \"/login\"\npool = \"app\"\nrate_limits = [\"login\"]";
    let (listen, app, lb) = http_with(settings, limits);
    let statuses = (0..4).map(|_| from(listen, "192.0.2.1", "/login").status);
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 200, 200, 429]);
    let refused = from(listen, "192.0.2.1", "/login");
    let wait: u32 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("said");
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"login\";q=3;w=90"));
    assert_eq!(refused.header("ratelimit"), Some(&*format!("\"login\";r=0;t={wait}")));
    // Others are others; an IPv6 client is its /64; other paths have no such limit.
    assert_eq!(from(listen, "192.0.2.2", "/login").status, 200);
    let neighbours =
        (1..=4).map(|host| from(listen, &format!("2001:db8::{host}"), "/login").status);
    assert_eq!(neighbours.collect::<Vec<_>>(), [200, 200, 200, 429]);
    assert_eq!(from(listen, "192.0.2.1", "/").status, 200);
    assert_eq!(app.served(), 8);
    let exceeded = |rate| lb.metric("evenkeel_rate_exceeded_total", rate).to_string();
    assert_eq!(exceeded("rate=\"login\""), "3");
    // Eleven came without the header: one for each of three addresses was granted.
    assert_eq!(exceeded("rate=\"watched\""), "8");
}

#[test]
fn a_limit_survives_a_reload() {
    let (listen, app, lb) =
        http_with("rate_limits = [\"all\"]", "[rate.all]\nrate = \"1/h\"\nkey = \"route\"");
    assert_eq!(get(listen, "/").status, 200);
    assert_eq!(get(listen, "/").status, 429);
    lb.reload(&format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\npool = \"app\"\nrate_limits = [\"all\"]\n\
         [rate.other]\nrate = \"1/s\"\n[rate.all]\nrate = \"2/h\"\nburst = 1\nkey = \"route\"\n\
         [pool.app]\nservers = [\"{}\"]\n{QUICK_CHECK}",
        app.address()
    ));
    assert_eq!(get(listen, "/").status, 429);
}

/// What is granted in all, by two workers to eight clients, against the clock.
#[test]
fn a_rate_is_held_within_five_percent_over_two_workers() {
    const RATE: u32 = 400;
    const GRANTS: u32 = 1_200;
    let limits = format!("[rate.all]\nrate = \"{RATE}/s\"\nburst = 40\nkey = \"source\"");
    let (listen, _app, _lb) =
        http_with("rate_limits = [\"all\"]\nlimits = { requests = 1000000 }", &limits);
    let granted = AtomicU32::new(0);
    // A tenth of a second, lest a busy machine be taken for a strict limit. It is used up first.
    while get(listen, "/").status == 200 {}
    let began = evenkeel_sim::clock::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = client(listen);
                while granted.load(Ordering::Relaxed) < GRANTS {
                    if client.get("/").status == 200 {
                        granted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let expected = f64::from(RATE) * began.elapsed().as_secs_f64();
    let share = f64::from(granted.load(Ordering::Relaxed)) / expected;
    assert!((0.95..=1.05).contains(&share), "{share:.3} of the rate");
}

#[test]
fn one_source_holds_so_many_connections() {
    let (listen, server) = (free_address(), stream_origin("name"));
    let servers = format!("servers = [\"{}\"]", server.address());
    let limited = "protocol = \"tcp\"\nconnections_per_source = 2";
    let config = tcp(listen, &[]).replace("servers = []", &servers);
    let lb = balancer(&config.replace("protocol = \"tcp\"", limited));
    let hold = || {
        let mut client = client(listen);
        assert_eq!(client.send("one").receive(8), b"name\none");
        client
    };
    let (first, _second) = (hold(), hold());
    client(listen).expect_closed();
    assert!(lb.metric("evenkeel_listener_refusals_total", "reason=\"source-full\"") >= 1.0);
    drop(first);
    wait_until("there is room again", PATIENCE, || {
        let mut next = client(listen);
        let sent = next.try_send("one").is_ok();
        next.finish();
        sent && !next.rest().0.is_empty()
    });
}
