//! What can be written on the command line.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use crate::bench::args::Bench;
pub(crate) use crate::drill::args::Drill;

/// Load balancer that keeps a service up: TCP, TLS and HTTP over any number of servers
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done; 1 refused, or faults were found; 2 usage.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Run(Run),
    Serve(Serve),
    Demo(Demo),
    Check(Check),
    Status(Status),
    Top(Top),
    Explain(Explain),
    Why(AskWhy),
    Server(Server),
    Vip(Vip),
    Pair(Pair),
    Reload(Reload),
    Apply(Apply),
    Upgrade(Upgrade),
    Drill(Box<Drill>),
    Bench(Box<Bench>),
    Completions(Completions),
    Man(Man),
}

/// Start a node from a configuration file
///
/// Stays in the foreground. SIGHUP reads the file again, SIGUSR1 opens the access log again, SIGUSR2 starts the program anew and hands
/// over to it, SIGTERM and SIGINT finish what runs and stop, a second one stops at once. What
/// happens is told on stderr.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "evenkeel.toml")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) node: NodeFlags,
}

/// Start a node without a file: one listener, one pool
///
/// Checks the servers with a TCP connection every two seconds. Without --admin-bind, the admin
/// address is 127.0.0.1:7070, or a free port when that one is taken.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: evenkeel serve --listen 8080 --to 10.0.0.1:80,10.0.0.2:80")]
pub(crate) struct Serve {
    /// Where to listen: a port, or an address with a port
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub(crate) listen: String,
    /// The servers, with commas between them
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', required = true)]
    pub(crate) to: Vec<String>,
    /// What is spoken
    #[arg(long, value_enum, default_value_t = Mode::Http)]
    pub(crate) mode: Mode,
    #[command(flatten)]
    pub(crate) node: NodeFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// HTTP/1.1, request by request
    Http,
    /// Bytes, connection by connection
    Tcp,
    /// TLS, passed through unopened
    Tls,
}

/// Flags that stand above the file.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeFlags {
    /// Where the admin API listens, instead of what the file says
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin_bind: Option<SocketAddr>,
    /// How many engine threads, instead of one for each core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// How events are written to stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line to read
    Human,
    /// A JSON object in each line
    Json,
}

/// Run a whole service on this machine, with a page to look at, and break it
///
/// Two balancers with a virtual address, servers, a database and devices that send readings, each a
/// process of its own in networks of their own: nothing of it is seen by the machine's neighbours.
/// Ctrl-C ends it and leaves nothing behind. From another terminal, kill, stop, start and load break
/// and mend it.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples: evenkeel demo\n          evenkeel demo kill cs0\n          evenkeel demo --drill --html drill.html"
)]
pub(crate) struct Demo {
    #[command(subcommand)]
    pub(crate) order: Option<DemoOrder>,
    /// Break and mend everybody in turn, count what came of it, and end; 0 when nothing was lost
    #[arg(long)]
    pub(crate) drill: bool,
    /// Write the report of the drill here, as JSON
    #[arg(long, value_name = "FILE", requires = "drill")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report of the drill here, as a page
    #[arg(long, value_name = "FILE", requires = "drill")]
    pub(crate) html: Option<PathBuf>,
    #[arg(
        long,
        value_name = "KIND",
        default_value = "sqlite",
        help = "Where shards are: in files, or in MariaDB servers of its own, each with a replica"
    )]
    pub(crate) db: DemoDb,
    /// Keep sessions in nodes of Redis, each with a replica, in place of the shards
    #[arg(long)]
    pub(crate) redis: bool,
    /// Without networks of its own: loopback addresses, and no virtual address
    #[arg(long)]
    pub(crate) loopback: bool,
}

/// What the shards of a demo are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DemoDb {
    Sqlite,
    Mariadb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoOrder {
    /// End somebody without a warning
    Kill(Who),
    /// End somebody in order; a shard in a file is switched off
    Stop(Who),
    /// Start somebody again
    Start(Who),
    /// Give somebody more work than it can do, for ten seconds
    Load(Who),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Who {
    /// Such as cs0, ws1, lb0, db2, as the demo shows them
    pub(crate) name: String,
}

/// Find every fault of a configuration file
///
/// Prints each fault with its place, the text underlined, and what to write instead. Exits with 0
/// when the file is valid and with 1 when it is not. Nothing is started, and no host name is looked up.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "evenkeel.toml")]
    pub(crate) config: PathBuf,
    /// Print the findings as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show listeners, pools and servers, with state, reason and since when
///
/// Of a single server it shows also what its verdict stands on, and how it has come to that.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Only this pool, or only this server
    #[arg(value_name = "POOL[/SERVER]")]
    pub(crate) which: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the document of the API
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say what a running node would do with a request, and why
///
/// Which listener, certificate, route, pool and server, and what speaks against the others. Nothing
/// is sent, and the next request finds everything as it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: evenkeel explain GET https://shop.example/x -H 'Cookie: srv=a'")]
pub(crate) struct Explain {
    /// The method, unless it is GET, and the URL
    #[arg(value_name = "[METHOD] URL", required = true, num_args = 1..=2)]
    pub(crate) what: Vec<String>,
    /// A header of the request; any number
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// The client's address [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<IpAddr>,
    /// The listener it comes to, where the URL does not say
    #[arg(long, value_name = "NAME")]
    pub(crate) listener: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the document of the API
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say why requests failed, were slow, or a server is what it is
///
/// From what a running node remembers of the last hour: every state change, and every exchange that
/// failed or was slow. The answer comes with the lines that prove it; times are in UTC.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples: evenkeel why 503 --last 5m\n          evenkeel why slow\n          evenkeel why server app/10.0.0.21:8000"
)]
pub(crate) struct AskWhy {
    /// A status (503), a termination code (SC), `slow`, or `server`
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,
    /// Which server
    #[arg(value_name = "POOL/SERVER")]
    pub(crate) which: Option<String>,
    /// How far to look back, at most 1h
    #[arg(long, value_name = "DURATION", value_parser = seconds, default_value = "15m")]
    pub(crate) last: u64,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the document of the API
    #[arg(long)]
    pub(crate) json: bool,
}

/// Change the servers of a running node
///
/// What is said here stands over the file until it expires, somebody says otherwise, or the file
/// says something new about the same thing. It is kept over reloads and restarts.
#[derive(Debug, clap::Args)]
pub(crate) struct Server {
    #[command(subcommand)]
    pub(crate) deed: Deed,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Deed {
    /// Have it take requests as its health allows
    Ready(SetState),
    /// No new requests for it; running ones finish; checks go on
    Drain(SetState),
    /// Nothing for it; checks stop
    Maint(SetState),
    /// Add a server to a pool, or take back that it was removed
    Add(AddServer),
    /// Remove a server from its pool; what runs on it finishes
    Remove(RemoveServer),
    /// Set a server's weight; that of the file takes it back
    Weight(SetWeight),
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetState {
    /// Which one, as `evenkeel status` shows it
    #[arg(value_name = "POOL/SERVER", value_parser = pool_and_server)]
    pub(crate) which: (String, String),
    /// Wait until it is so: nothing under way any more, or in use again
    #[arg(long)]
    pub(crate) wait: bool,
    /// Give up waiting after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", requires = "wait")]
    pub(crate) limit: NonZeroU64,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddServer {
    /// The pool
    pub(crate) pool: String,
    /// HOST:PORT, or the name of a service record such as _http._tcp.app.internal
    pub(crate) address: String,
    /// Its share of the traffic, 0 to 256
    #[arg(long, value_name = "N")]
    pub(crate) weight: Option<u16>,
    /// What it is called [default: its address]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Use it only when no other server of the pool can be
    #[arg(long)]
    pub(crate) backup: bool,
    /// The zone it is in
    #[arg(long)]
    pub(crate) zone: Option<String>,
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveServer {
    /// Which one, as `evenkeel status` shows it
    #[arg(value_name = "POOL/SERVER", value_parser = pool_and_server)]
    pub(crate) which: (String, String),
    #[command(flatten)]
    pub(crate) why: Why,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetWeight {
    /// Which one, as `evenkeel status` shows it
    #[arg(value_name = "POOL/SERVER", value_parser = pool_and_server)]
    pub(crate) which: (String, String),
    /// Its share of the traffic, 0 to 256
    pub(crate) weight: u16,
    #[command(flatten)]
    pub(crate) why: Why,
}

/// What every change comes with.
#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// Why, for those who look at the status
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// Who does it [default: $USER]
    #[arg(long, env = "USER", default_value = "", hide_default_value = true, hide_env = true)]
    pub(crate) author: String,
    /// For how long it holds, such as 30m, 1h or 2d [default: for good]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub(crate) expires: Option<u64>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the document of the API
    #[arg(long)]
    pub(crate) json: bool,
}

/// Move a virtual address from one node to another
///
/// Said to the node that owns it.
#[derive(Debug, clap::Args)]
pub(crate) struct Vip {
    #[command(subcommand)]
    pub(crate) deed: VipDeed,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VipDeed {
    /// Have another node own it; if none takes it, this one keeps it
    Move(MoveVip),
    /// Let this node have it again, if it is configured to preempt
    Resume(ResumeVip),
}

#[derive(Debug, clap::Args)]
pub(crate) struct MoveVip {
    /// Which one, as `evenkeel status` shows it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Wait until another node owns it
    #[arg(long)]
    pub(crate) wait: bool,
    /// Give up waiting after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", requires = "wait")]
    pub(crate) limit: NonZeroU64,
    #[command(flatten)]
    pub(crate) why: VipWhy,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ResumeVip {
    /// Which one, as `evenkeel status` shows it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) why: VipWhy,
}

/// What a change of a virtual address comes with.
#[derive(Debug, clap::Args)]
pub(crate) struct VipWhy {
    /// Why, for those who read the events
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// Who does it [default: $USER]
    #[arg(long, env = "USER", default_value = "", hide_default_value = true, hide_env = true)]
    pub(crate) author: String,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the document of the API
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make two nodes a pair
///
/// The nodes of a pair know the same: what operators say on one holds on both. See docs/pair.md.
#[derive(Debug, clap::Args)]
pub(crate) struct Pair {
    #[command(subcommand)]
    pub(crate) deed: PairDeed,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PairDeed {
    /// Make the secret that both nodes share, to be copied to the other node
    Init(InitPair),
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitPair {
    /// The file to write, readable by this user only; one that is there is left as it is
    #[arg(long, value_name = "FILE", default_value = "pair.secret")]
    pub(crate) out: PathBuf,
}

/// Have a node read its configuration file again
///
/// On a fault everything stays as it was, and the fault is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Reload {
    /// On both nodes of the pair or on neither
    #[arg(long)]
    pub(crate) both: bool,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the document of the API
    #[arg(long)]
    pub(crate) json: bool,
}

/// Give a node another configuration, without its file
///
/// It lasts until the next reload, which goes back to the file. Relative paths in it start where the
/// node's own file is. On a fault everything stays as it was, and the fault is printed. The other node
/// of a pair gets it as well, with what is its own left as it is there.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "evenkeel.toml")]
    pub(crate) config: PathBuf,
    /// Only if this version is in force, as `evenkeel status` shows it
    #[arg(long, value_name = "VERSION")]
    pub(crate) replaces: Option<String>,
    /// On both nodes of the pair or on neither
    #[arg(long)]
    pub(crate) both: bool,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the document of the API
    #[arg(long)]
    pub(crate) json: bool,
}

/// Replace the running program by what is now in its place
///
/// The program is started anew, by the name and with the arguments it was started with, and gets the
/// listening sockets: nobody is refused meanwhile. The old process finishes what runs there. If the new
/// one does not come up, or ends within five seconds, the old one serves on.
#[derive(Debug, clap::Args)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the document of the API
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Print the manual page, of the program or of one verb
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Which verb; none for the program itself
    pub(crate) verb: Option<String>,
}

/// Watch a node live in the terminal, and drain or ready its servers by key
///
/// Needs 60 columns and 10 rows. Colours are only shown where `$NO_COLOR` is not set, and never say
/// anything alone. `?` lists the keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    /// Seconds between two looks
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=60)
    )]
    pub(crate) every: u8,
    /// Show only lines with these letters at first
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Who drains a server [default: $USER]
    #[arg(long, env = "USER", default_value = "", hide_default_value = true, hide_env = true)]
    pub(crate) author: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Which node to talk to.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// Where the node's admin API is
    #[arg(
        long,
        value_name = "URL",
        env = "EVENKEEL_ADMIN",
        hide_env_values = true,
        default_value = evenkeel_api::DEFAULT_URL
    )]
    pub(crate) admin: String,
    /// File with the node's token, when it asks for one; else it is in `$EVENKEEL_TOKEN`
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

pub(crate) fn pool_and_server(written: &str) -> Result<(String, String), String> {
    match written.split_once('/') {
        Some((pool, server)) if !pool.is_empty() && !server.is_empty() => {
            Ok((pool.to_owned(), server.to_owned()))
        }
        _ => Err("write POOL/SERVER, such as app/10.0.0.1:80".to_owned()),
    }
}

/// A whole number with its unit, in seconds.
fn seconds(written: &str) -> Result<u64, String> {
    let number = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &written[number.len()..] {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok().filter(|number| *number > 0);
    let product = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    product.ok_or_else(|| "a whole number and one of s, m, h, d, such as 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit() {
        for (written, expected) in [("90s", 90), ("30m", 1_800), ("1h", 3_600), ("2d", 172_800)] {
            assert_eq!(seconds(written), Ok(expected), "{written}");
        }
        for bad in ["", "h", "1", "0s", "1.5h", "-1s", "1x", "99999999999999999d", "1é"] {
            seconds(bad).expect_err(bad);
        }
    }

    #[test]
    fn servers_are_named_with_their_pool() {
        let app = ("app".to_owned(), "10.0.0.1:80".to_owned());
        assert_eq!(pool_and_server("app/10.0.0.1:80"), Ok(app));
        for bad in ["", "app", "app/", "/a"] {
            pool_and_server(bad).expect_err(bad);
        }
    }
}
