//! The control plane: turns what the operator wrote into what the engine runs, applies it, and
//! lets the operator see and steer the node.
#![forbid(unsafe_code)]

mod admin;
mod clock;
pub mod compile;
mod describe;
mod document;
pub mod finding;
mod lifetime;
mod metrics;
mod nearest;
mod node;
mod notify;
pub mod origin;
mod process;
mod surroundings;

pub use lifetime::{Signals, run};
pub use node::{LoadError, Loaded, Node, StartError};
pub use process::is_root;
