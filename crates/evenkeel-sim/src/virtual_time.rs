//! Choosing and judging, tried without sockets: a pool in virtual time, whose servers die, hang,
//! slow down, lie, flap and lose what they need, and what must hold at every step.
//!
//! A run follows from its seed alone. It has three acts: an hour's worth of trouble in some tens of
//! seconds, then nothing more goes wrong, then no more requests come. After each event every
//! rule of `rules.rs` is looked at; what is broken is told with the seed.

mod agenda;
mod nature;
pub mod pair;
mod request;
mod rules;
mod world;

use std::fmt;

pub use self::world::Story;
use self::world::World;

/// What must not happen, and when it did.
#[derive(Debug)]
pub struct Broken {
    pub seed: u64,
    pub at: evenkeel_core::moment::Moment,
    pub rule: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, at, rule } = self;
        write!(f, "seed {seed}, at {at}: {rule}")
    }
}

impl std::error::Error for Broken {}

/// One run; what has happened in it.
pub fn run(seed: u64) -> Result<Story, Broken> {
    World::new(seed).run()
}
