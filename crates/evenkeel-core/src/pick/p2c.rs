//! Power of two choices: two servers are drawn by weight, and the one with the smaller load of the
//! two gets the request. That avoids the busiest without looking at all of them, and different nodes
//! do not run after the same idle server.

use super::alias::Alias;
use super::{Loads, load};
use crate::dice::Dice;
use crate::pool::Used;

/// The better of two open servers; of two that are as good, the one drawn first, so that weights
/// hold on idle servers too.
pub(super) fn pick<'a>(
    alias: &Alias,
    used: &'a [Used],
    dice: &mut Dice,
    loads: &impl Loads,
    open: impl Fn(&Used) -> bool,
) -> Option<&'a Used> {
    let (first, second) = two(alias, used, dice, open)?;
    let load = |used: &Used| load(used, loads);
    // Load / weight, compared as whole numbers.
    let second_is_less =
        load(second) * u64::from(first.weight) < load(first) * u64::from(second.weight);
    Some(if second_is_less { second } else { first })
}

/// What it carries for its weight: what [`pick`] compares.
#[expect(clippy::cast_precision_loss, reason = "loads are far below 2^52")]
pub(super) fn score(used: &Used, loads: &impl Loads) -> f64 {
    load(used, loads) as f64 / f64::from(used.weight)
}

/// Two different open servers, or the only one twice.
pub(super) fn two<'a>(
    alias: &Alias,
    used: &'a [Used],
    dice: &mut Dice,
    open: impl Fn(&Used) -> bool,
) -> Option<(&'a Used, &'a Used)> {
    let first = alias.draw(used, dice, &open)?;
    let other = |used: &Used| used.member != first.member && open(used);
    // Where one server has nearly all of the weight, a second one is not worth a search.
    let second = if used.len() > 2 {
        alias.draw(used, dice, other)
    } else {
        used.iter().find(|used| other(used))
    };
    Some((first, second.unwrap_or(first)))
}
