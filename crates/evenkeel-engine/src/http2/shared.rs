//! Connections to servers that carry many exchanges at once.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_core::config::HttpLimits;
use evenkeel_core::moment::Moment;
use h2::client::{Builder, SendRequest};
use http::uri::Scheme;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::{Asking, CONNECTION_WINDOW, STREAM_WINDOW};
use crate::clock;
use crate::connect::Counted;
use crate::stream::Stream;

/// Exchanges at once on a connection to a server, whatever it allows: more share one window and
/// one loss of a segment.
const MOST_STREAMS: u32 = 256;
/// Bytes of a request held for a server that does not read.
const MOST_UNSENT: usize = 64 * 1024;

/// Streams that this node has reset and still knows, to tell late frames from wrong ones.
const MOST_RESET: usize = 32;
/// Errors of streams that end the connection.
const MOST_STREAM_ERRORS: usize = 64;

/// A server's connections, as one worker has them.
#[derive(Debug, Default)]
pub(crate) struct SharedConnections {
    connections: RefCell<Vec<Rc<Connection>>>,
    /// A connection is being made; whoever comes meanwhile waits for it.
    opening: Cell<bool>,
    opened: Notify,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Bytes>,
    scheme: Scheme,
    streams: Cell<u32>,
    /// When the last exchange ended.
    idle_since: Cell<Moment>,
    /// No exchange can begin on it.
    closed: Cell<bool>,
}

/// A place on a connection.
#[derive(Debug)]
pub(super) struct Lease(Rc<Connection>);

/// The right to open a connection, which one at a time has.
#[derive(Debug)]
pub(crate) struct Opening<'a>(&'a SharedConnections);

impl SharedConnections {
    /// A place on a connection that is open.
    pub(crate) fn take(&self) -> Option<Asking> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.closed.get());
        let connection = connections.iter().find(|connection| connection.has_room())?;
        Some(Connection::lease(connection))
    }

    /// The right to open another one, unless somebody has it.
    pub(crate) fn open(&self) -> Option<Opening<'_>> {
        if self.opening.replace(true) { None } else { Some(Opening(self)) }
    }

    /// Waits until somebody has opened a connection, or failed to.
    pub(crate) async fn opened(&self) {
        self.opened.notified().await;
    }

    /// Closes what has been idle for too long.
    pub(crate) fn prune(&self, now: Moment, keep_alive: Duration) {
        self.connections.borrow_mut().retain(|connection| {
            let is_used = connection.streams.get() > 0;
            let is_fresh = now.since(connection.idle_since.get()) < keep_alive;
            !connection.closed.get() && (is_used || is_fresh)
        });
    }

    /// Takes no more exchanges; those under way end in peace.
    pub(crate) fn close(&self) {
        self.connections.borrow_mut().clear();
    }
}

impl Opening<'_> {
    /// Begins HTTP/2 on a new connection and takes the first place on it.
    pub(crate) async fn begin(
        self,
        (stream, counted): (Stream, Counted),
        scheme: Scheme,
    ) -> io::Result<Asking> {
        let Self(shared) = &self;
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .max_header_list_size(HttpLimits::MOST_HEAD_BYTES)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(MOST_UNSENT)
            .max_concurrent_reset_streams(MOST_RESET)
            .max_local_error_reset_streams(Some(MOST_STREAM_ERRORS));
        let (sender, driver) = builder.handshake(stream).await.map_err(super::asking::broken)?;
        let connection = Rc::new(Connection {
            sender,
            scheme,
            streams: Cell::new(0),
            idle_since: Cell::new(clock::now()),
            closed: Cell::new(false),
        });
        let watched = Rc::downgrade(&connection);
        drop(spawn_local(async move {
            let _counted = counted; // as long as there is a socket
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to a server ended");
            }
            if let Some(connection) = watched.upgrade() {
                connection.closed.set(true);
            }
        }));
        shared.connections.borrow_mut().push(Rc::clone(&connection));
        Ok(Connection::lease(&connection))
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let Self(shared) = self;
        shared.opening.set(false);
        shared.opened.notify_waiters();
    }
}

impl Connection {
    fn has_room(&self) -> bool {
        let allowed = u32::try_from(self.sender.current_max_send_streams()).unwrap_or(u32::MAX);
        !self.closed.get() && self.streams.get() < allowed.min(MOST_STREAMS)
    }

    fn lease(this: &Rc<Self>) -> Asking {
        this.streams.set(this.streams.get() + 1);
        Asking::new(this.sender.clone(), this.scheme.clone(), Lease(Rc::clone(this)))
    }
}

impl Lease {
    /// No other exchange begins on this connection.
    pub(super) fn close(&self) {
        let Self(connection) = self;
        connection.closed.set(true);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Self(connection) = self;
        connection.streams.set(connection.streams.get() - 1);
        connection.idle_since.set(clock::now());
    }
}
