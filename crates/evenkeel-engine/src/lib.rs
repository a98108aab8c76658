//! The data plane: accepts, connects, moves bytes, probes servers. It acts; what to do is decided
//! in `evenkeel-core`.
#![forbid(unsafe_code)]

mod accept;
mod answer;
mod auth;
mod bound;
mod buffer;
mod clock;
mod compress;
mod connect;
mod count;
mod deliver;
mod engine;
mod exchange;
mod exemplar;
mod explain;
mod facts;
mod files;
mod fleet;
mod flow;
mod front;
mod guard;
mod hedge;
mod http2;
mod introduction;
mod log;
mod mirror;
mod mishap;
mod offer;
mod own;
mod pace;
mod pass_through;
mod plan;
mod probe;
mod program;
mod receive;
mod record;
mod shed;
mod span;
mod status;
mod stream;
mod timers;
mod tls;
mod trace;
mod tunnel;
mod upload;
mod vip;
mod waiting;
mod websocket;
mod worker;

pub use bound::OpenAddress;
pub use engine::{ApplyError, Drained, Engine, Options, StartError};
pub use exemplar::{Exemplar, Shown};
pub use explain::{
    Asked, Choosing, ExplainError, Explanation, Outcome, ShownCertificate, Standing, Tries,
};
pub use mishap::Mishap;
pub use span::{TracedExchange, TracedTry, TryEnd};
pub use status::{
    Admin, AdminChange, AdminState, AgentWord, BreakerStatus, CertificateStatus, CodeClass,
    Degraded, Endings, EngineStatus, Event, Evidence, FlowStatus, Health, LastCheck,
    ListenerStatus, PoolMode, PoolStatus, RateStatus, ServerStatus, TimeLineEntry, Verdict,
    VipStatus,
};
pub use tls::{
    Anybody, LINK_SECRET_BYTES, LinkStream, LinkTls, OutwardTls, PairError, Proof, ProofError,
    examine, examine_roots, fresh_link_secret, fresh_ticket_key,
};
pub use vip::MoveError;
pub use vip::guard::{GUARD_VERB, stand_guard};
