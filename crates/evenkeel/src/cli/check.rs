//! `evenkeel check`

use std::process::ExitCode;

use anyhow::Result;
use evenkeel_control::compile::{Compiled, Surroundings, compile};
use evenkeel_control::finding::Findings;
use evenkeel_control::origin::Origin;

use super::out;
use crate::args;

pub(crate) fn check(args: &args::Check) -> Result<ExitCode> {
    let origin = Origin::File(args.config.clone());
    let text = origin.read()?;
    let surroundings = Surroundings::of_this_machine(origin.base(), Vec::new());
    let shown = origin.name();
    match compile(&shown, &text, &surroundings) {
        Ok(Compiled { warnings, config, .. }) => {
            show(&warnings);
            let (listeners, pools) = (config.listeners.len(), config.pools.len());
            out::say(&format!("{shown}: valid, {listeners} listeners and {pools} pools"));
            Ok(ExitCode::SUCCESS)
        }
        Err(findings) => {
            show(&findings);
            let faults = findings.faults();
            let s = if faults == 1 { "" } else { "s" };
            out::complain(&format!("{shown}: {faults} fault{s}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(findings: &Findings) {
    if !findings.is_empty() {
        out::complain(&findings.render(out::stderr_is_coloured()));
        out::complain("");
    }
}
