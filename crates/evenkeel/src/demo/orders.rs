//! Orders from other terminals: a line in, a line out, over a socket in the demo's folder.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream as Blocking;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::home;
use super::scene::Word;
use crate::cli::out;

/// A line of an order is shorter.
const LONGEST: u64 = 256;
/// For who connects and does not say anything.
const PATIENCE: Duration = Duration::from_secs(2);
/// For what an order takes: an orderly end, or a database that catches up with another.
const WORK: Duration = Duration::from_mins(2);
/// Orders that wait for the one before.
pub(super) const MOST_WAITING: usize = 8;
/// Until the next try when the system has no room for a connection.
const BREATH: Duration = Duration::from_millis(100);
/// What an answer begins with.
const DONE: &str = "done ";
const REFUSED: &str = "refused ";

/// An order, and who waits to hear what came of it.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) line: String,
    pub(super) answer: oneshot::Sender<Result<String, String>>,
}

/// Takes orders, one at a time, until it is dropped.
pub(super) async fn take(path: &Path, orders: mpsc::Sender<Order>) -> Result<()> {
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot make {}", path.display()))?;
    loop {
        match listener.accept().await {
            // Who does not read the answer does not want it.
            Ok((stream, _)) => drop(serve(stream, &orders).await),
            Err(_) => sleep(BREATH).await,
        }
    }
}

async fn serve(stream: UnixStream, orders: &mpsc::Sender<Order>) -> Result<()> {
    let (input, mut output) = stream.into_split();
    let mut line = String::new();
    let mut input = tokio::io::BufReader::new(input.take(LONGEST));
    timeout(PATIENCE, input.read_line(&mut line)).await??;
    let (answer, answered) = oneshot::channel();
    orders.send(Order { line: line.trim_end().to_owned(), answer }).await?;
    let text = match answered.await? {
        Ok(done) => format!("{DONE}{done}\n"),
        Err(why) => format!("{REFUSED}{why}\n"),
    };
    timeout(PATIENCE, output.write_all(text.as_bytes())).await??;
    Ok(())
}

/// Gives an order to the demo that runs.
pub(super) fn give(word: Word, name: &str) -> Result<ExitCode> {
    let path = home::orders();
    let Ok(mut stream) = Blocking::connect(&path) else {
        bail!("no demo of yours takes orders on this machine: start one with `evenkeel demo`");
    };
    stream.set_read_timeout(Some(WORK))?;
    let failed = "the demo has ended meanwhile";
    // A name with a line break in it is none.
    let name = name.replace('\n', " ");
    writeln!(stream, "{} {name}", word.word()).context(failed)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).context(failed)?;
    let answer = answer.trim_end();
    if let Some(why) = answer.strip_prefix(REFUSED) {
        bail!("{why}");
    }
    out::say(answer.strip_prefix(DONE).context(failed)?);
    Ok(ExitCode::SUCCESS)
}
