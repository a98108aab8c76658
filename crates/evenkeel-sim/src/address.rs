//! Addresses that are this process's own.
//!
//! Every process listens on an address of 127.0.0.0/8 made from its process id. Two test processes
//! never meet there, and no outgoing connection takes a port of it: those start at 127.0.0.1.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below every port the kernel picks by itself, above the ones that services are known by.
const FIRST_PORT: u16 = 10_000;

/// A place to listen on that nothing else uses, for the life of this process.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port >= FIRST_PORT, "this process has used up all ports of its address");
        let address = SocketAddr::from((host(0xc0), port));
        // Another program may listen on this port of all addresses.
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Three hosts with one free port, for servers that differ in their address alone.
pub fn free_neighbours() -> [SocketAddr; 3] {
    loop {
        let port = free_address().port();
        let neighbours = [0xc0, 0x80, 0x40].map(|quarter| (host(quarter), port).into());
        if neighbours.iter().all(|address: &SocketAddr| TcpListener::bind(address).is_ok()) {
            return neighbours;
        }
    }
}

/// Process ids have 22 bits at most: a quarter of 127.0.0.0/8 takes them all.
fn host(quarter: u8) -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, quarter | (high & 0x3f), middle, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_differ_and_can_be_listened_on() {
        let (one, other) = (free_address(), free_address());
        assert_ne!(one, other);
        let _one = TcpListener::bind(one).expect("free");
        let _other = TcpListener::bind(other).expect("free");
    }
}
