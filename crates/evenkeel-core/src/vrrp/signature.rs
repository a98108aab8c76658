//! Signatures: adverts of our own nodes are told from those of anybody else by a trailer with an
//! HMAC-SHA256 (RFC 2104) behind the advert.
//!
//! ```text
//! ├ "EKSG" ┼ format 1 ┼ key id ┼ 0 0 ┼ boot, 8 bytes ┼ sequence, 8 bytes ┼ HMAC, 32 bytes ┤
//! ```
//!
//! It covers source, destination, advert and what stands before it in the trailer. It knows no
//! time: each start of a node has a greater *boot* than the one before, each packet a greater
//! *sequence*, and who listens remembers what it has seen of each sender.
//!
//! A node that has just started remembers nothing. What was recorded before then is accepted from
//! a recording until the real sender, which is further on, is heard once. A [`Verifier`] that is
//! kept over a change of keys does not forget.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use hmac_sha256::HMAC;

use super::packet::Packet;
use super::{Envelope, Reason};

/// A trailer, whole.
pub const TRAILER_BYTES: usize = 24 + MAC_BYTES;
const MAC_BYTES: usize = 32;
const MAGIC: [u8; 4] = *b"EKSG";
const FORMAT: u8 = 1;
/// Before everything else that is signed, so that a key used elsewhere signs nothing here.
const PURPOSE: &[u8] = b"evenkeel vrrp signature 1";
/// The window: a packet may be overtaken by this many and is still accepted once (RFC 4303 §3.4.3
/// has the same number).
const WINDOW: u64 = 64;
/// Senders that are remembered: only holders of a key get here, and a virtual address has a
/// handful of nodes. The one not heard for longest makes room.
const MOST_SENDERS: usize = 16;

/// A shared secret with its number.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    id: u8,
    secret: Box<[u8]>,
}

impl Key {
    /// Below this a secret is not worth the name (RFC 2104 §3 asks for the length of the hash).
    pub const LEAST_BYTES: usize = 32;
    /// The block of the hash: what is longer is hashed first and no stronger.
    pub const MOST_BYTES: usize = 64;

    /// `None` unless the secret has from [`Key::LEAST_BYTES`] to [`Key::MOST_BYTES`].
    pub fn new(id: u8, secret: &[u8]) -> Option<Self> {
        let fits = (Self::LEAST_BYTES..=Self::MOST_BYTES).contains(&secret.len());
        fits.then(|| Self { id, secret: secret.into() })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys of a virtual address: one to sign with, and those that are accepted. A key is changed
/// by giving each node the new one to accept, then to sign with, then taking the old one away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// One in use, one to come, one that goes, and one to spare.
    pub const MOST: usize = 4;

    /// The first one signs. `None` without any, with more than [`Keys::MOST`], or if two have the
    /// same number.
    pub fn new(keys: Vec<Key>) -> Option<Self> {
        let is_twice = |at: usize| keys[..at].iter().any(|key| key.id == keys[at].id);
        let fits = (1..=Self::MOST).contains(&keys.len()) && !(0..keys.len()).any(is_twice);
        fits.then_some(Self(keys))
    }

    fn signing(&self) -> &Key {
        self.0.first().expect("there is one at least")
    }

    fn find(&self, id: u8) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

/// How much is asked of others, in the order in which a running pair gets there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Signs; accepts anything, and counts what it would refuse.
    AcceptAny,
    /// Refuses bad signatures, and what is not signed of a sender that has signed before.
    Prefer,
    /// Refuses what is not signed well.
    #[default]
    Require,
}

/// The end of a signed packet. Its form is right, nothing else is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer<'b> {
    key_id: u8,
    boot: u64,
    sequence: u64,
    /// All before the MAC.
    head: &'b [u8],
    mac: &'b [u8; MAC_BYTES],
}

impl<'b> Trailer<'b> {
    /// From exactly its bytes; `None` if they are something else.
    pub(super) fn read(bytes: &'b [u8]) -> Option<Self> {
        let (head, mac) = bytes.split_last_chunk()?;
        let (start, numbers) = head.split_first_chunk::<8>()?;
        let (boot, sequence) = numbers.split_first_chunk()?;
        let [m, a, g, c, FORMAT, key_id, 0, 0] = *start else { return None };
        let sequence = u64::from_be_bytes(sequence.try_into().ok()?);
        let is_ours = [m, a, g, c] == MAGIC;
        let boot = u64::from_be_bytes(*boot);
        is_ours.then_some(Self { key_id, boot, sequence, head, mac })
    }
}

/// Signs what this node sends.
#[derive(Clone, Debug)]
pub struct Signer {
    keys: Keys,
    boot: u64,
    sequence: u64,
}

impl Signer {
    /// `boot` must be greater with each start of this node, even if its state was lost: others
    /// take a smaller one for a recording.
    pub fn new(keys: Keys, boot: u64) -> Self {
        Self { keys, boot, sequence: 0 }
    }

    /// New keys; what is signed stays in order.
    pub fn rekey(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// Puts a signature behind `packet`, an advert written for this way. Each destination gets its
    /// own.
    pub fn sign(&mut self, packet: &mut Vec<u8>, envelope: &Envelope) {
        let key = self.keys.signing();
        self.sequence += 1;
        let end = packet.len();
        packet.extend(MAGIC);
        packet.extend([FORMAT, key.id, 0, 0]);
        packet.extend(self.boot.to_be_bytes());
        packet.extend(self.sequence.to_be_bytes());
        let mac = hmac(key, envelope, &packet[..end], &packet[end..]).finalize();
        packet.extend(mac);
    }
}

/// Judges what others send, and remembers it.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Keys,
    mode: Mode,
    /// The one heard last is last.
    senders: Vec<Sender>,
}

/// What was accepted of a sender, all of it signed well.
#[derive(Clone, Copy, Debug)]
struct Sender {
    address: IpAddr,
    boot: u64,
    /// The greatest of this boot.
    sequence: u64,
    /// Bit n: that one less n was there.
    seen: u64,
}

/// What a node thinks of a packet it heeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By the holder of a key, and not seen before.
    Signed,
    /// Accepted as the mode is not strict; for this reason a stricter one would not.
    Tolerated(Reason),
}

impl Verifier {
    /// Nobody was heard.
    pub fn new(keys: Keys, mode: Mode) -> Self {
        Self { keys, mode, senders: Vec::new() }
    }

    /// New keys or another mode; what was seen is remembered.
    pub fn rekey(&mut self, keys: Keys, mode: Mode) {
        (self.keys, self.mode) = (keys, mode);
    }

    /// Whether a packet may be heeded.
    pub fn admit(&mut self, packet: &Packet<'_>, envelope: &Envelope) -> Result<Standing, Reason> {
        let reason = match self.verify(packet, envelope) {
            Ok(()) => return Ok(Standing::Signed),
            Err(reason) => reason,
        };
        let has_signed = self.senders.iter().any(|sender| sender.address == envelope.source);
        let is_tolerated = match self.mode {
            Mode::AcceptAny => true,
            Mode::Prefer => reason == Reason::Unsigned && !has_signed,
            Mode::Require => false,
        };
        if is_tolerated { Ok(Standing::Tolerated(reason)) } else { Err(reason) }
    }

    fn verify(&mut self, packet: &Packet<'_>, envelope: &Envelope) -> Result<(), Reason> {
        let trailer = packet.trailer.ok_or(Reason::Unsigned)?;
        let key = self.keys.find(trailer.key_id).ok_or(Reason::UnknownKey)?;
        if !hmac(key, envelope, packet.signed, trailer.head).finalize_verify(trailer.mac) {
            return Err(Reason::BadSignature);
        }
        self.remember(envelope.source, &trailer)
    }

    /// Signed well: is it new?
    fn remember(&mut self, address: IpAddr, trailer: &Trailer<'_>) -> Result<(), Reason> {
        let Trailer { boot, sequence, .. } = *trailer;
        let known = self.senders.iter().position(|sender| sender.address == address);
        let sender = match known.map(|at| self.senders[at]) {
            Some(known) if known.boot > boot => return Err(Reason::Replayed),
            Some(known) if known.boot == boot => known.with(sequence).ok_or(Reason::Replayed)?,
            _ => Sender { address, boot, sequence, seen: 1 },
        };
        if let Some(at) = known {
            self.senders.remove(at);
        } else if self.senders.len() == MOST_SENDERS {
            self.senders.remove(0);
        }
        self.senders.push(sender);
        Ok(())
    }
}

impl Sender {
    /// `None`: seen, or too long ago to tell.
    fn with(self, sequence: u64) -> Option<Self> {
        if let Some(ahead) = sequence.checked_sub(self.sequence).filter(|&ahead| ahead > 0) {
            let seen = if ahead < WINDOW { self.seen << ahead | 1 } else { 1 };
            return Some(Self { sequence, seen, ..self });
        }
        let behind = self.sequence - sequence;
        let bit = if behind < WINDOW { 1 << behind } else { return None };
        (self.seen & bit == 0).then_some(Self { seen: self.seen | bit, ..self })
    }
}

/// Of everything the signature covers. All parts but the advert have a fixed length, so no two
/// messages look the same in one row.
fn hmac(key: &Key, envelope: &Envelope, advert: &[u8], head: &[u8]) -> HMAC {
    let mut hmac = HMAC::new(&key.secret);
    hmac.update(PURPOSE);
    hmac.update(octets(envelope.source));
    hmac.update(octets(envelope.destination));
    hmac.update(advert);
    hmac.update(head);
    hmac
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from(address.octets()),
    }
    .octets()
}

#[cfg(test)]
mod tests;
