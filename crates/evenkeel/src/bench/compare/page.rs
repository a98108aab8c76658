//! The comparison as a page.

use super::super::page::chart::{Chart, Line, Scale};
use super::super::page::{
    Column, FIRST, OFFERED, SECOND, THIRD, details, document, figures_table, line, percent,
    remarks, section,
};
use super::super::report::{Point, Report, share};
use super::super::text::{count, time};
use super::text::sentences;
use super::verdict::{Comparison, Loss, most};
use crate::page::{elements, figures_of};

pub(super) fn comparison(comparison: &Comparison) -> String {
    let Comparison { one, two, efficiency, two_kept_up, loss } = comparison;
    let per_second = |report: &Report| format!("{} a second", count(most(report)));
    let unknown = || "not found".to_owned();
    let at_least = if *two_kept_up { "≥ " } else { "" };
    let figures = [
        ("one server", per_second(one)),
        ("two servers", two.as_ref().map_or_else(unknown, per_second)),
        (
            "scaling efficiency",
            efficiency.map_or_else(unknown, |it| format!("{at_least}{:.0} %", it * 100.0)),
        ),
        (
            "failed when one was lost",
            loss.as_ref().map_or_else(unknown, |it| count(it.report.total.failed.into())),
        ),
    ];
    let mut body = figures_of(&figures) + &elements("p", "p", &sentences(comparison));
    body += &section("One against two", &one_against_two(one, two.as_ref()));
    body += &details("One server, in figures", &figures_table(&one.levels, Column::Rate));
    if let Some(two) = two {
        body += &details("Two servers, in figures", &figures_table(&two.levels, Column::Rate));
    }
    if let Some(loss) = loss {
        let title = format!("Two, of which one is {} half-way", loss.how);
        body += &section(&title, &one_is_lost(loss));
        let table = figures_table(&loss.report.timeline, Column::Time);
        body += &details("The figures of these", &table);
    }
    let reports = [Some(one), two.as_ref(), loss.as_ref().map(|loss| &loss.report)];
    let told = reports.into_iter().flatten().filter(|report| report.client_limit.is_some());
    body.extend(told.map(remarks));
    document("One server against two", &format!("{} {}", one.method, one.url), &body)
}

fn one_against_two(one: &Report, two: Option<&Report>) -> String {
    let rate = |point: &Point| point.offered_per_second;
    let both = |of: fn(&Point) -> Option<f64>| -> Vec<Line> {
        let one = line("one", SECOND, &one.levels, rate, of);
        let two = two.map(|two| line("two", FIRST, &two.levels, rate, of));
        two.into_iter().chain([one]).collect()
    };
    let mut throughput = both(|it| Some(it.good_per_second));
    let widest = two.unwrap_or(one);
    throughput.insert(
        0,
        line("offered", OFFERED, &widest.levels, rate, |it| Some(it.offered_per_second)).dashed(),
    );
    let p99 = both(|it| it.latency_seconds.map(|it| it.p99));
    let failed = both(|it| Some(share(it.failed, it.requests) * 100.0));
    let chart = |title, scale, y_format, lines| {
        let x_label = "requests a second offered";
        Chart { title, x_label, scale, y_format, lines, marks: &[] }.svg()
    };
    [
        chart("Throughput", Scale::Linear, count, &throughput),
        chart("99 of 100 within", Scale::Logarithmic, time, &p99),
        chart("Failed", Scale::Linear, percent, &failed),
    ]
    .concat()
}

fn one_is_lost(loss: &Loss) -> String {
    let points = &loss.report.timeline;
    let middle = |point: &Point| point.start_seconds + point.seconds / 2.0;
    let throughput = [
        line("offered", OFFERED, points, middle, |it| Some(it.offered_per_second)).dashed(),
        line("good", FIRST, points, middle, |it| Some(it.good_per_second)),
    ];
    let latency = [
        line("p99", SECOND, points, middle, |it| it.latency_seconds.map(|it| it.p99)),
        line("p50", FIRST, points, middle, |it| it.latency_seconds.map(|it| it.p50)),
    ];
    let failed =
        [line("failed", THIRD, points, middle, |it| Some(share(it.failed, it.requests) * 100.0))];
    let marks = [(loss.after.start_seconds, loss.how)];
    let chart = |title, scale, y_format, lines| {
        Chart { title, x_label: "seconds", scale, y_format, lines, marks: &marks }.svg()
    };
    [
        chart("Throughput", Scale::Linear, count, &throughput),
        chart("Latency", Scale::Logarithmic, time, &latency),
        chart("Failed", Scale::Linear, percent, &failed),
    ]
    .concat()
}
