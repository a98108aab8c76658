//! A virtual address of two nodes: who owns it when something happens to one of them. The nodes,
//! and a client that asks all the time, are machines on a link of their own.

use std::net::IpAddr;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use evenkeel_core::vrrp::packet::{self, Advert, ChecksumForm};
use evenkeel_core::vrrp::signature::{Key, Keys, Signer};
use evenkeel_core::vrrp::{Envelope, GROUP_V4, HOP_LIMIT, PROTOCOL, RouterId, Version};
use evenkeel_sim::client::{Answer, client, get};
use evenkeel_sim::clock::{PATIENCE, comes_true, now, pause_until, wait_until};
use evenkeel_sim::link::{Link, NO_LINK};
use evenkeel_sim::origin::{Mode, Origin};
use evenkeel_sim::process::Signal;
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::skip_unless;
use evenkeel_sys::link::{AdvertSocket, Change, Interfaces, InterfacesWatch};

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
    let (mut a, b) = link.pair(|priority| vip(priority, ""));
    let client = link.watch("client", VIP);
    a.kill();
    b.await_state("main", "active");
    wait_until("the kernel of a gives the address up", PATIENCE, || !link.has("a", VIP));
    a.start(&vip(150, ""));
    wait_until("a hears b", PATIENCE, || a.vip("main")["owner"] == "192.0.2.2");
    client.await_server("b");
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
    let (mut a, b) = link.pair(|priority| vip(priority, ""));
    let client = link.watch("client", VIP);
    a.process().signal(Signal::STOP);
    b.await_state("main", "active");
    wait_until("the kernel of a gives the address up", PATIENCE, || !link.has("a", VIP));
    a.process().signal(Signal::CONT);
    wait_until("a hears b", PATIENCE, || a.vip("main")["owner"] == "192.0.2.2");
    client.await_server("b");
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
fn a_planned_move_loses_no_more_than_what_has_just_come() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let (mut a, b) = link.pair(|priority| vip(priority, ""));
    let client = link.watch("client", VIP);
    let asked = a.api("PUT", "/api/v1/vips/main", r#"{"moved": true, "author": "ann"}"#);
    assert!(asked.is_some_and(|answer| answer.contains("\"moved\":true")));
    b.await_state("main", "active");
    a.await_state("main", "backup");
    let refused = a.api("PUT", "/api/v1/vips/main", r#"{"moved": true}"#).unwrap();
    assert!(refused.contains("does not own"), "{refused}");
    client.await_server("b");
    let seen = client.end();
    eprintln!("moved: {seen}");
    assert_eq!(seen.servers, ["a", "b"]);
    assert!(seen.failed <= 1, "{seen}");
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
fn clients_are_asked_to_connect_anew_before_an_address_moves() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let (a, b) = link.pair(|priority| vip(priority, ""));
    let connected = Barrier::new(2);
    let (asked, idle) = thread::scope(|scope| {
        let client = scope.spawn(|| {
            link.enter("client", || {
                let address = format!("{VIP}:8080").parse().expect("an address");
                let (mut asks, mut idle) = (client(address), client(address));
                let mut answers = vec![asks.get("/"), idle.get("/")];
                connected.wait();
                while answers.last().and_then(|last: &Answer| last.header("connection"))
                    != Some("close")
                {
                    answers.push(asks.get("/"));
                }
                asks.expect_closed();
                (answers, idle.rest())
            })
        });
        connected.wait();
        a.api("PUT", "/api/v1/vips/main", r#"{"moved": true}"#).expect("a serves");
        client.join().expect("every request is answered")
    });
    assert!(asked.iter().all(|answer| answer.status / 100 == 3), "{asked:?}");
    assert_eq!(idle.1, None, "who does not ask is told by the end of the connection");
    b.await_state("main", "active");
    // It serves on, at its other addresses, and keeps connections again.
    link.enter("client", || {
        let mut again = client("192.0.2.1:8080".parse().expect("an address"));
        assert_ne!(again.get("/").header("connection"), Some("close"));
    });
}

/// Has requests for `/slow` answered by the fourth machine.
const SLOW: &str = "[[listener.front.route]]\npath = \"/slow\"\npool = \"app\"\n\
                    [pool.app]\nservers = [\"192.0.2.4:8000\"]\n";

fn slow_server(link: &Link) -> Origin {
    let address = "192.0.2.4:8000".parse().expect("an address");
    link.enter("server", || Origin::start("server", address))
}

#[test]
fn what_is_under_way_ends_before_an_address_moves_and_what_comes_then_after_it() {
    let link = skip_unless!(Link::with(&["a", "b", "client", "server"]), NO_LINK);
    let server = slow_server(&link);
    let (a, b) = link.pair(|priority| SLOW.to_owned() + &vip(priority, "drain = \"30s\""));
    let address = format!("{VIP}:8080").parse().expect("an address");
    let mut rests = link.enter("client", || client(address));
    assert_eq!(rests.get("/").status, 302);
    let answers = thread::scope(|scope| {
        // Longer than clients have to hear that they should leave.
        let first = scope.spawn(|| link.enter("client", || get(address, "/slow?wait=2000")));
        wait_until("it is under way", PATIENCE, || !server.seen().is_empty());
        let second = scope.spawn(|| {
            // From now on nobody new is waited for: the address moves in the middle of this one.
            rests.expect_closed();
            link.enter("client", || get(address, "/slow?wait=1800"))
        });
        a.api("PUT", "/api/v1/vips/main", r#"{"moved": true}"#).expect("a serves");
        [first, second].map(|asked| asked.join().expect("it is answered"))
    });
    for answer in answers {
        assert_eq!((answer.status, answer.server()), (200, "server"));
        assert!(answer.is_intact());
    }
    b.await_state("main", "active");
    assert!(!a.log().contains("vip-cut"), "{}", a.log());
}

#[test]
fn what_does_not_end_is_cut_by_a_move_and_told() {
    let link = skip_unless!(Link::with(&["a", "b", "client", "server"]), NO_LINK);
    let server = slow_server(&link);
    server.set(Mode::Hang);
    let (a, b) = link.pair(|priority| SLOW.to_owned() + &vip(priority, "drain = \"100ms\""));
    let _waits = link.enter("client", || {
        let mut waits = client(format!("{VIP}:8080").parse().expect("an address"));
        waits.send("GET /slow HTTP/1.1\r\nHost: any\r\n\r\n");
        waits
    });
    wait_until("it is under way", PATIENCE, || !server.seen().is_empty());
    a.api("PUT", "/api/v1/vips/main", r#"{"moved": true}"#).expect("a serves");
    b.await_state("main", "active");
    wait_until("it is told", PATIENCE, || a.log().contains("vip-cut"));
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
fn an_owner_that_needs_no_guard_any_more_keeps_its_address() {
    let link = skip_unless!(Link::with(&["a"]), NO_LINK);
    let mut a = link.node("a", &vip(150, ""));
    a.await_state("main", "active");
    let is_guarded = || a.process().children_of_threads().len() == 1;
    wait_until(
        "adverts are faster than the kernel reckons: there is a guard",
        PATIENCE,
        is_guarded,
    );
    let (mut watch, place) = link.enter("a", || {
        let eth0 = Interfaces::open().unwrap().find("eth0").unwrap().unwrap();
        (InterfacesWatch::open().unwrap(), eth0.index)
    });
    a.reload(&vip(150, "").replace("\"fast\"", "\"1s\""));
    wait_until("the guard has ended", PATIENCE, || a.process().children_of_threads().is_empty());
    let mut went = false;
    watch.drain((place, "eth0"), |change| went |= change == Change::AddressWent).unwrap();
    assert!(!went, "the guard took the address along");
    // And back again: the new guard holds what is there.
    a.reload(&vip(150, ""));
    wait_until("there is a guard", PATIENCE, || a.process().children_of_threads().len() == 1);
    a.await_state("main", "active");
    a.kill();
    wait_until("the guard takes the address away", PATIENCE, || !link.has("a", VIP));
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
    let key = "5a".repeat(32);
    let mut a = link.node_with("a", &signed(150), &[("vip.key", &key)]);
    let mut b = link.node_with("b", &signed(100), &[("vip.key", &key)]);
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

/// What a third machine on the link sends, for the reason by which it is counted.
#[test]
fn what_is_forged_changes_nothing_and_is_counted() {
    let link = skip_unless!(Link::with(&["a", "b", "stranger"]), NO_LINK);
    let keyed = "keys = [{ id = 1, file = \"vip.key\" }]\nsignatures = \"require\"";
    let key = "5a".repeat(32);
    let a = link.node_with("a", &vip(100, keyed), &[("vip.key", &key)]);
    a.await_state("main", "active");
    let own = IpAddr::from([192, 0, 2, 3]);
    let envelope = Envelope { source: own, destination: GROUP_V4.into(), hop_limit: HOP_LIMIT };
    let good = Advert {
        version: Version::V3,
        router_id: RouterId::new(51).unwrap(),
        priority: 254,
        interval: Duration::from_millis(100),
        addresses: vec![VIP.parse().unwrap()],
        password: None,
    };
    let written = |advert: &Advert| {
        let mut bytes = Vec::new();
        packet::write(&mut bytes, advert, &envelope, ChecksumForm::default());
        bytes
    };
    let signed = |secret: &[u8]| {
        let keys = Keys::new(vec![Key::new(1, secret).unwrap()]).unwrap();
        let mut bytes = written(&good);
        Signer::new(keys, 1).sign(&mut bytes, &envelope);
        bytes
    };
    let other = Advert { router_id: RouterId::new(52).unwrap(), ..good.clone() };
    let mut broken = written(&good);
    broken[9] ^= 1;
    let mine = signed(&[0x5a; 32]);
    let forged = [
        ("unsigned", written(&good)),
        ("router-id", written(&other)),
        ("too-short", written(&good)[..10].to_vec()),
        ("too-long", [written(&good), vec![0; 5]].concat()),
        ("checksum", broken),
        ("bad-signature", signed(&[1; 32])),
    ];
    let send = |bytes: Vec<u8>| {
        link.enter("stranger", move || {
            let eth0 = Interfaces::open().unwrap().find("eth0").unwrap().unwrap();
            let socket = AdvertSocket::open(PROTOCOL, (eth0.index, "eth0"), own, None).unwrap();
            socket.send(&bytes, GROUP_V4.into()).unwrap();
        });
    };
    let refused = |reason| a.metric("evenkeel_vip_refusals_total", &format!("reason=\"{reason}\""));
    for (reason, bytes) in forged {
        send(bytes);
        wait_until(&format!("{reason} is counted"), PATIENCE, || refused(reason) > 0.0);
        assert_eq!(a.vip("main")["state"], "active", "{reason}");
    }
    // Whoever has the key is believed, once.
    send(mine.clone());
    a.await_state("main", "backup");
    a.await_state("main", "active");
    send(mine);
    wait_until("what was recorded is counted", PATIENCE, || refused("replayed") > 0.0);
    assert_eq!(a.vip("main")["state"], "active");
}

/// A file stands for the network: it holds the name of the machine the address leads to.
const CARRIER: &str = r#"#!/bin/sh
read -r question
case "$question" in
*'"action":"take"'*) echo "$1" > "$2" ;;
*'"action":"release"'*) if [ "$(cat "$2")" = "$1" ]; then echo nobody > "$2"; fi ;;
*'"action":"who"'*) if [ "$(cat "$2")" = "$1" ]; then echo here; else echo elsewhere; fi ;;
*) exit 1 ;;
esac
"#;

#[test]
fn a_program_takes_what_the_kernel_cannot_give() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let scratch = Scratch::new("carrier");
    let carrier = scratch.write("carrier", CARRIER);
    let network = scratch.write("network", "nobody\n");
    let leads_to = || std::fs::read_to_string(&network).unwrap().trim().to_owned();
    let command = |machine: &str, peer: &str| {
        let words = ["/bin/sh", carrier.to_str().unwrap(), machine, network.to_str().unwrap()];
        format!("peers = [\"{peer}\"]\ncommand = {words:?}")
    };
    let mut a = link.node("a", &vip(150, &command("a", "192.0.2.2")));
    wait_until("a has it", PATIENCE, || leads_to() == "a");
    let b = link.node("b", &vip(100, &command("b", "192.0.2.1")));
    b.await_state("main", "backup");
    a.kill();
    wait_until("b has it", PATIENCE, || leads_to() == "b");
    assert!(!link.has("a", VIP) && !link.has("b", VIP));
    // A program that is not there yet is called again.
    a.start(&vip(150, &command("a", "192.0.2.2")));
    wait_until("a hears b", PATIENCE, || a.vip("main")["owner"] == "192.0.2.2");
    std::fs::rename(&carrier, scratch.file("away")).unwrap();
    b.api("PUT", "/api/v1/vips/main", r#"{"moved": true}"#).unwrap();
    a.await_state("main", "active");
    wait_until("a says so", PATIENCE, || a.log().contains("vip-trouble"));
    std::fs::rename(scratch.file("away"), &carrier).unwrap();
    wait_until("a has it", PATIENCE, || leads_to() == "a");
    a.process().signal(Signal::TERM);
    wait_until("b has it", PATIENCE, || leads_to() == "b");
    assert!(a.process().wait(PATIENCE).success());
    // Should a have released what b has just taken, b sees that and takes it once more.
    wait_until("b keeps it", PATIENCE, || leads_to() == "b");
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
