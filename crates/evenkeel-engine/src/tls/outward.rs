//! TLS towards a program that is neither a server of a pool nor the other node, such as one that
//! takes what this node exports.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{provider, roots};

/// Shakes hands with whoever shows a certificate that is believed.
#[derive(Clone)]
pub struct OutwardTls(TlsConnector);

impl OutwardTls {
    /// Believes what was signed by one of these certificates (PEM), and offers HTTP/1.1. The error
    /// is for a person.
    pub fn new(trusted: &[u8]) -> Result<Self, String> {
        Self::made(trusted).map_err(|error| format!("TLS cannot be spoken: {error}"))
    }

    fn made(trusted: &[u8]) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(roots(trusted)?);
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols.push(b"http/1.1".to_vec());
        Ok(Self(Arc::new(config).into()))
    }

    /// Shakes hands with `host`, a name or an address, to which `socket` leads.
    pub async fn dial(&self, socket: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, socket).await
    }
}

impl fmt::Debug for OutwardTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutwardTls").finish_non_exhaustive()
    }
}
