//! How many readings a device may send: so many a second, and so many at once.

use std::sync::atomic::{AtomicU64, Ordering};

/// A rate, kept as the generic cell rate algorithm has it: one number for each device.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Microseconds that one reading uses up.
    each_us: u64,
    /// How far ahead of time a device may be.
    ahead_us: u64,
}

/// When the device's allowance is whole again, in microseconds.
#[derive(Debug, Default)]
pub struct Allowance(AtomicU64);

impl Rate {
    /// `per_second` readings a second on average, `burst` at once. Zero of either is taken for 1.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let each_us = (1_000_000 / u64::from(per_second.max(1))).max(1);
        Self { each_us, ahead_us: each_us.saturating_mul(u64::from(burst.max(1))) }
    }

    /// Takes one reading from `allowance` at `now_us`; or says after how many milliseconds there
    /// will be room.
    pub fn take(&self, allowance: &Allowance, now_us: u64) -> Result<(), u64> {
        let mut seen = allowance.0.load(Ordering::Relaxed);
        loop {
            let whole_at = seen.max(now_us).saturating_add(self.each_us);
            let latest = now_us.saturating_add(self.ahead_us);
            if whole_at > latest {
                return Err((whole_at - latest).div_ceil(1000));
            }
            let swap = allowance.0.compare_exchange_weak(
                seen,
                whole_at,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let rate = Rate::new(10, 3);
        let allowance = Allowance::default();
        let start = 5_000_000;
        for _ in 0..3 {
            assert_eq!(rate.take(&allowance, start), Ok(()));
        }
        assert_eq!(rate.take(&allowance, start), Err(100));
        assert_eq!(rate.take(&allowance, start + 99_000), Err(1));
        assert_eq!(rate.take(&allowance, start + 100_000), Ok(()));
        assert_eq!(rate.take(&allowance, start + 100_000), Err(100));
    }

    #[test]
    fn a_pause_gives_back_no_more_than_a_burst() {
        let rate = Rate::new(1000, 2);
        let allowance = Allowance::default();
        let taken = |now| (0..10).filter(|_| rate.take(&allowance, now).is_ok()).count();
        assert_eq!(taken(1_000_000), 2);
        assert_eq!(taken(90_000_000), 2);
    }

    #[test]
    fn nothing_is_read_as_one() {
        let rate = Rate::new(0, 0);
        let allowance = Allowance::default();
        assert_eq!(rate.take(&allowance, 0), Ok(()));
        assert_eq!(rate.take(&allowance, 0), Err(1000));
    }
}
