//! The other node of a pair.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AdminState, Found, Health, Server};
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
    /// What the other node does; absent before it has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<PeerFigures>,
}

/// What the other node did in its last second, all its listeners together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeerFigures {
    /// Requests; in tcp and tls, connections.
    pub rate: f64,
    pub errors: f64,
    /// Client connections held.
    pub connections: u32,
    /// Its share of all processors of its machine, 0 to 1.
    pub cpu: f64,
}

/// How a virtual address stands by the word of the other node of the pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerVip {
    /// Where its adverts come from.
    pub address: String,
    pub owns: bool,
    /// With which it claims the address; absent when it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<u8>,
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

impl Server {
    /// How the other node of the pair judges it, where that is otherwise. In maintenance nobody judges
    /// it.
    pub fn judged_otherwise(&self) -> Option<&PeerView> {
        let is_checked = self.admin.state != AdminState::Maint;
        self.peer.as_ref().filter(|peer| is_checked && peer.health != self.verdict.health)
    }
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
