//! A connection to a server: one that is idle, else a new one.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use evenkeel_core::fault::Fault;
use evenkeel_core::moment::Moment;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::clock;
use crate::fleet::{InFlight, Server, Tally};
use crate::timers::Watch;
use crate::worker::{Shared, Worker};

/// A server as one worker sees it: with the connections it keeps idle.
#[derive(Debug)]
pub(crate) struct LocalServer {
    pub(crate) server: Arc<Server>,
    /// The one used last at the end.
    idle: RefCell<Vec<Idle>>,
    most_idle: Cell<usize>,
    keep_alive: Cell<Duration>,
    /// Whose view it is.
    worker: usize,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Moment,
}

/// A connection to a server, counted among the process's sockets.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: TcpStream,
    shared: Arc<Shared>,
}

/// A server on which an exchange is under way.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) link: Link,
    pub(crate) local: Rc<LocalServer>,
    /// It has served an exchange before.
    pub(crate) reused: bool,
    _in_flight: InFlight,
}

/// Which connection will do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    /// One that is idle, else a new one.
    Any,
    New,
    /// A new one that begins with these words about its client (see [`crate::introduction`]).
    Introduced(&'a [u8]),
}

impl LocalServer {
    pub(crate) fn new(server: Arc<Server>, worker: usize) -> Rc<Self> {
        Rc::new(Self {
            server,
            idle: RefCell::default(),
            most_idle: Cell::new(0),
            keep_alive: Cell::default(),
            worker,
        })
    }

    /// Takes over what a snapshot says.
    pub(crate) fn configure(&self, most_idle: u32, keep_alive: Duration) {
        self.most_idle.set(most_idle as usize);
        self.keep_alive.set(keep_alive);
    }

    pub(crate) fn tally(&self, worker: &Worker) -> &Tally {
        self.server.tally(worker.index)
    }

    /// Closes what has been idle for too long and what the server has closed.
    pub(crate) fn prune(&self, now: Moment) {
        let keep_alive = self.keep_alive.get();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| now.since(idle.since) < keep_alive && is_quiet(&idle.link.stream));
        self.gauge(&idle);
    }

    pub(crate) fn close_idle(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.clear();
        self.gauge(&idle);
        self.most_idle.set(0);
    }

    fn gauge(&self, idle: &[Idle]) {
        let level = u32::try_from(idle.len()).unwrap_or(u32::MAX);
        self.server.tally(self.worker).idle.store(level, Ordering::Relaxed);
    }

    fn take_idle(&self) -> Option<Link> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { link, .. }) = idle.pop() {
            if is_quiet(&link.stream) {
                self.gauge(&idle);
                return Some(link);
            }
        }
        self.gauge(&idle);
        None
    }
}

impl Upstream {
    /// Keeps the connection for another exchange.
    pub(crate) fn keep(self) {
        let Self { link, local, .. } = self;
        let mut idle = local.idle.borrow_mut();
        if idle.len() < local.most_idle.get() {
            idle.push(Idle { link, since: clock::now() });
        }
        local.gauge(&idle);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection to `local`, on which `in_flight` is counted, by `deadline`.
pub(crate) async fn connect(
    worker: &Worker,
    (local, mut in_flight): (&Rc<LocalServer>, InFlight),
    watch: &Watch,
    deadline: Moment,
    wanted: Wanted<'_>,
) -> Result<Upstream, Fault> {
    let idle = if matches!(wanted, Wanted::Any) { local.take_idle() } else { None };
    let (link, reused) = if let Some(link) = idle {
        (link, true)
    } else {
        let stream = open(local.server.address, wanted, watch, deadline).await;
        let tally = local.tally(worker);
        match stream {
            Ok(stream) => {
                tally.connections.add(1);
                worker.shared.sockets.fetch_add(1, Ordering::Relaxed);
                (Link { stream, shared: Arc::clone(&worker.shared) }, false)
            }
            Err(fault) => {
                tally.connect_failures.add(1);
                return Err(fault);
            }
        }
    };
    in_flight.connected();
    Ok(Upstream { link, local: Rc::clone(local), reused, _in_flight: in_flight })
}

async fn open(
    address: SocketAddr,
    wanted: Wanted<'_>,
    watch: &Watch,
    deadline: Moment,
) -> Result<TcpStream, Fault> {
    watch.set(deadline);
    let mut connecting = pin!(async move {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_nodelay(true)?;
        let mut stream = socket.connect(address).await?;
        if let Wanted::Introduced(introduction) = wanted {
            stream.write_all(introduction).await?;
        }
        Ok(stream)
    });
    poll_fn(|cx| {
        if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
            return Poll::Ready(connected.map_err(|error| fault(&error)));
        }
        if watch.expired() { Poll::Ready(Err(Fault::ConnectTimeout)) } else { Poll::Pending }
    })
    .await
}

/// What the system's answer to connect(2) means.
fn fault(error: &io::Error) -> Fault {
    if evenkeel_sys::is_exhausted(error) {
        Fault::Exhausted
    } else if error.kind() == io::ErrorKind::TimedOut {
        Fault::ConnectTimeout
    } else {
        Fault::ConnectRefused
    }
}

/// Neither closed nor, against all order, spoken on. Costs a system call only if something came.
fn is_quiet(stream: &TcpStream) -> bool {
    let nothing = stream.try_read(&mut [0]);
    matches!(nothing, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
