//! Least connections: the server with the fewest in flight for its weight.

use super::{Loads, load};
use crate::pool::Used;

/// The open server with the least load once it has this request too; those with equal load take
/// turns.
pub(super) fn pick<'a>(
    used: &'a [Used],
    turn: u64,
    loads: &impl Loads,
    open: impl Fn(&Used) -> bool,
) -> Option<&'a Used> {
    let start = usize::try_from(turn.checked_rem(used.len() as u64)?).ok()?;
    let (before, from) = used.split_at(start);
    from.iter()
        .chain(before)
        .filter(|used| open(used))
        .map(|used| (used, load(used, loads) + 1))
        .reduce(|best, next| if lighter(next, best) { next } else { best })
        .map(|(used, _)| used)
}

/// What one more would make it carry, for its weight: what [`pick`] compares.
#[expect(clippy::cast_precision_loss, reason = "loads are far below 2^52")]
pub(super) fn score(used: &Used, loads: &impl Loads) -> f64 {
    (load(used, loads) + 1) as f64 / f64::from(used.weight)
}

/// Compares load / weight as whole numbers.
fn lighter((a, a_load): (&Used, u64), (b, b_load): (&Used, u64)) -> bool {
    a_load * u64::from(b.weight) < b_load * u64::from(a.weight)
}
