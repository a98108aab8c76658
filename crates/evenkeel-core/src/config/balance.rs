//! How the server for a request is chosen, and what happens when none has room.

use std::sync::Arc;
use std::time::Duration;

use crate::hash::{Seed, identity};

/// How a server is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Strict order over all workers; with weights, the smooth weighted order.
    #[default]
    RoundRobin,
    /// Fewest requests (or connections, for tcp and tls) in flight for its weight.
    LeastConnections,
    /// The one of two drawn by weight that has fewer in flight for its weight.
    P2c,
    /// The one of two drawn by weight that will probably answer first.
    PeakEwma,
    /// Drawn by weight.
    Random,
    /// The first in the order of the file that has room (`max_connections`).
    First,
    /// The one that a key of the request ([`HashOn`]) belongs to.
    Hash(Hash),
}

impl Balance {
    /// Its word in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::P2c => "p2c",
            Self::PeakEwma => "peak-ewma",
            Self::Random => "random",
            Self::First => "first",
            Self::Hash(_) => "hash",
        }
    }
}

/// How a key finds its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hash {
    pub table: HashTable,
    /// No server gets more in flight than this share of the average for its weight, in percent:
    /// [`Hash::LEAST_BOUND`] or more; keys beyond it go to the next server. `None`: no bound.
    pub bound: Option<u16>,
}

impl Hash {
    /// With no room above the average, every second key would be on the wrong server.
    pub const LEAST_BOUND: u16 = 105;
}

/// The method by which a key finds its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashTable {
    /// Rendezvous hashing: a server that leaves or comes moves its own keys only. A pick looks at
    /// every server, so this is for pools of up to some 200.
    #[default]
    Rendezvous,
    /// Maglev: a pick is one look into a table whatever the size of the pool; a server that leaves
    /// moves a few of the others' keys as well.
    Maglev,
}

/// What of a request is its key. A request without one is placed by chance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HashOn {
    /// The client's address, without its port.
    #[default]
    Source,
    /// Path and query, as they are sent to the server.
    Uri,
    /// The value of this header, given in lower case.
    Header(Arc<str>),
    /// The value of this cookie.
    Cookie(Arc<str>),
    /// The name asked for in the TLS handshake.
    Sni,
}

/// A cookie by which a client comes back to its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// Name of the cookie: a token (RFC 9110 §5.6.2).
    pub cookie: Arc<str>,
    /// From a secret that all nodes share: who does not know it learns nothing of the servers.
    pub seed: Seed,
    pub same_site: SameSite,
    /// How long the client keeps it; `None`: until it is closed.
    pub max_age: Option<Duration>,
}

/// With which requests from other sites a cookie is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// With links that are followed.
    #[default]
    Lax,
    /// With none.
    Strict,
    /// With all; browsers want `Secure` as well.
    None,
}

/// Waiting for room, when every server has its `max_connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Requests that wait; one more is refused. Default 1,000; 0: none waits.
    pub length: u32,
    /// Longest wait. Default 5 s: after that most clients have given up.
    pub wait: Duration,
}

impl QueueLimits {
    /// A longer queue could not be served within any wait that a client has patience for.
    pub const MOST_LENGTH: u32 = 65_536;

    /// `Retry-After` for who was refused, in seconds: by then, all who wait now are served or gone.
    pub fn retry_after(&self) -> u64 {
        self.wait.as_secs().max(1)
    }
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { length: 1_000, wait: Duration::from_secs(5) }
    }
}

/// A zone (data centre, rack), told apart by a hash of its name, so that whoever knows the name knows
/// the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub u64);

impl ZoneId {
    /// The zone of this name.
    pub fn of(name: &str) -> Self {
        Self(identity(name))
    }
}

/// This node's zone first, but every server of the pool with the same load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zoning {
    /// Where this node is.
    pub own: ZoneId,
    /// How the pool's traffic comes in: the number of nodes (or any other measure) in each zone. A
    /// zone that is left out has none. Empty: the same in every zone that has servers.
    pub balancers: Vec<(ZoneId, u32)>,
}
