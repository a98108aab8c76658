//! Which shard a new device gets.

use std::collections::BTreeMap;

/// Shards with the devices they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    devices: Vec<usize>,
}

impl Placement {
    /// `shards` shards, and where the devices that are there already stand. A shard beyond
    /// `shards` is one that was taken away; what stands there is not counted.
    pub fn new(shards: usize, standing: impl IntoIterator<Item = usize>) -> Self {
        let mut devices = vec![0; shards];
        for shard in standing {
            if let Some(count) = devices.get_mut(shard) {
                *count += 1;
            }
        }
        Self { devices }
    }

    /// The shard with the fewest devices, the first of several; `None` without shards. The device
    /// counts as placed.
    pub fn place(&mut self) -> Option<usize> {
        let (shard, count) =
            self.devices.iter_mut().enumerate().min_by_key(|(_, count)| **count)?;
        *count += 1;
        Some(shard)
    }

    /// Devices of each shard.
    pub fn counts(&self) -> BTreeMap<usize, usize> {
        self.devices.iter().copied().enumerate().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(placement: &mut Placement, devices: usize) -> Vec<usize> {
        for _ in 0..devices {
            placement.place().unwrap();
        }
        placement.counts().into_values().collect()
    }

    #[test]
    fn sixty_devices_are_twenty_each() {
        assert_eq!(placed(&mut Placement::new(3, []), 60), [20, 20, 20]);
    }

    #[test]
    fn ten_thousand_differ_by_one_at_most() {
        let mut counts = placed(&mut Placement::new(3, []), 10_000);
        counts.sort_unstable();
        assert_eq!(counts, [3333, 3333, 3334]);
    }

    #[test]
    fn a_fourth_shard_is_filled_first() {
        let standing = (0..60).map(|device| device % 3);
        let mut placement = Placement::new(4, standing);
        assert_eq!(placed(&mut placement, 20), [20, 20, 20, 20]);
        assert_eq!(placed(&mut placement, 4), [21, 21, 21, 21]);
    }

    #[test]
    fn without_shards_there_is_no_place() {
        assert_eq!(Placement::new(0, [0, 1]).place(), None);
    }
}
