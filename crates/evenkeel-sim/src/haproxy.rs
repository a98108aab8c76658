//! Debian's haproxy before the balancer, behind it, or beside it as a witness.

use std::net::SocketAddr;

use crate::client::Client;
use crate::clock::{PATIENCE, wait_until};
use crate::process::{self, Process};
use crate::scratch::Scratch;

/// Why there is no haproxy.
pub const NO_HAPROXY: &str = "haproxy is not installed";

/// A running haproxy; it ends with this value.
#[derive(Debug)]
pub struct Haproxy {
    _process: Process,
    _scratch: Scratch,
}

/// One with this configuration behind its `defaults`, once it listens there. `None` where it is not
/// installed.
pub fn haproxy(config: &str, listens: SocketAddr) -> Option<Haproxy> {
    let program = process::find("haproxy")?;
    let scratch = Scratch::new("haproxy");
    let head = "defaults\n timeout connect 5s\n timeout client 10s\n timeout server 10s\n";
    let file = scratch.write("haproxy.cfg", format!("{head}{config}\n"));
    let mut command = process::bound(&program);
    command.arg("-db").arg("-f").arg(file);
    let mut process = Process::start("haproxy", command);
    wait_until("haproxy listens", PATIENCE, || {
        assert!(process.is_running(), "haproxy ends:\n{}", process.stderr.text());
        Client::connect(listens).is_ok()
    });
    Some(Haproxy { _process: process, _scratch: scratch })
}
