//! Tables for people: columns as wide as their widest cell.

use std::fmt::{Display, Write as _};

/// How a cell is shown on a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Colour {
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

/// A word in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    colour: Colour,
}

/// A cell; what could move a terminal's cursor is taken out.
pub(super) fn cell(text: impl Display, colour: Colour) -> Cell {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    Cell { text: text.to_string().chars().map(visible).collect(), colour }
}

pub(super) fn plain(text: impl Display) -> Cell {
    cell(text, Colour::Plain)
}

/// Rows under a heading, in aligned columns.
pub(super) fn table<const N: usize>(
    heading: [&str; N],
    rows: &[[Cell; N]],
    coloured: bool,
) -> String {
    let heading = heading.map(|word| cell(word, Colour::Bold));
    let mut widths = [0; N];
    for row in std::iter::once(&heading).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.text.chars().count().max(*width);
        }
    }
    let lines = std::iter::once(&heading).chain(rows).map(|row| line(row, &widths, coloured));
    lines.collect::<Vec<_>>().join("\n")
}

fn line(row: &[Cell], widths: &[usize], coloured: bool) -> String {
    let mut line = String::new();
    for (index, (Cell { text, colour }, width)) in row.iter().zip(widths).enumerate() {
        let gap = if index + 1 == row.len() { 0 } else { width - text.chars().count() + 2 };
        if coloured && *colour != Colour::Plain {
            write!(line, "\u{1b}[{}m{text}\u{1b}[0m", colour.code()).expect("strings grow");
        } else {
            line.push_str(text);
        }
        line.push_str(&" ".repeat(gap));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [[plain("a"), plain("long")], [plain("wide"), cell("b\u{1b}[2J", Colour::Red)]];
        assert_eq!(table(["X", "Y"], &rows, false), "X     Y\na     long\nwide  b [2J");
        assert!(table(["X", "Y"], &rows, true).contains("\u{1b}[31mb [2J\u{1b}[0m"));
    }
}
