//! A virtual address and its nodes, tried without sockets: two or three of them on a link that
//! loses, delays, doubles and filters, that are frozen, killed, stopped, started, moved and cut off
//! from each other.
//!
//! A run follows from its seed alone. It has three acts: trouble, then calm in which everything
//! must settle, then one thing at a time in the calm: a planned move, a killed owner, a frozen one.
//!
//! What must hold, in each moment ([`Bounds`] has the numbers):
//! 1. Two nodes that hear each other own the address together for an interval at most, and the time
//!    a packet takes. Two whose adverts are filtered, one way or both, and whose heartbeats are not,
//!    for two intervals: between them there is no third way of being cut off.
//! 2. Once nothing has gone wrong for a while and a node may own the address, exactly one does, no
//!    other answers for it, and of all that are there it was the last to announce itself. (That an
//!    announcement is lost on its way to a client is made good by the next: after 5 s, then each
//!    minute.)
//! 3. A planned move leaves no moment without an owner, nor does a node that comes back and preempts;
//!    a killed owner is missed for no longer than an owner may be silent.
//! 4. A frozen owner does not answer with its program before it has listened.
//! 5. No input makes more than a handful of actions, and no deadline comes again at once.
//! 6. Where nodes preempt, the strongest owns the address in the end, whether a weaker owner gives it
//!    away when it is asked to or takes too long.

mod node;
mod rules;
mod trouble;
mod world;

use std::time::Duration;

use self::world::World;
use super::Broken;

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Story {
    pub events: u64,
    pub claims: u64,
    /// Second owners met.
    pub conflicts: u64,
    /// Claims that something stood against.
    pub withheld: u64,
    /// Frozen nodes that found out.
    pub slept: u64,
    pub moves: u64,
    /// Owners that were asked for the address by a stronger node, and gave it away.
    pub given: u64,
    /// The longest that two owned the address and heard each other, in thousandths of an interval.
    pub longest_overlap: u64,
    /// The same of two that tell each other, over the second path.
    pub longest_overlap_told: u64,
    /// The longest without an owner after one was killed in the calm, in the same.
    pub longest_gap: u64,
}

/// How long things may take; all follow from the interval of the adverts.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Two owners that hear each other.
    overlap: Duration,
    /// Two owners that only tell each other, over the second path: each listens to that once it has
    /// been owner for an interval, and is told with the next heartbeat.
    overlap_told: Duration,
    /// From the last trouble to one owner: a node that was frozen or started listens for four
    /// intervals at most, one that is answered by a dead node's kernel for one more, and whoever
    /// gives up in between costs another round.
    settle: Duration,
    /// From a kill in the calm to the next owner.
    gap: Duration,
    /// From the last trouble until the strongest has preempted: what it waits and asks for may begin
    /// anew once, with another owner.
    preempted: Duration,
}

/// One run; what has happened in it.
pub fn run(seed: u64) -> Result<Story, Broken> {
    World::new(seed).run()
}
