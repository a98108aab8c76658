//! A thousand servers and ten thousand routes beside two servers and one route: what a request
//! costs, how long a reload takes, what it holds.
//!
//! Once with two servers in use and the others in reserve, so that what choosing costs is seen
//! apart from what it costs the kernel to go round a thousand connections.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::config::Scale;
use super::proxy::Proxy;
use super::scenario::{Listener, SMALL, Scenario};
use super::table::median;
use super::upstream::Upstreams;
use super::{Bench, Kind, Setting, cpu, load, memory};
use crate::{clock, out};

/// Addresses of each of the two upstreams, so that together they are a thousand servers.
const ADDRESSES: u16 = 500;

/// The last of them is asked for.
const ROUTES: u32 = 10_000;

/// Reloads of which the median is told.
const RELOADS: u32 = 5;

/// The same requests for all: for the last route.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "many",
    title: "http, keep-alive, 100 B",
    listener: Listener::Http,
    path: SMALL,
    host: Some("h9999.example"),
    close: false,
    log: false,
    targets: None,
};

/// Microseconds of CPU per request.
#[derive(Debug, Default)]
struct Samples {
    /// Of the workers: what the requests cost.
    workers: Vec<f64>,
    /// Of the whole program: with the checks of every server.
    whole: Vec<f64>,
}

impl Samples {
    /// Of the workers, and of the whole program.
    fn median(mut self) -> (f64, f64) {
        (median(&mut self.workers), median(&mut self.whole))
    }
}

/// Measures and prints.
pub(super) fn measure(bench: &Bench<'_>) -> Result<()> {
    let upstreams = Upstreams::start(&bench.scratch, &aliases().collect::<Vec<_>>())?;
    let start = |scale| {
        let setting = Setting { scale, ..bench.setting(1, false) };
        Proxy::start(Kind::Evenkeel, &bench.programs, setting, &upstreams, &bench.scratch)
    };
    let mut proxies = [start(Scale::Few)?, start(Scale::Reserve)?, start(Scale::Many)?];
    let mut at_rest = [0; 3];
    for (proxy, kib) in proxies.iter().zip(&mut at_rest) {
        *kib = memory::proportional(proxy.pid())?;
    }
    let mut samples = [Samples::default(), Samples::default(), Samples::default()];
    for round in 0..=bench.options.rounds.get() {
        for (proxy, samples) in proxies.iter().zip(&mut samples) {
            let address = proxy.address(SCENARIO.listener);
            let before = (cpu::spent_by(proxy.pid(), "worker")?, cpu::spent(proxy.pid())?);
            let answered =
                load::run(address, &SCENARIO, bench.options.seconds.get(), bench.scratch.path())?;
            let after = (cpu::spent_by(proxy.pid(), "worker")?, cpu::spent(proxy.pid())?);
            let each = |before: Duration, after: Duration| {
                after.saturating_sub(before).as_secs_f64() * 1e6 / f64::from(answered.requests)
            };
            // The first round makes the connections.
            if round > 0 {
                samples.workers.push(each(before.0, after.0));
                samples.whole.push(each(before.1, after.1));
            }
        }
    }
    let [few, reserve, many] = samples.map(Samples::median);
    out::say("\nµs a request, 1,000 servers and 10,000 routes beside two servers and one route:");
    for (what, few, large) in [
        ("two in use, workers", few.0, reserve.0),
        ("two in use, with checks and all", few.1, reserve.1),
        ("all in use, workers", few.0, many.0),
        ("all in use, with checks and all", few.1, many.1),
    ] {
        out::say(&format!("{what}: {few:.2} and {large:.2}, {:.3}", large / few));
    }
    let [_, _, large] = &mut proxies;
    let (mut took, mut spent) = (Vec::new(), Vec::new());
    for _ in 0..RELOADS {
        let before = cpu::spent(large.pid())?;
        took.push(reload(large)?.as_secs_f64() * 1e3);
        let after = cpu::spent(large.pid())?;
        spent.push(after.saturating_sub(before).as_secs_f64() * 1e3);
    }
    let (took, spent) = (median(&mut took), median(&mut spent));
    out::say(&format!("reload of the large one: {took:.0} ms, {spent:.0} ms of CPU"));
    let [few, _, many] = at_rest.map(|kib| f64::from(kib) / 1024.0);
    let loaded = f64::from(memory::proportional(large.pid())?) / 1024.0;
    out::say(&format!(
        "memory: {few:.1} and {many:.1} MiB at rest, {loaded:.1} MiB after load and reloads"
    ));
    Ok(())
}

/// What the upstreams listen on besides their own addresses.
fn aliases() -> impl Iterator<Item = Ipv4Addr> {
    (0..ADDRESSES).map(|number| {
        let [high, low] = number.to_be_bytes();
        Ipv4Addr::new(127, 1, high, low)
    })
}

/// The servers of the large configuration.
pub(super) fn servers(upstreams: [SocketAddr; 2], reserve: bool) -> String {
    let servers = upstreams.into_iter().flat_map(|upstream| {
        aliases().enumerate().map(move |(place, alias)| {
            let address = SocketAddr::new(alias.into(), upstream.port());
            let backup = reserve && place > 0;
            format!("{{ address = \"{address}\", backup = {backup} }}")
        })
    });
    servers.collect::<Vec<_>>().join(", ")
}

/// So many routes of a listener, each for a host of its own; the last is that of [`SCENARIO`].
pub(super) fn routes(scale: Scale) -> String {
    let first = match scale {
        Scale::Usual => return String::new(),
        Scale::Few => ROUTES - 1,
        Scale::Reserve | Scale::Many => 0,
    };
    let mut routes = String::new();
    for number in first..ROUTES {
        // A String takes everything.
        let _ = write!(
            routes,
            "[[listener.http.route]]\nhost = \"h{number}.example\"\npath = \"/small\"\n\
             pool = \"http\"\n"
        );
    }
    routes
}

/// How long it takes until another configuration is in force.
fn reload(proxy: &mut Proxy) -> Result<Duration> {
    let admin = proxy.change()?;
    let begun = clock::now();
    let mut stream = TcpStream::connect(admin).context("the admin address")?;
    let request = format!(
        "POST /api/v1/reload HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).context("ask for a reload")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the answer to a reload")?;
    let took = clock::now() - begun;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("reload: {answer}");
    }
    Ok(took)
}
