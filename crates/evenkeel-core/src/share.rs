//! A part of many, of which chance decides each one.

use crate::hash;

/// What a whole is counted in: small enough for one in a million.
const PARTS: u32 = 1_000_000;

/// How many of many are taken, from none to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    pub const ALL: Self = Self(PARTS);

    /// So many in a million; `None`: more than all.
    pub const fn of_million(count: u32) -> Option<Self> {
        if count <= PARTS { Some(Self(count)) } else { None }
    }

    /// Whether the one with this number is taken. The upper bits decide, and what a small share
    /// takes, a larger one takes too.
    pub fn takes(self, chance: u64) -> bool {
        hash::reduce(chance, PARTS as usize) < self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn all_none_and_about_a_tenth() {
        let mut dice = Dice::new(7);
        let share = |count| Share::of_million(count).unwrap();
        let mut taken = 0;
        for _ in 0..100_000 {
            let chance = dice.roll();
            assert!(Share::ALL.takes(chance) && !share(0).takes(chance));
            assert!(!share(1_000).takes(chance) || share(100_000).takes(chance));
            taken += u32::from(share(100_000).takes(chance));
        }
        assert!(taken.abs_diff(10_000) < 500, "{taken}");
        assert_eq!(Share::of_million(PARTS + 1), None);
    }
}
