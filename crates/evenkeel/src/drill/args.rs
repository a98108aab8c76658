//! What can be written behind `evenkeel drill`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use evenkeel_api::AdminState;

use crate::args::{Target, pool_and_server};
use crate::bench::args::{duration, patience};

/// Rehearse a failure on a running installation, and measure what clients notice
///
/// A server, or the owner of a virtual address, is taken out for a while and put back, while requests of
/// this program's own are made beside those of real clients. Whatever fails beyond a limit ends the
/// drill at once. The node puts everything back by itself when it hears nothing of this program any
/// more.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 passed; 1 refused or aborted; 2 usage.\n\
    Examples: evenkeel drill server app/10.0.0.21:8000\n          \
    evenkeel drill vip main --away 30s --yes --html drill.html")]
pub(crate) struct Drill {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Take a server out of its pool, and put it back
    Server(DrillServer),
    /// Move a virtual address to the other node of the pair, and back
    Vip(DrillVip),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DrillServer {
    /// Which one, as `evenkeel status` shows it
    #[arg(value_name = "POOL/SERVER", value_parser = pool_and_server)]
    pub(crate) which: (String, String),
    /// How it is taken out
    #[arg(long, value_enum, default_value_t = Mode::Drain)]
    pub(crate) mode: Mode,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DrillVip {
    /// Which one, as `evenkeel status` shows it; said to the node that owns it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// No new requests but of clients that stick to it; checks go on
    Drain,
    /// Nothing at all; checks stop, so it has to pass some before it is used again
    Maint,
}

impl From<Mode> for AdminState {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Drain => Self::Drain,
            Mode::Maint => Self::Maint,
        }
    }
}

/// What both kinds are told.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// For how long it is away
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = away)]
    pub(crate) away: Duration,
    /// For how long all has to be well before, and is watched afterwards
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = patience)]
    pub(crate) calm: Duration,
    /// How long it may take until it is away, and until it is back
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = patience)]
    pub(crate) limit: Duration,
    /// The node puts everything back when it has heard nothing for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(2..=60))]
    pub(crate) lease: u64,
    /// Why, for those who look at the status
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// Who does it [default: $USER]
    #[arg(long, env = "USER", default_value = "", hide_default_value = true, hide_env = true)]
    pub(crate) author: String,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report as a page, which needs nothing beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) probes: Probes,
    #[command(flatten)]
    pub(crate) rails: Rails,
}

/// Requests of its own.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Probes")]
pub(crate) struct Probes {
    /// What is asked: http://, https://, tcp:// or tls://HOST:PORT; any number [default: each listener
    /// that leads there]
    #[arg(long = "probe", value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// How often a second each of them is asked
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) rate: u32,
    /// How long an answer may take
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = timeout)]
    pub(crate) timeout: Duration,
}

/// When it is ended, and everything put back.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Limits; beyond one of them everything is put back")]
pub(crate) struct Rails {
    /// The most probes that may fail
    #[arg(long = "max-failed", value_name = "N", default_value_t = 3)]
    pub(crate) failed: u64,
    /// The most requests of real clients that may fail, as the node counts them
    #[arg(long = "max-errors", value_name = "N", default_value_t = 10)]
    pub(crate) errors: u64,
    /// The longest time without a good probe
    #[arg(long = "max-gap", value_name = "DURATION", default_value = "5s", value_parser = patience)]
    pub(crate) gap: Duration,
}

/// What the node takes.
const LONGEST_AWAY: Duration = Duration::from_hours(1);

/// As many probes at once as this allows wait for an answer.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

fn away(written: &str) -> Result<Duration, String> {
    at_most(duration(written)?, LONGEST_AWAY, "1h")
}

fn timeout(written: &str) -> Result<Duration, String> {
    at_most(duration(written)?, LONGEST_TIMEOUT, "30s")
}

fn at_most(given: Duration, most: Duration, words: &str) -> Result<Duration, String> {
    if given <= most { Ok(given) } else { Err(format!("at most {words}")) }
}
