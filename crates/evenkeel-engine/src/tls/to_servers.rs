//! TLS towards the servers of a pool.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::{fmt, io};

use evenkeel_core::config::{Pool, Server, UpstreamTls};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::watched::{News, Watched, WatchedError};
use super::{Anybody, provider, roots};
use crate::clock;

/// Why a pool's servers cannot be spoken to in TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToServersError {
    #[error(transparent)]
    Certificate(#[from] WatchedError),
    #[error("the certificates of who signs those of servers cannot be used")]
    Trusted { source: Error },
    #[error("the certificates of who signs those of servers cannot be used")]
    Verifier { source: rustls::client::VerifierBuilderError },
    #[error("\"{name}\" is no name a server can have")]
    Name { name: Arc<str>, source: InvalidDnsNameError },
}

/// How the servers of a pool are spoken to.
#[derive(Debug)]
pub(crate) struct ToServers {
    made_from: Arc<UpstreamTls>,
    /// HTTP/2 is offered, and nothing else.
    http2: bool,
    pub(super) config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    shown: Option<Arc<Shown>>,
}

/// How one server is spoken to.
#[derive(Clone)]
pub(crate) struct Towards {
    connector: TlsConnector,
    name: ServerName<'static>,
    http2: bool,
}

/// The certificate this node shows to servers that ask.
#[derive(Debug)]
struct Shown {
    watched: Mutex<Watched>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ToServers {
    /// Reads the files that `tls` names.
    pub(crate) fn open(tls: &Arc<UpstreamTls>, http2: bool) -> Result<Self, ToServersError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|source| ToServersError::Trusted { source })?;
        let builder = match &tls.trusted {
            Some(pem) => {
                let roots = roots(pem).map_err(|source| ToServersError::Trusted { source })?;
                let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
                let verifier = verifier.build();
                let verifier = verifier.map_err(|source| ToServersError::Verifier { source })?;
                builder.with_webpki_verifier(verifier)
            }
            None => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            }
        };
        let shown = tls.certificate.as_ref().map(|files| {
            let watched = Watched::open(files, clock::epoch_seconds())?;
            let current = RwLock::new(watched.shown());
            Ok::<_, WatchedError>(Arc::new(Shown { watched: Mutex::new(watched), current }))
        });
        let shown = shown.transpose()?;
        let mut config = match &shown {
            Some(shown) => builder.with_client_cert_resolver(Arc::clone(shown) as Arc<_>),
            None => builder.with_no_client_auth(),
        };
        if http2 {
            config.alpn_protocols.push(b"h2".to_vec());
        }
        let name = tls.name.as_ref().map(|name| {
            let parsed = ServerName::try_from(name.to_string());
            parsed.map_err(|source| ToServersError::Name { name: Arc::clone(name), source })
        });
        Ok(Self {
            made_from: Arc::clone(tls),
            http2,
            config: Arc::new(config),
            name: name.transpose()?,
            shown,
        })
    }

    /// What `before` has, if nothing has changed; `None`: the pool speaks in the clear.
    pub(crate) fn of(
        pool: &Pool,
        before: Option<&Arc<Self>>,
    ) -> Result<Option<Arc<Self>>, ToServersError> {
        let Some(tls) = &pool.tls else { return Ok(None) };
        match before {
            Some(before) if before.made_from == *tls && before.http2 == pool.http2 => {
                Ok(Some(Arc::clone(before)))
            }
            _ => Self::open(tls, pool.http2).map(|new| Some(Arc::new(new))),
        }
    }

    /// What is needed to speak to `server`.
    pub(crate) fn towards(&self, server: &Server) -> Towards {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        Towards { connector, name: self.name(server), http2: self.http2 }
    }

    /// The name asked for and verified: the pool's, else the host the server was written with, else
    /// its address. Not that of the request: a connection carries requests for any host.
    pub(super) fn name(&self, server: &Server) -> ServerName<'static> {
        let host = || ServerName::try_from(server.host.as_deref()?.to_owned()).ok();
        let address = || ServerName::IpAddress(server.address.ip().into());
        self.name.clone().or_else(host).unwrap_or_else(address)
    }

    /// Looks at the files of the certificate shown to servers.
    pub(crate) fn look(&self) -> Vec<News> {
        let mut news = Vec::new();
        if let Some(shown) = &self.shown {
            let mut watched = shown.watched.lock().unwrap_or_else(PoisonError::into_inner);
            if watched.look(clock::epoch_seconds(), &mut news) {
                *shown.current.write().unwrap_or_else(PoisonError::into_inner) = watched.shown();
            }
        }
        news
    }
}

impl Towards {
    /// Whether connections made by one could have been made by the other.
    pub(crate) fn are_same(one: Option<&Self>, other: Option<&Self>) -> bool {
        match (one, other) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                Arc::ptr_eq(one.connector.config(), other.connector.config())
                    && one.name == other.name
            }
            _ => false,
        }
    }

    /// Shakes hands; the server must agree to what is offered.
    pub(crate) async fn connect(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let stream = self.connector.connect(self.name.clone(), socket).await?;
        let (_, session) = stream.get_ref();
        if self.http2 && session.alpn_protocol().is_none() {
            return Err(io::Error::other("the server does not speak HTTP/2"));
        }
        Ok(TlsStream::Client(stream))
    }
}

impl fmt::Debug for Towards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Towards").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.key.choose_scheme(schemes).map(|_| Arc::clone(&current))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
