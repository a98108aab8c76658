//! Smooth weighted round robin: over one round each server comes as often as its weight says, spread
//! as evenly as can be (5:1:1 gives a a b a c a a).
//!
//! The order depends on the weights alone, so a whole round is computed when they change, and a pick
//! is one look into it: no state to lock, the same strict order whoever asks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::config::Pool;
use crate::pool::Used;

/// Entries of a round: 128 KiB. Only pools of more than 256 servers with large and dissimilar
/// weights would need more; their weights are rounded.
pub(super) const MOST_ENTRIES: usize = 65_536;
const _: () = assert!(Pool::MOST_SERVERS < MOST_ENTRIES, "every server has an entry");

/// One round, as places among the used servers.
#[derive(Debug)]
pub(crate) struct Sequence(Box<[u16]>);

impl Sequence {
    pub(super) fn build(used: &[Used]) -> Self {
        let mut classes = BTreeMap::<i64, Class>::new();
        let mut total = 0;
        for (place, weight) in (0..).zip(shares(used)) {
            classes.entry(weight).or_default().places.push(place);
            total += weight;
        }
        Self((0..total).filter_map(|_| next(&mut classes, total)).collect())
    }

    /// The first open server from the place of this turn on.
    pub(super) fn pick<'a>(
        &self,
        used: &'a [Used],
        turn: u64,
        open: impl Fn(&Used) -> bool,
    ) -> Option<&'a Used> {
        let Self(round) = self;
        let start = usize::try_from(turn.checked_rem(round.len() as u64)?).ok()?;
        let (before, from) = round.split_at(start);
        from.iter().chain(before).map(|&place| &used[usize::from(place)]).find(|used| open(used))
    }
}

/// How often each server comes in a round: its weight over the greatest common divisor of all
/// weights, or as near to that as [`MOST_ENTRIES`] allows, but at least once.
fn shares(used: &[Used]) -> impl Iterator<Item = i64> {
    let weights = || used.iter().map(|used| i64::from(used.weight));
    let divisor = weights().fold(0, greatest_common_divisor).max(1);
    let total = weights().sum::<i64>() / divisor;
    let most = i64::try_from(MOST_ENTRIES).expect("a small constant");
    let spare = most - i64::try_from(used.len()).expect("at most Pool::MOST_SERVERS");
    weights().map(move |weight| {
        let share = weight / divisor;
        if total <= most { share } else { (share * spare / total).max(1) }
    })
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The servers of one weight. They take turns among themselves, so only one of each class need be
/// compared: a round costs its length times the number of different weights.
#[derive(Default)]
struct Class {
    /// Places among the used servers, ascending.
    places: Vec<u16>,
    /// Which of `places` is next.
    turn: usize,
    /// What that one is owed: it grows by the weight in each step and falls by the total of all
    /// weights when it is chosen.
    credit: i64,
}

/// One step: the server that is owed most, the first in order if several are.
fn next(classes: &mut BTreeMap<i64, Class>, total: i64) -> Option<u16> {
    for (weight, class) in &mut *classes {
        class.credit += weight;
    }
    let class = classes.values_mut().max_by_key(|class| class.rank())?;
    let place = class.places[class.turn];
    class.turn += 1;
    if class.turn == class.places.len() {
        class.turn = 0;
        class.credit -= total;
    }
    Some(place)
}

impl Class {
    fn rank(&self) -> (i64, Reverse<u16>) {
        (self.credit, Reverse(self.places[self.turn]))
    }
}
