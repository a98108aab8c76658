//! Whom a load generator trusts.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use evenkeel_control::Anybody;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Who may have signed the certificate of the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust<'a> {
    /// Nobody needs to have.
    pub(crate) insecure: bool,
    /// Who is in this file; else those this machine trusts.
    pub(crate) authority: Option<&'a Path>,
}

/// TLS for these protocols, with sessions resumed as browsers do.
pub(crate) fn config(trust: &Trust<'_>, protocols: &[Vec<u8>]) -> Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if trust.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        builder.with_root_certificates(roots(trust.authority)?)
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = protocols.to_vec();
    Ok(config)
}

fn roots(authority: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = authority {
        let failed = || format!("--ca {}: cannot be read as certificates (PEM)", path.display());
        for certificate in CertificateDer::pem_file_iter(path).with_context(failed)? {
            roots.add(certificate.with_context(failed)?).with_context(failed)?;
        }
        if roots.is_empty() {
            bail!("--ca {}: holds no certificate", path.display());
        }
    } else {
        // Some that machines trust cannot be read; what counts is whether any can.
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            bail!("this machine trusts nobody: name a file with --ca, or say --insecure");
        }
    }
    Ok(roots)
}
