//! A certificate with the private key it belongs to, out of the bytes of its files.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use evenkeel_core::certificate::Facts;
use evenkeel_core::certificate::ocsp::Response;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys};

use super::provider;

/// Certificates of one chain: authorities stand two or three deep.
const MOST_CERTIFICATES: usize = 16;

/// Why a certificate and a key are of no use together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    #[error("holds no certificate; one begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    #[error("is not PEM from beginning to end: {0}")]
    BrokenChain(String),
    #[error("holds more than {MOST_CERTIFICATES} certificates")]
    TooLong,
    #[error("holds a certificate (number {number}) that cannot be read")]
    Unreadable { number: usize },
    #[error("holds certificate {number} after one that it has not signed")]
    Order { number: usize },
    #[error("begins with another certificate than the key's, which is number {number}")]
    LeafNotFirst { number: usize },
    #[error("holds no private key; one begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    #[error("holds a private key that is encrypted; this program has nobody to ask for a password")]
    EncryptedKey,
    #[error("holds a private key that cannot be used: {0}")]
    UnusableKey(String),
    #[error("holds the private key of another certificate")]
    Mismatch,
}

impl PairError {
    /// Whether it is the file of the key that is to be looked at, rather than that of the chain.
    pub const fn is_in_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::EncryptedKey | Self::UnusableKey(_) | Self::Mismatch)
    }
}

/// A certificate chain and the key of its first certificate: they belong together.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) facts: Facts,
    /// SHA-256 over the certificate, in lower-case hexadecimal.
    pub(super) fingerprint: String,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
}

/// What the pair in these files (PEM) is for; an error says what is wrong with it.
pub fn examine(chain: &[u8], key: &[u8]) -> Result<Facts, PairError> {
    Pair::read(chain, key).map(|pair| pair.facts)
}

impl Pair {
    /// Reads both, and holds them against each other.
    pub(super) fn read(chain: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| PairError::BrokenChain(error.to_string()))?;
        if chain.len() > MOST_CERTIFICATES {
            return Err(PairError::TooLong);
        }
        let facts = read_chain(&chain)?;
        let leaf = facts.first().cloned().ok_or(PairError::NoCertificate)?;
        let key = read_key(key)?;
        let belongs = |certificate: &CertificateDer<'static>| {
            let match_of = CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key));
            match match_of.keys_match() {
                Ok(()) => Ok(true),
                Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Ok(false),
                Err(error) => Err(PairError::UnusableKey(error.to_string())),
            }
        };
        if !belongs(&chain[0])? {
            let other = chain.iter().position(|other| belongs(other) == Ok(true));
            return Err(
                other.map_or(PairError::Mismatch, |at| PairError::LeafNotFirst { number: at + 1 })
            );
        }
        check_order(&facts)?;
        let fingerprint = hexadecimal(digest(&SHA256, &chain[0]).as_ref());
        Ok(Self { facts: leaf, fingerprint, chain, key })
    }

    /// As it is shown, with what its authority says of it.
    pub(super) fn shown(&self, ocsp: Option<Vec<u8>>) -> Arc<CertifiedKey> {
        let shown = CertifiedKey::new(self.chain.clone(), Arc::clone(&self.key));
        Arc::new(CertifiedKey { ocsp, ..shown })
    }

    /// What `der` says of this certificate. The error says why it is not to be shown.
    pub(super) fn ocsp(&self, der: &[u8]) -> Result<Response, &'static str> {
        let response =
            Response::read(der).ok_or("is no OCSP response (DER) that gives an answer")?;
        if response.serial != self.facts.serial {
            Err("is about another certificate")
        } else if response.good {
            Ok(response)
        } else {
            Err("does not say that the certificate is good: it may be revoked")
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn read_chain(chain: &[CertificateDer<'static>]) -> Result<Vec<Facts>, PairError> {
    let read = |(at, der): (usize, &CertificateDer<'static>)| {
        Facts::read(der).ok_or(PairError::Unreadable { number: at + 1 })
    };
    chain.iter().enumerate().map(read).collect()
}

/// Each certificate is signed by the next (RFC 8446 §4.4.2 asks for it of TLS 1.2 only, but what
/// is in another order is a slip, and there are clients that cannot sort).
fn check_order(chain: &[Facts]) -> Result<(), PairError> {
    for (at, two) in chain.windows(2).enumerate() {
        if !two[0].is_issued_by(&two[1]) {
            return Err(PairError::Order { number: at + 2 });
        }
    }
    Ok(())
}

fn read_key(pem: &[u8]) -> Result<Arc<dyn SigningKey>, PairError> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_none| {
        let marker = b"ENCRYPTED";
        let encrypted = pem.windows(marker.len()).any(|window| window == marker);
        if encrypted { PairError::EncryptedKey } else { PairError::NoKey }
    })?;
    let loaded = provider().key_provider.load_private_key(key);
    loaded.map_err(|error| PairError::UnusableKey(error.to_string()))
}
