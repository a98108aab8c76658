//! Servers that fail more often than their peers, but never several times in a row.

use std::net::SocketAddr;

use evenkeel_sim::prelude::*;

/// Judged by shares alone, in windows that are over soon.
fn config(listen: SocketAddr, pool: &[&Origin], outlier: &str) -> String {
    let servers = servers(pool.iter().copied());
    two_workers(listen, &format!("servers = {servers}\n[pool.app.outlier]\n{outlier}"))
}

const OOPS: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops";

const QUICK: &str = "failure_rate = { requests = 30, window = \"500ms\" }\nejection = \"1s\"\n";

fn is_up(lb: &Balancer, server: &Origin) -> bool {
    lb.server("app", &server.address().to_string())["verdict"]["health"] == "up"
}

#[test]
fn a_server_that_fails_every_third_request_leaves_and_its_peers_do_not() {
    let faults = [Mode::ResetBeforeAnswer, Mode::Raw(OOPS.into(), Then::Keep)];
    for fault in faults {
        let [sick, one, two, three] = &origins();
        let listen = free_address();
        let lb = balancer(&config(listen, &[sick, one, two, three], QUICK));
        let load = Load::start(Plan::steady(listen, 400));
        lb.await_health("app", sick.address(), "up");
        sick.set(Mode::Every(3, Box::new(fault.clone())));
        lb.await_health("app", sick.address(), "down");
        let verdict = lb.server("app", &sick.address().to_string())["verdict"].clone();
        let reason = verdict["reason"].as_str().expect("a reason");
        assert!(reason.contains(" of its peers (deviation "), "{fault:?}: {reason}");
        assert!([one, two, three].iter().all(|peer| is_up(&lb, peer)), "{fault:?}");
        assert!(lb.log().contains("requests failed, "), "the event tells why: {}", lb.log());
        // Its checks pass all the while: after the hold they bring it back.
        sick.set(Mode::Ok);
        lb.await_health("app", sick.address(), "up");
        let report = load.stop();
        let is_reset = fault == Mode::ResetBeforeAnswer;
        assert!(report.is_clean() || !is_reset, "{report}");
    }
}

#[test]
fn when_all_fail_alike_nobody_leaves_nor_when_it_is_switched_off() {
    // Not a reset, which is nobody's failure on a connection that was kept.
    let flaky = || Mode::Every(3, Box::new(Mode::Raw(OOPS.into(), Then::Keep)));
    let pool: [Origin; 3] = origins();
    let listen = free_address();
    let lb = balancer(&config(listen, &pool.each_ref(), QUICK));
    let everybody_stays = |requests: u64| {
        // Windows come and go while so many requests are answered.
        let load = Load::start(Plan::steady(listen, 400));
        wait_until("they are answered", PATIENCE, || load.ok() >= requests);
        assert!(pool.iter().all(|server| is_up(&lb, server)), "{}", lb.log());
        load.stop();
    };
    let all_are_up = || {
        for server in &pool {
            lb.await_health("app", server.address(), "up");
        }
    };
    all_are_up();
    for server in &pool {
        server.set(flaky());
    }
    everybody_stays(800);
    for server in &pool[1..] {
        server.set(Mode::Ok);
    }
    let off = config(listen, &pool.each_ref(), "failure_rate = false\n");
    lb.reload(&off);
    all_are_up();
    everybody_stays(800);
    lb.reload(&config(listen, &pool.each_ref(), QUICK));
    let load = Load::start(Plan::steady(listen, 400));
    lb.await_health("app", pool[0].address(), "down");
    load.stop();
}

#[test]
fn what_took_a_server_out_is_not_held_against_it_again() {
    let pool: [Origin; 2] = origins();
    let [sick, _] = &pool;
    let listen = free_address();
    let rules = "failure_rate = { requests = 10, window = \"2s\" }\nejection = \"100ms\"\n";
    let lb = balancer(&config(listen, &pool.each_ref(), rules));
    lb.await_health("app", sick.address(), "up");
    // Slow enough that a row of failures is much of a window.
    let load = Load::start(Plan::steady(listen, 40));
    sick.set(Mode::ResetBeforeAnswer);
    lb.await_health("app", sick.address(), "down");
    sick.set(Mode::Ok);
    lb.await_health("app", sick.address(), "up");
    // The window ends.
    let before = load.ok();
    wait_until("they are answered", PATIENCE, || load.ok() >= before + 100);
    assert!(is_up(&lb, sick), "{}", lb.log());
    assert!(!lb.log().contains(" of its peers"), "{}", lb.log());
    load.stop();
}
