//! Results as a person reads them in a terminal.

use super::report::{BUSY, ClientLimit, Latency, Point, Report, share};
use crate::cli::table::{Cell, Colour, Screen, cell, plain, table};

/// The whole result.
pub(crate) fn report(report: &Report, screen: Screen) -> String {
    let mut parts = vec![heading(report), by_rate(report, screen)];
    parts.extend(remarks(report));
    parts.join("\n\n")
}

fn heading(report: &Report) -> String {
    let Report { url, method, http, rate_from, rate_to, seconds, connections_made, .. } = report;
    let rate = if (rate_from - rate_to).abs() < f64::EPSILON {
        count(*rate_from)
    } else {
        format!("{} to {}", count(*rate_from), count(*rate_to))
    };
    let made = connections(*connections_made);
    let http = http.name();
    format!("{method} {url}, {http}, {rate} requests a second for {seconds:.1} s, {made}")
}

/// Those that were made, in words.
pub(super) fn connections(made: u32) -> String {
    if made == 1 { "1 connection".to_owned() } else { format!("{} connections", whole(made)) }
}

fn by_rate(report: &Report, screen: Screen) -> String {
    let mut rows: Vec<[Cell; 8]> = Vec::new();
    if report.levels.len() > 1 {
        rows.extend(report.levels.iter().map(|point| row(&count(point.offered_per_second), point)));
    }
    rows.push(row("all", &report.total));
    table(["OFFERED/S", "GOOD/S", "P50", "P90", "P99", "P99.9", "MAX", "FAILED"], &rows, screen)
}

fn row(name: &str, point: &Point) -> [Cell; 8] {
    let of = |latency: fn(&Latency) -> f64| {
        plain(point.latency_seconds.as_ref().map_or_else(|| "-".to_owned(), |it| time(latency(it))))
    };
    [
        plain(name),
        plain(count(point.good_per_second)),
        of(|it| it.p50),
        of(|it| it.p90),
        of(|it| it.p99),
        of(|it| it.p999),
        of(|it| it.max),
        failed(point),
    ]
}

pub(super) fn failed(point: &Point) -> Cell {
    if point.failed == 0 {
        return cell("none", Colour::Green);
    }
    let kinds = point.failures.iter().map(|(kind, count)| format!("{count} {kind}"));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    let percent = share(point.failed, point.requests) * 100.0;
    cell(format!("{percent:.2} %: {kinds}"), Colour::Red)
}

/// What has to be known before a figure is believed.
pub(super) fn remarks(report: &Report) -> Vec<String> {
    let mut remarks = Vec::new();
    if report.ended_early {
        remarks.push(format!("Ended early; {} requests were under way.", report.cut_off));
    }
    if let Some(limit) = report.client_limit {
        remarks.push(client_limit(limit));
    }
    let waited = share(report.total.waited, report.total.requests);
    if waited > 0.01 {
        let (of, flags) = match report.streams {
            1 => (String::new(), "--connections"),
            streams => (format!(" of {streams} streams"), "--connections or --streams"),
        };
        remarks.push(format!(
            "{:.0} % of the requests waited for room on {}{of}; the wait is in their latencies. If \
             the target was not at its limit yet, give it more {flags}.",
            waited * 100.0,
            connections(report.connections)
        ));
    }
    remarks
}

fn client_limit(limit: ClientLimit) -> String {
    let ClientLimit { start_seconds, offered_per_second, busy, lag_seconds } = limit;
    let why = if busy >= BUSY {
        format!("a thread was at work for {:.0} % of the time", busy * 100.0)
    } else {
        "the machine had no time for it".to_owned()
    };
    format!(
        "This program was the limit from {start_seconds:.1} s on, at {} requests a second: {why}, and \
         it was up to {} late. What is said beyond that is not of the target. Use more --threads, \
         another machine, or a lower --rate.",
        count(offered_per_second),
        time(lag_seconds)
    )
}

/// A time in the unit that fits.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        it if it < 0.000_995 => format!("{:.0} µs", it * 1e6),
        it if it < 0.009_95 => format!("{:.2} ms", it * 1e3),
        it if it < 0.099_5 => format!("{:.1} ms", it * 1e3),
        it if it < 0.995 => format!("{:.0} ms", it * 1e3),
        it => format!("{it:.2} s"),
    }
}

/// How many, with the thousands apart.
pub(super) fn whole(number: u32) -> String {
    apart(&number.to_string())
}

/// A number with its thousands apart; small ones with what follows the point.
pub(super) fn count(number: f64) -> String {
    if number > 0.0 && number < 9.95 {
        return format!("{number:.1}");
    }
    apart(&format!("{number:.0}"))
}

fn apart(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (seconds, expected) in [
            (0.000_043, "43 µs"),
            (0.001_234, "1.23 ms"),
            (0.0123, "12.3 ms"),
            (0.123, "123 ms"),
            (0.9999, "1.00 s"),
        ] {
            assert_eq!(time(seconds), expected);
        }
        for (number, expected) in
            [(0.0, "0"), (2.5, "2.5"), (12.4, "12"), (999.6, "1,000"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(count(number), expected);
        }
        for (number, expected) in [(0, "0"), (7, "7"), (1_234_567, "1,234,567")] {
            assert_eq!(whole(number), expected);
        }
    }
}
