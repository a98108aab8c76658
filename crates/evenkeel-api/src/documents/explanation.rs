//! What would be done with a request.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PoolMode;

/// What this node would do with a request now. Nothing was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    pub method: String,
    pub url: String,
    /// The client's address that was assumed.
    pub from: String,
    pub listener: String,
    /// `tcp`, `tls`, `http` or `https`.
    pub protocol: String,
    /// Whether the listener is on the port of the URL. If not, it was taken as the only one.
    pub on_port: bool,
    /// Where TLS ends here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ExplainedCertificate>,
    /// Absent: the listener's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Routes that were near, the nearest first.
    #[serde(default)]
    pub passed_over: Vec<PassedOver>,
    /// What the request has to pass: limits, passwords.
    #[serde(default)]
    pub passes: Vec<String>,
    pub outcome: ExplainedOutcome,
}

/// A certificate that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedCertificate {
    pub file: String,
    pub names: Vec<String>,
}

/// A route that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassedOver {
    pub route: String,
    pub why: String,
}

/// Where the request would go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ExplainedOutcome {
    /// Without a `status` the connection is closed without an answer.
    Refused {
        status: Option<u16>,
        why: String,
    },
    /// By the node itself, though nothing is wrong with the request.
    Answer {
        status: u16,
        why: String,
    },
    Redirect {
        status: u16,
        location: String,
    },
    /// 200, 206 or 304, with a file of the node's machine, which is there.
    File {
        status: u16,
        folder: String,
        path: String,
    },
    Pool(Box<ExplainedPool>),
}

/// How the pool would choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedPool {
    pub pool: String,
    /// Other pools share the traffic with it, and chance has chosen this one.
    pub by_split: bool,
    pub balance: String,
    pub mode: PoolMode,
    /// The path that the server sees; empty for tcp and tls.
    pub path: String,
    /// What the path was, if a route has changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_before: Option<String>,
    /// What is hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The client's cookie has chosen the server.
    pub keeps_home: bool,
    /// Next time it may be another server, by chance alone.
    pub by_chance: bool,
    /// Absent: nobody takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// In the order of the file.
    pub servers: Vec<ExplainedServer>,
    pub retry: ExplainedRetry,
}

/// A server as the choice sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedServer {
    pub server: String,
    pub address: String,
    /// What it takes of its weight now is less while it starts slowly.
    pub weight: f64,
    pub in_flight: u32,
    /// What the algorithm compares, if it compares by a number: the lowest is best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// As which try it would be asked, from 1. Absent: it would not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub try_number: Option<usize>,
    /// In words.
    pub verdict: String,
}

/// What would follow if the first server failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedRetry {
    /// Further tries at most.
    pub attempts: u8,
    /// What they are made for.
    pub on: Vec<String>,
    /// Whether the request may be sent again once a server may have begun it.
    pub repeatable: bool,
    /// Share of the requests that may be tried again, in percent, and how many always may, a second.
    pub budget_percent: u8,
    pub budget_floor: u16,
    pub connect_seconds: f64,
    pub first_byte_seconds: f64,
}
