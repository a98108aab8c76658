//! Neighbour discovery for IPv6: `ICMPv6` messages, whole, without the IP header.

use std::net::Ipv6Addr;

use super::Mac;
use crate::checksum;

/// `ICMPv6` in the IP header.
pub const PROTOCOL: u8 = 58;
/// With which messages are sent and must arrive (RFC 4861 §7.1).
pub const HOP_LIMIT: u8 = 255;
/// Everybody on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Before the options.
const FIXED_BYTES: usize = 24;
/// The sender's, in a solicitation.
const SOURCE_MAC: u8 = 1;
/// The target's, in an advertisement.
const TARGET_MAC: u8 = 2;

/// What is asked or told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// "Who has it?" From the unspecified address it is a probe (RFC 4862 §5.4.2).
    Solicitation { target: Ipv6Addr, sender: Option<Mac> },
    /// "It is here." Others forget what they knew if `overrides` (RFC 4861 §4.4).
    Advertisement { target: Ipv6Addr, holder: Option<Mac>, solicited: bool, overrides: bool },
}

/// From whom to whom, as the IP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub hop_limit: u8,
}

impl Envelope {
    const fn new(source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        Self { source, destination, hop_limit: HOP_LIMIT }
    }
}

impl Message {
    /// "Has anybody this address?", and the way it goes (RFC 4862 §5.4.2).
    pub fn probe(address: Ipv6Addr) -> (Self, Envelope) {
        let message = Self::Solicitation { target: address, sender: None };
        (message, Envelope::new(Ipv6Addr::UNSPECIFIED, solicited_nodes(address)))
    }

    /// "It is here" to all, unasked (RFC 4861 §7.2.6), from the address itself, which must be
    /// there by then.
    pub fn announcement(own: Mac, address: Ipv6Addr) -> (Self, Envelope) {
        let message = Self::Advertisement {
            target: address,
            holder: Some(own),
            solicited: false,
            overrides: true,
        };
        (message, Envelope::new(address, ALL_NODES))
    }

    /// Whether this shows that somebody other than `own` uses `address`. Without a hardware address
    /// nobody can tell who it was: it counts, so what this node sent must not be handed in.
    pub fn claims(&self, own: Mac, address: Ipv6Addr) -> bool {
        match *self {
            Self::Advertisement { target, holder, .. } => target == address && holder != Some(own),
            Self::Solicitation { .. } => false,
        }
    }

    /// The payload of an IP packet for this way.
    pub fn write(&self, envelope: &Envelope) -> Vec<u8> {
        let (kind, flags, target, option) = match *self {
            Self::Solicitation { target, sender } => {
                (SOLICITATION, 0, target, sender.map(|mac| (SOURCE_MAC, mac)))
            }
            Self::Advertisement { target, holder, solicited, overrides } => {
                let flags = u8::from(solicited) << 6 | u8::from(overrides) << 5;
                (ADVERTISEMENT, flags, target, holder.map(|mac| (TARGET_MAC, mac)))
            }
        };
        let mut out = vec![kind, 0, 0, 0, flags, 0, 0, 0];
        out.extend(target.octets());
        if let Some((option, mac)) = option {
            out.extend([option, 1]);
            out.extend(mac.0);
        }
        let sum = sum(&out, envelope).finish();
        out[2..4].copy_from_slice(&sum);
        out
    }

    /// The whole IPv6 packet (RFC 8200 §3) for this way, and the hardware address it goes to
    /// (RFC 2464 §7), which `envelope` must be a group for.
    pub fn packet(&self, envelope: &Envelope) -> (Vec<u8>, Mac) {
        let payload = self.write(envelope);
        let length = u16::try_from(payload.len()).expect("messages are short");
        let mut packet = vec![6 << 4, 0, 0, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([PROTOCOL, envelope.hop_limit]);
        packet.extend(envelope.source.octets());
        packet.extend(envelope.destination.octets());
        packet.extend(payload);
        let [.., a, b, c, d] = envelope.destination.octets();
        (packet, Mac([0x33, 0x33, a, b, c, d]))
    }

    /// `None`: another message, or one that RFC 4861 §7.1 has discarded.
    pub fn parse(bytes: &[u8], envelope: &Envelope) -> Option<Self> {
        let (fixed, options) = bytes.split_first_chunk::<FIXED_BYTES>()?;
        let (start, target) = fixed.split_first_chunk::<8>()?;
        let [kind, 0, _, _, flags, ..] = *start else { return None };
        let target = Ipv6Addr::from(*target.first_chunk::<16>()?);
        let is_sound = envelope.hop_limit == HOP_LIMIT
            && sum(bytes, envelope).fits()
            && !target.is_multicast();
        if !is_sound {
            return None;
        }
        match kind {
            SOLICITATION => {
                let sender = option(options, SOURCE_MAC).ok()?;
                let is_probe = envelope.source.is_unspecified();
                // A probe has no one to be answered (RFC 4861 §7.1.1).
                let fits = !is_probe || sender.is_none();
                fits.then_some(Self::Solicitation { target, sender })
            }
            ADVERTISEMENT => {
                let (solicited, overrides) = (flags & 0x40 != 0, flags & 0x20 != 0);
                let holder = option(options, TARGET_MAC).ok()?;
                let fits = !(solicited && envelope.destination.is_multicast());
                fits.then_some(Self::Advertisement { target, holder, solicited, overrides })
            }
            _ => None,
        }
    }
}

/// The group of those who might have `address` (RFC 4291 §2.7.1).
pub fn solicited_nodes(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let mut group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0];
    group[13..].copy_from_slice(&[a, b, c]);
    Ipv6Addr::from(group)
}

/// Options that cannot be told apart.
struct Malformed;

/// The hardware address of this kind, if there is one. Other options are skipped (RFC 4861 §4.6).
fn option(mut options: &[u8], wanted: u8) -> Result<Option<Mac>, Malformed> {
    let mut found = None;
    while let [kind, length, ..] = *options {
        // In units of 8 bytes; 0 would never end.
        let length = if length == 0 { return Err(Malformed) } else { usize::from(length) * 8 };
        let (option, rest) = options.split_at_checked(length).ok_or(Malformed)?;
        if kind == wanted && found.is_none() {
            found = option[2..].try_into().ok().map(Mac);
        }
        options = rest;
    }
    if options.is_empty() { Ok(found) } else { Err(Malformed) }
}

fn sum(message: &[u8], envelope: &Envelope) -> checksum::Sum {
    let Envelope { source, destination, hop_limit: _ } = *envelope;
    checksum::pseudo_header(source.into(), destination.into(), PROTOCOL, message.len())
        .with(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10);

    /// Captured from keepalived 2.2.7.
    const ANNOUNCEMENT: &[u8] = &[
        0x88, 0, 0x57, 0x7d, 0x20, 0, 0, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0x10, 2, 1, 2, 0, 0, 0, 0, 1,
    ];

    #[test]
    fn an_announcement_is_keepaliveds() {
        let (message, envelope) = Message::announcement(OWN, ADDRESS);
        assert_eq!((envelope.source, envelope.destination), (ADDRESS, ALL_NODES));
        assert_eq!(message.write(&envelope), ANNOUNCEMENT);
        assert_eq!(Message::parse(ANNOUNCEMENT, &envelope), Some(message));
        assert!(message.claims(OTHER, ADDRESS) && !message.claims(OWN, ADDRESS));
        assert!(!message.claims(OTHER, Ipv6Addr::LOCALHOST));
    }

    /// A probe of the Linux kernel, with its nonce (RFC 7527).
    #[test]
    fn a_probe_of_the_kernel_is_understood() {
        let target = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);
        let mut bytes = vec![0x87, 0, 0x2b, 0x53, 0, 0, 0, 0];
        bytes.extend(target.octets());
        bytes.extend([0x0e, 1, 0xa4, 0xfc, 0xfd, 0x45, 0xa1, 0x86]);
        let (probe, envelope) = Message::probe(target);
        assert_eq!(envelope.destination, "ff02::1:ff00:1".parse::<Ipv6Addr>().unwrap());
        assert_eq!(Message::parse(&bytes, &envelope), Some(probe));
        assert_eq!(Message::parse(&probe.write(&envelope), &envelope), Some(probe));
        assert!(!probe.claims(OTHER, target));
    }

    #[test]
    fn a_packet_has_its_header_and_its_group() {
        let (message, envelope) = Message::announcement(OWN, ADDRESS);
        let (packet, mac) = message.packet(&envelope);
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(packet[8..24], ADDRESS.octets());
        assert_eq!(packet[24..40], ALL_NODES.octets());
        assert_eq!(&packet[40..], ANNOUNCEMENT);
        assert_eq!(mac, Mac([0x33, 0x33, 0, 0, 0, 1]));
    }

    #[test]
    fn what_the_rfc_discards_is_none() {
        let (_, envelope) = Message::announcement(OWN, ADDRESS);
        let routed = Envelope { hop_limit: 254, ..envelope };
        assert_eq!(Message::parse(ANNOUNCEMENT, &routed), None);
        for at in 0..ANNOUNCEMENT.len() {
            let mut bytes = ANNOUNCEMENT.to_vec();
            bytes[at] ^= 1;
            assert_eq!(Message::parse(&bytes, &envelope), None, "byte {at}");
            assert_eq!(Message::parse(&ANNOUNCEMENT[..at], &envelope), None, "cut at {at}");
        }
    }

    #[test]
    fn malformed_options_are_none() {
        let (message, envelope) = Message::announcement(OWN, ADDRESS);
        let with = |options: &[u8]| {
            let mut bytes = ANNOUNCEMENT[..FIXED_BYTES].to_vec();
            bytes.extend(options);
            bytes[2..4].fill(0);
            let sum = sum(&bytes, &envelope).finish();
            bytes[2..4].copy_from_slice(&sum);
            Message::parse(&bytes, &envelope)
        };
        assert_eq!(with(&[2, 1, 2, 0, 0, 0, 0, 1]), Some(message));
        assert_eq!(with(&[9, 1, 0, 0, 0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 1]), Some(message));
        assert!(with(&[]).is_some_and(|message| message.claims(OWN, ADDRESS)));
        for bad in [&[2, 0, 2, 0, 0, 0, 0, 1][..], &[2, 2, 2, 0, 0, 0, 0, 1], &[2, 1, 2], &[2]] {
            assert_eq!(with(bad), None, "{bad:?}");
        }
    }
}
