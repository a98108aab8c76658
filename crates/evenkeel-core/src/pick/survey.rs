//! A look at a choice without making it: who would be picked, who after that, and why the others
//! would not. It asks [`Roster::pick`], which is what decides.

use super::{
    Choice, Loads, Pick, Picker, Tried, has_room, least_connections, p2c, peak_ewma, rendezvous,
};
use crate::pool::{Admin, Group, Member, Mode, Roster, Used};

/// How a server stands to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It would be picked as this one: 0 is the first try.
    Tried(usize),
    /// It is used, but not among those that one request would try.
    Spare,
    /// It has as many in flight as it may.
    Full,
    /// Its breaker lets no more in.
    Refused,
    Maint,
    Drain,
    /// Its weight is 0.
    NoWeight,
    /// Its health does not allow it.
    Unfit,
    /// It is a backup, and others are there.
    Backup,
    /// It is of a later tier, and an earlier one carries the load.
    LaterTier,
}

/// A server as the choice sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its place among the members.
    pub member: usize,
    pub standing: Standing,
    /// What is compared, where the algorithm compares servers by a number: the lowest is best.
    pub score: Option<f64>,
}

/// Every member, in the order of the members. What is left to chance falls as `choice` has it.
pub fn survey(
    roster: &Roster,
    members: &[Member],
    choice: &Choice,
    loads: &impl Loads,
) -> Vec<Candidate> {
    let order = order(roster, choice, loads);
    let candidate = |(place, member): (usize, &Member)| {
        let used = roster.groups().iter().find_map(|group| {
            let found = group.used.binary_search_by_key(&place, |used| used.member.into()).ok()?;
            Some((group, &group.used[found]))
        });
        let tried = order.iter().position(|tried| *tried == place);
        let standing = match (tried, used) {
            (Some(nth), _) => Standing::Tried(nth),
            (None, Some((_, used))) if !loads.admits(used.member.into()) => Standing::Refused,
            (None, Some((_, used))) if !has_room(place, used.limit, loads) => Standing::Full,
            (None, Some(_)) => Standing::Spare,
            (None, None) => unused(member, roster.mode()),
        };
        let score = used.and_then(|(group, used)| score(group, used, choice, loads));
        Candidate { member: place, standing, score }
    };
    members.iter().enumerate().map(candidate).collect()
}

/// Those that would be tried, one after the other.
fn order(roster: &Roster, choice: &Choice, loads: &impl Loads) -> Vec<usize> {
    let mut tried = Tried::new();
    while tried.len() < Tried::MOST
        && let Pick::Server(member) = roster.pick(choice, loads, &tried)
    {
        tried.insert(member);
    }
    tried.iter().collect()
}

/// Why a server is not in the roster.
fn unused(member: &Member, mode: Mode) -> Standing {
    match member {
        Member { admin: Admin::Maint, .. } => Standing::Maint,
        Member { admin: Admin::Drain, .. } => Standing::Drain,
        Member { weight: 0, .. } => Standing::NoWeight,
        Member { usable: false, .. } => Standing::Unfit,
        Member { backup: true, .. } if mode != Mode::Backup => Standing::Backup,
        _ => Standing::LaterTier,
    }
}

fn score(group: &Group, used: &Used, choice: &Choice, loads: &impl Loads) -> Option<f64> {
    match &group.picker {
        Picker::LeastConnections => Some(least_connections::score(used, loads)),
        Picker::P2c(_) => Some(p2c::score(used, loads)),
        Picker::PeakEwma(alias) => Some(peak_ewma::score(alias, used, loads)),
        Picker::Rendezvous { .. } => choice.key.map(|key| rendezvous::score(used, key)),
        Picker::RoundRobin(_) | Picker::Random(_) | Picker::First | Picker::Maglev { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Standing::{Backup, Drain, Full, Maint, NoWeight, Tried, Unfit};
    use super::*;
    use crate::config::Balance;
    use crate::pool::Rules;

    /// Requests in flight by member.
    struct Busy<'a>(&'a [u32]);

    impl Loads for Busy<'_> {
        fn in_flight(&self, member: usize) -> u32 {
            self.0[member]
        }

        fn failures(&self, _member: usize) -> u32 {
            0
        }

        fn total(&self) -> u64 {
            self.0.iter().copied().map(u64::from).sum()
        }

        fn latency(&self, _member: usize) -> f64 {
            0.0
        }
    }

    fn standings(balance: Balance, members: &[Member], turn: u64, busy: &[u32]) -> Vec<Standing> {
        let roster = Roster::build(Rules { balance, ..Rules::default() }, members);
        let choice = Choice { turn, ..Choice::default() };
        let all = survey(&roster, members, &choice, &Busy(busy));
        all.iter().map(|candidate| candidate.standing).collect()
    }

    #[test]
    fn each_server_has_its_place_or_its_reason() {
        let members = [
            Member::READY,
            Member { admin: Admin::Drain, ..Member::READY },
            Member { admin: Admin::Maint, ..Member::READY },
            Member { weight: 0, ..Member::READY },
            Member { backup: true, ..Member::READY },
            Member::READY,
            Member { usable: false, ..Member::READY },
            Member { limit: 1, ..Member::READY },
        ];
        let busy = [0, 0, 0, 0, 0, 0, 0, 1];
        let found = standings(Balance::RoundRobin, &members, 0, &busy);
        let expected = [Tried(0), Drain, Maint, NoWeight, Backup, Tried(1), Unfit, Full];
        assert_eq!(found, expected);
        let next = standings(Balance::RoundRobin, &members, 1, &busy);
        assert_eq!((next[0], next[5]), (Tried(1), Tried(0)));
    }

    #[test]
    fn the_lowest_score_is_the_first() {
        let members = [Member { weight: 2, ..Member::READY }, Member::READY];
        let rules = Rules { balance: Balance::LeastConnections, ..Rules::default() };
        let roster = Roster::build(rules, &members);
        let all = survey(&roster, &members, &Choice::default(), &Busy(&[3, 1]));
        assert_eq!(all.iter().map(|it| it.score).collect::<Vec<_>>(), [Some(2.0), Some(2.0)]);
        let all = survey(&roster, &members, &Choice::default(), &Busy(&[4, 1]));
        assert_eq!(all[1].standing, Tried(0));
    }

    #[test]
    fn a_look_changes_nothing() {
        let members = [Member::READY; 3];
        let first = standings(Balance::RoundRobin, &members, 7, &[0; 3]);
        assert_eq!(first, standings(Balance::RoundRobin, &members, 7, &[0; 3]));
    }
}
