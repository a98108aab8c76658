//! Faults of a pair: two nodes with a virtual address, or one and a keepalived, a client that asks
//! every 10 ms, and another one that asks the link for the address.

mod warm;

use std::thread;
use std::time::Duration;

use evenkeel_sim::clock;
use evenkeel_sim::keepalived::NO_KEEPALIVED;
use evenkeel_sim::link::{Link, NO_LINK, Node, Seen};
use evenkeel_sim::load::{Load, Plan};
use evenkeel_sim::origin::{Mode, Origin};
use evenkeel_sim::process::{self, Process, Signal};

use crate::trial::{Trial, Tried};

const VIP: &str = "192.0.2.10";
/// For everything that takes no time of its own on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Every one.
#[rustfmt::skip]
pub(crate) const PAIR_ROWS: &[Trial] = &[
    Trial { name: "vip-kill", in_short: true, fault: "the owner of an address is killed",
        promise: "gap ≤ 3.7 s, one answers ARP", run: |options| lose(&DEFAULT, Signal::KILL, options.short) },
    Trial { name: "vip-kill-fast", in_short: true, fault: "the same with adverts each 100 ms",
        promise: "gap ≤ 450 ms, one answers ARP", run: |options| lose(&FAST, Signal::KILL, options.short) },
    Trial { name: "vip-freeze", in_short: true, fault: "the owner of an address is frozen, and goes on",
        promise: "gap ≤ 3.7 s, one answers ARP", run: |options| lose(&DEFAULT, Signal::STOP, options.short) },
    Trial { name: "vip-freeze-fast", in_short: true, fault: "the same with adverts each 100 ms",
        promise: "gap ≤ 450 ms, one answers ARP", run: |options| lose(&FAST, Signal::STOP, options.short) },
    Trial { name: "vip-move", in_short: true, fault: "an address is moved to the other node",
        promise: "gap ≤ 50 ms, 1 failed that was under way", run: |options| moved(options.short) },
    Trial { name: "vip-move-busy", in_short: false, fault: "the same under 200 clients that ask as fast as they are answered",
        promise: "1 in 1,000 of a second's requests fails", run: |_| moved_busy() },
    Trial { name: "vip-unplugged", in_short: false, fault: "the owner's cable is pulled and put in again",
        promise: "gap ≤ 3.7 s, it stays where it went", run: |options| unplugged(options.short) },
    Trial { name: "vip-reboot", in_short: false, fault: "the preferred node is killed, and comes back",
        promise: "gap ≤ 3.7 s, and ≤ 50 ms on the way back", run: |options| reboot(options.short) },
    Trial { name: "vip-priority", in_short: false, fault: "the other node is given a higher priority",
        promise: "gap ≤ 50 ms, 1 failed that was under way", run: |options| priority(options.short) },
    Trial { name: "pair-kill", in_short: false, fault: "the owner of two that know the same is killed",
        promise: "gap ≤ 3.7 s, TLS and sticky sessions go on", run: |options| warm::lose(&DEFAULT, options.short) },
    Trial { name: "pair-kill-fast", in_short: false, fault: "the same with adverts each 100 ms",
        promise: "gap ≤ 450 ms, TLS and sticky sessions go on", run: |options| warm::lose(&FAST, options.short) },
    Trial { name: "vip-split", in_short: false, fault: "two nodes cannot hear each other, and then can",
        promise: "one owner within 2 intervals, clients find it", run: |options| split(options.short) },
    Trial { name: "vip-peace", in_short: true, fault: "60 s (short: 10 s) beside keepalived",
        promise: "it stays where it is", run: |options| peace(options.short) },
    Trial { name: "vip-busy", in_short: true, fault: "all processors are busy for 60 s (short: 5 s)",
        promise: "no advert is late by an interval", run: |options| busy(options.short) },
];

/// How often owners speak, and how long clients may miss one.
struct Profile {
    advertise: &'static str,
    gap: Duration,
    /// Two that answer for the address at once.
    overlap: Duration,
}

const DEFAULT: Profile =
    Profile { advertise: "1s", gap: Duration::from_millis(3_700), overlap: Duration::from_secs(1) };
const FAST: Profile = Profile {
    advertise: "fast",
    gap: Duration::from_millis(450),
    overlap: Duration::from_millis(100),
};

/// The short run is for machines that have other things to do.
fn allowed(most: Duration, short: bool) -> Duration {
    if short { most * 5 } else { most }
}

fn vip(priority: u8, advertise: &str) -> String {
    format!(
        "[vip.main]\naddress = \"{VIP}/24\"\ninterface = \"eth0\"\nrouter_id = 51\n\
         priority = {priority}\nadvertise = \"{advertise}\"\n"
    )
}

fn is(node: &Node<'_>, state: &str) -> Result<(), String> {
    if clock::comes_true(PATIENCE, || node.vip("main")["state"] == state) {
        return Ok(());
    }
    Err(format!("a node is not {state} but {}", node.vip("main")))
}

fn pair<'l>(link: &'l Link, advertise: &str) -> Result<(Node<'l>, Node<'l>), String> {
    let a = link.node("a", &vip(150, advertise));
    is(&a, "active")?;
    let b = link.node("b", &vip(100, advertise));
    is(&b, "backup")?;
    let knows = || b.vip("main")["owner"] == "192.0.2.1";
    if clock::comes_true(PATIENCE, knows) { Ok((a, b)) } else { Err("b hears nothing".into()) }
}

fn lose(profile: &Profile, signal: Signal, short: bool) -> Tried {
    let link = Link::with(&["a", "b", "client", "asker"]).ok_or(NO_LINK)?;
    let (mut a, b) = pair(&link, profile.advertise)?;
    let (client, asker) = (link.watch("client", VIP), link.ask("asker", VIP));
    a.process().signal(signal);
    is(&b, "active")?;
    clock::pause_until(clock::now() + Duration::from_secs(2));
    if signal == Signal::STOP {
        a.process().signal(Signal::CONT);
        is(&a, "backup")?;
    }
    let (seen, overlap) = (client.end(), asker.end());
    let mut broken = Vec::new();
    if seen.gap > allowed(profile.gap, short) {
        broken.push(format!("no answer for {:?}", seen.gap));
    }
    if overlap > allowed(profile.overlap, short) {
        broken.push(format!("two answered ARP for {overlap:?}"));
    }
    Ok((format!("{seen}; two answered ARP for {overlap:?}"), broken))
}

fn moved(short: bool) -> Tried {
    let link = Link::with(&["a", "b", "client"]).ok_or(NO_LINK)?;
    let (a, b) = pair(&link, "1s")?;
    let client = link.watch("client", VIP);
    a.api("PUT", "/api/v1/vips/main", r#"{"moved": true}"#).ok_or("a does not answer")?;
    is(&b, "active")?;
    is(&a, "backup")?;
    client.await_server("b");
    Ok(handed_over(&client.end(), short))
}

fn moved_busy() -> Tried {
    const CLIENTS: u64 = 200;
    const ENOUGH: u64 = 5_000;
    let link = Link::with(&["a", "b", "client", "server"]).ok_or(NO_LINK)?;
    let server = "192.0.2.4:8000".parse().expect("an address");
    let origin = link.enter("server", || Origin::start("server", server));
    // Long enough that many are under way when the address moves.
    origin.set(Mode::Slow(Duration::from_millis(20)));
    let pool = "[[listener.front.route]]\npath = \"/load\"\npool = \"app\"\n\
                [pool.app]\nservers = [\"192.0.2.4:8000\"]\n";
    let a = link.node("a", &(pool.to_owned() + &vip(150, "1s")));
    is(&a, "active")?;
    let b = link.node("b", &(pool.to_owned() + &vip(100, "1s")));
    is(&b, "backup")?;
    let address = format!("{VIP}:8080").parse().expect("an address");
    let load = link.enter("client", || Load::start(Plan::rush(address, CLIENTS, u64::MAX)));
    let is_under_way = |more| {
        let before = load.ok();
        clock::comes_true(PATIENCE, || load.ok() > before + more)
    };
    let begun = clock::now();
    let mut goes_on = is_under_way(ENOUGH);
    let per_second = u128::from(load.ok()) * 1_000 / (clock::now() - begun).as_millis().max(1);
    a.api("PUT", "/api/v1/vips/main", r#"{"moved": true}"#).ok_or("a does not answer")?;
    is(&b, "active")?;
    is(&a, "backup")?;
    goes_on &= is_under_way(ENOUGH);
    let report = load.stop();
    let mut broken = Vec::new();
    let failed = report.sent - report.ok;
    if !goes_on || u128::from(failed) > (per_second / 1_000).max(1) {
        broken.push(format!("{failed} failed"));
    }
    Ok((format!("{per_second} a second; {report}"), broken))
}

fn unplugged(short: bool) -> Tried {
    let link = Link::with(&["a", "b", "client"]).ok_or(NO_LINK)?;
    let (a, b) = pair(&link, "1s")?;
    let client = link.watch("client", VIP);
    link.plug("a", false);
    is(&b, "active")?;
    is(&a, "fault")?;
    client.await_server("b");
    link.plug("a", true);
    is(&a, "backup")?;
    let knows = || a.vip("main")["owner"] == "192.0.2.2";
    let mut broken = Vec::new();
    if !clock::comes_true(PATIENCE, knows) {
        broken.push("a does not hear who owns it now".to_owned());
    }
    let seen = client.end();
    if seen.gap > allowed(DEFAULT.gap, short) || seen.servers != ["a", "b"] {
        broken.push(format!("no answer for {:?}, by {:?}", seen.gap, seen.servers));
    }
    Ok((seen.to_string(), broken))
}

fn reboot(short: bool) -> Tried {
    let link = Link::with(&["a", "b", "client"]).ok_or(NO_LINK)?;
    let preferred = format!("{}preempt = true\n", vip(150, "1s"));
    let mut a = link.node("a", &preferred);
    is(&a, "active")?;
    let b = link.node("b", &vip(100, "1s"));
    is(&b, "backup")?;
    let client = link.watch("client", VIP);
    a.kill();
    is(&b, "active")?;
    client.await_server("b");
    let lost = client.end();
    let client = link.watch("client", VIP);
    a.start(&preferred);
    is(&a, "active")?;
    is(&b, "backup")?;
    client.await_server("a");
    let back = client.end();
    let mut broken = Vec::new();
    if lost.gap > allowed(DEFAULT.gap, short) {
        broken.push(format!("no answer for {:?}", lost.gap));
    }
    if back.gap > allowed(Duration::from_millis(50), short) || back.failed > 1 {
        broken.push(format!("on the way back {} failed, gap {:?}", back.failed, back.gap));
    }
    Ok((format!("{lost}; on the way back: {back}"), broken))
}

fn priority(short: bool) -> Tried {
    let link = Link::with(&["a", "b", "client"]).ok_or(NO_LINK)?;
    let (a, b) = pair(&link, "1s")?;
    let client = link.watch("client", VIP);
    b.reload(&format!("{}preempt = true\n", vip(200, "1s")));
    is(&b, "active")?;
    is(&a, "backup")?;
    client.await_server("b");
    Ok(handed_over(&client.end(), short))
}

fn split(short: bool) -> Tried {
    let link = Link::with(&["a", "b", "client"]).ok_or(NO_LINK)?;
    let (a, b) = pair(&link, "1s")?;
    let client = link.watch("client", VIP);
    // Ports that are isolated reach all but each other.
    let isolate = |word: &str| {
        for port in ["a", "b"] {
            link.ip("switch", &format!("link set port-{port} type bridge_slave isolated {word}"));
        }
    };
    isolate("on");
    is(&b, "active")?;
    is(&a, "active")?;
    let healed = clock::now();
    isolate("off");
    let owners = || {
        let owns = |node: &&Node<'_>| node.vip("main")["state"] == "active";
        [&a, &b].into_iter().filter(owns).count()
    };
    let mut broken = Vec::new();
    if !clock::comes_true(PATIENCE, || owners() == 1) {
        broken.push(format!("{} own it", owners()));
    }
    let took = clock::now() - healed;
    if took > allowed(Duration::from_secs(2), short) {
        broken.push(format!("two owned it for {took:?} after they could hear each other"));
    }
    // The stronger of the two; the client has heard so from it.
    is(&a, "active")?;
    client.await_server("a");
    let seen = client.end();
    Ok((format!("one owner after {took:?}; {seen}"), broken))
}

/// What a move that was meant may cost.
fn handed_over(seen: &Seen, short: bool) -> (String, Vec<String>) {
    let Seen { failed, gap, .. } = seen;
    let mut broken = Vec::new();
    if *failed > 1 {
        broken.push(format!("{failed} failed"));
    }
    if *gap > allowed(Duration::from_millis(50), short) {
        broken.push(format!("no answer for {gap:?}"));
    }
    (seen.to_string(), broken)
}

fn peace(short: bool) -> Tried {
    let link = Link::with(&["a", "b"]).ok_or(NO_LINK)?;
    let a = link.node("a", &vip(150, "fast"));
    is(&a, "active")?;
    let settings = format!(
        "virtual_router_id 51\npriority 120\nadvert_int 0.1\nversion 3\nnopreempt\n\
         virtual_ipaddress {{\n{VIP}/24\n}}"
    );
    let b = link.keepalived("b", &settings).ok_or(NO_KEEPALIVED)?;
    let time = Duration::from_secs(if short { 10 } else { 60 });
    clock::pause_until(clock::now() + time);
    let (claims, theirs) = (a.vip("main")["claims_total"].clone(), b.claims());
    let mut broken = Vec::new();
    if claims != 1 || theirs > 0 {
        broken.push(format!("claimed {claims} times here and {theirs} times there"));
    }
    Ok((format!("{time:?}, claimed once"), broken))
}

fn busy(short: bool) -> Tried {
    let link = Link::with(&["a"]).ok_or(NO_LINK)?;
    let a = link.node("a", &vip(150, "fast"));
    is(&a, "active")?;
    let tcpdump = process::find("tcpdump").ok_or("tcpdump is not installed")?;
    let mut command = link.command("switch", tcpdump.to_str().ok_or("paths are UTF-8")?);
    command.args(["-l", "-n", "-tt", "-i", "br0", "ip proto 112"]);
    let capture = Process::start("tcpdump", command);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let spinners: Vec<Process> = (0..cores * 4)
        .map(|_| {
            let mut command = process::bound(&"/bin/sh".into());
            command.args(["-c", "while :; do :; done"]);
            Process::start("a busy program", command)
        })
        .collect();
    clock::pause_until(clock::now() + Duration::from_secs(if short { 5 } else { 60 }));
    drop(spinners);
    let lines = capture.stdout.lines();
    let times: Vec<f64> =
        lines.iter().filter_map(|line| line.split_once(' ')?.0.parse().ok()).collect();
    let late = times.windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
    let mut broken = Vec::new();
    let most = allowed(Duration::from_millis(200), short);
    if times.len() < 20 || late > most.as_secs_f64() {
        broken.push(format!("{late:.3} s between two of {} adverts", times.len()));
    }
    Ok((format!("{} adverts, at most {late:.3} s between two", times.len()), broken))
}
