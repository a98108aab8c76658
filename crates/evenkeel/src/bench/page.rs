//! Results as a page.

pub(super) mod chart;

use std::fmt::Write as _;

use self::chart::{Chart, Line, Scale};
use super::report::{Latency, Point, Report};
use super::text::{self, count, time, whole};
use crate::page::{Page, elements, escaped, figures_of};

/// Colours of a chart, in the order of its lines; the sheet has them for light and dark.
pub(super) const OFFERED: &str = "offered";
pub(super) const FIRST: &str = "first";
pub(super) const SECOND: &str = "second";
pub(super) const THIRD: &str = "third";

/// One test.
pub(crate) fn report(report: &Report) -> String {
    let total = &report.total;
    let latency = total.latency_seconds;
    let figures = [
        ("answered well", format!("{} of {}", whole(total.good), whole(total.requests))),
        ("half within", latency.map_or_else(|| "-".to_owned(), |it| time(it.p50))),
        ("99 of 100 within", latency.map_or_else(|| "-".to_owned(), |it| time(it.p99))),
        ("999 of 1000 within", latency.map_or_else(|| "-".to_owned(), |it| time(it.p999))),
        ("failed", whole(total.failed)),
    ];
    let mut body = figures_of(&figures) + &remarks(report);
    if report.levels.len() > 1 {
        body += &section("Against the offered rate", &by_rate(&report.levels));
        body += &details("The figures of these", &figures_table(&report.levels, Column::Rate));
    }
    body += &section("Over time", &over_time(&report.timeline));
    body += &details("The figures of these", &figures_table(&report.timeline, Column::Time));
    let title = format!("{} {}", report.method, report.url);
    document(&title, &subtitle(report), &body)
}

fn subtitle(report: &Report) -> String {
    let Report { http, rate_from, rate_to, seconds, connections_made, .. } = report;
    format!(
        "{} to {} requests a second over {seconds:.1} s, on a schedule that waits for no answer; \
         {}, {}",
        count(*rate_from),
        count(*rate_to),
        http.name(),
        text::connections(*connections_made)
    )
}

pub(super) fn remarks(report: &Report) -> String {
    let remarks = text::remarks(report);
    elements("p class=remark", "p", &remarks) + "\n"
}

fn by_rate(levels: &[Point]) -> String {
    let rate = |point: &Point| point.offered_per_second;
    let throughput = [
        line("offered", OFFERED, levels, rate, |it| Some(it.offered_per_second)).dashed(),
        line("good", FIRST, levels, rate, |it| Some(it.good_per_second)),
    ];
    charts("requests a second offered", &throughput, &percentiles(levels, rate), levels, rate)
}

fn over_time(timeline: &[Point]) -> String {
    let middle = |point: &Point| point.start_seconds + point.seconds / 2.0;
    let throughput = [
        line("offered", OFFERED, timeline, middle, |it| Some(it.offered_per_second)).dashed(),
        line("good", FIRST, timeline, middle, |it| Some(it.good_per_second)),
    ];
    charts("seconds", &throughput, &percentiles(timeline, middle), timeline, middle)
}

fn percentiles(points: &[Point], x: fn(&Point) -> f64) -> [Line; 3] {
    let latency = |name, colour, of: fn(Latency) -> f64| {
        line(name, colour, points, x, move |it| it.latency_seconds.map(of))
    };
    [
        latency("p99.9", THIRD, |it| it.p999),
        latency("p99", SECOND, |it| it.p99),
        latency("p50", FIRST, |it| it.p50),
    ]
}

/// The three that are shown of everything.
fn charts(
    x_label: &str,
    throughput: &[Line],
    latency: &[Line],
    points: &[Point],
    x: fn(&Point) -> f64,
) -> String {
    let failures = [line("failed", THIRD, points, x, |it| {
        Some(super::report::share(it.failed, it.requests) * 100.0)
    })];
    let chart = |title, scale, y_format, lines, marks| {
        Chart { title, x_label, scale, y_format, lines, marks }.svg()
    };
    [
        chart("Throughput", Scale::Linear, count, throughput, &[]),
        chart("Latency", Scale::Logarithmic, time, latency, &[]),
        chart("Failed", Scale::Linear, percent, &failures, &[]),
    ]
    .concat()
}

pub(super) fn percent(value: f64) -> String {
    if value >= 10.0 || value == 0.0 { format!("{value:.0} %") } else { format!("{value:.1} %") }
}

/// A line through a figure of `points`, where they have it.
pub(super) fn line(
    name: &str,
    colour: &'static str,
    points: &[Point],
    x: fn(&Point) -> f64,
    y: impl Fn(&Point) -> Option<f64>,
) -> Line {
    let points = points.iter().filter(|point| point.requests > 0);
    let points = points.filter_map(|point| Some((x(point), y(point)?))).collect();
    Line { name: name.to_owned(), colour, dashed: false, points }
}

/// What the first column of a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Rate,
    Time,
}

pub(super) fn figures_table(points: &[Point], column: Column) -> String {
    let mut rows = String::from("<table><thead><tr>");
    let first = if column == Column::Time { "from, s" } else { "level" };
    for name in [first, "offered/s", "good/s", "p50", "p90", "p99", "p99.9", "max", "failed"] {
        write!(rows, "<th scope=col>{name}</th>").expect("strings grow");
    }
    rows.push_str("</tr></thead><tbody>\n");
    for (number, point) in (1..).zip(points) {
        let first = match column {
            Column::Rate => u32::to_string(&number),
            Column::Time => format!("{:.1}", point.start_seconds),
        };
        let of = |latency: fn(Latency) -> f64| {
            point.latency_seconds.map_or_else(|| "-".to_owned(), |it| time(latency(it)))
        };
        let kinds = point.failures.iter().map(|(kind, count)| format!("{count} {kind}"));
        let cells = [
            first,
            count(point.offered_per_second),
            count(point.good_per_second),
            of(|it| it.p50),
            of(|it| it.p90),
            of(|it| it.p99),
            of(|it| it.p999),
            of(|it| it.max),
            kinds.collect::<Vec<_>>().join(", "),
        ];
        let cells = elements("td", "td", &cells);
        writeln!(rows, "<tr>{cells}</tr>").expect("strings grow");
    }
    rows + "</tbody></table>"
}

pub(super) fn section(title: &str, inner: &str) -> String {
    format!("<section><h2>{}</h2><div class=charts>{inner}</div></section>\n", escaped(title))
}

pub(super) fn details(title: &str, inner: &str) -> String {
    let title = escaped(title);
    format!("<details><summary>{title}</summary><div class=wide>{inner}</div></details>\n")
}

/// The page of a test.
pub(super) fn document(title: &str, subtitle: &str, body: &str) -> String {
    let footer = "A latency counts from when its request was due, not from when it could be sent. \
                  Requests without an answer in time are in it with the time they were given.";
    Page { title, subtitle, sheet: "", body, footer }.html()
}
