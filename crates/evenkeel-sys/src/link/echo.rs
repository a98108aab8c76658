//! Whether a machine answers (ICMP echo, RFC 792 and RFC 4443 §4).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};

use super::boot_time;

const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;
const BYTES: usize = 8;
/// What the kernel counts time-outs in. Less is cut to zero, which is none at all.
const LEAST_WAIT: Duration = Duration::from_micros(1);

/// Asks once and waits at most `limit` for the answer. Needs `CAP_NET_RAW`.
pub fn echo(address: IpAddr, limit: Duration) -> io::Result<()> {
    /// Tells answers to this question from all others.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let (domain, protocol, request, reply) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, REQUEST_V4, REPLY_V4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, REQUEST_V6, REPLY_V6),
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    // Only what comes from there is heard.
    socket.connect(&SocketAddr::new(address, 0).into())?;
    let [_, _, a, b] = std::process::id().to_be_bytes();
    let [c, d] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut question = [request, 0, 0, 0, a, b, c, d];
    if address.is_ipv4() {
        // The kernel does it for IPv6, where it knows both addresses.
        let sum = checksum(question);
        question[2..4].copy_from_slice(&sum);
    }
    socket.send(&question)?;
    let deadline = boot_time() + limit;
    let mut buffer = [0; 512];
    loop {
        let left = deadline.saturating_sub(boot_time());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left.max(LEAST_WAIT)))?;
        let length = match recv(&socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let head = if address.is_ipv4() { usize::from(buffer[0] & 0x0f) * 4 } else { 0 };
        let answer = buffer[..length].get(head..).unwrap_or_default();
        if answer.len() >= BYTES && answer[0] == reply && answer[4..BYTES] == question[4..] {
            return Ok(());
        }
    }
}

/// RFC 1071, of an even number of bytes that are mostly zero.
fn checksum(bytes: [u8; BYTES]) -> [u8; 2] {
    let (pairs, _) = bytes.as_chunks::<2>();
    let sum: u32 = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (!folded).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers() {
        match echo(IpAddr::from([127, 0, 0, 1]), Duration::from_secs(5)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                eprintln!("SKIPPED: a raw socket needs CAP_NET_RAW");
            }
            other => other.unwrap(),
        }
    }
}
