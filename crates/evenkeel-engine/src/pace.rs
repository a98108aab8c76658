//! The slowest client that is still served.
//!
//! Idle time-outs alone let a client hold an exchange for ever with a byte now and then. So the time
//! spent waiting for a client is counted against what it has moved; time in which a server was slow
//! is not the client's.

use std::time::Duration;

use evenkeel_core::moment::Moment;

/// Waiting that every exchange may cost: a stall of a mobile network.
const GRACE: Duration = Duration::from_mins(1);
/// Bytes a second that earn more time. A modem of 1990 is ten times as fast.
const SLOWEST: u64 = 100;

/// Time spent waiting for one client in one direction.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    since: Option<Moment>,
}

impl Pace {
    /// The client is waited for from now on. Returns how long that may last after `moved` bytes.
    pub(crate) fn wait(&mut self, moved: u64, now: Moment) -> Duration {
        let since = *self.since.get_or_insert(now);
        let allowed = GRACE + Duration::from_secs(moved / SLOWEST);
        allowed.saturating_sub(self.waited + now.since(since))
    }

    /// The client has moved something.
    pub(crate) fn resume(&mut self, now: Moment) {
        if let Some(since) = self.since.take() {
            self.waited += now.since(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_trickle_runs_out_of_time_and_a_steady_client_does_not() {
        let mut now = Moment::START;
        let (mut trickle, mut steady) = (Pace::default(), Pace::default());
        let mut left = (GRACE, GRACE);
        for second in 1..=120 {
            left = (trickle.wait(second, now), steady.wait(second * 1_000, now));
            now = now + SECOND;
            trickle.resume(now);
            steady.resume(now);
        }
        assert_eq!(left.0, Duration::ZERO);
        assert!(left.1 > GRACE);
    }

    #[test]
    fn only_waiting_counts() {
        let mut pace = Pace::default();
        pace.resume(Moment::START + SECOND * 500);
        assert_eq!(pace.wait(0, Moment::START + SECOND * 1_000), GRACE);
    }
}
