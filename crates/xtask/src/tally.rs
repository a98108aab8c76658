//! How many passed, failed and were skipped, summed over everything that runs.

use std::ops::AddAssign;

/// A count of outcomes; what was skipped is kept by name and reason.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Skipped without a stated reason (filtered out, ignored).
    pub(crate) unexplained: u64,
    /// Skipped, each as `who: why`.
    pub(crate) skipped: Vec<String>,
}

impl Tally {
    /// One outcome.
    pub(crate) fn of(passed: bool) -> Self {
        Self { passed: u64::from(passed), failed: u64::from(!passed), ..Self::default() }
    }

    /// One thing that could not be tried.
    pub(crate) fn skip(who: &str, why: &str) -> Self {
        Self { skipped: vec![format!("{who}: {why}")], ..Self::default() }
    }

    /// Nothing failed.
    pub(crate) fn is_clean(&self) -> bool {
        self.failed == 0
    }

    /// The closing line.
    pub(crate) fn summary(&self) -> String {
        let skipped = self.unexplained + self.skipped.len() as u64;
        format!("{} passed, {} failed, {skipped} skipped", self.passed, self.failed)
    }

    /// Reads back a closing line of [`Tally::summary`].
    pub(crate) fn from_summary(line: &str) -> Option<Self> {
        let mut parts = line.trim().split(", ");
        let mut number = |word| parts.next()?.strip_suffix(word)?.trim_end().parse().ok();
        let tally = Self {
            passed: number("passed")?,
            failed: number("failed")?,
            unexplained: number("skipped")?,
            skipped: Vec::new(),
        };
        parts.next().is_none().then_some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.unexplained += other.unexplained;
        self.skipped.extend(other.skipped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_counts_both_kinds_of_skipped() {
        let mut tally = Tally { passed: 3, failed: 1, unexplained: 1, skipped: vec![] };
        tally += Tally::skip("netns", "needs root");
        tally += Tally::of(true);
        assert_eq!(tally.summary(), "4 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn a_closing_line_is_read_back() {
        let tally = Tally::from_summary("12 passed, 0 failed, 3 skipped").expect("well-formed");
        assert_eq!((tally.passed, tally.failed, tally.unexplained), (12, 0, 3));
        for other in ["", "12 passed", "12 passed, 0 failed", "a passed, 0 failed, 0 skipped"] {
            assert_eq!(Tally::from_summary(other), None, "{other:?}");
        }
    }
}
