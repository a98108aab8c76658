//! What can be written behind `evenkeel bench`.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::report::MaxErrors;
use super::target::Http;
use crate::args::Target;

/// More share one window and one loss of a segment: servers allow fewer.
const MOST_STREAMS: u32 = 256;

/// A process has so many ports towards one address, about.
const MOST_CONNECTIONS: u32 = 20_000;

/// Put load on a service, at a rate that does not depend on how it answers
///
/// Each request leaves when it is due, whether or not earlier ones were answered, and its latency
/// counts from then: a service that stalls is not spared the requests that a slow tester would not
/// have sent. What is late because this program was late is said so. Ctrl-C ends early, with what
/// there is so far.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Exit codes: 0 done; 1 the target cannot be reached, or a limit was not held; 2 usage.\n\
                  Example: evenkeel bench https://shop.example/ --rate 10..500 --duration 30s --html shop.html"
)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) other: Option<Other>,
    /// What is asked for: http://HOST:PORT/PATH, or https
    #[arg(required = true)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Other {
    Compare(Box<Compare>),
    Server(Server),
    Tied(Tied),
}

/// Show what a second server is worth: one, two, and two of which one dies
///
/// Without arguments it starts two small servers and a balancer of its own on this machine, puts the
/// same load on one server and on both, and kills one of two half-way, at a rate that the other can
/// bear alone. Shows the three side by side, with the scaling efficiency. With --to or with --one
/// and --two it does the same with real servers, and kills none of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  evenkeel bench compare\n  \
    evenkeel bench compare --to 10.0.0.21:8000,10.0.0.22:8000 --rate 50..2000\n  \
    evenkeel bench compare --one http://10.0.0.21:8000/ --two http://lb.example/ --rate 50..2000 \
    --maint app/10.0.0.22:8000 --admin http://10.0.0.5:7070")]
pub(crate) struct Compare {
    /// Two servers; a balancer of its own is put before them, and takes one out half-way
    #[arg(long, value_name = "HOST:PORT,HOST:PORT", value_delimiter = ',', num_args = 1,
          requires = "rate", conflicts_with_all = ["one", "two"])]
    pub(crate) to: Option<Vec<String>>,
    /// What is asked of them
    #[arg(long, default_value = "/", requires = "to")]
    pub(crate) path: String,
    /// Where one server answers
    #[arg(long, value_name = "URL", requires_all = ["two", "rate"])]
    pub(crate) one: Option<String>,
    /// Where two servers answer
    #[arg(long, value_name = "URL", requires = "one")]
    pub(crate) two: Option<String>,
    /// Take this one of the two out half-way, through the API of the balancer before them
    #[arg(long, value_name = "POOL/SERVER", requires = "two",
          value_parser = crate::args::pool_and_server)]
    pub(crate) maint: Option<(String, String)>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Requests a second, from few to more than two servers can take [default: 50..1000]
    #[arg(long, value_name = "A..B", value_parser = rate)]
    pub(crate) rate: Option<(f64, f64)>,
    /// For how long each of the three gets load
    #[arg(long, value_name = "DURATION", default_value = "9s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// From A to B in so many levels
    #[arg(long, value_name = "N", default_value = "9")]
    pub(crate) steps: NonZeroU32,
    #[command(flatten)]
    pub(crate) means: Means,
    #[command(flatten)]
    pub(crate) output: Output,
    /// The most requests that may fail while one of two dies: a number, or a share such as 0.1%
    #[arg(long, value_name = "N|SHARE%", value_parser = max_errors)]
    pub(crate) max_errors: Option<MaxErrors>,
}

/// A server that `compare` measures when it is given none
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Server {
    /// Requests it works on at once; others wait
    #[arg(long, default_value = "8")]
    pub(crate) concurrency: NonZeroU32,
    /// How long it works on each
    #[arg(long, default_value = "20ms", value_parser = duration)]
    pub(crate) service_time: Duration,
}

/// This program with other arguments, which ends when the process that started it does
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Tied {
    /// The process that started it
    pub(crate) parent: i32,
    /// The arguments
    #[arg(last = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// How much is asked, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// Requests a second: the same all the time, or from the first to the second
    #[arg(long, value_name = "A[..B]", default_value = "100", value_parser = rate)]
    pub(crate) rate: (f64, f64),
    /// For how long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Go from A to B in so many levels instead of evenly
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<NonZeroU32>,
    #[command(flatten)]
    pub(crate) means: Means,
}

/// What is asked, and with what.
#[derive(Debug, clap::Args)]
pub(crate) struct Means {
    /// The most connections at once; they are made as they are needed
    #[arg(long, value_name = "N", default_value = "64",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_CONNECTIONS)))]
    pub(crate) connections: u32,
    /// How long after it was due a request may be answered
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = patience)]
    pub(crate) timeout: Duration,
    /// Threads of this program [default: one for each 10,000 requests a second, at most one a core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroU32>,
    #[command(flatten)]
    pub(crate) request: Request,
}

/// What is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// The method of each request
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// A header of each request; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The body of each request, or the file it is in
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) body: Option<String>,
    /// Make a connection for each request
    #[arg(long)]
    pub(crate) no_keep_alive: bool,
    /// Speak this HTTP [default: with https what the server prefers, else 1.1]
    #[arg(long, value_name = "VERSION")]
    pub(crate) http: Option<Http>,
    /// The most requests at once on a connection of HTTP/2
    #[arg(long, value_name = "N", default_value = "16",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_STREAMS)))]
    pub(crate) streams: u32,
    /// Do not ask whose certificate it is
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Who may have signed its certificate, as PEM [default: whom this machine trusts]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,
}

/// How results are shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Output {
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a page with curves, which needs nothing beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// What has to hold; else the exit code is 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Limits {
    /// The most requests that may fail: a number, or a share such as 0.1%
    #[arg(long, value_name = "N|SHARE%", value_parser = max_errors)]
    pub(crate) max_errors: Option<MaxErrors>,
    /// The longest that 99 of 100 requests may take
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) max_p99: Option<Duration>,
}

fn rate(written: &str) -> Result<(f64, f64), String> {
    let number = |text: &str| text.replace('_', "").parse().ok().filter(|rate: &f64| *rate > 0.0);
    let both = match written.split_once("..") {
        Some((from, to)) => number(from).zip(number(to)),
        None => number(written).map(|rate| (rate, rate)),
    };
    both.ok_or_else(|| "requests a second, such as 200 or 50..500".to_owned())
}

fn max_errors(written: &str) -> Result<MaxErrors, String> {
    let parsed = match written.strip_suffix('%') {
        Some(share) => {
            let share = share.parse().ok().filter(|share| (0.0..=100.0).contains(share));
            share.map(|share: f64| MaxErrors::Share(share / 100.0))
        }
        None => written.parse().ok().map(MaxErrors::Count),
    };
    parsed.ok_or_else(|| "a number of requests, or a share such as 0.1%".to_owned())
}

/// A whole number with its unit.
pub(crate) fn duration(written: &str) -> Result<Duration, String> {
    let number = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let milliseconds = match &written[number.len()..] {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok().filter(|number| *number > 0);
    let product = number.zip(milliseconds).and_then(|(number, unit)| number.checked_mul(unit));
    let product = product.map(Duration::from_millis);
    product.ok_or_else(|| "a whole number and one of ms, s, m, h, such as 30s".to_owned())
}

/// Long enough for whatever a person waits for.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(5);

pub(crate) fn patience(written: &str) -> Result<Duration, String> {
    let limit = Err("at most 5m".to_owned());
    duration(written).and_then(|it| if it <= LONGEST_TIMEOUT { Ok(it) } else { limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_one_or_two_numbers() {
        for (written, expected) in
            [("200", (200.0, 200.0)), ("1..2.5", (1.0, 2.5)), ("1_000", (1e3, 1e3))]
        {
            assert_eq!(rate(written), Ok(expected), "{written}");
        }
        for bad in ["", "0", "..", "1..", "-1", "a", "NaN", "1..0"] {
            rate(bad).expect_err(bad);
        }
    }

    #[test]
    fn failures_are_limited_by_number_or_share() {
        assert_eq!(max_errors("5"), Ok(MaxErrors::Count(5)));
        assert_eq!(max_errors("50%"), Ok(MaxErrors::Share(0.5)));
        for bad in ["", "%", "101%", "-1", "NaN%"] {
            max_errors(bad).expect_err(bad);
        }
    }

    #[test]
    fn durations_have_a_unit_and_time_outs_an_end() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(patience("5m"), Ok(Duration::from_mins(5)));
        patience("6m").expect_err("too long");
        for bad in ["", "5", "1.5s", "0s", "s", "99999999999999999h"] {
            duration(bad).expect_err(bad);
        }
    }
}
