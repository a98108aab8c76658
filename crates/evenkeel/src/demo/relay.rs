//! From an address of the machine to one that only the demo's networks have.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::scene::Actor;
use super::stage::Stage;

/// Connections of one relay at once: browsers use a handful, devices one each, where they come
/// this way.
const MOST: usize = 200;
/// For a connection to a target, which is a neighbour.
const PATIENCE: Duration = Duration::from_secs(2);
/// Until the next try when the system has no room for a connection.
const BREATH: Duration = Duration::from_millis(100);

/// A place where connections come in, and where they go: to the first target that takes them.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) listener: TcpListener,
    /// Whose network the targets are reached from.
    pub(super) from: Actor,
    pub(super) targets: Vec<SocketAddr>,
}

/// Listens at the wanted port of this machine, or at any when that one is taken.
pub(super) fn listen(wanted: SocketAddr) -> Result<TcpListener> {
    let any = SocketAddr::new(wanted.ip(), 0);
    TcpListener::bind(wanted)
        .or_else(|_taken| TcpListener::bind(any))
        .with_context(|| format!("cannot listen on {}", wanted.ip()))
}

impl Relay {
    /// Passes connections on until it is dropped.
    pub(super) async fn run(self, stage: Rc<Stage>) -> Result<()> {
        self.listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let targets: Rc<[SocketAddr]> = self.targets.into();
        let mut passing = JoinSet::new();
        loop {
            while passing.try_join_next().is_some() {}
            while passing.len() >= MOST {
                passing.join_next().await;
            }
            let Ok((near, _)) = listener.accept().await else {
                sleep(BREATH).await;
                continue;
            };
            passing.spawn_local(pass(near, Rc::clone(&stage), self.from, Rc::clone(&targets)));
        }
    }
}

async fn pass(mut near: TcpStream, stage: Rc<Stage>, from: Actor, targets: Rc<[SocketAddr]>) {
    for target in targets.iter() {
        if let Ok(Ok(mut far)) = timeout(PATIENCE, stage.connect(from, *target)).await {
            // Whoever broke it, both sides are closed, which is all there is to say.
            let _ = copy_bidirectional(&mut near, &mut far).await;
            return;
        }
    }
}
