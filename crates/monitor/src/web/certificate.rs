//! The site's certificate: from files of this server, which every clone has a copy of.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::clock;

/// How long a certificate is valid that is made here: ten years, as nobody is told to renew it.
const VALID: Duration = Duration::from_hours(10 * 365 * 24);
/// Clocks of others may be behind.
const EARLY: Duration = Duration::from_hours(24);

/// TLS with the chain and key in these files.
pub(super) fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor> {
    let cannot = |what: &str, file: &Path| {
        format!("cannot read the {what} {}; `monitor init` makes one", file.display())
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| cannot("certificate", chain))?;
    let secret = PrivateKeyDer::from_pem_file(key).with_context(|| cannot("key", key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the TLS library has no versions")?
        .with_no_client_auth()
        .with_single_cert(certificates, secret)
        .with_context(|| format!("{} and {} do not fit", chain.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A certificate for `names` that is signed by its own key, and the key, both as PEM. It is valid from
/// now on, for [`VALID`].
pub(crate) fn self_signed(names: Vec<String>) -> Result<(String, String)> {
    let cannot = "cannot make a certificate";
    let key = KeyPair::generate().context(cannot)?;
    let mut wanted = CertificateParams::new(names).context(cannot)?;
    wanted.not_before = date_time_ymd(1970, 1, 1) + Duration::from_millis(clock::now_ms()) - EARLY;
    wanted.not_after = wanted.not_before + VALID;
    let made = wanted.self_signed(&key).context(cannot)?;
    Ok((made.pem(), key.serialize_pem()))
}
