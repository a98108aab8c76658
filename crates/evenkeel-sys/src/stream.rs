//! What the standard library does not offer of a connected socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};

/// What lies in a socket's receive queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peeked {
    Bytes,
    Nothing,
    /// The other side has sent its FIN.
    End,
}

/// Looks at a socket's receive queue without taking anything from it.
pub fn peek(socket: &impl AsFd) -> io::Result<Peeked> {
    match recv(socket, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((0, _)) => Ok(Peeked::End),
        Ok(_) => Ok(Peeked::Bytes),
        Err(rustix::io::Errno::AGAIN) => Ok(Peeked::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// Sends bytes that more will follow at once: the last segment waits for it (`MSG_MORE`, send(2)).
/// Nothing else may be waited for in between.
pub fn send_more(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(socket, bytes, SendFlags::MORE | SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
}

/// Makes the next close send a reset in place of a FIN, so that the other side cannot take what it
/// has for the whole.
pub fn reset_on_close(socket: &impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

/// Bytes in the socket's send queue that the other side has not acknowledged (`SIOCOUTQ`, tcp(7)).
pub fn unacknowledged(socket: &impl AsFd) -> io::Result<u32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open while `socket` is borrowed; for TIOCOUTQ, which is SIOCOUTQ on
    // sockets, the kernel writes one c_int to the pointer, which is valid for the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 {
        Ok(u32::try_from(bytes).unwrap_or(0))
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_nobody_reads_stays_unacknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged(&near).unwrap(), 0);
        near.set_nonblocking(true).unwrap();
        while near.write(&[0; 8_192]).is_ok() {}
        assert!(unacknowledged(&near).unwrap() > 0);
        drop(far);
    }

    #[test]
    fn what_is_announced_completes_the_segment() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        assert_eq!(send_more(&near, b"head ").unwrap(), 5);
        near.write_all(b"body").unwrap();
        let mut read = [0; 9];
        far.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"head body");
    }

    #[test]
    fn a_peek_takes_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        assert_eq!(peek(&near).unwrap(), Peeked::Nothing);
        far.write_all(b"x").unwrap();
        // Until the byte is here.
        assert_eq!(near.peek(&mut [0]).unwrap(), 1);
        assert_eq!(peek(&near).unwrap(), Peeked::Bytes);
        assert_eq!(peek(&near).unwrap(), Peeked::Bytes);
        let mut byte = [0];
        near.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
        drop(far);
        // Until the end is here.
        assert_eq!(near.peek(&mut byte).unwrap(), 0);
        assert_eq!(peek(&near).unwrap(), Peeked::End);
    }

    #[test]
    fn a_reset_is_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        reset_on_close(&far).unwrap();
        drop(far);
        let ended = near.read(&mut [0]).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::ConnectionReset);
    }
}
