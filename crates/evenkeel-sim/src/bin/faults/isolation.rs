//! A network and mounts of its own, so that faults of the network and the disk meet nobody else.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use evenkeel_sim::process;

/// Set in the process that has them.
const MARK: &str = "EVENKEEL_FAULTS_ISOLATED";

/// Starts this program anew within; does not return if that succeeds. Called there, `None`; else
/// why it cannot be.
pub(crate) fn enter() -> Option<String> {
    if env::var_os(MARK).is_some() {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        return match up {
            Ok(status) if status.success() => None,
            _ => Some("`ip` cannot bring up the loopback of an own network namespace".to_owned()),
        };
    }
    let Some(unshare) = process::find("unshare") else {
        return Some("unshare is not installed".to_owned());
    };
    let root = rustix::process::geteuid().is_root();
    let mut flags = vec!["--net", "--mount"];
    if !root {
        flags.push("--map-root-user");
    }
    let mut probe = Command::new(&unshare);
    probe.args(&flags).args(["ip", "link", "set", "lo", "up"]);
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return Some("an own network namespace needs root or user namespaces".to_owned());
    }
    let own = env::current_exe().expect("a running program has a path");
    let mut again = Command::new(unshare);
    again.args(flags).arg("--").arg(own).args(env::args_os().skip(1)).env(MARK, "1");
    Some(format!("cannot start within an own network namespace: {}", again.exec()))
}

/// Packets between the balancer and a server, lost while this value lives.
#[derive(Debug)]
pub(crate) struct Loss;

impl Loss {
    const TABLE: &str = "evenkeel_faults";

    /// `share` of a hundred packets from and to each of `addresses` are dropped.
    pub(crate) fn of(addresses: &[SocketAddr], share: u32) -> Result<Self, String> {
        let table = Self::TABLE;
        let chance = match share {
            100 => String::new(),
            _ => format!("numgen random mod 100 < {share} "),
        };
        let rules = addresses.iter().map(|address| {
            let (host, port) = (address.ip(), address.port());
            format!(
                "add rule inet {table} out ip daddr {host} tcp dport {port} {chance}drop
                 add rule inet {table} out ip saddr {host} tcp sport {port} {chance}drop
                "
            )
        });
        nft(&format!(
            "add table inet {table}
             add chain inet {table} out {{ type filter hook output priority 0; }}
             {}",
            rules.collect::<String>()
        ))?;
        Ok(Self)
    }
}

impl Drop for Loss {
    fn drop(&mut self) {
        nft(&format!("delete table inet {}", Self::TABLE)).expect("added before");
    }
}

/// Few local ports to connect from, while this value lives.
#[derive(Debug)]
pub(crate) struct FewPorts {
    before: String,
}

impl FewPorts {
    const SETTING: &str = "/proc/sys/net/ipv4/ip_local_port_range";

    /// Ports that nothing here listens on.
    pub(crate) fn take() -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", Self::SETTING);
        let before = fs::read_to_string(Self::SETTING).map_err(told)?;
        fs::write(Self::SETTING, "40000 40255").map_err(told)?;
        Ok(Self { before })
    }
}

impl Drop for FewPorts {
    fn drop(&mut self) {
        fs::write(Self::SETTING, &self.before).expect("written before");
    }
}

fn nft(script: &str) -> Result<(), String> {
    let nft = process::find("nft").ok_or("nft is not installed")?;
    let output = Command::new(nft).arg(script).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
