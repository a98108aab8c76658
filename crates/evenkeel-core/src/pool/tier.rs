//! Backups, tiers and panic: which servers a pool uses, and for how much.
//!
//! A tier takes all of the traffic until it has lost more than two servers of seven; from there on
//! what it is short of goes to the next one (Envoy's priority levels): with 50 % of its servers
//! usable it takes 70 %.

use std::collections::BTreeMap;

use super::{Member, Mode};

/// What a server can take beyond its share when others are gone, in percent (Envoy's
/// `overprovisioning_factor`).
pub(super) const OVERPROVISIONED: u32 = 140;

/// The whole of the traffic.
pub(super) const WHOLE: u32 = 1_000_000;

/// The servers of one tier.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) priority: u8,
    /// Of the traffic, per million; never 0.
    pub(super) parts: u32,
    /// All are used, whatever their health.
    pub(super) panics: bool,
    /// Those in service, usable or not, in the order of the members.
    pub(super) places: Vec<u16>,
}

/// The tiers that take traffic.
pub(super) fn divide(members: &[Member]) -> (Mode, Vec<Crowd>) {
    let (servers, backups) = (Tier::all(members, false), Tier::all(members, true));
    let usable = |tiers: &BTreeMap<u8, Tier>| tiers.values().any(|tier| tier.usable > 0);
    if usable(&servers) {
        return shared(servers, true);
    }
    if usable(&backups) {
        return (Mode::Backup, shared(backups, false).1);
    }
    // Nobody is known to be fit: anybody may turn out to be.
    let everyone = servers.into_values().chain(backups.into_values());
    let mut places: Vec<u16> = everyone.flat_map(|tier| tier.places).collect();
    if places.is_empty() {
        return (Mode::Empty, Vec::new());
    }
    places.sort_unstable();
    (Mode::Panic, vec![Crowd { priority: 0, parts: WHOLE, panics: true, places }])
}

/// What is counted of a tier.
#[derive(Debug, Default)]
struct Tier {
    usable: u32,
    places: Vec<u16>,
}

impl Tier {
    fn all(members: &[Member], backup: bool) -> BTreeMap<u8, Self> {
        let mut tiers = BTreeMap::<u8, Self>::new();
        for (place, member) in (0..).zip(members) {
            if member.in_service() && member.backup == backup {
                let tier = tiers.entry(member.priority).or_default();
                tier.usable += u32::from(member.usable);
                tier.places.push(place);
            }
        }
        tiers
    }

    fn total(&self) -> u32 {
        u32::try_from(self.places.len()).expect("at most Pool::MOST_SERVERS")
    }

    /// What it can take of the whole, in percent; something as long as anybody is usable.
    fn availability(&self) -> u32 {
        let percent = OVERPROVISIONED * self.usable / self.total();
        percent.clamp(u32::from(self.usable > 0), 100)
    }
}

/// Gives the traffic to the tiers in their order; at least one server of them is usable.
///
/// Less than half of a tier's servers are doubted only if the tiers together cannot take it all: as
/// long as they can, there is no reason to try a server that seems unfit.
fn shared(tiers: BTreeMap<u8, Tier>, may_panic: bool) -> (Mode, Vec<Crowd>) {
    let available = tiers.values().map(Tier::availability).sum::<u32>().min(100);
    let mut left = 100;
    let mut crowds = Vec::new();
    let mut mode = Mode::Normal;
    for (priority, tier) in tiers {
        let percent = (tier.availability() * 100 / available).min(left);
        left -= percent;
        if percent > 0 {
            let panics = may_panic && available < 100 && tier.usable * 2 < tier.total();
            mode = if panics { Mode::Panic } else { mode };
            let parts = percent * (WHOLE / 100);
            crowds.push(Crowd { priority, parts, panics, places: tier.places });
        }
    }
    // What rounding has left.
    if let Some(first) = crowds.first_mut() {
        first.parts += left * (WHOLE / 100);
    }
    (mode, crowds)
}
