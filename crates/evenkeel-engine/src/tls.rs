//! TLS that ends at this node, and TLS towards servers. Together with the check of servers
//! (`probe/attempt/tls.rs`) the only place that knows rustls.

mod anybody;
mod challenges;
mod front;
mod link;
mod outward;
mod pair;
mod secured;
mod shelf;
mod tickets;
mod to_servers;
mod watched;

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub use self::anybody::Anybody;
pub(crate) use self::challenges::Challenges;
pub use self::challenges::{Proof, ProofError};
pub(crate) use self::front::{Front, farewell, label};
pub use self::link::{LINK_SECRET_BYTES, LinkStream, LinkTls, fresh_link_secret};
pub use self::outward::OutwardTls;
pub use self::pair::{PairError, examine};
pub(crate) use self::secured::{Secured, accept};
pub(crate) use self::tickets::TicketKeys;
pub use self::tickets::fresh_ticket_key;
pub(crate) use self::to_servers::{ToServers, Towards};
pub(crate) use self::watched::News;

/// The cryptography of this program: AWS-LC, with X25519MLKEM768 before other key exchanges.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        let provider = aws_lc_rs::default_provider();
        // The first number of a process takes AWS-LC half a second, in which it gathers chance.
        // Without any now, each handshake says so.
        let _ = provider.secure_random.fill(&mut [0]);
        Arc::new(provider)
    }))
}

/// Whether this is a list of certificates (PEM) of who may have signed those of others; an error
/// says what is wrong with it.
pub fn examine_roots(pem: &[u8]) -> Result<(), String> {
    match roots(pem) {
        Ok(roots) if roots.is_empty() => Err("holds no certificate".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("holds a certificate that cannot be used: {error}")),
    }
}

/// Certificates (PEM) of who may have signed those of others.
pub(crate) fn roots(pem: &[u8]) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| rustls::Error::General(error.to_string()))?;
        roots.add(certificate)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
