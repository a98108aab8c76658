//! A server in a process of its own, that can be stopped and killed for real.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::Origin;
use crate::address::free_address;
use crate::clock::{PATIENCE, wait_until};
use crate::process::{Process, Signal};

/// The verb under which the `faults` program is such a server.
pub const VERB: &str = "origin";

/// An origin that is another process.
#[derive(Debug)]
pub struct RemoteOrigin {
    name: String,
    address: SocketAddr,
    process: Process,
    /// What its earlier processes saw.
    past: Vec<(String, String)>,
}

/// A server called `name`, in a process of its own.
pub fn remote_origin(name: &str) -> RemoteOrigin {
    let address = free_address();
    let process = start(name, address);
    RemoteOrigin { name: name.to_owned(), address, process, past: Vec::new() }
}

impl RemoteOrigin {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// By the name of a [`super::Mode`], from the next request on.
    pub fn set(&mut self, mode: &str) {
        let before = self.process.stdout.lines().len();
        self.process.tell(mode);
        let done = format!("mode {mode}");
        wait_until(&format!("server {}: {mode}", self.name), PATIENCE, || {
            self.process.stdout.lines().iter().skip(before).any(|line| *line == done)
        });
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait(PATIENCE);
    }

    /// The same again after [`RemoteOrigin::kill`], at the same address.
    pub fn restart(&mut self) {
        self.past = self.seen();
        self.process = start(&self.name, self.address);
    }

    /// SIGSTOP: alive, but not a sign of it.
    pub fn freeze(&mut self) {
        self.process.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&mut self) {
        self.process.signal(Signal::CONT);
    }

    /// Method and target of every request so far, checks excepted, restarts included.
    pub fn seen(&self) -> Vec<(String, String)> {
        let mut seen = self.past.clone();
        seen.extend(self.process.stdout.lines().iter().filter_map(|line| {
            let (method, target) = line.strip_prefix("seen ")?.split_once(' ')?;
            Some((method.to_owned(), target.to_owned()))
        }));
        seen
    }

    /// How many requests so far, checks excepted, restarts included.
    pub fn served(&self) -> usize {
        self.seen().len()
    }
}

fn start(name: &str, address: SocketAddr) -> Process {
    let mut command = Command::new(program());
    command.args([VERB, name, &address.to_string()]);
    let mut process = Process::start(&format!("server {name}"), command);
    wait_until(&format!("server {name} listens"), PATIENCE, || {
        assert!(process.is_running(), "server {name} does not start");
        process.stdout.lines().iter().any(|line| line == "ready")
    });
    process
}

/// The `faults` program: this one, or the one built beside this test.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    if own.file_stem().is_some_and(|stem| stem == "faults") {
        return own;
    }
    let folders = own.ancestors().skip(1).map(|folder| folder.join("faults"));
    let found = folders.into_iter().take(3).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("no `faults` beside {}: cargo builds it", own.display()))
}

/// What `faults origin NAME ADDRESS` does: serves until its stdin ends, changes its mode by what
/// is written there, and writes down what it sees.
pub fn serve(name: &str, address: SocketAddr) {
    let origin = Origin::start(name, address);
    origin.observe(|method, target| say(&format!("seen {method} {target}")));
    say("ready");
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { return };
        match line.parse() {
            Ok(mode) => {
                origin.set(mode);
                say(&format!("mode {line}"));
            }
            Err(error) => say(&format!("error {error}")),
        }
    }
    drop(origin);
}

fn say(line: &str) {
    // Without a parent there is nobody left to tell; the end of stdin ends this process.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
