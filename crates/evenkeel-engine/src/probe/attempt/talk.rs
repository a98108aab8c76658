//! Checks that say something and listen.

use evenkeel_core::agent;
use evenkeel_core::config::Talk;
use evenkeel_core::health::{CheckFailure, Words};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Found, Heard, READ_BYTES, failure, unexpected};

/// What a server may say before the expected text: a greeting or an answer, not a file.
const MOST_TALK_BYTES: usize = 16 * 1024;

/// Says something and waits for the expected text.
pub(super) async fn talk(stream: &mut TcpStream, talk: &Talk) -> Result<Found, CheckFailure> {
    say(stream, talk.send.as_deref()).await?;
    let Some(expected) = &talk.expect else { return Ok(Found::Fine) };
    let expected = expected.as_bytes();
    let said = listen(stream, MOST_TALK_BYTES, |said| {
        said.windows(expected.len()).any(|window| window == expected)
    });
    let (said, found) = said.await?;
    if found { Ok(Found::Fine) } else { Err(unexpected(&said)) }
}

/// The line of an agent.
pub(super) async fn advice(
    stream: &mut TcpStream,
    question: Option<&str>,
) -> Result<Heard, CheckFailure> {
    say(stream, question).await?;
    let ends = |said: &[u8]| said.contains(&b'\n');
    let (line, _) = listen(stream, agent::MOST_LINE_BYTES, ends).await?;
    let words = Words::new(&String::from_utf8_lossy(&line));
    Ok(Heard { advice: agent::parse(&line), words })
}

async fn say(stream: &mut TcpStream, words: Option<&str>) -> Result<(), CheckFailure> {
    let Some(words) = words else { return Ok(()) };
    stream.write_all(words.as_bytes()).await.map_err(|error| failure(&error))
}

/// What the server says until it is `enough`, it has no more to say, or it says too much; and
/// whether it is enough. Saying nothing at all is a failure.
async fn listen(
    stream: &mut TcpStream,
    most: usize,
    enough: impl Fn(&[u8]) -> bool,
) -> Result<(Vec<u8>, bool), CheckFailure> {
    let mut said = Vec::with_capacity(READ_BYTES.min(most));
    loop {
        match stream.read_buf(&mut said).await {
            Ok(0) if said.is_empty() => return Err(CheckFailure::Reset),
            Ok(0) => return Ok((said, false)),
            Ok(_) if enough(&said) => return Ok((said, true)),
            Ok(_) if said.len() >= most => return Ok((said, false)),
            Ok(_) => {}
            Err(error) => return Err(failure(&error)),
        }
    }
}
