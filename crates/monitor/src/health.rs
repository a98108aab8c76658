//! What this process says of itself and of what it needs.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;

use crate::cache::Cache;
use crate::clock;
use crate::store::{Copy, Shard, Store};

/// How long an answer is given again, so that any number of checks costs one question a second.
const KEPT_MS: u64 = 1000;
/// How long a shard may take before it counts as down.
const PATIENCE: Duration = Duration::from_millis(1500);
/// A disk with less room than this cannot take much more.
const LEAST_DISK_BYTES: u64 = 256 * 1024 * 1024;

/// A copy that is further behind would lose too much, in seconds.
const MOST_LAG_S: u64 = 60;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Up,
    Degraded,
    Down,
}

/// Something this process needs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) status: Status,
    /// Without it this process is of no use.
    pub(crate) critical: bool,
    pub(crate) latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) status: Status,
    pub(crate) components: Vec<Component>,
}

/// Asks what this process needs, once a second at most.
#[derive(Debug)]
pub(crate) struct Health {
    store: Arc<Store>,
    cache: Option<Arc<Cache>>,
    kept: Mutex<Option<(u64, Arc<Report>)>>,
}

impl Health {
    pub(crate) fn new(store: Arc<Store>, cache: Option<Arc<Cache>>) -> Self {
        Self { store, cache, kept: Mutex::default() }
    }

    /// How everything is, at most a second old.
    pub(crate) async fn report(&self) -> Arc<Report> {
        // Whoever comes while somebody asks waits for that answer.
        let mut kept = self.kept.lock().await;
        if let Some((at_ms, report)) = &*kept
            && clock::now_ms().saturating_sub(*at_ms) < KEPT_MS
        {
            return Arc::clone(report);
        }
        let report = Arc::new(Report::of(self.ask().await));
        *kept = Some((clock::now_ms(), Arc::clone(&report)));
        report
    }

    async fn ask(&self) -> Vec<Component> {
        let mut asked = tokio::task::JoinSet::new();
        for shard in self.store.shards() {
            let shard = Arc::clone(shard);
            asked.spawn(async move {
                let began = clock::instant();
                let answer = tokio::time::timeout(PATIENCE, shard.ask()).await;
                let fault = match answer {
                    Ok(answer) => answer.err().map(|fault| fault.to_string()),
                    Err(_late) => Some(format!("no answer within {PATIENCE:?}")),
                };
                component(shard.name().to_owned(), fault, began.elapsed())
            });
        }
        let mut components = asked.join_all().await;
        for shard in self.store.shards() {
            components.extend(replica(shard).await);
        }
        components.sort_by(|one, other| one.name.cmp(&other.name));
        components.extend(self.disk());
        if let Some(cache) = &self.cache {
            let nodes = cache.ask().await.into_iter();
            // With one node down the others take its place.
            components.extend(nodes.map(|(name, fault, took)| component(name, fault, took)));
        }
        components
    }

    /// The fullest of the disks that shards of this machine are on.
    fn disk(&self) -> Option<Component> {
        let folders = self.store.shards().iter().filter_map(|shard| shard.address().folder());
        let free = folders.filter_map(|folder| {
            let folder = if folder.as_os_str().is_empty() { ".".as_ref() } else { folder };
            let disk = rustix::fs::statvfs(folder).ok()?;
            Some(disk.f_bavail.saturating_mul(disk.f_frsize))
        });
        let free = free.min()?;
        let full = (free < LEAST_DISK_BYTES).then(|| format!("only {free} bytes are free"));
        Some(component("disk".to_owned(), full, Duration::ZERO))
    }
}

/// The copy of a shard. Without one that follows, the shard still answers.
async fn replica(shard: &Arc<Shard>) -> Option<Component> {
    let began = clock::instant();
    let fault = match shard.copy().await? {
        Copy::Behind(seconds) if seconds <= MOST_LAG_S => None,
        Copy::Behind(seconds) => Some(format!("{seconds} s behind")),
        Copy::Broken => Some("no server follows the primary".to_owned()),
    };
    Some(component(format!("replica{}", shard.index()), fault, began.elapsed()))
}

fn component(name: String, fault: Option<String>, took: Duration) -> Component {
    let status = if fault.is_some() { Status::Down } else { Status::Up };
    let latency_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    // With one shard down the devices of the others are served.
    Component { name, status, critical: false, latency_ms, reason: fault }
}

impl Report {
    /// Down when a critical component is, or every shard; degraded when anything is down.
    fn of(components: Vec<Component>) -> Self {
        let is_down = |component: &&Component| component.status == Status::Down;
        let mut shards = components.iter().filter(|it| it.name.starts_with("shard")).peekable();
        let no_shard = shards.peek().is_some() && shards.all(|shard| is_down(&shard));
        let status = if no_shard || components.iter().any(|it| it.critical && is_down(&it)) {
            Status::Down
        } else if components.iter().any(|it| is_down(&it)) {
            Status::Degraded
        } else {
            Status::Up
        };
        Self { status, components }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(components: &[(&str, bool, bool)]) -> Status {
        let components = components.iter().map(|(name, is_up, critical)| Component {
            critical: *critical,
            ..component((*name).to_owned(), (!is_up).then(String::new), Duration::ZERO)
        });
        Report::of(components.collect()).status
    }

    #[test]
    fn the_whole_is_down_without_shards_or_what_is_critical() {
        for (components, expected) in [
            (&[("shard0", true, false), ("shard1", true, false)][..], Status::Up),
            (&[("shard0", false, false), ("shard1", true, false)], Status::Degraded),
            (&[("shard0", false, false), ("shard1", false, false)], Status::Down),
            (&[("shard0", true, false), ("disk", false, false)], Status::Degraded),
            (&[("shard0", true, false), ("sessions", false, true)], Status::Down),
        ] {
            assert_eq!(status(components), expected, "{components:?}");
        }
    }
}
