//! A listener where TLS ends, as it shows itself: certificates, rules, and how many may knock.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use evenkeel_core::certificate::Facts;
use evenkeel_core::certificate_choice::Index;
use evenkeel_core::config::{self, CertificateSource, CipherSuite, ClientAuth, TlsVersion};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, VerifierBuilderError};
use rustls::{CertificateError, Error, ServerConfig, SupportedProtocolVersion, version};

use super::shelf::Shelf;
use super::tickets::{TicketKeys, Tickets};
use super::watched::{News, Watched, WatchedError};
use super::{provider, roots};
use crate::clock;
use crate::status::CertificateStatus;

/// What is written in place of an alert when no certificate may be shown: a fatal
/// `unrecognized_name` (RFC 6066 §3).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What rustls says when the resolver has nothing to show.
const NOTHING_TO_SHOW: &str = "no server certificate chain resolved";

/// Why a listener cannot show itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrontError {
    #[error(transparent)]
    Certificate(#[from] WatchedError),
    #[error("the certificates of who signs those of clients cannot be used")]
    ClientAuth { source: Error },
    #[error("the certificates of who signs those of clients cannot be used")]
    Verifier { source: VerifierBuilderError },
    #[error("these versions and cipher suites do not go together")]
    Suites { source: Error },
}

/// A listener's TLS. Outlives reloads that do not change what it was made from; its certificates
/// are replaced as their files are.
#[derive(Debug)]
pub(crate) struct Front {
    made_from: config::Front,
    rules: Rules,
    watched: Mutex<Vec<Watched>>,
    showing: RwLock<Arc<Showing>>,
    handshakes: AtomicU32,
}

/// What does not change with the certificates.
#[derive(Debug)]
struct Rules {
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    clients: Arc<dyn ClientCertVerifier>,
    /// `None`: sessions are not resumed.
    tickets: Option<Arc<Tickets>>,
    alpn: Vec<Vec<u8>>,
}

/// What clients are shown at one moment. A connection keeps the one it began with.
#[derive(Debug)]
pub(crate) struct Showing {
    pub(crate) config: Arc<ServerConfig>,
    shelf: Arc<Shelf>,
    is_strict: bool,
}

/// A handshake under way, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Handshake(Arc<Front>);

impl Front {
    /// Reads the files that `config` names.
    pub(crate) fn open(
        listener: &str,
        config: &config::Front,
        keys: &Arc<TicketKeys>,
    ) -> Result<Self, FrontError> {
        let rules = Rules::new(listener, config, keys)?;
        let now = clock::epoch_seconds();
        let watched = config.certificates.iter().map(CertificateSource::files);
        let watched = watched.map(|files| Watched::open(files, now));
        let watched = watched.collect::<Result<Vec<Watched>, WatchedError>>()?;
        let showing = rules.show(config, &watched)?;
        Ok(Self {
            made_from: config.clone(),
            rules,
            watched: Mutex::new(watched),
            showing: RwLock::new(Arc::new(showing)),
            handshakes: AtomicU32::new(0),
        })
    }

    /// Whether it would not be another one if it were opened anew, but for changed files.
    pub(crate) fn is(&self, config: &config::Front) -> bool {
        self.made_from == *config
    }

    /// What clients are shown now: for the whole of a connection.
    pub(crate) fn showing(&self) -> Arc<Showing> {
        Arc::clone(&self.showing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One more handshake, until the result is dropped. `None`: too many are under way.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Handshake> {
        // Counted in before looking: two workers cannot both take the last place.
        let before = self.handshakes.fetch_add(1, Ordering::Relaxed);
        let handshake = Handshake(Arc::clone(self));
        (before < self.made_from.max_handshakes).then_some(handshake)
    }

    /// Looks at the files of all certificates, and shows what has changed.
    pub(crate) fn look(&self) -> Vec<News> {
        let now = clock::epoch_seconds();
        let mut watched = self.watched();
        let mut news = Vec::new();
        let mut changed = false;
        for certificate in &mut *watched {
            changed |= certificate.look(now, &mut news);
        }
        if changed {
            match self.rules.show(&self.made_from, &watched) {
                Ok(showing) => {
                    *self.showing.write().unwrap_or_else(PoisonError::into_inner) =
                        Arc::new(showing);
                }
                Err(error) => news.push(News {
                    kind: "certificate-refused",
                    message: format!("{error}; the one from before is still shown"),
                }),
            }
        }
        news
    }

    /// Each certificate, in the order of the file.
    pub(crate) fn certificates(&self) -> Vec<CertificateStatus> {
        let status = |it: &Watched| CertificateStatus {
            source: it.files.chain.clone(),
            names: it.pair.facts.names.clone(),
            key: it.pair.facts.key.as_str(),
            fingerprint: it.pair.fingerprint.clone(),
            not_before: it.pair.facts.not_before,
            not_after: it.pair.facts.not_after,
            ocsp_until: it.ocsp_until(),
            failure: it.failure.clone(),
            replaced_total: it.replaced_total,
            refused_total: it.refused_total,
        };
        self.watched().iter().map(status).collect()
    }

    /// Handshakes under way.
    pub(crate) fn handshakes(&self) -> u32 {
        self.handshakes.load(Ordering::Relaxed)
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        // What a look changes before a panic is still a certificate with its files.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Showing {
    /// Whether who asks for a name that no certificate covers is refused.
    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Whether some certificate is for the name that a client asks for.
    pub(crate) fn covers(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.shelf.index.covers(name))
    }

    /// The place of the certificate shown to a client that asks for `name` and understands every
    /// signature; `None`: none is.
    pub(crate) fn chosen(&self, name: Option<&str>) -> Option<usize> {
        self.shelf.index.choose(name, |_| true).ok()
    }

    /// Whether a connection made for `name` may carry a request for `host`; else the answer is 421.
    pub(crate) fn is_at_home(&self, name: Option<&str>, host: &str) -> bool {
        self.shelf.index.is_at_home(name, host)
    }
}

/// Whom a client's certificate is about, for the servers. `None`: that cannot be told.
pub(crate) fn subject(certificate: &[u8]) -> Option<String> {
    Facts::read(certificate)?.subject_text()
}

/// The common name of whom a certificate is about.
pub(super) fn common_name(certificate: &[u8]) -> Option<String> {
    Facts::read(certificate)?.common_name().map(str::to_owned)
}

/// The end of a handshake with a client that asks for a name of others.
pub(crate) fn unknown_name() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Error::General(NOTHING_TO_SHOW.to_owned()))
}

/// Bytes to send to a client in place of what rustls would, after a handshake ended like this.
pub(crate) fn farewell(error: &Error) -> Option<&'static [u8]> {
    match error {
        Error::General(why) if why == NOTHING_TO_SHOW => Some(&UNRECOGNIZED_NAME),
        _ => None,
    }
}

/// A short word for a counter.
pub(crate) fn label(error: &Error) -> &'static str {
    match error {
        Error::General(why) if why == NOTHING_TO_SHOW => "unknown-name",
        Error::NoCertificatesPresented => "no-client-certificate",
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "client-certificate-expired",
        Error::InvalidCertificate(_) => "client-certificate",
        Error::NoApplicationProtocol => "no-application-protocol",
        Error::PeerIncompatible(_) => "incompatible",
        Error::AlertReceived(_) => "client-alert",
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => "not-tls",
        _ => "handshake",
    }
}

impl Rules {
    fn new(
        listener: &str,
        config: &config::Front,
        keys: &Arc<TicketKeys>,
    ) -> Result<Self, FrontError> {
        let mut provider = CryptoProvider::clone(&provider());
        if !config.ciphers.is_empty() {
            let place =
                |suite: u16| config.ciphers.iter().position(|own| *own == CipherSuite(suite));
            provider.cipher_suites.retain(|suite| place(suite.suite().into()).is_some());
            provider.cipher_suites.sort_by_key(|suite| place(suite.suite().into()));
        }
        let version = |version: &TlsVersion| match version {
            TlsVersion::V12 => &version::TLS12,
            TlsVersion::V13 => &version::TLS13,
        };
        let provider = Arc::new(provider);
        let clients = config.client_auth.as_ref().map_or_else(
            || Ok(Arc::new(NoClientAuth) as Arc<dyn ClientCertVerifier>),
            |auth| verifier(auth, &provider),
        );
        // A resumed session is not asked for a certificate again: one that has expired meanwhile,
        // or whose authority is not trusted any more, would go on.
        let is_resumed = config.client_auth.is_none();
        Ok(Self {
            provider,
            versions: config.versions.iter().map(version).collect(),
            clients: clients?,
            tickets: is_resumed.then(|| Arc::new(Tickets::new(Arc::clone(keys), listener))),
            alpn: config.alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(),
        })
    }

    fn show(&self, config: &config::Front, watched: &[Watched]) -> Result<Showing, FrontError> {
        let facts: Vec<&Facts> = watched.iter().map(|it| &it.pair.facts).collect();
        let index = Index::build(&facts, config.default_certificate.as_deref(), config.strict_sni);
        let keys = watched.iter().map(Watched::shown).collect();
        let shelf = Arc::new(Shelf { index, keys });
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_protocol_versions(&self.versions);
        let builder = builder.map_err(|source| FrontError::Suites { source })?;
        let builder = builder.with_client_cert_verifier(Arc::clone(&self.clients));
        let resolver = Arc::clone(&shelf);
        let mut server = builder.with_cert_resolver(resolver);
        server.alpn_protocols.clone_from(&self.alpn);
        // Sessions are the client's to keep. What comes before the handshake is done (0-RTT) can be
        // sent twice by anybody, and is not taken.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.max_early_data_size = 0;
        match &self.tickets {
            Some(tickets) => server.ticketer = Arc::clone(tickets) as Arc<_>,
            None => server.send_tls13_tickets = 0,
        }
        Ok(Showing { config: Arc::new(server), shelf, is_strict: config.strict_sni })
    }
}

fn verifier(
    auth: &ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, FrontError> {
    let roots = roots(&auth.trusted).map_err(|source| FrontError::ClientAuth { source })?;
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if auth.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|source| FrontError::Verifier { source })
}
