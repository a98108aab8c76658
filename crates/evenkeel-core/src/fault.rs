//! What can go wrong with an exchange, and the one table from there to status, log level,
//! termination code and retry.

mod codes;

use std::fmt;

/// Why an exchange did not end as it should.
///
/// The status, the level of the log line, the termination code and whether another server may be
/// tried follow from this value alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The client's bytes are not a request this node accepts; the status says which rule.
    BadRequest(u16),
    /// The client's method is not on the listener's list: closed without an answer.
    MethodClosed,
    /// The client's address may not come here.
    Denied,
    /// The client, or all together, have come more often than a limit allows.
    RateLimited,
    /// The client has not shown who it is, or is not known.
    Unauthorized,
    /// The client's address holds as many connections as it may.
    SourceFull,
    /// The client left, or reset the connection, in this phase.
    ClientGone(Phase),
    /// The client sent or took nothing for too long in this phase.
    ClientTimeout(Phase),
    /// No route matches.
    NoRoute,
    /// The TLS connection was made for another host (RFC 9110 §15.5.20).
    Misdirected,
    /// The pool has no server that may be used.
    NoServer,
    /// Every server that could take the request is full, and so is the queue.
    QueueFull,
    /// No server had room in the time a request may wait.
    QueueTimeout,
    /// As much is under way in the pool, or at its server, as its breaker allows.
    BreakerOpen,
    /// This node has more to do than it can, and the route is not important enough.
    Shed,
    /// The server refused or reset the connection being made, or the network has no way to it.
    ConnectRefused,
    /// The connection was not made in time.
    ConnectTimeout,
    /// This node has no file descriptor, port or memory left for a connection.
    Exhausted,
    /// The server closed or reset before the first byte of its answer, on a new connection.
    ServerReset,
    /// The same on a connection that was reused: the server may have closed it before it saw the request.
    ServerResetReused,
    /// The TLS handshake with the server failed.
    ServerTls,
    /// The server gave the request back without having looked at it (RFC 9113 §8.7).
    NotProcessed,
    /// No first byte of an answer in time.
    ServerTimeout,
    /// The server's answer cannot be understood, or only in two ways.
    BadAnswer,
    /// The server closed, reset or broke framing within an answer already passed on.
    ServerCut,
    /// The server sent or took nothing for too long within an answer already passed on.
    ServerStalled,
    /// The exchange as a whole took longer than the pool allows.
    TotalTimeout,
    /// The same within an answer already passed on.
    TotalCut,
    /// Whoever called has waited as long as it said it would (`grpc-timeout`).
    DeadlineExceeded,
    /// A file, or the folder it is in, cannot be opened for a reason that is this machine's.
    FileUnreadable,
    /// A file became shorter, or could not be read to its end, within an answer already begun.
    FileCut,
    /// The node is stopping and the time to finish is over.
    Stopping,
    /// A defect of this program.
    Internal,
}

/// How far an exchange had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reading the request head or the `ClientHello`.
    Request,
    /// Making the connection to the server.
    Connect,
    /// Waiting for the head of the answer.
    Answer,
    /// Bodies or streams under way.
    Data,
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Client,
    Server,
    /// This node: its limits, its configuration, its defects.
    Node,
}

/// Whether a request that met this fault may be sent again, to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    Never,
    /// The server surely did not process the request.
    Always,
    /// The server may have processed the request: only if repeating it does no harm.
    IfIdempotent,
}

/// How loudly to speak of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Status of the answer this node makes; `None`: the connection is closed without one.
    pub status: Option<u16>,
    pub blame: Blame,
    pub again: Again,
    pub level: Level,
    /// `HAProxy`'s first two letters: who ended it, in which phase.
    pub code: &'static str,
}

impl Fault {
    /// A short word for a counter.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad-request",
            Self::MethodClosed => "method",
            Self::Denied => "denied",
            Self::RateLimited => "rate-limited",
            Self::Unauthorized => "unauthorized",
            Self::SourceFull => "source-full",
            Self::ClientGone(_) => "client-gone",
            Self::ClientTimeout(_) => "client-timeout",
            Self::NoRoute => "no-route",
            Self::Misdirected => "misdirected",
            Self::NoServer => "no-server",
            Self::QueueFull => "queue-full",
            Self::QueueTimeout => "queue-timeout",
            Self::BreakerOpen => "breaker-open",
            Self::Shed => "shed",
            Self::ConnectRefused => "connect-refused",
            Self::ConnectTimeout => "connect-timeout",
            Self::Exhausted => "exhausted",
            Self::ServerReset | Self::ServerResetReused => "server-reset",
            Self::ServerTls => "server-tls",
            Self::NotProcessed => "not-processed",
            Self::ServerTimeout => "server-timeout",
            Self::BadAnswer => "bad-answer",
            Self::ServerCut => "server-cut",
            Self::ServerStalled => "server-stalled",
            Self::TotalTimeout | Self::TotalCut => "total-timeout",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::FileUnreadable => "file-unreadable",
            Self::FileCut => "file-cut",
            Self::Stopping => "stopping",
            Self::Internal => "internal",
        }
    }

    /// The table.
    pub const fn verdict(self) -> Verdict {
        use Again::{Always, IfIdempotent, Never};
        use Blame::{Client, Node, Server};
        use Level::{Debug, Error, Info, Warn};
        match self {
            Self::BadRequest(status) => row(Some(status), Client, Never, Info, "PR"),
            Self::MethodClosed => row(None, Client, Never, Info, "PR"),
            Self::Denied => row(Some(403), Node, Never, Info, "PR"),
            Self::RateLimited => row(Some(429), Node, Never, Info, "PR"),
            Self::Unauthorized => row(Some(401), Node, Never, Info, "PR"),
            Self::SourceFull => row(None, Node, Never, Info, "PR"),
            Self::ClientGone(phase) => row(None, Client, Never, Debug, client_gone(phase)),
            Self::ClientTimeout(Phase::Request) => row(Some(408), Client, Never, Info, "cR"),
            Self::ClientTimeout(phase) => row(None, Client, Never, Info, client_timeout(phase)),
            Self::NoRoute => row(Some(404), Node, Never, Debug, "PR"),
            Self::Misdirected => row(Some(421), Client, Never, Info, "PR"),
            Self::NoServer => row(Some(503), Server, Never, Error, "SC"),
            Self::QueueFull => row(Some(503), Node, Never, Warn, "PQ"),
            Self::QueueTimeout => row(Some(503), Server, Never, Warn, "sQ"),
            Self::BreakerOpen => row(Some(503), Node, Never, Warn, "PC"),
            Self::Shed => row(Some(503), Node, Never, Info, "RQ"),
            Self::ConnectRefused | Self::ServerTls => row(Some(503), Server, Always, Warn, "SC"),
            Self::ConnectTimeout => row(Some(504), Server, Always, Warn, "sC"),
            Self::Exhausted => row(Some(503), Node, Always, Error, "RC"),
            Self::ServerReset => row(Some(502), Server, IfIdempotent, Warn, "SH"),
            Self::ServerResetReused => row(Some(502), Server, IfIdempotent, Info, "SH"),
            Self::NotProcessed => row(Some(503), Server, Always, Info, "SH"),
            Self::ServerTimeout => row(Some(504), Server, IfIdempotent, Warn, "sH"),
            Self::BadAnswer => row(Some(502), Server, Never, Error, "PH"),
            Self::ServerCut => row(None, Server, Never, Warn, "SD"),
            Self::ServerStalled => row(None, Server, Never, Warn, "sD"),
            Self::TotalTimeout => row(Some(504), Server, Never, Warn, "sH"),
            Self::TotalCut => row(None, Node, Never, Warn, "PD"),
            Self::DeadlineExceeded => row(Some(504), Client, Never, Info, "cH"),
            Self::FileUnreadable => row(Some(500), Node, Never, Error, "PH"),
            Self::FileCut => row(None, Node, Never, Error, "PD"),
            Self::Stopping => row(None, Node, Never, Info, "KD"),
            Self::Internal => row(Some(500), Node, Never, Error, "I-"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadRequest(status) => return write!(f, "request refused with status {status}"),
            Self::MethodClosed => "method not allowed on this listener",
            Self::Denied => "address denied",
            Self::RateLimited => "more often than the limit allows",
            Self::Unauthorized => "user or password unknown",
            Self::SourceFull => "too many connections from one address",
            Self::ClientGone(_) => "client gone",
            Self::ClientTimeout(_) => "client timed out",
            Self::NoRoute => "no route matches",
            Self::Misdirected => "connection made for another host",
            Self::NoServer => "no server may be used",
            Self::QueueFull => "every server and the queue are full",
            Self::QueueTimeout => "no server had room in time",
            Self::BreakerOpen => "as much is under way as the breaker allows",
            Self::Shed => "this node has too much to do for a request of this priority",
            Self::ConnectRefused => "connection refused",
            Self::ConnectTimeout => "no connection in time",
            Self::Exhausted => "this node has no file descriptor, port or memory left",
            Self::ServerReset => "reset before answer",
            Self::ServerResetReused => "reset before answer on a reused connection",
            Self::ServerTls => "TLS handshake failed",
            Self::NotProcessed => "given back unprocessed",
            Self::ServerTimeout => "no answer in time",
            Self::BadAnswer => "unreadable answer",
            Self::ServerCut => "answer cut short",
            Self::ServerStalled => "answer stalled",
            Self::TotalTimeout => "no answer in the time for the whole",
            Self::TotalCut => "cut at the time for the whole",
            Self::DeadlineExceeded => "no answer in the time the caller waits",
            Self::FileUnreadable => "file cannot be opened",
            Self::FileCut => "file ended before its answer",
            Self::Stopping => "this node is stopping",
            Self::Internal => "a defect of this program",
        })
    }
}

const fn row(
    status: Option<u16>,
    blame: Blame,
    again: Again,
    level: Level,
    code: &'static str,
) -> Verdict {
    Verdict { status, blame, again, level, code }
}

const fn client_gone(phase: Phase) -> &'static str {
    match phase {
        Phase::Request => "CR",
        Phase::Connect => "CC",
        Phase::Answer => "CH",
        Phase::Data => "CD",
    }
}

const fn client_timeout(phase: Phase) -> &'static str {
    match phase {
        Phase::Request => "cR",
        Phase::Connect => "cC",
        Phase::Answer => "cH",
        Phase::Data => "cD",
    }
}

#[cfg(test)]
mod tests;
