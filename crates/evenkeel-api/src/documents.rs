//! What is read from and written to `/api/v1`.

mod config;
mod drill;
mod explanation;
mod figures;
mod pair;
mod recorded;
mod vip;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::config::{Applied, ConfigStatus, ConfigVersion, Found, Severity};
pub use self::drill::{
    Drill, DrillEnd, DrillKind, DrillRecord, DrillStage, DrillStart, DrillWord, Drills,
};
pub use self::explanation::{
    ExplainedCertificate, ExplainedOutcome, ExplainedPool, ExplainedRetry, ExplainedServer,
    Explanation, PassedOver,
};
pub use self::figures::{
    History, ListenerFigures, NodeFigures, PoolFigures, RouteFigures, Series, ServerFigures, Tick,
    VipFigures,
};
pub use self::pair::{Pair, PeerApplied, PeerFigures, PeerView, PeerVip};
pub use self::recorded::{Cause, Recorded, RecordedExchange};
pub use self::vip::{Vip, VipChange, VipState};
use crate::time::Timestamp;

/// The node at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Name of the node.
    pub node: String,
    /// Version of the program.
    pub version: String,
    pub state: NodeState,
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// Its number in the system.
    #[serde(default)]
    pub process: u32,
    /// Engine threads.
    pub workers: usize,
    /// Client connections held now.
    pub connections: u32,
    /// Requests of routes with a lower priority are answered 503; 0: nothing is shed.
    #[serde(default)]
    pub shed_level: u8,
    pub config: ConfigStatus,
    pub listeners: Vec<Listener>,
    pub pools: Vec<Pool>,
    #[serde(default)]
    pub vips: Vec<Vip>,
    /// Absent when this node is not one of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<Pair>,
    #[serde(default)]
    pub drills: Drills,
    /// What an operator should look after: state that cannot be kept, files that cannot be read.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// What the node as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    Running,
    /// Finishing what runs before it stops.
    Draining,
}

/// Another process serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Upgraded {
    /// Its number in the system.
    pub process: u32,
    /// That of the process that answers.
    pub replaces: u32,
    /// For so long that one stands by, to serve alone again should the new one end.
    pub stands_by_seconds: u64,
}

/// One address set with one protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listener {
    pub name: String,
    /// `tcp`, `tls`, `http` or `https`.
    pub protocol: String,
    /// As bound.
    pub addresses: Vec<String>,
    /// Where connections and requests may go: by its routes in their order, then by default.
    #[serde(default)]
    pub pools: Vec<String>,
    /// Client connections held now.
    pub connections: u32,
    pub connections_total: u64,
    pub requests_total: u64,
    /// In the order of the file; none unless TLS ends here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
}

/// A certificate that a listener shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// Where it comes from.
    pub file: String,
    /// Hosts it is for.
    pub names: Vec<String>,
    /// What signs with its key: `ecdsa`, `ed25519`, `rsa`.
    pub key: String,
    /// SHA-256 over the certificate, in lower-case hexadecimal.
    pub fingerprint: String,
    #[schema(value_type = String, format = DateTime)]
    pub not_before: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
    /// Until when the OCSP response that is shown with it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ocsp_until: Option<Timestamp>,
    /// Why its files as they are now are not in use; the certificate from before is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Servers that do the same job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pool {
    pub name: String,
    /// How a server is chosen.
    pub balance: String,
    pub mode: PoolMode,
    /// What every server lacks, by deep checks. None is taken out because of it.
    #[serde(default)]
    pub degraded: Vec<Degraded>,
    /// Requests that wait for a server with room.
    #[serde(default)]
    pub waiting: u32,
    /// How full its breaker is; empty without limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaker: Vec<BreakerLoad>,
    pub servers: Vec<Server>,
    /// Servers that an operator took out of the pool.
    #[serde(default)]
    pub removed: Vec<RemovedServer>,
    /// Names that are looked up to find servers.
    #[serde(default)]
    pub names: Vec<ServerName>,
}

/// A dependency that every server of a pool lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Degraded {
    /// In the words of the servers.
    pub dependency: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// What is under way at once, and what may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakerLoad {
    /// `pending`, `requests` or `retries`.
    pub load: String,
    pub under_way: u32,
    pub limit: u32,
}

/// A server that the configuration lists and an operator removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedServer {
    pub name: String,
    #[serde(flatten)]
    pub said: Said,
}

/// A name, and what is known of the addresses behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerName {
    /// As written in the configuration or by an operator.
    pub name: String,
    pub state: NameState,
    /// One line.
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The addresses in use.
    pub addresses: Vec<String>,
}

/// How looking up a name goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NameState {
    Resolved,
    /// The last answer was no good, or there was none since the start: the addresses are from
    /// before.
    Stale,
    /// No address is known.
    Unresolved,
}

/// Which servers of a pool are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PoolMode {
    /// Those that are up.
    Normal,
    /// The backup servers: no other can be used.
    Backup,
    /// Fewer than half are up: health is ignored and all are used.
    Panic,
    /// None can be used.
    Empty,
}

/// A server now. There are three layers: `configured` is what the file says, `override` what
/// operators said since, and everything else is observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    pub name: String,
    /// Absent for a server that an operator added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<ServerConfigured>,
    /// Absent when nobody said anything.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub overridden: Option<ServerOverride>,
    pub address: String,
    pub weight: u16,
    pub backup: bool,
    /// Where it is; absent when nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    pub admin: ServerAdmin,
    pub verdict: ServerVerdict,
    /// What the other node of the pair thinks of it; absent while that is not heard, or does not have
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerView>,
    /// Takes new requests at this moment.
    pub in_use: bool,
    /// Requests, or connections of tcp and tls, under way.
    pub in_flight: u32,
    /// How full its breaker is; empty without limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaker: Vec<BreakerLoad>,
    /// Connections kept for reuse.
    pub idle_connections: u32,
    pub connections_total: u64,
    pub requests_total: u64,
    pub failures_total: u64,
    pub retries_total: u64,
    pub checks_total: u64,
    pub check_failures_total: u64,
}

/// What the configuration says of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerConfigured {
    /// The name of its entry.
    pub entry: String,
    pub weight: u16,
    pub backup: bool,
    /// The file with servers it is in, when that is not the configuration itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What operators said of a server while the node ran; kept over reloads and restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerOverride {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<AddedServer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Said>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<WeightOverride>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateOverride>,
}

/// Who said something, why, when, and until when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Said {
    pub author: String,
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Absent: until somebody says otherwise.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A server that an operator added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddedServer {
    pub address: String,
    pub weight: u16,
    pub backup: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(flatten)]
    pub said: Said,
}

/// A weight that an operator set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WeightOverride {
    pub weight: u16,
    /// What the configuration said then; when it says something else, that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<u16>,
    #[serde(flatten)]
    pub said: Said,
}

/// An admin state that an operator set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateOverride {
    pub state: AdminState,
    #[serde(flatten)]
    pub said: Said,
}

/// What the operator wants of a server, who said so, why and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerAdmin {
    pub state: AdminState,
    pub author: String,
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// What an operator wants of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdminState {
    /// Takes requests as its health allows.
    Ready,
    /// Takes no new requests; running ones finish; checks go on.
    Drain,
    /// Takes nothing; checks stop.
    Maint,
}

/// What the checks and the traffic say of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServerVerdict {
    pub health: Health,
    /// One line.
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    #[serde(default)]
    pub evidence: Evidence,
    /// How it has come to that, the oldest entry first; the last 32.
    #[serde(default)]
    pub time_line: Vec<TimeLineEntry>,
}

/// What a verdict stands on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// Absent before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check: Option<LastCheck>,
    /// What the server needs, by its last answer to a deep check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
    /// Absent when it has no agent, or it was not asked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentWord>,
}

/// What a server's agent has last said, and whether it is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentWord {
    /// Its line; absent when it has not spoken yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Since when it does not answer; absent while it does. What it said before holds.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
    /// Why it is not heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_because: Option<String>,
}

/// The last check of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastCheck {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub took_ms: f64,
    pub outcome: CheckOutcome,
    /// What was wrong, one line; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// How a check has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    Passed,
    Failed,
    /// A deep check that means nothing before the other servers are asked.
    Undecided,
}

/// Something a server needs, in its own words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Component {
    pub name: String,
    pub status: ComponentStatus,
    /// Without it the server is of no use.
    pub critical: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComponentStatus {
    Up,
    Degraded,
    Down,
}

/// What was thought of a server from a moment on, until the next entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimeLineEntry {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Absent in the oldest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Health>,
    pub to: Health,
    /// Whether its health let it be used.
    pub usable: bool,
    /// One line, with the last figures: a row of failures is one entry.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Up,
    Down,
    /// Not yet judged, or on its way up or down.
    Checking,
}

/// A new admin state or weight for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AdminState>,
    /// 0 to 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// Who asks for it.
    #[serde(default)]
    pub author: String,
    #[serde(default)]
    pub reason: String,
    /// For how long it holds; absent: until somebody says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// A server to be added to a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerAddition {
    /// Host and port, or the name of a service record.
    pub address: String,
    /// Default: the address as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 0 to 256; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    #[serde(default)]
    pub backup: bool,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default)]
    pub author: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// A server to be removed from a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRemoval {
    #[serde(default)]
    pub author: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// Something an operator wants to know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Such as `server-down`, `server-up`, `server-admin`, `pool-mode`, `config-applied`.
    pub kind: String,
    /// What it is about: `POOL/SERVER`, a pool, a listener, a virtual address or the node.
    pub subject: String,
    pub message: String,
}

/// Why something was refused (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A short constant for programs, such as `about:blank` or `urn:evenkeel:invalid-config`.
    #[serde(rename = "type", default = "blank")]
    pub kind: String,
    /// The kind in words; the same for all of its kind.
    pub title: String,
    /// Status of the answer.
    pub status: u16,
    /// This one in words: what failed and what to do.
    #[serde(default)]
    pub detail: String,
    /// Faults of a configuration, when that is what was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Found>,
}

fn blank() -> String {
    "about:blank".to_owned()
}
