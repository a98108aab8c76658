//! Drills: the loss of a server, or of a node, rehearsed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminState;
use crate::time::Timestamp;

/// What is rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrillKind {
    /// The loss of a server: `POOL/SERVER`.
    Server,
    /// The loss of the node that owns a virtual address, by the address's name.
    Vip,
}

/// How far a drill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrillStage {
    /// Nothing was touched yet.
    Begun,
    /// The server is out, or the address is with the other node.
    Away,
    /// All is, or is about to be, as it was.
    Back,
}

/// A drill to begin. Nothing is touched before its stage is `away`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillStart {
    pub kind: DrillKind,
    /// `POOL/SERVER`, or the name of a virtual address.
    pub object: String,
    /// What a server is set to: `drain` or `maint`. Default: `drain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AdminState>,
    /// 1 to 3600: a server is ready again after so long and the lease, whatever becomes of this node and
    /// of the one who drills.
    pub away_seconds: u64,
    /// 2 to 60: who drills has to be heard so often; else all is put back.
    pub lease_seconds: u64,
    /// Who asks for it.
    #[serde(default)]
    pub author: String,
    #[serde(default)]
    pub reason: String,
}

/// A drill under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drill {
    /// By which it is spoken to.
    pub id: String,
    pub kind: DrillKind,
    pub object: String,
    pub stage: DrillStage,
    pub author: String,
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    pub lease_seconds: u64,
    /// Requests of the pool, or for a virtual address of all listeners, since it began; with those of
    /// who drills. In tcp and tls, connections.
    pub requests: u64,
    /// Of these, answered 5xx or failed by no fault of the client's.
    pub errors: u64,
}

/// A word of the one who drills: it goes on, and is to be so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillWord {
    pub stage: DrillStage,
}

/// The end of a drill, whatever its stage is: what is away is put back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillEnd {
    /// Everything was within its limits to the end.
    pub passed: bool,
    /// One line: what came of it.
    #[serde(default)]
    pub message: String,
    /// The longest time without a good probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_seconds: Option<f64>,
}

/// What is known of the drills of a server or a virtual address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrillRecord {
    pub kind: DrillKind,
    pub object: String,
    /// When one last passed; absent when none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success: Option<Timestamp>,
    /// When the last one ended.
    #[schema(value_type = String, format = DateTime)]
    pub ended: Timestamp,
    /// Whether that one passed.
    pub passed: bool,
    /// What came of it.
    pub message: String,
    /// The longest time without a good probe in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_seconds: Option<f64>,
}

/// Every drill that is known of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Drills {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_way: Option<Drill>,
    /// Of each server and virtual address that was drilled; kept over restarts.
    pub records: Vec<DrillRecord>,
}
