//! Zones: the own one first, the rest as the rule in core computes it, and one that is lost.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::config::{ZoneId, Zoning};
use evenkeel_core::pool::{Member, Roster, Rules};
use evenkeel_sim::origin::RemoteOrigin;
use evenkeel_sim::prelude::*;

const ZONES: [&str; 3] = ["a", "b", "c"];

/// A node in zone a before nine servers, three in each zone.
fn config(listen: SocketAddr, servers: &[SocketAddr], pool: &str) -> String {
    let entry = |(at, address): (usize, &SocketAddr)| {
        format!("{{ address = \"{address}\", zone = \"{}\" }}", ZONES[at / 3])
    };
    let entries: Vec<_> = servers.iter().enumerate().map(entry).collect();
    let servers = format!("servers = [{}]\n{pool}", entries.join(", "));
    two_workers(listen, &servers).replace("[node]\n", "[node]\nzone = \"a\"\n")
}

/// What each zone gets, by core's rule, when so many servers in each are up.
fn computed(up: [usize; 3], balancers: &[(&str, u32)]) -> [f64; 3] {
    let id = |zone: &str| ZoneId::of(zone);
    let balancers = balancers.iter().map(|&(zone, count)| (id(zone), count)).collect();
    let zoning = Zoning { own: id("a"), balancers };
    let member = |at: usize| {
        let zone = at / 3;
        Member { zone: Some(id(ZONES[zone])), usable: at % 3 < up[zone], ..Member::READY }
    };
    let members: Vec<_> = (0..9).map(member).collect();
    let rules = Rules { zoning: Some(&zoning), ..Rules::default() };
    let mut shares = [0.0; 3];
    for share in Roster::build(rules, &members).shares() {
        let at = ZONES.iter().position(|zone| share.zone == Some(id(zone)));
        shares[at.expect("one of the three")] += f64::from(share.parts_per_million) / 1e6;
    }
    shares
}

fn number(count: usize) -> f64 {
    u32::try_from(count).expect("thousands").into()
}

/// Counts by server are what chance makes of these shares, and alike within a zone.
#[track_caller]
fn assert_shares(served: &[usize], up: [usize; 3], shares: [f64; 3]) {
    let total = number(served.iter().sum());
    for (zone, ((served, up), share)) in served.chunks(3).zip(up).zip(shares).enumerate() {
        let deviation = (share * (1.0 - share) * total).sqrt();
        let got = number(served.iter().sum());
        let name = ZONES[zone];
        assert!((got - share * total).abs() <= 5.0 * deviation, "{name}: {got} of {total}");
        let of_one = share * total / number(up.max(1));
        for (at, &got) in served.iter().enumerate() {
            let expected = if at < up { of_one } else { 0.0 };
            let near = (number(got) - expected).abs() <= 5.0 * of_one.sqrt();
            assert!(near, "{name}{at}: {got}, expected {expected} of {total}");
        }
    }
}

#[test]
fn a_zone_that_is_killed_fails_no_get_and_spills_as_computed() {
    let mut pool: Vec<_> =
        (0..9).map(|at| remote_origin(&format!("{}{}", ZONES[at / 3], at % 3))).collect();
    let addresses: Vec<_> = pool.iter().map(RemoteOrigin::address).collect();
    let listen = free_address();
    let lb = balancer(&config(listen, &addresses, ""));
    let load = Load::start(Plan::steady(listen, 150));
    wait_until("load is under way", PATIENCE, || load.ok() > 150);
    let before: Vec<_> = pool.iter().map(RemoteOrigin::served).collect();
    assert_shares(&before, [3, 3, 3], computed([3, 3, 3], &[]));
    assert_eq!(before[3..], [0; 6], "the own zone suffices");
    pool[..3].iter_mut().for_each(RemoteOrigin::kill);
    for &address in &addresses[..3] {
        lb.await_health("app", address, "down");
    }
    let before: Vec<_> = pool.iter().map(RemoteOrigin::served).collect();
    let ok = load.ok();
    wait_until("it goes on without the zone", PATIENCE, || load.ok() > ok + 600);
    let report = load.stop();
    assert!(report.is_clean(), "{report}");
    let served: Vec<_> =
        pool.iter().zip(before).map(|(server, before)| server.served() - before).collect();
    assert_shares(&served, [0, 3, 3], computed([0, 3, 3], &[]));
}

#[test]
fn traffic_spills_over_as_computed() {
    let pool: [Origin; 9] = origins();
    let addresses = pool.each_ref().map(Origin::address);
    let listen = free_address();
    let lb = balancer(&config(listen, &addresses, ""));
    let check = |up: [usize; 3], zones: &str, balancers: &[(&str, u32)]| {
        lb.reload(&config(listen, &addresses, zones));
        for (at, server) in pool.iter().enumerate() {
            let is_up = at % 3 < up[at / 3];
            server.set(if is_up { Mode::Ok } else { Mode::Refuse });
            lb.await_health("app", server.address(), if is_up { "up" } else { "down" });
        }
        pool.iter().for_each(Origin::forget);
        let report = Load::start(Plan::rush(listen, 4, 3_000)).finish();
        assert!(report.is_clean(), "{up:?} {zones}: {report}");
        let served = pool.each_ref().map(Origin::served);
        assert_shares(&served, up, computed(up, balancers));
    };
    check([3, 3, 3], "", &[]);
    check([2, 3, 3], "", &[]);
    check([1, 3, 2], "", &[]);
    // All of the traffic comes in here: each server has its part of it, wherever it is.
    check([3, 3, 3], "zones = { a = 1 }", &[("a", 1)]);
    check([3, 3, 3], "zones = { a = 2, b = 1, c = 1 }", &[("a", 2), ("b", 1), ("c", 1)]);
}

#[test]
fn a_server_added_while_the_node_runs_is_in_its_zone() {
    let [far, near] = &origins();
    let listen = free_address();
    let servers = format!("servers = [{{ address = \"{}\", zone = \"b\" }}]", far.address());
    let config = two_workers(listen, &servers).replace("[node]\n", "[node]\nzone = \"a\"\n");
    let lb = balancer(&config);
    assert_eq!(get(listen, "/").server(), "0");
    let address = near.address().to_string();
    let added = lb.cli(&["server", "add", "app", &address, "--zone", "a"]);
    assert!(added.status.success(), "{added:?}");
    let is_local = || (0..10).all(|_| get(listen, "/").server() == "1");
    wait_until("it is first, being near", Duration::from_secs(5), is_local);
    assert_eq!(lb.server("app", &address)["zone"], "a");
    lb.reload(&config.replace("workers = 2", "workers = 2\ndrain = \"5s\""));
    assert_eq!(lb.server("app", &address)["zone"], "a");
    assert!(is_local());
    let shown = String::from_utf8(lb.cli(&["status"]).stdout).expect("text");
    assert!(shown.contains(", zone a") && shown.contains(", zone b"), "{shown}");
    let refused = lb.cli(&["server", "add", "app", "127.0.0.1:9", "--zone", "a b"]);
    let why = String::from_utf8(refused.stderr).expect("text");
    assert!(!refused.status.success() && why.contains("a name cannot contain"), "{why}");
}
