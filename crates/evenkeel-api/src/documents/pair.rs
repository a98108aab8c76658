//! The other node of a pair.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Found, Health};
use crate::time::Timestamp;

/// The link to the other node of the pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pair {
    /// Where the other node is dialed.
    pub peer: String,
    /// It is heard.
    pub up: bool,
    /// Since when that is so.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Why it is not heard, in one line; absent while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The other node's name, while it is heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// What operators said of servers that holds on both nodes.
    pub words: usize,
    /// Its configuration is the same as this node's, but for what is each one's own; absent before
    /// it has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_configuration: Option<bool>,
    /// How far the times of day of the two nodes are apart, when that is more than a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_apart_seconds: Option<f64>,
}

/// A server as the other node of the pair judges it. It is shown, and changes nothing here: each node
/// has its own way to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    pub health: Health,
    /// One line.
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// What became of a configuration on the other node of the pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerApplied {
    /// The other node's name; where it is dialed, while it is not heard.
    pub node: String,
    /// It is in force there.
    pub applied: bool,
    /// As the other node calls it, with what is its own in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it is not in force there, or what else is to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong with it there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Found>,
}
