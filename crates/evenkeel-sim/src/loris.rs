//! Clients that hold connections by sending next to nothing.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// Connections on each of which a request head is begun and never ended.
#[derive(Debug)]
pub struct Loris {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    stream: TcpStream,
    /// What was answered so far.
    answer: Vec<u8>,
    ended: bool,
}

impl Loris {
    /// So many connections, each with the first bytes of a request.
    pub fn start(address: SocketAddr, connections: usize) -> Self {
        let hold = |_| {
            let mut stream = TcpStream::connect(address).expect("it accepts");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: slow.example\r\nX-Slow: ").expect("open");
            stream.set_nonblocking(true).expect("a socket");
            Held { stream, answer: Vec::new(), ended: false }
        };
        Self { held: (0..connections).map(hold).collect() }
    }

    /// One more byte on each connection that is still open.
    pub fn drip(&mut self) {
        for held in &mut self.held {
            held.read();
            // The next look finds out that it is closed.
            let _ = held.stream.write(b"a");
        }
    }

    /// How many connections the other side has ended.
    pub fn ended(&mut self) -> usize {
        self.held.iter_mut().for_each(Held::read);
        self.held.iter().filter(|held| held.ended).count()
    }

    /// How many were answered with this status first.
    pub fn answered(&self, status: u16) -> usize {
        let line = format!("HTTP/1.1 {status} ");
        self.held.iter().filter(|held| held.answer.starts_with(line.as_bytes())).count()
    }
}

impl Held {
    fn read(&mut self) {
        let mut piece = [0; 1024];
        while !self.ended {
            match self.stream.read(&mut piece) {
                Ok(0) => self.ended = true,
                Ok(size) => self.answer.extend_from_slice(&piece[..size]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.ended = true,
            }
        }
    }
}
