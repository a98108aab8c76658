//! The program.
#![forbid(unsafe_code)]

mod args;
mod cli;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Verb};
use crate::cli::out;

/// Many small buffers of many connections on few threads: what it is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 0 done, 1 refused or found faults, 2 usage.
fn main() -> ExitCode {
    let Args { verb } = Args::parse();
    let done = match verb {
        Verb::Check(check) => cli::check::check(&check),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            out::complain(&format!("evenkeel: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
