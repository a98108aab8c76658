//! Between the lines of heads that this node writes and the fields of frames.

use std::io;

use evenkeel_core::http2::Code;
use evenkeel_core::message::header::Name;

/// Kinds, names and values of the lines of a head this node has written.
pub(super) fn lines(lines: &[u8]) -> impl Iterator<Item = (Name, &[u8], &[u8])> {
    lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = &line[..colon];
        Some((Name::of(name), name, line[colon + 1..].trim_ascii_start()))
    })
}

/// Those that do not concern an HTTP/1 connection (RFC 9113 §8.2.2).
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let concerns_connection = |kind| {
        matches!(
            kind,
            Name::Connection
                | Name::KeepAlive
                | Name::ProxyConnection
                | Name::TransferEncoding
                | Name::Upgrade
        )
    };
    lines(bytes)
        .filter(move |&(kind, ..)| !concerns_connection(kind))
        .map(|(_, name, value)| (name, value))
}

/// Where the head at the start of `bytes` ends, and where its first line does. This node writes
/// heads in one piece.
pub(super) fn ends_of_head(bytes: &[u8]) -> io::Result<(usize, usize)> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    let head = head.ok_or(io::ErrorKind::InvalidData)? + 4;
    let line = bytes.iter().position(|&byte| byte == b'\n').map_or(head, |line| line + 1);
    Ok((line, head))
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
