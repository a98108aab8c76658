//! Every decision Evenkeel makes, as plain values: what a byte stream means, which route and which
//! server a request gets, whether a server is fit, whether another try is allowed.
//!
//! Nothing here does I/O, reads a clock, or asks for chance: time and randomness are arguments.
#![forbid(unsafe_code)]

pub mod client_hello;
pub mod config;
pub mod fault;
pub mod health;
pub mod message;
pub mod moment;
pub mod path;
pub mod pick;
pub mod pool;
pub mod retry;
pub mod route;
pub mod snapshot;
