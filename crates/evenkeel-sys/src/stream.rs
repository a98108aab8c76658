//! What the standard library does not offer of a connected socket.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::{RecvFlags, recv, sockopt};

/// What lies in a socket's receive queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peeked {
    /// Bytes, or nothing yet.
    Open,
    /// The other side has sent its FIN.
    End,
}

/// Looks at a socket that has become readable, without taking anything from it.
pub fn peek(socket: &impl AsFd) -> io::Result<Peeked> {
    match recv(socket, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((0, _)) => Ok(Peeked::End),
        Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(Peeked::Open),
        Err(error) => Err(error.into()),
    }
}

/// Makes the next close send a reset in place of a FIN, so that the other side cannot take what it
/// has for the whole.
pub fn reset_on_close(socket: &impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_peek_takes_nothing_and_a_reset_is_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        assert_eq!(peek(&near).unwrap(), Peeked::Open);
        far.write_all(b"x").unwrap();
        let mut byte = [0];
        near.read_exact(&mut byte).unwrap();
        reset_on_close(&far).unwrap();
        drop(far);
        let ended = near.read(&mut byte).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::ConnectionReset);
    }
}
