//! `evenkeel upgrade`

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use evenkeel_api::{Client, Status, Upgraded};

use super::{client, out, say_json};
use crate::args;
use crate::clock;

/// Between two looks at who serves.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long nobody need answer while the admin address changes hands.
const HANDS_CHANGE: Duration = Duration::from_secs(3);

pub(crate) fn upgrade(args: &args::Upgrade) -> Result<ExitCode> {
    let client = client(&args.target)?;
    let upgraded = client.upgrade()?;
    stays(&client, &upgraded)?;
    if args.json {
        say_json(&upgraded)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Upgraded { process, replaces, .. } = upgraded;
    let version = client.status()?.version;
    out::say(&format!(
        "process {process} serves, evenkeel {version}; process {replaces} finishes what runs there"
    ));
    Ok(ExitCode::SUCCESS)
}

/// The new process is there for as long as the old one stands by.
fn stays(client: &Client, upgraded: &Upgraded) -> Result<()> {
    let Upgraded { process, replaces, stands_by_seconds } = upgraded;
    let started = clock::instant();
    let long_enough = Duration::from_secs(*stands_by_seconds);
    let mut answered = started;
    while started.elapsed() < long_enough {
        thread::sleep(LOOK_EVERY);
        match client.status() {
            Ok(Status { process: now, .. }) if now == *replaces => bail!(
                "process {process} ended within {stands_by_seconds} s: process {replaces} serves \
                 on; its log says why"
            ),
            Ok(_) => answered = clock::instant(),
            Err(error) if answered.elapsed() > HANDS_CHANGE => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(())
}
