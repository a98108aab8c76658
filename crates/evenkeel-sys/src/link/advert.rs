//! Packets of an IP protocol of their own, as VRRP has it: with what stood in their IP header.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};

use super::ancillary::{receive_v6, tell_packet_info};

/// Larger packets are cut. An advert of 255 IPv6 addresses has 4,144 bytes.
pub const MOST_PACKET_BYTES: usize = 8_192;
/// Time to live and hop limit of all that is sent here.
const HOP_LIMIT: u32 = 255;
/// "Internetwork control" (RFC 2474 §4.2.2.2), as keepalived marks its adverts.
const CLASS: u32 = 0xc0;

/// A packet, and what its IP header said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived<'b> {
    pub payload: &'b [u8],
    pub source: IpAddr,
    pub destination: IpAddr,
    pub hop_limit: u8,
}

/// Sends and receives packets of one IP protocol on one interface. Needs `CAP_NET_RAW`.
#[derive(Debug)]
pub struct AdvertSocket {
    hears: Socket,
    /// Bound to the own address, which packets must come from; a bound socket would not hear the
    /// group.
    speaks: Socket,
    index: u32,
    is_v4: bool,
}

impl AdvertSocket {
    /// `own` is an address of the interface, which packets are sent from; `group` is listened to
    /// as well.
    pub fn open(
        protocol: u8,
        (index, name): (u32, &str),
        own: IpAddr,
        group: Option<IpAddr>,
    ) -> io::Result<Self> {
        let domain = if own.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let protocol = Protocol::from(i32::from(protocol));
        let socket = || {
            let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
            socket.set_nonblocking(true)?;
            socket.bind_device(Some(name.as_bytes()))?;
            io::Result::Ok(socket)
        };
        let (hears, speaks) = (socket()?, socket()?);
        // What it hears nobody reads: the kernel gives the least it may.
        speaks.set_recv_buffer_size(0)?;
        speaks.bind(&address(own, index))?;
        match own {
            IpAddr::V4(own) => {
                speaks.set_ttl_v4(HOP_LIMIT)?;
                speaks.set_multicast_ttl_v4(HOP_LIMIT)?;
                speaks.set_multicast_loop_v4(false)?;
                speaks.set_multicast_if_v4(&own)?;
                speaks.set_tos_v4(CLASS)?;
            }
            IpAddr::V6(_) => {
                speaks.set_unicast_hops_v6(HOP_LIMIT)?;
                speaks.set_multicast_hops_v6(HOP_LIMIT)?;
                speaks.set_multicast_loop_v6(false)?;
                speaks.set_multicast_if_v6(index)?;
                speaks.set_tclass_v6(CLASS)?;
                tell_packet_info(&hears)?;
            }
        }
        match group {
            Some(IpAddr::V4(group)) => {
                hears.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))?;
            }
            Some(IpAddr::V6(group)) => hears.join_multicast_v6(&group, index)?,
            None => {}
        }
        Ok(Self { hears, speaks, index, is_v4: own.is_ipv4() })
    }

    /// Sends `payload` from the own address.
    pub fn send(&self, payload: &[u8], destination: IpAddr) -> io::Result<()> {
        self.speaks.send_to(payload, &address(destination, self.index)).map(|_| ())
    }

    /// The next packet that has come; `None`: there is none. One that is no whole IP packet is
    /// passed over.
    pub fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Arrived<'b>>> {
        if !self.is_v4 {
            return receive_v6(&self.hears, buffer);
        }
        loop {
            let length = match recv(&self.hears, &mut *buffer, RecvFlags::empty()) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            if opened(&buffer[..length]).is_some() {
                return Ok(opened(&buffer[..length]));
            }
        }
    }
}

fn address(address: IpAddr, index: u32) -> SockAddr {
    match address {
        IpAddr::V4(address) => SocketAddr::from((address, 0)).into(),
        IpAddr::V6(address) => SocketAddrV6::new(address, 0, 0, index).into(),
    }
}

impl AsFd for AdvertSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.hears.as_fd()
    }
}

/// An IPv4 packet (RFC 791 §3.1). Its checksum and length were looked at by the kernel.
fn opened(packet: &[u8]) -> Option<Arrived<'_>> {
    let (fixed, _) = packet.split_first_chunk::<20>()?;
    let header = usize::from(fixed[0] & 0x0f) * 4;
    let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(*fixed[at..].first_chunk::<4>()?)));
    let payload = packet.get(header.max(fixed.len())..)?;
    Some(Arrived { payload, source: address(12)?, destination: address(16)?, hop_limit: fixed[8] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_opened_whatever_its_length() {
        let mut packet = vec![0; 24];
        packet[0] = 0x46;
        packet[8] = 255;
        packet[12..20].copy_from_slice(&[192, 0, 2, 1, 224, 0, 0, 18]);
        packet.extend([0x31, 51]);
        let arrived = opened(&packet).unwrap();
        assert_eq!((arrived.payload, arrived.hop_limit), (&[0x31, 51][..], 255));
        assert_eq!(arrived.source, IpAddr::from([192, 0, 2, 1]));
        for end in 0..packet.len() {
            if let Some(arrived) = opened(&packet[..end]) {
                assert_eq!(arrived.payload.len(), end - 24, "cut at {end}");
            }
        }
    }
}
