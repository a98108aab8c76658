//! One check of one server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::config::{Check, CheckKind, HttpCheck, HttpLimits};
use evenkeel_core::health::{CheckFailure, Outcome};
use evenkeel_core::message::response::{Asked, Space, parse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long to wait, once the outcome is known, for the server to close its side: a socket closed
/// with something unread sends a reset, which servers write into their logs.
const FAREWELL: Duration = Duration::from_millis(100);
/// Bytes of a server's answer that are read before it is told to keep the rest.
const FAREWELL_BYTES: usize = 64 * 1024;
/// Bytes read at once: most answers to checks are smaller.
const READ_BYTES: usize = 4 * 1024;

/// Checks the server at `address`; without a check there is nothing to fail.
pub(super) async fn attempt(address: SocketAddr, check: Option<&Check>) -> Outcome {
    let Some(check) = check else { return Outcome::Passed };
    let address = SocketAddr::new(address.ip(), check.port.unwrap_or_else(|| address.port()));
    match timeout(check.timeout, exchange(address, &check.kind)).await {
        Ok(Ok((stream, outcome))) => {
            part(stream).await;
            outcome
        }
        Ok(Err(failure)) => Outcome::Failed(failure),
        Err(_elapsed) => Outcome::Failed(CheckFailure::Timeout),
    }
}

/// All of a check but the farewell, for which the connection is returned.
async fn exchange(
    address: SocketAddr,
    kind: &CheckKind,
) -> Result<(TcpStream, Outcome), CheckFailure> {
    let mut stream = connect(address).await?;
    let outcome = match kind {
        CheckKind::Tcp => {
            // A server that has closed already has let us connect.
            let _ = stream.shutdown().await;
            Outcome::Passed
        }
        CheckKind::Http(http) | CheckKind::Deep(http) => {
            let status = ask(&mut stream, address, http).await?;
            if http.expect.iter().any(|&(first, last)| (first..=last).contains(&status)) {
                Outcome::Passed
            } else {
                Outcome::Failed(CheckFailure::Status(status))
            }
        }
    };
    Ok((stream, outcome))
}

async fn connect(address: SocketAddr) -> Result<TcpStream, CheckFailure> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let connected = match socket {
        Ok(socket) => socket.connect(address).await,
        Err(error) => Err(error),
    };
    connected.map_err(|error| failure(&error))
}

/// Status of the server's answer.
async fn ask(
    stream: &mut TcpStream,
    address: SocketAddr,
    check: &HttpCheck,
) -> Result<u16, CheckFailure> {
    let written = stream.write_all(request(address, check).as_bytes()).await;
    let status = read_status(stream, *check.method == *"HEAD").await;
    // What it said before it closed counts; if it said nothing, that it closed does.
    status.map_err(|missing| written.err().map_or(missing, |error| failure(&error)))
}

fn request(address: SocketAddr, check: &HttpCheck) -> String {
    let HttpCheck { method, path, host, expect: _ } = check;
    let host = host.as_ref().map_or_else(|| address.to_string(), ToString::to_string);
    format!(
        "{method} {path} HTTP/1.1\r\n\
         Host: {host}\r\n\
         User-Agent: evenkeel-check\r\n\
         Connection: close\r\n\r\n"
    )
}

/// Reads up to the head of the final answer. `head`: the method was `HEAD`.
async fn read_status(stream: &mut TcpStream, head: bool) -> Result<u16, CheckFailure> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    let mut received = 0;
    loop {
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return Err(CheckFailure::Reset),
            Ok(more) => received += more,
            Err(error) => return Err(failure(&error)),
        }
        while let Some((length, status)) = parse_status(&bytes, head)? {
            if status >= 200 {
                return Ok(status);
            }
            // An interim answer (RFC 9110 §15.2): the next one follows.
            bytes.drain(..length);
        }
        if received >= HttpLimits::MOST_HEAD_BYTES as usize {
            return Err(CheckFailure::NotHttp);
        }
    }
}

/// Length and status of the head that `bytes` begins with, once it is whole.
fn parse_status(bytes: &[u8], head: bool) -> Result<Option<(usize, u16)>, CheckFailure> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match parse(bytes, &mut Space::new(), Asked { head, upgrade: false }) {
        Ok(Some(answer)) => Ok(Some((answer.length, answer.status))),
        Ok(None) => Ok(None),
        Err(_reason) => Err(CheckFailure::NotHttp),
    }
}

/// Waits for the server to close, for a while: it has been told that nothing more will come.
async fn part(mut stream: TcpStream) {
    let farewell = async move {
        let mut rest = [0; 1024];
        let mut received = 0;
        while received < FAREWELL_BYTES {
            match stream.read(&mut rest).await? {
                0 => break,
                more => received += more,
            }
        }
        io::Result::Ok(())
    };
    // Nothing that happens now says anything about the server.
    let _ = timeout(FAREWELL, farewell).await;
}

/// What an error of the system says about the server.
fn failure(error: &io::Error) -> CheckFailure {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected, TimedOut,
    };
    if evenkeel_sys::is_exhausted(error) {
        return CheckFailure::Exhausted;
    }
    match error.kind() {
        ConnectionRefused => CheckFailure::Refused,
        ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected => CheckFailure::Reset,
        TimedOut => CheckFailure::Timeout,
        // No route, a network that is down, a firewall of this node.
        _ => CheckFailure::Unreachable,
    }
}

#[cfg(test)]
mod tests;
