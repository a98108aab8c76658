//! What the program says. Data goes to stdout, everything else to stderr; a reader that has gone
//! away ends the talking, not the work.

use std::io::Write as _;

/// One line of data.
pub(crate) fn say(line: &str) {
    // A closed pipe has nobody left to tell.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// One line for the person at the terminal.
pub(crate) fn complain(line: &str) {
    // As above.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
