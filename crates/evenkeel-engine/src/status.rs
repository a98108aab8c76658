//! What the engine tells of itself: plain values, copied out on request.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_core::health::{CheckFailure, Outcome, Reason, Words};
use evenkeel_core::verdict::{Component, Name};
use evenkeel_core::vrrp;
use evenkeel_core::vrrp::machine::State;

/// What an operator wants of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminState {
    /// Takes requests as its health allows.
    #[default]
    Ready,
    /// Takes no new requests; running ones finish; checks go on.
    Drain,
    /// Takes nothing; checks stop.
    Maint,
}

impl AdminState {
    /// Its word in commands and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// An admin state with who set it, why and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    pub state: AdminState,
    pub author: Arc<str>,
    pub reason: Arc<str>,
    pub since: SystemTime,
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminChange {
    pub state: AdminState,
    pub author: Arc<str>,
    pub reason: Arc<str>,
}

/// What the judge says of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Up,
    Down,
    /// Not yet judged, or on its way up or down (`Up` servers on their way down still take requests).
    Checking,
}

/// A judgement with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub health: Health,
    /// One line for the operator, such as `connection refused (3 of 3 checks failed)`.
    pub reason: Arc<str>,
    pub since: SystemTime,
}

/// What was thought of a server from a moment on, until the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLineEntry {
    pub at: SystemTime,
    pub health: Health,
    /// Whether its health let it be used.
    pub usable: bool,
    /// With the last figures: a row of failures is one entry.
    pub reason: Reason,
}

/// What a verdict stands on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// `None` before the first one.
    pub last_check: Option<LastCheck>,
    /// What the server needs, by its last answer to a deep check.
    pub components: Arc<[Component]>,
    /// `None`: it has no agent, or was not asked yet.
    pub agent: Option<AgentWord>,
}

/// What a server's agent has last said, and how it came to be heard or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentWord {
    /// `None`: it has not spoken yet.
    pub said: Option<(SystemTime, Words)>,
    /// Since when it does not answer, and why. What it said before holds.
    pub silent: Option<(SystemTime, CheckFailure)>,
}

/// The last check of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastCheck {
    /// When it ended.
    pub at: SystemTime,
    /// With the connection it took, up to its outcome.
    pub took: Duration,
    pub outcome: Outcome,
}

/// A dependency that every server of a pool lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degraded {
    pub dependency: Name,
    pub since: SystemTime,
}

/// Which servers of a pool are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// Those that are up.
    Normal,
    /// The backup servers: no other is usable.
    Backup,
    /// Fewer than half are up: health is ignored and all are used.
    Panic,
    /// None can be used.
    Empty,
}

/// How exchanges have ended so far, and how long they took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endings {
    /// Counts by the buckets of [`evenkeel_core::latency`]; empty before the first one.
    pub durations: Vec<u64>,
    /// All durations together.
    pub seconds: f64,
    /// Answered 5xx, or failed by no fault of the client's.
    pub errors: u64,
    /// By termination code; only those that occurred.
    pub codes: Vec<(&'static str, u64)>,
    /// Exchanges that stand for others.
    pub shown: crate::exemplar::Shown,
}

/// The exchanges of a route or a pool so far.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowStatus {
    pub name: Arc<str>,
    /// That have begun.
    pub requests_total: u64,
    /// Answers to clients by status class; the last one counts exchanges closed without an answer.
    pub answers_total: [u64; 6],
    pub bytes_received_total: u64,
    pub bytes_sent_total: u64,
    pub endings: Endings,
}

/// Status classes, in the order of [`ServerStatus::answers`]: 1xx to 5xx, then no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeClass {
    Informational,
    Success,
    Redirection,
    ClientError,
    ServerError,
    None,
}

/// A server now.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    pub name: Arc<str>,
    pub address: SocketAddr,
    pub weight: u16,
    pub backup: bool,
    pub zone: Option<Arc<str>>,
    pub admin: Admin,
    pub verdict: Verdict,
    pub evidence: Evidence,
    /// The oldest entry first.
    pub time_line: Arc<[TimeLineEntry]>,
    /// Takes new requests at this moment.
    pub in_use: bool,
    /// Requests (http) or connections (tcp, tls) under way.
    pub in_flight: u32,
    /// What its breaker limits.
    pub breaker: Vec<BreakerStatus>,
    pub idle_connections: u32,
    pub connections_total: u64,
    /// Requests on a connection that had served another one.
    pub reused_total: u64,
    pub connect_failures_total: u64,
    pub requests_total: u64,
    /// Answers by status class.
    pub answers_total: [u64; 6],
    pub retries_total: u64,
    pub failures_total: u64,
    pub bytes_sent_total: u64,
    pub bytes_received_total: u64,
    pub checks_total: u64,
    pub check_failures_total: u64,
    /// How long its checks took, all together.
    pub check_seconds_total: f64,
    /// Times its traffic has taken it out.
    pub ejections_total: u64,
    /// From the moment it was tried to the head of its answer; in tcp, to the connection. Its
    /// errors are in `failures_total` and `answers_total`.
    pub endings: Endings,
}

/// How full a breaker is in one respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerStatus {
    /// `pending`, `requests` or `retries`.
    pub load: &'static str,
    pub under_way: u32,
    pub limit: u32,
}

/// A pool now.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    pub name: Arc<str>,
    pub balance: &'static str,
    pub mode: PoolMode,
    /// What all its servers lack; nobody leaves because of it.
    pub degraded: Vec<Degraded>,
    /// Requests that wait for a server with room.
    pub waiting: u32,
    /// What its own breaker limits.
    pub breaker: Vec<BreakerStatus>,
    /// Requests refused because too much was under way: by the pool's breaker, by those of all
    /// servers that could have taken it, by a full queue, by the time in it.
    pub refusals_total: [(&'static str, u64); 4],
    /// Further tries that a request was allowed: granted, or refused by budget or breaker.
    pub further_tries_total: [(&'static str, u64); 3],
    /// Requests sent to a second server because the first one was late.
    pub hedges_total: u64,
    /// Those that the second server answered.
    pub hedges_won_total: u64,
    /// From the request to the head of its answer; in tcp, to the connection.
    pub flow: FlowStatus,
    pub servers: Vec<ServerStatus>,
}

/// A listener now.
#[derive(Clone, Debug)]
pub struct ListenerStatus {
    pub name: Arc<str>,
    pub protocol: &'static str,
    /// As bound: a port that was asked for as 0 is the real one here.
    pub addresses: Vec<SocketAddr>,
    pub connections: u32,
    pub connections_total: u64,
    pub requests_total: u64,
    /// Answers to clients by status class; the last one counts exchanges closed without an answer.
    pub answers_total: [u64; 6],
    /// Requests that were shed, by the priority of their routes.
    pub shed_total: [u64; 10],
    /// Refusals by label (`bare-lf`, `no-tls`, …); only those that occurred.
    pub refusals_total: Vec<(&'static str, u64)>,
    pub bytes_received_total: u64,
    pub bytes_sent_total: u64,
    /// From the first byte of a request to the last of its answer; in tcp, of the stream.
    pub endings: Endings,
    /// In the order of the file.
    pub routes: Vec<FlowStatus>,
    /// In the order of the file; none unless TLS ends here.
    pub certificates: Vec<CertificateStatus>,
    /// TLS handshakes under way.
    pub handshakes: u32,
}

/// A certificate now. Times are in seconds since 1970.
#[derive(Clone, Debug)]
pub struct CertificateStatus {
    /// The file it comes from.
    pub source: PathBuf,
    pub names: Vec<Arc<str>>,
    /// What signs with its key: `ecdsa`, `ed25519`, `rsa`.
    pub key: &'static str,
    /// SHA-256, in lower-case hexadecimal.
    pub fingerprint: String,
    pub not_before: i64,
    pub not_after: i64,
    /// Until when the OCSP response that is shown with it holds.
    pub ocsp_until: Option<i64>,
    /// Why its files as they are now are not, or not all, in use.
    pub failure: Option<String>,
    pub replaced_total: u64,
    pub refused_total: u64,
}

/// A limit now.
#[derive(Clone, Debug)]
pub struct RateStatus {
    pub name: Arc<str>,
    /// It refuses nobody.
    pub dry_run: bool,
    /// Requests and connections that came too soon.
    pub exceeded_total: u64,
}

/// A virtual address now.
#[derive(Clone, Debug)]
pub struct VipStatus {
    pub name: Arc<str>,
    pub interface: Arc<str>,
    pub router_id: u8,
    /// Each with its prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    pub state: State,
    /// One line.
    pub reason: Arc<str>,
    pub since: SystemTime,
    /// Where this node's adverts come from.
    pub source: Option<IpAddr>,
    /// The owner as far as this node knows: itself, or who was heard last.
    pub owner: Option<IpAddr>,
    pub priority: u8,
    /// With which it claims now; `None`: it may not.
    pub claim: Option<u8>,
    /// What has failed of what its claim depends on.
    pub failed: Vec<Arc<str>>,
    /// An operator has moved it away from here.
    pub is_moved: bool,
    /// What keeps this node from claiming it.
    pub obstacle: Option<&'static str>,
    /// Times this node has become owner.
    pub claims_total: u64,
    /// Sightings of a second owner.
    pub conflicts_total: u64,
    pub adverts_sent_total: u64,
    /// Those that were heeded.
    pub adverts_heard_total: u64,
    /// Adverts that could not be sent.
    pub send_failures_total: u64,
    /// Adverts that were not heeded, in the order of [`vrrp::Reason::ALL`].
    pub refusals_total: [u64; vrrp::Reason::ALL.len()],
    /// How long the address had no owner that was heard, when this node last claimed it from a
    /// silent one.
    pub gap: Option<Duration>,
}

/// Everything, for `status` and `/metrics`.
#[derive(Clone, Debug)]
pub struct EngineStatus {
    pub listeners: Vec<ListenerStatus>,
    pub pools: Vec<PoolStatus>,
    pub rates: Vec<RateStatus>,
    pub vips: Vec<VipStatus>,
    pub workers: usize,
    /// Processor time each worker has used.
    pub worker_cpu: Vec<Duration>,
    /// Client connections held now, over all listeners.
    pub connections: u32,
    /// Times a worker stopped accepting because file descriptors ran out.
    pub accept_pauses_total: u64,
    /// Connections ended by a defect of this program.
    pub panics_total: u64,
    pub log_lines_dropped_total: u64,
    /// Not written because of the log's `sample`.
    pub log_lines_left_out_total: u64,
    /// Requests of routes with a lower priority are answered 503; 0: nothing is shed.
    pub shed_level: u8,
    /// Copies of requests that were not made because too many were under way.
    pub copies_dropped_total: u64,
    pub draining: bool,
}

/// Something an operator wants to know of, in order of occurrence.
#[derive(Clone, Debug)]
pub struct Event {
    pub at: SystemTime,
    /// `server-down`, `server-up`, `server-admin`, `pool-mode`, `accept-paused`, `shed-level`, `connection-panicked`.
    pub kind: &'static str,
    /// `POOL/SERVER`, `POOL` or a listener's name.
    pub subject: String,
    pub message: String,
}
