//! Session tickets (RFC 5077, RFC 8446 §4.6.1): a session is sealed and given to its client, who
//! brings it back to shorten the next handshake. Any worker can open it, also after a restart.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use evenkeel_core::ticket_key::{LIFETIME, NAME_BYTES, SECRET_BYTES, TicketKey};
use rustls::server::ProducesTickets;

/// Bytes of a session before it is sealed. Ours have a few hundred; those of clients with
/// certificates are not kept.
const MOST_BYTES: usize = 16 * 1024;

/// A new key, made at `made` (seconds since 1970). `None`: the system has no random numbers.
pub fn fresh_ticket_key(made: u64) -> Option<TicketKey> {
    let (mut name, mut secret) = ([0; NAME_BYTES], [0; SECRET_BYTES]);
    rand::fill(&mut name).and_then(|()| rand::fill(&mut secret)).ok()?;
    Some(TicketKey { name, secret, made })
}

/// The keys in use, the newest first. Without any there are no tickets.
#[derive(Debug, Default)]
pub(crate) struct TicketKeys {
    keys: RwLock<Arc<[Sealer]>>,
}

#[derive(Debug)]
struct Sealer {
    name: [u8; NAME_BYTES],
    key: LessSafeKey,
}

impl TicketKeys {
    /// Takes these keys, the newest first, in place of those before.
    pub(crate) fn replace(&self, keys: &[TicketKey]) {
        let sealer = |key: &TicketKey| {
            let unbound = UnboundKey::new(&AES_256_GCM, &key.secret).ok()?;
            Some(Sealer { name: key.name, key: LessSafeKey::new(unbound) })
        };
        let sealers: Vec<Sealer> = keys.iter().filter_map(sealer).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = sealers.into();
    }

    fn now(&self) -> Arc<[Sealer]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The tickets of one listener. Those of another cannot be opened here, though the keys are the
/// same: what a listener asks of its clients is not to be had at another.
#[derive(Debug)]
pub(super) struct Tickets {
    keys: Arc<TicketKeys>,
    listener: [u8; 32],
}

impl Tickets {
    pub(super) fn new(keys: Arc<TicketKeys>, listener: &str) -> Self {
        let mut own = [0; 32];
        own.copy_from_slice(digest(&SHA256, listener.as_bytes()).as_ref());
        Self { keys, listener: own }
    }

    /// Name of the key, nonce, sealed session with its tag. A nonce is 96 random bits: in the life
    /// of a key, 10,000 handshakes a second leave a chance below 2^-38 that one occurs twice.
    fn seal(&self, session: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let keys = self.keys.now();
        let Sealer { name, key } = keys.first().ok_or(Unspecified)?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce)?;
        let mut sealed = session.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce_used, Aad::from(self.listener), &mut sealed)?;
        Ok([&name[..], &nonce, &sealed].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME_BYTES)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let keys = self.keys.now();
        let Sealer { key, .. } = keys.iter().find(|sealer| sealer.name == name)?;
        let mut session = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key.open_in_place(nonce, Aad::from(self.listener), &mut session).ok()?.len();
        session.truncate(length);
        Some(session)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        !self.keys.now().is_empty()
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(LIFETIME.as_secs()).expect("it is less than a day")
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        if session.len() > MOST_BYTES { None } else { self.seal(session).ok() }
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > MOST_BYTES + 64 { None } else { self.open(ticket) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: u8) -> TicketKey {
        TicketKey { name: [name; NAME_BYTES], secret: [name; SECRET_BYTES], made: 0 }
    }

    #[test]
    fn a_ticket_opens_while_its_key_is_kept_and_at_its_listener_only() {
        let keys = Arc::new(TicketKeys::default());
        let tickets = Tickets::new(Arc::clone(&keys), "front");
        assert!(!tickets.enabled());
        assert_eq!(tickets.encrypt(b"session"), None);
        keys.replace(&[key(1)]);
        assert!(tickets.enabled());
        let ticket = tickets.encrypt(b"session").expect("there is a key");
        assert_ne!(tickets.encrypt(b"session").expect("again"), ticket);
        keys.replace(&[key(2), key(1)]);
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        let other = Tickets::new(Arc::clone(&keys), "other");
        assert_eq!(other.decrypt(&ticket), None);
        keys.replace(&[key(2)]);
        assert_eq!(tickets.decrypt(&ticket), None);
    }

    #[test]
    fn a_ticket_that_was_touched_is_none() {
        let keys = Arc::new(TicketKeys::default());
        keys.replace(&[fresh_ticket_key(0).expect("random numbers")]);
        let tickets = Tickets::new(keys, "front");
        let ticket = tickets.encrypt(b"session").expect("there is a key");
        for at in 0..ticket.len() {
            let mut touched = ticket.clone();
            touched[at] ^= 1;
            assert_eq!(tickets.decrypt(&touched), None, "byte {at}");
            assert_eq!(tickets.decrypt(&ticket[..at]), None, "{at} bytes");
        }
        assert_eq!(tickets.decrypt(&vec![0; MOST_BYTES * 2]), None);
        assert_eq!(tickets.encrypt(&vec![0; MOST_BYTES * 2]), None);
    }
}
