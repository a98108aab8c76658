//! Between the lines of heads that this node writes and the fields of frames.

use std::io;

use evenkeel_core::http2::Code;
use evenkeel_core::message::header::Name;

/// The lines of a head or of trailers that this node has written, in one piece: kinds, names and
/// values, up to the empty line. Each byte is looked at once.
#[derive(Clone, Debug)]
pub(super) struct Lines<'b> {
    rest: &'b [u8],
    is_over: bool,
}

impl<'b> Lines<'b> {
    pub(super) const fn new(rest: &'b [u8]) -> Self {
        Self { rest, is_over: false }
    }

    /// The first line of a head, and those that follow it.
    pub(super) fn of_head(head: &'b [u8]) -> (&'b [u8], Self) {
        let mut lines = Self::new(head);
        let first = lines.line().unwrap_or_default();
        (first, lines)
    }

    /// What stands behind the empty line, once that was met.
    pub(super) fn body(&self) -> io::Result<&'b [u8]> {
        if self.is_over { Ok(self.rest) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn line(&mut self) -> Option<&'b [u8]> {
        let end = self.rest.iter().position(|&byte| byte == b'\n')?;
        let line = self.rest[..end].strip_suffix(b"\r").unwrap_or(&self.rest[..end]);
        self.rest = &self.rest[end + 1..];
        Some(line)
    }
}

impl<'b> Iterator for Lines<'b> {
    type Item = (Name, &'b [u8], &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let line = self.line()?;
        self.is_over = line.is_empty();
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = &line[..colon];
        Some((Name::of(name), name, line[colon + 1..].trim_ascii_start()))
    }
}

/// The field concerns an HTTP/1 connection (RFC 9113 §8.2.2).
pub(super) const fn concerns_connection(kind: Name) -> bool {
    matches!(
        kind,
        Name::Connection
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::TransferEncoding
            | Name::Upgrade
    )
}

/// The fields of trailers that do not.
pub(super) fn fields(trailers: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = Lines::new(trailers).filter(|&(kind, ..)| !concerns_connection(kind));
    lines.map(|(_, name, value)| (name, value))
}

/// A length that this node has written.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// What it means that a stream was reset. [`io::ErrorKind::ConnectionRefused`] says that a server has
/// not looked at the request: it is not among those that its `GOAWAY` names, or was refused
/// (RFC 9113 §8.7).
pub(super) fn broken(code: Code) -> io::Error {
    let kind = match code {
        Code::REFUSED_STREAM => io::ErrorKind::ConnectionRefused,
        _ => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, format!("the stream was reset with error code {}", code.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_head_end_where_its_body_begins() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\nbody\nX: y\n";
        let (first, mut lines) = Lines::of_head(head);
        assert_eq!(first, b"HTTP/1.1 200 OK");
        lines.body().unwrap_err();
        assert_eq!(lines.next(), Some((Name::Other, &b"A"[..], &b"b"[..])));
        assert_eq!(lines.next(), Some((Name::Connection, &b"Connection"[..], &b"close"[..])));
        assert_eq!((lines.next(), lines.next()), (None, None));
        assert_eq!(lines.body().ok(), Some(&b"body\nX: y\n"[..]));
    }

    #[test]
    fn what_concerns_the_connection_stays_on_it() {
        let trailers = fields(b"x-sum: 1\r\nUpgrade: z\r\nx-end:\r\n");
        assert!(trailers.eq([(&b"x-sum"[..], &b"1"[..]), (b"x-end", b"")]));
    }
}
