//! Programs of the operator's: asked in one line of JSON, and listened to for at most so long.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use evenkeel_core::config::ExecCheck;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdout, Command};
use tokio::runtime::Builder;
use tokio::time::timeout;

/// What is kept of what a program says. What comes after it is read and forgotten, so that who says a
/// little too much is not held up, nor fails.
const MOST_OUTPUT_BYTES: usize = 4 * 1024;
/// What is read at all: who says more does not end by itself, and gets SIGPIPE.
const MOST_READ_BYTES: usize = 1024 * 1024;
/// What a program said is there when it has ended. If its output is open still, a child of its that
/// goes on has it, and nobody waits for that.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What came of it.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    /// Its output, to [`MOST_OUTPUT_BYTES`].
    pub(crate) words: String,
}

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) enum Silence {
    NotStarted(io::Error),
    /// The system does not tell what it does.
    Lost(io::Error),
    Late,
}

/// Runs `program` for at most `limit`, then kills it.
pub(crate) async fn ask(
    program: &ExecCheck,
    question: &Value,
    limit: Duration,
) -> Result<Said, Silence> {
    let mut child = start(program).map_err(Silence::NotStarted)?;
    let said = timeout(limit, converse(&mut child, question)).await;
    // By its own id, whether or not it has ended; it is waited for, so that none is left behind.
    let _ = child.kill().await;
    said.map_err(|_elapsed| Silence::Late)?.map_err(Silence::Lost)
}

/// The same on a thread that has nothing else to do.
pub(crate) fn ask_and_wait(
    program: &ExecCheck,
    question: &Value,
    limit: Duration,
) -> Result<Said, Silence> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(Silence::NotStarted)?.block_on(ask(program, question, limit))
}

fn start(program: &ExecCheck) -> io::Result<Child> {
    Command::new(&program.program)
        .args(program.arguments.iter().map(|argument| &**argument))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

async fn converse(child: &mut Child, question: &Value) -> io::Result<Said> {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want to know may close it.
        let _ = stdin.write_all(format!("{question}\n").as_bytes()).await;
    }
    let (stdout, mut said) = (child.stdout.take(), Vec::new());
    let mut listening = Box::pin(listen(stdout, &mut said));
    let status = tokio::select! {
        status = child.wait() => {
            // Whatever has come by then is what it said.
            let _ = timeout(LAST_WORDS, &mut listening).await;
            status?
        }
        heard = &mut listening => {
            heard?;
            child.wait().await?
        }
    };
    drop(listening);
    Ok(Said { status, words: String::from_utf8_lossy(&said).into_owned() })
}

/// Until the output is closed, there or here.
async fn listen(stdout: Option<ChildStdout>, said: &mut Vec<u8>) -> io::Result<()> {
    let Some(mut stdout) = stdout else { return Ok(()) };
    let (mut bytes, mut all) = ([0; 4 * 1024], 0);
    loop {
        let read = stdout.read(&mut bytes).await?;
        all += read;
        if read == 0 || all > MOST_READ_BYTES {
            return Ok(());
        }
        let room = MOST_OUTPUT_BYTES - said.len();
        said.extend_from_slice(&bytes[..read.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    /// Longer than a loaded machine takes to run a shell.
    const LIMIT: Duration = Duration::from_mins(1);

    fn shell(script: &str, arguments: &[&str]) -> ExecCheck {
        let words = ["-c", script, "sh"];
        let arguments = words.iter().chain(arguments).map(|word| (*word).into()).collect();
        ExecCheck { program: "/bin/sh".into(), arguments }
    }

    fn run(program: &ExecCheck, limit: Duration) -> Result<Said, Silence> {
        ask_and_wait(program, &json!({ "a": 1 }), limit)
    }

    #[test]
    fn a_program_hears_the_question_and_is_heard() {
        let said = run(&shell("cat; exit 3", &[]), LIMIT).unwrap();
        assert_eq!((said.status.code(), &*said.words), (Some(3), "{\"a\":1}\n"));
        let none = run(&shell("exec <&-; exit 0", &[]), LIMIT).unwrap();
        assert!(none.status.success() && none.words.is_empty());
    }

    #[test]
    fn one_that_says_much_is_not_held_up() {
        let said = run(&shell("echo here; head -c 300000 /dev/zero", &[]), LIMIT).unwrap();
        assert!(said.status.success(), "{}", said.status);
        assert_eq!(said.words.len(), MOST_OUTPUT_BYTES);
        assert!(said.words.starts_with("here\n"));
        let endless = run(&shell("yes; exit 3", &[]), LIMIT).unwrap();
        assert_eq!(endless.status.code(), Some(3), "it was told to stop");
    }

    #[test]
    fn a_child_of_its_that_goes_on_is_not_waited_for() {
        let name = format!("evenkeel-{}-program", std::process::id());
        let path = std::env::temp_dir().join(name);
        // It goes on until somebody opens the other end, and has the output meanwhile.
        let script = "mkfifo \"$1\" && { cat \"$1\" & } && echo here";
        let said = run(&shell(script, &[path.to_str().unwrap()]), LIMIT).unwrap();
        assert_eq!((said.status.success(), &*said.words), (true, "here\n"));
        drop(fs::OpenOptions::new().write(true).open(&path).unwrap());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn one_that_is_late_is_killed_and_one_that_is_not_there_is_told() {
        let late = run(&shell("exec sleep 1000", &[]), Duration::from_millis(50));
        assert!(matches!(late, Err(Silence::Late)), "{late:?}");
        let none = ExecCheck { program: "/nowhere".into(), arguments: Vec::new() };
        assert!(matches!(run(&none, LIMIT), Err(Silence::NotStarted(_))));
    }
}
