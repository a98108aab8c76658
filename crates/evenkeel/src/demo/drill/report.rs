//! What came of a drill: as a document, and as lines for a terminal.

use serde::Serialize;

use super::figures::{Figures, Total};
use super::plan::Limit;
use super::record::{BUCKET_MS, Bucket};
use crate::demo::board::grouped;

/// A step that was carried out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Done {
    pub(super) name: String,
    /// From the beginning of the drill.
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    #[serde(flatten)]
    pub(super) figures: Figures,
    pub(super) limit: Limits,
    /// What is over the limit, or was not done.
    pub(super) faults: Vec<String>,
}

/// A limit, as the document has it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Limits {
    users_gap_ms: u64,
    devices_gap_ms: u64,
    /// Absent: as many as fit into the wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
}

impl From<Limit> for Limits {
    fn from(Limit { users_ms, devices_ms, failed }: Limit) -> Self {
        Self { users_gap_ms: users_ms, devices_gap_ms: devices_ms, failed }
    }
}

/// The whole drill.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// Nothing acknowledged is missing, nothing is doubled, every step is within its limit.
    pub(super) passed: bool,
    pub(super) seconds: f64,
    pub(super) steps: Vec<Done>,
    pub(super) total: Total,
    /// What is wrong with the drill as a whole.
    pub(super) faults: Vec<String>,
    pub(super) bucket_ms: u64,
    pub(super) timeline: Vec<Bucket>,
}

impl Report {
    pub(super) fn new(
        steps: Vec<Done>,
        (total, faults): (Total, Vec<String>),
        (end_ms, timeline): (u64, Vec<Bucket>),
    ) -> Self {
        Self {
            passed: faults.is_empty() && steps.iter().all(|step| step.faults.is_empty()),
            seconds: f64::from(u32::try_from(end_ms).unwrap_or(u32::MAX)) / 1_000.0,
            steps,
            total,
            faults,
            bucket_ms: BUCKET_MS,
            timeline,
        }
    }

    /// All of it in a sentence.
    pub(super) fn verdict(&self) -> String {
        let word = if self.passed { "passed" } else { "failed" };
        format!("{word}: {}", self.counts())
    }

    /// What became of the readings.
    pub(super) fn counts(&self) -> String {
        let Total { sent, acknowledged, stored, lost, doubled, .. } = self.total;
        let [sent, acknowledged, stored] = [sent, acknowledged, stored].map(grouped);
        let counts = format!("{sent} readings sent, {acknowledged} acknowledged, {stored} stored");
        format!("{counts}, {lost} lost, {doubled} stored twice, in {:.0} s", self.seconds)
    }
}

/// Above the lines of the steps.
pub(super) fn heading() -> String {
    format!(
        "{:20} {:>15}\n{:20} {:>7} {:>7} {:>6} {:>5} {:>6} {:>6} {:>5} {:>5}",
        "",
        "longest wait, ms",
        "step",
        "users",
        "devices",
        "failed",
        "sent",
        "acked",
        "stored",
        "lost",
        "twice"
    )
}

/// A step in a line, and what is wrong with it below.
pub(super) fn line(done: &Done) -> String {
    let Figures { users_gap_ms, devices_gap_ms, failed, sent, acknowledged, stored, .. } =
        done.figures;
    let verdict = if done.faults.is_empty() { "ok" } else { "FAILED" };
    let mut line = format!(
        "{:20} {users_gap_ms:>7} {devices_gap_ms:>7} {failed:>6} {sent:>5} {acknowledged:>6} \
         {stored:>6} {:>5} {:>5} {verdict}",
        done.name, done.figures.lost, done.figures.doubled
    );
    for fault in &done.faults {
        line.push_str("\n    ");
        line.push_str(fault);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, faults: &[&str]) -> Done {
        let limit = Limit { users_ms: 1_500, devices_ms: 2_000, failed: Some(0) };
        Done {
            name: name.to_owned(),
            from_ms: 2_000,
            to_ms: 8_000,
            figures: Figures { users_gap_ms: 40, acknowledged: 300, ..Figures::default() },
            limit: limit.into(),
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
        }
    }

    fn report(steps: Vec<Done>, faults: Vec<String>) -> Report {
        Report::new(steps, (Total::default(), faults), (61_400, Vec::new()))
    }

    #[test]
    fn one_fault_fails_it_all() {
        let good = step("a", &[]);
        assert!(report(vec![good.clone()], Vec::new()).passed);
        assert!(!report(vec![good.clone(), step("b", &["x"])], Vec::new()).passed);
        let lost = report(vec![good], vec!["lost".to_owned()]);
        assert!(!lost.passed);
        let words =
            "failed: 0 readings sent, 0 acknowledged, 0 stored, 0 lost, 0 stored twice, in 61 s";
        assert_eq!(lost.verdict(), words);
    }

    #[test]
    fn a_line_fits_a_terminal_and_says_what_is_wrong() {
        let text = heading() + "\n" + &line(&step("cs0 stopped, started", &["too long"]));
        for line in text.lines() {
            assert!(line.chars().count() <= 82, "{line}");
        }
        assert!(text.ends_with("FAILED\n    too long"), "{text}");
    }
}
