//! The comparison as a person reads it in a terminal.

use super::super::report::{Latency, Point, Report, share};
use super::super::text::{count, failed, remarks, time};
use super::verdict::{Comparison, Loss, most};
use crate::cli::table::{Cell, Colour, Screen, cell, plain, table};

pub(super) fn comparison(comparison: &Comparison, screen: Screen) -> String {
    let Comparison { one, two, loss, .. } = comparison;
    let mut parts = vec![side_by_side(one, two.as_ref(), screen)];
    parts.extend(loss.as_ref().map(|loss| before_and_after(loss, screen)));
    parts.push(sentences(comparison).join("\n"));
    for report in [Some(one), two.as_ref(), loss.as_ref().map(|loss| &loss.report)] {
        // That connections run short is what a server at its limit looks like.
        let told = report.into_iter().filter(|report| report.client_limit.is_some());
        parts.extend(told.flat_map(remarks));
    }
    parts.join("\n\n")
}

fn side_by_side(one: &Report, two: Option<&Report>, screen: Screen) -> String {
    let empty: &[Point] = &[];
    let two = two.map_or(empty, |two| &two.levels);
    let longest = one.levels.len().max(two.len());
    let row = |index: usize| {
        let offered = one.levels.get(index).map_or(0.0, |level| level.offered_per_second);
        let [good, p50, p99, failed] = figures(one.levels.get(index));
        let left = [plain(count(offered)), good, p50, p99, failed];
        let [good, p50, p99, failed] = figures(two.get(index));
        left.into_iter().chain([good, p50, p99, failed])
    };
    let rows = (0..longest).map(|index| {
        let mut cells = row(index);
        std::array::from_fn(|_| cells.next().expect("five and four are nine"))
    });
    let rows: Vec<[Cell; 9]> = rows.collect();
    let heading =
        ["OFFERED/S", "ONE: GOOD/S", "P50", "P99", "FAILED", "TWO: GOOD/S", "P50", "P99", "FAILED"];
    table(heading, &rows, screen)
}

fn figures(point: Option<&Point>) -> [Cell; 4] {
    let Some(point) = point else { return ["", "", "", ""].map(plain) };
    let of = |latency: fn(&Latency) -> f64| {
        plain(point.latency_seconds.as_ref().map_or_else(|| "-".to_owned(), |it| time(latency(it))))
    };
    let failed = if point.failed == 0 {
        cell("none", Colour::Green)
    } else {
        cell(format!("{:.1} %", share(point.failed, point.requests) * 100.0), Colour::Red)
    };
    [plain(count(point.good_per_second)), of(|it| it.p50), of(|it| it.p99), failed]
}

fn before_and_after(loss: &Loss, screen: Screen) -> String {
    let Loss { how, before, after, .. } = loss;
    let row = |name: &str, point: &Point| {
        let [good, p50, p99, _] = figures(Some(point));
        let most = point.latency_seconds.map_or_else(|| "-".to_owned(), |it| time(it.max));
        let offered = plain(count(point.offered_per_second));
        [plain(name), offered, good, p50, p99, plain(most), failed(point)]
    };
    let heading = ["ONE OF TWO", "OFFERED/S", "GOOD/S", "P50", "P99", "MAX", "FAILED"];
    table(heading, &[row("before", before), row(how, after)], screen)
}

/// What it comes to.
pub(super) fn sentences(comparison: &Comparison) -> Vec<String> {
    let Comparison { one, two, efficiency, two_kept_up, loss } = comparison;
    let mut sentences = Vec::new();
    if let Some(two) = two {
        let (alone, together) = (most(one), most(two));
        sentences.push(match efficiency {
            Some(efficiency) => format!(
                "One server answers {} requests a second, two answer {}{}: a scaling efficiency of \
                 {}{:.0} %.",
                count(alone),
                if *two_kept_up { "at least " } else { "" },
                count(together),
                if *two_kept_up { "at least " } else { "" },
                efficiency * 100.0
            ),
            None => {
                "One server kept up with all that was offered: raise the second number of --rate \
                     to see what two are worth."
                    .to_owned()
            }
        });
    }
    if let Some(Loss { how, after, report, .. }) = loss {
        let failed = match report.total.failed {
            0 => "no request failed".to_owned(),
            failed => {
                format!(
                    "{} of {} requests failed",
                    count(failed.into()),
                    count(report.total.requests.into())
                )
            }
        };
        let longest = after.latency_seconds.map_or_else(String::new, |latency| {
            format!(", and none took longer than {}", time(latency.max))
        });
        sentences.push(format!(
            "When one of two was {how}, at {} requests a second, {failed}{longest}.",
            count(after.offered_per_second)
        ));
    }
    sentences
}
