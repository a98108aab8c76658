//! Chance as an argument: one number, from which as many are made as a decision needs.

use crate::hash::reduce;

/// A sequence of numbers that depends on the first alone (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence that `chance` begins; equal numbers begin equal sequences.
    pub const fn new(chance: u64) -> Self {
        Self(chance)
    }

    /// The next number; all are equally likely.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        crate::hash::mix(self.0, 0)
    }

    /// A number below `size`; 0 when that is 0.
    pub fn below(&mut self, size: usize) -> usize {
        reduce(self.roll(), size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of `SplitMix64` from 0.
    #[test]
    fn it_is_splitmix() {
        let mut dice = Dice::new(0);
        assert_eq!([dice.roll(), dice.roll()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn below_is_even() {
        let mut dice = Dice::new(1);
        let mut seen = [0_u32; 3];
        for _ in 0..30_000 {
            seen[dice.below(3)] += 1;
        }
        assert!(seen.iter().all(|&count| count.abs_diff(10_000) < 300), "{seen:?}");
        assert_eq!(dice.below(0), 0);
    }
}
