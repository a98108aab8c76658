//! What went wrong.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Event;

/// Exchanges that failed or were slow, and state changes, of the last hour: the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recorded {
    /// Milliseconds since 1970: the first moment that was asked for.
    pub from: u64,
    /// Exchanges that match; there may be fewer in the list.
    pub matched: u64,
    /// Exchanges of that time that were too many to be kept, whatever they were.
    pub unseen: u64,
    /// What went wrong with all that match, the most frequent first; the rarest are left out.
    pub causes: Vec<Cause>,
    pub exchanges: Vec<RecordedExchange>,
    /// Whatever was asked for: all of the last hour. None with `events=false`.
    pub events: Vec<Event>,
}

/// Exchanges that went wrong in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// What went wrong, about what: `pool app: no server may be used (SC)`.
    pub words: String,
    /// So many of those that match.
    pub count: u64,
    /// The whole of the longest of them: Ta.
    pub longest_seconds: f64,
}

/// An exchange that failed or was slow. Names that are absent are empty, phases that were not reached
/// null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordedExchange {
    /// When it was over, in milliseconds since 1970.
    pub at: u64,
    pub listener: String,
    pub route: String,
    pub pool: String,
    pub server: String,
    /// The client's address.
    pub client: String,
    pub method: String,
    pub host: String,
    /// Path and query as the client sent them.
    pub target: String,
    pub request_id: String,
    /// The trace it belongs to; empty where none is known of.
    #[serde(default)]
    pub trace_id: String,
    pub status: Option<u16>,
    /// The termination code; `--` when it ended as it should.
    pub code: String,
    /// What went wrong, in words; empty when it was the server's own answer.
    pub fault: String,
    /// The words of its [`Cause`]; when slow ones were asked for, where most of the time went.
    pub cause: String,
    pub retries: u8,
    /// Reading the request: TR.
    pub request_seconds: f64,
    /// Waiting for a server: Tw.
    pub wait_seconds: Option<f64>,
    /// Connecting to it: Tc.
    pub connect_seconds: Option<f64>,
    /// Waiting for the head of its answer: Tr.
    pub response_seconds: Option<f64>,
    /// The whole: Ta.
    pub active_seconds: f64,
    /// It took longer than `slow` of `[history]`.
    pub slow: bool,
}
