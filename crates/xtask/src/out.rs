//! Lines for the person at the terminal. A closed pipe ends the talking, not the work.

use std::io::Write as _;

/// One line to stdout.
pub(crate) fn say(line: &str) {
    // Nobody is left to be told about a closed stdout.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// One line to stderr.
pub(crate) fn complain(line: &str) {
    // As above: there is no further place to report to.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
