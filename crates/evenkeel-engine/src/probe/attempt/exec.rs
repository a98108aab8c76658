//! Checks made by a program of the operator's.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::config::ExecCheck;
use evenkeel_core::health::{CheckFailure, Words};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Found, failure, in_words};
use crate::fleet::Server;
use crate::program::{self, Silence};

/// Programs running at once: each is a process, and the node has other things to do.
const MOST_PROGRAMS: usize = 16;

static PROGRAMS: Semaphore = Semaphore::const_new(MOST_PROGRAMS);

/// Runs the program for `server`, for at most `limit`.
pub(super) async fn run(
    check: &ExecCheck,
    server: &Server,
    target: SocketAddr,
    limit: Duration,
) -> Result<Found, CheckFailure> {
    let _turn = PROGRAMS.acquire().await.expect("never closed");
    let (address, port) = (target.ip().to_string(), target.port());
    let question = json!({
        "pool": *server.pool, "server": *server.name, "address": address, "port": port,
    });
    let said = program::ask(check, &question, limit).await.map_err(|silence| match silence {
        Silence::NotStarted(error) => match failure(&error) {
            CheckFailure::Exhausted => CheckFailure::Exhausted,
            _ => CheckFailure::NotRun(in_words(&error)),
        },
        Silence::Lost(error) => CheckFailure::NotRun(in_words(&error)),
        Silence::Late => CheckFailure::Timeout,
    })?;
    if said.status.success() {
        return Ok(Found::Fine);
    }
    let words = Words::new(&said.words);
    let silent = words.as_str().is_empty();
    Err(CheckFailure::Said(if silent { in_words(&said.status) } else { words }))
}
