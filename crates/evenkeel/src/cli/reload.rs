//! `evenkeel reload`

use std::process::ExitCode;

use anyhow::Result;
use evenkeel_api::{Applied, Found};

use super::{client, out, say_json};
use crate::args;

pub(crate) fn reload(args: &args::Reload) -> Result<ExitCode> {
    let applied = client(&args.target)?.reload()?;
    if args.json {
        say_json(&applied)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Applied { version, needs_restart, warnings } = applied;
    for Found { file, line, column, reason, .. } in warnings {
        out::complain(&format!("warning: {file}:{line}:{column}: {reason}"));
    }
    for key in needs_restart {
        out::complain(&format!("warning: `{key}` takes effect only at the next start"));
    }
    out::say(&format!("version {version} is in force"));
    Ok(ExitCode::SUCCESS)
}
