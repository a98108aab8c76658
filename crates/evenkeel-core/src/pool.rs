//! Who of a pool may be used at all, and for how much of the traffic.

mod home;
mod tier;
mod zone;

use self::home::{Home, Homes};
use self::tier::Crowd;
use crate::config::{Balance, Pool, ZoneId, Zoning};
use crate::hash::Seed;
use crate::pick::Picker;
use crate::sticky::Token;

/// What decides whether a server of a pool is used, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it is told apart by when keys are placed, see [`crate::hash::identity`].
    pub identity: u64,
    /// Share of the traffic; 0 takes none.
    pub weight: u16,
    /// Used only when no other server can be.
    pub backup: bool,
    /// Its tier: lower numbers are used first.
    pub priority: u8,
    pub zone: Option<ZoneId>,
    /// With so many in flight it takes no more; [`Member::NO_LIMIT`] is none.
    pub limit: u32,
    /// What an operator wants of it.
    pub admin: Admin,
    /// Whether its health allows it, see [`crate::health::Health::usable`].
    pub usable: bool,
    /// What it takes of its weight, in percent, see [`crate::slow_start::percent`].
    pub ramp: u8,
}

impl Member {
    /// Of [`Member::limit`]: as many as come.
    pub const NO_LIMIT: u32 = u32::MAX;

    /// A server like any other: up, ready, of weight 1.
    pub const READY: Self = Self {
        identity: 0,
        weight: 1,
        backup: false,
        priority: 0,
        zone: None,
        limit: Self::NO_LIMIT,
        admin: Admin::Ready,
        usable: true,
        ramp: 100,
    };

    /// An operator has left it in service.
    fn in_service(&self) -> bool {
        self.admin == Admin::Ready && self.weight > 0
    }
}

/// What an operator wants of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admin {
    /// Takes traffic.
    #[default]
    Ready,
    /// No new picks; what runs, finishes, and clients that stick to it come back.
    Drain,
    /// Nothing at all, and checks stop.
    Maint,
}

/// Which servers a pool uses, and why these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The usable servers that are not backups.
    Normal,
    /// The usable backups: no other server is usable.
    Backup,
    /// More than half of the servers are unfit: the verdicts are doubted, or what is left could not
    /// carry the load. All are used, whatever their health.
    Panic,
    /// Nobody: every server is drained, in maintenance or without weight, or there is none.
    Empty,
}

/// What a pool wants of its roster.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    pub balance: Balance,
    /// The seed of its cookie, if clients stick to their servers.
    pub sticky: Option<Seed>,
    pub zoning: Option<&'a Zoning>,
}

impl<'a> From<&'a Pool> for Rules<'a> {
    fn from(pool: &'a Pool) -> Self {
        let sticky = pool.sticky.as_ref().map(|sticky| sticky.seed);
        Self { balance: pool.balance, sticky, zoning: pool.zoning.as_ref() }
    }
}

/// The servers of a pool that are used, in the order the pool's algorithm wants.
///
/// Immutable: each change of health, weight or admin state makes a new one, which all workers share.
#[derive(Debug)]
pub struct Roster {
    mode: Mode,
    /// Lower tiers first, in each tier the node's own zone first.
    groups: Box<[Group]>,
    homes: Option<Homes>,
}

/// Servers that are alike to this node: of one tier, in one zone.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) share: Share,
    /// Of all its servers.
    pub(crate) weight: u64,
    pub(crate) used: Box<[Used]>,
    pub(crate) picker: Picker,
}

impl Group {
    pub(crate) fn holds(&self, member: usize) -> bool {
        self.used.binary_search_by_key(&member, |used| used.member.into()).is_ok()
    }
}

/// What part of the traffic the servers of one tier in one zone get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub priority: u8,
    /// `None`: zones make no difference, or its servers are in none.
    pub zone: Option<ZoneId>,
    /// Of the pool's traffic that this node sees. 0: only for requests that the others could not take.
    pub parts_per_million: u32,
}

/// A member that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) identity: u64,
    /// Never 0. Only to be compared with those of the same tier.
    pub(crate) weight: u32,
    pub(crate) limit: u32,
    /// Its place among the members.
    pub(crate) member: u16,
    /// False only in [`Mode::Panic`].
    pub(crate) usable: bool,
}

impl Roster {
    /// Judges `members`, which stand in the order of the pool's servers. Those beyond
    /// [`Pool::MOST_SERVERS`] are never used.
    pub fn build<'a>(rules: impl Into<Rules<'a>>, members: &[Member]) -> Self {
        let rules = rules.into();
        let members = &members[..members.len().min(Pool::MOST_SERVERS)];
        let (mode, crowds) = tier::divide(members);
        let group = |share: Share, places: &[u16], slowly: bool| {
            let used: Box<[Used]> =
                places.iter().map(|&place| Used::new(members, place, slowly)).collect();
            let picker = Picker::build(rules.balance, &used, members.len());
            let weight = used.iter().map(|used| u64::from(used.weight)).sum();
            Group { share, weight, used, picker }
        };
        let mut groups = Vec::new();
        for Crowd { priority, parts, panics, places } in &crowds {
            let zoning = rules.zoning.filter(|_| !panics);
            let slowly = !panics && some_start_slowly(places, members);
            for (zone, parts_per_million, mut places) in
                zone::divide(zoning, *parts, places, members)
            {
                places.retain(|&place| *panics || members[usize::from(place)].usable);
                if !places.is_empty() {
                    let share = Share { priority: *priority, zone, parts_per_million };
                    groups.push(group(share, &places, slowly));
                }
            }
        }
        let mut roster = Self { mode, groups: groups.into(), homes: None };
        roster.homes = rules.sticky.map(|seed| Homes::build(seed, members, |at| roster.uses(at)));
        roster
    }

    /// Which servers are used, and why these.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the server at this place may be picked by requests that stick to none.
    pub fn uses(&self, member: usize) -> bool {
        self.groups.iter().any(|group| group.holds(member))
    }

    /// How the traffic is shared over tiers and zones, in the order in which they are tried.
    pub fn shares(&self) -> impl Iterator<Item = Share> {
        self.groups.iter().map(|group| group.share)
    }

    /// The cookie to give to a client that came with `given` and was served by this server: `None`
    /// when the pool has no cookie, or the client's own still means a server that takes it.
    pub fn token_to_issue(&self, given: Option<Token>, member: usize) -> Option<Token> {
        let homes = self.homes.as_ref()?;
        let kept = given.is_some_and(|token| homes.find(token).is_some());
        if kept { None } else { homes.token(member) }
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The server that a cookie means, if it takes those who stick to it.
    pub(crate) fn home(&self, token: Token) -> Option<Home> {
        self.homes.as_ref()?.find(token)
    }
}

impl Used {
    fn new(members: &[Member], place: u16, slowly: bool) -> Self {
        let Member { identity, weight, limit, usable, ramp, .. } = members[usize::from(place)];
        let weight = u32::from(weight) * if slowly { u32::from(ramp.clamp(1, 100)) } else { 1 };
        Self { identity, weight, limit, member: place, usable }
    }
}

/// Somebody of a tier, of which those at `places` are in service, has just come, and at least half
/// of its servers are there to take what is not given to the new ones yet: who is out, for whatever
/// reason, takes nothing and is missed enough.
fn some_start_slowly(places: &[u16], members: &[Member]) -> bool {
    let in_service = || places.iter().map(|&place| &members[usize::from(place)]);
    let fit = || in_service().filter(|member| member.usable);
    let new = fit().filter(|member| member.ramp < 100).count();
    let Some(one) = in_service().next().filter(|_| new > 0) else { return false };
    let is_of_tier = |it: &&Member| it.backup == one.backup && it.priority == one.priority;
    let servers = members.iter().filter(is_of_tier).filter(|member| member.weight > 0).count();
    (fit().count() - new) * 2 >= servers
}

#[cfg(test)]
pub(crate) mod tests;
