//! Reading HTTP/1 messages off a connection, without forgiveness: what is not plainly right is an
//! error with a name.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::net::TcpStream;

use crate::body::Hasher;

/// How a message failed to arrive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Broken {
    #[error("connection refused")]
    Refused,
    /// FIN before the first byte.
    #[error("closed without an answer")]
    Closed,
    /// RST before the first byte.
    #[error("reset without an answer")]
    Reset,
    /// FIN or RST within the message.
    #[error("cut off")]
    Cut,
    #[error("no byte in time")]
    Timeout,
    #[error("not HTTP: {0}")]
    Garbage(String),
}

/// First line and header section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Without its line end.
    pub first_line: String,
    /// Names as received.
    pub headers: Vec<(String, String)>,
    /// Every byte up to and including the empty line.
    pub raw: Vec<u8>,
}

impl Head {
    /// The value of the first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all headers of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(is, _)| is.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Whether a comma-separated header lists `token`.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        let mut tokens = self.all(name).flat_map(|value| value.split(','));
        tokens.any(|is| is.trim().eq_ignore_ascii_case(token))
    }

    /// How the body is framed by these headers, when there may be one.
    pub fn framing(&self, otherwise: Framing) -> Result<Framing, Broken> {
        let lengths: Vec<&str> = self.all("content-length").collect();
        let chunked = self.header("transfer-encoding").is_some();
        match (chunked, lengths.as_slice()) {
            (false, []) => Ok(otherwise),
            (true, []) if self.lists("transfer-encoding", "chunked") => Ok(Framing::Chunked),
            (false, [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                let number = length.parse().ok();
                number.map(Framing::Length).ok_or_else(|| garbage("content-length", length))
            }
            _ => Err(garbage("framing", &format!("{lengths:?}, chunked: {chunked}"))),
        }
    }
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// What became of a body.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// All of it, up to [`Received::KEPT`] bytes.
    pub bytes: Vec<u8>,
    /// Size of all of it.
    pub size: u64,
    pub hash: String,
    pub trailers: Vec<(String, String)>,
    /// Number of chunks, for the chunked coding.
    pub chunks: usize,
}

impl Received {
    /// Larger bodies are hashed, not kept.
    pub const KEPT: usize = 1024 * 1024;
}

/// A connection with what was read ahead of need.
#[derive(Debug)]
pub struct Reader {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Reader {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// The connection, for writing.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The connection and what was read ahead.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.ahead)
    }

    /// A first line and headers; a `Closed` or `Reset` means that not one byte came.
    pub fn head(&mut self) -> Result<Head, Broken> {
        /// No test sends more in one head.
        const MOST: usize = 1024 * 1024;
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.ahead[searched..], b"\r\n\r\n") {
                let raw: Vec<u8> = self.ahead.drain(..searched + at + 4).collect();
                return parse(raw);
            }
            searched = self.ahead.len().saturating_sub(3);
            if self.ahead.len() > MOST {
                return Err(garbage("head", "it has no end"));
            }
            self.fill()?;
        }
    }

    /// A body with this framing.
    pub fn body(&mut self, framing: Framing) -> Result<Received, Broken> {
        let mut sink = Sink::default();
        match framing {
            Framing::Length(length) => self.take(length, &mut sink)?,
            Framing::UntilClose => loop {
                sink.write(&std::mem::take(&mut self.ahead));
                match self.read() {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => return Err(broken(&error, true)),
                }
            },
            Framing::Chunked => loop {
                let line = self.line()?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16).ok();
                let size = size.ok_or_else(|| garbage("chunk size", &line))?;
                if size == 0 {
                    sink.received.trailers = self.trailers()?;
                    break;
                }
                sink.received.chunks += 1;
                self.take(size, &mut sink)?;
                let end = self.line()?;
                if !end.is_empty() {
                    return Err(garbage("end of a chunk", &end));
                }
            },
        }
        Ok(sink.finish())
    }

    /// Everything until the connection ends; what came, and whether it ended with a reset.
    pub fn rest(&mut self) -> (Vec<u8>, Option<Broken>) {
        loop {
            match self.read() {
                Ok(0) => return (std::mem::take(&mut self.ahead), None),
                Ok(_) => {}
                Err(error) => {
                    let rest = std::mem::take(&mut self.ahead);
                    return (rest, Some(broken(&error, false)));
                }
            }
        }
    }

    /// Exactly `size` bytes.
    pub fn exactly(&mut self, size: usize) -> Result<Vec<u8>, Broken> {
        while self.ahead.len() < size {
            self.fill()?;
        }
        Ok(self.ahead.drain(..size).collect())
    }

    fn take(&mut self, size: u64, sink: &mut Sink) -> Result<(), Broken> {
        let mut left = size;
        while left > 0 {
            if self.ahead.is_empty() {
                self.within()?;
            }
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(self.ahead.len());
            sink.write(&self.ahead[..taken]);
            self.ahead.drain(..taken);
            left -= taken as u64;
        }
        Ok(())
    }

    fn trailers(&mut self) -> Result<Vec<(String, String)>, Broken> {
        let mut trailers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(trailers);
            }
            trailers.push(field(&line)?);
        }
    }

    fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(at) = find(&self.ahead, b"\r\n") {
                let line = String::from_utf8_lossy(&self.ahead[..at]).into_owned();
                self.ahead.drain(..at + 2);
                return Ok(line);
            }
            self.within()?;
        }
    }

    /// More bytes; an end is a cut only after the first byte.
    fn fill(&mut self) -> Result<(), Broken> {
        let begun = !self.ahead.is_empty();
        match self.read() {
            Ok(0) => Err(if begun { Broken::Cut } else { Broken::Closed }),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(&error, begun)),
        }
    }

    /// More bytes, in the middle of a message.
    fn within(&mut self) -> Result<(), Broken> {
        match self.read() {
            Ok(0) => Err(Broken::Cut),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(&error, true)),
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(size) => {
                    self.ahead.extend_from_slice(&piece[..size]);
                    return Ok(size);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[derive(Default)]
struct Sink {
    received: Received,
    hasher: Hasher,
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) {
        let room = Received::KEPT - self.received.bytes.len();
        self.received.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.hasher.write(bytes);
    }

    fn finish(mut self) -> Received {
        self.received.size = self.hasher.bytes();
        self.received.hash = self.hasher.finish();
        self.received
    }
}

/// The name of an I/O error, before or within a message.
pub(crate) fn broken(error: &io::Error, begun: bool) -> Broken {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Broken::Timeout,
        io::ErrorKind::ConnectionRefused => Broken::Refused,
        _ if begun => Broken::Cut,
        _ => Broken::Reset,
    }
}

fn parse(raw: Vec<u8>) -> Result<Head, Broken> {
    let text = String::from_utf8_lossy(&raw).into_owned();
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let first_line = lines.next().unwrap_or_default().to_owned();
    if first_line.contains('\n') || !first_line.contains("HTTP/1.") {
        return Err(garbage("first line", &first_line));
    }
    let headers = lines.map(field).collect::<Result<_, _>>()?;
    Ok(Head { first_line, headers, raw })
}

fn field(line: &str) -> Result<(String, String), Broken> {
    let (name, value) = line.split_once(':').ok_or_else(|| garbage("field", line))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn garbage(what: &str, text: &str) -> Broken {
    /// Enough to recognise it by.
    const SHOWN: usize = 60;
    let mut shown = String::new();
    for c in text.chars().take(SHOWN) {
        let _ = write!(shown, "{}", c.escape_debug()); // a String takes everything
    }
    Broken::Garbage(format!("{what}: {shown}"))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
