//! The proving ground: real servers, the real program and clients that see every byte, so that
//! end-to-end tests read like prose, and the fault matrix built from the same parts.
//!
//! ```no_run
//! use evenkeel_sim::prelude::*;
//!
//! let [one, two] = origins();
//! let web = free_address();
//! let lb = balancer(&http(web, &[&one, &two]));
//! assert_eq!(get(web, "/").server(), "0");
//! assert_eq!(get(web, "/").server(), "1");
//! ```
#![forbid(unsafe_code)]

pub mod address;
pub mod authority;
pub mod balancer;
pub mod body;
pub mod browser;
pub mod client;
pub mod clock;
pub mod corpus;
pub mod dnsmasq;
pub mod fake_clock;
pub mod floods;
pub mod frames;
pub mod haproxy;
pub mod http1;
pub mod keepalived;
pub mod link;
pub mod load;
pub mod loris;
pub mod name_server;
pub mod nginx;
pub mod origin;
pub mod peer;
pub mod prelude;
pub mod process;
pub mod scratch;
pub mod stream;
pub mod tls;
pub mod virtual_time;
