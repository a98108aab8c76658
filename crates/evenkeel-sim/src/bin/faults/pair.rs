//! Faults of a pair: two nodes with a virtual address, or one and a keepalived, a client that asks
//! every 10 ms, and another one that asks the link for the address.

use std::thread;
use std::time::Duration;

use evenkeel_sim::clock;
use evenkeel_sim::keepalived::NO_KEEPALIVED;
use evenkeel_sim::link::{Link, NO_LINK, Node, Seen};
use evenkeel_sim::process::{self, Process, Signal};

const VIP: &str = "192.0.2.10";
/// For everything that takes no time of its own on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of it: what was measured, and every promise that was not kept.
pub(crate) type Tried = Result<(String, Vec<String>), String>;

/// A fault of a pair.
pub(crate) struct PairRow {
    pub(crate) name: &'static str,
    pub(crate) fault: &'static str,
    pub(crate) promise: &'static str,
    pub(crate) run: fn(short: bool) -> Tried,
}

/// Every one.
#[rustfmt::skip]
pub(crate) const PAIR_ROWS: &[PairRow] = &[
    PairRow { name: "vip-kill", fault: "the owner of an address is killed",
        promise: "gap ≤ 3.7 s, one answers ARP", run: |short| lose(&DEFAULT, Signal::KILL, short) },
    PairRow { name: "vip-kill-fast", fault: "the same with adverts each 100 ms",
        promise: "gap ≤ 450 ms", run: |short| lose(&FAST, Signal::KILL, short) },
    PairRow { name: "vip-freeze", fault: "the owner of an address is frozen, and goes on",
        promise: "gap ≤ 3.7 s, one answers ARP", run: |short| lose(&DEFAULT, Signal::STOP, short) },
    PairRow { name: "vip-freeze-fast", fault: "the same with adverts each 100 ms",
        promise: "gap ≤ 450 ms", run: |short| lose(&FAST, Signal::STOP, short) },
    PairRow { name: "vip-move", fault: "an address is moved to the other node",
        promise: "gap ≤ 50 ms, 1 failed that was under way", run: moved },
    PairRow { name: "vip-peace", fault: "60 s (short: 10 s) beside keepalived",
        promise: "it stays where it is", run: peace },
    PairRow { name: "vip-busy", fault: "all processors are busy for 60 s (short: 5 s)",
        promise: "no advert is late by an interval", run: busy },
];

/// How often owners speak, and how long clients may miss one.
struct Profile {
    advertise: &'static str,
    gap: Duration,
    /// Two that answer for the address at once; `None`: the kernel of a dead one does so for a while.
    overlap: Option<Duration>,
}

const DEFAULT: Profile = Profile {
    advertise: "1s",
    gap: Duration::from_millis(3_700),
    overlap: Some(Duration::from_secs(1)),
};
const FAST: Profile = Profile { advertise: "fast", gap: Duration::from_millis(450), overlap: None };

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
    if profile.overlap.is_some_and(|most| overlap > allowed(most, short)) {
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
    let seen @ Seen { failed, gap, .. } = &client.end();
    let mut broken = Vec::new();
    if *failed > 1 {
        broken.push(format!("{failed} failed"));
    }
    if *gap > allowed(Duration::from_millis(50), short) {
        broken.push(format!("no answer for {gap:?}"));
    }
    Ok((seen.to_string(), broken))
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
