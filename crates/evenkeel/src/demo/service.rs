//! The program `monitor` in the demo's folder: what it is told and what it tells.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use evenkeel_sys::ends_with_parent;
use tokio::time::timeout;

use super::view::Shard;

/// What a verb may take that ends by itself. Most end within a second.
const PATIENCE: Duration = Duration::from_mins(1);
/// Lines of a log that are shown when its process has failed.
const LAST_WORDS: usize = 8;
/// Of programs that end at once.
const LOG: &str = "setup";

/// The program and the folder.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
}

/// A command that ends with this process, is not reached by the Ctrl-C of its terminal, and says to
/// a log what it has to say.
pub(super) fn prepared(program: &Path, folder: &Path, log: &str) -> Result<Command> {
    let path = log_file(folder, log);
    let cannot = || format!("cannot write {}", path.display());
    let log = File::options().create(true).append(true).open(&path).with_context(cannot)?;
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command.stdout(log.try_clone().with_context(cannot)?).stderr(log);
    command.process_group(0).env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS");
    ends_with_parent(&mut command);
    Ok(command)
}

fn log_file(folder: &Path, log: &str) -> PathBuf {
    folder.join(format!("{log}.log"))
}

/// The end of a log, for people.
pub(super) fn last_words(folder: &Path, log: &str) -> String {
    let text = fs::read(log_file(folder, log)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
    if last.is_empty() { "it has not said why".to_owned() } else { last.join("\n  ") }
}

impl Service {
    /// To be started with these arguments.
    pub(super) fn command(&self, log: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = prepared(&self.program, &self.folder, log)?;
        command.args(arguments);
        Ok(command)
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(LOG, arguments)?;
        command.stdout(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        let ended = timeout(PATIENCE, command.kill_on_drop(true).output()).await;
        let output = ended.map_err(|_late| {
            let (verb, seconds) = (arguments.join(" "), PATIENCE.as_secs());
            anyhow!("`monitor {verb}` has not ended after {seconds} s")
        })?;
        output.with_context(|| format!("cannot start {}", self.program.display()))
    }

    /// Runs a verb to its end; its stdout.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        if !output.status.success() {
            let words = last_words(&self.folder, LOG);
            bail!("monitor {} failed: {words}", arguments.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What is stored.
    pub(super) async fn shards(&self) -> Result<Vec<Shard>> {
        // It fails when a shard is down, and says which.
        let output = self.run(&["shards", "--json"]).await?;
        serde_json::from_slice(&output.stdout).context("monitor shards says something else")
    }
}
