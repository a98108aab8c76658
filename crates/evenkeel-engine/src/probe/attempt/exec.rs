//! Checks made by a program of the operator's.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use evenkeel_core::config::ExecCheck;
use evenkeel_core::health::{CheckFailure, Words};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Found, failure, in_words};
use crate::fleet::Server;

/// Programs running at once: each is a process, and the node has other things to do.
const MOST_PROGRAMS: usize = 16;
/// What is read of what a program says; of this the first line is shown.
const MOST_OUTPUT_BYTES: u64 = 4 * 1024;

static PROGRAMS: Semaphore = Semaphore::const_new(MOST_PROGRAMS);

/// Runs the program for `server`, for at most `limit`, then ends it.
pub(super) async fn run(
    check: &ExecCheck,
    server: &Server,
    target: SocketAddr,
    limit: Duration,
) -> Result<Found, CheckFailure> {
    let _turn = PROGRAMS.acquire().await.expect("never closed");
    let mut child = start(check).map_err(|error| match failure(&error) {
        CheckFailure::Exhausted => CheckFailure::Exhausted,
        _ => CheckFailure::NotRun(in_words(&error)),
    })?;
    let ended = timeout(limit, consult(&mut child, server, target)).await;
    // By its own id, whether or not it has ended; it is waited for, so that none is left behind.
    let _ = child.kill().await;
    match ended {
        Ok(found) => found,
        Err(_elapsed) => Err(CheckFailure::Timeout),
    }
}

fn start(check: &ExecCheck) -> io::Result<Child> {
    Command::new(&check.program)
        .args(check.arguments.iter().map(|argument| &**argument))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

async fn consult(
    child: &mut Child,
    server: &Server,
    target: SocketAddr,
) -> Result<Found, CheckFailure> {
    let broken = |error: io::Error| CheckFailure::NotRun(in_words(&error));
    let (address, port) = (target.ip().to_string(), target.port());
    let question = json!({
        "pool": *server.pool, "server": *server.name, "address": address, "port": port,
    });
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want to know may close it.
        let _ = stdin.write_all(format!("{question}\n").as_bytes()).await;
    }
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MOST_OUTPUT_BYTES).read_to_end(&mut said).await.map_err(broken)?;
    }
    let status = child.wait().await.map_err(broken)?;
    if status.success() {
        return Ok(Found::Fine);
    }
    let words = Words::new(&String::from_utf8_lossy(&said));
    let silent = words.as_str().is_empty();
    Err(CheckFailure::Said(if silent { in_words(&status) } else { words }))
}
