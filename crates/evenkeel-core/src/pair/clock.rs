//! A hybrid logical clock (Kulkarni et al., 2014): the time of day where clocks agree, and an order
//! that follows what was heard where they do not.

use std::time::Duration;

use super::NodeId;

/// How far the time of day of the other node may be ahead. Beyond it, its words would win over all
/// that is said here for as long: they are not taken in before their time.
pub const MOST_AHEAD: Duration = Duration::from_mins(1);

/// When something was said, and by whom. No two words have the same; the greater one was later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Milliseconds since 1970, as far as the speaker knew.
    pub millis: u64,
    /// Tells words of one millisecond apart.
    pub count: u32,
    /// And those of two nodes.
    pub node: NodeId,
}

impl Stamp {
    /// Later than this one, and than no other that is later.
    #[must_use]
    pub fn next(self) -> Self {
        match self.count.checked_add(1) {
            Some(count) => Self { count, ..self },
            None => Self { millis: self.millis.saturating_add(1), count: 0, ..self },
        }
    }
}

/// A stamp from too far in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFarAhead(pub Duration);

/// The clock of one node.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    last: Stamp,
}

impl Clock {
    /// A clock that has said and heard nothing.
    pub fn new(node: NodeId) -> Self {
        Self { last: Stamp { millis: 0, count: 0, node } }
    }

    /// A stamp for what is said at `now` (milliseconds since 1970): later than all that this node
    /// has said or heard.
    pub fn stamp(&mut self, now: u64) -> Stamp {
        let Stamp { millis, node, .. } = self.last;
        self.last =
            if now > millis { Stamp { millis: now, count: 0, node } } else { self.last.next() };
        self.last
    }

    /// Takes note of a stamp of the other node, if it is not too far in the future.
    pub fn hear(&mut self, heard: Stamp, now: u64) -> Result<(), TooFarAhead> {
        let ahead = Duration::from_millis(heard.millis.saturating_sub(now));
        if ahead > MOST_AHEAD {
            return Err(TooFarAhead(ahead));
        }
        let Stamp { millis, count, .. } = heard;
        if (millis, count) > (self.last.millis, self.last.count) {
            (self.last.millis, self.last.count) = (millis, count);
        }
        Ok(())
    }

    /// The time of day was ahead and is `now`. What follows is later than all that was said by then.
    pub fn set_back(&mut self, now: u64) {
        if self.last.millis > now {
            (self.last.millis, self.last.count) = (now, u32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn what_follows_is_later_though_the_other_clock_is_ahead() {
        let (mut a, mut b) = (Clock::new(NodeId(1)), Clock::new(NodeId(2)));
        let said = a.stamp(NOW + 5_000);
        b.hear(said, NOW).unwrap();
        let answer = b.stamp(NOW);
        assert!(answer > said, "{answer:?} {said:?}");
        assert_eq!(answer.millis, said.millis, "no further than that");
    }

    #[test]
    fn a_clock_far_ahead_is_not_followed() {
        let mut clock = Clock::new(NodeId(1));
        let stamp = |millis| Stamp { millis, count: 0, node: NodeId(2) };
        let most = NOW + 60_000;
        assert_eq!(clock.hear(stamp(most), NOW), Ok(()));
        let mut clock = Clock::new(NodeId(1));
        let ahead = TooFarAhead(Duration::from_millis(60_001));
        assert_eq!(clock.hear(stamp(most + 1), NOW), Err(ahead));
        assert_eq!(clock.stamp(NOW).millis, NOW);
        clock.hear(stamp(0), NOW).unwrap();
        assert_eq!(clock.stamp(NOW).count, 1, "one that is behind changes nothing");
    }

    #[test]
    fn a_clock_that_is_set_back_speaks_of_the_present() {
        let mut clock = Clock::new(NodeId(1));
        let ahead = clock.stamp(NOW + 86_400_000);
        clock.set_back(NOW);
        let now = clock.stamp(NOW);
        assert!(now < ahead && now.millis == NOW + 1, "{now:?}");
        clock.set_back(NOW + 5);
        assert_eq!(clock.stamp(NOW).count, 1, "one that was not ahead stays as it is");
    }

    proptest! {
        #[test]
        fn stamps_of_a_node_only_grow(steps in prop::collection::vec((any::<bool>(), 0_u64..200_000), 1..60)) {
            let mut clock = Clock::new(NodeId(7));
            let mut last = clock.stamp(0);
            for (hears, time) in steps {
                if hears {
                    let heard = Stamp { millis: time, count: u32::MAX, node: NodeId(8) };
                    let _ = clock.hear(heard, time / 2);
                }
                let next = clock.stamp(time);
                prop_assert!(next > last, "{next:?} after {last:?}");
                last = next;
            }
        }
    }
}
