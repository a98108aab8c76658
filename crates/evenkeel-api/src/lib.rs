//! The documents of the admin API, their description, and a thin client for them.
#![forbid(unsafe_code)]

mod client;
mod documents;
mod openapi;
mod time;

pub use client::{Client, ClientError, DEFAULT_URL};
pub use documents::{
    AdminState, Applied, ConfigStatus, ConfigVersion, Event, Found, Health, Listener, NodeState,
    Pool, PoolMode, Problem, Server, ServerAdmin, ServerChange, ServerVerdict, Severity, Status,
};
pub use openapi::{Method, OPERATIONS, Operation, openapi};
pub use time::Timestamp;
