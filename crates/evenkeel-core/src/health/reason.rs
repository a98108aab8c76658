//! Verdicts in words.

use std::fmt;
use std::time::Duration;

use crate::fault::Fault;

/// How a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckFailure {
    /// The server refused the connection.
    Refused,
    /// The network has no way to the server.
    Unreachable,
    /// The check was not finished in time.
    Timeout,
    /// The connection ended before an answer.
    Reset,
    /// The answer has a status that is not among those expected.
    Status(u16),
    /// The answer is not HTTP.
    NotHttp,
    /// This node has no file descriptor, port or memory left: says nothing about the server.
    Exhausted,
}

/// Why a server is thought to be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No check has ended yet.
    NotYetChecked,
    /// There is no check, and traffic has not objected.
    NoCheck,
    /// Checks have passed in a row.
    Passed { passes: u32, needed: u32 },
    /// A check has passed before enough had failed.
    Recovered { failed: u32 },
    /// Checks, and connections of traffic, have failed in a row.
    Failed { checks: u32, connects: u32, needed: u32, last: CheckFailure },
    /// A check has failed before enough had passed.
    Relapsed { passes: u32, last: CheckFailure },
    /// Requests have failed in a row. `held`: how long passing checks do not count.
    Ejected { requests: u32, last: Fault, held: Option<Duration> },
    /// It was ejected, has no check, and gets another chance.
    HoldOver { held: Duration },
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "no way to the server",
            Self::Timeout => "timed out",
            Self::Reset => "connection closed before an answer",
            Self::Status(status) => return write!(f, "answered with status {status}"),
            Self::NotHttp => "answered with something that is not HTTP",
            Self::Exhausted => "this node has no file descriptor, port or memory left",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotYetChecked => f.write_str("not checked yet"),
            Self::NoCheck => f.write_str("not checked, no failures"),
            Self::Passed { passes, needed } => write!(f, "{passes} of {needed} checks passed"),
            Self::Recovered { failed } => write!(f, "check passed after {failed} failed"),
            Self::Failed { checks, connects, needed, last } => {
                let tried = match (checks, connects) {
                    (_, 0) => "checks",
                    (0, _) => "connections",
                    (_, _) => "checks and connections",
                };
                write!(f, "{} of {needed} {tried} failed: {last}", checks + connects)
            }
            Self::Relapsed { passes, last } => {
                write!(f, "check failed after {passes} passed: {last}")
            }
            Self::Ejected { requests, last, held } => {
                write!(f, "{requests} requests in a row failed: {last}")?;
                held.map_or(Ok(()), |held| write!(f, "; out for {held:.0?}"))
            }
            Self::HoldOver { held } => write!(f, "another chance after {held:.0?} out"),
        }
    }
}
