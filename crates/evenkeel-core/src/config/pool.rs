//! Servers, and how they are chosen, waited for and judged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Servers that do the same job.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub name: Arc<str>,
    pub balance: Balance,
    /// In the order of the file; names and addresses are unique in the pool. May be empty.
    pub servers: Vec<Server>,
    pub timeouts: ServerTimeouts,
    pub retry: Retry,
    /// `None`: servers are judged by their traffic alone.
    pub check: Option<Check>,
    pub outlier: Outlier,
    /// Idle connections kept for each server by each worker. Default 128.
    pub idle_connections: u32,
}

impl Pool {
    /// Servers in one pool: the order in which they are used is kept as 16-bit numbers, with room
    /// for weights.
    pub const MOST_SERVERS: usize = 16_384;
}

/// How a server is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Strict order over all workers; with weights, the smooth weighted order.
    #[default]
    RoundRobin,
    /// Fewest requests (or connections, for tcp and tls) in flight for its weight.
    LeastConnections,
}

impl Balance {
    /// Its word in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
        }
    }
}

/// One of the servers of a pool. Its identity is pool name, name and address: health, requests in
/// flight and idle connections survive a reload for servers that keep all three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Given by the operator, else the address as written.
    pub name: Arc<str>,
    pub address: SocketAddr,
    /// 0 to 256; 0 takes no new requests. Default 1.
    pub weight: u16,
    /// Used only when no other server of the pool can be.
    pub backup: bool,
}

/// Waiting for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// TCP connection made. Default 3 s.
    pub connect: Duration,
    /// From the request sent to the first byte of the answer. Default 30 s.
    pub first_byte: Duration,
    /// No byte read or taken while a body or a stream is under way. Default 60 s.
    pub idle: Duration,
    /// From the request's first byte to the answer's last. Default: none.
    pub total: Option<Duration>,
    /// A tcp or tls stream or an upgraded connection with no byte either way. Default 1 h.
    pub tunnel: Duration,
    /// The client has sent its FIN, the server has not. Default 30 s.
    pub fin: Duration,
    /// An unused connection kept for reuse. Default 55 s, below the 60 s after which many servers close.
    pub keep_alive: Duration,
}

impl Default for ServerTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            total: None,
            tunnel: Duration::from_hours(1),
            fin: Duration::from_secs(30),
            keep_alive: Duration::from_secs(55),
        }
    }
}

/// When a request is given to another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Further tries after the first; 0 to [`Retry::MOST_ATTEMPTS`]. Default 2.
    pub attempts: u8,
    /// Default `connect`, `reset-before-answer` and `timeout`.
    pub on: RetryOn,
}

impl Retry {
    /// Further tries after the first; more would turn one bad request into a small storm.
    pub const MOST_ATTEMPTS: u8 = 10;
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 2, on: RetryOn::default() }
    }
}

/// The outcomes that allow another try. Whether the request may be repeated is judged apart from this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection could be made: nothing was sent, so any method may be tried again.
    pub connect: bool,
    /// The connection ended before the first byte of an answer.
    pub reset_before_answer: bool,
    /// No first byte in time.
    pub timeout: bool,
    /// Answers with one of these statuses (500 to 599).
    pub statuses: Vec<u16>,
}

impl Default for RetryOn {
    fn default() -> Self {
        Self { connect: true, reset_before_answer: true, timeout: true, statuses: Vec::new() }
    }
}

/// An active check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub kind: CheckKind,
    /// A port of its own; else the server's.
    pub port: Option<u16>,
    /// Between checks of a server whose state is settled. Default 2 s.
    pub interval: Duration,
    /// Between checks while `rise` or `fall` is being counted. Default 500 ms.
    pub fast: Duration,
    /// Between checks of a server that is down. Default 1 s.
    pub down: Duration,
    /// The whole check. Default 1 s.
    pub timeout: Duration,
    /// Passes in a row that bring a server up; 1 to 100. Default 2.
    pub rise: u8,
    /// Failures in a row that take a server down; 1 to 100. Default 3.
    pub fall: u8,
    /// Share of the interval by which each wait is varied, in percent; 0 to 50. Default 10.
    pub jitter_percent: u8,
    /// What a server is before its first check. Default [`InitialState::Up`].
    pub initial: InitialState,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            kind: CheckKind::Tcp,
            port: None,
            interval: Duration::from_secs(2),
            fast: Duration::from_millis(500),
            down: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            jitter_percent: 10,
            initial: InitialState::Up,
        }
    }
}

/// What a check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A connection is made and closed.
    Tcp,
    /// A request is answered with an expected status.
    Http(HttpCheck),
}

/// The request of a check and what is expected of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// Default `GET`.
    pub method: Arc<str>,
    /// Default `/`.
    pub path: Arc<str>,
    /// `Host` to send; else the server's address.
    pub host: Option<Arc<str>>,
    /// Inclusive ranges of statuses. Default 200 to 399.
    pub expect: Vec<(u16, u16)>,
}

/// What a server is before its first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// Takes traffic; one failed check takes it down.
    Up,
    /// Takes none; one passed check brings it up.
    Down,
}

/// Judging by traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlier {
    /// Failures in a row (no connection, reset, no answer in time, unreadable answer) that take a
    /// server down. `None`: traffic does not judge. Default 5; a check then follows at once.
    pub consecutive_failures: Option<u32>,
    /// Without a check to bring it back, a server taken down returns after this. Default 30 s.
    pub ejection: Duration,
}

impl Default for Outlier {
    fn default() -> Self {
        Self { consecutive_failures: Some(5), ejection: Duration::from_secs(30) }
    }
}
