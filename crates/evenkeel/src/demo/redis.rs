//! Nodes of Redis, each with one that replicates it, in folders of the demo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::cast::Cast;
use super::program::of_system;
use super::scene::{Actor, Ground};
use super::service::{last_words, prepared};
use super::stage::Stage;

/// It listens long before, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The program, and where its data is.
#[derive(Debug)]
pub(super) struct Redis {
    program: PathBuf,
    home: PathBuf,
}

impl Redis {
    /// Finds the program.
    pub(super) fn find() -> Result<PathBuf> {
        of_system("redis-server", "--redis", "redis-server")
    }

    pub(super) fn new(program: PathBuf, home: &Path) -> Self {
        Self { program, home: home.to_owned() }
    }

    /// Starts `actor` with what it had, if it was there before, and waits until it listens.
    pub(super) async fn start(&self, cast: &mut Cast, stage: &Stage, actor: Actor) -> Result<()> {
        let folder = self.home.join(actor.to_string());
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        cast.put(actor, self.command(stage.ground, actor, &folder)?, stage)?;
        let at = stage.ground.work(actor);
        let waiting = async {
            while TcpStream::connect(at).await.is_err() {
                if !cast.lives(actor) {
                    bail!("{actor} has ended: {}", last_words(&self.home, &actor.to_string()));
                }
                sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        let late = || format!("{actor} does not listen after {} s", PATIENCE.as_secs());
        timeout(PATIENCE, waiting).await.with_context(late)?
    }

    fn command(&self, ground: Ground, actor: Actor, folder: &Path) -> Result<Command> {
        let mut command = prepared(&self.program, &self.home, &actor.to_string())?;
        command.arg("--dir").arg(folder).args(["--save", ""]);
        command.args(arguments(ground, actor).split(' '));
        Ok(command)
    }
}

/// What a node is told. What it was given is in a file before it answers, so that a node that was
/// killed has its sessions when it comes back; that file is not written anew, which would take a
/// process of its own. It is on a network where only the demo is, or on loopback.
fn arguments(ground: Ground, actor: Actor) -> String {
    let at = ground.work(actor);
    let (host, port) = (at.ip(), at.port());
    let own = format!(
        "--bind {host} --port {port} --protected-mode no --appendonly yes \
         --auto-aof-rewrite-percentage 0 --repl-diskless-sync-delay 0"
    );
    match actor {
        Actor::CacheReplica(number) => {
            let of = ground.work(Actor::Cache(number));
            format!("{own} --replicaof {} {}", of.ip(), of.port())
        }
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_told_whom_it_follows() {
        let told = |actor| arguments(Ground::Link, actor);
        assert!(told(Actor::Cache(1)).starts_with("--bind 192.0.2.61 --port 6379 "));
        assert!(!told(Actor::Cache(1)).contains("--replicaof"));
        assert!(told(Actor::CacheReplica(1)).ends_with("--replicaof 192.0.2.61 6379"));
    }
}
