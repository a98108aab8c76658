//! The data plane: accepts, connects, moves bytes, probes servers. It acts; what to do is decided
//! in `evenkeel-core`.
#![forbid(unsafe_code)]

mod accept;
mod answer;
mod buffer;
mod clock;
mod connect;
mod count;
mod deliver;
mod engine;
mod exchange;
mod fleet;
mod guard;
mod introduction;
mod log;
mod own;
mod pace;
mod plan;
mod probe;
mod receive;
mod record;
mod status;
mod timers;
mod tls;
mod tunnel;
mod upload;
mod waiting;
mod websocket;
mod worker;

pub use engine::{ApplyError, Drained, Engine, Options, StartError};
pub use status::{
    Admin, AdminChange, AdminState, BreakerStatus, CodeClass, Degraded, EngineStatus, Event,
    Evidence, Health, LastCheck, ListenerStatus, PoolMode, PoolStatus, RateStatus, ServerStatus,
    TimeLineEntry, Verdict,
};
