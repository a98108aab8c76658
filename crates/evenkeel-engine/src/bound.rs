//! Addresses that are listened on, with sockets that outlive configurations and processes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_core::config::Protocol;
use evenkeel_sys::{Listening, defer_accept, listen, outlive_address};

use crate::plan::Plan;
use crate::worker::Shared;

/// Longest time the kernel holds back a connection whose client says nothing.
const DEFER_ACCEPT: Duration = Duration::from_secs(5);

/// An address with the sockets that listen on it, on their way from one process to another.
#[derive(Debug)]
pub struct OpenAddress {
    /// As configured; its port may be 0.
    pub address: SocketAddr,
    /// Each has a queue of its own in the kernel. At least one.
    pub sockets: Vec<TcpListener>,
}

/// One address that is listened on.
#[derive(Debug)]
pub(crate) struct Bound {
    /// As configured; its port may be 0.
    address: SocketAddr,
    /// With the real port.
    actual: SocketAddr,
    /// Empty once the address was given up, although connections that came in on it may still
    /// hold the plan.
    sockets: Mutex<Vec<TcpListener>>,
}

impl Bound {
    /// The sockets that are bound already, by this process or the one before it, else new ones. A
    /// `foreign` address need not be this machine's.
    pub(crate) fn take(
        (address, foreign): (SocketAddr, bool),
        protocol: &Protocol,
        before: &Plan,
        shared: &Shared,
    ) -> io::Result<Arc<Self>> {
        if let Some(bound) = before.all_bound().find(|bound| bound.address == address) {
            return Ok(Arc::clone(bound));
        }
        if let Some(bound) = Self::inherited(address, shared)? {
            return Ok(Arc::new(bound));
        }
        let wait = wait(protocol);
        let exclusive = before.all_bound().all(|bound| bound.address.port() != address.port());
        let listening = Listening { address, defer_accept: wait, exclusive, foreign };
        Self::new(address, listen(listening, shared.workers)?).map(Arc::new)
    }

    /// What the process before, or the service manager, has left on this address. It stays there to
    /// be taken again, should the plan that is being built come to nothing.
    fn inherited(address: SocketAddr, shared: &Shared) -> io::Result<Option<Self>> {
        let inherited = shared.inherited.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = inherited.iter().find(|open| open.address == address) else {
            return Ok(None);
        };
        let sockets = open.sockets.iter().map(TcpListener::try_clone);
        Self::new(address, sockets.collect::<io::Result<_>>()?).map(Some)
    }

    fn new(address: SocketAddr, sockets: Vec<TcpListener>) -> io::Result<Self> {
        let actual = sockets.first().map_or(Ok(address), TcpListener::local_addr)?;
        Ok(Self { address, actual, sockets: Mutex::new(sockets) })
    }

    /// With the real port.
    pub(crate) fn actual(&self) -> SocketAddr {
        self.actual
    }

    /// The sockets one of so many workers accepts on. Every socket has a worker and every worker a
    /// socket, however many the process had that opened them: what the kernel puts into the queue
    /// of a socket that nobody looks at is lost.
    pub(crate) fn sockets_of(&self, worker: usize, workers: usize) -> io::Result<Vec<TcpListener>> {
        let sockets = self.sockets();
        shares(sockets.len(), worker, workers).map(|index| sockets[index].try_clone()).collect()
    }

    /// To pass on. `None`: nothing listens any more.
    pub(crate) fn open(&self) -> io::Result<Option<OpenAddress>> {
        let sockets = self.sockets();
        if sockets.is_empty() {
            return Ok(None);
        }
        let clones = sockets.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
        Ok(Some(OpenAddress { address: self.address, sockets: clones }))
    }

    /// Listens no more, whoever still holds this.
    pub(crate) fn close(&self) {
        self.sockets().clear();
    }

    /// The address may be a virtual one, or be reached by one: what is under way when that leaves is
    /// answered nevertheless.
    pub(crate) fn outlive_address(&self) {
        for socket in &*self.sockets() {
            // Who lacks the right to it lacks the right to virtual addresses, and hears of that.
            let _ = outlive_address(socket);
        }
    }

    /// Accepts as this protocol wants it.
    pub(crate) fn serve(&self, protocol: &Protocol) -> io::Result<()> {
        let wait = wait(protocol);
        self.sockets().iter().try_for_each(|socket| defer_accept(socket, wait))
    }

    fn sockets(&self) -> MutexGuard<'_, Vec<TcpListener>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Behind a plain tcp listener the server may be the one to speak first.
fn wait(protocol: &Protocol) -> Option<Duration> {
    (!matches!(protocol, Protocol::Tcp { .. })).then_some(DEFER_ACCEPT)
}

/// Which of so many sockets a worker accepts on.
fn shares(sockets: usize, worker: usize, workers: usize) -> impl Iterator<Item = usize> {
    // With fewer sockets than workers, several accept on the same.
    let first = if sockets == 0 { 0 } else { worker % sockets };
    let first = if sockets < workers { first } else { worker };
    (first..sockets).step_by(workers.max(1)).take(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_socket_has_a_worker_and_every_worker_a_socket() {
        for (sockets, workers) in [(1, 1), (2, 2), (1, 4), (3, 4), (4, 3), (7, 2), (8, 1)] {
            let all: Vec<Vec<usize>> =
                (0..workers).map(|worker| shares(sockets, worker, workers).collect()).collect();
            assert!(all.iter().all(|mine| !mine.is_empty()), "{sockets} {workers}: {all:?}");
            for socket in 0..sockets {
                assert!(all.iter().flatten().any(|&it| it == socket), "{sockets} {workers}");
            }
        }
        assert_eq!(shares(0, 3, 4).count(), 0);
        assert_eq!(shares(2, 1, 2).collect::<Vec<_>>(), [1], "one each, as they were opened");
    }
}
