//! One slow server among fast ones, in real time: what each balance lets clients feel of it.

use std::time::Duration;

use evenkeel_sim::address::free_address;
use evenkeel_sim::balancer::{balancer, binary};
use evenkeel_sim::clock;
use evenkeel_sim::process::{self, Process};
use serde_json::Value;

use crate::trial::{Trial, Tried};

/// Every one.
#[rustfmt::skip]
pub(crate) const SLOW_ROWS: &[Trial] = &[
    Trial { name: "slow-server", in_short: false, fault: "one of nine servers in three zones takes 200 ms where the others take 5",
        promise: "p2c and peak-ewma: p99 at most twice that of the healthy pool", run: |_| slow_server() },
];

const ZONES: [&str; 3] = ["a", "b", "c"];
const USUAL: &str = "5ms";
const SLOW: &str = "200ms";
/// A server that takes 200 ms looks idle five times a second, and a little busy while the others have
/// two or three under way: it is given some 25 requests a second. Of this rate that is less than the
/// hundredth part which a p99 leaves out.
const RATE: &str = "3000";
/// How long each pool is under load, so that the first requests, sent unknowing, do not matter.
const LASTS: &str = "8s";
/// More than are ever under way.
const CONNECTIONS: &str = "512";
/// For a server to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server in a process of its own; ended with this value.
struct Server {
    _process: Process,
    address: String,
}

impl Server {
    fn start(takes: &str) -> Self {
        let mut command = process::bound(&binary());
        command.args(["bench", "server", "--concurrency", CONNECTIONS, "--service-time", takes]);
        let process = Process::start("a server", command);
        let said = || process.stdout.lines().into_iter().next();
        clock::wait_until("a server listens", PATIENCE, || said().is_some());
        let address = said().expect("it was waited for");
        Self { _process: process, address }
    }
}

fn slow_server() -> Tried {
    let mut servers: Vec<_> = (0..9).map(|_| Server::start(USUAL)).collect();
    let slow = Server::start(SLOW);
    let balances = ["round-robin", "p2c", "peak-ewma"];
    let healthy = balances.map(|balance| p99(balance, &servers));
    servers[0] = slow;
    let mut measured = Vec::new();
    let mut broken = Vec::new();
    for (balance, healthy) in balances.into_iter().zip(healthy) {
        let (healthy, beside) = (healthy?, p99(balance, &servers)?);
        measured.push(format!("{balance} {:.1} → {:.1} ms", healthy * 1e3, beside * 1e3));
        if balance != "round-robin" && beside > 2.0 * healthy {
            broken.push(format!("{balance}: {:.1} times", beside / healthy));
        }
    }
    Ok((format!("p99 {}", measured.join(", ")), broken))
}

/// In seconds, over a balancer of its own in zone a, which spreads its requests over all three.
fn p99(balance: &str, servers: &[Server]) -> Result<f64, String> {
    let listen = free_address();
    let entry = |(at, server): (usize, &Server)| {
        format!("{{ address = \"{}\", zone = \"{}\" }}", server.address, ZONES[at / 3])
    };
    let servers: Vec<_> = servers.iter().enumerate().map(entry).collect();
    let lb = balancer(&format!(
        "[node]\nzone = \"a\"\n\
         [listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\npool = \"app\"\n\
         [pool.app]\nbalance = \"{balance}\"\nzones = {{ a = 1 }}\nservers = [{}]\n",
        servers.join(", ")
    ));
    let url = format!("http://{listen}/");
    let load = ["--rate", RATE, "--duration", LASTS, "--connections", CONNECTIONS, "--json"];
    let output = lb.cli(&[&["bench", &url], &load[..]].concat());
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    };
    let total = &report["total"];
    if !report["client_limit"].is_null() {
        return Err(format!("this machine does not send {RATE} requests a second in time"));
    }
    match total["latency_seconds"]["p99"].as_f64() {
        Some(p99) if total["failed"] == 0 => Ok(p99),
        _ => Err(format!("{balance}: some failed: {}", total["failures"])),
    }
}
