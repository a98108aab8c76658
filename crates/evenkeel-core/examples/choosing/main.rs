//! Measures every algorithm and draws what it found: the tables of `docs/choosing.md` on stdout, its
//! pictures in the folder that is named.
//!
//! ```text
//! cargo run -p evenkeel-core --example choosing -- docs/pictures
//! ```
//!
//! Everything is counted in virtual time and from fixed numbers: two runs give the same bytes.

mod bench;
mod picture;
mod places;
mod race;

use std::io::{self, Write};
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

use bench::Table;
use picture::Chart;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let mut out = io::stdout().lock();
    for (table, chart) in parts() {
        if let Some(table) = table {
            writeln!(out, "{table}")?;
        }
        if let Some(folder) = &folder {
            std::fs::write(folder.join(file(&chart)), chart.to_string())?;
        }
    }
    Ok(())
}

/// What is measured, in the order of the document.
fn parts() -> Vec<(Option<Table>, Chart)> {
    let told = [places::spread, race::slow, race::failing, places::leaving, places::zones];
    let mut parts: Vec<_> =
        told.into_iter().map(|part| part()).map(|(table, chart)| (Some(table), chart)).collect();
    parts.push((None, places::warming()));
    parts
}

fn file(chart: &Chart) -> String {
    format!("choosing-{}.svg", chart.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_tells_what_is_measured() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let text = std::fs::read_to_string(docs.join("choosing.md")).unwrap();
        for (table, chart) in parts() {
            if let Some(table) = table {
                assert!(text.contains(&table.to_string()), "docs/choosing.md lacks:\n{table}");
            }
            let drawn = std::fs::read_to_string(docs.join("pictures").join(file(&chart)));
            assert!(drawn.is_ok_and(|drawn| drawn == chart.to_string()), "{} is old", file(&chart));
        }
    }
}
