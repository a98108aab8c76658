//! What neighbours say of themselves in IPv6.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::advert::Arrived;
use super::ancillary::{receive_v6, tell_packet_info};
use crate::option;

/// `ICMP6_FILTER` of RFC 3542 §3.2, in `<linux/icmpv6.h>`.
const ICMP6_FILTER: libc::c_int = 1;
const ADVERTISEMENT: usize = 136;

/// Hears the neighbour advertisements of an interface. Needs `CAP_NET_RAW`.
#[derive(Debug)]
pub struct NeighbourSocket(Socket);

impl NeighbourSocket {
    pub fn open((index, name): (u32, &str)) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(name.as_bytes()))?;
        // A bit for each type that is not wanted.
        let mut filter = [u32::MAX; 8];
        filter[ADVERTISEMENT / 32] &= !(1 << (ADVERTISEMENT % 32));
        option::set(&socket, libc::IPPROTO_ICMPV6, ICMP6_FILTER, &filter)?;
        tell_packet_info(&socket)?;
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        socket.join_multicast_v6(&all_nodes, index)?;
        Ok(Self(socket))
    }

    /// The next message that has come; `None`: there is none.
    pub fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Arrived<'b>>> {
        receive_v6(&self.0, buffer)
    }
}

impl AsFd for NeighbourSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
