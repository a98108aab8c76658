//! Programs of the operator's, for checks and for addresses that are not this kernel's to give.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use evenkeel_core::config::ExecCheck;
use evenkeel_core::moment::Moment;
use serde_json::Value;

use crate::clock;

/// Between two looks whether a program has ended.
const LOOK: Duration = Duration::from_millis(10);
/// What is read of what a program says.
const MOST_OUTPUT_BYTES: u64 = 4 * 1024;

/// Runs a program that reads `question`, one line of JSON, for at most `limit`; the first line it
/// says. An error is a reason in words.
pub(super) fn run(
    program: &ExecCheck,
    question: &Value,
    limit: Duration,
) -> Result<String, String> {
    let shown = program.program.display();
    let mut child = start(program).map_err(|error| format!("cannot start {shown}: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want to know may close it.
        let _ = stdin.write_all(format!("{question}\n").as_bytes());
    }
    let ended = wait(&mut child, clock::since_boot() + limit);
    // By its own id, whether or not it has ended; it is waited for, so that none is left behind.
    let _ = child.kill();
    let _ = child.wait();
    let ended = ended.map_err(|error| format!("cannot wait for {shown}: {error}"))?;
    let mut said = String::new();
    if let (Some(stdout), true) = (child.stdout.take(), ended.is_some()) {
        // What is no text is no word of it.
        let _ = stdout.take(MOST_OUTPUT_BYTES).read_to_string(&mut said);
    }
    let said = said.lines().next().unwrap_or_default().trim().to_owned();
    match ended {
        Some(true) => Ok(said),
        Some(false) if said.is_empty() => Err(format!("{shown} has failed")),
        Some(false) => Err(said),
        None => Err(format!("{shown} has not ended in time")),
    }
}

fn start(program: &ExecCheck) -> io::Result<Child> {
    Command::new(&program.program)
        .args(program.arguments.iter().map(|argument| &**argument))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// Whether it has succeeded; `None`: it still runs.
fn wait(child: &mut Child, until: Moment) -> io::Result<Option<bool>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if clock::since_boot() >= until {
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}
