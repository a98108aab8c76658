//! What a configuration lists as servers of a pool: some are addresses, others have to be found.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use evenkeel_core::config::Server;
use serde::{Deserialize, Serialize};

/// What is filled in once an address is known.
pub(crate) const UNRESOLVED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// An entry of `servers`, or the `servers_file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A server whose address was written.
    Fixed(Server),
    /// One or more servers behind a name.
    Named(Named),
    /// A file with servers, read again when it changes.
    File(PathBuf),
}

/// Servers that are known by name; how many there are and where is for a resolver to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub(crate) question: Question,
    /// Without meaning for service records, which bring ports of their own.
    pub(crate) port: u16,
    /// Every address becomes a server; otherwise one of them is chosen and kept.
    pub(crate) expand: bool,
    /// What all of them have in common; without an address.
    pub(crate) template: Server,
}

/// What a resolver is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) host: String,
    pub(crate) records: Records,
}

/// What answers consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Records {
    /// A and AAAA.
    Address,
    /// SRV (RFC 2782), and the addresses of its targets.
    Service,
}

impl Listed {
    /// With what it says of its server changed.
    pub(crate) fn map(self, change: impl FnOnce(Server) -> Server) -> Self {
        match self {
            Self::Fixed(server) => Self::Fixed(change(server)),
            Self::Named(named) => {
                let template = change(named.template);
                Self::Named(Named { template, ..named })
            }
            Self::File(path) => Self::File(path),
        }
    }

    /// What is known of the server without asking anybody; `None` for a file.
    pub(crate) fn server(&self) -> Option<&Server> {
        match self {
            Self::Fixed(server) => Some(server),
            Self::Named(named) => Some(&named.template),
            Self::File(_) => None,
        }
    }

    /// Whether the server called `name` comes from this entry.
    pub(crate) fn is_source_of(&self, name: &str) -> bool {
        self.server().is_some_and(|server| belongs(name, &server.name))
    }
}

/// Whether `name` is `entry` or one of the servers it gave: `app.internal:80/10.0.0.1:80`.
pub(crate) fn belongs(name: &str, entry: &str) -> bool {
    name.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
