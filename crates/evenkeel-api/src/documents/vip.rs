//! Virtual addresses.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PeerVip;
use crate::time::Timestamp;

/// A virtual address as this node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Vip {
    pub name: String,
    pub interface: String,
    pub router_id: u8,
    /// Each with its prefix.
    pub addresses: Vec<String>,
    pub state: VipState,
    /// One line.
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Where this node's adverts come from; absent while it takes no part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The owner by its own address, as far as this node knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// As configured.
    pub priority: u8,
    /// With which it claims the address now; absent when it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<u8>,
    /// What has failed of what the claim depends on, a line each.
    #[serde(default)]
    pub failed: Vec<String>,
    /// An operator has moved the address away from this node: it does not preempt.
    pub moved: bool,
    /// What keeps this node from claiming the address, although its owner is silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// Times this node has become owner since it started.
    pub claims_total: u64,
    /// Sightings of a second owner.
    pub conflicts_total: u64,
    /// When this node last claimed the address from a silent owner: how long after that one's last
    /// advert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_seconds: Option<f64>,
    /// What the other node of the pair says of it; absent while that is not heard, or does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerVip>,
}

/// What a node is to a virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VipState {
    /// Takes no part.
    Initialize,
    /// Listens to the owner.
    Backup,
    /// The owner is silent: asks the link whether somebody has the address.
    Probing,
    /// Owns the address.
    Active,
    /// Has said that it leaves; answers until another owns it.
    Leaving,
    /// Something it depends on has failed: neither claims nor owns.
    Fault,
}

/// What an operator wants of a virtual address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VipChange {
    /// `true`: another node is to own it; `false`: this one may again.
    pub moved: bool,
    /// Who asks for it.
    #[serde(default)]
    pub author: String,
    #[serde(default)]
    pub reason: String,
}
