//! `evenkeel check`

use std::process::ExitCode;

use anyhow::Result;
use evenkeel_control::compile::Surroundings;
use evenkeel_control::finding::Findings;
use evenkeel_control::origin::Origin;
use evenkeel_control::{LoadError, Loaded};

use super::{out, say_json};
use crate::args;

pub(crate) fn check(args: &args::Check) -> Result<ExitCode> {
    let origin = Origin::File(args.config.clone());
    let surroundings = Surroundings::of_this_machine(origin.base(), Vec::new());
    let name = origin.name();
    match Loaded::from(&origin, &surroundings) {
        Ok(Loaded { compiled, .. }) if args.json => {
            say_json(&compiled.warnings.documents())?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Loaded { compiled, .. }) => {
            show(&compiled.warnings);
            let listeners = counted(compiled.config.listeners.len(), "listener");
            let pools = counted(compiled.config.pools.len(), "pool");
            out::say(&format!("{name} is valid: {listeners}, {pools}"));
            Ok(ExitCode::SUCCESS)
        }
        Err(LoadError::Faults(findings)) if args.json => {
            say_json(&findings.documents())?;
            Ok(ExitCode::FAILURE)
        }
        Err(LoadError::Faults(findings)) => Ok(refuse(&name, &findings)),
        Err(error) => Err(error.into()),
    }
}

/// Shows why the configuration `name` is not taken.
pub(crate) fn refuse(name: &str, findings: &Findings) -> ExitCode {
    show(findings);
    out::complain(&format!("{name} has {}", counted(findings.faults(), "fault")));
    ExitCode::FAILURE
}

/// Shows each finding with its place.
pub(crate) fn show(findings: &Findings) {
    if !findings.is_empty() {
        out::complain(&findings.render(out::stderr_is_coloured()));
        out::complain("");
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
