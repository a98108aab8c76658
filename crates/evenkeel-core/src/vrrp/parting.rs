//! When an address that leaves on purpose may leave: what is under way on it ends first.

use std::collections::BTreeSet;

use crate::moment::Moment;

/// The connections an address had when clients had been asked to connect anew, as long as they are
/// there. Those that came later are not waited for: on a busy address there is always one.
#[derive(Clone, Debug)]
pub struct Parting {
    /// Not longer than this.
    until: Moment,
    /// `None`: nobody has looked yet.
    left: Option<BTreeSet<u64>>,
}

/// What a look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something is under way: look again.
    Wait,
    /// The address may leave; so many connections are cut by it, though they were waited for.
    Go { cut: usize },
}

impl Parting {
    pub fn new(until: Moment) -> Self {
        Self { until, left: None }
    }

    /// `open`: the connections there are now, each by a number that no other one has.
    pub fn look(&mut self, mut open: BTreeSet<u64>, now: Moment) -> Verdict {
        if let Some(left) = &self.left {
            open.retain(|id| left.contains(id));
        }
        let cut = open.len();
        self.left = Some(open);
        if cut > 0 && now < self.until { Verdict::Wait } else { Verdict::Go { cut } }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_there_first_is_waited_for_until_the_limit() {
        let at = |seconds| Moment::START + Duration::from_secs(seconds);
        let looks = |looks: &[(&[u64], u64)]| {
            let mut parting = Parting::new(at(5));
            let looks = looks.iter();
            let verdicts =
                looks.map(|(open, now)| parting.look(open.iter().copied().collect(), at(*now)));
            verdicts.collect::<Vec<_>>()
        };
        let (wait, go) = (Verdict::Wait, |cut| Verdict::Go { cut });
        assert_eq!(looks(&[(&[], 0)]), [go(0)], "nobody is there");
        assert_eq!(looks(&[(&[1, 2], 0), (&[2], 1), (&[], 2)]), [wait, wait, go(0)]);
        // 3 is new, and 1 does not come back.
        assert_eq!(looks(&[(&[1, 2], 0), (&[2, 3], 1), (&[1, 3], 2)]), [wait, wait, go(0)]);
        assert_eq!(looks(&[(&[1, 2], 0), (&[1, 3], 5)]), [wait, go(1)], "the limit");
        assert_eq!(looks(&[(&[1], 9)]), [go(1)], "which may have passed before");
    }
}
