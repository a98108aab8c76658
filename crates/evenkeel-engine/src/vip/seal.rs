//! Signatures of adverts: what outlives the sockets they went through.

use evenkeel_core::config::Vip;
use evenkeel_core::vrrp::packet::Packet;
use evenkeel_core::vrrp::signature::{Signer, Verifier};
use evenkeel_core::vrrp::{Envelope, Reason};

/// Signs and judges, if there are keys.
#[derive(Debug)]
pub(super) struct Seal {
    boot: u64,
    keyed: Option<(Signer, Verifier)>,
}

impl Seal {
    pub(super) fn new(vip: &Vip, boot: u64) -> Self {
        let mut seal = Self { boot, keyed: None };
        seal.follow(vip);
        seal
    }

    /// Other keys; what was seen stays seen, and what is signed stays in order.
    pub(super) fn follow(&mut self, vip: &Vip) {
        match (&mut self.keyed, &vip.signatures) {
            (_, None) => self.keyed = None,
            (None, Some((keys, mode))) => {
                let verifier = Verifier::new(keys.clone(), *mode);
                self.keyed = Some((Signer::new(keys.clone(), self.boot), verifier));
            }
            (Some((signer, verifier)), Some((keys, mode))) => {
                signer.rekey(keys.clone());
                verifier.rekey(keys.clone(), *mode);
            }
        }
    }

    /// Puts a signature behind `packet`.
    pub(super) fn sign(&mut self, packet: &mut Vec<u8>, envelope: &Envelope) {
        if let Some((signer, _)) = &mut self.keyed {
            signer.sign(packet, envelope);
        }
    }

    /// Whether a packet may be heeded.
    pub(super) fn admit(&mut self, packet: &Packet<'_>, envelope: &Envelope) -> Result<(), Reason> {
        match &mut self.keyed {
            Some((_, verifier)) => verifier.admit(packet, envelope).map(|_standing| ()),
            None => Ok(()),
        }
    }
}
