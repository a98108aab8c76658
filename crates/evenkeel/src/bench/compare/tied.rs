//! Child processes that do not outlive this one, however it ends.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::{env, io, thread};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::super::args;

/// `evenkeel bench tied PARENT -- …`: becomes this program with other arguments, which the kernel
/// ends with the parent.
pub(in super::super) fn tie(args: &args::Tied) -> Result<std::process::ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().map(Pid::as_raw_pid) != Some(args.parent) {
        bail!("the process that started this one has ended already");
    }
    Err(Command::new(env::current_exe()?).args(&args.arguments).exec().into())
}

/// This program as a child; ended when dropped.
#[derive(Debug)]
pub(super) struct Tied(Child);

impl Tied {
    pub(super) fn start(
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        stdout: Stdio,
        stderr: Stdio,
    ) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["bench", "tied", &std::process::id().to_string(), "--"]).args(arguments);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        // Ctrl-C at the terminal is for this process; what it started ends with it.
        command.process_group(0);
        Ok(Self(command.spawn().context("cannot start this program again")?))
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// At once, as a machine dies.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

/// The first line in which `find` finds something; the lines after it are read and let go.
pub(super) fn heard<T>(
    from: impl Read + Send + 'static,
    find: impl Fn(&str) -> Option<T>,
) -> Result<T> {
    let mut lines = BufReader::new(from).lines().map_while(Result::ok);
    let mut said = String::new();
    let found = lines.by_ref().find_map(|line| {
        let found = find(&line);
        said = line;
        found
    });
    thread::spawn(move || lines.for_each(drop));
    found.with_context(|| format!("a process that this one started ended: {said}"))
}
