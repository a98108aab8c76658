//! A connection to the target, in the clear or in TLS, that never waits.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};

use super::talk::{Done, Due, Http1, Http2, Talk};
use super::tally::Failure;
use super::target::{Http, Target};

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    connected: bool,
    talk: Box<dyn Talk>,
    is_over: bool,
}

/// What became of trying to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// There may be more.
    Some,
    /// There is nothing more for now.
    Drained,
}

impl Connection {
    /// Begins to connect.
    pub(crate) fn open(target: &Target) -> Result<Self, Failure> {
        let socket = dial(target.address).or(Err(Failure::Connect))?;
        let tls = target.tls.as_ref().map(|secured| {
            ClientConnection::new(secured.config.clone(), secured.name.clone()).map(Box::new)
        });
        let (request, keep_alive) = (Arc::clone(&target.request), target.keep_alive);
        let talk: Box<dyn Talk> = match target.http() {
            Http::One => Box::new(Http1::new(request, keep_alive)),
            Http::Two => Box::new(Http2::new(request, keep_alive, target.streams)),
        };
        let tls = tls.transpose().or(Err(Failure::Tls))?;
        Ok(Self { socket, tls, connected: false, talk, is_over: false })
    }

    /// Another request may be sent.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_over && self.talk.has_room()
    }

    /// It carries nothing, and will not.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over || self.talk.is_over()
    }

    /// Requests under way.
    pub(crate) fn carries(&self) -> usize {
        self.talk.carries()
    }

    /// Has a request sent, for which there is room, as soon as that is possible.
    pub(crate) fn send(&mut self, due: Due, scratch: &mut [u8], done: &mut Vec<Done>) {
        self.talk.take(due);
        self.advance(scratch, done);
    }

    /// Does what can be done without waiting, and adds the requests that came to an end.
    pub(crate) fn advance(&mut self, scratch: &mut [u8], done: &mut Vec<Done>) {
        if let Err(why) = self.work(scratch, done) {
            self.talk.lose(why, done);
            self.is_over = true;
        }
    }

    /// Lets go of requests that were due at `at` or before.
    pub(crate) fn give_up(&mut self, at: Duration, done: &mut Vec<Done>) {
        self.talk.give_up(at, done);
    }

    /// The socket has to take more before anything can come.
    pub(crate) fn wants_to_write(&self) -> bool {
        let tls = self.tls.as_ref();
        !self.connected
            || tls.is_some_and(|tls| tls.wants_write())
            || (!self.talk.unsent().is_empty() && !self.is_in_handshake())
    }

    fn is_in_handshake(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// `Err`: the connection has ended.
    fn work(&mut self, scratch: &mut [u8], done: &mut Vec<Done>) -> Result<(), Failure> {
        if !self.connected {
            self.connected = is_connected(&self.socket).or(Err(Failure::Connect))?;
            if !self.connected {
                return Ok(());
            }
        }
        loop {
            let is_written = self.write()?;
            if !is_written && self.talk.is_full() {
                return Ok(());
            }
            let read = self.read(scratch, done)?;
            // What came may have to be answered.
            if read == Read::Drained && !(is_written && self.has_more_to_write()) {
                return Ok(());
            }
        }
    }

    fn has_more_to_write(&self) -> bool {
        !self.talk.unsent().is_empty() && !self.is_in_handshake()
    }

    /// Writes what is unsent. `false`: the socket does not take all of it. One that failed may have
    /// been answered before, so that reading tells.
    fn write(&mut self) -> Result<bool, Failure> {
        let Some(tls) = &mut self.tls else {
            while !self.talk.unsent().is_empty() {
                match self.socket.write(self.talk.unsent()) {
                    Ok(count) => self.talk.sent(count),
                    Err(_) => return Ok(false),
                }
            }
            return Ok(true);
        };
        loop {
            if !tls.is_handshaking() && !self.talk.unsent().is_empty() {
                let taken = tls.writer().write(self.talk.unsent()).or(Err(Failure::Tls))?;
                self.talk.sent(taken);
            }
            while tls.wants_write() {
                if tls.write_tls(&mut self.socket).is_err() {
                    return Ok(false);
                }
            }
            if tls.is_handshaking() || self.talk.unsent().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Takes what has come, as much of it as `scratch` holds.
    fn read(&mut self, scratch: &mut [u8], done: &mut Vec<Done>) -> Result<Read, Failure> {
        let Some(tls) = &mut self.tls else {
            let count = match self.socket.read(scratch) {
                Ok(0) => return self.ended(Failure::Reset, done),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Read::Drained),
                Err(_) => return Err(Failure::Reset),
            };
            self.talk.feed(&scratch[..count], done).or(Err(Failure::Garbage))?;
            return Ok(if count < scratch.len() { Read::Drained } else { Read::Some });
        };
        let before_end = if tls.is_handshaking() { Failure::Tls } else { Failure::Reset };
        match tls.read_tls(&mut self.socket) {
            Ok(0) => return self.ended(before_end, done),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Read::Drained),
            Err(_) => return Err(before_end),
        }
        tls.process_new_packets().or(Err(Failure::Tls))?;
        loop {
            match tls.reader().read(scratch) {
                Ok(0) => return self.ended(Failure::Reset, done),
                Ok(count) => {
                    self.talk.feed(&scratch[..count], done).or(Err(Failure::Garbage))?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Read::Some),
                Err(_) => return Err(Failure::Reset),
            }
        }
    }

    /// The other side has ended it, which is the end of an answer, or `why` there is none.
    fn ended(&mut self, why: Failure, done: &mut Vec<Done>) -> Result<Read, Failure> {
        self.talk.end(done);
        Err(why)
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
