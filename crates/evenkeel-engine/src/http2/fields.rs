//! Between the lines of heads that this node writes and the fields of frames.

use std::io;

use http::header::{HeaderName, HeaderValue};

/// The lines of a head this node has written, without those that concern an HTTP/1 connection
/// (RFC 9113 §8.2.2).
pub(super) fn fields(lines: &[u8]) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = line[colon + 1..].trim_ascii_start();
        let concerns_connection = matches!(
            name.as_str(),
            "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade"
        );
        if concerns_connection { None } else { Some((name, HeaderValue::from_bytes(value).ok()?)) }
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

pub(super) fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
