//! VRRP, version 3 for IPv4 and IPv6 (RFC 9568) and version 2 for neighbours that know no other
//! (RFC 3768): what the nodes of one virtual address tell each other, and who of them owns it.
//!
//! - [`packet`] reads and writes the advert, the only packet there is.
//! - [`signature`] tells adverts of our own nodes from those of anybody else.
//! - [`policy`] is what was configured, with the times that follow, and who is listened to.
//! - [`track`] says what a node's claim is worth.
//! - [`machine`] decides who owns the address.
//! - [`parting`] says when it may leave, if it leaves on purpose.
//!
//! What is not met: the virtual MAC address of RFC 9568 §7.3. An owner answers with the MAC of its
//! interface, as keepalived does by default, and tells the link so when it takes an address.

pub mod machine;
pub mod packet;
pub mod parting;
pub mod policy;
pub mod reason;
pub mod signature;
pub mod track;

pub use reason::Reason;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;

/// The number of VRRP in the IP header (RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// With which adverts are sent: one that has crossed a router has less (RFC 9568 §5.1.1.3).
pub const HOP_LIMIT: u8 = 255;
/// Where IPv4 adverts go unless peers are named (RFC 9568 §5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where IPv6 adverts go unless peers are named (RFC 9568 §5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// What nodes of one virtual address have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4 only, whole seconds.
    V2,
    /// Both families, hundredths of a second.
    V3,
}

/// The number of a virtual router, unique on its link for each address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(NonZeroU8);

impl RouterId {
    /// `None` for 0, which RFC 9568 §5.2.3 does not allow.
    pub const fn new(id: u8) -> Option<Self> {
        match NonZeroU8::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// 1 to 255.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

/// From whom a packet came to whom, as the IP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The sender's own address on the link.
    pub source: IpAddr,
    /// The group or one of the sender's peers, of the same family.
    pub destination: IpAddr,
    /// TTL or hop limit as it arrived; [`HOP_LIMIT`] on sending.
    pub hop_limit: u8,
}
