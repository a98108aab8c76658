//! Drawing by weight, in the same time whatever the number of servers: Vose's alias method.
//!
//! Every server has one slot of the same width. It fills the slot as far as its weight reaches; the
//! rest of the slot belongs to one server of more weight.

use crate::dice::Dice;
use crate::pool::Used;

/// Draws before the servers are looked at one by one: with half of them closed, one request in 256
/// gets there.
const DRAWS: usize = 8;

/// The slots.
#[derive(Debug)]
pub(crate) struct Alias {
    slots: Box<[Slot]>,
    /// Of all weights, at least 1.
    mean: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The highest coin that stays with the slot's own server.
    own: u32,
    other: u16,
}

impl Alias {
    pub(super) fn build(used: &[Used]) -> Self {
        let size = used.len() as u64;
        let total = used.iter().map(|used| u64::from(used.weight)).sum::<u64>().max(1);
        // A slot is full at `total`: weights are counted in parts of a slot.
        let mut left: Vec<u64> = used.iter().map(|used| u64::from(used.weight) * size).collect();
        let (mut small, mut large): (Vec<u16>, Vec<u16>) = (0..)
            .zip(&left)
            .map(|(place, _)| place)
            .partition(|&place: &u16| left[usize::from(place)] < total);
        let mut slots: Box<[Slot]> =
            (0..).zip(used).map(|(other, _)| Slot { own: u32::MAX, other }).collect();
        while let (Some(place), Some(&giver)) = (small.pop(), large.last()) {
            let [place, donor] = [place, giver].map(usize::from);
            let own = (u128::from(left[place]) << 32) / u128::from(total);
            slots[place] = Slot { own: u32::try_from(own).expect("less than full"), other: giver };
            left[donor] -= total - left[place];
            if left[donor] < total {
                small.extend(large.pop());
            }
        }
        let mean = u32::try_from(total / size.max(1)).expect("the mean of such numbers").max(1);
        Self { slots, mean }
    }

    /// The mean of all weights.
    pub(super) fn mean(&self) -> u32 {
        self.mean
    }

    /// An open server, by weight as long as most of them are open.
    pub(super) fn draw<'a>(
        &self,
        used: &'a [Used],
        dice: &mut Dice,
        open: impl Fn(&Used) -> bool,
    ) -> Option<&'a Used> {
        if used.is_empty() {
            return None;
        }
        let mut place = 0;
        for _ in 0..DRAWS {
            place = self.throw(dice);
            if open(&used[place]) {
                return Some(&used[place]);
            }
        }
        let (before, from) = used.split_at(place);
        from.iter().chain(before).find(|used| open(used))
    }

    /// A place, by weight.
    fn throw(&self, dice: &mut Dice) -> usize {
        let place = dice.below(self.slots.len());
        let coin = u32::try_from(dice.roll() >> 32).expect("half of the bits");
        let Slot { own, other } = self.slots[place];
        if coin <= own { place } else { other.into() }
    }
}
