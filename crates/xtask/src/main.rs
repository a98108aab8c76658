//! The project's own commands: what the tests need, the tests, the rules of the house, the benchmark.
#![forbid(unsafe_code)]

mod bench;
mod clock;
mod command;
mod out;
mod setup;
mod suite;
mod tally;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Everything a contributor runs, besides cargo itself.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what the tests need (as root on Debian), or say what is missing
    Setup,
    /// Setup, tidy, every test, the short fault matrix; ends with the count
    Test,
    /// The fault matrix: what goes wrong under load, and what was promised
    Faults {
        /// Passed on: --short, --only NAME, --records N, --against nginx|haproxy, --list
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The rules of the house: arrows, unsafe, lengths, fmt, clippy, licences, the API description
    Tidy,
    /// CPU time per request of this build, of nginx and of haproxy, side by side
    Bench(bench::Options),
}

fn main() -> ExitCode {
    match perform(Cli::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            out::complain(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether the task found nothing wrong.
fn perform(task: Task) -> Result<bool> {
    let root = workspace_root();
    match task {
        Task::Setup => setup::run(root).map(|()| true),
        Task::Test => Ok(suite::run(root)),
        Task::Faults { arguments } => suite::faults(root, &arguments),
        Task::Tidy => {
            let tally = tidy::run(root)?;
            out::say(&tally.summary());
            Ok(tally.is_clean())
        }
        Task::Bench(options) => bench::run(root, &options).map(|()| true),
    }
}

/// The checkout this xtask was built from.
fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("xtask lives in crates/xtask of the workspace")
}
