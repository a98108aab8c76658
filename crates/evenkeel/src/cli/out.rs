//! What the program says. Data goes to stdout, everything else to stderr; a reader that has gone
//! away ends the talking, not the work.

use std::io::{IsTerminal as _, Write as _};

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

/// Whether stderr shows colours: a terminal whose owner has not said no (<https://no-color.org>).
pub(crate) fn stderr_is_coloured() -> bool {
    std::io::stderr().is_terminal() && colours_are_welcome()
}

/// The same for stdout.
pub(crate) fn stdout_is_coloured() -> bool {
    std::io::stdout().is_terminal() && colours_are_welcome()
}

/// Columns of the terminal that stdout is; `None` when it is none.
pub(crate) fn stdout_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn colours_are_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
