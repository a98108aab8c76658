//! Version 1: one line of text.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{Addresses, Header, Reason};

/// Bytes of the line with its end: two IPv6 addresses and ports in full length, by the
/// specification.
pub const MOST_LINE_BYTES: usize = 107;

/// How it begins.
pub(super) const BEGINNING: &[u8] = b"PROXY ";

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Reason> {
    let head = &bytes[..bytes.len().min(MOST_LINE_BYTES)];
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        return if head.len() == MOST_LINE_BYTES { Err(Reason::LineTooLong) } else { Ok(None) };
    };
    let line = head[..end].strip_suffix(b"\r").ok_or(Reason::BadLine)?;
    let line = std::str::from_utf8(line).map_err(|_not_text| Reason::BadLine)?;
    let mut words = line.split(' ').skip(1);
    let addresses = match words.next() {
        Some("TCP4") => Some(read(words, IpAddr::is_ipv4).ok_or(Reason::BadLine)?),
        Some("TCP6") => Some(read(words, IpAddr::is_ipv6).ok_or(Reason::BadLine)?),
        // Whatever follows is to be ignored, but for the end of the line.
        Some("UNKNOWN") => None,
        _ => return Err(Reason::BadLine),
    };
    Ok(Some((Header { addresses, ..Header::default() }, end + 1)))
}

fn read<'b>(
    mut words: impl Iterator<Item = &'b str>,
    family: impl Fn(&IpAddr) -> bool,
) -> Option<Addresses> {
    let mut address = || IpAddr::from_str(words.next()?).ok().filter(&family);
    let (from, to) = (address()?, address()?);
    let mut port = || words.next().and_then(port);
    let (from_port, to_port) = (port()?, port()?);
    let addresses = Addresses {
        client: SocketAddr::new(from, from_port),
        destination: SocketAddr::new(to, to_port),
    };
    words.next().is_none().then_some(addresses)
}

/// Digits without sign and without zeros in front.
fn port(word: &str) -> Option<u16> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let plain = word == "0" || !word.starts_with('0');
    word.parse().ok().filter(|_| digits && plain)
}

pub(super) fn write(out: &mut Vec<u8>, addresses: Option<&Addresses>) {
    let line = match addresses {
        None => "PROXY UNKNOWN\r\n".to_owned(),
        Some(Addresses { client, destination }) => {
            let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (client.ip(), destination.ip());
            format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), destination.port())
        }
    };
    out.extend_from_slice(line.as_bytes());
}
