//! What a machine says, in words for the operator.

use std::net::IpAddr;

use evenkeel_core::vrrp::machine::{Cause, Obstacle, State};

/// Why a node is what it is.
pub(super) fn why(state: State, cause: Cause, owner: Option<IpAddr>) -> String {
    let owned_by = |how: &str| owner.map_or_else(|| how.to_owned(), |it| format!("{it} owns it"));
    match cause {
        Cause::Started if state == State::Active => "its priority is 255".into(),
        Cause::Inherited => "the process before owned it".into(),
        Cause::Started => "listens for an owner".into(),
        Cause::Stopped => "this node stops".into(),
        Cause::OwnerSilent => "the owner is silent".into(),
        Cause::OwnerLeft => "the owner has left".into(),
        Cause::Unanswered => "no owner was heard, and nobody answers for it".into(),
        Cause::Answered => "somebody answers for it".into(),
        Cause::Withheld => "may not claim it".into(),
        Cause::Stronger => "the owner was weaker, and this node preempts".into(),
        Cause::OwnerHeard => owned_by("another node owns it"),
        Cause::Moved => "moved away by an operator".into(),
        Cause::Weakened => "another node is stronger since something failed here".into(),
        Cause::Failed => "something it depends on has failed".into(),
        Cause::Recovered => "what had failed works again".into(),
        Cause::Refused => "the kernel did not take the address".into(),
        Cause::Slept => "this node was asleep, and listens for another owner".into(),
        Cause::NobodyTook => "no other node took it".into(),
    }
}

/// What keeps a node from claiming the address.
pub(super) fn obstacle(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::NoWitness => "no witness is reachable: this node may be the one that is cut off",
        Obstacle::PeerOwns => "a peer says that it owns it, though its adverts do not get here",
        Obstacle::Answered => "somebody answers for it on the link",
    }
}
