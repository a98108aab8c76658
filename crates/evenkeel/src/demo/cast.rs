//! The processes of the demo: started where they belong, ended with it whatever happens.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::timeout;

use super::home::Home;
use super::scene::{Actor, balancer};
use super::service::{Service, last_words, prepared};
use super::stage::Stage;

/// What an orderly end may take; beyond that it is a kill.
const FAREWELL: Duration = Duration::from_secs(5);

/// Who runs.
#[derive(Debug, Default)]
pub(super) struct Cast {
    running: BTreeMap<Actor, Child>,
}

impl Cast {
    /// Starts a balancer or a server of the service; the clone from its own folder.
    pub(super) fn start(
        &mut self,
        actor: Actor,
        home: &Home,
        stage: &Stage,
        service: &Service,
    ) -> Result<()> {
        let name = actor.to_string();
        let command = match actor {
            Actor::Balancer(number) => {
                let file = format!("{name}.toml");
                home.write(&file, &balancer(stage.ground, number))?;
                let own = std::env::current_exe().context("cannot find this program")?;
                let mut command = prepared(&own, home.path(), &name)?;
                command.args(["run", "--config", &file]);
                command
            }
            Actor::Comm(_) => server("comm", actor, stage, service)?,
            Actor::Web(_) => {
                let mut command = server("web", actor, stage, service)?;
                command.args(["--name", &name]);
                command
            }
            _ => bail!("{name} is not started like a server"),
        };
        self.put(actor, command, stage)
    }

    /// Starts `command` as `actor`.
    pub(super) fn put(&mut self, actor: Actor, command: Command, stage: &Stage) -> Result<()> {
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let child = stage.within(actor, || command.spawn());
        let child = child.and_then(|child| child);
        let child = child.with_context(|| format!("cannot start {actor}"))?;
        self.running.insert(actor, child);
        Ok(())
    }

    pub(super) fn runs(&self, actor: Actor) -> bool {
        self.running.contains_key(&actor)
    }

    /// Whether it has not ended by itself either; nobody is told of it by this.
    pub(super) fn lives(&mut self, actor: Actor) -> bool {
        self.running.get_mut(&actor).is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self, actor: Actor) -> Result<()> {
        let mut child = self.take(actor)?;
        child.kill().await.with_context(|| format!("cannot kill {actor}"))
    }

    /// SIGTERM, and SIGKILL to who does not end.
    pub(super) async fn stop(&mut self, actor: Actor) -> Result<()> {
        let mut child = self.take(actor)?;
        tell(&child, Signal::TERM);
        let ended = match timeout(FAREWELL, child.wait()).await {
            Ok(status) => status.map(drop),
            Err(_late) => child.kill().await,
        };
        ended.with_context(|| format!("cannot wait for {actor}"))
    }

    fn take(&mut self, actor: Actor) -> Result<Child> {
        self.running.remove(&actor).ok_or_else(|| anyhow!("{actor} does not run"))
    }

    /// Those who have ended by themselves since it was last asked, with what they said.
    pub(super) fn fallen(&mut self, home: &Home) -> Vec<(Actor, String)> {
        let ended = self.running.iter_mut().filter_map(|(actor, child)| match child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some((*actor, status.to_string())),
            Err(error) => Some((*actor, error.to_string())),
        });
        let ended: Vec<_> = ended.collect();
        ended
            .into_iter()
            .map(|(actor, how)| {
                self.running.remove(&actor);
                let words = last_words(home.path(), &actor.to_string());
                (actor, format!("{actor} has ended by itself ({how}): {words}"))
            })
            .collect()
    }

    /// Ends everybody: all are asked at once, and who is left after a while is killed. Stores are
    /// killed once nobody needs them: what they keep goes with the demo.
    pub(super) async fn end(&mut self) {
        let asked = || |(actor, _): &(&Actor, &mut Child)| !actor.is_store();
        for (_, child) in self.running.iter_mut().filter(asked()) {
            tell(child, Signal::TERM);
        }
        let all_end = async {
            for (_, child) in self.running.iter_mut().filter(asked()) {
                // An error means that it cannot be waited for: it has ended.
                let _ = child.wait().await;
            }
        };
        // Who is late is killed below.
        let _ = timeout(FAREWELL, all_end).await;
        for child in self.running.values_mut() {
            // As above.
            let _ = child.kill().await;
        }
        self.running.clear();
    }
}

/// A server of the service. A clone brings its own program and settings.
fn server(verb: &str, actor: Actor, stage: &Stage, service: &Service) -> Result<Command> {
    let name = actor.to_string();
    let clone = service.folder.join(&name);
    let own = clone.join("monitor");
    let is_clone = own.is_file();
    let program = if is_clone { &own } else { &service.program };
    let mut command = prepared(program, &service.folder, &name)?;
    if is_clone {
        command.current_dir(clone);
    }
    let ground = stage.ground;
    let (work, health) = (ground.work(actor).to_string(), ground.health(actor).to_string());
    command.args([verb, "--bind", &work, "--admin", &health]);
    Ok(command)
}

/// Sends a signal to a child that was not waited for.
pub(super) fn tell(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that has ended needs no signal.
        let _ = kill_process(pid, signal);
    }
}
