//! Configurations, and what came of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PeerApplied;
use crate::time::Timestamp;

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigStatus {
    /// `ETag` of `/api/v1/config`, without its quotes.
    pub version: String,
    /// File, command line or API.
    pub origin: String,
    #[schema(value_type = String, format = DateTime)]
    pub applied: Timestamp,
    /// What changed in the text but takes effect only when the program is started anew.
    pub needs_restart: Vec<String>,
    pub warnings: Vec<Found>,
    /// Why the last attempt to change the configuration was refused; absent after a good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<String>,
}

/// A version of the configuration that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigVersion {
    /// To be read with `/api/v1/config?version=…`.
    pub version: String,
    pub origin: String,
    #[schema(value_type = String, format = DateTime)]
    pub applied: Timestamp,
}

/// What came of a new configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    pub version: String,
    pub needs_restart: Vec<String>,
    pub warnings: Vec<Found>,
    /// What became of it on the other node of the pair; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerApplied>,
}

/// A fault or a warning about a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    pub severity: Severity,
    /// The file, or `environment` or `command line`.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub reason: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Fault,
    Warning,
}
