//! Virtual addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::ExecCheck;
use crate::vrrp::packet::ChecksumForm;
use crate::vrrp::policy::Policy;
use crate::vrrp::signature::{Keys, Mode};
use crate::vrrp::track::Weight;

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
    /// Takes and releases the addresses in place of the kernel.
    pub command: Option<ExecCheck>,
    /// What this node's claim depends on, beside its interface.
    pub track: Vec<Track>,
    /// As long as none of these is reachable, nothing is claimed.
    pub witnesses: Vec<Target>,
    /// How often both are looked at, and for how long at most.
    pub look_every: Duration,
    /// How long what is under way may go on before the addresses leave on purpose.
    pub drain: Duration,
}

/// Something a claim depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub what: Tracked,
    /// What it means that it has failed.
    pub weight: Weight,
}

/// What may fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// A pool: it has a server that can be used.
    Pool(Arc<str>),
    Reach(Target),
    /// A program of the operator's: it ends with 0.
    Command(ExecCheck),
}

/// Something that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A machine, by ICMP echo.
    Address(IpAddr),
    /// A server, by a TCP connection.
    Port(SocketAddr),
}
