//! The control plane: turns what the operator wrote into what the engine runs, applies it, and
//! lets the operator see and steer the node.
#![forbid(unsafe_code)]

mod clock;
pub mod compile;
mod document;
pub mod finding;
mod nearest;
pub mod origin;
mod surroundings;

