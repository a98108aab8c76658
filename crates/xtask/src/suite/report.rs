//! Reads what a test runner prints: how many passed and failed, and which tests skipped themselves.

use crate::tally::Tally;

/// A test that lacks root or a package passes after printing this and the reason.
const SKIPPED: &str = "SKIPPED: ";

/// The reason, if this line is a test saying that it did not run.
pub(super) fn reason_to_skip(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix(SKIPPED)
}

/// One run, read line by line.
#[derive(Debug)]
pub(super) struct Report {
    runner: Runner,
    tally: Tally,
    /// The test whose output is being read.
    test: String,
    /// That test has given its reason; a second one counts no further.
    test_skipped: bool,
}

#[derive(Debug)]
enum Runner {
    Libtest,
    /// After its summary nextest repeats the output of every test, which is read but not shown.
    Nextest {
        summarised: bool,
    },
}

impl Report {
    /// For `cargo nextest run --success-output final`.
    pub(super) fn nextest() -> Self {
        Self::of(Runner::Nextest { summarised: false })
    }

    /// For `cargo test -- --show-output`.
    pub(super) fn libtest() -> Self {
        Self::of(Runner::Libtest)
    }

    fn of(runner: Runner) -> Self {
        Self { runner, tally: Tally::default(), test: String::new(), test_skipped: false }
    }

    /// Takes the next line; whether a person wants to see it.
    pub(super) fn read(&mut self, line: &str) -> bool {
        match &mut self.runner {
            Runner::Libtest => {
                if let Some(counted) = libtest_result(line) {
                    self.tally += counted;
                } else if let Some(test) = libtest_heading(line) {
                    self.enter(test);
                } else {
                    self.note_skip(line);
                }
                true
            }
            Runner::Nextest { summarised } if !*summarised => {
                if let Some(counted) = nextest_summary(line) {
                    *summarised = true;
                    self.tally += counted;
                }
                true
            }
            Runner::Nextest { .. } => {
                if let Some(test) = nextest_heading(line) {
                    self.enter(test);
                } else {
                    self.note_skip(line);
                }
                line.starts_with("error")
            }
        }
    }

    /// The sum; a test that skipped itself is not among those that passed.
    pub(super) fn tally(self) -> Tally {
        let mut tally = self.tally;
        tally.passed = tally.passed.saturating_sub(tally.skipped.len() as u64);
        tally
    }

    fn enter(&mut self, test: &str) {
        test.clone_into(&mut self.test);
        self.test_skipped = false;
    }

    fn note_skip(&mut self, line: &str) {
        let Some(why) = reason_to_skip(line) else { return };
        if self.test.is_empty() {
            // Written past the runner's capture, so nobody says by which test.
            self.tally += Tally::skip("a test", why);
        } else if !self.test_skipped {
            self.test_skipped = true;
            self.tally += Tally::skip(&self.test, why);
        }
    }
}

/// `Summary [ 0.1s] 4 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 1 skipped`.
fn nextest_summary(line: &str) -> Option<Tally> {
    let counts = line.trim_start().strip_prefix("Summary [")?.split_once(" run: ")?.1;
    let mut tally = Tally::default();
    for part in counts.split(", ") {
        // "(1 slow, 1 leaky)" splits into parts that start with no number of their own kind.
        let Some((number, kind)) = part.split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match kind.split(" (").next() {
            Some("passed") => tally.passed += number,
            Some("skipped") => tally.unexplained += number,
            Some("failed" | "exec failed" | "timed out") => tally.failed += number,
            _ => {}
        }
    }
    Some(tally)
}

/// `PASS [   0.004s] (2/4) crate test::name`.
fn nextest_heading(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("PASS [")?.split_once("] ")?.1.split_once(") ").map(|(_, it)| it)
}

/// `test result: ok. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; …`.
fn libtest_result(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |kind: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(kind));
        part.and_then(|part| part.trim().parse().ok()).unwrap_or(0)
    };
    Some(Tally {
        passed: number("passed"),
        failed: number("failed"),
        unexplained: number("ignored"),
        skipped: Vec::new(),
    })
}

/// `---- module::test stdout ----`.
fn libtest_heading(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut report: Report, text: &str) -> (Tally, Vec<&str>) {
        let shown = text.lines().filter(|line| report.read(line)).collect();
        (report.tally(), shown)
    }

    #[test]
    fn nextest_is_counted_by_its_summary_and_skips_by_test() {
        let text = "        PASS [   0.004s] (1/4) nt tests::skip
     Summary [   0.138s] 6 tests run: 4 passed (1 slow), 1 failed, 1 timed out, 1 skipped
        PASS [   0.004s] (1/4) nt tests::skip
  stdout ───

    running 1 test
    SKIPPED: needs root
    SKIPPED: needs nginx
    test tests::skip ... ok

    test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 4 filtered out
        PASS [   0.004s] (2/4) nt tests::skip2
  stderr ───
    SKIPPED: needs root
error: test run failed";
        let (tally, shown) = read(Report::nextest(), text);
        assert_eq!(tally.summary(), "2 passed, 2 failed, 3 skipped");
        assert_eq!(tally.skipped, ["nt tests::skip: needs root", "nt tests::skip2: needs root"]);
        assert_eq!(shown.len(), 3, "the lines up to the summary and the last");
    }

    #[test]
    fn libtest_is_the_sum_of_its_results() {
        let text = "SKIPPED: needs nginx
SKIPPED: needs nginx
successes:

---- tests::skip stdout ----
SKIPPED: needs root

test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let (tally, _) = read(Report::libtest(), text);
        assert_eq!(tally.summary(), "2 passed, 1 failed, 4 skipped");
        let nginx = "a test: needs nginx";
        assert_eq!(tally.skipped, [nginx, nginx, "tests::skip: needs root"]);
    }
}
