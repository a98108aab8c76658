//! Bytes both ways: tcp, tls passed through, and HTTP connections that were upgraded.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{io, mem};

use evenkeel_core::breaker::Permit;
use evenkeel_core::config::{ClientTimeouts, HashOn, PoolId, Protocol, ServerTimeouts};
use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::hash;
use evenkeel_core::moment::Moment;
use evenkeel_core::pick::{Choice, Tried};
use evenkeel_core::retry::{self, Attempt};
use evenkeel_sys::{Pipe, Spliced};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

use crate::accept::Seat;
use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::clock;
use crate::connect::{Upstream, Wanted, connect};
use crate::exchange::{Client, Desk, Errand};
use crate::introduction;
use crate::record::StreamRecord;
use crate::stream::Stream;
use crate::timers::Watch;
use crate::waiting;
use crate::worker::{LocalPool, Place, Shared, Worker};

/// Bodies shorter than this are copied: a pipe would cost more system calls than it saves.
pub(crate) const SPLICE_FROM: u64 = 64 * 1024;
/// Reads in a row that fill the buffer, after which a direction is taken to move bulk.
const FULL_READS: u8 = 2;

/// How long each silence may last.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Neither side has sent its FIN.
    idle: Duration,
    /// Only the server has sent its FIN.
    client_fin: Duration,
    /// Only the client has sent its FIN.
    server_fin: Duration,
}

/// What passed, and how it ended.
#[derive(Clone, Copy, Debug)]
struct Passed {
    from_client: u64,
    from_server: u64,
    fault: Option<Fault>,
}

/// One direction of a tunnel.
#[derive(Debug)]
struct Way {
    buffer: Option<Buffer>,
    pipe: Option<Conduit>,
    full_reads: u8,
    /// The FIN was read.
    ended: bool,
    /// The FIN was passed on.
    closed: bool,
    moved: u64,
}

/// Which side broke.
enum Broken {
    Source,
    Sink,
}

/// A client on its way to a server.
#[derive(Debug)]
pub(crate) struct Coming {
    /// When it came.
    pub(crate) began: Moment,
    /// What it has said already.
    pub(crate) first: Option<Buffer>,
    /// The name it asked for, as a key for pools that hash on it.
    pub(crate) name_key: Option<u64>,
}

/// What follows a 101 that was passed on: neither side speaks HTTP any more.
#[derive(Debug)]
pub(crate) struct Upgraded {
    upstream: Upstream,
    patience: Patience,
    /// One request of its pool, to the end.
    _admitted: Permit,
}

/// Serves a client of a tcp listener.
pub(crate) async fn serve(seat: Seat, stream: Stream) {
    let watch = poll_fn(|cx| Poll::Ready(seat.worker.timers.watch(cx.waker().clone()))).await;
    let place = seat.slot.place(&seat.worker);
    let Protocol::Tcp { pool } = place.listener().protocol else { return };
    let coming = Coming { began: clock::now(), first: None, name_key: None };
    relay(&seat, stream, &watch, (place, pool), coming).await;
}

/// Connects a client to a server of the pool and passes bytes until both are done.
pub(crate) async fn relay(
    seat: &Seat,
    mut client: Stream,
    watch: &Watch,
    (place, pool): (Place, PoolId),
    Coming { began, first, name_key }: Coming,
) {
    let worker = &seat.worker;
    let trying = clock::now();
    let mut tried = Tried::new();
    let pool = place.pool(pool);
    let patience = Patience::new(&place.listener().timeouts, &pool.live.config.timeouts);
    let key = match pool.live.config.hash_on {
        HashOn::Source => Some(hash::source(seat.peer.ip())),
        HashOn::Sni => name_key,
        HashOn::Uri | HashOn::Header(_) | HashOn::Cookie(_) => None,
    };
    let flow = Rc::clone(&pool.flow);
    flow.requests.add(1);
    let admitted = pool.live.admit(trying);
    let introduction = pool.live.config.proxy_protocol.map(|version| {
        introduction::write(version, seat, &client, first.as_ref().map_or(&[], Buffer::unread))
    });
    let wanted = introduction.as_deref().map_or(Wanted::Stream, Wanted::Introduced);
    let reached = match &admitted {
        Ok(_) => {
            let reaching = reach((worker, watch), pool, key, wanted, &mut tried);
            unless_reset(&client, reaching).await
        }
        Err(fault) => Err(*fault),
    };
    drop(place); // streams outlive reloads
    let record = StreamRecord {
        began,
        trying,
        connected: None,
        pool: Some(&*flow),
        server: None,
        tries: tried.len(),
        from_client: 0,
        from_server: 0,
        fault: None,
    };
    let mut upstream = match reached {
        Ok(upstream) => upstream,
        Err(fault) => {
            // Nothing may look like an answer.
            client.break_off();
            StreamRecord { fault: Some(fault), ..record }.finish(seat);
            return;
        }
    };
    let connected = Some(clock::now());
    let server = &mut upstream.link.stream;
    let passed = run(worker, watch, (&mut client, first), (server, None), patience).await;
    let Passed { from_client, from_server, fault } = passed;
    let server = Some(&*upstream.local);
    StreamRecord { connected, server, from_client, from_server, fault, ..record }.finish(seat);
}

impl Upgraded {
    /// `errand` has passed the 101 on.
    pub(crate) fn new(errand: Errand<'_>, upstream: Upstream) -> Self {
        let timeouts = &errand.pool.live.config.timeouts;
        let patience = Patience::new(errand.client_timeouts(), timeouts);
        Self { upstream, patience, _admitted: errand.admitted }
    }

    /// Passes bytes until both sides are done. Streams outlive reloads and hold no desk.
    pub(crate) async fn run(mut self, mut client: Client, mut desk: Box<Desk>) {
        let rest = |buffer: &mut Buffer| (!buffer.is_empty()).then(|| mem::take(buffer));
        let (from_client, from_server) = (rest(&mut desk.inbox), rest(&mut desk.answer));
        let mut record = mem::take(&mut desk.record);
        let worker = Rc::clone(client.worker());
        worker.put_back(desk);
        let near = (&mut client.stream, from_client);
        let far = (&mut self.upstream.link.stream, from_server);
        let passed = run(&worker, &client.watch, near, far, self.patience).await;
        record.sent(passed.from_server, 0, passed.from_client);
        record.finish(&client, passed.fault);
    }
}

/// What `stage` gives, unless the client resets before. One that has spoken is not noticed: its bytes
/// are in front of the reset.
async fn unless_reset<T>(
    client: &Stream,
    stage: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let mut stage = pin!(stage);
    let mut has_spoken = false;
    poll_fn(|cx| {
        if let Poll::Ready(outcome) = stage.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        if !has_spoken && let Poll::Ready(peeked) = client.poll_peek(cx) {
            has_spoken = true;
            peeked.map_err(|_reset| Fault::ClientGone(Phase::Connect))?;
        }
        Poll::Pending
    })
    .await
}

/// A new connection to a server of the pool: to another one if the first cannot be reached.
async fn reach(
    (worker, watch): (&Worker, &Watch),
    pool: &LocalPool,
    key: Option<u64>,
    wanted: Wanted<'_>,
    tried: &mut Tried,
) -> Result<Upstream, Fault> {
    let config = &pool.live.config;
    let turn = pool.live.take_turn();
    // What its further try takes of the pool's limits: the try is over once a server is reached.
    let mut last: Option<(Fault, Permit)> = None;
    loop {
        let choice = Choice { turn, chance: worker.chance(), key, token: None };
        let further = !tried.is_empty();
        let pick = || pool.roster().pick(&choice, &pool.live.loads(further), tried);
        let seized = waiting::seize(&pool.live, watch, Moment::NEVER, further, pick).await;
        let (index, in_flight) = seized.map_err(|fault| match fault {
            Fault::NoServer | Fault::BreakerOpen => last.as_ref().map_or(fault, |(last, _)| *last),
            _ => fault,
        })?;
        tried.insert(index);
        let local = &pool.servers[index];
        let deadline = clock::now() + config.timeouts.connect;
        let (at, until) = ((local, in_flight), (watch, deadline));
        let fault = match connect(worker, &pool.live, at, until, wanted).await {
            Ok(upstream) => {
                worker.report_success(&local.server);
                return Ok(upstream);
            }
            Err(fault) => fault,
        };
        local.tally(worker).requests.add(1);
        worker.report_fault(&local.server, fault);
        let tries = u8::try_from(tried.len()).unwrap_or(u8::MAX);
        let attempt = Attempt {
            tries,
            idempotent: false,
            replayable: true,
            nothing_sent: true,
            answer_started: false,
        };
        if tried.len() == Tried::MOST || !retry::again(&config.retry, fault, attempt) {
            return Err(fault);
        }
        last = Some((fault, pool.live.admit_retry().ok_or(fault)?));
    }
}

/// Passes bytes both ways until both sides have sent their FIN, one breaks, or neither says
/// anything for too long. The buffers hold what was read already.
async fn run(
    worker: &Worker,
    watch: &Watch,
    (client, from_client): (&mut Stream, Option<Buffer>),
    (server, from_server): (&mut Stream, Option<Buffer>),
    patience: Patience,
) -> Passed {
    let mut up = Way::new(from_client);
    let mut down = Way::new(from_server);
    let mut seen = None;
    let fault = poll_fn(|cx| {
        let upward = up.poll(cx, worker, client, server);
        let downward = down.poll(cx, worker, server, client);
        let broken = match (upward, downward) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(None),
            (Poll::Ready(Err(Broken::Source)), _) | (_, Poll::Ready(Err(Broken::Sink))) => {
                Some(Fault::ClientGone(Phase::Data))
            }
            (Poll::Ready(Err(Broken::Sink)), _) | (_, Poll::Ready(Err(Broken::Source))) => {
                Some(Fault::ServerCut)
            }
            _ => None,
        };
        if broken.is_some() {
            return Poll::Ready(broken);
        }
        let now = (up.moved, down.moved, up.ended, down.ended);
        if seen != Some(now) {
            seen = Some(now);
            watch.set_after(patience.now(&up, &down));
        } else if watch.expired() {
            return Poll::Ready(Some(Patience::fault(&up, &down)));
        }
        Poll::Pending
    })
    .await;
    if matches!(fault, Some(Fault::ClientGone(_) | Fault::ServerCut)) {
        // A reset is passed on: the other side must not take what it has for the whole.
        client.break_off();
        server.break_off();
    }
    let (from_client, from_server) = (up.moved, down.moved);
    up.release(worker);
    down.release(worker);
    Passed { from_client, from_server, fault }
}

impl Patience {
    fn new(client: &ClientTimeouts, server: &ServerTimeouts) -> Self {
        Self { idle: server.tunnel, client_fin: client.fin, server_fin: server.fin }
    }

    fn now(&self, up: &Way, down: &Way) -> Duration {
        match (up.ended, down.ended) {
            (false, true) => self.client_fin,
            (true, false) => self.server_fin,
            _ => self.idle,
        }
    }

    /// Who was silent, or took nothing.
    fn fault(up: &Way, down: &Way) -> Fault {
        if down.ended || !down.is_empty() || !up.ended {
            Fault::ClientTimeout(Phase::Data)
        } else {
            Fault::ServerStalled
        }
    }
}

impl Way {
    fn new(buffer: Option<Buffer>) -> Self {
        Self { buffer, pipe: None, full_reads: 0, ended: false, closed: false, moved: 0 }
    }

    fn is_empty(&self) -> bool {
        self.buffer.as_ref().is_none_or(Buffer::is_empty)
            && self.pipe.as_ref().is_none_or(|pipe| pipe.held() == 0)
    }

    /// Moves what can be moved. `Ready`: all, and the FIN.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        source: &mut Stream,
        sink: &mut Stream,
    ) -> Poll<Result<(), Broken>> {
        if self.closed {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.poll_out(cx, sink)).map_err(|_gone| Broken::Sink)?;
            if self.ended {
                ready!(Pin::new(sink).poll_shutdown(cx)).map_err(|_gone| Broken::Sink)?;
                self.closed = true;
                self.release(worker);
                return Poll::Ready(Ok(()));
            }
            let read = match source.plain() {
                Some(source) if self.full_reads >= FULL_READS && sink.plain().is_some() => {
                    self.poll_pipe(cx, worker, source)
                }
                _ => self.poll_buffer(cx, worker, source),
            };
            match read {
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_gone)) => return Poll::Ready(Err(Broken::Source)),
                Poll::Pending => {
                    self.release(worker); // a silent stream holds no memory
                    return Poll::Pending;
                }
            }
        }
    }

    /// `Ready(Ok)`: nothing is held any more.
    fn poll_out(&mut self, cx: &mut Context<'_>, sink: &mut Stream) -> Poll<io::Result<()>> {
        if let Some(buffer) = &mut self.buffer {
            while !buffer.is_empty() {
                let written = ready!(Pin::new(&mut *sink).poll_write(cx, buffer.unread()))?;
                buffer.consume(written);
                self.moved += written as u64;
            }
        }
        if let (Some(pipe), Some(sink)) = (&mut self.pipe, sink.plain()) {
            while pipe.held() > 0 {
                self.moved += ready!(poll_drain(cx, pipe, sink))? as u64;
            }
        }
        Pin::new(sink).poll_flush(cx)
    }

    fn poll_buffer(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        source: &mut Stream,
    ) -> Poll<io::Result<usize>> {
        ready!(source.poll_read_ready(cx))?;
        let buffer =
            self.buffer.get_or_insert_with(|| worker.stocks.buffers.take().unwrap_or_default());
        let read = ready!(buffer.poll_fill(cx, source))?;
        self.full_reads = if buffer.is_full() { self.full_reads.saturating_add(1) } else { 0 };
        Poll::Ready(Ok(read))
    }

    fn poll_pipe(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        source: &TcpStream,
    ) -> Poll<io::Result<usize>> {
        if self.pipe.is_none() {
            self.pipe = Conduit::take(worker);
        }
        let Some(pipe) = &mut self.pipe else {
            self.full_reads = 0; // no descriptors for a pipe: copying works as well
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        match ready!(poll_fill(cx, pipe, source, usize::MAX))? {
            Spliced::End => Poll::Ready(Ok(0)),
            Spliced::Moved(moved) => {
                if moved < BUFFER_BYTES {
                    self.full_reads = 0; // the bulk is over
                }
                Poll::Ready(Ok(moved))
            }
        }
    }

    /// Gives back what holds nothing.
    fn release(&mut self, worker: &Worker) {
        if let Some(buffer) = self.buffer.take_if(|buffer| buffer.is_empty()) {
            worker.stocks.buffers.give_back(buffer);
        }
        if let Some(pipe) = self.pipe.take_if(|pipe| pipe.held() == 0) {
            worker.stocks.pipes.give_back(pipe);
        }
    }
}

/// A pipe, counted among the process's sockets for the two descriptors it has.
#[derive(Debug)]
pub(crate) struct Conduit {
    pipe: Pipe,
    shared: Arc<Shared>,
}

impl Conduit {
    /// An empty pipe. `None`: descriptors are short, and copying works as well.
    pub(crate) fn take(worker: &Worker) -> Option<Self> {
        worker.stocks.pipes.take().or_else(|| {
            let shared = Arc::clone(&worker.shared);
            let room = shared.sockets.load(Ordering::Relaxed) + 2
                < shared.most_sockets.load(Ordering::Relaxed);
            let pipe = room.then(Pipe::new)?.ok()?;
            shared.sockets.fetch_add(2, Ordering::Relaxed);
            Some(Self { pipe, shared })
        })
    }

    pub(crate) fn held(&self) -> usize {
        self.pipe.held()
    }
}

impl Drop for Conduit {
    fn drop(&mut self) {
        self.shared.sockets.fetch_sub(2, Ordering::Relaxed);
    }
}

/// From a socket into an empty pipe.
pub(crate) fn poll_fill(
    cx: &mut Context<'_>,
    conduit: &mut Conduit,
    source: &TcpStream,
    most: usize,
) -> Poll<io::Result<Spliced>> {
    loop {
        ready!(source.poll_read_ready(cx))?;
        match source.try_io(Interest::READABLE, || conduit.pipe.fill(source, most)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            filled => return Poll::Ready(filled),
        }
    }
}

/// From a pipe that holds something into a socket.
pub(crate) fn poll_drain(
    cx: &mut Context<'_>,
    conduit: &mut Conduit,
    sink: &TcpStream,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(sink.poll_write_ready(cx))?;
        match sink.try_io(Interest::WRITABLE, || conduit.pipe.drain(sink)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            drained => return Poll::Ready(drained),
        }
    }
}
