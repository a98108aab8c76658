//! What the operator meant: valid by construction, every default filled in, every name resolved.
//!
//! `evenkeel-control` compiles the configuration file into these types and is the only one to
//! report faults; whoever holds a [`Config`] never asks "was it given?" again.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything the data plane needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// In the order of the file; names are unique.
    pub listeners: Vec<Listener>,
    /// In the order of the file; names are unique. [`PoolId`] indexes this.
    pub pools: Vec<Pool>,
    /// `None`: no line per exchange is written.
    pub access_log: Option<AccessLog>,
}

/// One line per exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    pub format: LogFormat,
    pub to: LogTarget,
}

/// Where access log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    Stdout,
    /// Appended to; opened anew on every reload, so that it can be rotated.
    File(PathBuf),
}

/// How an access log line is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The combined format of Apache and nginx.
    Combined,
    /// One JSON object a line, with every [`LogField`].
    Json,
    /// `{client} {method} {path} {status}`, split at its placeholders.
    Template(Vec<LogPart>),
}

/// A piece of a log template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    Text(Arc<str>),
    Field(LogField),
}

/// What a log line can tell of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogField {
    /// Address of the client, as believed from trusted proxies.
    Client,
    /// Its port on the connection.
    ClientPort,
    /// When the request began, in UTC, RFC 3339 with milliseconds.
    Time,
    Listener,
    Route,
    Pool,
    Server,
    Method,
    Host,
    /// Target as the client sent it, escaped.
    Path,
    Version,
    Status,
    /// Bytes of the answer's body sent to the client.
    Bytes,
    Referer,
    UserAgent,
    RequestId,
    /// From an incoming `traceparent`, if there was one.
    TraceId,
    /// Milliseconds: receiving the request head.
    TimeRequest,
    /// Milliseconds: waiting in a queue.
    TimeWait,
    /// Milliseconds: connecting to the server.
    TimeConnect,
    /// Milliseconds: from the request sent to the head of the answer.
    TimeResponse,
    /// Milliseconds: all of it.
    TimeActive,
    /// `HAProxy`'s two letters; `--` for a good end.
    Termination,
    /// Further tries after the first.
    Retries,
}

impl LogField {
    /// Every field with its name in templates and JSON.
    pub const NAMES: [(&'static str, Self); 24] = [
        ("time", Self::Time),
        ("client", Self::Client),
        ("client_port", Self::ClientPort),
        ("listener", Self::Listener),
        ("route", Self::Route),
        ("pool", Self::Pool),
        ("server", Self::Server),
        ("method", Self::Method),
        ("host", Self::Host),
        ("path", Self::Path),
        ("version", Self::Version),
        ("status", Self::Status),
        ("bytes", Self::Bytes),
        ("referer", Self::Referer),
        ("user_agent", Self::UserAgent),
        ("request_id", Self::RequestId),
        ("trace_id", Self::TraceId),
        ("TR", Self::TimeRequest),
        ("Tw", Self::TimeWait),
        ("Tc", Self::TimeConnect),
        ("Tr", Self::TimeResponse),
        ("Ta", Self::TimeActive),
        ("termination", Self::Termination),
        ("retries", Self::Retries),
    ];
}

/// Index of a pool in [`Config::pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u16);

/// One address set with one protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    pub name: Arc<str>,
    /// Where it accepts; at least one. Port 0 asks the system for a free one.
    pub bind: Vec<SocketAddr>,
    pub protocol: Protocol,
    /// Connections held at once on this listener; more wait in the kernel's queue.
    pub max_connections: u32,
    pub timeouts: ClientTimeouts,
}

/// What a listener speaks.
#[derive(Clone, Debug, PartialEq)]
pub enum Protocol {
    /// Bytes both ways.
    Tcp { pool: PoolId },
    /// TLS passed through; routed by what the `ClientHello` names.
    Tls(Tls),
    /// HTTP/1.0 and HTTP/1.1.
    Http(Box<Http>),
}

/// Waiting for the client. All are totals from the moment the phase begins, not per byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// The whole request head (HTTP) or the whole `ClientHello` (TLS). Default 10 s.
    pub header: Duration,
    /// A keep-alive connection between requests. Default 75 s.
    pub keep_alive: Duration,
    /// No byte read or taken while a body or a stream is under way. Default 60 s.
    pub idle: Duration,
    /// The other side has sent its FIN, the client has not. Default 30 s.
    pub fin: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            idle: Duration::from_mins(1),
            fin: Duration::from_secs(30),
        }
    }
}

impl Protocol {
    /// What an HTTP listener does.
    pub fn http(&self) -> Option<&Http> {
        match self {
            Self::Http(http) => Some(http),
            Self::Tcp { .. } | Self::Tls(_) => None,
        }
    }

    /// Its word in files and answers.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Tls(_) => "tls",
            Self::Http(_) => "http",
        }
    }
}

/// Routing of TLS that is passed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// For connections without a server name and for names no rule knows.
    pub default: Option<PoolId>,
    pub rules: Vec<TlsRule>,
}

/// The first rule that matches by specificity wins: exact name, wildcard, no name; with ALPN before without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRule {
    pub name: Option<HostPattern>,
    /// One of the protocols the client offers, such as `h2` or `acme-tls/1`.
    pub alpn: Option<Arc<str>>,
    pub pool: PoolId,
}

/// A host name to match, lower case, without a port or a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// `shop.example`
    Exact(Arc<str>),
    /// `*.example`, kept as `.example`: one or more labels in front of it.
    Suffix(Arc<str>),
}

/// An HTTP listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// In the order of the file; matched by specificity (see [`crate::route`]).
    pub routes: Vec<Route>,
    /// Taken when no route matches; `None` answers 404.
    pub default: Option<Action>,
    /// The only methods served; another one closes the connection without an answer.
    pub methods: Option<Methods>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<Network>,
    pub forwarding: Forwarding,
    pub limits: HttpLimits,
    /// Body of answers this node makes itself, by status.
    pub error_pages: Vec<ErrorPage>,
}

/// Which forwarding headers a request carries to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// `X-Real-IP`, `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`. Default on.
    pub x_forwarded: bool,
    /// `Forwarded` (RFC 7239). Default off.
    pub forwarded: bool,
    /// `X-Request-Id`. Default on.
    pub request_id: bool,
    /// `Via` (RFC 9110 §7.6.3) with this pseudonym, on requests and answers. Default off.
    pub via: Option<Arc<str>>,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self { x_forwarded: true, forwarded: false, request_id: true, via: None }
    }
}

/// What a client may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of the request head or of a trailer section; more is answered 431. Default and most 64 KiB.
    pub head_bytes: u32,
    /// Lines in the header section; more is answered 431. Default 128, most [`HttpLimits::MOST_HEADERS`].
    pub headers: u16,
    /// Bytes of the request target; more is answered 414. Default 16 KiB.
    pub target_bytes: u32,
    /// Bytes of the request body; more is answered 413. Default: no limit.
    pub body_bytes: Option<u64>,
    /// Requests on one connection before it is closed. Default 1,000.
    pub requests: u32,
}

impl HttpLimits {
    /// The header table stands on the stack of the parser.
    pub const MOST_HEADERS: u16 = 256;
    /// Heads of more than this are refused whatever the file says: they are held whole.
    pub const MOST_HEAD_BYTES: u32 = 64 * 1024;
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            headers: 128,
            target_bytes: 16 * 1024,
            body_bytes: None,
            requests: 1_000,
        }
    }
}

/// A rule inside an HTTP listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Given by the operator, else made from host and path; unique in its listener.
    pub name: Arc<str>,
    pub host: Option<HostPattern>,
    pub path: PathPattern,
    pub methods: Option<Methods>,
    /// All must be there; a value, when given, must be equal byte by byte.
    pub headers: Vec<HeaderMatch>,
    pub action: Action,
    /// Taken off the front of the path before it is sent to the server: `/api`, without a trailing slash.
    pub strip_prefix: Option<Arc<str>>,
    pub request_headers: HeaderEdits,
    pub response_headers: HeaderEdits,
}

/// A path to match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathPattern {
    /// `=/exact`
    Exact(Arc<str>),
    /// `/api/` or `/api`: a prefix on segment bounds, kept without its trailing slash (`/` is empty).
    Prefix(Arc<str>),
}

/// `name` is lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    pub name: Arc<str>,
    pub value: Option<Arc<str>>,
}

/// What a route does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Pool(PoolId),
    Redirect(Redirect),
}

/// An answer that names another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `https://{host}{path}`, split at its placeholders; `{path}` includes the query.
    pub to: Vec<RedirectPart>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// A piece of a redirect's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectPart {
    Text(Arc<str>),
    /// The host of the request, without its port.
    Host,
    /// Path and query of the request.
    Path,
}

/// A set of method tokens; few, so a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods(pub Vec<Arc<str>>);

impl Methods {
    /// Methods are case-sensitive (RFC 9110 §9.1).
    pub fn contains(&self, method: &str) -> bool {
        self.0.iter().any(|allowed| &**allowed == method)
    }
}

/// Changes to a header section: removals, then `set` (replaces), then `add`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Lower-case names.
    pub remove: Vec<Arc<str>>,
    pub set: Vec<(Arc<str>, Arc<str>)>,
    pub add: Vec<(Arc<str>, Arc<str>)>,
}

impl HeaderEdits {
    /// Nothing to change.
    pub fn is_empty(&self) -> bool {
        let Self { remove, set, add } = self;
        remove.is_empty() && set.is_empty() && add.is_empty()
    }
}

/// The body of an answer this node makes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    pub status: u16,
    pub content_type: Arc<str>,
    pub body: Arc<[u8]>,
}

/// An address range, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `None` when `bits` is more than the address has, or host bits are set.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let network = Self { address, bits };
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most && network.masked(address) == address).then_some(network)
    }

    /// Whether `address` lies within; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.masked(address) == self.address
    }

    fn masked(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits.min(32))).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits.min(128))).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        }
    }
}

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
