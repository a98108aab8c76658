//! Virtual addresses.

use std::net::IpAddr;
use std::sync::Arc;

use crate::vrrp::packet::ChecksumForm;
use crate::vrrp::policy::Policy;
use crate::vrrp::signature::{Keys, Mode};

/// `[vip.NAME]`: addresses that this node owns in turn with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    pub name: Arc<str>,
    /// On which the addresses are, and adverts come and go.
    pub interface: Arc<str>,
    pub policy: Arc<Policy>,
    /// Of each of [`Policy::addresses`] the bits that its network has in common.
    pub prefixes: Vec<u8>,
    /// What the addresses are called on the interface; IPv4 only.
    pub label: Option<Arc<str>>,
    /// The node's own address on the link, which its adverts come from; `None`: the first there is.
    pub source: Option<IpAddr>,
    /// Of version 3 over IPv4.
    pub checksum: ChecksumForm,
    /// `None`: adverts are not signed.
    pub signatures: Option<(Keys, Mode)>,
}
