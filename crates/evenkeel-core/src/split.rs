//! Traffic divided between pools by weight.

use std::sync::Arc;

use crate::config::PoolId;
use crate::hash::{mix, reduce};

/// Pools with their weights, and what keeps a client with one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Each pool with the sum of the weights up to and with its own.
    shares: Vec<(u32, PoolId)>,
    /// `None`: chance decides for each request.
    pub on: Option<SplitOn>,
}

/// What a client is known by. A request without it is left to chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitOn {
    /// Its address.
    Source,
    /// The value of this header (lower case).
    Header(Arc<str>),
    /// The value of this cookie.
    Cookie(Arc<str>),
}

impl Split {
    /// Most a weight may be.
    pub const MOST_WEIGHT: u32 = 1_000_000;

    /// `None`: no pool has a weight above zero, or the weights are too large.
    pub fn new(weights: &[(PoolId, u32)], on: Option<SplitOn>) -> Option<Self> {
        let mut total = 0_u32;
        let mut shares = Vec::with_capacity(weights.len());
        for &(pool, weight) in weights.iter().filter(|(_, weight)| *weight > 0) {
            total = total.checked_add(weight.min(Self::MOST_WEIGHT))?;
            shares.push((total, pool));
        }
        (total > 0).then_some(Self { shares, on })
    }

    /// Every pool that takes a share.
    pub fn pools(&self) -> impl Iterator<Item = PoolId> {
        self.shares.iter().map(|(_, pool)| *pool)
    }

    /// The pool for a client with this hash, always the same; or for a number left to chance.
    pub fn choose(&self, number: u64) -> PoolId {
        // Mixed, so that the place within a pool that hashes does not follow from the share.
        let total = self.shares.last().map_or(1, |(total, _)| *total);
        let ticket = reduce(mix(number, u64::from_le_bytes(*b"evenkeel")), total as usize);
        let place = self.shares.partition_point(|(upto, _)| *upto as usize <= ticket);
        self.shares[place].1
    }
}

#[cfg(test)]
mod tests {
    use super::{PoolId, Split};
    use crate::hash;

    #[test]
    fn pools_get_their_share_and_a_client_keeps_its_pool() {
        let split = Split::new(&[(PoolId(3), 95), (PoolId(4), 0), (PoolId(5), 5)], None).unwrap();
        assert_eq!(split.pools().collect::<Vec<_>>(), [PoolId(3), PoolId(5)]);
        let mut canary = 0;
        for client in 0..100_000_u32 {
            let number = hash::key(&client.to_be_bytes());
            let pool = split.choose(number);
            assert_eq!(pool, split.choose(number));
            canary += u32::from(pool == PoolId(5));
        }
        assert!((4_700..=5_300).contains(&canary), "{canary} of 100,000");
    }

    #[test]
    fn somebody_has_to_take_it() {
        assert!(Split::new(&[], None).is_none());
        assert!(Split::new(&[(PoolId(0), 0)], None).is_none());
        let one = Split::new(&[(PoolId(0), 1)], None).unwrap();
        assert!([0, u64::MAX, 7].into_iter().all(|number| one.choose(number) == PoolId(0)));
    }
}
