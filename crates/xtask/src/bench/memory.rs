//! What a proxy holds at rest, and what each idle client connection adds.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::child::Child;
use super::cpu;
use super::http::Connection;
use super::proxy::Proxy;
use super::scenario::{Listener, SMALL};
use crate::clock;

/// Client connections held.
pub(super) const HELD: u32 = 4_000;

/// The same within TLS.
pub(super) const HELD_TLS: u32 = 2_000;

/// How long those are held: half of it is for shaking hands.
const HOLDING: Duration = Duration::from_secs(20);

/// In KiB.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) at_rest_kib: f64,
    pub(super) per_connection_kib: f64,
}

/// Measures a proxy that has just started: first as it is, then with connections that have each
/// made one request and stay open.
pub(super) fn measure(proxy: &Proxy) -> Result<Held> {
    let at_rest = proportional(proxy.pid())?;
    let address = proxy.address(Listener::Http);
    let mut connections = Vec::new();
    for number in 0..HELD {
        let context = || format!("{}: connection {number} of {HELD}", proxy.kind());
        let mut connection = Connection::open(address, SMALL).with_context(context)?;
        match connection.get().with_context(context)? {
            200 => connections.push(connection),
            status => bail!("{}: answered {status}", context()),
        }
    }
    let holding = proportional(proxy.pid())?;
    drop(connections);
    let added = f64::from(holding) - f64::from(at_rest);
    Ok(Held { at_rest_kib: at_rest.into(), per_connection_kib: added / f64::from(HELD) })
}

/// The same within TLS: h2load shakes hands, asks once on each connection, and holds them.
pub(super) fn measure_tls(proxy: &Proxy) -> Result<Held> {
    let at_rest = proportional(proxy.pid())?;
    let address = proxy.address(Listener::Https);
    let seconds = HOLDING.as_secs();
    let mut h2load = Command::new("h2load");
    h2load.args(["--h1", "-t1", &format!("-c{HELD_TLS}"), &format!("-D{seconds}")]);
    // One request each, then none until the end.
    h2load.arg(format!("--rps={}", 0.5 / HOLDING.as_secs_f64()));
    h2load.arg(format!("https://{address}{SMALL}")).stdin(Stdio::null()).stdout(Stdio::null());
    let mut h2load = Child::spawn(&mut h2load)?;
    // A second half of rest: what handshakes needed is given back.
    if clock::wait_until(HOLDING / 2, || h2load.has_ended()) {
        bail!("{}: h2load does not hold {HELD_TLS} connections", proxy.kind());
    }
    let holding = proportional(proxy.pid())?;
    let added = f64::from(holding) - f64::from(at_rest);
    Ok(Held { at_rest_kib: at_rest.into(), per_connection_kib: added / f64::from(HELD_TLS) })
}

/// KiB of memory of a process and its descendants, what they share counted once.
pub(super) fn proportional(pid: u32) -> Result<u32> {
    let mut total = 0;
    for process in cpu::family(pid)? {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        total += pss(&text).with_context(|| format!("{path} has no Pss"))?;
    }
    Ok(total)
}

/// `Pss:   1234 kB`.
fn pss(rollup: &str) -> Option<u32> {
    let value = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pss_is_found_among_its_relatives() {
        let rollup =
            "Rss:                8712 kB\nPss:                5004 kB\nPss_Dirty:   4 kB\n";
        assert_eq!(pss(rollup), Some(5004));
        assert_eq!(pss("Rss: 1 kB\n"), None);
    }
}
