//! The documents of the admin API, their description, and a thin client for them.
#![forbid(unsafe_code)]

mod client;
mod documents;
mod openapi;
mod time;

pub use client::{Client, ClientError, DEFAULT_URL};
pub use documents::{
    AddedServer, AdminState, AgentWord, Applied, BreakerLoad, Certificate, CheckOutcome, Component,
    ComponentStatus, ConfigStatus, ConfigVersion, Degraded, Event, Evidence, Found, Health,
    LastCheck, Listener, NameState, NodeState, Pool, PoolMode, Problem, RemovedServer, Said,
    Server, ServerAddition, ServerAdmin, ServerChange, ServerConfigured, ServerName,
    ServerOverride, ServerRemoval, ServerVerdict, Severity, StateOverride, Status, TimeLineEntry,
    Upgraded, Vip, VipChange, VipState, WeightOverride,
};
pub use openapi::{Method, OPERATIONS, Operation, openapi};
pub use time::Timestamp;
