//! Zones: in which one this node, the nodes beside it and the servers are.

use std::collections::BTreeSet;
use std::sync::Arc;

use evenkeel_core::config::{ZoneId, Zoning};

use super::table::{Reader, Wrong, note};
use super::value::{integer, text};
use super::{Bench, word};
use crate::document::Value;
use crate::finding::{Finding, Notes, Place};
use crate::membership::Listed;

/// What comes in through a zone is a number of nodes, or whatever else the operator counts.
const MOST_TRAFFIC: u32 = 1_000_000;

/// The name of a zone.
pub(super) fn zone(value: &Value) -> Result<Arc<str>, Wrong> {
    word::name(text(value)?)
}

/// `zones = { a = 2, b = 1 }` of a pool with these servers: how its traffic comes in.
pub(super) fn zoning(pool: &mut Reader<'_>, listed: &[Listed], bench: Bench<'_>) -> Option<Zoning> {
    let there = zones_of(listed);
    let named = pool.entry("zones");
    let mut balancers = Vec::new();
    for entry in named.and_then(|entry| pool.inner(entry)).iter().flat_map(Reader::entries) {
        let name = note(bench.notes, entry.key_place, word::name(&entry.key));
        let traffic = integer(0..=MOST_TRAFFIC)(&entry.value);
        let traffic = note(bench.notes, entry.value.place, traffic);
        let (Some(name), Some(traffic)) = (name, traffic) else { continue };
        if !there.contains(&*name) && bench.own_zone.is_some() && all_are_known(listed) {
            let reason = format!("no server of `{}` is in zone `{name}`", pool.path);
            let finding = Finding::warning(entry.key_place, reason);
            bench.notes.add(finding.help(these(&there)));
        }
        balancers.push((ZoneId::of(&name), traffic));
    }
    let place = named.map_or(pool.place, |entry| entry.key_place);
    let Some(own) = bench.own_zone else {
        if named.is_some() || !there.is_empty() {
            let reason =
                format!("`{}` has zones, this node has none: they make no difference", pool.path);
            let finding = Finding::warning(place, reason);
            bench
                .notes
                .add(finding.help("write under `[node]` where it is, such as `zone = \"a\"`"));
        }
        return None;
    };
    let left_out = !balancers.is_empty() && balancers.iter().all(|(id, _)| *id != ZoneId::of(own));
    if left_out {
        let reason = format!("zone `{own}`, where this node is, is left out and counts as 1");
        bench.notes.add(Finding::warning(place, reason).help(format!("add `{own} = 1`")));
    } else if !there.is_empty() && !there.contains(own) && all_are_known(listed) {
        let reason = format!("no server of `{}` is in zone `{own}`, where this node is", pool.path);
        bench.notes.add(Finding::warning(pool.place, reason).help(these(&there)));
    }
    Some(Zoning { own: ZoneId::of(own), balancers })
}

/// Tells if no server says where it is, though the node does.
pub(super) fn warn_of_unused(own: Option<Place>, members: &[Vec<Listed>], notes: &Notes) {
    let known = || members.iter().all(|listed| all_are_known(listed));
    let none = || members.iter().all(|listed| zones_of(listed).is_empty());
    if let Some(place) = own.filter(|_| known() && none()) {
        let reason = "no server has a zone: where this node is makes no difference";
        let help = "such as `{ address = \"10.0.0.21:8000\", zone = \"a\" }`";
        notes.add(Finding::warning(place, reason).help(help));
    }
}

fn zones_of(listed: &[Listed]) -> BTreeSet<&str> {
    listed.iter().filter_map(|listed| listed.server()?.zone.as_deref()).collect()
}

/// A file may list servers in any zone.
fn all_are_known(listed: &[Listed]) -> bool {
    !listed.iter().any(|listed| matches!(listed, Listed::File(_)))
}

fn these(zones: &BTreeSet<&str>) -> String {
    match zones.iter().copied().collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "its servers have no zones".to_owned(),
        zones => format!("its servers are in: {zones}"),
    }
}
