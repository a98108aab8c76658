//! Whether a drill may begin, and what follows when it goes on: the loss of a server, or of the node
//! that owns a virtual address, rehearsed while real clients are served.

use std::fmt;

use crate::pool::{Admin, Member, Mode, Roster, Rules};
use crate::vrrp::machine::{Heartbeat, State};

/// How far a drill is. It goes from one to the next and never back: what was put back stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was touched yet.
    Begun,
    /// The server is out, or the address is with the other node.
    Away,
    /// All is, or is about to be, as it was.
    Back,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    TakeOut,
    PutBack,
}

impl Stage {
    /// Who drills says that it is to be `wanted` now; what is to be done for it. An error: that stage
    /// is over.
    pub fn follow(self, wanted: Self) -> Result<Option<Act>, Self> {
        match (self, wanted) {
            (Self::Begun, Self::Begun | Self::Back)
            | (Self::Away, Self::Away)
            | (Self::Back, Self::Back) => Ok(None),
            (Self::Begun, Self::Away) => Ok(Some(Act::TakeOut)),
            (Self::Away, Self::Back) => Ok(Some(Act::PutBack)),
            (Self::Away, Self::Begun) | (Self::Back, Self::Begun | Self::Away) => Err(self),
        }
    }
}

/// A server of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub member: Member,
    /// Requests, or connections, under way.
    pub in_flight: u32,
}

/// Why a server is not taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// An operator has taken it out.
    NotReady,
    NotUp,
    /// It takes no requests: a backup, or one without weight.
    NotUsed,
    /// More than half of the pool's servers are down already.
    PoolPanics,
    /// No other server could take its requests.
    Alone,
    /// Without it more than half of the servers would be down.
    TooFew,
    /// The others may have so many requests at once, and more are under way.
    NoRoom {
        under_way: u64,
        room: u64,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("it is not ready: an operator has taken it out"),
            Self::NotUp => f.write_str("it is not up"),
            Self::NotUsed => f.write_str("it takes no requests: its loss would show nothing"),
            Self::PoolPanics => f.write_str("more than half of the pool's servers are down"),
            Self::Alone => f.write_str("no other server of the pool could take its requests"),
            Self::TooFew => f.write_str("without it more than half of the servers would be down"),
            Self::NoRoom { under_way, room } => write!(
                f,
                "the other servers may have {room} requests at once, and {under_way} are under way"
            ),
        }
    }
}

/// What speaks against taking the server at place `which` out of its pool; `servers` are all of it.
pub fn objection(servers: &[Standing], which: usize) -> Option<Objection> {
    let mut members: Vec<Member> = servers.iter().map(|it| it.member).collect();
    let server = members.get(which)?;
    if server.admin != Admin::Ready {
        return Some(Objection::NotReady);
    }
    if !server.usable {
        return Some(Objection::NotUp);
    }
    let before = Roster::build(Rules::default(), &members);
    if before.mode() == Mode::Panic {
        return Some(Objection::PoolPanics);
    }
    if !before.uses(which) {
        return Some(Objection::NotUsed);
    }
    members[which].admin = Admin::Maint;
    let after = Roster::build(Rules::default(), &members);
    match after.mode() {
        Mode::Empty => return Some(Objection::Alone),
        Mode::Panic => {
            let others = members.iter().filter(|it| it.admin == Admin::Ready && it.usable);
            let alone = others.count() == 0;
            return Some(if alone { Objection::Alone } else { Objection::TooFew });
        }
        Mode::Normal | Mode::Backup => {}
    }
    let left = members.iter().enumerate().filter(|&(place, _)| after.uses(place));
    let room = left.map(|(_, it)| (it.limit != Member::NO_LIMIT).then_some(u64::from(it.limit)));
    let room: Option<u64> = room.sum();
    let under_way = servers.iter().map(|it| u64::from(it.in_flight)).sum();
    let room = room.filter(|room| *room < under_way)?;
    Some(Objection::NoRoom { under_way, room })
}

/// Why a virtual address is not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VipObjection {
    /// This node is not its owner, but this.
    NotOwner(State),
    /// The other node does not speak of an address of this name.
    Unknown,
    /// The other node could not claim it.
    PeerUnfit,
    /// The other node says that it owns it as well.
    TwoOwners,
}

impl fmt::Display for VipObjection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOwner(state) => {
                write!(f, "this node does not own it, but is {}: ask its owner", state.label())
            }
            Self::Unknown => f.write_str("the other node has no virtual address of this name"),
            Self::PeerUnfit => f.write_str(
                "the other node could not claim it: `evenkeel status` there says what has failed",
            ),
            Self::TwoOwners => f.write_str("the other node says that it owns it as well"),
        }
    }
}

/// What speaks against moving an address that is `state` here to the other node, which last said
/// `peer` of it.
pub fn vip_objection(state: State, peer: Option<Heartbeat>) -> Option<VipObjection> {
    if state != State::Active {
        return Some(VipObjection::NotOwner(state));
    }
    match peer {
        None => Some(VipObjection::Unknown),
        Some(Heartbeat { owns: true, .. }) => Some(VipObjection::TwoOwners),
        Some(Heartbeat { claim: None, .. }) => Some(VipObjection::PeerUnfit),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Standing {
        Standing { member: Member::READY, in_flight: 0 }
    }

    fn down() -> Standing {
        Standing { member: Member { usable: false, ..Member::READY }, in_flight: 0 }
    }

    fn backup() -> Standing {
        Standing { member: Member { backup: true, ..Member::READY }, in_flight: 0 }
    }

    fn admin(admin: Admin) -> Standing {
        Standing { member: Member { admin, ..Member::READY }, in_flight: 0 }
    }

    fn limited(limit: u32, in_flight: u32) -> Standing {
        Standing { member: Member { limit, ..Member::READY }, in_flight }
    }

    #[test]
    fn a_drill_goes_forward_only() {
        use Stage::{Away, Back, Begun};
        for (stage, wanted, expected) in [
            (Begun, Begun, Ok(None)),
            (Begun, Away, Ok(Some(Act::TakeOut))),
            (Begun, Back, Ok(None)),
            (Away, Begun, Err(Away)),
            (Away, Away, Ok(None)),
            (Away, Back, Ok(Some(Act::PutBack))),
            (Back, Begun, Err(Back)),
            (Back, Away, Err(Back)),
            (Back, Back, Ok(None)),
        ] {
            assert_eq!(stage.follow(wanted), expected, "{stage:?} {wanted:?}");
        }
    }

    #[test]
    fn a_server_that_is_needed_stays() {
        use Objection::{Alone, NoRoom, NotReady, NotUp, NotUsed, PoolPanics, TooFew};
        for (servers, expected) in [
            (vec![up(), up()], None),
            (vec![up(), up(), down()], None),
            (vec![up(), backup()], None),
            (vec![up()], Some(Alone)),
            (vec![up(), admin(Admin::Maint)], Some(Alone)),
            (vec![up(), admin(Admin::Drain)], Some(Alone)),
            (vec![up(), down()], Some(Alone)),
            (vec![up(), up(), down(), down()], Some(TooFew)),
            (vec![up(), down(), down()], Some(PoolPanics)),
            (vec![down(), up()], Some(NotUp)),
            (vec![admin(Admin::Drain), up()], Some(NotReady)),
            (vec![backup(), up()], Some(NotUsed)),
            (vec![limited(5, 5), limited(5, 3)], Some(NoRoom { under_way: 8, room: 5 })),
            (vec![limited(5, 2), limited(5, 3)], None),
            (vec![limited(5, 5), up(), limited(5, 5)], None),
        ] {
            assert_eq!(objection(&servers, 0), expected, "{servers:?}");
        }
        assert_eq!(objection(&[up()], 1), None, "who is not there is nobody to object to");
    }

    #[test]
    fn an_address_moves_to_a_node_that_can_have_it() {
        let says = |owns, claim| {
            Some(Heartbeat {
                node: [192, 0, 2, 2].into(),
                owns,
                claim,
                boot: 1,
                claims: 0,
                wants: false,
            })
        };
        for (state, peer, expected) in [
            (State::Active, says(false, Some(100)), None),
            (State::Active, None, Some(VipObjection::Unknown)),
            (State::Active, says(false, None), Some(VipObjection::PeerUnfit)),
            (State::Active, says(true, Some(100)), Some(VipObjection::TwoOwners)),
            (State::Backup, says(true, Some(100)), Some(VipObjection::NotOwner(State::Backup))),
        ] {
            assert_eq!(vip_objection(state, peer), expected, "{state:?} {peer:?}");
        }
    }
}
