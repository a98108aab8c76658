//! Debian's dnsmasq as the DNS server that names are asked of.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::address::free_address;
use crate::clock::{PATIENCE, wait_until};
use crate::process::{self, Process, Signal};
use crate::scratch::Scratch;

/// Why there is no dnsmasq.
pub const NO_DNSMASQ: &str = "dnsmasq is not installed";

/// A real DNS server that knows the names it is told and asks nobody; it ends with this value.
#[derive(Debug)]
pub struct Dnsmasq {
    address: SocketAddr,
    scratch: Scratch,
    process: Process,
}

/// A DNS server whose answers are good for `ttl` seconds, with further lines of its configuration
/// (`srv-host=…`); `None` where it is not installed.
pub fn dnsmasq(ttl: u32, further: &str) -> Option<Dnsmasq> {
    let program = process::find("dnsmasq")?;
    let address = free_address();
    let scratch = Scratch::new("dnsmasq");
    let hosts = scratch.write("hosts", "");
    let (hosts, ip, port) = (hosts.display(), address.ip(), address.port());
    let config = scratch.write(
        "dnsmasq.conf",
        format!(
            "no-resolv\nno-hosts\nno-poll\nbind-interfaces\nlisten-address={ip}\nport={port}\n\
             user=\npid-file=\naddn-hosts={hosts}\nlocal-ttl={ttl}\nlocal=/internal/\n{further}\n"
        ),
    );
    let mut command = process::bound(&program);
    command.arg("--keep-in-foreground").arg("--log-facility=-").arg("-C").arg(config);
    let mut process = Process::start("dnsmasq", command);
    wait_until("dnsmasq listens", PATIENCE, || {
        assert!(process.is_running(), "dnsmasq ends:\n{}", process.stderr.text());
        std::net::TcpStream::connect(address).is_ok()
    });
    Some(Dnsmasq { address, scratch, process })
}

impl Dnsmasq {
    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these are all addresses it knows.
    pub fn know(&mut self, hosts: &[(&str, IpAddr)]) {
        let mut text = String::new();
        for (name, ip) in hosts {
            let _ = writeln!(text, "{ip} {name}"); // a String takes everything
        }
        self.scratch.write("hosts", text);
        let told = |process: &Process| {
            let lines = process.stderr.lines();
            lines.iter().filter(|line| line.contains("/hosts ")).count()
        };
        let before = told(&self.process);
        self.process.signal(Signal::HUP);
        wait_until("dnsmasq reads its hosts", PATIENCE, || told(&self.process) > before);
    }
}
