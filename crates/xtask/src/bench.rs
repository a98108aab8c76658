//! This build beside nginx and haproxy: one core each, the same upstreams, the same features, and
//! the CPU time each spends on a request. CPU time, not throughput: it is what a proxy costs, and
//! it hardly depends on how fast the load comes.

mod certificate;
mod child;
mod config;
mod cpu;
mod http;
mod latency;
mod load;
mod many;
mod memory;
mod proxy;
mod records;
mod scenario;
mod scratch;
mod table;
mod upstream;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use config::{Scale, Setting};
use proxy::{Kind, Programs, Proxy};
use scenario::{SCENARIOS, Scenario};
use scratch::Scratch;
use table::{Row, median};
use upstream::Upstreams;

use crate::{command, out, suite};

/// What proxies are pinned to.
const PROXY_CORE: usize = 0;

/// What load and upstreams share.
const LOAD_CORE: usize = 1;

/// How to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds; the median over them is printed
    #[arg(long, default_value = "5")]
    rounds: NonZeroU32,
    /// Seconds of load for each proxy in each round
    #[arg(long, default_value = "2")]
    seconds: NonZeroU32,
    /// Only this part, by the name in the first column
    #[arg(long, value_name = "NAME", value_parser = scenario::names())]
    only: Option<String>,
    /// The access log on, to a file, in every scenario
    #[arg(long)]
    log: bool,
    /// Let nginx and haproxy wait for data before they accept, as this build always does
    #[arg(long)]
    deferred: bool,
    /// Let nginx use buffers of 256 KiB and haproxy splice, where both are sparing by default
    #[arg(long)]
    tuned: bool,
    /// Which proxies to start
    #[arg(long, value_enum, value_delimiter = ',', default_value = "evenkeel,nginx,haproxy")]
    proxies: Vec<Kind>,
    /// Another build of evenkeel than a release made now
    #[arg(long, value_name = "PATH")]
    evenkeel: Option<PathBuf>,
    /// Other builds than Debian's
    #[arg(long, value_name = "NGINX,HAPROXY", value_delimiter = ',', num_args = 1)]
    against: Vec<PathBuf>,
}

/// Builds, starts, measures, prints.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let programs = programs(root, options)?;
    raise_descriptor_limit()?;
    pin_to_load_core()?;
    let bench = Bench { options, scratch: Scratch::create()?, programs };
    certificate::make(&bench.scratch)?;
    let files = bench.scratch.folder("files")?;
    for (name, kib) in scenario::FILES {
        scratch::write(&files, name, vec![b'x'; kib * 1024])?;
    }
    scratch::write(bench.scratch.path(), load::MESSAGE, message())?;
    let upstreams = Upstreams::start(&bench.scratch, &[])?;
    bench.introduce()?;
    bench.scenarios(&upstreams)?;
    bench.when("two-workers", || bench.two_workers(&upstreams))?;
    bench.when("memory", || bench.memory(&upstreams))?;
    bench.when("memory-tls", || bench.memory_tls(&upstreams))?;
    bench.when("latency", || bench.latency(&upstreams))?;
    bench.when("many", || many::measure(&bench))?;
    bench.when("records", || records::measure(&bench, root, &upstreams))
}

/// As gRPC frames it: not compressed, its length, a hundred bytes.
fn message() -> Vec<u8> {
    [&[0, 0, 0, 0, 100][..], &[b'x'; 100]].concat()
}

struct Bench<'a> {
    options: &'a Options,
    programs: Programs,
    scratch: Scratch,
}

impl Bench<'_> {
    fn introduce(&self) -> Result<()> {
        for &kind in &self.options.proxies {
            out::say(&format!("{kind}: {}", self.programs.version(kind)?));
        }
        out::say(&format!(
            "µs of CPU per request, median of {} rounds of {} s, {} connections, proxy on core \
             {PROXY_CORE}, load and upstreams on core {LOAD_CORE}",
            self.options.rounds,
            self.options.seconds,
            load::CONNECTIONS,
        ));
        out::say(if self.options.deferred {
            "TCP_DEFER_ACCEPT: on for all three on http listeners"
        } else {
            "TCP_DEFER_ACCEPT: on in evenkeel's http listeners (its default), off in the others \
             (theirs); --deferred turns it on there too"
        });
        out::say(if self.options.tuned {
            "bulk: evenkeel as it comes, nginx with buffers of 256 KiB, haproxy splicing"
        } else {
            "bulk: all three as they come, but nginx kept from spilling to disk; --tuned gives nginx \
             bigger buffers and lets haproxy splice"
        });
        Ok(())
    }

    fn when(&self, name: &str, part: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.options.only.as_deref().is_some_and(|only| only != name) {
            return Ok(());
        }
        part().with_context(|| name.to_owned())
    }

    fn start(&self, setting: Setting, upstreams: &Upstreams) -> Result<Vec<Proxy>> {
        let start = |&kind| Proxy::start(kind, &self.programs, setting, upstreams, &self.scratch);
        self.options.proxies.iter().map(start).collect()
    }

    fn setting(&self, workers: usize, log: bool) -> Setting {
        let Options { log: always, deferred, tuned, .. } = *self.options;
        let (log, scale) = (log || always, Scale::Usual);
        Setting { workers, log, deferred, tuned, scale, history: true, changes: 0 }
    }

    /// Each with proxies just started: what one scenario leaves behind, such as upstream connections
    /// whose buffers have not grown, would show in the next.
    fn scenarios(&self, upstreams: &Upstreams) -> Result<()> {
        let only = self.options.only.as_deref();
        let wanted = SCENARIOS.iter().filter(|it| only.is_none_or(|name| name == it.name));
        let wanted: Vec<&Scenario> = wanted.collect();
        if !wanted.is_empty() {
            out::say(&table::head());
        }
        for scenario in wanted {
            let proxies = self.start(self.setting(1, scenario.log), upstreams)?;
            let able = proxies.iter().filter(|proxy| proxy.serves(scenario));
            let medians = self.alternate(&able.collect::<Vec<_>>(), scenario)?;
            out::say(&table::line(&Row { scenario, medians }));
        }
        Ok(())
    }

    /// One proxy after the other, round by round, so that a disturbance meets all of them.
    fn alternate(&self, proxies: &[&Proxy], scenario: &Scenario) -> Result<Vec<(Kind, f64)>> {
        let seconds = self.options.seconds.get();
        let mut samples = vec![Vec::new(); proxies.len()];
        for round in 0..=self.options.rounds.get() {
            for (proxy, samples) in proxies.iter().zip(&mut samples) {
                let address = proxy.address(scenario.listener);
                let before = cpu::spent(proxy.pid())?;
                let answered = load::run(address, scenario, seconds, self.scratch.path())
                    .with_context(|| format!("{} through {}", scenario.name, proxy.kind()))?;
                let spent = cpu::spent(proxy.pid())?.saturating_sub(before);
                // The first round fills pools and caches.
                if round > 0 {
                    samples.push(spent.as_secs_f64() * 1e6 / f64::from(answered.requests));
                }
            }
        }
        let medians = samples.iter_mut().map(|samples| median(samples));
        Ok(proxies.iter().map(|proxy| proxy.kind()).zip(medians).collect())
    }

    /// With two cores there is none left to saturate two workers with, so what is compared is what
    /// a request costs: if that stays, two workers do the work of two.
    fn two_workers(&self, upstreams: &Upstreams) -> Result<()> {
        let scenario = &SCENARIOS[0];
        let pairs = [1, 2].map(|workers| self.start(self.setting(workers, false), upstreams));
        let [one, two] = pairs;
        let (one, two) = (one?, two?);
        let all: Vec<&Proxy> = one.iter().chain(&two).collect();
        let medians = self.alternate(&all, scenario)?;
        let (one, two) = medians.split_at(one.len());
        out::say("\ntwo workers (cores 0 and 1, the second shared with the load) against one:");
        for ((kind, one), (_, two)) in one.iter().zip(two) {
            let ratio = two / one;
            out::say(&format!("{kind}: {two:.2} µs against {one:.2} µs a request, {ratio:.2}"));
        }
        Ok(())
    }

    fn memory(&self, upstreams: &Upstreams) -> Result<()> {
        out::say(&format!(
            "\nmemory (Pss of all its processes; target of evenkeel: {} at rest, {} held):",
            "below 12 MiB", "at most 6 KiB"
        ));
        for proxy in self.start(self.setting(1, false), upstreams)? {
            let held = memory::measure(&proxy)?;
            out::say(&format!(
                "{}: {:.1} MiB at rest, {:.2} KiB per idle client connection ({} held)",
                proxy.kind(),
                held.at_rest_kib / 1024.0,
                held.per_connection_kib,
                memory::HELD,
            ));
        }
        Ok(())
    }

    fn memory_tls(&self, upstreams: &Upstreams) -> Result<()> {
        out::say(&format!(
            "\nmemory within TLS ({} connections of HTTP/1.1 that each made one request; target of \
             evenkeel: at most 16 KiB):",
            memory::HELD_TLS
        ));
        for proxy in self.start(self.setting(1, false), upstreams)? {
            let held = memory::measure_tls(&proxy)?;
            let each = held.per_connection_kib;
            out::say(&format!("{}: {each:.2} KiB per idle client connection", proxy.kind()));
        }
        Ok(())
    }

    fn latency(&self, upstreams: &Upstreams) -> Result<()> {
        let scenario = &SCENARIOS[0];
        let proxies = self.start(self.setting(1, false), upstreams)?;
        let mut capacity = f64::INFINITY;
        for proxy in &proxies {
            let answered =
                load::run(proxy.address(scenario.listener), scenario, 1, self.scratch.path())?;
            capacity = capacity.min(answered.per_second);
        }
        let rate = capacity / 2.0;
        let duration = Duration::from_secs(self.options.seconds.get().into());
        let p99 = |address| latency::p99(address, rate, duration);
        let mut direct = Vec::new();
        let mut through = vec![Vec::new(); proxies.len()];
        for _ in 0..self.options.rounds.get() {
            direct.push(p99(upstreams.addresses[0])?);
            for (proxy, samples) in proxies.iter().zip(&mut through) {
                samples.push(p99(proxy.address(scenario.listener))?);
            }
        }
        let direct = median(&mut direct);
        out::say(&format!(
            "\nlatency at {rate:.0} requests a second, half of what the slowest can do (own \
             generator: sent by the clock, measured from when a request was due), median of rounds\n\
             no proxy: p99 {direct:.0} µs"
        ));
        for (proxy, samples) in proxies.iter().zip(&mut through) {
            let p99 = median(samples);
            out::say(&format!("{}: p99 {p99:.0} µs, {:+.0} added", proxy.kind(), p99 - direct));
        }
        Ok(())
    }
}

fn programs(root: &Path, options: &Options) -> Result<Programs> {
    let (nginx, haproxy) = match options.against.as_slice() {
        [] => (None, None),
        [nginx, haproxy] => (Some(nginx.clone()), Some(haproxy.clone())),
        _ => bail!("--against takes two paths: nginx's and haproxy's, with a comma between"),
    };
    let debian = |name: &str| {
        command::find(name).with_context(|| format!("{name} is missing: `cargo xtask setup`"))
    };
    for tool in ["wrk", "h2load", "nghttpd", "openssl", "taskset"] {
        debian(tool)?;
    }
    if options.proxies.contains(&Kind::Evenkeel) && options.evenkeel.is_none() {
        build(root, |cargo| cargo)?;
    }
    let evenkeel = match &options.evenkeel {
        Some(path) => path.clone(),
        None => suite::target_directory(root)?.join("release").join("evenkeel"),
    };
    Ok(Programs {
        evenkeel,
        nginx: nginx.map_or_else(|| debian("nginx"), Ok)?,
        haproxy: haproxy.map_or_else(|| debian("haproxy"), Ok)?,
    })
}

/// A release of these sources, with what `change` wants otherwise.
fn build(root: &Path, change: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
    let mut cargo = command::cargo(root);
    cargo.args(["build", "--quiet", "--release", "--package", "evenkeel"]);
    if !command::succeeds(change(&mut cargo))? {
        bail!("evenkeel does not build; the compiler's words are above");
    }
    Ok(())
}

/// Thousands of held connections are descriptors of this process; children inherit the limit.
fn raise_descriptor_limit() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// Children inherit it, so that only the proxies have to be told where to run.
fn pin_to_load_core() -> Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut cores = CpuSet::new();
    cores.set(LOAD_CORE);
    sched_setaffinity(None, &cores).context("the benchmark needs two cores")
}
