//! Other programs: cargo and what is on the path.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};

/// The cargo that started this program, to be run in `root`.
pub(crate) fn cargo(root: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).env("CARGO_TERM_COLOR", "never");
    command
}

/// Run to the end on this terminal; whether it exited with 0.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| cannot_start(command))?;
    Ok(status.success())
}

/// Run to the end and hand over stdout; stderr stays on this terminal.
pub(crate) fn stdout_of(command: &mut Command) -> Result<(ExitStatus, String)> {
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| cannot_start(command))?;
    Ok((output.status, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Run to the end with stdout and stderr in one stream, each line given to `see` as it comes.
pub(crate) fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe().context("cannot open a pipe")?;
    let for_stderr = writer.try_clone().context("cannot duplicate a pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(for_stderr)
        .spawn()
        .with_context(|| cannot_start(command))?;
    // `command` keeps its copies of the writing end; while one is open the reader never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("cannot read from a child")? > 0 {
        see(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    child.wait().context("cannot wait for a child")
}

/// Where `program` is: on the path, or where Debian keeps daemons, which ordinary users' paths lack.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", command.get_program().display())
}
