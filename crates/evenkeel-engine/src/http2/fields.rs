//! Between the lines of heads that this node writes and the fields of frames.

use std::io;

use evenkeel_core::message::header::Name;
use http::header::{HeaderName, HeaderValue};

/// Names and values of the lines of a head this node has written, without those that concern an
/// HTTP/1 connection (RFC 9113 §8.2.2).
pub(super) fn lines(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = &line[..colon];
        let concerns_connection = matches!(
            Name::of(name),
            Name::Connection
                | Name::KeepAlive
                | Name::ProxyConnection
                | Name::TransferEncoding
                | Name::Upgrade
        );
        (!concerns_connection).then(|| (name, line[colon + 1..].trim_ascii_start()))
    })
}

/// The same, in the form the h2 crate takes.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    lines(bytes).filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    })
}

/// Where the head at the start of `bytes` ends, and where its first line does. This node writes
/// heads in one piece.
pub(super) fn ends_of_head(bytes: &[u8]) -> io::Result<(usize, usize)> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    let head = head.ok_or(io::ErrorKind::InvalidData)? + 4;
    let line = bytes.iter().position(|&byte| byte == b'\n').map_or(head, |line| line + 1);
    Ok((line, head))
}
