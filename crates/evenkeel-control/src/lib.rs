//! The control plane: turns what the operator wrote into what the engine runs, applies it, and
//! lets the operator see and steer the node.
#![forbid(unsafe_code)]

mod admin;
mod clock;
pub mod compile;
mod describe;
mod document;
mod export;
pub mod finding;
mod handover;
mod hexadecimal;
mod history;
mod lifetime;
mod live;
mod membership;
mod metrics;
mod names;
mod nearest;
mod node;
mod notify;
pub mod origin;
mod overlay;
mod overrides;
mod pair;
mod process;
mod recorder;
mod state_file;
mod surroundings;
mod targets;
mod ticket_file;
mod whole;

pub use evenkeel_engine::{Anybody, GUARD_VERB, stand_guard};
pub use handover::{Estate, Heritage, HeritageError};
pub use lifetime::{Signals, run};
pub use membership::{Listed, Named};
pub use node::{LoadError, Loaded, Node, StartError};
pub use pair::PairSecret;
pub use process::is_root;
