//! What came of a drill, for people and for programs.

use std::time::Duration;

use evenkeel_api::{DrillKind, Timestamp};
use serde::Serialize;

use super::args::Rails;
use super::conduct::Done;
use super::course::Stage;
use super::record::{BUCKET, Bucket, Figures, milliseconds};
use crate::bench::text::time;

/// The whole of it. Times are milliseconds since it began, unless they are dates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Report {
    pub(super) kind: DrillKind,
    pub(super) object: String,
    pub(super) node: String,
    /// What was done, in words.
    pub(super) what: String,
    pub(super) began: Timestamp,
    pub(super) took_ms: u64,
    pub(super) passed: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<String>,
    pub(super) stages: Vec<Span>,
    /// The longest time without a good probe, and the longest there may be.
    pub(super) gap_ms: u64,
    pub(super) max_gap_ms: u64,
    pub(super) probe_every_ms: u64,
    pub(super) max_failed: u64,
    pub(super) probes: Vec<Figures>,
    /// Requests of real clients, all the time.
    pub(super) requests: u64,
    /// Of these, failed since something was touched.
    pub(super) errors: u64,
    pub(super) max_errors: u64,
    /// Who had the virtual address, and from when on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) owners: Vec<Owner>,
    pub(super) bucket_ms: u64,
    pub(super) timeline: Vec<Bucket>,
}

/// A stage from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Span {
    pub(super) stage: Stage,
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
}

/// Who has a virtual address from a moment on, as the node knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Owner {
    pub(super) at_ms: u64,
    pub(super) owner: String,
}

/// What was to be drilled, and how.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) kind: DrillKind,
    pub(super) object: String,
    pub(super) node: String,
    pub(super) what: String,
    pub(super) began: Timestamp,
    pub(super) probes: Vec<String>,
    pub(super) every: Duration,
    pub(super) rails: Rails,
}

impl Report {
    pub(super) fn new(subject: Subject, done: Done) -> Self {
        let Subject { kind, object, node, what, began, probes, every, rails } = subject;
        let Done { fault, stages, record, gap, took, requests, errors, owners } = done;
        let ends = stages.iter().skip(1).map(|(_, at)| *at).chain([took]);
        let spans = stages.iter().zip(ends).filter(|((stage, _), _)| *stage != Stage::Over);
        let spans = spans.map(|(&(stage, from), to)| Span {
            stage,
            from_ms: milliseconds(from),
            to_ms: milliseconds(to),
        });
        Self {
            kind,
            object,
            node,
            what,
            began,
            took_ms: milliseconds(took),
            passed: fault.is_none(),
            fault,
            stages: spans.collect(),
            gap_ms: milliseconds(gap),
            max_gap_ms: milliseconds(rails.gap),
            probe_every_ms: milliseconds(every),
            max_failed: rails.failed,
            probes: record.figures(&probes, took),
            requests,
            errors,
            max_errors: rails.errors,
            owners,
            bucket_ms: milliseconds(BUCKET),
            timeline: record.into_buckets(),
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.probes.iter().map(|it| it.failed).sum()
    }

    pub(super) fn good(&self) -> u64 {
        self.probes.iter().map(|it| it.good).sum()
    }

    /// In one line.
    pub(super) fn verdict(&self) -> String {
        match &self.fault {
            None => "PASSED: everything stayed within its limits, and is as it was".to_owned(),
            Some(fault) => format!("ABORTED: {fault}"),
        }
    }

    /// How long a stage lasted, if it came to it.
    pub(super) fn lasted(&self, stage: Stage) -> Option<u64> {
        let span = self.stages.iter().find(|span| span.stage == stage)?;
        Some(span.to_ms - span.from_ms)
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let Self { requests, errors, max_errors, max_failed, .. } = self;
        let (good, failed) = (self.good(), self.failed());
        let mut lines = vec![
            format!("drill of {} on {}: {}", self.object, self.node, self.what),
            format!(
                "probes   {good} good, {failed} failed ({max_failed} may), one each {}",
                spell(self.probe_every_ms)
            ),
            format!(
                "gap      {} at most without a good probe ({} may be)",
                spell(self.gap_ms),
                spell(self.max_gap_ms)
            ),
            format!("clients  {requests} requests, {errors} failed meanwhile ({max_errors} may)"),
        ];
        let stages = [
            (Stage::Leaving, "until it was away"),
            (Stage::Away, "away"),
            (Stage::Returning, "until it was back"),
        ];
        let lasted = stages
            .iter()
            .filter_map(|&(stage, words)| Some(format!("{} {words}", spell(self.lasted(stage)?))));
        let lasted: Vec<String> = lasted.collect();
        if !lasted.is_empty() {
            lines.push(format!("times    {}", lasted.join(", ")));
        }
        if !self.owners.is_empty() {
            let owner = |it: &Owner| format!("{} from {}", it.owner, spell(it.at_ms));
            let owners: Vec<String> = self.owners.iter().map(owner).collect();
            lines.push(format!("owner    {}", owners.join(", ")));
        }
        for probe in &self.probes {
            let Figures { probe, good, failed, gap_ms, slowest_ms, last_fault } = probe;
            let fault = last_fault.as_ref().map_or_else(String::new, |it| format!("; last: {it}"));
            lines.push(format!(
                "  {probe}: {good} good, {failed} failed, gap {}, slowest {}{fault}",
                spell(*gap_ms),
                spell(*slowest_ms)
            ));
        }
        lines.push(self.verdict());
        lines.join("\n")
    }
}

/// A time as people say it.
pub(super) fn spell(milliseconds: u64) -> String {
    time(Duration::from_millis(milliseconds).as_secs_f64())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::drill::record::{Probe, Record};

    /// A drill of a server that was broken off.
    pub(in crate::drill) fn report(fault: Option<&str>) -> Report {
        let mut record = Record::new(1);
        for (at, fault) in [(100, None), (300, Some("answered 503")), (700, None)] {
            record.note(Probe {
                target: 0,
                at: Duration::from_millis(at),
                took: Duration::from_millis(4),
                fault: fault.map(str::to_owned),
            });
        }
        let at = Duration::from_millis;
        let rails = Rails { failed: 3, errors: 10, gap: Duration::from_secs(5) };
        let subject = Subject {
            kind: DrillKind::Server,
            object: "app/<a>".to_owned(),
            node: "lb0".to_owned(),
            what: "drain for 10 s".to_owned(),
            began: Timestamp(std::time::SystemTime::UNIX_EPOCH),
            probes: vec!["http://127.0.0.1/".to_owned()],
            every: Duration::from_millis(200),
            rails,
        };
        let done = Done {
            fault: fault.map(str::to_owned),
            stages: vec![
                (Stage::Before, at(0)),
                (Stage::Leaving, at(100)),
                (Stage::Away, at(150)),
                (Stage::Returning, at(600)),
                (Stage::After, at(650)),
                (Stage::Over, at(800)),
            ],
            record,
            gap: at(600),
            took: at(800),
            requests: 1_200,
            errors: 0,
            owners: vec![Owner { at_ms: 0, owner: "192.0.2.1".to_owned() }],
        };
        Report::new(subject, done)
    }

    #[test]
    fn a_report_reads_well() {
        let expected = "drill of app/<a> on lb0: drain for 10 s\n\
            probes   2 good, 1 failed (3 may), one each 200 ms\n\
            gap      600 ms at most without a good probe (5.00 s may be)\n\
            clients  1200 requests, 0 failed meanwhile (10 may)\n\
            times    50.0 ms until it was away, 450 ms away, 50.0 ms until it was back\n\
            owner    192.0.2.1 from 0 µs\n  \
            http://127.0.0.1/: 2 good, 1 failed, gap 600 ms, slowest 4.00 ms; last: answered 503\n\
            PASSED: everything stayed within its limits, and is as it was";
        assert_eq!(report(None).text(), expected);
        assert!(report(Some("stopped")).text().ends_with("ABORTED: stopped"));
    }

    #[test]
    fn programs_read_the_same() {
        let json = serde_json::to_value(report(Some("stopped"))).expect("plain values");
        assert_eq!(json["kind"], "server");
        assert_eq!(json["stages"][2]["stage"], "away");
        assert_eq!((&json["passed"], &json["fault"]), (&false.into(), &"stopped".into()));
        assert_eq!(json["timeline"][1]["failed"], 1);
    }
}
