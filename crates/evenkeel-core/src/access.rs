//! Who may come in, by address.
//!
//! The narrowest range that holds an address decides, whatever the order of the lists. An address
//! that no range holds may come in, unless there is a list of those who may.

use std::net::IpAddr;

use crate::config::Network;

/// Lists of allowed and denied ranges, made ready: a look-up is one binary search, however long
/// the lists are, and allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    v4: Bounds,
    v6: Bounds,
}

impl Access {
    /// Of a range in both lists the denial counts.
    pub fn new(allow: &[Network], deny: &[Network]) -> Self {
        let others = allow.is_empty();
        let bounds = |is_v4| {
            let ranges = |networks: &[Network], admits| {
                let own = networks.iter().filter(|network| network.is_ipv4() == is_v4);
                own.map(|network| (network.range(), admits)).collect::<Vec<_>>()
            };
            Bounds::new([ranges(allow, true), ranges(deny, false)].concat(), others)
        };
        Self { v4: bounds(true), v6: bounds(false) }
    }

    /// Whether `address` may come in; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn admits(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.admits(u128::from(v4.to_bits())),
            IpAddr::V6(v6) => self.v6.admits(v6.to_bits()),
        }
    }
}

/// The addresses at which the answer changes, in order; below the first one it is `others`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bounds {
    others: bool,
    changes: Vec<(u128, bool)>,
}

/// First and last address, and whether they are admitted.
type Range = ((u128, u128), bool);

impl Bounds {
    fn new(mut ranges: Vec<Range>, others: bool) -> Self {
        // Ranges lie within each other or apart, so those around an address are a stack. The wider
        // comes first, and of two that are equal the denial last.
        ranges.sort_by_key(|&((first, last), admits)| (first, u128::MAX - last, !admits));
        let mut bounds = Self { others, changes: Vec::new() };
        let mut around: Vec<Range> = Vec::new();
        for range @ ((first, _), admits) in ranges {
            while let Some(((_, last), _)) = around.pop_if(|((_, last), _)| *last < first) {
                bounds.leave(last, &around);
            }
            bounds.change(first, admits);
            around.push(range);
        }
        while let Some(((_, last), _)) = around.pop() {
            bounds.leave(last, &around);
        }
        bounds
    }

    /// Behind `last` the range around it counts again.
    fn leave(&mut self, last: u128, around: &[Range]) {
        if let Some(next) = last.checked_add(1) {
            self.change(next, around.last().map_or(self.others, |(_, admits)| *admits));
        }
    }

    fn change(&mut self, at: u128, admits: bool) {
        self.changes.pop_if(|(before, _)| *before == at);
        self.changes.push((at, admits));
    }

    fn admits(&self, address: u128) -> bool {
        let before = self.changes.partition_point(|(at, _)| *at <= address);
        before.checked_sub(1).map_or(self.others, |index| self.changes[index].1)
    }
}

#[cfg(test)]
mod tests;
