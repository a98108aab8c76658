//! ARP over Ethernet for IPv4, as the payload of a frame of type [`ETHER_TYPE`].

use std::net::Ipv4Addr;

use super::Mac;

/// Of the frame.
pub const ETHER_TYPE: u16 = 0x0806;
/// A message; frames are filled up to 60 bytes, so what is read may be longer.
pub const BYTES: usize = 28;

/// Ethernet, IPv4, and the lengths of their addresses.
const KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// What is asked, told or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub operation: Operation,
    pub sender: (Mac, Ipv4Addr),
    pub target: (Mac, Ipv4Addr),
}

/// The two that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Request,
    Reply,
}

impl Message {
    /// "Has anybody this address?", which nobody takes for a claim (RFC 5227 §2.1.1).
    pub const fn probe(own: Mac, address: Ipv4Addr) -> Self {
        let target = (Mac([0; 6]), address);
        Self { operation: Operation::Request, sender: (own, Ipv4Addr::UNSPECIFIED), target }
    }

    /// "It is here" to all, who update what they know (RFC 5227 §3 prefers a request). The target's
    /// hardware address means nothing; it is the one keepalived writes.
    pub const fn announcement(own: Mac, address: Ipv4Addr) -> Self {
        let target = (Mac::BROADCAST, address);
        Self { operation: Operation::Request, sender: (own, address), target }
    }

    /// Whether this shows that somebody other than `own` uses `address`: it speaks from it, whether
    /// in answer to a probe or for itself (RFC 5227 §2.1.1, §2.4).
    pub fn claims(&self, own: Mac, address: Ipv4Addr) -> bool {
        self.sender.1 == address && self.sender.0 != own
    }

    /// The payload of a frame to [`Mac::BROADCAST`].
    pub fn write(&self) -> [u8; BYTES] {
        let mut out = [0; BYTES];
        let operation = if self.operation == Operation::Request { 1 } else { 2 };
        out[..6].copy_from_slice(&KIND);
        out[7] = operation;
        out[8..14].copy_from_slice(&self.sender.0.0);
        out[14..18].copy_from_slice(&self.sender.1.octets());
        out[18..24].copy_from_slice(&self.target.0.0);
        out[24..28].copy_from_slice(&self.target.1.octets());
        out
    }

    /// `None`: not ARP for IPv4 over Ethernet, or not whole.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; BYTES] = bytes.first_chunk()?;
        let operation = match bytes[6..8] {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return None,
        };
        let end = |at: usize| {
            let (mac, ip) = bytes[at..at + 10].split_first_chunk()?;
            Some((Mac(*mac), Ipv4Addr::from(*ip.first_chunk::<4>()?)))
        };
        let whole = Self { operation, sender: end(8)?, target: end(18)? };
        bytes.starts_with(&KIND).then_some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

    /// Captured from keepalived 2.2.7.
    const ANNOUNCEMENT: &[u8] = &[
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 10, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 192, 0, 2, 10,
    ];

    #[test]
    fn an_announcement_is_keepaliveds() {
        let message = Message::announcement(OWN, ADDRESS);
        assert_eq!(message.write(), ANNOUNCEMENT);
        assert_eq!(Message::parse(ANNOUNCEMENT), Some(message));
        let padded = [ANNOUNCEMENT, &[0; 18]].concat();
        assert_eq!(Message::parse(&padded), Some(message), "a frame has 46 bytes at least");
    }

    /// The layout of RFC 5227 §2.1.1: sender IP and target MAC zero.
    #[test]
    fn a_probe_claims_nothing() {
        let probe = Message::probe(OWN, ADDRESS);
        #[rustfmt::skip]
        let expected = [
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 10,
        ];
        assert_eq!(probe.write(), expected);
        assert!(!probe.claims(OTHER, ADDRESS));
        assert_eq!(Message::parse(&probe.write()), Some(probe));
    }

    #[test]
    fn who_speaks_from_the_address_claims_it() {
        let answer = Message {
            operation: Operation::Reply,
            sender: (OTHER, ADDRESS),
            target: (OWN, Ipv4Addr::UNSPECIFIED),
        };
        let other_address = Message { sender: (OTHER, Ipv4Addr::LOCALHOST), ..answer };
        for (message, claims) in [
            (answer, true),
            (Message::announcement(OTHER, ADDRESS), true),
            (Message::announcement(OWN, ADDRESS), false),
            (other_address, false),
        ] {
            assert_eq!(message.claims(OWN, ADDRESS), claims, "{message:?}");
            assert_eq!(Message::parse(&message.write()), Some(message));
        }
    }

    #[test]
    fn other_payloads_are_none() {
        assert_eq!(Message::parse(&ANNOUNCEMENT[..27]), None);
        for at in 0..8 {
            let mut bytes = ANNOUNCEMENT.to_vec();
            bytes[at] ^= 0x80;
            assert_eq!(Message::parse(&bytes), None, "byte {at}");
        }
    }
}
