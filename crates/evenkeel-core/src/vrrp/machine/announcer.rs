//! When an owner tells the link that the address is here.

use std::time::Duration;

use crate::moment::Moment;

/// Each time (RFC 5227 §2.3 has 2; one may be lost while a port of a switch comes up).
pub const TIMES: u8 = 5;
/// Once more, for a switch or neighbour that was not ready for the first ones. As keepalived has
/// it.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Then once in a while: neighbours and switches forget, after a minute at the earliest.
const REFRESH: Duration = Duration::from_mins(1);

/// The announcements of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announcer {
    next: Moment,
    /// Of [`TIMES`], with [`AGAIN_AFTER`] between them; then single ones.
    series: u8,
}

impl Announcer {
    /// The first series goes out now.
    pub(super) fn new(now: Moment) -> Self {
        Self { next: now + AGAIN_AFTER, series: 1 }
    }

    /// The first series is yet to come.
    pub(super) fn from(moment: Moment) -> Self {
        Self { next: moment, series: 2 }
    }

    /// When [`Announcer::due`] has something to say.
    pub(super) fn next(&self) -> Moment {
        self.next
    }

    /// How many times to announce at this moment.
    pub(super) fn due(&mut self, now: Moment) -> Option<u8> {
        if now < self.next {
            return None;
        }
        let times = if self.series > 0 { TIMES } else { 1 };
        let wait = if self.series > 1 { AGAIN_AFTER } else { REFRESH };
        *self = Self { next: now + wait, series: self.series.saturating_sub(1) };
        Some(times)
    }
}
