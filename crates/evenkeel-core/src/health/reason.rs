//! Verdicts in words.

use std::fmt;
use std::time::Duration;

use super::Words;
use crate::fault::Fault;
use crate::outlier::Evidence;
use crate::verdict::Name;

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
    /// What the server says lacks the expected text. With the first line of it.
    Unexpected(Words),
    /// The TLS handshake failed, or the certificate is not trusted.
    Handshake(Words),
    /// The certificate has been out of date for so many days.
    Expired { days: u32 },
    /// In the words of a program, an agent or a gRPC service.
    Said(Words),
    /// A program that checks could not be run.
    NotRun(Words),
    /// The answer to a deep check is not a state of health.
    NotHealth,
    /// By its own account the server lacks this, which its peers have.
    Lacks(Name),
    /// This node has no file descriptor, port or memory left: says nothing about the server.
    Exhausted,
}

/// What traffic holds against a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Requests have failed in a row.
    Row { requests: u32, last: Fault },
    /// It fails more often than its peers.
    Rate(Evidence),
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
    /// Traffic has taken it down. `held`: how long passing checks do not count.
    Ejected { charge: Charge, held: Option<Duration> },
    /// Traffic would have, but as many servers of its pool are out as may be.
    Spared(Charge),
    /// It was spared, and has answered since.
    Answers,
    /// Its agent says that it is down, whatever checks say. In the agent's words.
    AgentDown(Words),
    /// Its agent has said so and does no longer.
    AgentUp,
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
            Self::Unexpected(words) if words.as_str().is_empty() => "the expected text is missing",
            Self::Unexpected(words) => {
                return write!(f, "the expected text is missing; it says \"{words}\"");
            }
            Self::Handshake(words) => return write!(f, "TLS handshake failed: {words}"),
            Self::Expired { days } => return write!(f, "certificate expired {days} days ago"),
            Self::Said(words) => return write!(f, "\"{words}\""),
            Self::NotRun(words) => return write!(f, "the check's program cannot be run: {words}"),
            Self::NotHealth => "answered with something that is not a state of health",
            Self::Lacks(name) => return write!(f, "`{name}` is down for this server alone"),
            Self::Exhausted => "this node has no file descriptor, port or memory left",
        })
    }
}

impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { requests, last } => {
                write!(f, "{requests} requests in a row failed: {last}")
            }
            Self::Rate(Evidence { tally, peers_permille, deviation_permille }) => write!(
                f,
                "{} of {} requests failed, {} against {} of its peers (deviation {})",
                tally.failures,
                tally.requests,
                Percent(tally.permille()),
                Percent(*peers_permille),
                Percent(*deviation_permille),
            ),
        }
    }
}

/// In seconds, if it is one.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis @ 0..1_000 => write!(f, "{millis} ms"),
            millis => write!(f, "{} s", millis / 1_000),
        }
    }
}

/// Thousandths, shown as percent.
struct Percent(u16);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} %", self.0 / 10, self.0 % 10)
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
            Self::Ejected { charge, held } => {
                write!(f, "{charge}")?;
                held.map_or(Ok(()), |held| write!(f, "; out for {}", Span(held)))
            }
            Self::Spared(charge) => write!(f, "{charge}; kept: enough of the pool are out"),
            Self::Answers => f.write_str("answers again"),
            Self::AgentDown(words) if words.as_str().is_empty() => {
                f.write_str("its agent says that it is down")
            }
            Self::AgentDown(words) => write!(f, "its agent says that it is down: \"{words}\""),
            Self::AgentUp => f.write_str("its agent says no longer that it is down"),
            Self::HoldOver { held } => write!(f, "another chance after {} out", Span(held)),
        }
    }
}
