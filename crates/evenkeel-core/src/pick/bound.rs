//! Bounded load (Mirrokni and others, 2016): a key whose server is too far above the average goes to
//! the server after it, so that one popular key does not drown one server.

use super::Loads;
use crate::pool::{Group, Used};

/// What `find` finds among the open servers below the bound, else among all that are open.
pub(super) fn pick<'a>(
    group: &Group,
    bound: Option<u16>,
    loads: &impl Loads,
    open: impl Fn(&Used) -> bool,
    find: impl Fn(&dyn Fn(&Used) -> bool) -> Option<&'a Used>,
) -> Option<&'a Used> {
    let within = bound.filter(|_| group.share.parts_per_million > 0).and_then(|percent| {
        let limit = Limit::new(group, percent, loads);
        find(&|used| open(used) && limit.admits(used, loads))
    });
    within.or_else(|| find(&open))
}

/// The most that servers may have in flight, the request included: for each weight
/// `numerator / denominator`, rounded up.
struct Limit {
    numerator: u128,
    denominator: u128,
}

impl Limit {
    fn new(group: &Group, percent: u16, loads: &impl Loads) -> Self {
        let total = u128::from(loads.total()) + 1;
        let share = u128::from(group.share.parts_per_million);
        Self {
            numerator: total * share * u128::from(percent),
            denominator: u128::from(group.weight) * 1_000_000 * 100,
        }
    }

    fn admits(&self, used: &Used, loads: &impl Loads) -> bool {
        let most = (self.numerator * u128::from(used.weight)).div_ceil(self.denominator);
        u128::from(loads.in_flight(used.member.into())) < most
    }
}
