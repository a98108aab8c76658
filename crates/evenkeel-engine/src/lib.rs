//! The data plane: accepts, connects, moves bytes, probes servers. It acts; what to do is decided
//! in `evenkeel-core`.
#![forbid(unsafe_code)]

mod engine;
mod status;

pub use engine::{ApplyError, Drained, Engine, Options, StartError};
pub use status::{
    Admin, AdminChange, AdminState, CodeClass, EngineStatus, Event, Health, ListenerStatus, PoolMode, PoolStatus,
    ServerStatus, Verdict,
};
