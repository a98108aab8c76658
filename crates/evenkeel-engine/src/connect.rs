//! A connection to a server: one that is idle, else a new one.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_core::fault::Fault;
use evenkeel_core::moment::Moment;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::clock;
use crate::fleet::{InFlight, LivePool, Server, Tally};
use crate::http2::SharedConnections;
use crate::stream::Stream;
use crate::timers::{Watch, until};
use crate::tls::Towards;
use crate::worker::{Shared, Worker};

/// A failure of TLS towards a server is told once in this time by each worker.
const TLS_NEWS: Duration = Duration::from_mins(1);

/// A server as one worker sees it: with the connections it keeps idle.
#[derive(Debug)]
pub(crate) struct LocalServer {
    pub(crate) server: Arc<Server>,
    /// The one used last at the end.
    idle: RefCell<Vec<Idle>>,
    shared: SharedConnections,
    /// `None`: it is spoken to in the clear.
    tls: RefCell<Option<Towards>>,
    /// When a failure of TLS was last told.
    told: Cell<Moment>,
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

/// A connection to a server, or an exchange on one.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: Stream,
    /// `None`: whoever drives the connection counts it.
    counted: Option<Counted>,
}

/// A socket, counted among the process's.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Shared>);

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
    /// A new one for a stream that is its own: never a place on a shared one.
    Stream,
    /// A new one that begins with these words about its client (see [`crate::introduction`]).
    Introduced(&'a [u8]),
}

impl LocalServer {
    pub(crate) fn new(server: Arc<Server>, worker: usize) -> Rc<Self> {
        Rc::new(Self {
            server,
            idle: RefCell::default(),
            shared: SharedConnections::default(),
            tls: RefCell::default(),
            told: Cell::new(Moment::START),
            most_idle: Cell::new(0),
            keep_alive: Cell::default(),
            worker,
        })
    }

    /// Takes over what a snapshot says.
    pub(crate) fn configure(&self, most_idle: u32, keep_alive: Duration, tls: Option<Towards>) {
        self.most_idle.set(most_idle as usize);
        self.keep_alive.set(keep_alive);
        let before = self.tls.replace(tls);
        if !Towards::are_same(before.as_ref(), self.tls.borrow().as_ref()) {
            // What was made by other rules carries no more requests.
            let mut idle = self.idle.borrow_mut();
            idle.clear();
            self.gauge(&idle);
            self.shared.close();
        }
    }

    pub(crate) fn tally(&self, worker: &Worker) -> &Tally {
        self.server.tally(worker.index)
    }

    /// Closes what has been idle for too long and what the server has closed.
    pub(crate) fn prune(&self, now: Moment) {
        let keep_alive = self.keep_alive.get();
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|idle| now.since(idle.since) < keep_alive && idle.link.stream.is_quiet());
        self.gauge(&idle);
        self.shared.prune(now, keep_alive);
    }

    pub(crate) fn close_idle(&self) {
        self.shared.close();
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
        while let Some(Idle { mut link, .. }) = idle.pop() {
            if link.stream.is_quiet() {
                self.gauge(&idle);
                return Some(link);
            }
        }
        self.gauge(&idle);
        None
    }
}

impl Upstream {
    /// What it means that the connection has ended this way before an answer began.
    pub(crate) fn lost(&self, end: &io::Result<usize>) -> Fault {
        match end {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Fault::NotProcessed,
            _ if self.reused => Fault::ServerResetReused,
            _ => Fault::ServerReset,
        }
    }

    /// Keeps the connection for another exchange.
    pub(crate) fn keep(self) {
        let Self { link, local, .. } = self;
        if link.counted.is_none() {
            return; // a place on a connection that others use
        }
        let mut idle = local.idle.borrow_mut();
        if idle.len() < local.most_idle.get() {
            idle.push(Idle { link, since: clock::now() });
        }
        local.gauge(&idle);
    }
}

impl Counted {
    fn new(worker: &Worker) -> Self {
        worker.shared.sockets.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&worker.shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection to `local` of `pool`, on which `in_flight` is counted, by `deadline`.
pub(crate) async fn connect(
    worker: &Worker,
    pool: &LivePool,
    (local, mut in_flight): (&Rc<LocalServer>, InFlight),
    (watch, deadline): (&Watch, Moment),
    wanted: Wanted<'_>,
) -> Result<Upstream, Fault> {
    let idle = if matches!(wanted, Wanted::Any) { local.take_idle() } else { None };
    let (link, reused) = if let Some(link) = idle {
        local.tally(worker).reused.add(1);
        (link, true)
    } else {
        watch.set(deadline);
        let made = match wanted {
            Wanted::Any | Wanted::New if pool.config.http2 => local.place(worker, watch).await,
            Wanted::Any | Wanted::New | Wanted::Stream => local.link(worker, watch, &[]).await,
            Wanted::Introduced(introduction) => local.link(worker, watch, introduction).await,
        };
        (made?, false)
    };
    in_flight.connected();
    Ok(Upstream { link, local: Rc::clone(local), reused, _in_flight: in_flight })
}

impl LocalServer {
    /// `https` where it is spoken to in TLS.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.borrow().is_some() { "https" } else { "http" }
    }

    /// A connection of one exchange at a time, which begins with these bytes.
    async fn link(&self, worker: &Worker, watch: &Watch, begin: &[u8]) -> Result<Link, Fault> {
        let (stream, counted) = self.open(worker, watch, begin).await?;
        Ok(Link { stream, counted: Some(counted) })
    }

    async fn open(
        &self,
        worker: &Worker,
        watch: &Watch,
        introduction: &[u8],
    ) -> Result<(Stream, Counted), Fault> {
        let counted = Counted::new(worker); // it takes a file descriptor from the first SYN on
        let opening = async {
            let socket = open(self.server.address, introduction).await;
            let socket = socket.map_err(|error| fault(&error))?;
            let Some(tls) = self.tls.borrow().clone() else { return Ok(Stream::Plain(socket)) };
            // In a box: who waits for a connection that is there need not have room for a handshake.
            let stream = Box::pin(tls.connect(socket)).await.map_err(|error| {
                self.tell(worker, &error);
                Fault::ServerTls
            })?;
            Ok(Stream::Tls(Box::new(stream)))
        };
        let opened = until(watch, opening).await.unwrap_or(Err(Fault::ConnectTimeout));
        let tally = self.tally(worker);
        let stream = opened.inspect_err(|_fault| tally.connect_failures.add(1))?;
        tally.connections.add(1);
        Ok((stream, counted))
    }

    /// Says, once in a while, why hands were not shaken: that is a setting more often than a fault.
    fn tell(&self, worker: &Worker, error: &io::Error) {
        let now = clock::now();
        let last = self.told.get();
        if last == Moment::START || now.since(last) >= TLS_NEWS {
            self.told.set(now);
            let Server { pool, name, .. } = &*self.server;
            let message = format!("the TLS handshake failed: {error}");
            worker.shared.tell("server-tls", format!("{pool}/{name}"), message);
        }
    }

    /// A place on a connection that carries many exchanges: one that is open, else a new one.
    async fn place(&self, worker: &Worker, watch: &Watch) -> Result<Link, Fault> {
        loop {
            if let Some(asking) = self.shared.take() {
                self.tally(worker).reused.add(1);
                return Ok(Link { stream: Stream::Asking(Box::new(asking)), counted: None });
            }
            let Some(opening) = self.shared.open() else {
                until(watch, self.shared.opened()).await.ok_or(Fault::ConnectTimeout)?;
                continue;
            };
            let opened = self.open(worker, watch, &[]).await?;
            let asking = opening.begin(opened, self.scheme());
            return Ok(Link { stream: Stream::Asking(Box::new(asking)), counted: None });
        }
    }
}

async fn open(address: SocketAddr, introduction: &[u8]) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    let mut stream = socket.connect(address).await?;
    if !introduction.is_empty() {
        stream.write_all(introduction).await?;
    }
    Ok(stream)
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
