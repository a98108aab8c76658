//! How the demo is: looked at from outside, as any operator could.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use evenkeel_api::{Client, ClientError, Health, Server, Status, VipState};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStdout;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::scene::{Actor, BALANCERS, Ground};
use super::stage::Stage;
use super::wire::{Request, ask};
use crate::clock;

/// Between two looks at balancers and servers.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two looks at the shards, which count all their records.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// Counting takes at most this part of the time, however much there is.
const SHARE_OF_COUNTING: u32 = 10;

/// What the devices have done so far, as `monitor device --progress` says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Devices {
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) retries: u64,
    /// The longest wait for an acknowledgement since the last word.
    pub(super) slowest_ms: u64,
}

impl Devices {
    /// Readings on their way, or kept until they may be sent again.
    pub(super) const fn pending(self) -> u64 {
        self.sent.saturating_sub(self.acknowledged).saturating_sub(self.refused)
    }
}

/// What is stored of a device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Kept {
    pub(super) device: String,
    pub(super) records: u64,
    pub(super) lowest: u64,
    pub(super) highest: u64,
}

/// A shard, as `monitor shards --json` says it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Shard {
    pub(super) fault: Option<String>,
    pub(super) records: u64,
    pub(super) devices: Vec<Kept>,
}

/// What was last seen.
#[derive(Debug, Default)]
pub(super) struct View {
    /// By number; `None`: it does not answer.
    pub(super) balancers: [Option<Status>; BALANCERS as usize],
    /// Readings or answers a second of a server.
    pub(super) rates: BTreeMap<Actor, u64>,
    pub(super) shards: Vec<Shard>,
    /// Who is what in each shard, where shards are in servers.
    pub(super) shard_words: Vec<String>,
    pub(super) caches: Vec<CacheNode>,
    pub(super) devices: Devices,
    /// Hears each word of the devices.
    pub(super) listener: Option<Listener>,
}

/// A node of the cache and who replicates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheNode {
    pub(super) actor: Actor,
    pub(super) is_up: bool,
    pub(super) replica: Actor,
    pub(super) replica_is_up: bool,
}

/// Hears what the devices say at the moment they say it.
pub(super) struct Listener(pub(super) Box<dyn FnMut(Devices)>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

pub(super) type Shared = Rc<RefCell<View>>;

impl View {
    /// The balancer that has the virtual address; where there is none, the first that answers.
    pub(super) fn owner(&self) -> Option<(u8, &Status)> {
        let answering = || (0..).zip(&self.balancers).filter_map(|(n, it)| Some((n, it.as_ref()?)));
        let owns =
            |status: &Status| status.vips.first().is_none_or(|vip| vip.state == VipState::Active);
        answering().find(|(_, status)| owns(status))
    }

    /// A server, by the word of the owner.
    fn server(&self, actor: Actor) -> Option<&Server> {
        let name = actor.to_string();
        let (_, status) = self.owner()?;
        let pool = status.pools.iter().find(|pool| actor.pool() == Some(&pool.name))?;
        pool.servers.iter().find(|it| it.name == name)
    }

    /// Whether the owner has found this server well, and uses it.
    pub(super) fn uses(&self, actor: Actor) -> bool {
        self.server(actor).is_some_and(|it| it.in_use && it.verdict.health == Health::Up)
    }

    /// Connections this server has had.
    pub(super) fn connections(&self, actor: Actor) -> u64 {
        self.server(actor).map_or(0, |it| it.connections_total)
    }
}

/// Asks a balancer something, on a thread in its network.
pub(super) async fn ask_balancer<T: Send + 'static>(
    stage: &Stage,
    number: u8,
    question: impl FnOnce(&Client) -> Result<T, ClientError> + Send + 'static,
) -> Result<T> {
    let url = format!("http://{}", Ground::admin(number));
    let (tell, told) = oneshot::channel();
    let asking = move || {
        let answer = Client::new(&url, None).and_then(|client| question(&client));
        // Who asked may not wait any more.
        let _ = tell.send(answer);
    };
    // A thread is born into the network of the one that makes it.
    let thread = thread::Builder::new().name("ask".to_owned());
    stage.within(Actor::Balancer(number), || thread.spawn(asking))??;
    Ok(told.await.map_err(|_gone| anyhow!("the question was lost"))??)
}

/// Looks at a balancer for ever.
pub(super) async fn look_at_balancer(view: Shared, stage: Rc<Stage>, number: u8) {
    loop {
        let status = ask_balancer(&stage, number, Client::status).await.ok();
        view.borrow_mut().balancers[usize::from(number)] = status;
        sleep(LOOK_EVERY).await;
    }
}

/// Looks for ever at what a server gets done.
pub(super) async fn look_at_server(view: Shared, stage: Rc<Stage>, actor: Actor) {
    let mut before: Option<(Instant, u64)> = None;
    loop {
        let work = work(&stage, actor).await.ok();
        let now = clock::instant();
        let rate = before.zip(work).and_then(|((then, before), work)| {
            // A process that was started anew counts from zero.
            rate(work.checked_sub(before)?, now.duration_since(then))
        });
        match rate {
            Some(rate) => view.borrow_mut().rates.insert(actor, rate),
            None => view.borrow_mut().rates.remove(&actor),
        };
        before = work.map(|work| (now, work));
        sleep(2 * LOOK_EVERY).await;
    }
}

/// A second, rounded.
fn rate(more: u64, time: Duration) -> Option<u64> {
    let milliseconds = u64::try_from(time.as_millis()).ok()?;
    (more * 1_000 + milliseconds / 2).checked_div(milliseconds)
}

/// Readings stored by a comm server, answers of a web server.
async fn work(stage: &Stage, actor: Actor) -> Result<u64> {
    let stream = stage.connect(actor, stage.ground.health(actor)).await?;
    let answer = ask(stream, Request { line: "GET /metrics", ..Request::default() }).await?;
    let name = match actor {
        Actor::Comm(_) => "monitor_comm_acknowledged_total",
        _ => "monitor_web_answers_total",
    };
    Ok(sum(&answer.body, name))
}

/// The sum of all samples of a metric.
pub(super) fn sum(text: &str, name: &str) -> u64 {
    let samples = text.lines().filter_map(|line| line.strip_prefix(name));
    let of_it = samples.filter(|rest| rest.starts_with([' ', '{']));
    of_it.filter_map(|rest| rest.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Counts what is stored, for ever.
pub(super) async fn look_at_shards<F: Future<Output = Result<Vec<Shard>>>>(
    view: Shared,
    mut count: impl FnMut() -> F,
) {
    loop {
        let began = clock::instant();
        if let Ok(shards) = count().await {
            view.borrow_mut().shards = shards;
        }
        sleep(COUNT_EVERY.max(began.elapsed() * SHARE_OF_COUNTING)).await;
    }
}

/// Hears what the devices say until they end.
pub(super) async fn hear_devices(view: Shared, words: ChildStdout) -> Result<()> {
    let mut lines = BufReader::new(words).lines();
    while let Some(line) = lines.next_line().await.context("cannot hear the devices")? {
        let Ok(devices) = serde_json::from_str::<Devices>(&line) else { continue };
        let mut view = view.borrow_mut();
        view.devices = devices;
        if let Some(Listener(hear)) = &mut view.listener {
            hear(devices);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_metric_are_added_up() {
        let text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\nab 7\n";
        assert_eq!((sum(text, "a"), sum(text, "ab"), sum(text, "c")), (5, 7, 0));
    }

    #[test]
    fn a_rate_is_rounded() {
        assert_eq!(rate(15, Duration::from_millis(1_010)), Some(15));
        assert_eq!(rate(1, Duration::ZERO), None);
    }

    #[test]
    fn what_has_no_answer_is_pending() {
        let devices = Devices { sent: 9, acknowledged: 5, refused: 1, ..Devices::default() };
        assert_eq!(devices.pending(), 3);
    }
}
