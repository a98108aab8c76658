//! What the operator meant: valid by construction, every default filled in, every name resolved.
//!
//! `evenkeel-control` compiles the configuration file into these types and is the only one to
//! report faults; whoever holds a [`Config`] never asks "was it given?" again.

mod auth;
mod balance;
mod check;
mod compress;
mod files;
mod front;
mod guard;
mod http;
mod judge;
mod listener;
mod log;
mod pool;
mod traces;
mod vip;

use std::time::Duration;

pub use auth::{Auth, BasicAuth, ForwardAuth, Users};
pub use balance::{
    Balance, Hash, HashOn, HashTable, QueueLimits, SameSite, Sticky, ZoneId, Zoning,
};
pub use check::{
    Agent, AgentCheck, Check, CheckKind, ExecCheck, GrpcCheck, HttpCheck, InitialState, Talk,
    TlsCheck,
};
pub use compress::{Compress, Effort};
pub use files::{Expires, Files, Symlinks};
pub use front::{
    CertificateFiles, CertificateSource, CipherSuite, ClientAuth, Front, Https, TlsVersion,
    UpstreamTls,
};
pub use guard::{Guard, RateId, RateKey, RateLimit};
pub use http::{
    Action, CookieMatch, ErrorPage, Forwarding, HeaderEdits, HeaderMatch, Http, HttpLimits,
    Methods, Mirror, Network, PathPattern, Redirect, Route,
};
pub use judge::{
    Backoff, BreakerLimits, FailureRate, Hedge, Limits, Outlier, Priority, Retry, RetryBudget,
    RetryOn, Shed,
};
pub use listener::{ClientTimeouts, HostPattern, Listener, Protocol, Tls, TlsRule};
pub use log::{
    AccessLog, LogField, LogFormat, LogPart, LogTarget, SyslogAddress, SyslogForm, SyslogTarget,
};
pub use pool::{Pool, ProxyVersion, Server, ServerTimeouts};
pub use traces::Traces;
pub use vip::{Target, Track, Tracked, Vip};

/// Everything the data plane needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// In the order of the file; names are unique.
    pub listeners: Vec<Listener>,
    /// In the order of the file; names are unique. [`PoolId`] indexes this.
    pub pools: Vec<Pool>,
    /// In the order of the file; names are unique. [`RateId`] indexes this.
    pub rates: Vec<RateLimit>,
    /// In the order of the file; names are unique.
    pub vips: Vec<Vip>,
    /// `None`: no line per exchange is written.
    pub access_log: Option<AccessLog>,
    pub traces: Traces,
    /// `None`: nothing is shed.
    pub shed: Option<Shed>,
    /// An exchange whose answer takes longer to begin is slow. `None`: none is.
    pub slow: Option<Duration>,
}

/// Index of a pool in [`Config::pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u16);
