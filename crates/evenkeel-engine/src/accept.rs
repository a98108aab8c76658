//! From a listening socket to a connection's task.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_core::config::Protocol;
use evenkeel_core::moment::Moment;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_local};

use crate::bound::Bound;
use crate::clock;
use crate::front;
use crate::guard::{self, Share};
use crate::introduction;
use crate::pass_through;
use crate::record::StreamRecord;
use crate::status::Event;
use crate::stream::Stream;
use crate::tls::Secured;
use crate::tunnel;
use crate::worker::{Shared, Slot, Worker};

/// File descriptors left for listeners, checks, the admin address, logs and pipes.
const RESERVED_FILES: u64 = 192;
/// How long to wait for room when no connection of this worker is closed meanwhile.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// Idle connections that leave when descriptors are short: as many as a burst of new ones has.
const EVICTED_AT_ONCE: u32 = 32;
/// A shortage is announced once in this time, however often it comes and goes.
const PAUSE_NEWS: Duration = Duration::from_secs(10);

/// A client's connection, counted until it is dropped, however it ends.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) worker: Rc<Worker>,
    pub(crate) slot: Rc<Slot>,
    /// The listener's port, as `X-Forwarded-Port` gives it.
    pub(crate) port: Rc<str>,
    /// The client: who has connected, or whom the proxy in front has named.
    pub(crate) peer: SocketAddr,
    /// Where the client has connected to, if a proxy in front has said so.
    pub(crate) destination: Option<SocketAddr>,
    /// Where connections of one source are counted.
    pub(crate) share: Option<Share>,
    /// Of a client whose TLS ends here.
    pub(crate) tls: Option<Box<Secured>>,
}

/// What a worker does on the sockets it has of one address, for one listener.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) bound: Arc<Bound>,
    pub(crate) slot: Rc<Slot>,
    /// One for each socket.
    tasks: Vec<JoinHandle<()>>,
}

impl Acceptor {
    /// Accepts from now on.
    pub(crate) fn start(worker: &Rc<Worker>, bound: &Arc<Bound>, slot: &Rc<Slot>) -> Option<Self> {
        let sockets = bound.sockets_of(worker.index, worker.shared.workers).and_then(|sockets| {
            sockets.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()
        });
        let sockets = match sockets {
            Ok(sockets) => sockets,
            Err(error) => {
                tracing::error!(listener = %slot.name, %error, "cannot accept on a bound socket");
                return None;
            }
        };
        let tasks = sockets.into_iter().map(|socket| {
            let socket = Rc::new(socket);
            let (accepting, slot) = (Rc::clone(worker), Rc::clone(slot));
            spawn_local(Rc::clone(worker).keep_up(move || {
                accept(Rc::clone(&accepting), Rc::clone(&slot), Rc::clone(&socket))
            }))
        });
        let tasks = tasks.collect();
        Some(Self { bound: Arc::clone(bound), slot: Rc::clone(slot), tasks })
    }

    /// Accepts no more. Who is in the queue stays there.
    pub(crate) fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Accepts until aborted.
async fn accept(worker: Rc<Worker>, slot: Rc<Slot>, listener: Rc<TcpListener>) {
    let port = port_text(listener.local_addr());
    loop {
        wait_for_files(&worker, &slot).await;
        // Before and after: what is taken from the queue too early is reset when this is aborted, and
        // other sockets take seats meanwhile.
        wait_for_seat(&worker, &slot).await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                wait_for_seat(&worker, &slot).await;
                admit(&worker, &slot, &port, stream, peer);
            }
            Err(error) if concerns_the_connection(&error) => {}
            Err(error) => pause(&worker, &slot, &error).await,
        }
    }
}

/// Serves who is in the queues of sockets that are about to close.
pub(crate) fn accept_queued(worker: &Rc<Worker>, slot: &Rc<Slot>, bound: &Bound) {
    let sockets = bound.sockets_of(worker.index, worker.shared.workers);
    for socket in sockets.unwrap_or_default() {
        let port = port_text(socket.local_addr());
        while let Ok((stream, peer)) = socket.accept() {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                admit(worker, slot, &port, stream, peer);
            }
        }
    }
}

/// Reads how many files may be open now: an operator can change it while the process runs.
pub(crate) fn measure_room(shared: &Shared) {
    let limit = evenkeel_sys::file_limit();
    // Half of a very small limit is better than nothing.
    let most = limit.saturating_sub(RESERVED_FILES).max(limit / 2);
    shared.most_sockets.store(u32::try_from(most).unwrap_or(u32::MAX), Ordering::Relaxed);
}

/// Whether the listener may hold another connection.
fn has_seat(worker: &Worker, slot: &Slot) -> bool {
    let most = slot.place(worker).listener().max_connections;
    slot.counts.open.0.load(Ordering::Relaxed) < most
}

async fn wait_for_seat(worker: &Worker, slot: &Slot) {
    while !has_seat(worker, slot) {
        wait_for_room(worker).await;
    }
}

/// Asks idle connections to leave: a client that has something to say goes before one that has not.
/// That wakes everybody, and so is done once a [`ROOM_WAIT`].
fn evict(worker: &Worker) {
    let now = clock::now();
    if now.since(worker.evicted.get()) < ROOM_WAIT {
        return;
    }
    worker.evicted.set(now);
    worker.evictions.set(EVICTED_AT_ONCE);
    worker.timers.wake_all();
}

async fn wait_for_room(worker: &Worker) {
    let _ = tokio::time::timeout(ROOM_WAIT, worker.released.notified()).await;
}

/// Whether file descriptors are left for another client and its server.
fn has_files(worker: &Worker) -> bool {
    let shared = &worker.shared;
    shared.sockets.load(Ordering::Relaxed) < shared.most_sockets.load(Ordering::Relaxed)
}

async fn wait_for_files(worker: &Worker, slot: &Slot) {
    if has_files(worker) {
        return;
    }
    announce_pause(worker, slot, "no file descriptors are left for more connections");
    while !has_files(worker) {
        evict(worker);
        wait_for_room(worker).await;
    }
}

/// The client gave up between its SYN and our accept, or the network spoke of it (accept(2)).
fn concerns_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

/// Out of file descriptors or memory: those who wait stay in the kernel's queue.
async fn pause(worker: &Rc<Worker>, slot: &Slot, error: &io::Error) {
    announce_pause(worker, slot, &error.to_string());
    evict(worker);
    wait_for_room(worker).await;
}

fn announce_pause(worker: &Worker, slot: &Slot, why: &str) {
    worker.vitals().accept_pauses.add(1);
    let now = clock::now();
    let last = Moment::from_micros(worker.shared.paused_at.load(Ordering::Relaxed));
    if last == Moment::START || now.since(last) > PAUSE_NEWS {
        worker.shared.paused_at.store(now.as_micros(), Ordering::Relaxed);
        let message = format!(
            "accepting is paused: {why}; new connections wait in the kernel's queue. Raise the \
             limit of open files (LimitNOFILE) or lower max_connections"
        );
        worker.shared.tell("accept-paused", slot.name.to_string(), message);
    }
}

fn port_text(address: io::Result<SocketAddr>) -> Rc<str> {
    address.map_or(0, |address| address.port()).to_string().into()
}

fn admit(
    worker: &Rc<Worker>,
    slot: &Rc<Slot>,
    port: &Rc<str>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let seat = Seat::take(worker, slot, port, peer);
    if slot.place(worker).listener().proxy_protocol.is_some() {
        drop(spawn_local(admit_introduced(seat, stream)));
    } else {
        serve(seat, stream);
    }
}

/// Serves whom a trusted proxy names; others have nothing to say here.
async fn admit_introduced(mut seat: Seat, mut stream: TcpStream) {
    match introduction::hear(&mut seat, &mut stream).await {
        Ok(()) => serve(seat, stream),
        Err(label) => seat.slot.counts.refuse(label),
    }
}

fn serve(mut seat: Seat, stream: TcpStream) {
    if let Err(fault) = guard::enter(&mut seat) {
        return StreamRecord::refused(fault).finish(&seat);
    }
    match &seat.slot.place(&seat.worker).listener().protocol {
        Protocol::Http(_) | Protocol::Https(_) => drop(spawn_local(front::serve(seat, stream))),
        Protocol::Tcp { .. } => drop(spawn_local(tunnel::serve(seat, Stream::Plain(stream)))),
        Protocol::Tls(_) => drop(spawn_local(pass_through::serve(seat, Stream::Plain(stream)))),
    }
}

impl Seat {
    fn take(worker: &Rc<Worker>, slot: &Rc<Slot>, port: &Rc<str>, peer: SocketAddr) -> Self {
        slot.counts.tally(worker.index).connections.add(1);
        slot.counts.open.0.fetch_add(1, Ordering::Relaxed);
        worker.vitals().connections.fetch_add(1, Ordering::Relaxed);
        worker.shared.sockets.fetch_add(1, Ordering::Relaxed);
        Self {
            worker: Rc::clone(worker),
            slot: Rc::clone(slot),
            port: Rc::clone(port),
            peer,
            destination: None,
            share: None,
            tls: None,
        }
    }
}

impl Seat {
    /// How the client has come.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Self { worker, slot, port: _, peer: _, destination: _, share: _, tls: _ } = self;
        slot.counts.open.0.fetch_sub(1, Ordering::Relaxed);
        worker.vitals().connections.fetch_sub(1, Ordering::Relaxed);
        worker.shared.sockets.fetch_sub(1, Ordering::Relaxed);
        worker.released.notify_one();
        if worker.draining() {
            worker.shared.changed.notify_waiters();
        }
        if std::thread::panicking() {
            worker.vitals().panics.fetch_add(1, Ordering::Relaxed);
            worker.shared.tell(
                "connection-panicked",
                slot.name.to_string(),
                "a connection was ended by a defect of this program; no other is affected".into(),
            );
        }
    }
}

impl Shared {
    /// Tells whoever listens; nobody may.
    pub(crate) fn tell(&self, kind: &'static str, subject: String, message: String) {
        let _ = self.events.send(Event { at: clock::wall(), kind, subject, message });
    }
}
