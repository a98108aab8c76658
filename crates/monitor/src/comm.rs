//! The server that devices speak to.

mod admission;
mod connection;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use self::connection::Connection;
use crate::health::Health;
use crate::metrics::CommMetrics;
use crate::protocol::{Answer, Closing};
use crate::rate::Rate;
use crate::reading::TimeWindow;
use crate::settings::{Comm, Settings};
use crate::store::{Shard, Store, Submission};
use crate::{clock, descriptors, http, listen, tasks};

/// What a failed accept waits: mostly it is files that others will give back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the directory is looked at for new devices.
const DIRECTORY: Duration = Duration::from_secs(5);
/// How long the end waits for what is under way.
const FAREWELL: Duration = Duration::from_secs(10);
/// What a device waits before it comes back to a server that is full or ends, in milliseconds.
const COME_BACK_MS: u64 = 1000;

/// What all connections share.
#[derive(Debug)]
struct Shared {
    store: Arc<Store>,
    writers: Vec<mpsc::Sender<Submission>>,
    metrics: CommMetrics,
    window: TimeWindow,
    rate: Rate,
    open: AtomicUsize,
    refreshed: tokio::sync::Mutex<u64>,
    ending: watch::Receiver<bool>,
}

/// Serves until `stop` is done, then answers what is under way.
pub(crate) async fn run(
    settings: &Settings,
    stop: impl Future<Output = ()>,
    started: impl FnOnce(SocketAddr, SocketAddr),
) -> Result<()> {
    let Comm { bind, admin, connections, .. } = settings.comm;
    let most = most(connections);
    let listener = listen::on(bind)?;
    let admin = listen::on(admin)?;
    let addresses = (listener.local_addr()?, admin.local_addr()?);
    let store = Store::new(settings);
    if let Err(fault) = store.refresh().await {
        tracing::warn!("no directory of devices yet: {fault}");
    }
    let metrics = CommMetrics::new(Arc::clone(&store));
    let health = Arc::new(Health::new(Arc::clone(&store), None));
    let (writers, threads) = start_writers(&store)?;
    let (end, ending) = watch::channel(false);
    let shared = Arc::new(Shared {
        store: Arc::clone(&store),
        writers,
        metrics,
        window: window(&settings.comm),
        rate: Rate::new(settings.comm.rate, settings.comm.burst),
        open: AtomicUsize::new(0),
        refreshed: tokio::sync::Mutex::default(),
        ending,
    });
    let counting = Arc::clone(&shared);
    let text = move || counting.metrics.text(counting.open.load(Ordering::Relaxed));
    let router = http::observed(health, Arc::new(text));
    let beside = [
        tasks::spawn(http::serve_plain(admin, router)),
        tasks::spawn(follow_directory(Arc::clone(&store))),
    ];
    started(addresses.0, addresses.1);
    tokio::select! {
        () = accept(listener, &shared, most) => {}
        () = stop => {}
    }
    // Nobody is left to hear that there is nobody to be told.
    let _ = end.send(true);
    for task in beside {
        task.abort();
        // It was aborted, and says so.
        let _ = task.await;
    }
    farewell(shared, threads).await;
    Ok(())
}

/// As many connections as are wanted, as far as there are files for them.
fn most(wanted: usize) -> usize {
    let allowed = descriptors::connections();
    if allowed < wanted {
        tracing::warn!(
            "comm.connections is {wanted}, but this process has files for {allowed}: raise the \
             hard limit of open files (LimitNOFILE of its unit, `ulimit -Hn`) or lower the setting"
        );
    }
    wanted.min(allowed)
}

fn window(comm: &Comm) -> TimeWindow {
    TimeWindow {
        past_ms: u64::from(comm.past_hours) * 3_600_000,
        future_ms: u64::from(comm.future_seconds) * 1000,
    }
}

type Writers = (Vec<mpsc::Sender<Submission>>, Vec<std::thread::JoinHandle<()>>);

fn start_writers(store: &Store) -> Result<Writers> {
    let started = store.shards().iter().map(Shard::start_writer);
    let started = started.collect::<io::Result<Vec<_>>>();
    Ok(started.context("cannot start the threads that write")?.into_iter().unzip())
}

async fn follow_directory(store: Arc<Store>) {
    loop {
        tokio::time::sleep(DIRECTORY).await;
        // A shard that is down says so where its state changes.
        let _ = store.refresh().await;
    }
}

/// Takes connections until the socket breaks, which it does not.
async fn accept(listener: TcpListener, shared: &Arc<Shared>, most: usize) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => take(stream, shared, most),
            Err(error) => {
                shared.metrics.accept_failed.inc();
                tracing::debug!("cannot accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn take(stream: TcpStream, shared: &Arc<Shared>, most: usize) {
    shared.metrics.connections.inc();
    if shared.open.load(Ordering::Relaxed) >= most {
        shared.metrics.closed(Closing::Full);
        // Best effort: the answer fits in the socket's buffer or nobody is there to read it.
        let _ =
            stream.try_write(Answer::Closing(Closing::Full, COME_BACK_MS).to_string().as_bytes());
        return;
    }
    // Answers are small and awaited; where this fails they are only later.
    let _ = stream.set_nodelay(true);
    let seat = Seat::take(shared);
    tasks::spawn(async move { Connection::new(seat).run(stream).await });
}

/// A place among the connections, for as long as one lasts.
#[derive(Debug)]
struct Seat(Arc<Shared>);

impl Seat {
    fn take(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until connections have their answers and the writers have written.
async fn farewell(shared: Arc<Shared>, threads: Vec<std::thread::JoinHandle<()>>) {
    let until = clock::instant() + FAREWELL;
    while shared.open.load(Ordering::Relaxed) > 0 && clock::instant() < until {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
    let left = shared.open.load(Ordering::Relaxed);
    if left > 0 {
        tracing::warn!("{left} connections did not end within {FAREWELL:?}");
        return;
    }
    drop(shared);
    let written = tokio::task::spawn_blocking(|| {
        for thread in threads {
            // A writer that panicked has said so already.
            let _ = thread.join();
        }
    });
    if tokio::time::timeout(FAREWELL, written).await.is_err() {
        tracing::warn!("the writers did not end within {FAREWELL:?}");
    }
}
