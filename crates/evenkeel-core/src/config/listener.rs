//! Where clients come in, and what they speak.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Front, Guard, Http, Https, Network, PoolId};

/// One address set with one protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    pub name: Arc<str>,
    /// Where it accepts; at least one. Port 0 asks the system for a free one.
    pub bind: Vec<SocketAddr>,
    pub protocol: Protocol,
    /// Connections held at once on this listener; more wait in the kernel's queue.
    pub max_connections: u32,
    pub timeouts: ClientTimeouts,
    /// Proxies in front, each of whose connections begins with who the client is
    /// (see [`crate::proxy_protocol`]); nobody else may connect. `None`: clients connect themselves.
    pub proxy_protocol: Option<Vec<Network>>,
    pub guard: Guard,
    /// Connections held at once from one address (IPv4) or /64 network (IPv6); more are closed.
    /// Those of trusted proxies are not counted. `None`: as many as the listener has.
    pub connections_per_source: Option<u32>,
}

/// What a listener speaks.
#[derive(Clone, Debug, PartialEq)]
pub enum Protocol {
    /// Bytes both ways.
    Tcp { pool: PoolId },
    /// TLS passed through; routed by what the `ClientHello` names.
    Tls(Tls),
    /// HTTP/1.0 and HTTP/1.1.
    Http(Box<Http>),
    /// The same inside TLS, which ends here.
    Https(Box<Https>),
}

/// Waiting for the client. All are totals from the moment the phase begins, not per byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// The whole TLS handshake, where TLS ends here. Default 5 s.
    pub handshake: Duration,
    /// The whole request head (HTTP) or the whole `ClientHello` (TLS). Default 10 s.
    pub header: Duration,
    /// A keep-alive connection between requests. Default 75 s.
    pub keep_alive: Duration,
    /// No byte read or taken while a body or a stream is under way. Default 60 s.
    pub idle: Duration,
    /// The other side has sent its FIN, the client has not. Default 30 s.
    pub fin: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            idle: Duration::from_mins(1),
            fin: Duration::from_secs(30),
        }
    }
}

impl Protocol {
    /// What an HTTP listener does.
    pub fn http(&self) -> Option<&Http> {
        match self {
            Self::Http(http) => Some(http),
            Self::Https(https) => Some(&https.http),
            Self::Tcp { .. } | Self::Tls(_) => None,
        }
    }

    /// How a listener shows itself where TLS ends here.
    pub fn front(&self) -> Option<&Front> {
        match self {
            Self::Https(https) => Some(&https.front),
            Self::Tcp { .. } | Self::Tls(_) | Self::Http(_) => None,
        }
    }

    /// Where connections and requests may go, each once: those of the rules in their order, then the
    /// default.
    pub fn pools(&self) -> Vec<PoolId> {
        let mut pools = match self {
            Self::Tcp { pool } => vec![*pool],
            Self::Tls(tls) => tls.rules.iter().map(|rule| rule.pool).chain(tls.default).collect(),
            Self::Http(http) => http.pools(),
            Self::Https(https) => https.http.pools(),
        };
        let mut known = BTreeSet::new();
        pools.retain(|pool| known.insert(*pool));
        pools
    }

    /// Its word in files and answers.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Tls(_) => "tls",
            Self::Http(_) => "http",
            Self::Https(_) => "https",
        }
    }
}

/// Routing of TLS that is passed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// For connections without a server name and for names no rule knows.
    pub default: Option<PoolId>,
    pub rules: Vec<TlsRule>,
}

/// The first rule that matches by specificity wins: exact name, wildcard, no name; with ALPN before without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRule {
    pub name: Option<HostPattern>,
    /// One of the protocols the client offers, such as `h2` or `acme-tls/1`.
    pub alpn: Option<Arc<str>>,
    pub pool: PoolId,
}

/// A host name to match, lower case, without a port or a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// `shop.example`
    Exact(Arc<str>),
    /// `*.example`, kept as `.example`: one or more labels in front of it.
    Suffix(Arc<str>),
}
