//! What the drill breaks, in which order, and what may come of it. Values only.

use std::time::Duration;

use crate::demo::scene::{Actor, CLONE, SERVERS, Word};
use crate::demo::stores::Stores;

/// How long somebody stays away.
const AWAY: Duration = Duration::from_secs(2);
/// How long a server has more work than it can do.
pub(super) const LOADED: Duration = Duration::from_secs(5);

/// What is done in a step, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// An order, as another terminal could give it.
    Order(Word, Actor),
    /// Requests at a server, for [`LOADED`].
    Load(Actor),
    /// Until the balancer that has the address does not use this server any more.
    AwaitOut(Actor),
    /// Until it uses it.
    AwaitIn(Actor),
    /// Until a balancer other than this one has the address.
    AwaitOwnerBeside(u8),
    /// Until a balancer answers.
    AwaitBalancer(u8),
    /// A further comm server, made from the first and added to both balancers.
    AddClone,
    /// Devices that were not there before come, send and go; the clone gets its turn.
    Guests,
    /// Taken out of both balancers, then stopped.
    RemoveClone,
    Hold(Duration),
}

/// What may come of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// The longest wait of a user for a page, with all tries, in milliseconds.
    pub(super) users_ms: u64,
    /// The longest wait of a reading for its acknowledgement.
    pub(super) devices_ms: u64,
    /// Clicks that may fail; `None`: as many as fit into the wait.
    pub(super) failed: Option<u64>,
}

/// Something that is broken and mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) deeds: Vec<Deed>,
    pub(super) limit: Limit,
}

/// Nobody fails, and nobody waits longer than for a page that takes its time. Devices connect anew.
const UNNOTICED: Limit = Limit { users_ms: 1_500, devices_ms: 2_000, failed: Some(0) };
/// A server shares its machine with those who load it.
const CROWDED: Limit = Limit { users_ms: 3_000, devices_ms: 3_000, failed: Some(0) };
/// An address without an owner takes no connection: three intervals of adverts, a question to the
/// link, and the next try of who wanted something, whose pauses have doubled meanwhile. Connections
/// of the dead owner may end without a word: then a user's patience counts.
const MOVED: Limit = Limit { users_ms: 5_000, devices_ms: 5_000, failed: None };
/// A third of the devices waits for its shard as long as that is away, and for the next try.
const A_THIRD_WAITS: Limit = Limit { users_ms: 1_500, devices_ms: 8_000, failed: Some(0) };

/// Every step; `owner` is the balancer that has the address.
pub(super) fn plan(owner: u8, stores: Stores) -> Vec<Step> {
    let servers = (0..SERVERS).map(Actor::Comm).chain((0..SERVERS).map(Actor::Web));
    let mut steps: Vec<Step> = servers.map(server).collect();
    steps.push(loaded(Actor::Web(SERVERS - 1)));
    steps.push(balancer(owner));
    if stores.in_mariadb {
        // The first is killed; the one that took its place hands it back in order.
        steps.push(store(Word::Kill, Actor::Shard(1), A_THIRD_WAITS));
        steps.push(store(Word::Stop, Actor::Replica(1), A_THIRD_WAITS));
    } else {
        steps.push(store(Word::Stop, Actor::Shard(1), A_THIRD_WAITS));
    }
    if stores.in_redis {
        steps.push(store(Word::Kill, Actor::Cache(0), UNNOTICED));
    }
    steps.push(clone());
    steps
}

fn server(actor: Actor) -> Step {
    Step {
        name: format!("{actor} stopped, started"),
        deeds: vec![
            Deed::Order(Word::Stop, actor),
            Deed::AwaitOut(actor),
            Deed::Hold(AWAY),
            Deed::Order(Word::Start, actor),
            Deed::AwaitIn(actor),
        ],
        limit: UNNOTICED,
    }
}

fn loaded(actor: Actor) -> Step {
    Step {
        name: format!("{actor} loaded"),
        deeds: vec![Deed::Load(actor), Deed::Hold(LOADED), Deed::AwaitIn(actor)],
        limit: CROWDED,
    }
}

fn balancer(owner: u8) -> Step {
    let actor = Actor::Balancer(owner);
    Step {
        name: format!("{actor} killed, started"),
        deeds: vec![
            Deed::Order(Word::Kill, actor),
            Deed::AwaitOwnerBeside(owner),
            Deed::Hold(AWAY),
            Deed::Order(Word::Start, actor),
            Deed::AwaitBalancer(owner),
        ],
        limit: MOVED,
    }
}

/// `word` is how it goes.
fn store(word: Word, actor: Actor, limit: Limit) -> Step {
    let how = if word == Word::Kill { "killed" } else { "stopped" };
    Step {
        name: format!("{actor} {how}, started"),
        deeds: vec![Deed::Order(word, actor), Deed::Hold(AWAY), Deed::Order(Word::Start, actor)],
        limit,
    }
}

fn clone() -> Step {
    Step {
        name: format!("{CLONE} cloned, removed"),
        deeds: vec![Deed::AddClone, Deed::AwaitIn(CLONE), Deed::Guests, Deed::RemoveClone],
        limit: UNNOTICED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_FILES: Stores = Stores { in_mariadb: false, in_redis: false };
    const IN_SERVERS: Stores = Stores { in_mariadb: true, in_redis: true };

    fn names(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| step.name.as_str()).collect()
    }

    #[test]
    fn everybody_who_is_broken_is_mended() {
        for (owner, stores) in [(0, IN_FILES), (1, IN_FILES), (0, IN_SERVERS)] {
            let steps = plan(owner, stores).into_iter();
            let deeds: Vec<Deed> = steps.flat_map(|step| step.deeds).collect();
            for (at, deed) in deeds.iter().enumerate() {
                if let Deed::Order(Word::Stop | Word::Kill, actor) = deed {
                    assert!(deeds[at..].contains(&Deed::Order(Word::Start, *actor)), "{actor}");
                }
            }
        }
    }

    #[test]
    fn the_balancer_that_has_the_address_is_killed() {
        let expected = [
            "cs0 stopped, started",
            "cs1 stopped, started",
            "ws0 stopped, started",
            "ws1 stopped, started",
            "ws1 loaded",
            "lb1 killed, started",
            "db1 stopped, started",
            "cs2 cloned, removed",
        ];
        assert_eq!(names(&plan(1, IN_FILES)), expected);
    }

    #[test]
    fn a_primary_is_killed_and_the_one_after_it_stopped() {
        let expected = [
            "db1 killed, started",
            "db1r stopped, started",
            "rd0 killed, started",
            "cs2 cloned, removed",
        ];
        assert_eq!(names(&plan(0, IN_SERVERS)[6..]), expected);
    }
}
