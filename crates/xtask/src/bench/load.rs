//! Closed-loop load by wrk.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Result, bail};

use super::scenario::Scenario;
use crate::command;

/// Connections of the load, at once.
pub(super) const CONNECTIONS: u32 = 64;

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answered {
    pub(super) requests: u32,
    pub(super) per_second: f64,
}

/// `seconds` of `scenario` at `address`. Every request must have been answered with 2xx.
pub(super) fn run(address: SocketAddr, scenario: &Scenario, seconds: u32) -> Result<Answered> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
    if scenario.close {
        wrk.args(["-H", "Connection: close"]);
    }
    if let Some(host) = scenario.host {
        wrk.args(["-H", &format!("Host: {host}")]);
    }
    wrk.arg(format!("http://{address}{}", scenario.path));
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
