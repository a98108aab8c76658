//! Programs of the operator's, for checks and for addresses that are not this kernel's to give.

use std::time::Duration;

use evenkeel_core::config::ExecCheck;
use serde_json::Value;

use crate::program::{self, Silence};

/// Runs a program that reads `question`, one line of JSON, for at most `limit`; the first line it
/// says. An error is a reason in words.
pub(super) fn run(
    program: &ExecCheck,
    question: &Value,
    limit: Duration,
) -> Result<String, String> {
    let shown = program.program.display();
    let said =
        program::ask_and_wait(program, question, limit).map_err(|silence| match silence {
            Silence::NotStarted(error) => format!("cannot start {shown}: {error}"),
            Silence::Lost(error) => format!("cannot wait for {shown}: {error}"),
            Silence::Late => format!("{shown} has not ended in time"),
        })?;
    let first = said.words.lines().next().unwrap_or_default().trim().to_owned();
    match said.status.success() {
        true => Ok(first),
        false if first.is_empty() => Err(format!("{shown} has failed")),
        false => Err(first),
    }
}
