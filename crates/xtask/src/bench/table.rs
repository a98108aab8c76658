//! The table that is printed: CPU time per request, ratios, and the ratios aimed at.

use std::fmt::Write as _;

use super::proxy::Kind;
use super::scenario::Scenario;

/// One scenario's result.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) scenario: &'a Scenario,
    /// Microseconds per request of each proxy that took part.
    pub(super) medians: Vec<(Kind, f64)>,
}

/// The first two lines.
pub(super) fn head() -> String {
    let columns = "| name | scenario | evenkeel | nginx | haproxy | to nginx | to haproxy |";
    format!("\n{columns}\n|---|---|---|---|---|---|---|")
}

/// One line; a missing proxy leaves its cells empty, a missed target is marked.
pub(super) fn line(row: &Row<'_>) -> String {
    let of = |wanted| row.medians.iter().find(|(kind, _)| *kind == wanted).map(|(_, it)| *it);
    let ours = of(Kind::Evenkeel);
    let mut line = format!("| {} | {} |", row.scenario.name, row.scenario.title);
    for kind in [Kind::Evenkeel, Kind::Nginx, Kind::Haproxy] {
        push(&mut line, of(kind).map(|it| format!("{it:.2}")));
    }
    let (nginx, haproxy) = row.scenario.targets.unzip();
    for (peer, target) in [(Kind::Nginx, nginx), (Kind::Haproxy, haproxy)] {
        let ratio = ours.zip(of(peer)).map(|(ours, theirs)| ours / theirs);
        push(&mut line, ratio.map(|ratio| against(ratio, target)));
    }
    line
}

/// The middle one; of an even number, the mean of the middle two. Zero for none.
pub(super) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match (samples.get(middle), samples.len() % 2) {
        (None, _) => 0.0,
        (Some(one), 1) => *one,
        (Some(upper), _) => f64::midpoint(samples[middle - 1], *upper),
    }
}

fn against(ratio: f64, target: Option<f64>) -> String {
    match target {
        Some(target) if ratio > target => format!("{ratio:.2} (> {target:.2})"),
        Some(target) => format!("{ratio:.2} (≤ {target:.2})"),
        None => format!("{ratio:.2}"),
    }
}

fn push(line: &mut String, cell: Option<String>) {
    write!(line, " {} |", cell.unwrap_or_default()).expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::super::scenario::SCENARIOS;
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&mut []).to_bits(), 0.0_f64.to_bits());
        for (samples, expected) in
            [(vec![3.0], 3.0), (vec![9.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0], 2.5)]
        {
            let mut samples: Vec<f64> = samples;
            assert_eq!(median(&mut samples).to_bits(), f64::to_bits(expected));
        }
    }

    #[test]
    fn a_line_has_ratios_and_marks_what_is_missed() {
        let medians = vec![(Kind::Evenkeel, 9.0), (Kind::Nginx, 10.0), (Kind::Haproxy, 15.0)];
        let line = line(&Row { scenario: &SCENARIOS[0], medians });
        assert_eq!(
            line,
            "| keep-alive | http, keep-alive, 100 B | 9.00 | 10.00 | 15.00 | 0.90 (> 0.88) | 0.60 (≤ 0.75) |"
        );
    }

    #[test]
    fn a_missing_proxy_leaves_its_cells_empty() {
        let line = line(&Row { scenario: &SCENARIOS[0], medians: vec![(Kind::Nginx, 10.0)] });
        assert!(line.ends_with("100 B |  | 10.00 |  |  |  |"), "{line}");
    }
}
