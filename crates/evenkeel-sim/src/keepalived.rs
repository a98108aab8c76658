//! Debian's keepalived as the other node of a virtual address.

use crate::link::Link;
use crate::process::{self, Process, Signal};
use crate::scratch::Scratch;

/// Why there is no keepalived.
pub const NO_KEEPALIVED: &str = "keepalived is not installed";

/// A running keepalived; it ends with this value.
#[derive(Debug)]
pub struct Keepalived {
    process: Process,
    _scratch: Scratch,
}

impl Link {
    /// A keepalived on a machine, with one `vrrp_instance` on `eth0` that has these settings.
    /// `None` where it is not installed.
    pub fn keepalived(&self, machine: &str, settings: &str) -> Option<Keepalived> {
        let program = process::find("keepalived")?;
        let scratch = Scratch::new("keepalived");
        let config = format!(
            "global_defs {{\n vrrp_skip_check_adv_addr\n}}\n\
             vrrp_instance main {{\n state BACKUP\n interface eth0\n{settings}\n}}\n"
        );
        let config = scratch.write("keepalived.conf", config);
        let mut command = self.command(machine, program.to_str().expect("paths are UTF-8"));
        command.args(["--dont-fork", "--log-console", "--log-detail", "--vrrp", "--use-file"]);
        command.arg(config);
        command.arg("--pid").arg(scratch.file("parent.pid"));
        command.arg("--vrrp_pid").arg(scratch.file("vrrp.pid"));
        let process = Process::start(&format!("keepalived {machine}"), command);
        Some(Keepalived { process, _scratch: scratch })
    }
}

impl Keepalived {
    /// How often it has become owner.
    pub fn claims(&self) -> usize {
        let said = |line: &String| line.contains("Entering MASTER STATE");
        let (out, err) = (self.process.stdout.lines(), self.process.stderr.lines());
        out.iter().chain(&err).filter(|line| said(line)).count()
    }

    /// All it has said.
    pub fn log(&self) -> String {
        format!("{}\n{}", self.process.stdout.text(), self.process.stderr.text())
    }

    /// SIGTERM: it gives the address away.
    pub fn stop(&mut self) {
        self.process.signal(Signal::TERM);
        self.process.wait(crate::clock::PATIENCE);
    }
}
