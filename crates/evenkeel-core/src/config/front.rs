//! TLS that ends at this node, and TLS towards servers.

use std::path::PathBuf;
use std::sync::Arc;

use super::Http;

/// An HTTP listener behind TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct Https {
    pub http: Http,
    pub front: Front,
}

/// How a listener shows itself in TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// In the order of the file; at least one, at most [`Front::MOST_CERTIFICATES`].
    pub certificates: Vec<CertificateSource>,
    /// A name whose certificate is shown to who asks for none, or for one that no certificate
    /// covers. `None`: that of the first certificate.
    pub default_certificate: Option<Arc<str>>,
    /// Who asks for no name, or for one that no certificate covers, is refused. Default off.
    pub strict_sni: bool,
    /// Default both.
    pub versions: Vec<TlsVersion>,
    /// The only cipher suites; empty, the default: all that are safe.
    pub ciphers: Vec<CipherSuite>,
    /// Protocols offered inside, the preferred one first.
    pub alpn: Vec<Arc<str>>,
    /// `None`: clients are not asked for certificates.
    pub client_auth: Option<ClientAuth>,
    /// Handshakes under way at once. Default 4,096.
    pub max_handshakes: u32,
}

impl Front {
    /// Each is looked at every second.
    pub const MOST_CERTIFICATES: usize = 1_024;
    /// Handshakes under way at once: at some 16 KiB each, 64 MiB.
    pub const MAX_HANDSHAKES: u32 = 4_096;
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    File(CertificateFiles),
    /// Ordered from an authority (see [`crate::acme`]). Until it arrives, one that this node has
    /// made itself is in the files.
    Acme {
        names: Vec<Arc<str>>,
        files: CertificateFiles,
    },
}

impl CertificateSource {
    /// Where the certificate is.
    pub const fn files(&self) -> &CertificateFiles {
        match self {
            Self::File(files) | Self::Acme { names: _, files } => files,
        }
    }
}

/// A certificate in files, which are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The certificate and those that lead up to an authority, in this order (PEM).
    pub chain: PathBuf,
    /// Its private key (PEM): PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// What its authority says of it (OCSP response, DER), to be shown along with it.
    pub ocsp: Option<PathBuf>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    V12,
    V13,
}

/// A cipher suite by its number in the registry of IANA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherSuite(pub u16);

impl CipherSuite {
    /// Every suite there is here, with its registered name. All have forward secrecy and
    /// authenticate what they encrypt.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("TLS_AES_256_GCM_SHA384", Self(0x1302)),
        ("TLS_AES_128_GCM_SHA256", Self(0x1301)),
        ("TLS_CHACHA20_POLY1305_SHA256", Self(0x1303)),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Self(0xc02c)),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Self(0xc02b)),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", Self(0xcca9)),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Self(0xc030)),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Self(0xc02f)),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Self(0xcca8)),
    ];

    /// Its version: each suite has one.
    pub const fn version(self) -> TlsVersion {
        if self.0 >> 8 == 0x13 { TlsVersion::V13 } else { TlsVersion::V12 }
    }
}

/// Clients are asked who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Who has no certificate is refused; else who has none is served without a name.
    pub required: bool,
    /// Certificates (PEM) of who may have signed those of clients.
    pub trusted: Arc<[u8]>,
}

/// TLS towards the servers of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Certificates (PEM) of who may have signed those of servers. `None`: anybody, which was asked
    /// for in so many words.
    pub trusted: Option<Arc<[u8]>>,
    /// Name asked for and to be found in the certificate. `None`: the host that was written for the
    /// server, else its address.
    pub name: Option<Arc<str>>,
    /// What this node shows to servers that ask.
    pub certificate: Option<CertificateFiles>,
}
