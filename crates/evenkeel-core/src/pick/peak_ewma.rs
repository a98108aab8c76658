//! Peak-EWMA: of two servers drawn by weight, the one that will probably answer first, by how long
//! its answers take and how many it owes already.

use super::Loads;
use super::alias::Alias;
use super::p2c::two;
use crate::dice::Dice;
use crate::pool::Used;

/// Latencies below this, in microseconds, are equal: they are not a server's merit.
const NEGLIGIBLE: f64 = 1.0;

/// The better of two open servers; of two that are as good, the one drawn first.
pub(super) fn pick<'a>(
    alias: &Alias,
    used: &'a [Used],
    dice: &mut Dice,
    loads: &impl Loads,
    open: impl Fn(&Used) -> bool,
) -> Option<&'a Used> {
    let (first, second) = two(alias, used, dice, open)?;
    let cost = |used: &Used| score(alias, used, loads);
    Some(if cost(second) < cost(first) { second } else { first })
}

/// When it would probably answer, in microseconds.
pub(super) fn score(alias: &Alias, used: &Used, loads: &impl Loads) -> f64 {
    let member = used.member.into();
    let owed = f64::from(loads.in_flight(member)) * f64::from(alias.mean());
    loads.latency(member).max(NEGLIGIBLE) * (owed / f64::from(used.weight) + 1.0)
}
