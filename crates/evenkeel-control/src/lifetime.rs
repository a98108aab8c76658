//! From ready to gone: serves the admin address, and obeys signals.

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admin;
use crate::node::Node;
use crate::node::certificates::keep_certificates;
use crate::node::names::keep_names;
use crate::notify::{Notice, notify};

/// The signals a node obeys, caught from the moment this exists.
#[derive(Debug)]
pub struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// What an operator asks for by signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Reload,
    Stop,
}

impl Signals {
    /// To be called early: a signal that comes before would end the process.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hang_up.recv() => Wish::Reload,
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Wish::Stop {}
    }
}

/// Runs `node` until it is told to stop, and returns once what ran is finished.
///
/// SIGHUP reloads. SIGTERM and SIGINT drain; a second one stops at once.
pub async fn run(node: Arc<Node>, admin: TcpListener, mut signals: Signals) {
    notify(Notice::Ready);
    let serving = async {
        tokio::join!(
            admin::serve(&node, admin),
            node.relay_events(),
            node.keep_servers(),
            keep_names(&node),
            keep_certificates(&node)
        );
    };
    let living = async {
        while signals.next().await == Wish::Reload {
            notify(Notice::Reloading);
            // What came of it was announced; a bad file leaves everything as it was.
            let _ = node.reload().await;
            notify(Notice::Ready);
        }
        notify(Notice::Stopping);
        tokio::select! {
            _ = node.drain() => {}
            () = signals.stop() => {
                node.announce("cut", "told a second time: stopping at once".to_owned());
            }
        }
    };
    tokio::select! {
        () = living => {}
        () = serving => {}
    }
}
