//! Drills in a status.

use std::time::SystemTime;

use evenkeel_api::{Drill, DrillRecord, DrillStage, Drills};

use super::ago;
use crate::cli::table::{Cell, Colour, Screen, cell, plain, table};

/// A table of them; empty before the first.
pub(super) fn in_words(drills: &Drills, now: SystemTime, screen: Screen) -> String {
    let Drills { under_way, records } = drills;
    let rows: Vec<_> = under_way
        .iter()
        .map(|drill| running(drill, now))
        .chain(records.iter().map(|record| row(record, now)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    table(["DRILL", "STATE", "SINCE", "LAST PASSED", "WHY"], &rows, screen)
}

fn running(drill: &Drill, now: SystemTime) -> [Cell; 5] {
    let state = match drill.stage {
        DrillStage::Begun => cell("begins", Colour::Yellow),
        DrillStage::Away => cell("away", Colour::Yellow),
        DrillStage::Back => cell("put back", Colour::Yellow),
    };
    let by = match drill.author.as_str() {
        "" => drill.reason.clone(),
        author if drill.reason.is_empty() => format!("by {author}"),
        author => format!("{} (by {author})", drill.reason),
    };
    [plain(&drill.object), state, plain(ago(drill.since.age(now))), plain("-"), plain(by)]
}

fn row(record: &DrillRecord, now: SystemTime) -> [Cell; 5] {
    let state =
        if record.passed { cell("passed", Colour::Green) } else { cell("aborted", Colour::Red) };
    let passed = record
        .last_success
        .map_or_else(|| "never".to_owned(), |passed| format!("{} ago", ago(passed.age(now))));
    [
        plain(&record.object),
        state,
        plain(ago(record.ended.age(now))),
        plain(passed),
        plain(&record.message),
    ]
}
