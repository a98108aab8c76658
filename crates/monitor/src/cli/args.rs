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
    Init(Init),
    Comm(Comm),
    Web(Web),
    Device(Device),
    Register(Register),
    User(User),
    Shards(Shards),
    Backup(Backup),
    Restore(Restore),
    Clone(CloneTo),
}

/// Which settings.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingsFile {
    /// The settings file
    #[arg(short = 'c', long, value_name = "FILE", default_value = FILE)]
    pub(crate) settings: PathBuf,
}

/// Run a server for devices
///
/// Stays in the foreground. SIGTERM and SIGINT answer what is under way and stop.
#[derive(Debug, clap::Args)]
pub(crate) struct Comm {
    #[command(flatten)]
    pub(crate) file: SettingsFile,
    /// Where devices connect, instead of comm.bind
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<SocketAddr>,
    /// Where /health and /metrics are, instead of comm.admin
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,
}

/// Write settings for three shards in files, and a certificate for the site
///
/// The certificate is signed by its own key: browsers warn of it. What is there already stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// The folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// A name or address that the certificate is for, beside localhost
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
}

/// Run a server for people
///
/// Stays in the foreground. SIGTERM and SIGINT finish what is under way and stop.
#[derive(Debug, clap::Args)]
pub(crate) struct Web {
    #[command(flatten)]
    pub(crate) file: SettingsFile,
    /// Where browsers connect, instead of web.bind
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<SocketAddr>,
    /// Where /health and /metrics are, instead of web.admin
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,
    /// Which server this is, at the foot of every page, instead of web.name
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// Users of the site
#[derive(Debug, clap::Args)]
pub(crate) struct User {
    /// The settings file
    #[arg(short = 'c', long, value_name = "FILE", default_value = FILE, global = true)]
    pub(crate) settings: PathBuf,
    #[command(subcommand)]
    pub(crate) action: UserAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserAction {
    /// Set the password of a user, who is made if not there: the first line of stdin
    Set {
        /// 1 to 64 letters, digits, `.`, `_` or `-`
        name: String,
        /// Make a password and print it
        #[arg(long)]
        generate: bool,
    },
    /// Remove a user, and log them out
    Remove {
        /// The user
        name: String,
    },
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
    /// Say how far they are each so long, as a line of JSON on stdout
    #[arg(long, value_name = "INTERVAL", value_parser = interval)]
    pub(crate) progress: Option<Duration>,
    /// Write the counts of every device here, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Register devices, each on the shard with the fewest
///
/// Prints a name and a key for each new device. Keys are not kept and cannot be shown again.
#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    #[command(flatten)]
    pub(crate) file: SettingsFile,
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
    #[command(flatten)]
    pub(crate) file: SettingsFile,
    /// As JSON, with every device
    #[arg(long)]
    pub(crate) json: bool,
}

/// Copy every shard, and read the copies back
///
/// Each copy is of one moment, taken from the replica where one follows. It is a file that can be
/// restored into any kind of shard. Sessions are not copied; keys and passwords are, as digests.
#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) file: SettingsFile,
    /// Where backups are, each in a folder of its own
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Whole backups that stay, with this one
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) keep: usize,
}

/// Fill empty shards from a backup
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The settings file, with as many shards as the backup has
    #[arg(short = 'c', long, value_name = "FILE", default_value = FILE)]
    pub(crate) settings: PathBuf,
    /// The folder of one backup
    #[arg(value_name = "FOLDER")]
    pub(crate) backup: PathBuf,
}

/// Write all that a further server needs into a folder: program, settings, certificate
#[derive(Debug, clap::Args)]
pub(crate) struct CloneTo {
    #[command(flatten)]
    pub(crate) file: SettingsFile,
    /// A folder that is not there yet
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

/// Of lines that nobody could read if there were more of them.
fn interval(written: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(10);
    match humantime::parse_duration(written) {
        Ok(interval) if interval >= LEAST => Ok(interval),
        Ok(_) => Err("10ms is the shortest".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
