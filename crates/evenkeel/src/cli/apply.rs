//! `evenkeel apply`, and what is said of a configuration that is in force

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use evenkeel_api::{Applied, Found, PeerApplied};

use super::{client, out, say_json};
use crate::args;

pub(crate) fn apply(args: &args::Apply) -> Result<ExitCode> {
    let args::Apply { config, replaces, both, target, json } = args;
    let failed = || format!("cannot read the configuration {}", config.display());
    let text = fs::read_to_string(config).with_context(failed)?;
    let applied = client(target)?.apply(&text, replaces.as_deref(), *both)?;
    tell(applied, *json)
}

/// What is in force where, and what to look after.
pub(super) fn tell(applied: Applied, json: bool) -> Result<ExitCode> {
    if json {
        say_json(&applied)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Applied { version, needs_restart, warnings, peer } = applied;
    for Found { file, line, column, reason, .. } in warnings {
        out::complain(&format!("warning: {file}:{line}:{column}: {reason}"));
    }
    for key in needs_restart {
        out::complain(&format!("warning: `{key}` takes effect only at the next start"));
    }
    out::say(&format!("version {version} is in force"));
    if let Some(peer) = peer {
        tell_of_peer(peer);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_of_peer(peer: PeerApplied) {
    let PeerApplied { node, applied, version, reason, faults } = peer;
    let reason = reason.unwrap_or_default();
    if applied {
        let version = version.unwrap_or_default();
        let more = if reason.is_empty() { String::new() } else { format!(", {reason}") };
        out::say(&format!("on {node}: version {version} is in force{more}"));
        return;
    }
    out::complain(&format!("warning: it is not in force on {node}: {reason}"));
    for Found { file, line, column, reason, help, .. } in faults {
        let help = help.map(|help| format!("; {help}")).unwrap_or_default();
        out::complain(&format!("  {file}:{line}:{column}: {reason}{help}"));
    }
}
