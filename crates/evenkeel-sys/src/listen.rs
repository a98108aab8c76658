//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::option;

/// Connections the kernel may hold for us to accept; it cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;

/// How a socket listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    pub address: SocketAddr,
    /// Wake the acceptor only once the client has sent something, or this has passed
    /// (`TCP_DEFER_ACCEPT`, see tcp(7)): saves a wake-up for protocols in which the client speaks first.
    pub defer_accept: Option<Duration>,
    /// Refuse an address that somebody else listens on even if that one shares its port.
    pub exclusive: bool,
    /// The address may not be this machine's, or not yet: a virtual one is another node's at times.
    pub foreign: bool,
}

/// `count` sockets on one address, among which the kernel spreads the connections (`SO_REUSEPORT`).
///
/// They do not block, and `TCP_NODELAY` is set and inherited by what they accept.
pub fn listen(listening: Listening, count: usize) -> io::Result<Vec<TcpListener>> {
    let (mut address, foreign) = (listening.address, listening.foreign);
    if listening.exclusive && address.port() != 0 {
        // Without SO_REUSEPORT the kernel tells of any other listener.
        bound(address, false, foreign)?.listen(1)?;
    }
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = bound(address, true, foreign)?;
        socket.set_tcp_nodelay(true)?;
        defer_accept(&socket, listening.defer_accept)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let socket: TcpListener = socket.into();
        address = socket.local_addr()?; // port 0 is settled by the first
        sockets.push(socket);
    }
    Ok(sockets)
}

fn bound(address: SocketAddr, share: bool, foreign: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    if address.is_ipv6() {
        // So that 0.0.0.0:80 and [::]:80 stand beside each other.
        socket.set_only_v6(true)?;
    }
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(foreign)?,
        SocketAddr::V6(_) => socket.set_freebind_v6(foreign)?,
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

/// Sets or clears [`Listening::defer_accept`] on a listening socket.
pub fn defer_accept(socket: &impl AsFd, wait: Option<Duration>) -> io::Result<()> {
    let seconds = wait.map_or(0, |wait| wait.as_secs().max(1));
    let seconds = libc::c_int::try_from(seconds).unwrap_or(libc::c_int::MAX);
    option::set(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, &seconds)
}

/// What is accepted on this socket from now on may go on sending when its own address has left this
/// machine (`IP_TRANSPARENT`, ip(7)): a client that waits for an answer gets it. Over IPv6 the kernel
/// sends it unasked. Needs `CAP_NET_RAW` or `CAP_NET_ADMIN`.
pub fn outlive_address(socket: &TcpListener) -> io::Result<()> {
    if socket.local_addr()?.is_ipv6() {
        return Ok(());
    }
    SockRef::from(socket).set_ip_transparent_v4(true)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;

    use super::*;

    fn on(address: &str) -> Listening {
        let address = address.parse().unwrap();
        Listening { address, defer_accept: None, exclusive: true, foreign: false }
    }

    #[test]
    fn all_sockets_share_one_port() {
        let sockets = listen(on("127.0.0.1:0"), 3).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let sockets = listen(on("127.0.0.1:0"), 1).unwrap();
        let taken = Listening { address: sockets[0].local_addr().unwrap(), ..on("127.0.0.1:0") };
        let refused = listen(taken, 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(listen(Listening { exclusive: false, ..taken }, 1).unwrap().len(), 1);
    }

    #[test]
    fn an_address_that_is_not_here_is_listened_on_if_it_may_be_foreign() {
        let here = on("192.0.2.99:0");
        let refused = listen(here, 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrNotAvailable);
        assert_eq!(listen(Listening { foreign: true, ..here }, 1).unwrap().len(), 1);
    }

    #[test]
    fn a_deferred_connection_is_accepted_once_it_speaks() {
        let deferred =
            Listening { defer_accept: Some(Duration::from_secs(1)), ..on("127.0.0.1:0") };
        let sockets = listen(deferred, 1).unwrap();
        let mut client = TcpStream::connect(sockets[0].local_addr().unwrap()).unwrap();
        assert_eq!(sockets[0].accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.write_all(b"x").unwrap();
        sockets[0].set_nonblocking(false).unwrap();
        let (_stream, peer) = sockets[0].accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }
}
