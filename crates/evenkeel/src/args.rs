//! What can be written on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Load balancer that keeps a service up: TCP, TLS and HTTP over any number of servers.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Check(Check),
}

/// Find every fault of a configuration file
///
/// Prints each fault with its place, the text underlined, and what to write instead. Exits with 0
/// when the file is valid, with 1 when it is not.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "evenkeel.toml")]
    pub(crate) config: PathBuf,
}
