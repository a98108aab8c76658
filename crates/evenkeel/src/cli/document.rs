//! `evenkeel completions` and `evenkeel man`

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::CommandFactory as _;

use super::out;
use crate::args::{self, Args};

pub(crate) fn completions(args: &args::Completions) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "evenkeel", &mut script);
    say(&script);
    ExitCode::SUCCESS
}

pub(crate) fn man(args: &args::Man) -> Result<ExitCode> {
    // Building gives each verb its full name.
    let mut program = Args::command();
    program.build();
    let command = match &args.verb {
        None => program,
        Some(verb) => match program.find_subcommand(verb) {
            Some(command) => command.clone(),
            None => bail!("there is no verb {verb}; `evenkeel --help` lists them"),
        },
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    say(&page);
    Ok(ExitCode::SUCCESS)
}

fn say(text: &[u8]) {
    out::say(String::from_utf8_lossy(text).trim_end());
}
