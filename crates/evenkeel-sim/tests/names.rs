//! Servers that are known by name, asked of real DNS servers: Debian's dnsmasq, and one of our own
//! that is slow, lies, or says nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use evenkeel_sim::address::free_neighbours;
use evenkeel_sim::clock;
use evenkeel_sim::dnsmasq::{NO_DNSMASQ, dnsmasq};
use evenkeel_sim::fake_clock::FakeClock;
use evenkeel_sim::name_server::{LIES, Say, name_server};
use evenkeel_sim::prelude::*;
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::stream::stream_origin_at;
use serde_json::Value;

/// A pool `app` with these servers, behind names that `resolver` knows.
fn config(listen: SocketAddr, resolver: SocketAddr, servers: &str) -> String {
    let pool = format!("servers = [{servers}]");
    format!(
        "[resolver]\nservers = [\"{resolver}\"]\ntimeout = \"300ms\"\n{}",
        two_workers(listen, &pool)
    )
}

/// A name of a pool, as the status shows it.
#[track_caller]
fn name(lb: &Balancer, pool: usize) -> Value {
    lb.status()["pools"][pool]["names"][0].clone()
}

/// The names of the pool's servers that are taking requests.
fn in_use(lb: &Balancer) -> Vec<String> {
    let status = lb.status();
    let servers = status["pools"][0]["servers"].as_array().cloned().unwrap_or_default();
    let used = servers.iter().filter(|server| server["in_use"] == true);
    used.filter_map(|server| server["name"].as_str().map(str::to_owned)).collect()
}

/// How many of `count` requests each server answers.
fn shares(listen: SocketAddr, count: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        *shares.entry(get(listen, "/").server().to_owned()).or_default() += 1;
    }
    shares
}

#[test]
fn addresses_of_both_families_are_servers() {
    let mut dns = skip_unless!(dnsmasq(60, ""), NO_DNSMASQ);
    // Nobody else has this process's own hosts, so that a port of ::1 is free there, too.
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok().and_then(|it| it.local_addr().ok());
    let v6 = skip_unless!(v6, "there is no IPv6 here");
    let v4 = SocketAddr::new(free_address().ip(), v6.port());
    let _servers = [Origin::start("four", v4), Origin::start("six", v6)];
    dns.know(&[("all.internal", v4.ip()), ("all.internal", v6.ip())]);
    let listen = free_address();
    let entry = format!("all.internal:{}", v4.port());
    let lb = balancer(&config(
        listen,
        dns.address(),
        &format!("{{ address = \"{entry}\", expand = true }}"),
    ));
    assert_eq!(in_use(&lb), [format!("{entry}/{v4}"), format!("{entry}/{v6}")]);
    assert_eq!(shares(listen, 10), [("four".to_owned(), 5), ("six".to_owned(), 5)].into());
    assert_eq!(name(&lb, 0)["state"], "resolved");
}

#[test]
fn without_expand_one_address_is_taken_and_kept() {
    let [low, middle, high] = sorted(free_neighbours());
    let _servers = [Origin::start("low", low), Origin::start("high", high)];
    let dns = name_server();
    dns.know("app.internal", &[high.ip()], 0);
    let listen = free_address();
    let entry = format!("\"app.internal:{}\"", low.port());
    let _lb = balancer(&config(listen, dns.address(), &entry));
    // Others that come before it in any order do not matter while it is among the answers.
    dns.know("app.internal", &[low.ip(), high.ip()], 0);
    let before = dns.asked("app.internal").len();
    wait_until("the others are known", PATIENCE, || dns.asked("app.internal").len() > before + 1);
    assert_eq!(shares(listen, 6), [("high".to_owned(), 6)].into());
    dns.know("app.internal", &[low.ip(), middle.ip()], 0);
    wait_until("it moves", PATIENCE, || get(listen, "/").server() == "low");
}

fn sorted(mut addresses: [SocketAddr; 3]) -> [SocketAddr; 3] {
    addresses.sort();
    addresses
}

#[test]
fn service_records_bring_ports_weights_and_backups() {
    let servers: [Origin; 3] = origins();
    let records = servers.each_ref().map(|server| server.address().port());
    let records = records.iter().zip(["0,30", "0,10", "10,10"]).zip(["a", "b", "c"]);
    let lines: Vec<String> = records
        .map(|((port, order), host)| {
            format!("srv-host=_http._tcp.app.internal,{host}.internal,{port},{order}")
        })
        .collect();
    let mut dns = skip_unless!(dnsmasq(60, &lines.join("\n")), NO_DNSMASQ);
    let hosts = ["a.internal", "b.internal", "c.internal"];
    let [one, two, three] = servers.each_ref().map(|server| server.address().ip());
    dns.know(&[(hosts[0], one), (hosts[1], two), (hosts[2], three)]);
    let listen = free_address();
    let lb = balancer(&config(listen, dns.address(), "\"_http._tcp.app.internal\""));

    assert_eq!(shares(listen, 40), [("0".to_owned(), 30), ("1".to_owned(), 10)].into());
    let status = lb.status();
    let shown = status["pools"][0]["servers"].as_array().expect("a list").iter();
    let mut shown: Vec<(u64, bool)> = shown
        .map(|server| (server["weight"].as_u64().unwrap_or(0), server["backup"] == true))
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, [(10, false), (10, true), (30, false)], "{status:#}");
    // Those of the next priority are used when the first are gone.
    servers[0].kill();
    servers[1].kill();
    wait_until("the backup is used", PATIENCE, || {
        lb.status()["pools"][0]["mode"] == "backup" && get(listen, "/").server() == "2"
    });
}

#[test]
fn a_name_that_moves_adds_and_drains_and_cuts_nothing() {
    let mut dns = skip_unless!(dnsmasq(1, ""), NO_DNSMASQ);
    let (web, stream) = (free_neighbours(), free_neighbours());
    let servers = [Origin::start("old", web[0]), Origin::start("new", web[1])];
    let _streams = [stream_origin_at("old", stream[0]), stream_origin_at("new", stream[1])];
    let know = |dns: &mut evenkeel_sim::dnsmasq::Dnsmasq, at: usize| {
        dns.know(&[("app.internal", web[at].ip())]);
    };
    know(&mut dns, 0);
    let (listen, passed) = (free_address(), free_address());
    let config = config(
        listen,
        dns.address(),
        &format!("{{ address = \"app.internal:{}\", expand = true }}", web[0].port()),
    ) + &format!(
        "[listener.stream]\nbind = [\"{passed}\"]\nprotocol = \"tcp\"\npool = \"stream\"\n\
         [pool.stream]\nservers = [\"app.internal:{}\"]\n",
        stream[0].port()
    );
    let lb = balancer(&config);

    // A request and a stream that run while the name moves, and a kept connection between two.
    servers[0].set(Mode::Hang);
    let mut running = client(listen);
    running.send("GET /?size=100000 HTTP/1.1\r\nHost: test.example\r\n\r\n");
    wait_until("the request is under way", PATIENCE, || servers[0].served() == 1);
    let mut streaming = client(passed);
    assert_eq!(streaming.send("one").receive(7), b"old\none");

    know(&mut dns, 1);
    wait_until("requests go to the new address", PATIENCE, || {
        in_use(&lb) == [format!("app.internal:{0}/{1}", web[1].port(), web[1])]
    });
    assert_eq!(shares(listen, 4), [("new".to_owned(), 4)].into());
    wait_until("streams go to the new address", PATIENCE, || {
        client(passed).send("x").receive(4) == b"new\n"
    });
    // What ran has not noticed.
    assert_eq!(streaming.send("two").receive(3), b"two");
    servers[0].set(Mode::Ok);
    let answer = running.answer();
    assert!((answer.server(), answer.is_intact()) == ("old", true), "{answer:?}");
    let log = lb.log();
    assert!(log.contains("went; what runs on it finishes"), "{log}");
}

#[test]
fn the_start_waits_for_no_name_and_an_unresolved_one_is_a_state() {
    let [server] = &origins();
    let dns = name_server();
    dns.say("app.internal", Say::Nothing);
    dns.know("app.internal", &[server.address().ip()], 60);
    let listen = free_address();
    let entry = format!("\"app.internal:{}\"", server.address().port());
    let lb = Start::with(&config(listen, dns.address(), &entry)).not_ready().start();
    wait_until("the status says so", PATIENCE, || {
        let name = name(&lb, 0);
        name["state"] == "unresolved" && name["reason"] == "no answer in time"
    });
    let ready = lb.api("GET", "/readyz", "");
    assert_eq!((ready.status, get(listen, "/").status), (503, 503), "{}", ready.text());
    let shown = lb.cli(&["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("app.internal") && shown.contains("unresolved"), "{shown}");
    // A resolver that is only slow is good enough.
    dns.say("app.internal", Say::Late(Duration::from_millis(150)));
    wait_until("it is resolved", PATIENCE, || get(listen, "/").status == 200);
    assert_eq!(name(&lb, 0)["state"], "resolved");
}

#[test]
fn no_lie_takes_a_server_away_or_brings_one() {
    let [server] = &origins();
    let (dns, address) = (name_server(), server.address());
    let host = |lie: usize| format!("lie{lie}.internal");
    let resolver = dns.address();
    let listeners: Vec<SocketAddr> = LIES.iter().map(|_| free_address()).collect();
    let pool = |(lie, listen): (usize, &SocketAddr)| {
        dns.know(&host(lie), &[address.ip()], 1);
        format!(
            "[listener.l{lie}]\nbind = [\"{listen}\"]\nprotocol = \"http\"\npool = \"p{lie}\"\n\
             [pool.p{lie}]\nservers = [{{ address = \"{}:{}\", expand = true }}]\n",
            host(lie),
            address.port()
        )
    };
    let pools: String = listeners.iter().enumerate().map(pool).collect();
    let config = format!("[resolver]\nservers = [\"{resolver}\"]\ntimeout = \"200ms\"\n{pools}");
    let lb = balancer(&config);
    let states = |lb: &Balancer| -> Vec<String> {
        let status = lb.status();
        let pools = status["pools"].as_array().expect("a list").iter();
        pools.map(|pool| pool["names"][0]["state"].as_str().unwrap_or("").to_owned()).collect()
    };
    for (lie, say) in LIES.into_iter().enumerate() {
        dns.say(&host(lie), say);
    }
    wait_until("every lie is found out", PATIENCE, || {
        states(&lb).iter().all(|state| state == "stale")
    });
    for (pool, (listen, say)) in listeners.iter().zip(LIES).enumerate() {
        assert_eq!(get(*listen, "/").status, 200, "{say:?}");
        let known = name(&lb, pool);
        assert_eq!(known["addresses"], serde_json::json!([address.to_string()]), "{say:?}");
        assert!(known["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{known}");
    }
    (0..LIES.len()).for_each(|lie| dns.say(&host(lie), Say::Truth));
    wait_until("the truth is believed again", PATIENCE, || {
        states(&lb).iter().all(|state| state == "resolved")
    });
}

#[test]
fn an_answer_cut_at_512_bytes_is_asked_for_over_tcp() {
    const SERVERS: u8 = 60;
    let mut dns = skip_unless!(dnsmasq(60, "edns-packet-max=512"), NO_DNSMASQ);
    let ips: Vec<IpAddr> = (1..=SERVERS).map(|last| [127, 9, 9, last].into()).collect();
    let hosts: Vec<(&str, IpAddr)> = ips.iter().map(|ip| ("many.internal", *ip)).collect();
    dns.know(&hosts);
    let entry = "{ address = \"many.internal:9\", expand = true }";
    let lb = Start::with(&config(free_address(), dns.address(), entry)).not_ready().start();
    wait_until("all of them are known", PATIENCE, || {
        name(&lb, 0)["addresses"].as_array().is_some_and(|it| it.len() == usize::from(SERVERS))
    });
}

#[test]
fn a_ttl_of_nothing_is_taken_as_one_second() {
    let [server] = &origins();
    let dns = name_server();
    dns.know("app.internal", &[server.address().ip()], 0);
    let entry = format!("\"app.internal:{}\"", server.address().port());
    let _lb = balancer(&config(free_address(), dns.address(), &entry));
    wait_until("it is asked three times", PATIENCE, || dns.asked("app.internal").len() >= 3);
    let asked = dns.asked("app.internal");
    let between = asked[2] - asked[0];
    assert!(between >= Duration::from_millis(1_900), "{between:?}");
}

#[test]
fn a_ttl_of_a_week_is_taken_as_five_minutes() {
    /// How much faster the program's time passes.
    const FASTER: u32 = 100;
    let [server] = &origins();
    let dns = name_server();
    dns.know("app.internal", &[server.address().ip()], 7 * 24 * 3600);
    let entry = format!("\"app.internal:{}\"", server.address().port());
    // All that has a limit has this much longer.
    let config = config(free_address(), dns.address(), &entry).replace("00ms", "00s");
    let start = FakeClock::hasten(Start::with(&config), FASTER);
    let _lb = skip_unless!(start, "libfaketime is not installed").start();
    // A question may be repeated at once: the resolver's own patience passes faster, too.
    let least = Duration::from_secs(290);
    wait_until("it is asked again after its time", PATIENCE, || {
        let asked = dns.asked("app.internal");
        asked.windows(2).any(|pair| (pair[1] - pair[0]) * FASTER >= least)
    });
}

#[test]
fn addresses_known_before_a_restart_serve_without_a_resolver() {
    let [server] = &origins();
    let state = Scratch::new("state");
    let listen = free_address();
    let dns = name_server();
    let resolver = dns.address();
    dns.know("app.internal", &[server.address().ip()], 60);
    let entry = format!("\"app.internal:{}\"", server.address().port());
    let config = with_state(&config(listen, resolver, &entry), state.path());
    let mut lb = balancer(&config);
    wait_until("the addresses are kept", PATIENCE, || {
        std::fs::read_to_string(state.file("names.json"))
            .is_ok_and(|text| text.contains(&server.address().ip().to_string()))
    });
    lb.terminate();
    lb.wait(PATIENCE);
    drop(dns);

    let begun = clock::now();
    let lb = balancer(&config);
    assert_eq!(get(listen, "/").status, 200);
    assert!(clock::now() - begun < PATIENCE, "it waited for nobody");
    wait_until("it is shown as stale", PATIENCE, || name(&lb, 0)["state"] == "stale");
    assert_eq!(in_use(&lb).len(), 1);
}

fn with_state(config: &str, folder: &Path) -> String {
    config.replace("[node]\n", &format!("[node]\nstate_dir = \"{}\"\n", folder.display()))
}
