//! Which of the servers that are used comes first, and which ones after it: a first choice and then
//! fallbacks.
//!
//! Each algorithm is a file: it orders servers and skips those it is told are closed to it. None
//! locks or allocates, and those that draw or look up cost the same for two servers as for
//! thousands.

mod alias;
mod bound;
mod first;
mod least_connections;
mod maglev;
mod p2c;
mod peak_ewma;
mod rendezvous;
mod round_robin;
mod survey;

use self::alias::Alias;
use self::maglev::Table;
use self::round_robin::Sequence;
use crate::config::{Balance, Hash, HashTable, Retry};
use crate::dice::Dice;
use crate::hash::{mix, reduce};
use crate::pool::{Group, Member, Mode, Roster, Used};
use crate::sticky::Token;

pub use self::survey::{Candidate, Standing, survey};

/// What a choice depends on beside the servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    /// A number of the pool that grows by one with each request, whichever worker takes it: that
    /// makes the order strict over all of them. Further tries of a request keep its turn.
    pub turn: u64,
    /// Any number, for what is left to chance.
    pub chance: u64,
    /// Where the request belongs ([`crate::hash::key`]), for pools that hash; `None`: it has no key,
    /// or the pool does not ask.
    pub key: Option<u64>,
    /// The cookie the client came with, for pools with `sticky`.
    pub token: Option<Token>,
}

/// How busy the servers are, by their places among the members.
pub trait Loads {
    /// How many requests (or connections) a server has.
    fn in_flight(&self, member: usize) -> u32;

    /// Its failures that still count as requests under way, see [`crate::ewma::Failures::count`]:
    /// where loads are compared, not against limits.
    fn failures(&self, member: usize) -> u32;

    /// How many the whole pool has in flight. Asked only by a hash with a bound.
    fn total(&self) -> u64;

    /// Whether its breaker (see [`crate::breaker`]) lets another one in. Without breakers each does.
    fn admits(&self, _member: usize) -> bool {
        true
    }

    /// How long its answers take, in microseconds, see [`crate::ewma::Ewma::latency`]. Asked only
    /// by [`Balance::PeakEwma`].
    fn latency(&self, member: usize) -> f64;
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// To the server at this place among the members.
    Server(usize),
    /// Those who could take it have all they may have in flight: it may wait, see [`crate::queue`].
    Full,
    /// Nowhere: the breaker of each that could take it is full.
    Refused,
    /// Nowhere: every server that is used has been tried, or none is used.
    Nobody,
}

/// An algorithm with what it has computed beforehand.
#[derive(Debug)]
pub(crate) enum Picker {
    RoundRobin(Sequence),
    LeastConnections,
    P2c(Alias),
    PeakEwma(Alias),
    Random(Alias),
    First,
    Rendezvous { bound: Option<u16> },
    Maglev { table: Table, bound: Option<u16> },
}

impl Picker {
    /// `configured` is the size of the whole pool, used or not.
    pub(crate) fn build(balance: Balance, used: &[Used], configured: usize) -> Self {
        match balance {
            Balance::RoundRobin => Self::RoundRobin(Sequence::build(used)),
            Balance::LeastConnections => Self::LeastConnections,
            Balance::P2c => Self::P2c(Alias::build(used)),
            Balance::PeakEwma => Self::PeakEwma(Alias::build(used)),
            Balance::Random => Self::Random(Alias::build(used)),
            Balance::First => Self::First,
            Balance::Hash(Hash { table: HashTable::Rendezvous, bound }) => {
                Self::Rendezvous { bound }
            }
            Balance::Hash(Hash { table: HashTable::Maglev, bound }) => {
                Self::Maglev { table: Table::build(used, configured), bound }
            }
        }
    }
}

impl Roster {
    /// The server for a request, or for its next try.
    ///
    /// Between this look at the loads and the request's arrival another worker may have filled the
    /// last place: who keeps a limit strictly counts the request in first and picks again if that
    /// was one too many.
    pub fn pick(&self, choice: &Choice, loads: &impl Loads, tried: &Tried) -> Pick {
        let home = choice.token.and_then(|token| self.home(token)).filter(|home| {
            let member = home.member.into();
            // What has met one server that fails is not sent to another in a panic.
            let fit = home.usable || tried.is_empty();
            fit && !tried.contains(member) && has_room(member, home.limit, loads)
        });
        if let Some(home) = home {
            return Pick::Server(home.member.into());
        }
        let new = |used: &Used| !tried.contains(used.member.into());
        let open = |used: &Used| new(used) && has_room(used.member.into(), used.limit, loads);
        // A panic spreads the load over fit and unfit alike; a request that has met an unfit one is
        // not made to meet another while a fit one is left.
        let fit = (self.mode() == Mode::Panic && !tried.is_empty())
            .then(|| self.choose(choice, loads, tried, |used| used.usable && open(used)))
            .flatten();
        match fit.or_else(|| self.choose(choice, loads, tried, open)) {
            Some(member) => Pick::Server(member),
            None => self.without_room(loads, new),
        }
    }

    /// Why none of the servers that are left takes it.
    fn without_room(&self, loads: &impl Loads, new: impl Fn(&Used) -> bool) -> Pick {
        let mut left = self.groups().iter().flat_map(|group| &group.used).filter(|&used| new(used));
        let Some(first) = left.next() else { return Pick::Nobody };
        let may_wait = std::iter::once(first).chain(left).any(|it| loads.admits(it.member.into()));
        if may_wait { Pick::Full } else { Pick::Refused }
    }

    /// From the group that has the request's share of the traffic, else from the others in turn. A
    /// further try leaves the zones that the request has been to: the zone may be what failed.
    fn choose(
        &self,
        choice: &Choice,
        loads: &impl Loads,
        tried: &Tried,
        open: impl Fn(&Used) -> bool,
    ) -> Option<usize> {
        let mut dice = Dice::new(choice.chance);
        let groups = self.groups();
        if let [] | [_] = groups {
            return groups.first()?.choose(choice, &mut dice, loads, &open);
        }
        let hash = choice.key.map_or_else(|| dice.roll(), |key| mix(key, SHARES));
        let part = |group: &Group| u64::from(group.share.parts_per_million);
        let first = draw(groups.iter().map(part), hash);
        let elsewhere = elsewhere(groups, first, tried, hash);
        let others = groups.iter().enumerate().filter(|(other, _)| *other != first);
        let others = others.map(|(_, group)| group);
        let mut order = elsewhere.into_iter().chain(&groups[first..=first]).chain(others);
        order.find_map(|group| group.choose(choice, &mut dice, loads, &open))
    }
}

/// Keys are spread over groups and over servers by hashes that know nothing of each other.
const SHARES: u64 = 0x5348_4152_4553;
/// As are the zones of further tries.
const ELSEWHERE: u64 = 0x454c_5345;

/// One of several, by their parts of the whole.
fn draw(mut parts: impl Iterator<Item = u64> + Clone, hash: u64) -> usize {
    let whole = usize::try_from(parts.clone().sum::<u64>()).unwrap_or(usize::MAX);
    let mut left = reduce(hash, whole) as u64;
    let found = parts.position(|part| {
        let here = left < part;
        left = left.saturating_sub(part);
        here
    });
    found.unwrap_or(0)
}

/// For a request that has been to this zone: another one of the same tier to which it has not, by
/// what each can carry.
fn elsewhere<'a>(groups: &'a [Group], first: usize, tried: &Tried, hash: u64) -> Option<&'a Group> {
    let been = |group: &Group| tried.iter().any(|member| group.holds(member));
    let from = &groups[first];
    if !been(from) {
        return None;
    }
    let alike = |group: &&Group| group.share.priority == from.share.priority && !been(group);
    let fresh = || groups.iter().filter(alike);
    let place = draw(fresh().map(|group| group.weight), mix(hash, ELSEWHERE));
    fresh().nth(place)
}

impl Group {
    fn choose(
        &self,
        choice: &Choice,
        dice: &mut Dice,
        loads: &impl Loads,
        open: impl Fn(&Used) -> bool,
    ) -> Option<usize> {
        let used = &*self.used;
        let mut key = || choice.key.unwrap_or_else(|| dice.roll());
        let chosen = match &self.picker {
            Picker::RoundRobin(sequence) => sequence.pick(used, choice.turn, open),
            Picker::LeastConnections => least_connections::pick(used, choice.turn, loads, open),
            Picker::P2c(alias) => p2c::pick(alias, used, dice, loads, open),
            Picker::PeakEwma(alias) => peak_ewma::pick(alias, used, dice, loads, open),
            Picker::Random(alias) => alias.draw(used, dice, open),
            Picker::First => first::pick(used, open),
            Picker::Rendezvous { bound } => {
                let key = key();
                bound::pick(self, *bound, loads, open, |open| rendezvous::pick(used, key, open))
            }
            Picker::Maglev { table, bound } => {
                let key = key();
                bound::pick(self, *bound, loads, open, |open| table.pick(used, key, open))
            }
        };
        chosen.map(|used| used.member.into())
    }
}

/// What a server has to do, where servers are compared.
fn load(used: &Used, loads: &impl Loads) -> u64 {
    let member = used.member.into();
    u64::from(loads.in_flight(member)) + u64::from(loads.failures(member))
}

fn has_room(member: usize, limit: u32, loads: &impl Loads) -> bool {
    (limit == Member::NO_LIMIT || loads.in_flight(member) < limit) && loads.admits(member)
}

/// The servers a request has been to already.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    members: [u16; Self::MOST],
    count: usize,
}

impl Tried {
    /// The first try and every further one.
    pub const MOST: usize = 1 + Retry::MOST_ATTEMPTS as usize;

    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers a server that was picked. A full set forgets it: there is no further try then.
    pub fn insert(&mut self, member: usize) {
        if let (Some(free), Ok(member)) = (self.members.get_mut(self.count), u16::try_from(member))
        {
            *free = member;
            self.count += 1;
        }
    }

    /// Whether the request has been to this server.
    pub fn contains(&self, member: usize) -> bool {
        self.iter().any(|tried| tried == member)
    }

    /// The servers, in the order of the tries.
    fn iter(&self) -> impl Iterator<Item = usize> {
        self.members[..self.count].iter().map(|&tried| usize::from(tried))
    }

    /// How many tries were made.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether this is the first try.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests;
