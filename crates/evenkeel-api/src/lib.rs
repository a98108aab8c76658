//! The documents of the admin API, their description, and a thin client for them.
#![forbid(unsafe_code)]

mod client;
mod documents;
mod openapi;
mod time;

pub use client::{Client, ClientError, DEFAULT_URL, Question, Remembered};
pub use documents::{
    AddedServer, AdminState, AgentWord, Applied, BreakerLoad, Cause, Certificate, CheckOutcome,
    Component, ComponentStatus, ConfigStatus, ConfigVersion, Degraded, Drill, DrillEnd, DrillKind,
    DrillRecord, DrillStage, DrillStart, DrillWord, Drills, Event, Evidence, ExplainedCertificate,
    ExplainedOutcome, ExplainedPool, ExplainedRetry, ExplainedServer, Explanation, Found, Health,
    History, LastCheck, Listener, ListenerFigures, NameState, NodeFigures, NodeState, Pair,
    PassedOver, PeerApplied, PeerFigures, PeerView, PeerVip, Pool, PoolFigures, PoolMode, Problem,
    Recorded, RecordedExchange, RemovedServer, RouteFigures, Said, Series, Server, ServerAddition,
    ServerAdmin, ServerChange, ServerConfigured, ServerFigures, ServerName, ServerOverride,
    ServerRemoval, ServerVerdict, Severity, StateOverride, Status, Tick, TimeLineEntry, Upgraded,
    Vip, VipChange, VipFigures, VipState, WeightOverride,
};
pub use openapi::{Method, OPERATIONS, Operation, openapi};
pub use time::Timestamp;
