//! The other node of a pair.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    /// How far the times of day of the two nodes are apart, when that is more than a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_apart_seconds: Option<f64>,
}
