//! The certificates of a listener, out of which core picks one for each handshake.

use std::sync::Arc;

use evenkeel_core::certificate_choice::Index;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Certificates with the index of their names. Immutable.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) index: Index,
    /// At the places the index speaks of.
    pub(super) keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let accepts = |at: usize| self.keys[at].key.choose_scheme(schemes).is_some();
        let chosen = self.index.choose(hello.server_name(), accepts).ok()?;
        Some(Arc::clone(&self.keys[chosen]))
    }
}
