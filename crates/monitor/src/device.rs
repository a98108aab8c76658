//! Simulated devices: each measures, keeps what is not acknowledged, and sends it until it is.

mod link;
mod outbox;
mod progress;
mod signal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tokio::sync::watch;

use self::link::Device;
use self::outbox::Counts;
use self::progress::Progress;
use crate::protocol::is_device_name;
use crate::{clock, descriptors, tasks};

/// Devices measure first within this time, spread as those are that know nothing of each other.
const SPREAD: Duration = Duration::from_secs(1);

/// Takes a line for whoever listens.
pub(crate) type Say = fn(&str);

/// How the devices behave.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where comm is: `HOST:PORT`.
    pub(crate) to: String,
    /// Between two measurements; zero for as fast as comm acknowledges.
    pub(crate) interval: Duration,
    /// Readings of one measurement.
    pub(crate) burst: u32,
    /// Readings of one device until it is done.
    pub(crate) records: Option<u64>,
    /// How long they measure.
    pub(crate) duration: Option<Duration>,
    /// How long they wait for the last acknowledgements.
    pub(crate) patience: Duration,
    /// How often they say how far they are, and to whom.
    pub(crate) progress: Option<(Duration, Say)>,
}

/// What devices did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) seconds: f64,
    pub(crate) devices: Vec<Line>,
}

/// What one device did. Its sequences start at `first` and have no gaps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) device: String,
    pub(crate) first: u64,
    pub(crate) last: u64,
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

/// Reads names and keys, one device a line, as `monitor register` writes them.
pub(crate) fn read_devices(file: &PathBuf) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the devices {}", file.display()))?;
    let mut devices = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match line.split_once(' ') {
            Some((name, key)) if is_device_name(name) && !key.is_empty() => {
                devices.push((name.to_owned(), key.to_owned()));
            }
            _ => bail!("{}:{number}: expected a name, a space, a key", file.display()),
        }
    }
    // Each has a socket.
    let most = descriptors::connections();
    if !(1..=most).contains(&devices.len()) {
        bail!(
            "{} has {} devices, and this process has files for 1 to {most}: split them, or raise \
             the hard limit of open files (`ulimit -Hn`)",
            file.display(),
            devices.len()
        );
    }
    Ok(devices)
}

/// Runs `devices` until they are done or `stop` is, then until everything is acknowledged or
/// nobody has patience any more.
pub(crate) async fn run(
    plan: Plan,
    devices: Vec<(String, String)>,
    stop: impl Future<Output = ()>,
) -> Report {
    let began = clock::instant();
    let plan = Arc::new(plan);
    let (halt, halted) = watch::channel(false);
    let progress = Arc::new(Progress::new());
    let apart = plan.interval.min(SPREAD) / u32::try_from(devices.len()).unwrap_or(u32::MAX).max(1);
    let running: Vec<_> = (0..)
        .zip(devices)
        .map(|(number, device)| {
            let device = Device::new(&plan, &progress, device, apart * number);
            tasks::spawn(device.run(halted.clone()))
        })
        .collect();
    drop(halted);
    let telling = plan.progress.map(|(interval, say)| {
        let progress = Arc::clone(&progress);
        tasks::spawn(async move { progress.tell_each(interval, say).await })
    });
    let enough = async {
        match plan.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            // Each device knows when it is done.
            None => halt.closed().await,
        }
    };
    tokio::select! {
        () = stop => {}
        () = enough => {}
    }
    // Devices that are done do not listen.
    let _ = halt.send(true);
    let mut lines = Vec::new();
    let mut counts = Counts::default();
    for device in running {
        // A device that panicked has said so, and has no counts.
        let Ok(line) = device.await else { continue };
        counts += line.counts;
        lines.push(line);
    }
    if let Some(telling) = telling {
        telling.abort();
    }
    Report { counts, seconds: began.elapsed().as_secs_f64(), devices: lines }
}
