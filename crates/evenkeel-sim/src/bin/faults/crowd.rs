//! One comm server of the service before a crowd: thousands of devices that hold a connection and
//! say nothing, others that mean no good, and sixty that go on with their work.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_core::dice::Dice;
use evenkeel_sim::address::free_address;
use evenkeel_sim::balancer::binary;
use evenkeel_sim::clock;
use evenkeel_sim::process::{self, Process, Signal};
use evenkeel_sim::scratch::Scratch;
use serde_json::Value;

use crate::trial::Tried;

/// Devices that are admitted and say nothing.
const HELD: usize = 15_000;
/// How many of them connect at once.
const AT_ONCE: usize = 8;
/// Connections that never say a word, and those that say a byte a second.
const SILENT: usize = 1_000;
const SLOW: usize = 500;
/// Devices that ask and never read an answer.
const DEAF: usize = 20;
/// Threads that connect and write what no device says.
const VANDALS: usize = 4;
/// How long all of it lasts.
const LASTS: Duration = Duration::from_mins(1);
/// Files of this process beside the connections.
const BESIDE: u64 = 200;
const PATIENCE: Duration = Duration::from_mins(1);
/// The devices at work: how many, and how often each measures.
const WORKERS: usize = 60;
const EACH_MS: u64 = 100;
/// The longest a reading of theirs may wait for its acknowledgement, in milliseconds, on a machine
/// that has other things to do; alone it is a small part of that.
const SLOWEST_MS: u64 = 5_000;
/// What nobody should say. `{}` is somebody's name.
const GARBAGE: [&[u8]; 9] = [
    b"GET / HTTP/1.1\r\nHost: comm\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"hello 1 held-00001 wrong\n",
    b"hello 1 nobody none\n",
    b"hello 9 a b\n",
    b"put 1 1 {}\n",
    b"hello 1 held-00001",
    b"\0\0\0\0\n",
    b"",
];

/// A comm server over shards in files; ended with this value.
struct Place {
    scratch: Scratch,
    program: PathBuf,
    comm: SocketAddr,
}

impl Place {
    fn make() -> Result<Self, String> {
        let program = binary().with_file_name("monitor");
        if !program.is_file() {
            return Err("the program `monitor` is not built".to_owned());
        }
        let (scratch, comm, admin) = (Scratch::new("crowd"), free_address(), free_address());
        scratch.write(
            "monitor.toml",
            format!(
                "[store]\nshards = [\"sqlite:0.db\", \"sqlite:1.db\", \"sqlite:2.db\"]\n\
                 [comm]\nbind = \"{comm}\"\nadmin = \"{admin}\"\nconnections = 18000\n"
            ),
        );
        Ok(Self { scratch, program, comm })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = process::bound(&self.program);
        command.current_dir(self.scratch.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Names and keys of new devices, also in a file of this name.
    fn register(&self, name: &str, count: usize) -> Vec<String> {
        let (count, prefix) = (count.to_string(), format!("{name}-"));
        let keys =
            process::run(&mut self.command(&["register", "--count", &count, "--prefix", &prefix]));
        self.scratch.write(name, &keys);
        keys.lines().map(str::to_owned).collect()
    }

    /// A connection of each device, some of them at a time.
    fn admit_all(&self, devices: &[String]) -> Result<Vec<TcpStream>, String> {
        thread::scope(|scope| {
            let part = devices.len().div_ceil(AT_ONCE);
            let admit = |part: &[String]| part.iter().map(|device| self.admit(device)).collect();
            let parts = devices.chunks(part).map(|part| scope.spawn(move || admit(part)));
            let parts: Vec<_> = parts.collect();
            let mut streams = Vec::with_capacity(devices.len());
            for part in parts {
                let part: std::io::Result<Vec<TcpStream>> = part.join().expect("it does not panic");
                streams.extend(part.map_err(|error| error.to_string())?);
            }
            Ok(streams)
        })
    }

    /// A connection of a device that was welcomed.
    fn admit(&self, device: &str) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.comm)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("hello 1 {device}\n").as_bytes())?;
        match line(&stream)? {
            welcome if welcome.starts_with("welcome ") => Ok(stream),
            other => Err(std::io::Error::other(format!("{device}: {other:?}"))),
        }
    }
}

fn line(stream: &TcpStream) -> std::io::Result<String> {
    let mut text = String::new();
    BufReader::with_capacity(64, stream).read_line(&mut text)?;
    Ok(text)
}

pub(crate) fn crowd() -> Tried {
    let wanted = (HELD + SILENT + SLOW + DEAF + VANDALS) as u64 + BESIDE;
    let files = evenkeel_sys::raise_file_limit().unwrap_or_default();
    if files < wanted {
        return Err(format!("{wanted} open files are needed, {files} allowed (`ulimit -Hn`)"));
    }
    let place = Place::make()?;
    let workers = place.register("worker", WORKERS);
    let (held, deaf) = (place.register("held", HELD), place.register("deaf", DEAF));
    let mut comm = Process::start("comm", place.command(&["comm"]));
    clock::wait_until("comm listens", PATIENCE, || {
        TcpStream::connect(place.comm).is_ok() || !comm.is_running()
    });
    let before = comm.resident_kib();
    let began = clock::now();
    let admitted = place.admit_all(&held)?;
    let took = began.elapsed();
    let each = bytes_each(comm.resident_kib().saturating_sub(before), admitted.len());
    let mut senders = workers_at_work(&place);
    clock::wait_until("all devices are at work", PATIENCE, || {
        figures(&senders, "acknowledged").max() > Some(10 * WORKERS as u64)
    });
    let vandalised = misbehave(&place, &deaf);
    let peak = comm.resident_kib();
    let mut broken = Vec::new();
    if !senders.wait(PATIENCE).success() {
        broken.push(format!("some readings had no answer: {}", senders.stdout.text()));
    }
    let slowest = figures(&senders, "slowest_ms").max().unwrap_or(u64::MAX);
    if slowest > SLOWEST_MS {
        let said = senders.stdout.lines().pop().unwrap_or_default();
        broken.push(format!("a reading waited {slowest} ms: {said}"));
    }
    let answering = admitted.iter().filter(|stream| answers(stream)).count();
    if answering != HELD {
        broken.push(format!("{answering} of {HELD} held connections answer"));
    }
    let (acknowledged, stored) = counts(&place, workers.len());
    if acknowledged != stored || acknowledged == 0 {
        broken.push(format!("{acknowledged} acknowledged, {stored} stored"));
    }
    drop(admitted);
    comm.signal(Signal::TERM);
    if !comm.wait(PATIENCE).success() {
        broken.push("comm did not end in order".to_owned());
    }
    Ok((
        format!(
            "{HELD} connections in {:.1} s, {each} bytes each, {} MiB at most; beside {vandalised} \
             bad ones {acknowledged} readings acknowledged and stored, the slowest after {slowest} ms",
            took.as_secs_f64(),
            peak / 1024
        ),
        broken,
    ))
}

fn bytes_each(kib: u64, connections: usize) -> u64 {
    (kib * 1024).checked_div(connections as u64).unwrap_or_default()
}

/// The devices that send for as long as the crowd is there.
fn workers_at_work(place: &Place) -> Process {
    let (to, interval) = (place.comm.to_string(), format!("{EACH_MS}ms"));
    let lasts = format!("{}s", LASTS.as_secs());
    let mut command = place.command(&["device", "--to", &to, "--devices", "worker"]);
    command.args(["--interval", &interval, "--duration", &lasts, "--patience", "30s"]);
    command.args(["--progress", "500ms", "--report", "report.json"]);
    Process::start("devices", command)
}

/// Whoever means no good, all at once until the time is over; how many connections they made.
fn misbehave(place: &Place, deaf: &[String]) -> usize {
    let is_over = AtomicBool::new(false);
    let made = AtomicUsize::new(0);
    let until = clock::now() + LASTS;
    thread::scope(|scope| {
        let (is_over, made) = (&is_over, &made);
        for seed in 0..VANDALS as u64 {
            scope.spawn(move || vandalise(place.comm, seed, is_over, made));
        }
        scope.spawn(move || hold(place.comm, SILENT, None, is_over, made));
        scope.spawn(move || hold(place.comm, SLOW, Some(b"h"), is_over, made));
        for device in deaf {
            scope.spawn(move || never_listen(place, device, is_over, made));
        }
        clock::pause_until(until);
        is_over.store(true, Ordering::Relaxed);
    });
    made.load(Ordering::Relaxed)
}

/// Connects, writes something that is no line of a device, and hears what is said to that, or not.
fn vandalise(comm: SocketAddr, seed: u64, is_over: &AtomicBool, made: &AtomicUsize) {
    let mut dice = Dice::new(seed);
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(comm) else { continue };
        made.fetch_add(1, Ordering::Relaxed);
        let known = GARBAGE[dice.below(GARBAGE.len())];
        let noise: Vec<u8> = (0..dice.below(4_096)).map(|_| dice.roll().to_le_bytes()[0]).collect();
        // It may be closed already.
        let _ = stream.write_all(if dice.below(2) == 0 { known } else { &noise });
        if dice.below(2) == 0 {
            let _ = evenkeel_sys::reset_on_close(&stream);
        } else {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
            let _ = stream.read(&mut [0; 256]);
        }
        // wait: the pace of the load; local ports are not to run out
        clock::pause_until(clock::now() + Duration::from_millis(10));
    }
}

/// Holds so many connections, each of which says `word` once a second and nothing more; those that
/// are closed are made again.
fn hold(
    comm: SocketAddr,
    count: usize,
    word: Option<&[u8]>,
    is_over: &AtomicBool,
    made: &AtomicUsize,
) {
    let mut held: Vec<TcpStream> = Vec::with_capacity(count);
    while !is_over.load(Ordering::Relaxed) {
        held.retain_mut(|stream| {
            let is_well = word.is_none_or(|word| stream.write_all(word).is_ok());
            let heard = stream.read(&mut [0; 64]);
            is_well && heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        });
        while held.len() < count {
            let Ok(stream) = TcpStream::connect(comm) else { break };
            made.fetch_add(1, Ordering::Relaxed);
            if stream.set_nonblocking(true).is_ok() {
                held.push(stream);
            }
        }
        clock::pause_until(clock::now() + Duration::from_secs(1)); // wait: the pace of the load
    }
}

/// A device that asks as fast as it may and reads no answer, until it is closed; again and again.
fn never_listen(place: &Place, device: &str, is_over: &AtomicBool, made: &AtomicUsize) {
    let pings = "ping\n".repeat(1_000);
    while !is_over.load(Ordering::Relaxed) {
        // Its last connection may not be known to be dead yet.
        let Ok(mut stream) = place.admit(device) else { continue };
        made.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
        let mut full_since: Option<Instant> = None;
        while !is_over.load(Ordering::Relaxed) {
            match stream.write(pings.as_bytes()) {
                Ok(_) => full_since = None,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let since = *full_since.get_or_insert_with(clock::now);
                    if since.elapsed() > PATIENCE {
                        break;
                    }
                }
                Err(_closed) => break,
            }
        }
    }
}

/// A figure in each of what the devices have said so far.
fn figures(devices: &Process, name: &'static str) -> impl Iterator<Item = u64> {
    let words = devices.stdout.lines().into_iter();
    let words = words.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    words.filter_map(move |word| word[name].as_u64())
}

/// Whether somebody answers on a connection that was held.
fn answers(mut stream: &TcpStream) -> bool {
    stream.write_all(b"ping\n").is_ok() && line(stream).is_ok_and(|line| line == "pong\n")
}

/// What the working devices have acknowledged, and what is stored of them.
fn counts(place: &Place, devices: usize) -> (u64, u64) {
    let report = fs::read(place.scratch.file("report.json")).unwrap_or_default();
    let report: Value = serde_json::from_slice(&report).unwrap_or_default();
    let output = place.command(&["shards", "--json"]).output().map(|output| output.stdout);
    let shards: Value = serde_json::from_slice(&output.unwrap_or_default()).unwrap_or_default();
    let shards = shards.as_array().into_iter().flatten();
    let kept = shards.flat_map(|shard| shard["devices"].as_array().into_iter().flatten());
    let kept: Vec<u64> = kept
        .filter(|it| it["device"].as_str().is_some_and(|name| name.starts_with("worker-")))
        .filter_map(|it| it["records"].as_u64())
        .collect();
    let stored = if kept.len() == devices { kept.iter().sum() } else { 0 };
    (report["acknowledged"].as_u64().unwrap_or(0), stored)
}
