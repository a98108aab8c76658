//! What an ACME authority looks for while a certificate is ordered (RFC 8555 §8).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use evenkeel_core::acme::ALPN;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, ServerConfig};

use super::provider;

/// One thing an authority will look for.
#[derive(Clone, Debug)]
pub enum Proof {
    /// `answer` at the path of `token`, on any http or https listener.
    Http { token: String, answer: String },
    /// On any https listener, this certificate (DER) with its key (PKCS #8, DER) for who asks for
    /// `name` in the protocol of the challenge.
    Tls { name: String, certificate: Vec<u8>, key: Vec<u8> },
}

/// Why nothing of what was to be shown to an authority is.
#[derive(Debug, thiserror::Error)]
#[error("cannot show the proof for {name}")]
pub struct ProofError {
    name: String,
    source: Error,
}

/// What is looked for at the moment.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    http: RwLock<Vec<(String, String)>>,
    tls: RwLock<Vec<(String, Arc<ServerConfig>)>>,
    /// There is something in `tls`: others need not lock to know that there is not. Stored last, so
    /// that who is told finds it.
    in_tls: AtomicBool,
}

impl Challenges {
    /// Replaces all that was looked for.
    pub(crate) fn replace(&self, proofs: &[Proof]) -> Result<(), ProofError> {
        let (mut http, mut tls) = (Vec::new(), Vec::new());
        for proof in proofs {
            match proof {
                Proof::Http { token, answer } => http.push((token.clone(), answer.clone())),
                Proof::Tls { name, certificate, key } => {
                    let config = config(certificate, key)
                        .map_err(|source| ProofError { name: name.clone(), source })?;
                    tls.push((name.clone(), Arc::new(config)));
                }
            }
        }
        let in_tls = !tls.is_empty();
        *self.http.write().unwrap_or_else(PoisonError::into_inner) = http;
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        self.in_tls.store(in_tls, Ordering::Release);
        Ok(())
    }

    /// What stands at the path of `token`, if somebody is to look there.
    pub(crate) fn answer(&self, token: &str) -> Option<String> {
        let http = self.http.read().unwrap_or_else(PoisonError::into_inner);
        let (_, answer) = http.iter().find(|(own, _)| own == token)?;
        Some(answer.clone())
    }

    /// Somebody is to look in a handshake.
    pub(crate) fn are_in_tls(&self) -> bool {
        self.in_tls.load(Ordering::Acquire)
    }

    /// What a client is shown that asks for nothing but a proof.
    pub(crate) fn shown_to(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut offered = hello.alpn()?;
        // RFC 8737 §3: the extension holds this one protocol.
        if offered.next() != Some(ALPN) || offered.next().is_some() {
            return None;
        }
        let name = hello.server_name()?;
        let tls = self.tls.read().unwrap_or_else(PoisonError::into_inner);
        let (_, config) = tls.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(Arc::clone(config))
    }
}

fn config(certificate: &[u8], key: &[u8]) -> Result<ServerConfig, Error> {
    let chain = vec![CertificateDer::from(certificate.to_vec())];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
    let provider = provider();
    // Not held against each other: the proof is in an extension that only authorities understand.
    let shown = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols.push(ALPN.to_vec());
    config.send_tls13_tickets = 0;
    Ok(config)
}
