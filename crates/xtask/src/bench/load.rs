//! Closed-loop load by wrk, for HTTP/2 by h2load, and for resumed sessions by openssl.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Result, bail};

use super::scenario::{Listener, Scenario};
use crate::command;

/// Connections of the load, at once.
pub(super) const CONNECTIONS: u32 = 64;

/// The same for HTTP/2, and requests at once on each.
const HTTP2: (u32, u32) = (16, 32);

/// Clients that resume their session, each of which has one connection after the other.
const RESUMING: usize = 8;

/// What is said in a call of gRPC: a file in the load's folder.
pub(super) const MESSAGE: &str = "message";

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answered {
    pub(super) requests: u32,
    pub(super) per_second: f64,
}

/// `seconds` of `scenario` at `address`, with what it sends from `folder`. Every request must have
/// been answered with 2xx.
pub(super) fn run(
    address: SocketAddr,
    scenario: &Scenario,
    seconds: u32,
    folder: &Path,
) -> Result<Answered> {
    let message = folder.join(MESSAGE);
    match scenario.listener {
        Listener::Http2 => h2load(address, scenario, seconds, None),
        Listener::Grpc => h2load(address, scenario, seconds, Some(&message)),
        Listener::Http | Listener::Tcp | Listener::Files => wrk("http", address, scenario, seconds),
        Listener::Https => wrk("https", address, scenario, seconds),
        Listener::Resumed => resumed(address, scenario, seconds),
    }
}

fn h2load(
    address: SocketAddr,
    scenario: &Scenario,
    seconds: u32,
    message: Option<&Path>,
) -> Result<Answered> {
    let (connections, streams) = HTTP2;
    let mut h2load = Command::new("h2load");
    h2load.args(["-t1", &format!("-c{connections}"), &format!("-m{streams}")]);
    if let Some(message) = message {
        h2load.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-d"]);
        h2load.arg(message);
    }
    h2load.arg(format!("-D{seconds}")).arg(format!("https://{address}{}", scenario.path));
    let (status, report) = command::stdout_of(&mut h2load)?;
    if !status.success() {
        bail!("h2load failed: {report}");
    }
    read_h2load(&report)
}

/// Several clients, because each waits for every answer.
fn resumed(address: SocketAddr, scenario: &Scenario, seconds: u32) -> Result<Answered> {
    let client = || {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_time", "-reuse", "-www", scenario.path, "-time", &seconds.to_string()]);
        openssl.args(["-connect", &address.to_string()]);
        let (status, report) = command::stdout_of(&mut openssl)?;
        if !status.success() {
            bail!("openssl s_time failed: {report}");
        }
        read_resumed(&report)
    };
    let requests = thread::scope(|scope| {
        let clients: Vec<_> = (0..RESUMING).map(|_| scope.spawn(client)).collect();
        let reports = clients.into_iter().map(|it| it.join().expect("no client panics"));
        reports.sum::<Result<u32>>()
    })?;
    Ok(Answered { requests, per_second: f64::from(requests) / f64::from(seconds) })
}

/// `s_time` draws an `r` for each session that was resumed and a `*` for each that was not.
fn read_resumed(report: &str) -> Result<u32> {
    let drawn = report.lines().find(|line| line.starts_with(['r', '*'])).unwrap_or_default();
    let requests = report.lines().find_map(|line| {
        let (count, rest) = line.split_once(" connections in ")?;
        rest.contains("real seconds").then(|| count.parse::<u32>().ok())?
    });
    match requests {
        Some(requests) if requests > 0 && drawn.bytes().all(|it| it == b'r') => Ok(requests),
        _ => bail!("not every session was resumed:\n{report}"),
    }
}

fn read_h2load(report: &str) -> Result<Answered> {
    let number_before = |what: &str| {
        report.lines().find_map(|line| {
            let before = line.split_once(what)?.0.trim_end();
            before.rsplit([' ', ',']).next()?.parse::<f64>().ok()
        })
    };
    let failed = number_before(" failed").unwrap_or(1.0) + number_before(" 5xx").unwrap_or(1.0);
    let requests = report.lines().find_map(|line| {
        let counts = line.strip_prefix("status codes: ")?;
        counts.split_once(" 2xx")?.0.trim().parse().ok()
    });
    match requests.zip(number_before(" req/s")) {
        Some((requests, per_second)) if failed == 0.0 && requests > 0 => {
            Ok(Answered { requests, per_second })
        }
        _ => bail!("not every request was answered well:\n{report}"),
    }
}

fn wrk(scheme: &str, address: SocketAddr, scenario: &Scenario, seconds: u32) -> Result<Answered> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
    if scenario.close {
        wrk.args(["-H", "Connection: close"]);
    }
    if let Some(host) = scenario.host {
        wrk.args(["-H", &format!("Host: {host}")]);
    }
    wrk.arg(format!("{scheme}://{address}{}", scenario.path));
    let (status, report) = command::stdout_of(&mut wrk)?;
    if !status.success() {
        bail!("wrk failed: {report}");
    }
    read(&report)
}

fn read(report: &str) -> Result<Answered> {
    if report.contains("Non-2xx") || report.contains("Socket errors") {
        bail!("not every request was answered well:\n{report}");
    }
    let mut lines = report.lines().map(str::trim);
    let requests = lines.clone().find_map(|line| {
        let (number, _) = line.split_once(" requests in ")?;
        number.parse().ok()
    });
    let per_second = lines.find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    match requests.zip(per_second) {
        None | Some((0, _)) => bail!("wrk counted no requests:\n{report}"),
        Some((requests, per_second)) => Ok(Answered { requests, per_second }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Running 2s test @ http://127.0.0.1:1/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.19ms  217.32us   4.93ms   83.34%
    Req/Sec    53.75k     2.15k   56.43k    85.00%
  106977 requests in 2.00s, 27.44MB read
Requests/sec:  53464.12
Transfer/sec:     13.71MB
";

    #[test]
    fn a_report_is_read() {
        let answered = read(REPORT).unwrap();
        assert_eq!(answered, Answered { requests: 106_977, per_second: 53_464.12 });
    }

    const H2LOAD: &str = "
finished in 2.01s, 5829.81 req/s, 1.51MB/s
requests: 11718 total, 12230 started, 11718 done, 11718 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 11718 2xx, 0 3xx, 0 4xx, 0 5xx
";

    #[test]
    fn a_report_of_h2load_is_read() {
        let answered = read_h2load(H2LOAD).unwrap();
        assert_eq!(answered, Answered { requests: 11_718, per_second: 5_829.81 });
        read_h2load(&H2LOAD.replace(" 0 failed", " 3 failed")).expect_err("failures");
        read_h2load(&H2LOAD.replace(" 0 5xx", " 3 5xx")).expect_err("errors");
    }

    #[test]
    fn a_report_of_resumed_sessions_is_read() {
        let report = "starting\nrrrr\n\n4 connections in 0.10s; 970.00 connections/user sec, bytes \
                      read 400\n4 connections in 3 real seconds, 100 bytes read per connection\n";
        assert_eq!(read_resumed(report).unwrap(), 4);
        read_resumed(&report.replace("rrrr", "rr*r")).expect_err("one was new");
        read_resumed("starting\n").expect_err("there was none");
    }

    #[test]
    fn bad_answers_are_no_result() {
        for line in [
            "  Non-2xx or 3xx responses: 3",
            "  Socket errors: connect 0, read 1, write 0, timeout 0",
        ] {
            assert!(read(&format!("{REPORT}{line}\n")).is_err(), "{line}");
        }
        read("").expect_err("an empty report");
    }
}
