//! Connections to servers that carry many exchanges at once.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evenkeel_core::config::HttpLimits;
use evenkeel_core::http2::{Act, Code, Connection, Limits, Silence};
use evenkeel_core::moment::Moment;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::session::{Over, Session, Wire};
use super::{Asking, CONNECTION_WINDOW, GOODBYE, STREAM_WINDOW};
use crate::buffer::{Buffer, Stock};
use crate::clock;
use crate::connect::Counted;
use crate::stream::Stream;

/// Exchanges at once on a connection to a server, whatever it allows: more share one window and
/// one loss of a segment.
const MOST_STREAMS: u32 = 256;

/// A server's connections, as one worker has them.
#[derive(Debug, Default)]
pub(crate) struct SharedConnections {
    connections: RefCell<Vec<Rc<Carrier>>>,
    /// A connection is being made; whoever comes meanwhile waits for it.
    opening: Cell<bool>,
    opened: Notify,
}

/// A connection that carries exchanges.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) session: Session,
    pub(super) scheme: &'static str,
    /// Places that are taken.
    leases: Cell<u32>,
    silence: Cell<Silence>,
    /// When the last exchange ended.
    idle_since: Cell<Moment>,
    /// No exchange can begin on it.
    is_closed: Cell<bool>,
    /// What is received into, while nothing is.
    spare: Stock<Buffer>,
}

/// A place on a connection.
#[derive(Debug)]
pub(super) struct Lease(Rc<Carrier>);

/// The right to open a connection, which one at a time has.
#[derive(Debug)]
pub(crate) struct Opening<'a>(&'a SharedConnections);

impl SharedConnections {
    /// A place on a connection that is open.
    pub(crate) fn take(&self) -> Option<Asking> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|carrier| !carrier.is_closed.get());
        let carrier = connections.iter().find(|carrier| carrier.has_room())?;
        Some(Carrier::lease(carrier))
    }

    /// The right to open another one, unless somebody has it.
    pub(crate) fn open(&self) -> Option<Opening<'_>> {
        if self.opening.replace(true) { None } else { Some(Opening(self)) }
    }

    /// Waits until somebody has opened a connection, or failed to.
    pub(crate) async fn opened(&self) {
        self.opened.notified().await;
    }

    /// Closes what has been idle for too long, and has those looked after that say nothing.
    pub(crate) fn prune(&self, now: Moment, keep_alive: Duration) {
        self.connections.borrow_mut().retain(|carrier| {
            let is_used = carrier.leases.get() > 0;
            let is_fresh = now.since(carrier.idle_since.get()) < keep_alive;
            let stays = !carrier.is_closed.get() && (is_used || is_fresh);
            if !stays {
                carrier.close();
            } else if carrier.hears(now) != Act::Wait {
                carrier.session.drive();
            }
            stays
        });
    }

    /// Takes no more exchanges; those under way end in peace.
    pub(crate) fn close(&self) {
        self.connections.borrow_mut().drain(..).for_each(|carrier| carrier.close());
    }
}

impl Opening<'_> {
    /// Begins HTTP/2 on a new connection and takes the first place on it.
    pub(crate) fn begin(
        self,
        (stream, counted): (Stream, Counted),
        scheme: &'static str,
    ) -> Asking {
        let Self(shared) = &self;
        let limits = Limits {
            streams: 0,
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
            head_bytes: HttpLimits::MOST_HEAD_BYTES,
        };
        let carrier = Rc::new(Carrier {
            session: Session::new(Connection::with_server(limits)),
            scheme,
            leases: Cell::new(0),
            silence: Cell::new(Silence::new(clock::now())),
            idle_since: Cell::new(clock::now()),
            is_closed: Cell::new(false),
            spare: Stock::new(1),
        });
        let driven = Rc::clone(&carrier);
        drop(spawn_local(async move {
            let _counted = counted; // as long as there is a socket
            driven.drive(Wire::new(stream)).await;
        }));
        shared.connections.borrow_mut().push(Rc::clone(&carrier));
        Carrier::lease(&carrier)
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let Self(shared) = self;
        shared.opening.set(false);
        shared.opened.notify_waiters();
    }
}

impl Carrier {
    fn has_room(&self) -> bool {
        let most = self.session.connection.borrow().most_asked().min(MOST_STREAMS);
        !self.is_closed.get() && self.leases.get() < most
    }

    fn lease(this: &Rc<Self>) -> Asking {
        if this.leases.replace(this.leases.get() + 1) == 0 {
            let mut silence = this.silence.get();
            silence.begin(this.heard(), clock::now());
            this.silence.set(silence);
        }
        Asking::new(Lease(Rc::clone(this)))
    }

    /// Reads and writes until the connection is closed and nobody has a place on it, or the server
    /// ends it.
    async fn drive(&self, mut wire: Wire) {
        let over = poll_fn(|cx| {
            self.session.is_driven_by(cx);
            loop {
                let driven = wire.drive(cx, &self.session, &self.spare, |_request| {});
                if let Err(over) = driven {
                    return Poll::Ready(Some(over));
                }
                // Only now, after what has come was read.
                match self.hears(clock::now()) {
                    Act::Wait => break,
                    Act::Ask => self.ask(),
                    Act::GiveUp => return Poll::Ready(Some(Over::Gone)),
                }
            }
            let connection = self.session.connection.borrow();
            let is_left = self.is_closed.get() && self.leases.get() == 0;
            if is_left || connection.is_over() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        self.is_closed.set(true);
        match over {
            None => self.session.connection.borrow_mut().end(Code::NO_ERROR),
            Some(Over::Gone) => {}
            Some(Over::Failure(failure)) => {
                tracing::debug!(code = failure.code.0, "a server of HTTP/2 broke a rule");
            }
        }
        self.session.abandon();
        let _ = timeout(GOODBYE, wire.say_goodbye(&self.session)).await; // it need not listen
    }

    fn heard(&self) -> Moment {
        self.session.connection.borrow().heard()
    }

    /// What is to be done about a server that says nothing.
    fn hears(&self, now: Moment) -> Act {
        self.silence.get().look(self.heard(), now, self.leases.get() > 0)
    }

    /// Asks the server whether it is there.
    fn ask(&self) {
        self.session.connection.borrow_mut().send_ping();
        let mut silence = self.silence.get();
        silence.asked(clock::now());
        self.silence.set(silence);
    }

    /// No other exchange begins on this connection.
    fn close(&self) {
        self.is_closed.set(true);
        self.session.drive();
    }
}

impl Lease {
    pub(super) fn carrier(&self) -> &Carrier {
        let Self(carrier) = self;
        carrier
    }

    /// No other exchange begins on this connection.
    pub(super) fn close(&self) {
        self.carrier().close();
    }

    /// The time of the exchange is over. If nothing has come meanwhile, no other begins on this
    /// connection.
    pub(super) fn time_out(&self) {
        let carrier = self.carrier();
        if carrier.silence.get().is_suspect(carrier.heard(), clock::now()) {
            carrier.close();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let carrier = self.carrier();
        carrier.leases.set(carrier.leases.get() - 1);
        carrier.idle_since.set(clock::now());
        if carrier.is_closed.get() {
            carrier.session.drive();
        }
    }
}
