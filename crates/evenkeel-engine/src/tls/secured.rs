//! A connection whose TLS ends here, once hands are shaken.

use std::io;
use std::sync::Arc;

use rustls::server::Acceptor;
use rustls::{CipherSuite, ProtocolVersion, ServerConnection};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, TlsStream};

use super::challenges::Challenges;
use super::front::{Showing, common_name, subject, unknown_name};

/// What is known of a client from its handshake.
#[derive(Debug)]
pub(crate) struct Secured {
    /// What it was shown.
    pub(crate) showing: Arc<Showing>,
    /// The name it asked for.
    pub(crate) server_name: Option<Box<str>>,
    /// The protocol that was agreed on.
    pub(crate) alpn: Option<Box<[u8]>>,
    /// Such as `TLSv1.3`.
    pub(crate) version: &'static str,
    /// By IANA's name.
    pub(crate) cipher: Option<&'static str>,
    /// In which keys were exchanged, such as `X25519`.
    pub(crate) group: Option<&'static str>,
    /// Whom its certificate, which was verified, is about.
    pub(crate) subject: Option<Box<str>>,
    /// The common name in that.
    pub(crate) common_name: Option<Box<str>>,
}

/// Shakes hands with a client. An error comes with the socket: there may be something to say.
pub(crate) async fn accept(
    showing: &Showing,
    challenges: &Challenges,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, (io::Error, TcpStream)> {
    let config = Arc::clone(&showing.config);
    if !showing.is_strict() && !challenges.are_in_tls() {
        let accepted = TlsAcceptor::from(config).accept(socket).into_fallible().await;
        return accepted.map(TlsStream::Server);
    }
    // By itself rustls would say `access_denied` to who asks for a name that is not here.
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), socket);
    match (&mut acceptor).await {
        Ok(start) => {
            let hello = start.client_hello();
            let may_pass = !showing.is_strict() || showing.covers(hello.server_name());
            let config = challenges.shown_to(&hello).or_else(|| may_pass.then_some(config));
            let Some(config) = config else { return Err((unknown_name(), start.io)) };
            start.into_stream(config).into_fallible().await.map(TlsStream::Server)
        }
        Err(error) => Err((error, acceptor.take_io().expect("nothing was accepted"))),
    }
}

impl Secured {
    pub(crate) fn new(showing: Arc<Showing>, stream: &TlsStream<TcpStream>) -> Self {
        let (_, session) = stream.get_ref();
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let group = session.negotiated_key_exchange_group();
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        let server_name = match stream {
            TlsStream::Server(server) => ServerConnection::server_name(server.get_ref().1),
            TlsStream::Client(_) => None,
        };
        Self {
            showing,
            server_name: server_name.map(Into::into),
            alpn: session.alpn_protocol().map(Into::into),
            version,
            cipher: session.negotiated_cipher_suite().and_then(|suite| cipher(suite.suite())),
            group: group.and_then(|group| group.name().as_str()),
            subject: certificate.and_then(|it| subject(it)).map(Into::into),
            common_name: certificate.and_then(|it| common_name(it)).map(Into::into),
        }
    }
}

/// As IANA has it; rustls tells those of TLS 1.3 by another one.
fn cipher(suite: CipherSuite) -> Option<&'static str> {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => Some("TLS_AES_128_GCM_SHA256"),
        CipherSuite::TLS13_AES_256_GCM_SHA384 => Some("TLS_AES_256_GCM_SHA384"),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => Some("TLS_CHACHA20_POLY1305_SHA256"),
        other => other.as_str(),
    }
}
