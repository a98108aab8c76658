//! One line for each fault.

use evenkeel_sim::load::{Failures, Report};

use crate::matrix::Row;
use crate::trial::{Trial, Tried};

/// What came of a fault.
#[derive(Debug)]
pub(crate) enum Outcome {
    Tried {
        report: Report,
        /// POSTs that reached the servers more than once.
        repeated: usize,
        /// GETs that did.
        repeats: usize,
        /// Every promise that was not kept.
        broken: Vec<String>,
    },
    Skipped(String),
}

/// What the columns are.
pub(crate) fn heading() -> String {
    format!(
        "{:20} {:>6} {:>6} {:>22} {:>22} {:>7} {:>7} {:>8} {:>8} {:>8}  verdict",
        "fault",
        "sent",
        "ok",
        "GET failed",
        "POST failed",
        "corrupt",
        "repeats",
        "POST x2",
        "p99 ms",
        "max ms"
    )
}

/// What came of one fault.
pub(crate) fn line(row: &Row, outcome: &Outcome) -> String {
    let (report, repeated, repeats, broken) = match outcome {
        Outcome::Skipped(why) => return format!("SKIPPED: {}: {why}", row.name),
        Outcome::Tried { report, repeated, repeats, broken } => (report, repeated, repeats, broken),
    };
    let Report { sent, ok, failed_gets, failed_posts, corrupt, .. } = report;
    let (gets, posts) = (kinds(failed_gets), kinds(failed_posts));
    let (p99, max) = (report.per_mille(990).as_millis(), report.per_mille(1000).as_millis());
    let verdict = match broken.as_slice() {
        [] => format!("ok: {}", row.promise),
        broken => format!("BROKEN: {}: {}", row.promise, broken.join("; ")),
    };
    format!(
        "{:20} {sent:>6} {ok:>6} {gets:>22} {posts:>22} {corrupt:>7} {repeats:>7} {repeated:>8} \
         {p99:>8} {max:>8}  {verdict}",
        row.name
    )
}

/// What came of a fault on a ground of its own.
pub(crate) fn trial_line(row: &Trial, tried: &Tried) -> String {
    let Trial { name, promise, .. } = row;
    match tried {
        Err(why) => format!("SKIPPED: {name}: {why}"),
        Ok((measured, broken)) if broken.is_empty() => {
            format!("{name:20} {measured}  ok: {promise}")
        }
        Ok((measured, broken)) => {
            format!("{name:20} {measured}  BROKEN: {promise}: {}", broken.join("; "))
        }
    }
}

fn kinds(failures: &Failures) -> String {
    let kinds = failures.iter().map(|(kind, count)| format!("{count}×{kind}"));
    let text = kinds.collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0".to_owned() } else { text }
}
