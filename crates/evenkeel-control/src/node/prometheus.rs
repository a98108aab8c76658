//! The file that tells a Prometheus what to scrape (its `file_sd`): this node, and the servers of
//! pools as they are now, also those that came by name, by file or at run time.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_engine::PoolStatus;
use serde::Serialize;

use super::Node;
use crate::compile::PrometheusSettings;
use crate::state_file;

/// Prometheus itself scrapes every few seconds at the most often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a failure is called in the status.
const PROBLEM: &str = "targets_file";

/// Targets with the labels of their series, as Prometheus reads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Group {
    targets: Vec<String>,
    labels: BTreeMap<&'static str, String>,
}

/// What is to be scraped. Only what is the same until somebody changes it: a file that changed with
/// the state of a server would end its series each time.
fn groups(settings: &PrometheusSettings, node: &str, pools: &[PoolStatus]) -> Vec<Group> {
    let own = Group {
        targets: vec![settings.address.clone()],
        labels: BTreeMap::from([("job", "evenkeel".to_owned()), ("node", node.to_owned())]),
    };
    let scraped = pools.iter().filter_map(|pool| Some((pool, *settings.ports.get(&pool.name)?)));
    let servers = scraped.flat_map(|(pool, port)| {
        pool.servers.iter().map(move |server| {
            let mut address = server.address;
            address.set_port(port);
            let mut labels = BTreeMap::from([
                ("job", pool.name.to_string()),
                ("pool", pool.name.to_string()),
                ("server", server.name.to_string()),
            ]);
            labels.extend(server.zone.iter().map(|zone| ("zone", zone.to_string())));
            Group { targets: vec![address.to_string()], labels }
        })
    });
    std::iter::once(own).chain(servers).collect()
}

/// Writes the file whenever what it says has changed; never returns.
pub(crate) async fn keep_targets(node: &Arc<Node>) {
    let mut written: Option<(PathBuf, Vec<Group>)> = None;
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        let settings = node.current().prometheus.clone().filter(|_| node.is_in_charge());
        let wanted = settings.map(|settings| {
            let groups = groups(&settings, &node.settings.name, &node.engine.status().pools);
            (settings.file, groups)
        });
        if wanted == written {
            continue;
        }
        match write(wanted.clone()).await {
            Ok(()) => {
                node.servers().problems.remove(PROBLEM);
                written = wanted;
            }
            Err(error) => {
                let message = format!("{error}: Prometheus scrapes what it was told before");
                if node.servers().problems.insert(PROBLEM, message.clone()).is_none() {
                    node.announce("targets-unwritten", message);
                }
            }
        }
    }
}

/// A disk that hangs must hang nothing else.
async fn write(wanted: Option<(PathBuf, Vec<Group>)>) -> Result<(), String> {
    let Some((path, groups)) = wanted else { return Ok(()) };
    let writing = tokio::task::spawn_blocking(move || {
        state_file::save(&path, &groups).map_err(|error| match error.source() {
            Some(source) => format!("cannot write {}: {source}", path.display()),
            None => error.to_string(),
        })
    });
    // The runtime is going down.
    writing.await.unwrap_or(Ok(()))
}
