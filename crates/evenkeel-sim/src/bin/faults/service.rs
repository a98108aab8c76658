//! Faults of a whole service, as `evenkeel demo` runs it: real databases whose primaries are killed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use evenkeel_core::dice::Dice;
use evenkeel_sim::balancer::binary;
use evenkeel_sim::clock;
use evenkeel_sim::process::{self, Process, Signal};
use evenkeel_sim::scratch::Scratch;
use serde_json::Value;

use crate::Options;
use crate::crowd;
use crate::trial::{Trial, Tried};

/// Every one.
#[rustfmt::skip]
pub(crate) const SERVICE_ROWS: &[Trial] = &[
    Trial { name: "demo-stores", in_short: false, fault: "MariaDB servers and Redis nodes of a demo are killed, by order and behind its back",
        promise: "each has an heir, nothing is left behind", run: |_| stores() },
    Trial { name: "drill", in_short: false, fault: "everybody in the demo is broken and mended in turn",
        promise: "nothing lost, nothing twice, every step within its limit", run: |_| drill(&[]) },
    Trial { name: "demo-drill", in_short: false, fault: "the same over MariaDB and Redis",
        promise: "nothing lost, nothing twice, every step within its limit",
        run: |_| drill(&["--db", "mariadb", "--redis"]) },
    Trial { name: "million", in_short: false, fault: "comm and primaries of MariaDB are killed at random under full load",
        promise: "acknowledged = stored, none twice", run: million },
    Trial { name: "crowd", in_short: false, fault: "15,000 connections held on one comm beside garbage, silent, slow and deaf clients",
        promise: "all held, 60 devices lose nothing", run: |_| crowd::crowd() },
];

/// For anything a demo does.
const PATIENCE: Duration = Duration::from_mins(3);
/// For a whole drill: twelve steps, of which each gives up by itself when what it waits for does not
/// come.
const DRILL: Duration = Duration::from_mins(8);
/// The balancers, on loopback.
const FRONTS: [&str; 2] = ["127.77.0.2:5000", "127.77.0.3:5000"];
/// Devices of that row: comm takes a hundred readings a second of each.
const DEVICES: u64 = 400;
/// What the row `million` sends, unless told otherwise.
const RECORDS: u64 = 1_000_000;
/// In which time, one after the other.
const LASTS: Duration = Duration::from_secs(75);
/// Until the last reading of it is acknowledged, after the last was sent.
const LAST_ANSWERS: &str = "120s";

/// A demo in a folder of its own; ended with this value.
struct Demo {
    process: Process,
    scratch: Scratch,
}

impl Demo {
    /// Starts one and waits until it is up; the error is why it cannot be.
    fn start(arguments: &[&str]) -> Result<Self, String> {
        let scratch = Scratch::new("demo");
        let process = Process::start("the demo", Self::command(&scratch, arguments)?);
        let mut demo = Self { process, scratch };
        let is_up = |demo: &mut Self| !demo.up().is_empty() || !demo.process.is_running();
        clock::wait_until("the demo is up", PATIENCE, || is_up(&mut demo));
        if demo.up().is_empty() {
            return Err(format!("the demo does not start: {}", demo.process.stderr.text()));
        }
        Ok(demo)
    }

    fn command(scratch: &Scratch, arguments: &[&str]) -> Result<Command, String> {
        for program in ["mariadbd", "redis-server"] {
            process::find(program).ok_or_else(|| format!("{program} is not installed"))?;
        }
        let mut command = Command::new(binary());
        command.arg("demo").args(arguments).env("TMPDIR", scratch.path());
        // Its own build of the service is not what this is for.
        command.env_remove("CARGO").env_remove("EVENKEEL_ADMIN");
        Ok(command)
    }

    /// What it says of how long it took; empty before.
    fn up(&self) -> String {
        let lines = self.process.stdout.lines();
        lines.into_iter().find(|line| line.starts_with("up after")).unwrap_or_default()
    }

    fn folder(&self) -> PathBuf {
        self.scratch.file(&format!("evenkeel-demo-{}", rustix::process::geteuid().as_raw()))
    }

    /// From another terminal; what it answers, as an error where it refuses.
    fn order(&self, word: &str, name: &str) -> Result<String, String> {
        let output = Self::command(&self.scratch, &[word, name])?.output();
        let output = output.map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The service's own program in the demo's folder.
    fn monitor(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary().with_file_name("monitor"));
        command.current_dir(self.folder()).args(arguments).stdin(Stdio::null());
        command
    }

    /// What is stored, by device: the lowest and highest number, and how many records.
    fn stored(&self, device: &str) -> Result<Vec<[u64; 3]>, String> {
        let output = self.monitor(&["shards", "--json"]).output();
        let output = output.map_err(|error| error.to_string())?;
        let shards: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let devices = shards.as_array().into_iter().flatten();
        let devices = devices.flat_map(|shard| shard["devices"].as_array().into_iter().flatten());
        let of_name =
            devices.filter(|it| it["device"].as_str().is_some_and(|name| name.starts_with(device)));
        Ok(of_name
            .map(|it| ["lowest", "highest", "records"].map(|key| it[key].as_u64().unwrap_or(0)))
            .collect())
    }

    /// Process ids of those who have its folder for a working directory.
    fn processes(&self) -> Vec<u32> {
        let folder = self.folder();
        let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        let inside = entries.filter(|entry| {
            fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at.starts_with(&folder))
        });
        inside.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }
}

/// Comes up, loses servers in every way, is killed itself, starts again, and leaves nothing.
fn stores() -> Tried {
    let mut demo = Demo::start(&["--db", "mariadb", "--redis"])?;
    let mut broken = Vec::new();
    let up = demo.up();
    for (word, name, expected) in [
        ("kill", "db0", "db0r is the primary now"),
        ("start", "db0", "db0 is started and follows db0r"),
        ("stop", "db0r", "db0 is the primary now"),
        ("kill", "db0", "its shard is down"),
        ("start", "db0r", "waits for db0, which has everything"),
        ("start", "db0", "db0r follows"),
        ("kill", "db1r", "db1 goes on alone"),
        ("start", "db1r", "follows db1"),
        ("kill", "rd0", "rd0 is killed"),
        ("start", "rd0", "rd0 is started"),
    ] {
        match demo.order(word, name) {
            Ok(answer) if answer.contains(expected) => {}
            other => broken.push(format!("{word} {name}: {other:?}")),
        }
    }
    // Behind its back: it finds out by itself.
    let pid = fs::read_to_string(demo.folder().join("db2/db2.pid")).unwrap_or_default();
    let promoted = |demo: &Demo| demo.process.stdout.text().contains("db2r is the primary now");
    match pid.trim().parse::<i32>().ok().and_then(rustix::process::Pid::from_raw) {
        Some(pid) if rustix::process::kill_process(pid, Signal::KILL).is_ok() => {
            if !clock::comes_true(PATIENCE, || promoted(&demo)) {
                broken.push("nobody took the place of db2".to_owned());
            }
        }
        _ => broken.push("db2 has no process".to_owned()),
    }
    let processes = demo.processes().len();
    demo.process.signal(Signal::KILL);
    demo.process.wait(PATIENCE);
    if !clock::comes_true(PATIENCE, || demo.processes().is_empty()) {
        broken.push(format!("killed, it leaves {:?}", demo.processes()));
    }
    let again = Demo::command(&demo.scratch, &["--db", "mariadb", "--redis", "--loopback"])?;
    demo.process = Process::start("the demo", again);
    clock::wait_until("it is up again", PATIENCE, || !demo.up().is_empty());
    let end = clock::now();
    demo.process.signal(Signal::INT);
    demo.process.wait(PATIENCE);
    let took = end.elapsed();
    if demo.folder().exists() || !demo.processes().is_empty() {
        broken.push(format!("its end leaves {:?}", demo.processes()));
    }
    Ok((format!("{up} with {processes} processes, ended after {took:.1?}"), broken))
}

fn drill(over: &[&str]) -> Tried {
    let scratch = Scratch::new("drill");
    let report = scratch.file("report.json");
    let arguments = [over, &["--drill", "--json"]].concat();
    let mut command = Demo::command(&scratch, &arguments)?;
    command.arg(&report);
    let mut process = Process::start("the drill", command);
    let has_ended = clock::comes_true(DRILL, || !process.is_running());
    let mut lines = process.stdout.lines();
    let last = lines.pop().unwrap_or_default();
    if !has_ended {
        let late =
            format!("it has not ended after {} s; the last it said: {last}", DRILL.as_secs());
        return Ok((last, vec![late, process.stderr.text()]));
    }
    let broken = if process.wait(PATIENCE).success() {
        Vec::new()
    } else {
        lines.retain(|line| line.contains("FAILED") || line.starts_with("    "));
        lines.push(process.stderr.text());
        lines
    };
    Ok((last, broken))
}

/// Who was killed.
#[derive(Debug, Default)]
struct Killed {
    comms: u32,
    primaries: u32,
    for_time: Duration,
}

/// What devices did, and what is stored of them.
#[derive(Debug)]
struct Sent {
    acknowledged: u64,
    records: u64,
    seconds: f64,
}

fn million(options: &Options) -> Tried {
    let demo = Demo::start(&["--db", "mariadb", "--loopback"])?;
    let each = options.records.unwrap_or(RECORDS).div_ceil(DEVICES);
    let mut broken = Vec::new();
    // As fast as they are acknowledged, as many as comm takes of a device at once.
    let mut free = senders(&demo, "free", each.min(1_000), Duration::ZERO)?;
    let (free, _) = account(&demo, "free", &mut free, clock::now(), &mut broken)?;
    let began = clock::now();
    let interval = LASTS / u32::try_from(each).unwrap_or(u32::MAX);
    let mut load = senders(&demo, "load", each, interval)?;
    let killed = kill_while(&demo, || load.iter_mut().any(Process::is_running), &mut broken);
    let (load, whole) = account(&demo, "load", &mut load, began, &mut broken)?;
    if load.acknowledged != each * DEVICES || load.records != load.acknowledged || whole != DEVICES
    {
        broken.push(format!("{load:?}, {whole} of {DEVICES} devices whole"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = free.acknowledged as f64 / free.seconds;
    let Sent { acknowledged, records, seconds } = load;
    let Killed { comms, primaries, for_time } = killed;
    Ok((
        format!(
            "{rate:.0} a second undisturbed; then {acknowledged} acknowledged, {records} stored in \
             {seconds:.0} s, with {comms} comm and {primaries} primaries killed in {:.0} s",
            for_time.as_secs_f64()
        ),
        broken,
    ))
}

/// Two programs that play half of the devices each, by way of a balancer each.
fn senders(demo: &Demo, name: &str, each: u64, interval: Duration) -> Result<Vec<Process>, String> {
    let (count, prefix) = (DEVICES.to_string(), format!("{name}-"));
    let register = ["register", "--count", &count, "--prefix", &prefix];
    let keys = process::run(&mut demo.monitor(&register));
    let lines: Vec<&str> = keys.lines().collect();
    let (records, interval) = (each.to_string(), format!("{}us", interval.as_micros()));
    let mut senders = Vec::new();
    for (half, front) in lines.chunks(lines.len().div_ceil(2)).zip(FRONTS) {
        let file = format!("{name}-{}.txt", senders.len());
        let report = format!("{name}-{}.json", senders.len());
        fs::write(demo.folder().join(&file), half.join("\n")).map_err(|error| error.to_string())?;
        let mut command = demo.monitor(&["device", "--to", front, "--devices", &file]);
        command.args(["--interval", &interval, "--records", &records]);
        command.args(["--patience", LAST_ANSWERS, "--report", &report]);
        senders.push(Process::start("devices", command));
    }
    Ok(senders)
}

/// Waits until everything has its answer; also how many devices have everything from the first to
/// the last: as many records as numbers, so none is missing and none is there twice.
fn account(
    demo: &Demo,
    name: &str,
    senders: &mut [Process],
    began: Instant,
    broken: &mut Vec<String>,
) -> Result<(Sent, u64), String> {
    let mut acknowledged = 0;
    for (number, sender) in senders.iter_mut().enumerate() {
        if !sender.wait(PATIENCE).success() {
            broken.push(format!("some readings had no answer: {}", sender.stdout.text()));
        }
        let report = fs::read(demo.folder().join(format!("{name}-{number}.json")));
        let report = report.map_err(|error| error.to_string())?;
        let report: Value = serde_json::from_slice(&report).map_err(|error| error.to_string())?;
        acknowledged += report["acknowledged"].as_u64().unwrap_or(0);
    }
    let seconds = began.elapsed().as_secs_f64();
    let stored = demo.stored(&format!("{name}-"))?;
    let records = stored.iter().map(|[_, _, records]| records).sum();
    let is_whole = |it: &&[u64; 3]| it[0] == 1 && it[1] == it[2];
    let whole = stored.iter().filter(is_whole).count();
    Ok((Sent { acknowledged, records, seconds }, whole as u64))
}

/// Kills somebody and starts it again, again and again, while `goes_on`.
fn kill_while(demo: &Demo, mut goes_on: impl FnMut() -> bool, broken: &mut Vec<String>) -> Killed {
    let mut dice = Dice::new(7);
    let mut killed = Killed::default();
    // By shard: whether the replica is the primary.
    let mut is_swapped = [false; 3];
    let began = clock::now();
    let pause = |dice: &mut Dice, least: Duration| {
        let more = u32::try_from(dice.below(1_000)).unwrap_or_default();
        clock::pause_until(clock::now() + least + Duration::from_millis(1) * more);
    };
    pause(&mut dice, Duration::from_secs(1));
    while goes_on() && broken.is_empty() {
        let name = match dice.below(5) {
            shard @ 0..=2 => {
                let swapped = &mut is_swapped[shard];
                let name = format!("db{shard}{}", if *swapped { "r" } else { "" });
                *swapped = !*swapped;
                killed.primaries += 1;
                name
            }
            comm => {
                killed.comms += 1;
                format!("cs{}", comm - 3)
            }
        };
        for word in ["kill", "start"] {
            if let Err(why) = demo.order(word, &name) {
                broken.push(format!("{word} {name}: {why}"));
                break;
            }
            pause(&mut dice, Duration::from_millis(200));
        }
        killed.for_time = began.elapsed();
    }
    killed
}
