//! Every decision Evenkeel makes, as plain values: what a byte stream means, which route and which
//! server a request gets, whether a server is fit, whether another try is allowed.
//!
//! Nothing here does I/O, reads a clock, or asks for chance: time and randomness are arguments.
#![forbid(unsafe_code)]

pub mod access;
pub mod acme;
pub mod agent;
pub mod breaker;
pub mod budget;
pub mod certificate;
pub mod certificate_choice;
pub mod checksum;
pub mod client_hello;
pub mod coding;
pub mod compress;
pub mod config;
pub mod delivery;
pub mod dice;
pub mod drill;
pub mod ewma;
pub mod fault;
pub mod files;
pub mod grpc;
pub mod hash;
pub mod health;
pub mod hedge;
pub mod history;
pub mod http2;
pub mod latency;
pub mod message;
pub mod moment;
pub mod neighbour;
pub mod outlier;
pub mod pair;
pub mod path;
pub mod pick;
pub mod pool;
pub mod proxy_protocol;
pub mod queue;
pub mod rate;
pub mod restart;
pub mod retry;
pub mod route;
pub mod share;
pub mod shed;
pub mod slow_start;
pub mod snapshot;
pub mod split;
pub mod sticky;
pub mod template;
pub mod throttle;
pub mod ticket_key;
pub mod trace;
pub mod verdict;
pub mod vrrp;
