//! Checks that shake hands over TLS and look at the certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::certificate;
use evenkeel_core::config::TlsCheck;
use evenkeel_core::health::{CheckFailure, Words};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Found, failure, in_words};
use crate::clock;
use crate::tls;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A TLS client made ready for one check.
#[derive(Debug)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    expiry_warning: Duration,
}

impl Client {
    pub(super) fn new(check: &TlsCheck) -> Result<Self, CheckFailure> {
        Self::build(check).map_err(|error| CheckFailure::Handshake(in_words(&*error)))
    }

    fn build(check: &TlsCheck) -> Result<Self, Box<dyn std::error::Error>> {
        let provider = tls::provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = if let Some(pem) = &check.trusted {
            builder.with_webpki_verifier(verifier(pem, provider)?)
        } else {
            let anybody = Arc::new(tls::Anybody(provider));
            builder.dangerous().with_custom_certificate_verifier(anybody)
        }
        .with_no_client_auth();
        let server_name =
            check.server_name.as_deref().map(|name| ServerName::try_from(name.to_owned()));
        let server_name = server_name.transpose()?;
        config.enable_sni = server_name.is_some();
        // A resumed session would not show the certificate.
        config.resumption = rustls::client::Resumption::disabled();
        let expiry_warning = check.expiry_warning;
        Ok(Self { config: Arc::new(config), server_name, expiry_warning })
    }

    /// Shakes hands, looks at the certificate, and ends the session. The connection is returned for
    /// the farewell.
    pub(super) async fn check(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<(TcpStream, Found), CheckFailure> {
        let name = self.server_name.clone();
        let name = name.unwrap_or_else(|| ServerName::IpAddress(address.ip().into()));
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let connected = connector.connect(name, stream).await;
        let mut stream = connected.map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(refused) => CheckFailure::Handshake(in_words(refused)),
                None => failure(&error),
            }
        })?;
        let found = {
            let (_, session) = stream.get_ref();
            let certificate = session.peer_certificates().and_then(|chain| chain.first());
            certificate.map(|certificate| self.judge(certificate))
        };
        // That it does not listen any more says nothing.
        let _ = stream.shutdown().await;
        let found = found.unwrap_or_else(|| {
            Err(CheckFailure::Handshake(Words::new("the server shows no certificate")))
        });
        Ok((stream.into_inner().0, found.unwrap_or_else(Found::Fault)))
    }

    fn judge(&self, certificate: &[u8]) -> Result<Found, CheckFailure> {
        let Some(end) = certificate::not_after(certificate) else {
            return Err(CheckFailure::Handshake(Words::new("the certificate cannot be read")));
        };
        let left = end - clock::epoch_seconds();
        let days = u32::try_from(left.abs() / DAY_SECONDS).unwrap_or(u32::MAX);
        if left < 0 {
            Err(CheckFailure::Expired { days })
        } else if left < i64::try_from(self.expiry_warning.as_secs()).unwrap_or(i64::MAX) {
            Ok(Found::Expiring { days })
        } else {
            Ok(Found::Fine)
        }
    }
}

fn verifier(
    pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Box<dyn std::error::Error>> {
    let roots = Arc::new(tls::roots(pem)?);
    Ok(WebPkiServerVerifier::builder_with_provider(roots, provider).build()?)
}

#[cfg(test)]
mod tests;
