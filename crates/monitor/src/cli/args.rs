//! What can be written on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::settings::FILE;

/// Monitoring service: devices send readings, people look at them
#[derive(Debug, Parser)]
#[command(name = "monitor", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done; 1 refused; 2 usage.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Comm(Comm),
    Device(Device),
    Register(Register),
    Shards(Shards),
}

/// Run a server for devices
///
/// Stays in the foreground. SIGTERM and SIGINT answer what is under way and stop.
#[derive(Debug, clap::Args)]
pub(crate) struct Comm {
    /// The settings file
    #[arg(short = 'c', long, value_name = "FILE", default_value = FILE)]
    pub(crate) settings: PathBuf,
    /// Where devices connect, instead of comm.bind
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<SocketAddr>,
    /// Where /health and /metrics are, instead of comm.admin
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,
}

/// Run simulated devices
///
/// Each goes on after what is stored of it and sends every reading until it is acknowledged.
/// Ends when all have sent --records, after --duration, or on SIGINT, and says how many readings
/// were sent, acknowledged and refused. 1 when some had no answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Device {
    /// Where comm is
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) to: String,
    /// Names and keys, as `monitor register` prints them
    #[arg(long, value_name = "FILE")]
    pub(crate) devices: PathBuf,
    /// Between two measurements of a device; 0s for as fast as they are acknowledged
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) interval: Duration,
    /// Readings of one measurement
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) burst: u32,
    /// Readings of each device
    #[arg(long, value_name = "N")]
    pub(crate) records: Option<u64>,
    /// How long they measure
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// How long they wait for the last acknowledgements
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) patience: Duration,
    /// Write the counts of every device here, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Register devices, each on the shard with the fewest
///
/// Prints a name and a key for each new device. Keys are not kept and cannot be shown again.
#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    /// The settings file
    #[arg(short = 'c', long, value_name = "FILE", default_value = FILE)]
    pub(crate) settings: PathBuf,
    /// Names of devices
    #[arg(value_name = "NAME", required_unless_present = "count")]
    pub(crate) names: Vec<String>,
    /// So many devices, named by --prefix and a number from 1
    #[arg(long, value_name = "N", conflicts_with = "names")]
    pub(crate) count: Option<usize>,
    /// What comes before the number
    #[arg(long, value_name = "TEXT", default_value = "device-")]
    pub(crate) prefix: String,
}

/// Show what is stored on each shard
#[derive(Debug, clap::Args)]
pub(crate) struct Shards {
    /// The settings file
    #[arg(short = 'c', long, value_name = "FILE", default_value = FILE)]
    pub(crate) settings: PathBuf,
    /// As JSON, with every device
    #[arg(long)]
    pub(crate) json: bool,
}
