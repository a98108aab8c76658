//! A connection to the target, in the clear or in TLS, that never waits.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};

use super::answer::{Answer, Reader};
use super::tally::Failure;
use super::target::Target;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    connected: bool,
    /// Bytes of the request that are not written yet.
    unsent: usize,
    reader: Reader,
}

impl Connection {
    /// Begins to connect.
    pub(crate) fn open(target: &Target) -> Result<Self, Failure> {
        let socket = dial(target.address).or(Err(Failure::Connect))?;
        let tls = target.tls.as_ref().map(|secured| {
            ClientConnection::new(secured.config.clone(), secured.name.clone()).map(Box::new)
        });
        Ok(Self {
            socket,
            tls: tls.transpose().or(Err(Failure::Tls))?,
            connected: false,
            unsent: 0,
            reader: Reader::new(&target.method),
        })
    }

    /// Has the request sent, as soon as that is possible.
    pub(crate) fn send(
        &mut self,
        request: &[u8],
        scratch: &mut [u8],
    ) -> Result<Option<Answer>, Failure> {
        self.unsent = request.len();
        self.advance(request, scratch)
    }

    /// Does what can be done without waiting; the answer once it is whole.
    pub(crate) fn advance(
        &mut self,
        request: &[u8],
        scratch: &mut [u8],
    ) -> Result<Option<Answer>, Failure> {
        if !self.connected {
            self.connected = is_connected(&self.socket).or(Err(Failure::Connect))?;
            if !self.connected {
                return Ok(None);
            }
        }
        if self.tls.is_some() {
            self.in_tls(request, scratch)
        } else {
            self.plain(request, scratch)
        }
    }

    /// The socket has to take more before anything can come.
    pub(crate) fn wants_to_write(&self) -> bool {
        let tls = self.tls.as_ref();
        let waits_for_handshake = tls.is_some_and(|tls| tls.is_handshaking());
        !self.connected
            || tls.is_some_and(|tls| tls.wants_write())
            || (self.unsent > 0 && !waits_for_handshake)
    }

    fn plain(&mut self, request: &[u8], scratch: &mut [u8]) -> Result<Option<Answer>, Failure> {
        while self.unsent > 0 {
            match self.socket.write(&request[request.len() - self.unsent..]) {
                Ok(count) => self.unsent -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It may have answered before it hung up.
                Err(_) => break,
            }
        }
        loop {
            match self.socket.read(scratch) {
                Ok(0) => return self.reader.end().map(Some).ok_or(Failure::Reset),
                Ok(count) => {
                    let answer = self.reader.feed(&scratch[..count]);
                    let answer = answer.or(Err(Failure::Garbage))?;
                    if answer.is_some() || count < scratch.len() {
                        return Ok(answer);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(_) => return Err(Failure::Reset),
            }
        }
    }

    fn in_tls(&mut self, request: &[u8], scratch: &mut [u8]) -> Result<Option<Answer>, Failure> {
        let tls = self.tls.as_mut().expect("the caller has looked");
        loop {
            if self.unsent > 0 && !tls.is_handshaking() {
                let taken = tls.writer().write(&request[request.len() - self.unsent..]);
                self.unsent -= taken.or(Err(Failure::Tls))?;
            }
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => break,
                }
            }
            let before_end = if tls.is_handshaking() { Failure::Tls } else { Failure::Reset };
            match tls.read_tls(&mut self.socket) {
                Ok(0) => return self.reader.end().map(Some).ok_or(before_end),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(_) => return Err(before_end),
            }
            tls.process_new_packets().or(Err(Failure::Tls))?;
            loop {
                match tls.reader().read(scratch) {
                    Ok(0) => return self.reader.end().map(Some).ok_or(Failure::Reset),
                    Ok(count) => {
                        let answer = self.reader.feed(&scratch[..count]);
                        let answer = answer.or(Err(Failure::Garbage))?;
                        if answer.is_some() {
                            return Ok(answer);
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => return Err(Failure::Reset),
                }
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&address.into()) {
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        done => done?,
    }
    Ok(socket.into())
}

/// `false` while the handshake of TCP is under way.
fn is_connected(socket: &TcpStream) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
