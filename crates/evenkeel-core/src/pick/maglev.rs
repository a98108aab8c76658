//! Maglev hashing (Eisenbud and others, 2016): a table in which every server has as many entries as
//! its weight says, at places that depend on the server. A key is one look into it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::hash::{mix, reduce};
use crate::pool::Used;

/// Primes, so that every step reaches every entry. With sixty entries and more for each server,
/// shares are within about 2 %.
const SMALL: usize = 65_537;
const LARGE: usize = 655_373;

/// Servers of a pool for which the small table is enough.
const FEW: usize = 1_024;

/// Entries that are looked at one after the other for an open server, before the servers are.
const PROBES: usize = 64;

/// Entries, as places among the used servers.
#[derive(Debug)]
pub(crate) struct Table(Box<[u16]>);

/// No server has this place.
const FREE: u16 = u16::MAX;

impl Table {
    /// The size follows from the pool as configured: it must not change when servers leave.
    pub(super) fn build(used: &[Used], configured: usize) -> Self {
        let size = if configured <= FEW { SMALL } else { LARGE };
        let mut table = vec![FREE; size].into_boxed_slice();
        // In an order that is the same on every node, whatever the order in its file.
        let mut walks: Vec<Walk> =
            (0..).zip(used).map(|(at, it)| Walk::new(at, it, size)).collect();
        walks.sort_unstable_by_key(|walk| walk.identity);
        let due = |walk: &Walk, claims: u64| (claims + 1) * WHOLE / u64::from(walk.weight);
        let mut next: BinaryHeap<Reverse<(u64, usize, u64)>> =
            walks.iter().enumerate().map(|(at, walk)| Reverse((due(walk, 0), at, 0))).collect();
        for _ in 0..size {
            let Some(Reverse((_, at, claims))) = next.pop() else { break };
            walks[at].claim(&mut table);
            next.push(Reverse((due(&walks[at], claims + 1), at, claims + 1)));
        }
        Self(table)
    }

    /// The server of the key's entry, or of the first entry after it whose server is open.
    pub(super) fn pick<'a>(
        &self,
        used: &'a [Used],
        key: u64,
        open: impl Fn(&Used) -> bool,
    ) -> Option<&'a Used> {
        let Self(table) = self;
        let start = reduce(mix(key, 0), table.len());
        let (before, from) = table.split_at(start);
        let probed = from.iter().chain(before).take(PROBES);
        let found = probed.filter_map(|&at| used.get(usize::from(at))).find(|used| open(used));
        found.or_else(|| {
            let (before, from) = used.split_at(usize::from(table[start]).min(used.len()));
            from.iter().chain(before).find(|used| open(used))
        })
    }
}

/// The time between two claims of a server of weight 1. With the heaviest weights there are, a step
/// is still exact to a thousandth.
const WHOLE: u64 = 1 << 40;

/// A server on its way through the table.
#[derive(Debug)]
struct Walk {
    identity: u64,
    weight: u32,
    place: u16,
    at: usize,
    step: usize,
}

impl Walk {
    fn new(place: u16, used: &Used, size: usize) -> Self {
        let Used { identity, weight, .. } = *used;
        let at = reduce(mix(identity, 1), size);
        let step = reduce(mix(identity, 2), size - 1) + 1;
        Self { identity, weight, place, at, step }
    }

    /// Takes the next free entry; there is one.
    fn claim(&mut self, table: &mut [u16]) {
        while table[self.at] != FREE {
            self.at = (self.at + self.step) % table.len();
        }
        table[self.at] = self.place;
    }
}
