//! What goes into a machine and what comes out.

use std::net::IpAddr;
use std::time::Duration;

use super::State;

/// What a node has heard or been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The node takes part.
    Start,
    /// The node takes part in the place of a program that owned the address up to this moment, and
    /// stopped without a word to anybody.
    Inherit,
    /// A deadline ([`super::Machine::next_deadline`]) has come; earlier, it does nothing.
    Tick,
    /// An advert that was admitted.
    Heard(Heard),
    /// What is tracked has changed: see [`crate::vrrp::track::claim`].
    Claim(Option<u8>),
    /// Whether any witness is reachable; until this is said, none is.
    Witness(bool),
    /// A heartbeat of another node came over the second path.
    Heartbeat(Heartbeat),
    /// The second path to this node is down: what it said last no longer holds.
    Silence(IpAddr),
    /// Somebody else speaks from the address: in answer to a probe, or for itself.
    Seen,
    /// The address this node owns is no longer on its interface.
    Lost,
    /// The kernel did not take the address that was to be added.
    Refused,
    /// An operator wants another node to own it.
    Move,
    /// An operator takes that back: the node may preempt again.
    Resume,
    /// The node takes part no longer.
    Stop,
}

/// What matters of an advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The sender's own address.
    pub source: IpAddr,
    /// 0: it leaves.
    pub priority: u8,
    pub interval: Duration,
}

/// What a node says of itself over the second path, with each advert interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The address it sends its adverts from.
    pub node: IpAddr,
    /// It owns the address.
    pub owns: bool,
    /// With which it would claim it; `None`: it could not.
    pub claim: Option<u8>,
    /// Which start of its program this is: greater each time, as [`crate::vrrp::signature::Signer`]
    /// has it.
    pub boot: u64,
    /// How often it has become owner since: who owns it now may have missed that.
    pub claims: u64,
    /// It does not own it, and the owner is to give it away.
    pub wants: bool,
}

impl Heartbeat {
    /// Whether a node has not become owner between two of its heartbeats, nor started anew.
    pub(super) fn has_claimed_as_often(&self, later: &Self) -> bool {
        (self.boot, self.claims) == (later.boot, later.claims)
    }
}

/// What is to be done, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advert with this priority to the group or to each peer.
    Advertise(u8),
    /// Ask the link once who has each address.
    Probe,
    /// Add the addresses to the interface. What is there already stays as it is.
    Take,
    /// Remove what was added.
    Release,
    /// Tell the link so many times for each address that it is here.
    Announce(u8),
    /// Tell the operator.
    Tell(Event),
}

/// What an operator may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The machine has changed its state.
    Became { from: State, to: State, why: Cause },
    /// It would claim the address and may not.
    Withheld(Obstacle),
    /// Two nodes own it, or another machine uses it; of those who advertise, the address.
    Conflict(Option<IpAddr>),
    /// Somebody has removed the address; it was put back.
    Restored,
    /// The node was asleep for so long that another may own the address by now.
    Slept(Duration),
    /// It was to be moved, and nobody took it.
    NobodyTook,
}

/// Why a state has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The node has begun to take part, or stopped.
    Started,
    Stopped,
    /// The program before owned it.
    Inherited,
    /// No advert for the time an owner has.
    OwnerSilent,
    /// The owner has said that it leaves.
    OwnerLeft,
    /// Nobody has answered for the address.
    Unanswered,
    /// Somebody has.
    Answered,
    /// Something else stands between the node and the address: see [`Event::Withheld`].
    Withheld,
    /// The owner is weaker, and this node preempts.
    Stronger,
    /// Another node with a better claim, or any while this one leaves, owns it.
    OwnerHeard,
    /// An operator has moved it.
    Moved,
    /// A peer is stronger since something tracked has failed here.
    Weakened,
    /// Something tracked has failed that the work needs, or works again.
    Failed,
    Recovered,
    /// The kernel did not take the address.
    Refused,
    /// The node was asleep.
    Slept,
    /// Nobody took it.
    NobodyTook,
}

/// What stands between a node and a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// No witness is reachable: it may be this node that is cut off.
    NoWitness,
    /// A peer owns it, as it says over the second path; its adverts do not get here.
    PeerOwns,
    /// Somebody answers for the address.
    Answered,
}

impl Cause {
    /// A short word for a counter and an event.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Inherited => "inherited",
            Self::OwnerSilent => "owner-silent",
            Self::OwnerLeft => "owner-left",
            Self::Unanswered => "unanswered",
            Self::Answered => "answered",
            Self::Withheld => "withheld",
            Self::Stronger => "stronger",
            Self::OwnerHeard => "owner-heard",
            Self::Moved => "moved",
            Self::Weakened => "weakened",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::Refused => "refused",
            Self::Slept => "slept",
            Self::NobodyTook => "nobody-took",
        }
    }
}

impl Obstacle {
    /// A short word for a counter and an event.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoWitness => "no-witness",
            Self::PeerOwns => "peer-owns",
            Self::Answered => "answered",
        }
    }
}

/// Counted since the machine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How often this node has become owner.
    pub claims: u64,
    /// Sightings of a second owner.
    pub conflicts: u64,
    pub adverts_sent: u64,
    /// Of those admitted.
    pub adverts_heard: u64,
    /// When the address was last claimed from a silent owner: since that one's last advert.
    pub gap: Option<Duration>,
}
