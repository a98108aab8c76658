//! Two servers behind the proxies: nginx from the path, with a small and a big answer.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::child::Child;
use super::config;
use super::http::Connection;
use super::scenario::SMALL;
use super::scratch::{self, Scratch};
use crate::{clock, command};

/// The servers; they end with it.
#[derive(Debug)]
pub(super) struct Upstreams {
    pub(super) addresses: [SocketAddr; 2],
    /// Those that are called by gRPC.
    pub(super) callees: [SocketAddr; 2],
    _servers: [Child; 4],
}

/// How long a server or a proxy may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_secs(10);

impl Upstreams {
    /// `aliases`: what each listens on besides its own address, on the same port.
    pub(super) fn start(scratch: &Scratch, aliases: &[Ipv4Addr]) -> Result<Self> {
        let [one, two, three, four] = free_addresses()?;
        let addresses = [one, two];
        let mut servers =
            [server("one", one, aliases, scratch)?, server("two", two, aliases, scratch)?];
        for (address, server) in addresses.into_iter().zip(&mut servers) {
            await_answer(address, server).context("an upstream server")?;
        }
        let [one, two] = servers;
        let servers = [one, two, callee(three)?, callee(four)?];
        Ok(Self { addresses, callees: [three, four], _servers: servers })
    }
}

/// Loopback addresses nobody listens on. They are let go before they are used, so another program
/// may take one; a start then fails with its words.
pub(super) fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    let listen = |_| TcpListener::bind(("127.0.0.1", 0));
    // All held at once, else the same one could come twice.
    let held: Result<Vec<TcpListener>, _> = (0..COUNT).map(listen).collect();
    let held = held.context("no free port on the loopback")?;
    let addresses: Result<Vec<SocketAddr>, _> = held.iter().map(TcpListener::local_addr).collect();
    let addresses = addresses.context("a listener without an address")?;
    Ok(addresses.try_into().expect("as many as were asked for"))
}

/// Waits until a small request to `program` is answered with 200.
pub(super) fn await_answer(address: SocketAddr, program: &mut Child) -> Result<()> {
    let mut last = String::from("nothing yet");
    let ready = clock::wait_until(START_LIMIT, || {
        let answer = Connection::open(address, SMALL).and_then(|mut connection| connection.get());
        last = match answer {
            Ok(200) => return true,
            Ok(status) => format!("status {status}"),
            Err(error) => format!("{error:#}"),
        };
        program.has_ended()
    });
    if program.has_ended() {
        bail!("it has ended at once");
    }
    if !ready {
        bail!("{address} did not answer within {} s: {last}", START_LIMIT.as_secs());
    }
    Ok(())
}

fn server(
    name: &str,
    address: SocketAddr,
    aliases: &[Ipv4Addr],
    scratch: &Scratch,
) -> Result<Child> {
    let folder = scratch.folder(&format!("upstream-{name}"))?;
    scratch::write(&folder, "big", vec![b'x'; 1 << 20])?;
    let config =
        scratch::write(&folder, "nginx.conf", config::upstream(address, aliases, &folder))?;
    let nginx = command::find("nginx").context("nginx is missing: `cargo xtask setup`")?;
    let mut command = Command::new(nginx);
    command.arg("-p").arg(&folder).arg("-c").arg(config).stdin(Stdio::null());
    // Until it has read its configuration nginx complains on stderr about a log it cannot open.
    command.arg("-e").arg(folder.join("error.log"));
    Child::spawn(&mut command)
}

/// Says again what it is told, with the trailer of a call that went well.
fn callee(address: SocketAddr) -> Result<Child> {
    let nghttpd = command::find("nghttpd").context("nghttpd is missing: `cargo xtask setup`")?;
    let mut command = Command::new(nghttpd);
    command.args(["--no-tls", "--echo-upload", "--trailer", "grpc-status: 0"]);
    command.args(["-a", &address.ip().to_string(), &address.port().to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Child::spawn(&mut command)
}
