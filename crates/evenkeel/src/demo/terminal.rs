//! Where the board is shown: a terminal, which is drawn over and given back as it was, or lines.

use std::io::Write as _;

use super::board::Size;
use crate::cli::out;

/// Sequences of ECMA-48 and xterm: the other screen and the first one, its top left, the rest of a
/// line and of the screen.
const OTHER_SCREEN: &str = "\u{1b}[?1049h";
const FIRST_SCREEN: &str = "\u{1b}[?1049l";
const HOME: &str = "\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_REST: &str = "\u{1b}[J";

/// A terminal with something on its other screen; given back with this value.
#[derive(Debug)]
pub(super) struct Terminal(());

impl Terminal {
    /// The terminal that stdout is, if it is one that can be drawn on.
    pub(super) fn take() -> Option<Self> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if is_dumb || size().is_none() {
            return None;
        }
        write(OTHER_SCREEN);
        Some(Self(()))
    }

    /// What fits on it now.
    #[expect(clippy::unused_self, reason = "only who has it knows its size")]
    pub(super) fn size(&self) -> Size {
        size().unwrap_or(Size { rows: 23, columns: 80 })
    }

    /// Shows these lines and nothing else.
    #[expect(clippy::unused_self, reason = "only who has it may draw on it")]
    pub(super) fn draw(&self, lines: &[String]) {
        let mut text = String::from(HOME);
        for line in lines {
            text.push_str(line);
            text.push_str(CLEAR_LINE);
            text.push_str("\r\n");
        }
        text.push_str(CLEAR_REST);
        write(&text);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        write(FIRST_SCREEN);
    }
}

/// Of stdout, without the row the cursor waits in.
fn size() -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    let (rows, columns) = (usize::from(size.ws_row), usize::from(size.ws_col));
    (rows > 1 && columns > 0).then_some(Size { rows: rows - 1, columns })
}

/// Shows what is under way, until the next line is written over it. Nothing where stdout is no
/// terminal.
pub(super) fn passing(text: &str) {
    if size().is_some() {
        write(&format!("{CLEAR_LINE}{text}\r"));
    }
}

fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // A terminal that has gone away has nobody left to see it.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Whether the board is coloured.
pub(super) fn is_coloured() -> bool {
    out::stdout_is_coloured()
}
