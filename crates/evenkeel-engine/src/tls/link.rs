//! TLS between the two nodes of a pair: version 1.3, and both show the key that follows from their
//! shared secret, as it is (RFC 7250). There is no certificate, and so no name, no authority and no
//! date that could be wrong: who has the secret is the other node, and nobody else is.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::{hmac, rand};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerMisbehaved, ServerConfig, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::provider;

/// Bytes of the secret that two nodes share.
pub const LINK_SECRET_BYTES: usize = 32;

/// What the key follows from, beside the secret. Another text here would part every pair.
const PURPOSE: &[u8] = b"evenkeel pair link, key 1";
/// The protocol that both must speak (RFC 7301).
const ALPN: &[u8] = b"evenkeel-pair";
/// A private key of Ed25519 in PKCS #8 (RFC 8410 §7), up to its 32 bytes.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A connection between two nodes that have shown each other that they have the secret.
pub type LinkStream = TlsStream<TcpStream>;

/// A new secret. `None`: the system has no random numbers.
pub fn fresh_link_secret() -> Option<[u8; LINK_SECRET_BYTES]> {
    let mut secret = [0; LINK_SECRET_BYTES];
    rand::fill(&mut secret).ok()?;
    Some(secret)
}

/// Shakes hands with who has the same secret.
#[derive(Clone)]
pub struct LinkTls {
    dials: TlsConnector,
    answers: TlsAcceptor,
}

impl LinkTls {
    /// For nodes that share `secret`. The error is for a person.
    pub fn new(secret: &[u8; LINK_SECRET_BYTES]) -> Result<Self, String> {
        Self::made(secret).map_err(|error| format!("the shared secret cannot be used: {error}"))
    }

    fn made(secret: &[u8; LINK_SECRET_BYTES]) -> Result<Self, Error> {
        let provider = provider();
        let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), PURPOSE);
        let pkcs8 = [&PKCS8_HEAD[..], seed.as_ref()].concat();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8));
        let key = provider.key_provider.load_private_key(key)?;
        let public = key.public_key().ok_or_else(|| Error::General("it has no key".into()))?;
        let public = public.into_owned();
        let shown = CertificateDer::from(public.to_vec());
        let shown = Arc::new(CertifiedKey::new(vec![shown], key));
        let only = Arc::new(OnlyThis { public, provider: Arc::clone(&provider) });
        let dials = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let mut dials = dials
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&only) as Arc<_>)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                Arc::clone(&shown),
            )));
        dials.alpn_protocols.push(ALPN.to_vec());
        dials.enable_sni = false;
        dials.resumption = Resumption::disabled();
        let answers = ServerConfig::builder_with_provider(provider);
        let mut answers = answers
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(only)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(shown)));
        answers.alpn_protocols.push(ALPN.to_vec());
        answers.send_tls13_tickets = 0;
        Ok(Self { dials: Arc::new(dials).into(), answers: Arc::new(answers).into() })
    }

    /// Shakes hands with the node at `address` that was dialed. That this side is believed too
    /// shows only with the first bytes that come.
    pub async fn dial(&self, socket: TcpStream, address: IpAddr) -> io::Result<LinkStream> {
        // Nobody looks at the name.
        let name = ServerName::IpAddress(address.into());
        self.dials.connect(name, socket).await.map(TlsStream::Client)
    }

    /// Shakes hands with who has dialed.
    pub async fn answer(&self, socket: TcpStream) -> io::Result<LinkStream> {
        self.answers.accept(socket).await.map(TlsStream::Server)
    }
}

impl fmt::Debug for LinkTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkTls").finish_non_exhaustive()
    }
}

/// Believes whoever has the private half of this key.
#[derive(Debug)]
struct OnlyThis {
    public: SubjectPublicKeyInfoDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl OnlyThis {
    fn is(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        if shown.as_ref() == self.public.as_ref() {
            return Ok(());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify(
        &self,
        message: &[u8],
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &self.public, signature, algorithms)
    }
}

/// What there is to say to version 1.2, which is not offered.
fn never() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
}

impl ServerCertVerifier for OnlyThis {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.is(shown).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        _shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for OnlyThis {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.is(shown).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        _shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// What a node with the one secret hears of a node with the other, and the other way round.
    async fn meet(dialing: u8, answering: u8) -> (io::Result<u8>, io::Result<u8>) {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let tls = |byte| LinkTls::new(&[byte; LINK_SECRET_BYTES]).expect("any bytes do");
        let dial = async {
            let socket = TcpStream::connect(address).await?;
            let mut stream = tls(dialing).dial(socket, LOOPBACK).await?;
            stream.write_u8(1).await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        let answer = async {
            let (socket, _) = listener.accept().await?;
            let mut stream = tls(answering).answer(socket).await?;
            stream.write_u8(2).await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        tokio::join!(dial, answer)
    }

    #[tokio::test]
    async fn who_has_the_secret_is_believed_and_nobody_else() {
        let (dialed, answered) = meet(7, 7).await;
        assert_eq!((dialed.expect("the same secret"), answered.expect("the same secret")), (2, 1));
        let (dialed, answered) = meet(7, 8).await;
        dialed.expect_err("another secret");
        answered.expect_err("another secret");
    }

    #[tokio::test]
    async fn who_shows_nothing_is_refused() {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let tls = LinkTls::new(&[7; LINK_SECRET_BYTES]).expect("any bytes do");
        let anybody = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("it is there")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(super::super::Anybody(provider())))
            .with_no_client_auth();
        let stranger = async {
            let socket = TcpStream::connect(address).await?;
            let name = ServerName::IpAddress(LOOPBACK.into());
            let mut stream = TlsConnector::from(Arc::new(anybody)).connect(name, socket).await?;
            stream.read_u8().await
        };
        let answer = async {
            let (socket, _) = listener.accept().await?;
            tls.answer(socket).await.map(drop)
        };
        let (stranger, answered) = tokio::join!(stranger, answer);
        stranger.expect_err("it has no key");
        answered.expect_err("it has no key");
    }
}
