//! Frames of one Ethernet type on one interface.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// The type of frames that hold IPv6.
pub const IPV6: u16 = 0x86dd;

/// Sends and receives what frames of one type hold. Needs `CAP_NET_RAW`.
#[derive(Debug)]
pub struct FrameSocket {
    socket: Socket,
    index: u32,
    ether_type: u16,
}

impl FrameSocket {
    /// One that also hears.
    pub fn open(index: u32, ether_type: u16) -> io::Result<Self> {
        let socket = Self::to_send(index, ether_type)?;
        socket.socket.bind(&link_address(index, ether_type, [0; 6]))?;
        Ok(socket)
    }

    /// One that hears nothing: it costs nothing when there is much to hear.
    pub fn to_send(index: u32, ether_type: u16) -> io::Result<Self> {
        // Protocol 0 hears nothing until it is bound to one.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, index, ether_type })
    }

    /// Sends a frame with this payload to this hardware address.
    pub fn send(&self, payload: &[u8], destination: [u8; 6]) -> io::Result<()> {
        let destination = link_address(self.index, self.ether_type, destination);
        self.socket.send_to(payload, &destination).map(|_| ())
    }

    /// The payload of the next frame that has come from others; `None`: there is none.
    pub fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((length, _)) => Ok(Some(&buffer[..length])),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for FrameSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn link_address(index: u32, ether_type: u16, mac: [u8; 6]) -> SockAddr {
    let mut place = [0; 8];
    place[..6].copy_from_slice(&mac);
    let link = libc::sockaddr_ll {
        sll_family: libc::sa_family_t::try_from(libc::AF_PACKET).expect("17 fits"),
        sll_protocol: ether_type.to_be(),
        sll_ifindex: i32::try_from(index).unwrap_or(0),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: place,
    };
    let length = libc::socklen_t::try_from(size_of_val(&link)).expect("20 fits");
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: a sockaddr_ll is a socket address, no larger than the storage and plain numbers;
    // `length` is what of the storage it fills.
    unsafe {
        *storage.view_as::<libc::sockaddr_ll>() = link;
        SockAddr::new(storage, length)
    }
}
