//! The faults, what happens in each, and what is promised.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use evenkeel_sim::client::Client;
use evenkeel_sim::clock;
use evenkeel_sim::http1::Broken;
use evenkeel_sim::load::{Pace, Plan};
use evenkeel_sim::loris::Loris;
use evenkeel_sim::name_server::LIES;
use evenkeel_sim::origin::RemoteOrigin;
use evenkeel_sim::process::{Process, Signal};

use crate::ground::Ground;
use crate::isolation::{FewPorts, Loss};
use crate::subject::{PANIC_PATH, Setup};

/// A fault.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What goes wrong.
    pub(crate) fault: &'static str,
    /// What is promised, for people.
    pub(crate) promise: &'static str,
    /// GETs that may fail nevertheless.
    pub(crate) gets: Allowed,
    /// POSTs that may.
    pub(crate) posts: Allowed,
    pub(crate) setup: Setup,
    pub(crate) load: fn(&mut Plan),
    /// What 99 of 100 requests may take.
    pub(crate) p99: Option<Duration>,
    /// Makes it go wrong and right again.
    pub(crate) inject: fn(&mut Ground),
    /// Needs an own network.
    pub(crate) needs_isolation: bool,
    pub(crate) when: When,
}

/// In which runs a row is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// In the run of each change, too, which has little time.
    Always,
    InFull,
    /// It takes too long for every run.
    Named,
}

/// Failures that break no promise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Allowed {
    None,
    /// Of these kinds only, and no more for each second the fault lasts.
    Some {
        kinds: &'static [&'static str],
        per_second: f64,
    },
}

/// A request that must not be repeated fails when its server does: one in ten of those sent to one
/// of three servers, until that server is out of the rotation.
const POSTS_UNDER_WAY: Allowed = Allowed::Some { kinds: &["502", "504"], per_second: 6.0 };
/// Answers of a server that breaks within them: far fewer than the 50 it would be asked for each
/// second, since it is out of the rotation most of the time.
const CUT: Allowed =
    Allowed::Some { kinds: &["cut off", "closed without an answer"], per_second: 20.0 };
/// Answers that cannot be understood, as few.
const BAD_ANSWERS: Allowed = Allowed::Some { kinds: &["502"], per_second: 20.0 };
/// Requests whose connections were lost several times in a row: one in a hundred.
const HARDLY_ANY: Allowed = Allowed::Some { kinds: &["502", "503", "504"], per_second: 1.5 };
/// Nobody is there to answer.
const ALL_DOWN: Allowed = Allowed::Some { kinds: &["502", "503"], per_second: f64::INFINITY };

pub(crate) const NOTHING: Row = Row {
    name: "",
    fault: "",
    promise: "0 failed",
    gets: Allowed::None,
    posts: Allowed::None,
    setup: Setup::Plain,
    load: |_| {},
    p99: None,
    inject: |_| {},
    needs_isolation: false,
    when: When::Always,
};

/// A server answers in this mode for the period.
macro_rules! misbehave {
    ($mode:literal) => {
        |ground| ground.misbehave($mode)
    };
}

/// Every row of the matrix.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row { name: "none", fault: "nothing", inject: |ground| ground.lasts(1.0), ..NOTHING },
    Row { name: "kill", fault: "a server is killed and started again",
        promise: "0 failed GET", posts: POSTS_UNDER_WAY, inject: kill, ..NOTHING },
    Row { name: "hang", fault: "a server is stopped",
        promise: "0 failed GET, POST 504", posts: POSTS_UNDER_WAY, inject: hang, ..NOTHING },
    Row { name: "blackhole", fault: "packets to and from a server vanish",
        promise: "0 failed GET, POST 504", posts: POSTS_UNDER_WAY, inject: |ground| lose(ground, 1, 100),
        needs_isolation: true, ..NOTHING },
    Row { name: "loss", fault: "5 % of the packets to and from a server are lost",
        inject: |ground| lose(ground, 1, 5), needs_isolation: true, ..NOTHING },
    Row { name: "loss-everywhere", fault: "the same for all servers",
        promise: "hardly any failed, the pool stays in use", gets: HARDLY_ANY, posts: HARDLY_ANY,
        inject: |ground| lose(ground, 3, 5), needs_isolation: true, ..NOTHING },
    Row { name: "ports", fault: "no local port is left towards a server", setup: Setup::NothingKept,
        inject: no_ports, needs_isolation: true, ..NOTHING },
    Row { name: "names", fault: "the DNS server is silent, lies, and is gone", setup: Setup::Names,
        inject: names, ..NOTHING },
    Row { name: "refuse", fault: "a server refuses connections",
        promise: "0 failed", inject: misbehave!("refuse"), ..NOTHING },
    Row { name: "reset-on-accept", fault: "a server resets new connections",
        promise: "0 failed GET", posts: POSTS_UNDER_WAY, inject: misbehave!("reset-on-accept"), ..NOTHING },
    Row { name: "reset-before-answer", fault: "a server resets instead of answering",
        promise: "0 failed GET, POST 502", posts: POSTS_UNDER_WAY, inject: misbehave!("reset-before-answer"), ..NOTHING },
    Row { name: "reset-before-post", fault: "the same with POSTs only",
        promise: "POST 502 until it is out", posts: Allowed::Some { kinds: &["502"], per_second: 20.0 },
        load: |plan| plan.post_every = 1, inject: misbehave!("reset-before-answer"), ..NOTHING },
    Row { name: "reset-mid-body", fault: "a server resets within its answers",
        promise: "cut visibly until it is out", gets: CUT, posts: CUT, inject: misbehave!("reset-mid-body"), ..NOTHING },
    Row { name: "truncate", fault: "a server closes within its answers",
        promise: "cut visibly until it is out", gets: CUT, posts: CUT, inject: misbehave!("truncate"), ..NOTHING },
    Row { name: "close-race", fault: "a server closes right after its answers without saying so",
        promise: "0 failed GET", posts: POSTS_UNDER_WAY, inject: misbehave!("close-race"), ..NOTHING },
    Row { name: "garbage", fault: "a server answers something other than HTTP",
        promise: "502 until it is out", gets: BAD_ANSWERS, posts: BAD_ANSWERS, inject: misbehave!("garbage"), ..NOTHING },
    Row { name: "negative-length", fault: "a server's answers have a negative length",
        promise: "502 until it is out", gets: BAD_ANSWERS, posts: BAD_ANSWERS, inject: misbehave!("negative-length"), ..NOTHING },
    Row { name: "two-lengths", fault: "a server's answers have two lengths",
        promise: "502 until it is out", gets: BAD_ANSWERS, posts: BAD_ANSWERS, inject: misbehave!("two-lengths"), ..NOTHING },
    Row { name: "length-and-chunked", fault: "a server's answers have a length and chunks",
        promise: "502 until it is out", gets: BAD_ANSWERS, posts: BAD_ANSWERS, inject: misbehave!("length-and-chunked"), ..NOTHING },
    Row { name: "slow", fault: "a server takes 3 s, more than it may",
        promise: "0 failed GET, POST 504", posts: POSTS_UNDER_WAY, inject: misbehave!("slow 3000"), ..NOTHING },
    Row { name: "slow-body", fault: "a server takes 1 s for its body",
        inject: misbehave!("slow-body 1000"), ..NOTHING },
    Row { name: "all-down", fault: "all servers are killed and started again after 2.5 s",
        promise: "told at once, then well", gets: ALL_DOWN, posts: ALL_DOWN, inject: all_down, ..NOTHING },
    Row { name: "herd", fault: "the same under ten times the load",
        promise: "told at once, then well", gets: ALL_DOWN, posts: ALL_DOWN,
        load: |plan| plan.pace = Pace::Steady { per_second: 1000 }, inject: all_down, ..NOTHING },
    Row { name: "half-close", fault: "clients end their half after the request",
        promise: "0 failed", load: |plan| plan.half_close = true, inject: |ground| ground.lasts(1.0), ..NOTHING },
    Row { name: "frozen", fault: "the balancer is stopped for 2 s", inject: frozen, ..NOTHING },
    Row { name: "reload", fault: "the configuration is reloaded five times", inject: reload, ..NOTHING },
    Row { name: "reload-broken", fault: "a broken configuration is loaded five times",
        promise: "0 failed, line named", inject: reload_broken, ..NOTHING },
    Row { name: "panic", fault: "requests that panic",
        promise: "only they are lost", setup: Setup::PanicPath, inject: panic, ..NOTHING },
    Row { name: "idle-flood", fault: "more connections than file descriptors",
        setup: Setup::Descriptors(512), inject: idle_flood, ..NOTHING },
    Row { name: "starvation", fault: "lowest priority beside four busy loops",
        setup: Setup::Nice, inject: starvation, ..NOTHING },
    Row { name: "log-disk-full", fault: "the access log's disk is full", setup: Setup::FullDisk,
        inject: |ground| ground.lasts(1.0), ..NOTHING },
    Row { name: "log-stuck", fault: "nobody takes the access log", setup: Setup::StuckLog,
        load: |plan| plan.pace = Pace::Steady { per_second: 400 }, inject: |ground| ground.lasts(1.0), ..NOTHING },
    Row { name: "clock-jump", fault: "the wall clock jumps by a day", setup: Setup::FakeClock, inject: clock_jump, ..NOTHING },
    Row { name: "slow-loris", fault: "2,000 connections send a byte of a request head every 5 s for 60 s",
        promise: "0 failed, p99 < 50 ms", p99: Some(Duration::from_millis(50)), inject: slow_loris, when: When::Named, ..NOTHING },
];

fn kill(ground: &mut Ground) {
    ground.servers[0].kill();
    ground.lasts(0.6);
    ground.servers[0].restart();
    ground.lasts(0.4);
}

fn hang(ground: &mut Ground) {
    ground.servers[0].freeze();
    ground.lasts(1.0);
    ground.servers[0].thaw();
}

/// So many servers, so many of a hundred packets.
fn lose(ground: &mut Ground, servers: usize, share: u32) {
    let addresses: Vec<SocketAddr> =
        ground.servers.iter().take(servers).map(RemoteOrigin::address).collect();
    match Loss::of(&addresses, share) {
        Ok(_loss) => ground.lasts(1.0),
        Err(why) => ground.untried = Some(why),
    }
    let mode = ground.subject.pool_mode();
    if mode.as_deref().is_some_and(|mode| mode != "normal") {
        ground.broken.push(format!("the pool is in mode {mode:?}"));
    }
}

/// Every port towards a server is taken, as by somebody else on this machine.
fn no_ports(ground: &mut Ground) {
    let server = ground.servers[0].address();
    let before = ground.subject.retries();
    let few = match FewPorts::take() {
        Ok(few) => few,
        Err(why) => {
            ground.untried = Some(why);
            return;
        }
    };
    let end = clock::now() + ground.period;
    let mut held = Vec::new();
    while clock::now() < end {
        // Those that become free again are taken, too.
        held.extend(std::iter::from_fn(|| TcpStream::connect(server).ok()));
        clock::pause_until(clock::now() + Duration::from_millis(10));
    }
    drop((held, few));
    if ground.subject.retries() == before {
        ground.broken.push("no request met the want of ports".to_owned());
    }
}

/// The names of the servers are lied about in every way, each for longer than an answer is good
/// for; then nobody is left to ask.
fn names(ground: &mut Ground) {
    for lies in LIES.chunks(3) {
        ground.subject.lie(lies);
        clock::pause_until(clock::now() + Duration::from_millis(1500));
    }
    ground.subject.silence_names();
    ground.lasts(0.5);
}

fn all_down(ground: &mut Ground) {
    let back = clock::now() + Duration::from_millis(2500);
    ground.servers.iter_mut().for_each(RemoteOrigin::kill);
    clock::pause_until(back);
    ground.servers.iter_mut().for_each(RemoteOrigin::restart);
    ground.lasts(0.5);
}

fn frozen(ground: &mut Ground) {
    ground.subject.signal_all(Signal::STOP);
    clock::pause_until(clock::now() + Duration::from_secs(2));
    ground.subject.signal_all(Signal::CONT);
    ground.lasts(0.2);
}

fn reload(ground: &mut Ground) {
    for _ in 0..5 {
        ground.subject.reload();
        ground.lasts(0.2);
    }
}

fn reload_broken(ground: &mut Ground) {
    for _ in 0..5 {
        let broken = ground.subject.reload_broken();
        ground.broken.extend(broken);
        ground.lasts(0.2);
    }
}

fn panic(ground: &mut Ground) {
    for _ in 0..10 {
        let answer = Client::connect(ground.subject.address()).and_then(|mut client| {
            client.try_send(format!("GET {PANIC_PATH} HTTP/1.1\r\nHost: test.example\r\n\r\n"))?;
            client.try_answer("GET")
        });
        match answer {
            Ok(answer) if answer.status == 500 => {}
            Err(Broken::Closed | Broken::Reset) => {}
            other => ground.broken.push(format!("{PANIC_PATH}: {other:?}")),
        }
        ground.lasts(0.1);
    }
}

fn idle_flood(ground: &mut Ground) {
    let address = ground.subject.address();
    let limit = Duration::from_secs(1);
    // A kernel may show a listener only connections on which something was sent.
    let hold = |_| {
        let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\n").ok()?;
        Some(stream)
    };
    let flood: Vec<TcpStream> = (0..1000).map_while(hold).collect();
    ground.lasts(0.5);
    drop(flood);
    ground.lasts(0.5);
}

fn starvation(ground: &mut Ground) {
    let busy = || {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        Process::start("a busy loop", command)
    };
    let loops: Vec<Process> = (0..4).map(|_| busy()).collect();
    ground.lasts(1.0);
    drop(loops);
}

fn clock_jump(ground: &mut Ground) {
    for offset in ["+1d", "-1d", "+0d"] {
        ground.subject.set_clock(offset);
        ground.lasts(0.3);
    }
}

fn slow_loris(ground: &mut Ground) {
    let mut loris = Loris::start(ground.subject.address(), 2000);
    let end = clock::now() + Duration::from_mins(1);
    while clock::now() < end {
        loris.drip();
        clock::pause_until(clock::now() + Duration::from_secs(5));
    }
}
