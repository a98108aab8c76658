//! Moving bytes from one socket to another inside the kernel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// Bytes a pipe is asked to hold. Larger ones measured no faster; an ordinary user may own 64 MiB
/// of pipes before the kernel gives smaller ones.
pub const PIPE_BYTES: usize = 256 * 1024;

/// What a pipe holds that nobody has asked to be larger (pipe(7)).
const USUAL_PIPE_BYTES: usize = 64 * 1024;

/// A pipe between two sockets, with the bytes it holds at the moment.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
    held: usize,
}

/// What one splice did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spliced {
    Moved(usize),
    /// The socket's other side has sent its FIN.
    End,
}

impl Pipe {
    /// An empty pipe, smaller than [`PIPE_BYTES`] when the kernel grants no more.
    pub fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let capacity = fcntl_setpipe_size(&write, PIPE_BYTES).unwrap_or(USUAL_PIPE_BYTES);
        Ok(Self { read, write, capacity, held: 0 })
    }

    /// Bytes inside.
    pub fn held(&self) -> usize {
        self.held
    }

    /// No room for more.
    pub fn is_full(&self) -> bool {
        self.held >= self.capacity
    }

    /// Takes at most `most` bytes from `socket`. `WouldBlock`: there are none.
    ///
    /// Only for a pipe with room: a full one would block for a reason the socket's readiness does not tell.
    pub fn fill(&mut self, socket: &impl AsFd, most: usize) -> io::Result<Spliced> {
        let room = self.capacity.saturating_sub(self.held).min(most);
        match splice(socket, None, &self.write, None, room, flags())? {
            0 => Ok(Spliced::End),
            moved => {
                self.held += moved;
                Ok(Spliced::Moved(moved))
            }
        }
    }

    /// Gives what is inside to `socket`, returns how much it took. `WouldBlock`: it takes none.
    pub fn drain(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        let moved = splice(&self.read, None, socket, None, self.held, flags())?;
        self.held -= moved;
        Ok(moved)
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn bytes_cross_and_the_end_is_seen() {
        let ((mut sender, inflow), (outflow, mut receiver)) = (pair(), pair());
        sender.write_all(b"through the kernel").unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
        let mut pipe = Pipe::new().unwrap();
        assert_eq!(pipe.fill(&inflow, 7).unwrap(), Spliced::Moved(7));
        assert_eq!(pipe.held(), 7);
        while pipe.fill(&inflow, 1024).unwrap() != Spliced::End {}
        while pipe.held() > 0 {
            pipe.drain(&outflow).unwrap();
        }
        drop(outflow);
        let mut received = String::new();
        receiver.read_to_string(&mut received).unwrap();
        assert_eq!(received, "through the kernel");
    }
}
