//! How far a test is, for who waits at a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::lane::Live;

/// Characters of the bar.
const BAR: usize = 24;

/// A line on stderr that is written over again and again; nothing when that is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(what: &str) -> Self {
        Self { what: what.to_owned(), shown: std::io::stderr().is_terminal() }
    }

    pub(crate) fn draw(&self, elapsed: Duration, whole: Duration, live: &Live) {
        if self.shown {
            let good = live.good.load(Ordering::Relaxed);
            let failed = live.failed.load(Ordering::Relaxed);
            // The test goes on without it.
            let line = line(&self.what, elapsed, whole, (good, failed));
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{line}");
        }
    }

    /// Leaves the line to what is said next.
    pub(crate) fn clear(&self) {
        if self.shown {
            // As above.
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

fn line(what: &str, elapsed: Duration, whole: Duration, (good, failed): (u32, u32)) -> String {
    let elapsed = elapsed.min(whole);
    let parts = u128::try_from(BAR).unwrap_or_default();
    let done = elapsed.as_millis() * parts / whole.as_millis().max(1);
    let done = usize::try_from(done).unwrap_or(BAR).min(BAR);
    let (past, left) = ("━".repeat(done), "─".repeat(BAR - done));
    let (elapsed, whole) = (elapsed.as_secs(), whole.as_secs_f64());
    format!("{what} {past}{left} {elapsed} of {whole:.0} s, {good} good, {failed} failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_long_as_the_time() {
        let at = |seconds| line("x", Duration::from_secs(seconds), Duration::from_secs(10), (5, 1));
        assert_eq!(at(0), format!("x {} 0 of 10 s, 5 good, 1 failed", "─".repeat(BAR)));
        assert!(at(5).contains(&format!(" {}{} ", "━".repeat(BAR / 2), "─".repeat(BAR / 2))));
        assert_eq!(at(99), format!("x {} 10 of 10 s, 5 good, 1 failed", "━".repeat(BAR)));
    }
}
