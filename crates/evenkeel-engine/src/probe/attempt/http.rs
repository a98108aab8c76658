//! Checks that ask over HTTP.

use std::fmt::Write as _;
use std::net::SocketAddr;

use evenkeel_core::config::{HttpCheck, HttpLimits};
use evenkeel_core::health::CheckFailure;
use evenkeel_core::message::chunked::{Decoder, Step};
use evenkeel_core::message::response::{AnswerBody, Asked, Space, parse};
use evenkeel_core::verdict::{Status, Testimony};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Found, READ_BYTES, failure, json, unexpected};

/// An answer under way.
struct Answer {
    status: u16,
    body: AnswerBody,
    /// What came behind the head.
    bytes: Vec<u8>,
}

/// An answer with an expected status and an expected text.
pub(super) async fn check(
    stream: &mut TcpStream,
    address: SocketAddr,
    asked: &HttpCheck,
) -> Result<Found, CheckFailure> {
    let answer = ask(stream, address, asked).await?;
    if !asked.expect.iter().any(|&(first, last)| (first..=last).contains(&answer.status)) {
        return Err(CheckFailure::Status(answer.status));
    }
    let Some(text) = &asked.body else { return Ok(Found::Fine) };
    let text = text.as_bytes();
    let holds = |body: &[u8]| body.windows(text.len()).any(|window| window == text);
    let body = read_body(stream, answer, holds).await?;
    if holds(&body) { Ok(Found::Fine) } else { Err(unexpected(&body)) }
}

/// An answer with a state of health. Without a document the status says it.
pub(super) async fn deep(
    stream: &mut TcpStream,
    address: SocketAddr,
    asked: &HttpCheck,
) -> Result<Found, CheckFailure> {
    let answer = ask(stream, address, asked).await?;
    let status = answer.status;
    let body = read_body(stream, answer, |_| false).await?;
    if body.trim_ascii().is_empty() {
        let well = (200..300).contains(&status);
        let bare = Testimony::bare(if well { Status::Up } else { Status::Down });
        return Ok(Found::Testimony(bare));
    }
    let testimony = json::read(&body).and_then(|document| Testimony::read(&document).ok());
    match testimony {
        Some(testimony) => Ok(Found::Testimony(testimony)),
        // Something else than the application has answered: its words are no evidence.
        None if status >= 400 => Err(CheckFailure::Status(status)),
        None => Err(CheckFailure::NotHealth),
    }
}

/// The head of the server's answer.
async fn ask(
    stream: &mut TcpStream,
    address: SocketAddr,
    asked: &HttpCheck,
) -> Result<Answer, CheckFailure> {
    let written = stream.write_all(request(address, asked).as_bytes()).await;
    let answer = read_head(stream, *asked.method == *"HEAD").await;
    // What it said before it closed counts; if it said nothing, that it closed does.
    answer.map_err(|missing| written.err().map_or(missing, |error| failure(&error)))
}

fn request(address: SocketAddr, asked: &HttpCheck) -> String {
    let HttpCheck { method, path, host, headers, expect: _, body: _ } = asked;
    let host = host.as_ref().map_or_else(|| address.to_string(), ToString::to_string);
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        request.push_str("User-Agent: evenkeel-check\r\n");
    }
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").expect("a string takes everything");
    }
    request.push_str("Connection: close\r\n\r\n");
    request
}

/// Reads up to the head of the final answer. `head`: the method was `HEAD`.
async fn read_head(stream: &mut TcpStream, head: bool) -> Result<Answer, CheckFailure> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    let mut received = 0;
    loop {
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return Err(CheckFailure::Reset),
            Ok(more) => received += more,
            Err(error) => return Err(failure(&error)),
        }
        while let Some((length, status, body)) = parse_head(&bytes, head)? {
            bytes.drain(..length);
            // An interim answer (RFC 9110 §15.2): the next one follows.
            if status >= 200 {
                return Ok(Answer { status, body, bytes });
            }
        }
        if received >= HttpLimits::MOST_HEAD_BYTES as usize {
            return Err(CheckFailure::NotHttp);
        }
    }
}

/// Length, status and body of the head that `bytes` begins with, once it is whole.
fn parse_head(bytes: &[u8], head: bool) -> Result<Option<(usize, u16, AnswerBody)>, CheckFailure> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match parse(bytes, &mut Space::new(), Asked { head, offer: None }) {
        Ok(Some(answer)) => Ok(Some((answer.length, answer.status, answer.body))),
        Ok(None) => Ok(None),
        Err(_reason) => Err(CheckFailure::NotHttp),
    }
}

/// The body, until it is `enough`, ends, or is as long as it may be.
async fn read_body(
    stream: &mut TcpStream,
    answer: Answer,
    enough: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, CheckFailure> {
    let Answer { status: _, body: kind, mut bytes } = answer;
    let most = match kind {
        AnswerBody::None => return Ok(Vec::new()),
        AnswerBody::Length(length) => {
            usize::try_from(length).unwrap_or(usize::MAX).min(HttpCheck::MOST_BODY_BYTES)
        }
        AnswerBody::Chunked | AnswerBody::UntilClose => HttpCheck::MOST_BODY_BYTES,
    };
    let mut decoder =
        matches!(kind, AnswerBody::Chunked).then(|| Decoder::new(HttpLimits::MOST_HEAD_BYTES));
    let mut body = Vec::new();
    loop {
        match &mut decoder {
            Some(decoder) => decode(decoder, &mut bytes, &mut body)?,
            None => body.append(&mut bytes),
        }
        body.truncate(most);
        let done = decoder.as_ref().is_some_and(Decoder::is_done);
        if done || body.len() == most || enough(&body) {
            return Ok(body);
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) if matches!(kind, AnswerBody::UntilClose) => return Ok(body),
            Ok(0) => return Err(CheckFailure::Reset),
            Ok(_) => {}
            Err(error) => return Err(failure(&error)),
        }
    }
}

fn decode(
    decoder: &mut Decoder,
    bytes: &mut Vec<u8>,
    body: &mut Vec<u8>,
) -> Result<(), CheckFailure> {
    let mut read = 0;
    loop {
        let (step, length) =
            decoder.decode(&bytes[read..]).map_err(|_reason| CheckFailure::NotHttp)?;
        read += length;
        match step {
            Step::Data(data) => body.extend_from_slice(data),
            Step::More | Step::End => break,
        }
    }
    bytes.drain(..read);
    Ok(())
}
