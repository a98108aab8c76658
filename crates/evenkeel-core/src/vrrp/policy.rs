//! How a node takes part in one virtual router, and the times that follow from it.

use std::net::IpAddr;
use std::time::Duration;

use super::packet::{Advert, Password};
use super::{Envelope, Reason, RouterId, Version};

/// Adverts that may stay away before their sender counts as gone (RFC 9568 §6.1).
pub const DOWN_INTERVALS: u32 = 3;
/// Before an address is claimed it is asked for this often (RFC 5227 §1.1 has the same number).
pub const PROBES: u8 = 3;
/// Asking takes at most this long. RFC 5227 takes up to 9 s, too long for an address others wait
/// for; on a link that delivers adverts an answer takes a millisecond.
const LONGEST_PROBING: Duration = Duration::from_millis(200);
/// The most an advert can have (RFC 9568 §5.2.4): the addresses are the node's own.
pub const ADDRESS_OWNER: u8 = 255;

/// What was configured of a virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub version: Version,
    pub router_id: RouterId,
    /// At least one; all of one family, IPv4 in version 2. Of IPv6 the first is link-local
    /// (RFC 9568 §5.2.9).
    pub addresses: Vec<IpAddr>,
    /// 1 to 254 as long as nothing tracked lowers it; [`ADDRESS_OWNER`].
    pub priority: u8,
    /// Between two adverts: as [`Advert::interval`].
    pub interval: Duration,
    pub preempt: Preempt,
    /// How long a weaker owner may take to give the address away before it is preempted, if it is
    /// heard over the second path; zero: it is not asked to.
    pub asking: Duration,
    /// Who is spoken to and listened to; none: the group, and anybody.
    pub peers: Vec<IpAddr>,
    /// Version 2 only.
    pub password: Option<Password>,
    /// There are witnesses: as long as none of them is reachable, nothing is claimed.
    pub has_witnesses: bool,
}

/// Whether a node takes the address from a weaker one that is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preempt {
    /// An address moves only when it has to.
    #[default]
    Never,
    /// Once the weaker one has been heard for this long.
    After(Duration),
}

impl Policy {
    /// Whether its addresses, and so its adverts, are IPv4.
    pub fn is_v4(&self) -> bool {
        self.addresses.first().is_some_and(IpAddr::is_ipv4)
    }

    /// What this node says of itself with this priority.
    pub fn advert(&self, priority: u8) -> Advert {
        Advert {
            version: self.version,
            router_id: self.router_id,
            priority,
            interval: self.interval,
            addresses: self.addresses.clone(),
            password: self.password,
        }
    }

    /// Whether an advert is for this virtual router, from somebody else who may send it. `own`:
    /// this node's own address. That it names other addresses is no reason to refuse it: two nodes
    /// that do not listen to each other both claim. See [`Policy::same_addresses`].
    pub fn admit(&self, advert: &Advert, envelope: &Envelope, own: IpAddr) -> Result<(), Reason> {
        let is_peer = self.peers.is_empty() || self.peers.contains(&envelope.source);
        let is_old = self.version == Version::V2;
        let has_kind = advert.password.is_some() == self.password.is_some();
        for (holds, reason) in [
            (advert.version == self.version, Reason::Version),
            (advert.router_id == self.router_id, Reason::RouterId),
            (envelope.source != own, Reason::Own),
            (is_peer, Reason::Stranger),
            (has_kind, Reason::Authentication),
            (advert.password == self.password, Reason::Password),
            (!is_old || advert.interval == self.interval, Reason::Interval),
        ] {
            if !holds {
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Whether an advert names the addresses of this node, in any order (RFC 9568 §7.1 asks for a
    /// word to the operator if not).
    pub fn same_addresses(&self, advert: &Advert) -> bool {
        let all = |of: &[IpAddr], among: &[IpAddr]| of.iter().all(|it| among.contains(it));
        all(&self.addresses, &advert.addresses) && all(&advert.addresses, &self.addresses)
    }

    /// The stronger a node, the sooner it claims: `Skew_Time` (RFC 9568 §6.1, RFC 3768 §6.1).
    /// `interval` is that of the owner.
    pub fn skew(&self, priority: u8, interval: Duration) -> Duration {
        let unit = match self.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => interval,
        };
        unit * (256 - u32::from(priority)) / 256
    }

    /// For how long an owner may be silent: `Active_Down_Interval` (RFC 9568 §6.1).
    pub fn down(&self, priority: u8, interval: Duration) -> Duration {
        interval * DOWN_INTERVALS + self.skew(priority, interval)
    }

    /// The last part of that, in which the address is asked for.
    pub fn probing(&self) -> Duration {
        (self.interval / 2).min(LONGEST_PROBING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::{GROUP_V4, HOP_LIMIT};

    fn policy() -> Policy {
        Policy {
            version: Version::V3,
            router_id: RouterId::new(51).unwrap(),
            addresses: vec![[192, 0, 2, 10].into(), [192, 0, 2, 11].into()],
            priority: 100,
            interval: Duration::from_secs(1),
            preempt: Preempt::Never,
            peers: Vec::new(),
            password: None,
            asking: Duration::ZERO,
            has_witnesses: false,
        }
    }

    #[test]
    fn the_times_of_the_rfcs() {
        let ms = Duration::from_millis;
        let three = policy();
        assert_eq!(three.skew(100, ms(1_000)), Duration::from_micros(609_375));
        assert_eq!(three.down(100, ms(1_000)), Duration::from_micros(3_609_375));
        assert_eq!(three.down(100, ms(100)), Duration::from_nanos(360_937_500));
        assert_eq!(three.skew(255, ms(256)), ms(1));
        let two = Policy { version: Version::V2, ..policy() };
        assert_eq!(two.skew(100, ms(5_000)), Duration::from_micros(609_375), "whole seconds");
        assert_eq!(two.down(100, ms(5_000)), Duration::from_micros(15_609_375));
        assert_eq!(three.probing(), ms(200));
        assert_eq!(Policy { interval: ms(100), ..policy() }.probing(), ms(50));
    }

    #[test]
    fn who_is_listened_to() {
        let (own, peer) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let from = |source| Envelope { source, destination: GROUP_V4.into(), hop_limit: HOP_LIMIT };
        let ours = policy();
        let good = ours.advert(100);
        let other = |change: fn(&mut Advert)| {
            let mut advert = good.clone();
            change(&mut advert);
            ours.admit(&advert, &from(peer), own)
        };
        assert_eq!(ours.admit(&good, &from(peer), own), Ok(()));
        assert_eq!(ours.admit(&good, &from(own), own), Err(Reason::Own));
        assert_eq!(other(|it| it.version = Version::V2), Err(Reason::Version));
        assert_eq!(other(|it| it.router_id = RouterId::new(52).unwrap()), Err(Reason::RouterId));
        assert_eq!(other(|it| it.password = Some([0; 8])), Err(Reason::Authentication));
        assert_eq!(other(|it| it.interval = Duration::from_secs(2)), Ok(()), "it is learned");
        assert_eq!(other(|it| it.addresses.clear()), Ok(()), "a word, no split");
        let named = Policy { peers: vec![[192, 0, 2, 3].into()], ..policy() };
        assert_eq!(named.admit(&good, &from(peer), own), Err(Reason::Stranger));
        let two = Policy { version: Version::V2, password: Some([1; 8]), ..policy() };
        let mut advert = two.advert(100);
        assert_eq!(two.admit(&advert, &from(peer), own), Ok(()));
        advert.interval = Duration::from_secs(2);
        assert_eq!(two.admit(&advert, &from(peer), own), Err(Reason::Interval));
        advert.password = Some([2; 8]);
        assert_eq!(two.admit(&advert, &from(peer), own), Err(Reason::Password));
    }

    #[test]
    fn the_order_of_addresses_means_nothing() {
        let ours = policy();
        let mut advert = ours.advert(1);
        advert.addresses.reverse();
        assert!(ours.same_addresses(&advert));
        advert.addresses.pop();
        assert!(!ours.same_addresses(&advert));
    }
}
