//! From ready to gone: serves the admin address, and obeys signals.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admin;
use crate::node::Node;
use crate::notify::{Notice, notify};

/// Runs `node` until it is told to stop, and returns once what ran is finished.
///
/// SIGHUP reloads. SIGTERM and SIGINT drain; a second one stops at once.
pub async fn run(node: Arc<Node>, admin: TcpListener) -> std::io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    notify(Notice::Ready);
    let serving = async {
        tokio::join!(admin::serve(&node, admin), node.relay_events());
    };
    let living = async {
        until_told_to_stop(&node, &mut hang_up, &mut terminate, &mut interrupt).await;
        notify(Notice::Stopping);
        tokio::select! {
            _ = node.drain() => {}
            () = either(&mut terminate, &mut interrupt) => {
                node.announce("cut", "told a second time: stopping at once".to_owned());
            }
        }
    };
    tokio::select! {
        () = living => {}
        () = serving => {}
    }
    Ok(())
}

async fn until_told_to_stop(
    node: &Node,
    hang_up: &mut Signal,
    terminate: &mut Signal,
    interrupt: &mut Signal,
) {
    loop {
        tokio::select! {
            () = either(terminate, interrupt) => return,
            _ = hang_up.recv() => {
                notify(Notice::Reloading);
                // What came of it was announced; a bad file leaves everything as it was.
                let _ = node.reload().await;
                notify(Notice::Ready);
            }
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
