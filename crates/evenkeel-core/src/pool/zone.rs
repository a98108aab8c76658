//! Zones: this node's own first, and yet the same load for every server.
//!
//! A zone's *capacity* is the weight of its servers; of a zone that has lost some it is what the
//! rest can take, at most 1.4 times their weight. While the own zone's part of all capacity is at
//! least its part of the traffic that comes in, everything stays. Otherwise so much stays as gives
//! its servers the load of the others, and the rest goes to the zones that have capacity to spare,
//! in proportion to it (Envoy's zone aware routing, with capacities in place of host counts).

use std::collections::BTreeMap;

use super::tier::{OVERPROVISIONED, WHOLE};
use super::{Member, ZoneId, Zoning};

/// The part of `parts` that servers in each zone get, and who they are: the own zone first. One
/// part for all when zones make no difference.
pub(super) fn divide(
    zoning: Option<&Zoning>,
    parts: u32,
    places: &[u16],
    members: &[Member],
) -> Vec<(Option<ZoneId>, u32, Vec<u16>)> {
    let Some(zoning) = zoning else { return vec![(None, parts, places.to_vec())] };
    let mut zones = BTreeMap::<Option<ZoneId>, Zone>::new();
    for &place in places {
        let member = &members[usize::from(place)];
        zones.entry(member.zone).or_default().add(place, member);
    }
    let own = Some(zoning.own);
    zones.entry(own).or_default();
    let entering = entering(zoning, &zones);
    let total: u128 = zones.values().map(Zone::capacity).sum();
    if total == 0 {
        return vec![(None, parts, places.to_vec())];
    }
    // Parts of capacity and of traffic, over the common denominator total · WHOLE.
    let capacity = |zone: &Zone| zone.capacity() * u128::from(WHOLE);
    let traffic = |id: &Option<ZoneId>| entering.get(id).map_or(0, |&parts| parts * total);
    let spare = |(id, zone): (&Option<ZoneId>, &Zone)| capacity(zone).saturating_sub(traffic(id));
    let others = || zones.iter().filter(|(id, _)| **id != own);
    let spared: u128 = others().map(spare).sum();
    let stays = (u128::from(parts) * capacity(&zones[&own]))
        .checked_div(traffic(&own))
        .map_or(parts, |stays| u32::try_from(stays).unwrap_or(u32::MAX).min(parts));
    let goes = u128::from(parts - stays);
    let share = |other: u128| {
        let part = (goes * other).checked_div(spared).unwrap_or(0);
        u32::try_from(part).expect("not more than goes")
    };
    let mut divided = vec![(own, stays, zones[&own].places.clone())];
    divided.extend(others().map(|(id, zone)| (*id, share(spare((id, zone))), zone.places.clone())));
    divided
}

/// What comes in through each zone, as parts of [`WHOLE`].
fn entering(
    zoning: &Zoning,
    zones: &BTreeMap<Option<ZoneId>, Zone>,
) -> BTreeMap<Option<ZoneId>, u128> {
    let mut shares: BTreeMap<Option<ZoneId>, u128> = if zoning.balancers.is_empty() {
        zones.keys().filter(|id| id.is_some()).map(|id| (*id, 1)).collect()
    } else {
        zoning.balancers.iter().map(|&(id, share)| (Some(id), u128::from(share))).collect()
    };
    // This node is there to be asked.
    let own = shares.entry(Some(zoning.own)).or_default();
    *own = (*own).max(1);
    let total: u128 = shares.values().sum();
    for share in shares.values_mut() {
        *share = *share * u128::from(WHOLE) / total;
    }
    shares
}

/// The servers of a tier in one zone.
#[derive(Debug, Default)]
struct Zone {
    weight: u64,
    usable: u64,
    places: Vec<u16>,
}

impl Zone {
    fn add(&mut self, place: u16, member: &Member) {
        self.weight += u64::from(member.weight);
        self.usable += if member.usable { u64::from(member.weight) } else { 0 };
        self.places.push(place);
    }

    /// In hundredths of a weight.
    fn capacity(&self) -> u128 {
        u128::from((self.weight * 100).min(self.usable * u64::from(OVERPROVISIONED)))
    }
}

#[cfg(test)]
mod tests;
