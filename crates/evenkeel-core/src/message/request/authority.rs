//! Host and port (RFC 3986 §3.2), no wider than what a name or address on the network looks like.

use std::net::Ipv6Addr;

use super::Reason;

/// Bytes of a host: a DNS name of 253 with its trailing dot, rounded up.
pub const MOST_HOST_BYTES: usize = 255;

/// `value` as text when it is a name or address with an optional port; without a colon that no port
/// follows, which says the same (RFC 3986 §6.2.3). User information, list
/// separators, percent-escapes and IPv6 zones are refused: each is read in different ways by
/// different servers.
pub(super) fn check(value: &[u8]) -> Result<&str, Reason> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
    let text = text.ok_or(Reason::HostSyntax)?;
    let (host, port) = split(text);
    let (text, port) = if port == Some("") { (host, None) } else { (text, port) };
    let host_fits = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|it| it.parse::<Ipv6Addr>().is_ok()),
        None => is_name(host),
    };
    if host_fits && port.is_none_or(is_port) { Ok(text) } else { Err(Reason::HostSyntax) }
}

/// The host of a checked authority, without its port and a trailing dot.
pub(super) fn host(authority: &str) -> &str {
    let (host, _) = split(authority);
    host.strip_suffix('.').unwrap_or(host)
}

/// An IPv6 address keeps its brackets, so its colons do not divide.
fn split(authority: &str) -> (&str, Option<&str>) {
    let from = if authority.starts_with('[') { authority.find(']').unwrap_or(0) } else { 0 };
    match authority[from..].find(':') {
        Some(at) => (&authority[..from + at], Some(&authority[from + at + 1..])),
        None => (authority, None),
    }
}

/// Labels between single dots; one dot may end the name.
fn is_name(host: &str) -> bool {
    let mut label_is_empty = true;
    for byte in host.bytes() {
        match byte {
            b'.' if label_is_empty => return false,
            b'.' => label_is_empty = true,
            b'-' | b'_' | b'~' => label_is_empty = false,
            _ if byte.is_ascii_alphanumeric() => label_is_empty = false,
            _ => return false,
        }
    }
    !host.is_empty() && host.len() <= MOST_HOST_BYTES
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}
