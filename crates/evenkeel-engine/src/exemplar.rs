//! Exemplars: for each range of durations one exchange that shows what such a duration is made of,
//! the last of those whose trace is sampled. Likewise one of those that were errors.
//!
//! One worker writes, anybody reads: what was read while it was being written is not believed.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, SystemTime};

use evenkeel_core::latency::{COARSE_MILLIS, coarse_place};
use evenkeel_core::trace::TraceId;

/// The bounds, and what is beyond the last one.
const RANGES: usize = COARSE_MILLIS.len() + 1;

/// An exchange that stands for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    pub trace: TraceId,
    pub took: Duration,
    /// When it was over.
    pub at: SystemTime,
}

/// Those of all ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// By the places of [`COARSE_MILLIS`], then beyond the last; empty when there are none at all.
    pub durations: Vec<Option<Exemplar>>,
    pub error: Option<Exemplar>,
}

/// What one worker has met.
#[derive(Debug)]
pub(crate) struct Exemplars {
    durations: [Slot; RANGES],
    error: Slot,
}

#[derive(Debug, Default)]
struct Slot {
    /// Odd while the rest is being written; 0: never.
    version: AtomicU64,
    /// The trace in two halves, microseconds, milliseconds since 1970.
    values: [AtomicU64; 4],
}

impl Default for Exemplars {
    fn default() -> Self {
        Self { durations: array::from_fn(|_| Slot::default()), error: Slot::default() }
    }
}

impl Exemplars {
    /// An exchange is over whose trace is sampled.
    pub(crate) fn show(&self, exemplar: Exemplar, is_error: bool) {
        self.durations[coarse_place(exemplar.took)].set(exemplar);
        if is_error {
            self.error.set(exemplar);
        }
    }

    /// Puts what is newer than what `shown` has in its place.
    pub(crate) fn add_to(&self, shown: &mut Shown) {
        shown.durations.resize(RANGES, None);
        let slots = self.durations.iter().chain([&self.error]);
        let places = shown.durations.iter_mut().chain([&mut shown.error]);
        for (slot, place) in slots.zip(places) {
            *place = slot.get().into_iter().chain(*place).max_by_key(|it| it.at);
        }
    }
}

impl Slot {
    fn set(&self, Exemplar { trace, took, at }: Exemplar) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let [upper, lower] = trace.halves();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // Odd where a worker ended by a defect while it wrote.
        let version = self.version.load(Ordering::Relaxed) & !1;
        self.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, value) in self.values.iter().zip([upper, lower, micros, millis(since)]) {
            place.store(value, Ordering::Relaxed);
        }
        self.version.store(version + 2, Ordering::Release);
    }

    fn get(&self) -> Option<Exemplar> {
        let before = self.version.load(Ordering::Acquire);
        let [upper, lower, micros, millis] =
            array::from_fn(|place| self.values[place].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let is_whole = before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before;
        Some(Exemplar {
            trace: TraceId::of_halves([upper, lower]).filter(|_| is_whole)?,
            took: Duration::from_micros(micros),
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(millis),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(number: u64) -> TraceId {
        TraceId::of_halves([0, number]).expect("not all zeros")
    }

    /// It was over as many seconds after 1970 as its number says.
    fn exemplar(number: u64, took: Duration) -> Exemplar {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(number);
        Exemplar { trace: trace(number), took, at }
    }

    #[test]
    fn the_last_one_of_each_range_is_shown() {
        let (one, other) = (Exemplars::default(), Exemplars::default());
        let mut shown = Shown::default();
        one.add_to(&mut shown);
        assert!(shown.error.is_none() && shown.durations.iter().all(Option::is_none));
        one.show(exemplar(1, Duration::from_millis(3)), false);
        one.show(exemplar(2, Duration::from_micros(2_500)), false);
        one.show(exemplar(3, Duration::from_mins(5)), true);
        other.show(exemplar(4, Duration::ZERO), false);
        for exemplars in [&one, &other] {
            exemplars.add_to(&mut shown);
        }
        let of = |place: usize| shown.durations[place].map(|it| (it.trace, it.took));
        assert_eq!(of(0), Some((trace(4), Duration::ZERO)));
        assert_eq!(of(1), None);
        assert_eq!(of(2), Some((trace(2), Duration::from_micros(2_500))));
        assert_eq!(of(RANGES - 1), Some((trace(3), Duration::from_mins(5))));
        assert_eq!(shown.error, shown.durations[RANGES - 1]);
    }

    #[test]
    fn nothing_half_written_is_shown() {
        let slot = Slot::default();
        slot.set(exemplar(1, Duration::ZERO));
        assert!(slot.get().is_some());
        slot.version.fetch_add(1, Ordering::Relaxed);
        assert_eq!(slot.get(), None);
    }
}
