//! IPv6 packets of a raw socket: the kernel keeps their header, and tells of it beside (RFC 3542).

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsRawFd as _;
use std::ptr;

use socket2::Socket;

use super::advert::Arrived;
use crate::option;

/// Room for what the kernel tells beside a packet: two messages with their heads, and some more.
const CONTROL_BYTES: usize = 128;

/// Aligned as the kernel wants it.
#[repr(C)]
union Control {
    bytes: [u8; CONTROL_BYTES],
    _alignment: libc::cmsghdr,
}

/// From now on the kernel tells destination and hop limit of each packet.
pub(super) fn tell_packet_info(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    option::set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &on)?;
    option::set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, &on)
}

/// The next packet that has come, without its IP header; `None`: there is none.
pub(super) fn receive_v6<'b>(
    socket: &Socket,
    buffer: &'b mut [u8],
) -> io::Result<Option<Arrived<'b>>> {
    // SAFETY: all of these are plain numbers and pointers, for which zero is a value.
    let (mut source, mut message) = unsafe { mem::zeroed::<(libc::sockaddr_in6, libc::msghdr)>() };
    let mut control = Control { bytes: [0; CONTROL_BYTES] };
    let mut room = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    message.msg_name = (&raw mut source).cast();
    message.msg_namelen = libc::socklen_t::try_from(size_of_val(&source)).expect("28 fits");
    message.msg_iov = &raw mut room;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = CONTROL_BYTES;
    // SAFETY: the descriptor is open; every pointer in `message` is to a value above that lives
    // until the end of this function, with its own length beside it.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        let nothing = error.kind() == io::ErrorKind::WouldBlock;
        return if nothing { Ok(None) } else { Err(error) };
    };
    // SAFETY: it was just filled by recvmsg, and `control` lives on.
    let (destination, hop_limit) = unsafe { told(&message) };
    Ok(Some(Arrived {
        payload: &buffer[..length],
        source: Ipv6Addr::from(source.sin6_addr.s6_addr).into(),
        destination: IpAddr::V6(destination.unwrap_or(Ipv6Addr::UNSPECIFIED)),
        hop_limit: hop_limit.unwrap_or(0),
    }))
}

/// What the kernel has told beside a packet.
///
/// # Safety
///
/// `message` was filled by recvmsg, and the control buffer it points to is still alive.
unsafe fn told(message: &libc::msghdr) -> (Option<Ipv6Addr>, Option<u8>) {
    let (mut destination, mut hop_limit) = (None, None);
    // SAFETY: by what the caller has promised the control buffer holds whole messages up to
    // msg_controllen; the macros of cmsg(3) stay within it.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: not null, so it is the head of a whole message in the control buffer.
        let (head, data) = unsafe { (&*next, libc::CMSG_DATA(next)) };
        match (head.cmsg_level, head.cmsg_type) {
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: a message of this type holds an in6_pktinfo; its place may be unaligned.
                let info = unsafe { ptr::read_unaligned(data.cast::<libc::in6_pktinfo>()) };
                destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                // SAFETY: a message of this type holds a c_int; its place may be unaligned.
                let limit = unsafe { ptr::read_unaligned(data.cast::<libc::c_int>()) };
                hop_limit = u8::try_from(limit).ok();
            }
            _ => {}
        }
        // SAFETY: as for the first one.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    (destination, hop_limit)
}
