//! The fault matrix: three servers, steady load through a balancer, every answer proved, and one
//! thing after another that goes wrong. `--short` spends a few seconds on each; `--only NAME` tries
//! one; `--against nginx` or `haproxy` shows how Debian's balancers take the same.
#![forbid(unsafe_code)]

mod crowd;
mod floods;
mod ground;
mod isolation;
mod matrix;
mod pair;
mod service;
mod slow;
mod subject;
mod table;
mod trial;

use std::env;
use std::io::Write as _;
use std::process::ExitCode;

use evenkeel_sim::origin;

use crate::floods::FLOOD_ROWS;
use crate::ground::Ground;
use crate::matrix::{ROWS, Row, When};
use crate::pair::PAIR_ROWS;
use crate::service::SERVICE_ROWS;
use crate::slow::SLOW_ROWS;
use crate::subject::Kind;
use crate::table::Outcome;
use crate::trial::Trial;

const USAGE: &str =
    "usage: faults [--short] [--only NAME] [--records N] [--against nginx|haproxy] [--list]";

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    short: bool,
    list: bool,
    only: Option<String>,
    /// How many the row `million` sends.
    records: Option<u64>,
    against: Kind,
}

/// Those that happen to the same ground.
fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(FLOOD_ROWS)
}

/// Those that bring their own ground.
fn trials() -> impl Iterator<Item = &'static Trial> {
    SLOW_ROWS.iter().chain(PAIR_ROWS).chain(SERVICE_ROWS)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [verb, name, address] = arguments.as_slice()
        && verb == origin::VERB
        && let Ok(address) = address.parse()
    {
        origin::serve(name, address);
        return ExitCode::SUCCESS;
    }
    match Options::parse(&arguments) {
        Ok(options) if options.list => list(),
        Ok(options) => run(&options),
        Err(reason) => {
            say(&format!("{reason}\n{USAGE}"));
            ExitCode::from(2)
        }
    }
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--short" => options.short = true,
                "--list" => options.list = true,
                "--only" => options.only = Some(value()?.clone()),
                "--records" => {
                    let wanted = value()?.parse().ok().filter(|count| *count > 0);
                    options.records = Some(wanted.ok_or("--records wants a number")?);
                }
                "--against" => options.against = value()?.parse()?,
                _ => return Err(format!("unknown: {word}")),
            }
        }
        let known = |name: &String| {
            let names = rows().map(|row| row.name);
            names.chain(trials().map(|row| row.name)).any(|known| known == name)
        };
        match &options.only {
            Some(name) if !known(name) => Err(format!("no fault is called {name}; see --list")),
            _ => Ok(options),
        }
    }
}

fn list() -> ExitCode {
    for row in rows() {
        say(&format!("{:22} {}", row.name, row.fault));
    }
    for row in trials() {
        say(&format!("{:22} {}", row.name, row.fault));
    }
    ExitCode::SUCCESS
}

fn run(options: &Options) -> ExitCode {
    let alone = isolation::enter();
    let chosen = rows().filter(|row| match (&options.only, row.when) {
        (Some(name), _) => row.name == name,
        (None, When::Always) => true,
        (None, When::InFull) => !options.short,
        (None, When::Named) => false,
    });
    let (mut kept, mut broken, mut skipped) = (0, 0, 0);
    say(&table::heading());
    for row in chosen {
        let outcome = attempt(row, options, alone.as_deref());
        match &outcome {
            Outcome::Tried { broken: promises, .. } if promises.is_empty() => kept += 1,
            Outcome::Tried { .. } => broken += 1,
            Outcome::Skipped(_) => skipped += 1,
        }
        say(&table::line(row, &outcome));
    }
    let trials = trials().filter(|row| match &options.only {
        Some(name) => row.name == name,
        // They are about nobody else.
        None => options.against == Kind::default() && (row.in_short || !options.short),
    });
    for row in trials {
        let tried = (row.run)(options);
        match &tried {
            Ok((_, broken)) if broken.is_empty() => kept += 1,
            Ok(_) => broken += 1,
            Err(_) => skipped += 1,
        }
        say(&table::trial_line(row, &tried));
    }
    say(&format!("{kept} passed, {broken} failed, {skipped} skipped"));
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn attempt(row: &Row, options: &Options, not_alone: Option<&str>) -> Outcome {
    if let (true, Some(why)) = (row.needs_isolation, not_alone) {
        return Outcome::Skipped(why.to_owned());
    }
    match Ground::prepare(row, options.against, options.short) {
        Ok(mut ground) => ground.try_out(row).unwrap_or_else(Outcome::Skipped),
        Err(why) => Outcome::Skipped(why),
    }
}

/// One line for the person at the terminal; a closed pipe ends the talking, not the work.
fn say(line: &str) {
    // Nobody is left to be told.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
