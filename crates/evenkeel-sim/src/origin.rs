//! A real server, in this process, that can misbehave in every way a balancer must survive.
//!
//! What a request asks for is in its target: `/any/path?size=1000&shape=chunked`.
//! - `size`: bytes of the body (100); it is always the same for one target, and `x-body-hash` proves it;
//! - `shape`: `length` (default), `chunked` or `close`;
//! - `trailer=1`: with `shape=chunked`, a trailer section;
//! - `interim=2`: so many 103 answers first;
//! - `status=404`: that status;
//! - `upgrade=no`: a wish for a WebSocket, otherwise granted, is taken as an ordinary request;
//! - `wait=50`: so many milliseconds before the answer.
//!
//! `/health` is answered well by everything that still accepts and answers at all.

mod connection;
mod mode;
mod remote;

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use self::mode::{Mode, Then};
pub use self::remote::{RemoteOrigin, VERB, remote_origin, serve};
use crate::address::free_address;
use crate::clock;
use crate::http1::Head;

/// Connections waiting to be accepted.
const BACKLOG: i32 = 1024;

/// A server; it ends with this value.
#[derive(Debug)]
pub struct Origin {
    shared: Arc<Shared>,
    acceptor: Mutex<Option<Acceptor>>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub head: Head,
    /// Of the body, as far as kept (see [`crate::http1::Received::KEPT`]).
    pub body: Vec<u8>,
    pub body_size: u64,
    pub body_hash: String,
    pub trailers: Vec<(String, String)>,
    /// Which of the server's connections it came on, from 0.
    pub connection: u64,
}

/// A server called `name` on an address of its own.
pub fn origin(name: &str) -> Origin {
    Origin::start(name, free_address())
}

/// So many servers, called "0", "1" …
pub fn origins<const N: usize>() -> [Origin; N] {
    std::array::from_fn(|index| origin(&index.to_string()))
}

/// The servers as the value of `servers` in a configuration file.
pub fn servers<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> String {
    let quoted = origins.into_iter().map(|origin| format!("\"{}\"", origin.address()));
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

impl Origin {
    /// Listens on `address`.
    pub fn start(name: &str, address: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            address,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let origin = Self { shared, acceptor: Mutex::new(None) };
        origin.listen();
        origin
    }

    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// From the next request, or for [`Mode::Refuse`] and [`Mode::ResetOnAccept`] the next
    /// connection, on. Open connections stay, and what hung goes on.
    pub fn set(&self, mode: Mode) {
        let refuse = mode == Mode::Refuse;
        self.shared.update(|state| state.mode = mode);
        if refuse {
            self.shut();
        } else {
            self.listen();
        }
    }

    /// As if the program had been killed: nothing listens and every connection is gone.
    pub fn kill(&self) {
        self.set(Mode::Refuse);
        self.hang_up();
    }

    /// Ends every open connection.
    pub fn hang_up(&self) {
        for stream in self.shared.state().open.values() {
            // The peer may have been faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Every request so far, checks excepted.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// How many requests so far, checks excepted.
    pub fn served(&self) -> usize {
        self.shared.state().seen.len()
    }

    /// How many requests for `/health` so far.
    pub fn checks(&self) -> usize {
        self.shared.state().checks
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.shared.state().open.len()
    }

    /// Forgets the requests seen so far.
    pub fn forget(&self) {
        self.shared.update(|state| state.seen.clear());
    }

    /// Calls `observer` with method and target of every request, checks excepted.
    pub fn observe(&self, observer: fn(&str, &str)) {
        self.shared.update(|state| state.observer = Some(observer));
    }

    fn listen(&self) {
        let mut acceptor = lock(&self.acceptor);
        if acceptor.is_none() {
            *acceptor = Some(Acceptor::start(&self.shared));
        }
    }

    fn shut(&self) {
        drop(lock(&self.acceptor).take());
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the threads of one server share.
#[derive(Debug)]
struct Shared {
    name: String,
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    seen: Vec<Seen>,
    checks: usize,
    /// Requests it works at, in [`Mode::Works`].
    working: usize,
    observer: Option<fn(&str, &str)>,
    open: HashMap<u64, TcpStream>,
    connections: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Works at a request for this long; `false`: as many as it can do are under way.
    fn work(&self, at_once: usize, time: Duration) -> bool {
        let has_room = {
            let mut state = self.state();
            let has_room = state.working < at_once;
            state.working += usize::from(has_room);
            has_room
        };
        if has_room {
            self.linger(time);
            self.state().working -= 1;
        }
        has_room
    }

    /// Lets `time` pass, or less if the mode changes.
    fn linger(&self, time: Duration) {
        let deadline = clock::now() + time;
        let mut state = self.state();
        let mode = state.mode.clone();
        loop {
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() || state.mode != mode {
                return;
            }
            state = self.changed.wait_timeout(state, left).expect("no holder panics").0;
        }
    }
}

/// The thread that accepts; dropping it frees the address.
#[derive(Debug)]
struct Acceptor {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    fn start(shared: &Arc<Shared>) -> Self {
        let listener = bind(shared.address);
        let accepting = listener.try_clone().expect("descriptors left");
        let shared = Arc::clone(shared);
        let thread = thread::spawn(move || accept(&accepting, &shared));
        Self { listener, thread: Some(thread) }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        // Wakes the thread: its accept fails.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).expect("it listens");
        if let Some(thread) = self.thread.take() {
            thread.join().expect("accepting does not panic");
        }
    }
}

fn bind(address: SocketAddr) -> TcpListener {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP));
    let socket = socket.expect("descriptors left");
    socket.set_reuse_address(true).expect("a TCP socket");
    socket.bind(&address.into()).unwrap_or_else(|error| panic!("cannot bind {address}: {error}"));
    socket.listen(BACKLOG).expect("bound");
    socket.into()
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.state().mode == Mode::ResetOnAccept {
            reset(&stream);
            continue;
        }
        let mut state = shared.state();
        let number = state.connections;
        state.connections += 1;
        state.open.insert(number, stream.try_clone().expect("descriptors left"));
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            connection::serve(stream, number, &shared);
            // The last handle: dropping it sends the FIN, or the RST if that is what was asked for.
            shared.state().open.remove(&number);
        });
    }
}

/// The connection ends with a RST once its last handle is dropped.
fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}
