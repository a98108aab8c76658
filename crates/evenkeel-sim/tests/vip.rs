//! A virtual address of two nodes: who owns it when something happens to one of them. The nodes,
//! and a client that asks all the time, are machines on a link of their own.

use std::time::Duration;

use evenkeel_sim::clock::{PATIENCE, comes_true, now, pause_until, wait_until};
use evenkeel_sim::link::{Link, NO_LINK};
use evenkeel_sim::process::Signal;
use evenkeel_sim::skip_unless;

const VIP: &str = "192.0.2.10";

fn vip(priority: u8, more: &str) -> String {
    format!(
        "[vip.main]\naddress = \"{VIP}/24\"\ninterface = \"eth0\"\nrouter_id = 51\n\
         priority = {priority}\nadvertise = \"fast\"\n{more}\n"
    )
}

#[test]
fn a_killed_owner_is_replaced_and_does_not_preempt_when_it_is_back() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let mut a = link.node("a", &vip(150, ""));
    a.await_state("main", "active");
    let b = link.node("b", &vip(100, ""));
    b.await_state("main", "backup");
    wait_until("b knows the owner", PATIENCE, || b.vip("main")["owner"] == "192.0.2.1");
    let client = link.watch("client", VIP);
    a.kill();
    b.await_state("main", "active");
    wait_until("the kernel of a gives the address up", PATIENCE, || !link.has("a", VIP));
    a.start(&vip(150, ""));
    wait_until("a hears b", PATIENCE, || a.vip("main")["owner"] == "192.0.2.2");
    let seen = client.end();
    eprintln!("killed: {seen}");
    assert_eq!(seen.servers, ["a", "b"]);
    assert!(seen.gap < PATIENCE, "{seen:?}");
    assert_eq!(
        (a.vip("main")["state"].as_str(), b.metric("evenkeel_vip_owner", "main")),
        (Some("backup"), 1.0)
    );
    assert!(b.metric("evenkeel_vip_gap_seconds", "main") > 0.2);
}

#[test]
fn a_frozen_owner_does_not_answer_and_listens_when_it_wakes() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let mut a = link.node("a", &vip(150, ""));
    a.await_state("main", "active");
    let b = link.node("b", &vip(100, ""));
    b.await_state("main", "backup");
    wait_until("b knows the owner", PATIENCE, || b.vip("main")["owner"] == "192.0.2.1");
    let client = link.watch("client", VIP);
    a.process().signal(Signal::STOP);
    b.await_state("main", "active");
    wait_until("the kernel of a gives the address up", PATIENCE, || !link.has("a", VIP));
    a.process().signal(Signal::CONT);
    wait_until("a hears b", PATIENCE, || a.vip("main")["owner"] == "192.0.2.2");
    let seen = client.end();
    eprintln!("frozen: {seen}");
    assert_eq!(seen.servers, ["a", "b"]);
    assert!(!link.has("a", VIP) && link.has("b", VIP));
    assert!(a.log().contains("vip-slept"), "{}", a.log());
}

#[test]
fn a_link_that_is_down_is_a_fault_until_it_is_up() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let a = link.node("a", &vip(150, ""));
    a.await_state("main", "active");
    let b = link.node("b", &vip(100, ""));
    b.await_state("main", "backup");
    link.plug("a", false);
    a.await_state("main", "fault");
    assert!(!link.has("a", VIP));
    assert_eq!(a.vip("main")["reason"], "the interface is down");
    b.await_state("main", "active");
    link.plug("a", true);
    a.await_state("main", "backup");
    wait_until("a hears b", PATIENCE, || a.vip("main")["owner"] == "192.0.2.2");
}

#[test]
fn a_planned_move_loses_no_request() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let mut a = link.node("a", &vip(150, ""));
    a.await_state("main", "active");
    let b = link.node("b", &vip(100, ""));
    b.await_state("main", "backup");
    wait_until("b knows the owner", PATIENCE, || b.vip("main")["owner"] == "192.0.2.1");
    let client = link.watch("client", VIP);
    let asked = a.api("PUT", "/api/v1/vips/main", r#"{"moved": true, "author": "ann"}"#);
    assert!(asked.is_some_and(|answer| answer.contains("\"moved\":true")));
    b.await_state("main", "active");
    a.await_state("main", "backup");
    let refused = a.api("PUT", "/api/v1/vips/main", r#"{"moved": true}"#).unwrap();
    assert!(refused.contains("does not own"), "{refused}");
    let seen = client.end();
    eprintln!("moved: {seen}");
    assert_eq!((seen.servers, seen.failed), (vec!["a".to_owned(), "b".to_owned()], 0));
    // Stronger now, and told to preempt: it comes back.
    a.reload(&vip(200, "preempt = true"));
    a.api("PUT", "/api/v1/vips/main", r#"{"moved": false}"#).unwrap();
    a.await_state("main", "active");
    b.await_state("main", "backup");
    // A node that stops gives the address away first.
    a.process().signal(Signal::TERM);
    b.await_state("main", "active");
    assert!(a.process().wait(PATIENCE).success());
    assert!(!link.has("a", VIP));
}

#[test]
fn the_kernel_is_the_source_of_truth() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    link.ip("a", "addr add 192.0.2.11/24 dev eth0");
    let labelled = vip(150, "label = \"eth0:main\"")
        .replace("\"192.0.2.10/24\"", "[\"192.0.2.10/24\", \"192.0.2.11/24\"]");
    let mut a = link.node("a", &labelled);
    a.await_state("main", "active");
    wait_until("the address has its label", PATIENCE, || {
        link.addresses("a").contains("inet 192.0.2.10/24 scope global secondary dynamic eth0:main")
    });
    link.ip("a", "addr del 192.0.2.10/24 dev eth0");
    wait_until("it is put back", PATIENCE, || link.has("a", VIP));
    a.process().signal(Signal::TERM);
    assert!(a.process().wait(PATIENCE).success());
    assert!(!link.has("a", VIP), "what was added is removed");
    assert!(link.has("a", "192.0.2.11"), "what was there before stays");
}

#[test]
fn an_address_that_a_stranger_has_is_not_claimed() {
    let link = skip_unless!(Link::with(&["a", "stranger"]), NO_LINK);
    link.ip("stranger", &format!("addr add {VIP}/24 dev eth0"));
    let a = link.node("a", &vip(150, ""));
    wait_until("a is answered", PATIENCE, || !a.vip("main")["obstacle"].is_null());
    assert!(!link.has("a", VIP));
    link.ip("stranger", &format!("addr del {VIP}/24 dev eth0"));
    a.await_state("main", "active");
}

#[test]
fn two_nodes_of_ipv6_hear_each_other() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let vip = |priority: u8, peer: &str| {
        let peers = if peer.is_empty() { "" } else { &format!("peers = [\"{peer}\"]") };
        let v6 = "[\"fe80::10/64\", \"fd00::10/64\"]";
        vip(priority, peers).replace(&format!("\"{VIP}/24\""), v6)
    };
    // Before there are virtual ones, which are link-local too.
    let (own, other) = (link.link_local("a"), link.link_local("b"));
    let mut a = link.node("a", &vip(150, ""));
    a.await_state("main", "active");
    let b = link.node("b", &vip(100, ""));
    b.await_state("main", "backup");
    wait_until("b knows the owner", PATIENCE, || b.vip("main")["owner"] == own.as_str());
    let client = link.watch("client", "fd00::10");
    a.kill();
    b.await_state("main", "active");
    wait_until("the kernel of a gives the address up", PATIENCE, || !link.has("a", "fd00::10"));
    // The other way: from node to node, as clouds want it.
    let (to_b, to_a) = (vip(150, &other), vip(100, &own));
    a.start(&to_b);
    b.reload(&to_a);
    wait_until("one owns it, the other knows", PATIENCE, || {
        let (a, b) = (a.vip("main"), b.vip("main"));
        a["owner"] == b["owner"] && !a["owner"].is_null() && a["state"] != b["state"]
    });
    let seen = client.end();
    eprintln!("ipv6: {seen}");
    assert_eq!(seen.servers.first().map(String::as_str), Some("a"));
    assert!(seen.servers.contains(&"b".to_owned()));
}

#[test]
fn only_who_has_the_key_takes_the_address() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let signed = |priority| {
        vip(priority, "keys = [{ id = 1, file = \"vip.key\" }]\nsignatures = \"require\"")
    };
    let mut a = link.node("a", &vip(150, ""));
    let mut b = link.node("b", &vip(100, ""));
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        node.kill();
        node.file("vip.key", &"5a".repeat(32));
        node.start(&signed(priority));
    }
    wait_until("one owns it, the other knows", PATIENCE, || {
        let (a, b) = (a.vip("main"), b.vip("main"));
        a["owner"] == b["owner"] && !a["owner"].is_null() && a["state"] != b["state"]
    });
    let (owner, other) = if a.vip("main")["state"] == "active" { (&a, &b) } else { (&b, &a) };
    assert!(other.metric("evenkeel_vip_adverts_total", "heard") > 0.0);
    // Without the key it is not heard, and claims for itself what it cannot hear.
    let heard = |node: &evenkeel_sim::link::Node<'_>| {
        node.metric("evenkeel_vip_refusals_total", "reason=\"unsigned\"")
    };
    assert!(heard(owner) + heard(other) < 1.0);
    let intruder = if owner.vip("main")["source"] == "192.0.2.1" { "b" } else { "a" };
    let other = if intruder == "a" { &mut a } else { &mut b };
    other.kill();
    other.start(&vip(254, "preempt = true"));
    let owner = if intruder == "a" { &b } else { &a };
    wait_until("its adverts are refused", PATIENCE, || heard(owner) > 3.0);
    assert_eq!(owner.vip("main")["state"], "active");
}

#[test]
fn a_node_that_cannot_do_the_work_gives_the_address_up() {
    let link = skip_unless!(Link::with(&["a", "b", "gateway"]), NO_LINK);
    let track = "look_every = \"100ms\"\ntrack = [{ pool = \"app\" }, { reach = \"192.0.2.3\" }, \
                 { command = [\"/bin/sh\", \"-c\", \"test -e fit\"], weight = 60 }]\n\
                 [pool.app]\nservers = [\"127.0.0.1:8080\"]\ncheck = { kind = \"tcp\", interval = \"100ms\" }";
    let a = link.node("a", &vip(150, track));
    a.file("fit", "");
    a.await_state("main", "active");
    let b = link.node("b", &vip(100, "preempt = true"));
    b.await_state("main", "backup");
    wait_until("a is fit", PATIENCE, || a.vip("main")["claim"] == 150);
    // Weaker than b, which preempts.
    a.remove("fit");
    b.await_state("main", "active");
    a.await_state("main", "backup");
    assert_eq!(a.vip("main")["claim"], 90);
    a.file("fit", "");
    wait_until("a is fit", PATIENCE, || a.vip("main")["claim"] == 150);
    // Nothing that reaches its gateway.
    link.plug("gateway", false);
    a.await_state("main", "fault");
    let reason = a.vip("main")["reason"].to_string();
    assert!(reason.contains("192.0.2.3 does not answer"), "{reason}");
    link.plug("gateway", true);
    a.await_state("main", "backup");
    // No server that can be used.
    let maint = r#"{"state": "maint"}"#;
    a.api("PUT", "/api/v1/pools/app/servers/127.0.0.1:8080", maint).unwrap();
    a.await_state("main", "fault");
    assert_eq!(a.vip("main")["failed"][0], "pool app has no server to use");
}

#[test]
fn who_sees_no_witness_does_not_claim() {
    let link = skip_unless!(Link::with(&["a", "witness"]), NO_LINK);
    link.plug("witness", false);
    let more = "witnesses = [\"192.0.2.2\", \"192.0.2.9:1\"]\nlook_every = \"100ms\"";
    let a = link.node("a", &vip(150, more));
    wait_until("a would claim", PATIENCE, || {
        a.vip("main")["obstacle"].to_string().contains("no witness")
    });
    assert!(!link.has("a", VIP));
    link.plug("witness", true);
    a.await_state("main", "active");
}

#[test]
fn a_pair_in_peace_stays_as_it_is() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let a = link.node("a", &vip(150, ""));
    a.await_state("main", "active");
    let b = link.node("b", &vip(100, ""));
    b.await_state("main", "backup");
    let client = link.watch("client", VIP);
    pause_until(now() + Duration::from_secs(3));
    // The state may be about to change: it must not.
    assert!(!comes_true(Duration::from_secs(1), || a.vip("main")["state"] != "active"));
    let seen = client.end();
    eprintln!("in peace: {seen}");
    assert_eq!(seen.servers, ["a"]);
    assert_eq!(a.vip("main")["claims_total"], 1);
    assert_eq!(b.vip("main")["claims_total"], 0);
    assert_eq!(a.vip("main")["conflicts_total"], 0);
}
