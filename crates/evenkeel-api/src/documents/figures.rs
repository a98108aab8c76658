//! What a node does at the moment, and what it did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AdminState, Health, VipState};

/// What a node did in the last second. Names are keys, as in the configuration.
///
/// `rate` and `errors` are a second's; `errors` were answered 5xx or failed by no fault of the
/// client's. `p50` and `p99` are in seconds, null when nothing ended. `ended` is what did not end as
/// it should, by termination code, a second's too: those that have
/// occurred since the process started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tick {
    /// Milliseconds since 1970.
    pub at: u64,
    pub node: NodeFigures,
    pub listeners: BTreeMap<String, ListenerFigures>,
    /// By `LISTENER/ROUTE`. What takes no route counts for its listener alone.
    pub routes: BTreeMap<String, RouteFigures>,
    pub pools: BTreeMap<String, PoolFigures>,
    /// By `POOL/SERVER`.
    pub servers: BTreeMap<String, ServerFigures>,
    pub vips: BTreeMap<String, VipFigures>,
}

/// What the process uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeFigures {
    /// Its share of all processors of the machine, 0 to 1.
    pub cpu: f64,
    pub memory_bytes: Option<u64>,
    /// Open files and sockets.
    pub descriptors: Option<u64>,
    /// Of each engine thread, its share of one processor, 0 to 1.
    pub workers: Vec<f64>,
}

/// A listener. Durations are from the first byte of a request to the last of its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListenerFigures {
    /// Requests; in tcp and tls, connections.
    pub rate: f64,
    pub errors: f64,
    /// Answers 4xx and 5xx; of what fails without an answer `errors` alone tells.
    pub answered_4xx: f64,
    pub answered_5xx: f64,
    /// Held now.
    pub connections: u32,
    /// Bytes a second from clients, and to them.
    pub bytes_in: f64,
    pub bytes_out: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<String, f64>,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

/// A route. Durations are those of its listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RouteFigures {
    pub rate: f64,
    pub errors: f64,
    /// Answers 4xx and 5xx.
    pub answered_4xx: f64,
    pub answered_5xx: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<String, f64>,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

/// A pool. Durations are from a request to the head of its answer, over all tries; in tcp, to the
/// connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PoolFigures {
    pub rate: f64,
    pub errors: f64,
    /// Answers 4xx and 5xx to clients.
    pub answered_4xx: f64,
    pub answered_5xx: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<String, f64>,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    /// Under way on its servers now.
    pub in_flight: u32,
    /// Requests that wait for a server with room now.
    pub queue: u32,
    /// Further tries a second.
    pub retries: f64,
}

/// A server. Durations are from the moment it was tried to the head of its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServerFigures {
    /// Tries.
    pub rate: f64,
    /// Answers 5xx, and tries it failed.
    pub errors: f64,
    /// Answers 4xx and 5xx from it.
    pub answered_4xx: f64,
    pub answered_5xx: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended: BTreeMap<String, f64>,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    /// Under way now.
    pub in_flight: u32,
    pub state: Health,
    pub admin: AdminState,
    /// Why it is in this state.
    pub reason: String,
}

/// A virtual address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VipFigures {
    pub state: VipState,
    /// As far as this node knows.
    pub owner: Option<String>,
}

/// What was, in even steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// Milliseconds since 1970 of the first value.
    pub from: u64,
    /// 1, 10 or 300.
    pub step_seconds: u32,
    pub series: Vec<Series>,
}

/// One figure of one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// `node`, `listener/NAME`, `route/LISTENER/NAME`, `pool/NAME`, `server/POOL/NAME` or `vip/NAME`.
    pub of: String,
    /// As in [`Tick`].
    pub figure: String,
    /// One for each step; null where nothing is known.
    pub values: Vec<Option<f64>>,
}
