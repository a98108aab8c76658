//! A client for what the benchmark itself asks: GET over a kept connection, answers with a length.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// A kept connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    /// Far above any answer here; a proxy that is stuck must not hang the benchmark.
    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Connects; each request will be `GET path`.
    pub(super) fn open(address: SocketAddr, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect {address}"))?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        stream.set_read_timeout(Some(Self::TIMEOUT)).context("SO_RCVTIMEO")?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
        Ok(Self { stream, request, answer: Vec::with_capacity(1024) })
    }

    /// One request and its whole answer; the status.
    pub(super) fn get(&mut self) -> Result<u16> {
        self.send()?;
        loop {
            if let Some(status) = self.receive()? {
                return Ok(status);
            }
        }
    }

    /// Sends a request.
    pub(super) fn send(&mut self) -> Result<()> {
        self.answer.clear();
        self.stream.write_all(&self.request).context("send a request")
    }

    /// Reads once; the status when that completes the answer.
    pub(super) fn receive(&mut self) -> Result<Option<u16>> {
        let mut part = [0; 1024];
        let length = self.stream.read(&mut part).context("read an answer")?;
        if length == 0 {
            bail!("the connection ended before the answer did");
        }
        self.answer.extend_from_slice(&part[..length]);
        let measured = measure(&self.answer)?;
        Ok(measured.filter(|(_, whole)| self.answer.len() >= *whole).map(|(status, _)| status))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The status and the length of head and body, once the head is whole.
fn measure(answer: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let status = status.with_context(|| format!("no status in {head:?}"))?;
    let length = length.with_context(|| format!("no length in {head:?}"))?;
    Ok(Some((status, end + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_measured_once_its_head_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
        for cut in 0..answer.len() - 3 {
            let whole = (cut == answer.len()).then_some((200, answer.len()));
            assert_eq!(measure(&answer[..cut]).unwrap(), whole, "{cut} bytes");
        }
        assert_eq!(measure(answer).unwrap(), Some((200, answer.len())));
        assert!(measure(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "no length");
        assert!(measure(b"SSH-2.0\r\n\r\n").is_err(), "no status");
    }
}
