//! The program.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod cli;
mod clock;
mod demo;
mod drill;
mod page;
mod run;
mod serve;
mod top;

use std::env;
use std::process::ExitCode;

use clap::Parser as _;
use evenkeel_control::{GUARD_VERB, stand_guard};
use evenkeel_sys::try_network;

use crate::args::{Args, Verb};
use crate::cli::out;
use crate::demo::NETWORK_VERB;

/// 0 done, 1 refused or found faults, 2 usage.
fn main() -> ExitCode {
    let verb = env::args_os().nth(1).unwrap_or_default();
    if verb == GUARD_VERB {
        return guard();
    }
    if verb == NETWORK_VERB {
        return network();
    }
    let Args { verb } = Args::parse();
    let done = match verb {
        Verb::Run(args) => run::run(&args),
        Verb::Serve(args) => serve::serve(&args),
        Verb::Demo(args) => demo::demo(&args),
        Verb::Check(args) => cli::check::check(&args),
        Verb::Status(args) => cli::status::status(&args),
        Verb::Top(args) => top::top(&args),
        Verb::Explain(args) => cli::explain::explain(&args),
        Verb::Why(args) => cli::why::why(&args),
        Verb::Server(args) => cli::server::server(&args),
        Verb::Vip(args) => cli::vip::vip(&args),
        Verb::Pair(args) => cli::pair::pair(&args),
        Verb::Reload(args) => cli::reload::reload(&args),
        Verb::Apply(args) => cli::apply::apply(&args),
        Verb::Upgrade(args) => cli::upgrade::upgrade(&args),
        Verb::Drill(args) => drill::drill(&args),
        Verb::Bench(args) => bench::bench(&args),
        Verb::Completions(args) => Ok(cli::document::completions(&args)),
        Verb::Man(args) => cli::document::man(&args),
    };
    done.unwrap_or_else(|error| {
        out::complain(&format!("evenkeel: {error:#}"));
        ExitCode::FAILURE
    })
}

/// Not for people: the demo starts it to see whether it works ([`try_network`]).
fn network() -> ExitCode {
    match try_network() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Not for people: a node starts it beside itself ([`stand_guard`]).
fn guard() -> ExitCode {
    match stand_guard() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(&format!("evenkeel: the guard of a virtual address: {error}"));
            ExitCode::FAILURE
        }
    }
}
