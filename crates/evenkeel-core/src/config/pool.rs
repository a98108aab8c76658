//! Servers, and how they are chosen, waited for and judged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Agent, Balance, BreakerLimits, Check, HashOn, Outlier, QueueLimits, Retry, Sticky, UpstreamTls,
    Zoning,
};

/// Servers that do the same job.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub name: Arc<str>,
    pub balance: Balance,
    /// The key, for [`Balance::Hash`].
    pub hash_on: HashOn,
    /// Before the balance is asked: clients come back to their server.
    pub sticky: Option<Sticky>,
    /// `None`: zones make no difference.
    pub zoning: Option<Zoning>,
    /// For how long a server that has come (back) to a pool which serves takes less than its weight.
    /// Default: not at all.
    pub slow_start: Option<Duration>,
    /// Who may wait when no server has room.
    pub queue: QueueLimits,
    /// In the order of the file; names and addresses are unique in the pool. May be empty.
    pub servers: Vec<Server>,
    pub timeouts: ServerTimeouts,
    pub retry: Retry,
    /// `None`: servers are judged by their traffic alone.
    pub check: Option<Check>,
    /// Beside the check. Default: none.
    pub agent: Option<Agent>,
    pub outlier: Outlier,
    /// What may be under way at once. Default: no limits.
    pub breaker: BreakerLimits,
    /// Idle connections kept for each server by each worker. Default 128.
    pub idle_connections: u32,
    /// What each connection says first: who the client is. Such a connection is its client's
    /// alone and not kept for another one. Default: nothing.
    pub proxy_protocol: Option<ProxyVersion>,
    /// How servers are spoken to in TLS. `None`, the default: in the clear.
    pub tls: Option<Arc<UpstreamTls>>,
    /// Servers of an HTTP listener are spoken to in HTTP/2: many exchanges share a connection.
    /// Default off: HTTP/1.1.
    pub http2: bool,
}

/// A version of PROXY protocol (see [`crate::proxy_protocol`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// One line with the addresses.
    V1,
    /// Binary, with what is known besides the addresses.
    V2,
}

impl Pool {
    /// Servers in one pool: the order in which they are used is kept as 16-bit numbers, with room
    /// for weights.
    pub const MOST_SERVERS: usize = 16_384;

    /// A pool without servers and with every default; no check.
    pub fn new(name: Arc<str>) -> Self {
        Self {
            name,
            balance: Balance::default(),
            hash_on: HashOn::default(),
            sticky: None,
            zoning: None,
            slow_start: None,
            queue: QueueLimits::default(),
            servers: Vec::new(),
            timeouts: ServerTimeouts::default(),
            retry: Retry::default(),
            check: None,
            agent: None,
            outlier: Outlier::default(),
            breaker: BreakerLimits::default(),
            idle_connections: 128,
            proxy_protocol: None,
            tls: None,
            http2: false,
        }
    }
}

/// One of the servers of a pool. Its identity is pool name, name and address: health, requests in
/// flight and idle connections survive a reload for servers that keep all three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Given by the operator, else the address as written.
    pub name: Arc<str>,
    /// The host name it was written with; `None`: it was an address.
    pub host: Option<Arc<str>>,
    pub address: SocketAddr,
    /// 0 to 256; 0 takes no new requests. Default 1.
    pub weight: u16,
    /// Used only when no other server of the pool can be.
    pub backup: bool,
    /// Its tier: a lower number is used first, the next one as the first grows short. Default 0.
    pub priority: u8,
    /// Name of the zone it stands in.
    pub zone: Option<Arc<str>>,
    /// Requests (or connections, for tcp and tls) at the same time; more wait. Default: no limit.
    pub max_connections: Option<u32>,
}

impl Server {
    /// A server with every default.
    pub fn new(name: Arc<str>, address: SocketAddr) -> Self {
        Self {
            name,
            host: None,
            address,
            weight: 1,
            backup: false,
            priority: 0,
            zone: None,
            max_connections: None,
        }
    }
}

/// Waiting for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// TCP connection made. Default 3 s.
    pub connect: Duration,
    /// From the request sent to the first byte of the answer. Default 30 s.
    pub first_byte: Duration,
    /// No byte read or taken while a body or a stream is under way. Default 60 s.
    pub idle: Duration,
    /// From the request's first byte to the answer's last. Default: none.
    pub total: Option<Duration>,
    /// A tcp or tls stream or an upgraded connection with no byte either way. Default 1 h.
    pub tunnel: Duration,
    /// The client has sent its FIN, the server has not. Default 30 s.
    pub fin: Duration,
    /// An unused connection kept for reuse. Default 55 s, below the 60 s after which many servers close.
    pub keep_alive: Duration,
}

impl Default for ServerTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            total: None,
            tunnel: Duration::from_hours(1),
            fin: Duration::from_secs(30),
            keep_alive: Duration::from_secs(55),
        }
    }
}
