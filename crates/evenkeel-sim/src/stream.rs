//! A server that speaks no protocol: for what is passed on byte by byte.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::address::free_address;

/// What it says once the other side has ended its half.
pub const FAREWELL: &str = "bye";

/// After the first bytes it gets it says its name and a line end, then all it gets; after a FIN
/// [`FAREWELL`] and its own FIN. It ends with this value; its connections end with their clients.
#[derive(Debug)]
pub struct StreamOrigin {
    address: SocketAddr,
    listener: TcpListener,
    accepted: Arc<AtomicUsize>,
    spoken: Arc<AtomicUsize>,
}

/// A server of this name on an address of its own.
pub fn stream_origin(name: &str) -> StreamOrigin {
    stream_origin_at(name, free_address())
}

/// A server of this name at `address`.
pub fn stream_origin_at(name: &str, address: SocketAddr) -> StreamOrigin {
    let listener = TcpListener::bind(address).expect("the address is free");
    let accepting = listener.try_clone().expect("descriptors left");
    let (accepted, spoken) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let origin = StreamOrigin {
        address,
        listener,
        accepted: Arc::clone(&accepted),
        spoken: Arc::clone(&spoken),
    };
    let name = name.to_owned();
    thread::spawn(move || {
        while let Ok((stream, _)) = accepting.accept() {
            accepted.fetch_add(1, Ordering::Relaxed);
            let (name, spoken) = (name.clone(), Arc::clone(&spoken));
            // A client that leaves early is its own affair.
            thread::spawn(move || drop(talk(stream, &name, &spoken)));
        }
    });
    origin
}

impl StreamOrigin {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far on which at least one byte came, which no check sends.
    pub fn spoken(&self) -> usize {
        self.spoken.load(Ordering::Relaxed)
    }

    /// Connections so far, checks included.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for StreamOrigin {
    fn drop(&mut self) {
        // Wakes the thread that accepts.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

fn talk(mut stream: TcpStream, name: &str, spoken: &AtomicUsize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut piece = [0; 4096];
    let mut first = true;
    loop {
        let size = stream.read(&mut piece)?;
        if size == 0 {
            stream.write_all(FAREWELL.as_bytes())?;
            return stream.shutdown(Shutdown::Write);
        }
        if first {
            spoken.fetch_add(1, Ordering::Relaxed);
            stream.write_all(format!("{name}\n").as_bytes())?;
            first = false;
        }
        stream.write_all(&piece[..size])?;
    }
}
