//! Active checks: what is asked of a server, how often, and what follows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
    /// What a server is before its first check. `None`: up if it comes with its pool, down if it
    /// joins one that serves already.
    pub initial: Option<InitialState>,
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
            initial: None,
        }
    }
}

/// What a check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A connection is made and closed.
    Tcp,
    /// A connection is made, something is said, something is expected.
    Talk(Talk),
    /// A request is answered with an expected status.
    Http(HttpCheck),
    /// A request is answered with the state of the server and of what it needs
    /// (see [`crate::verdict`]); the status of the answer is evidence, not expected.
    Deep(HttpCheck),
    /// A gRPC server says that one of its services is serving (`grpc.health.v1`). In TLS where the
    /// pool's servers are spoken to in TLS.
    Grpc(GrpcCheck),
    /// A TLS handshake is done, with a certificate that has not expired.
    Tls(TlsCheck),
    /// A program of the operator's says how the server is.
    Exec(ExecCheck),
    /// The server's agent says how it is and how much it should get (see [`crate::agent`]).
    Agent(AgentCheck),
}

/// What is said over a connection and what is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// Sent at once. `None`: the server speaks first.
    pub send: Option<Arc<str>>,
    /// Somewhere in what the server says. `None`: nothing is expected.
    pub expect: Option<Arc<str>>,
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
    /// Further headers to send, at most [`HttpCheck::MOST_HEADERS`]. Default none.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// Inclusive ranges of statuses. Default 200 to 399.
    pub expect: Vec<(u16, u16)>,
    /// Somewhere in the first [`HttpCheck::MOST_BODY_BYTES`] of the body. Default nothing.
    pub body: Option<Arc<str>>,
}

impl HttpCheck {
    /// A body's first bytes, in which a text is looked for. Servers with more to say in answer to
    /// a check are asked the wrong question.
    pub const MOST_BODY_BYTES: usize = 256 * 1024;
    /// A check has a token and a few flags to send, not a browser's headers.
    pub const MOST_HEADERS: usize = 32;
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            path: "/".into(),
            host: None,
            headers: Vec::new(),
            expect: vec![(200, 399)],
            body: None,
        }
    }
}

/// The question how a gRPC service is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcCheck {
    /// Its whole name, such as `shop.v1.Cart`. Default empty: the server as a whole.
    pub service: Arc<str>,
    /// `:authority` to send; else the server's address.
    pub host: Option<Arc<str>>,
}

/// A TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsCheck {
    /// Name asked for, and to be found in the certificate if that is verified; else the address,
    /// which is not asked for.
    pub server_name: Option<Arc<str>>,
    /// Certificates (PEM) of who may have signed the server's. `None`, the default: anybody.
    pub trusted: Option<Arc<[u8]>>,
    /// Less validity than this is worth a warning. Default 14 days.
    pub expiry_warning: Duration,
}

impl Default for TlsCheck {
    fn default() -> Self {
        let expiry_warning = Duration::from_hours(14 * 24);
        Self { server_name: None, trusted: None, expiry_warning }
    }
}

/// A program that is started for each check. It reads one JSON object and says with its exit code
/// whether the server is well, and in its first line why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecCheck {
    pub program: PathBuf,
    pub arguments: Vec<Arc<str>>,
}

/// A line from the server's agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentCheck {
    /// Sent first. `None`: agents speak unasked.
    pub send: Option<Arc<str>>,
}

/// An agent beside the check, asked on its own: what it says counts, and that it says nothing does
/// not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Where it listens, on each server's address.
    pub port: u16,
    /// As [`AgentCheck::send`].
    pub send: Option<Arc<str>>,
    /// Between two questions. Default 2 s.
    pub interval: Duration,
    /// The whole conversation. Default 1 s.
    pub timeout: Duration,
}

impl Agent {
    /// One that speaks unasked, with every default.
    pub fn new(port: u16) -> Self {
        let Check { interval, timeout, .. } = Check::default();
        Self { port, send: None, interval, timeout }
    }
}

/// What a server is before its first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// Takes traffic; one failed check takes it down.
    Up,
    /// Takes none; one passed check brings it up.
    Down,
}
