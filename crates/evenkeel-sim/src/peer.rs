//! A server made of one function, for protocols that are spoken in one test only.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::address::free_address;
use crate::http1::{Framing, Head, Reader};

/// The longest a connection is waited on: longer than any test, so that nothing stays behind.
const SILENCE: Duration = Duration::from_mins(1);

/// A server; it accepts no more once this value is gone.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    listener: TcpListener,
}

/// A server that does this with each connection, in a thread of its own.
pub fn peer(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Peer {
    peer_at(free_address(), serve)
}

/// The same at this address.
pub fn peer_at(address: SocketAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Peer {
    let listener = TcpListener::bind(address).expect("the address is free");
    let accepting = listener.try_clone().expect("descriptors left");
    let serve = Arc::new(serve);
    thread::spawn(move || {
        while let Ok((stream, _)) = accepting.accept() {
            stream.set_read_timeout(Some(SILENCE)).expect("more than zero");
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    Peer { address, listener }
}

/// A server of HTTP/1 that makes its whole answer, head and body, from the head of each request.
pub fn web_peer(answer: impl Fn(&Head) -> String + Send + Sync + 'static) -> Peer {
    use std::io::Write as _;
    peer(move |stream| {
        let mut reader = Reader::new(stream);
        while let Ok(head) = reader.head() {
            let body = head.framing(Framing::Length(0)).and_then(|framing| reader.body(framing));
            if body.is_err() || reader.stream().write_all(answer(&head).as_bytes()).is_err() {
                return;
            }
        }
    })
}

impl Peer {
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Wakes the thread that accepts.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}
