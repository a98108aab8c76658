//! Tables for people: columns as wide as their widest cell, the last one broken at the edge.

use std::fmt::{Display, Write as _};

use super::out;

/// A last column that has less than this is not broken: the terminal does it as well.
const LEAST_LAST_COLUMN: usize = 20;

/// How a cell is shown on a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Colour {
    #[default]
    Plain,
    Bold,
    Green,
    Yellow,
    Red,
}

impl Colour {
    /// SGR parameters (ECMA-48).
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Bold => "1",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
        }
    }
}

/// What a table is shown on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Screen {
    pub(crate) coloured: bool,
    /// In columns. `None`: lines have no end.
    pub(crate) width: Option<usize>,
}

impl Screen {
    pub(crate) fn of_stdout() -> Self {
        Self { coloured: out::stdout_is_coloured(), width: out::stdout_width() }
    }
}

/// A word in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) colour: Colour,
}

/// A cell; what could move a terminal's cursor is taken out.
pub(crate) fn cell(text: impl Display, colour: Colour) -> Cell {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    Cell { text: text.to_string().chars().map(visible).collect(), colour }
}

pub(crate) fn plain(text: impl Display) -> Cell {
    cell(text, Colour::Plain)
}

impl Cell {
    fn width(&self) -> usize {
        self.text.chars().count()
    }

    /// As it is shown alone.
    pub(crate) fn shown(&self, screen: Screen) -> String {
        paint(&self.text, self.colour, screen.coloured)
    }
}

fn paint(text: &str, colour: Colour, coloured: bool) -> String {
    if coloured && colour != Colour::Plain {
        format!("\u{1b}[{}m{text}\u{1b}[0m", colour.code())
    } else {
        text.to_owned()
    }
}

/// Rows under a heading, in aligned columns.
pub(crate) fn table<const N: usize>(
    heading: [&str; N],
    rows: &[[Cell; N]],
    screen: Screen,
) -> String {
    let mut all = vec![heading.map(|word| cell(word, Colour::Bold))];
    all.extend_from_slice(rows);
    columns(&all, screen)
}

/// Rows in aligned columns.
pub(crate) fn columns<const N: usize>(rows: &[[Cell; N]], screen: Screen) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    let lines: Vec<_> = rows.iter().map(|row| line(row, &widths, screen)).collect();
    lines.join("\n")
}

fn line(row: &[Cell], widths: &[usize], screen: Screen) -> String {
    const GAP: usize = 2;
    let Some((last, others)) = row.split_last() else { return String::new() };
    let mut line = String::new();
    for (cell, width) in others.iter().zip(widths) {
        let gap = width - cell.width() + GAP;
        write!(line, "{}{:gap$}", cell.shown(screen), "").expect("strings grow");
    }
    let indent = widths[..others.len()].iter().map(|width| width + GAP).sum();
    let room = screen.width.map(|width| width.saturating_sub(indent));
    let parts = match room.filter(|room| *room >= LEAST_LAST_COLUMN) {
        Some(room) => broken(&last.text, room),
        None => vec![last.text.clone()],
    };
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            write!(line, "\n{:indent$}", "").expect("strings grow");
        }
        line.push_str(&paint(part, last.colour, screen.coloured));
    }
    line.trim_end().to_owned()
}

/// Sentences broken at the edge. A line that is indented, as proofs are, goes on `hang` columns from
/// the left.
pub(crate) fn folded(text: &str, hang: usize, screen: Screen) -> String {
    let Some(width) = screen.width.filter(|width| *width >= hang + LEAST_LAST_COLUMN) else {
        return text.to_owned();
    };
    let fold = |line: &str| {
        let hang = if line.starts_with(' ') { hang } else { 0 };
        // What stands in the indent of the first line is no reason to break it.
        let (start, rest) = line.split_at_checked(hang).unwrap_or((line, ""));
        start.to_owned() + &broken(rest, width - hang).join(&format!("\n{:hang$}", ""))
    };
    text.lines().map(fold).collect::<Vec<_>>().join("\n")
}

/// In lines of at most `room` characters, if no word is longer.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the start on");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= room {
            write!(line, " {word}").expect("strings grow");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Screen = Screen { coloured: false, width: None };

    #[test]
    fn columns_are_aligned() {
        let rows = [[plain("a"), plain("long")], [plain("wide"), cell("b\u{1b}[2J", Colour::Red)]];
        assert_eq!(table(["X", "Y"], &rows, FILE), "X     Y\na     long\nwide  b [2J");
        let screen = Screen { coloured: true, ..FILE };
        assert!(table(["X", "Y"], &rows, screen).contains("\u{1b}[31mb [2J\u{1b}[0m"));
    }

    #[test]
    fn sentences_end_at_the_edge_and_proofs_go_on_below_themselves() {
        let text =
            "4 of them: no server may be used (SC).\n  12:03:11  server-down app/a: timed out";
        let screen = Screen { width: Some(32), ..FILE };
        let expected = "4 of them: no server may be used\n(SC).\n  12:03:11  server-down app/a:\n            \
                        timed out";
        assert_eq!(folded(text, 12, screen), expected);
        assert_eq!(folded(text, 12, FILE), text);
    }

    #[test]
    fn the_last_column_ends_at_the_edge() {
        let why = "3 of 3 checks failed: connection refused";
        let rows = [[plain("app"), plain(why)], [plain(""), plain("unbreakable".repeat(3))]];
        let shown = |width| columns(&rows, Screen { width: Some(width), ..FILE });
        let expected = "app  3 of 3 checks failed:\n     connection refused\n     \
                        unbreakableunbreakableunbreakable";
        assert_eq!(shown(30), expected);
        assert!(shown(24).starts_with(&format!("app  {why}\n")), "too narrow to be broken");
    }
}
