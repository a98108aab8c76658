//! The report as a page.

use std::fmt::Write as _;

use super::report::{Done, Report};
use crate::demo::board::grouped;
use crate::page::{Page, elements, escaped, figures_of};

/// Of the drawing, which is scaled; on a narrow screen it is scrolled.
const WIDTH: u64 = 960;
const LEFT: u64 = 56;
const LANE: u64 = 84;
const GAP: u64 = 34;
const BANDS: u64 = 24;
/// Below the lanes: the seconds.
const FOOT: u64 = 24;

const OWN_SHEET: &str = "
.wide svg{min-width:46rem}
svg .band{fill:var(--rule);opacity:.45}
svg .band.bad{fill:var(--third);opacity:.25}
svg .number{fill:var(--ink);font-weight:600}
svg .bar{fill:currentColor}
td:nth-child(2),th:nth-child(2){text-align:left}
.scroll table{width:100%}
.bad{color:var(--third);font-weight:600}
.over{color:var(--third);margin:.2rem 0 0}
.scroll{overflow-x:auto}";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = if report.passed { "Drill passed" } else { "Drill failed" };
    let mut body = figures(report) + &elements("p class=remark", "p", &report.faults);
    body += &section("What users and devices saw", &drawing(report));
    body += &section("Steps", &table(&report.steps));
    let page = Page {
        title,
        subtitle: &report.counts(),
        sheet: OWN_SHEET,
        body: &body,
        footer: "A user's wait is from the first try for a page until it came; a device's from \
                 when a reading was due until it was acknowledged. A reading is lost if it was \
                 acknowledged and is not stored.",
    };
    page.html()
}

fn figures(report: &Report) -> String {
    let most = |of: fn(&Done) -> u64| report.steps.iter().map(of).max().unwrap_or_default();
    let failed: u64 = report.timeline.iter().map(|bucket| bucket.failed).sum();
    let pages: u64 = report.timeline.iter().map(|bucket| bucket.pages).sum();
    let total = &report.total;
    let figures = [
        ("readings acknowledged", grouped(total.acknowledged)),
        ("readings lost", grouped(total.lost)),
        ("readings stored twice", grouped(total.doubled)),
        ("requests failed", format!("{} of {}", grouped(failed), grouped(pages + failed))),
        ("longest wait of a user", milliseconds(most(|step| step.figures.users_gap_ms))),
        ("longest wait of a reading", milliseconds(most(|step| step.figures.devices_gap_ms))),
    ];
    figures_of(&figures)
}

fn section(title: &str, inner: &str) -> String {
    format!("<section><h2>{title}</h2>{inner}</section>\n")
}

fn milliseconds(number: u64) -> String {
    format!("{} ms", grouped(number))
}

/// A lane of the drawing: figures over time, the second ones on top of the first.
struct Lane {
    name: &'static str,
    unit: &'static str,
    /// The words and colours of what is drawn.
    kinds: [(&'static str, &'static str); 2],
    values: Vec<[u64; 2]>,
    stacked: bool,
}

fn lanes(report: &Report) -> [Lane; 3] {
    let a_second = 1_000 / report.bucket_ms.max(1);
    let timeline = &report.timeline;
    let values = |of: fn(&super::record::Bucket) -> [u64; 2]| -> Vec<[u64; 2]> {
        timeline.iter().map(of).collect()
    };
    let scaled = |values: Vec<[u64; 2]>| -> Vec<[u64; 2]> {
        values.into_iter().map(|pair| pair.map(|value| value * a_second)).collect()
    };
    [
        Lane {
            name: "Pages",
            unit: "a second",
            kinds: [("came", "first"), ("failed", "third")],
            values: scaled(values(|bucket| [bucket.pages, bucket.failed])),
            stacked: true,
        },
        Lane {
            name: "Readings",
            unit: "a second",
            kinds: [("acknowledged", "second"), ("", "")],
            values: scaled(values(|bucket| [bucket.acknowledged, 0])),
            stacked: true,
        },
        Lane {
            name: "Longest wait",
            unit: "ms",
            kinds: [("device", "second"), ("user", "first")],
            values: values(|bucket| [bucket.devices_gap_ms, bucket.users_gap_ms]),
            stacked: false,
        },
    ]
}

fn drawing(report: &Report) -> String {
    let lanes = lanes(report);
    let count = report.timeline.len().max(1) as u64;
    let end_ms = count * report.bucket_ms;
    let height = BANDS + 3 * (LANE + GAP) + FOOT;
    let x = |at_ms: u64| LEFT + (WIDTH - LEFT) * at_ms.min(end_ms) / end_ms.max(1);
    let mut inner = String::new();
    for (number, step) in (1..).zip(&report.steps) {
        let (from, to) = (x(step.from_ms), x(step.to_ms));
        let width = to.saturating_sub(from).saturating_sub(2);
        let class = if step.faults.is_empty() { "band" } else { "band bad" };
        let name = escaped(&step.name);
        write!(
            inner,
            "<g><title>{name}</title><rect class=\"{class}\" x={from} y=0 width={width} \
             height={}></rect><text class=number x={} y=16 text-anchor=middle>{number}</text></g>",
            height - FOOT,
            from + width / 2
        )
        .expect("strings grow");
    }
    let mut top = BANDS;
    for lane in &lanes {
        inner += &drawn(lane, top, count);
        top += LANE + GAP;
    }
    for second in (0..=end_ms / 1_000).step_by(10) {
        let at = x(second * 1_000);
        write!(inner, "<text x={at} y={} text-anchor=middle>{second} s</text>", height - 6)
            .expect("strings grow");
    }
    let legend: Vec<String> = (1..)
        .zip(&report.steps)
        .map(|(number, step)| format!("<span><b>{number}</b> {}</span>", escaped(&step.name)))
        .collect();
    format!(
        "<figure><div class=wide><svg viewBox=\"0 0 {WIDTH} {height}\" role=img \
         aria-label=\"Pages, readings and waits over time\">{inner}</svg></div>\
         <figcaption>{}</figcaption></figure>",
        legend.concat()
    )
}

/// A lane with its scale and its words.
fn drawn(lane: &Lane, top: u64, count: u64) -> String {
    let Lane { name, unit, kinds, values, stacked } = lane;
    let tallest = |[a, b]: &[u64; 2]| if *stacked { a + b } else { *a.max(b) };
    let most = values.iter().map(tallest).max().unwrap_or_default().max(1);
    let (base, room) = (top + GAP + LANE - 12, LANE - 12);
    let mut text = format!(
        "<text class=number x={LEFT} y={}>{name}</text><text x={} y={}>{unit}</text>",
        top + 22,
        LEFT + 90,
        top + 22
    );
    let mut at = LEFT + 160;
    for (word, class) in kinds.iter().filter(|(word, _)| !word.is_empty()) {
        write!(
            text,
            "<g class={class}><rect class=bar x={at} y={} width=10 height=10></rect></g>\
             <text x={} y={}>{word}</text>",
            top + 13,
            at + 15,
            top + 22
        )
        .expect("strings grow");
        at += 110;
    }
    write!(
        text,
        "<line class=grid x1={LEFT} x2={WIDTH} y1={base} y2={base}></line>\
         <text x={0} y={base} text-anchor=end>0</text>\
         <text x={0} y={1} text-anchor=end>{2}</text>",
        LEFT - 8,
        base - room + 8,
        grouped(most)
    )
    .expect("strings grow");
    for (place, class) in [(0, kinds[0].1), (1, kinds[1].1)] {
        let mut path = String::new();
        for (number, pair) in (0..).zip(values) {
            if pair[place] == 0 {
                continue;
            }
            let height = |value: u64| (value * room).div_ceil(most);
            let below = if *stacked && place == 1 { height(pair[0]) } else { 0 };
            let from = LEFT + (WIDTH - LEFT) * number / count;
            let to = LEFT + (WIDTH - LEFT) * (number + 1) / count;
            let width = to.saturating_sub(from).max(1);
            let tall = height(pair[place]);
            write!(path, "M{from} {}h{width}v{tall}h-{width}z", base - below - tall)
                .expect("strings grow");
        }
        if !path.is_empty() {
            write!(text, "<g class={class}><path class=bar d=\"{path}\"></path></g>")
                .expect("strings grow");
        }
    }
    text
}

fn table(steps: &[Done]) -> String {
    let mut rows = String::from("<div class=scroll><table><thead><tr>");
    for name in [
        "",
        "step",
        "longest wait: users, ms",
        "devices, ms",
        "requests",
        "failed",
        "sent",
        "acked",
        "stored",
        "lost",
        "twice",
        "",
    ] {
        write!(rows, "<th scope=col>{name}</th>").expect("strings grow");
    }
    rows.push_str("</tr></thead><tbody>\n");
    for (number, step) in (1..).zip(steps) {
        let figures = &step.figures;
        let cells = [
            figures.users_gap_ms,
            figures.devices_gap_ms,
            figures.requests,
            figures.failed,
            figures.sent,
            figures.acknowledged,
            figures.stored,
            figures.lost,
            figures.doubled,
        ];
        let cells = elements("td", "td", &cells.map(grouped));
        let faults = elements("p class=over", "p", &step.faults);
        let verdict = if step.faults.is_empty() { "ok" } else { "<span class=bad>failed</span>" };
        let name = escaped(&step.name);
        writeln!(
            rows,
            "<tr><td>{number}</td><td>{name}{faults}</td>{cells}<td>{verdict}</td></tr>"
        )
        .expect("strings grow");
    }
    rows + "</tbody></table></div>"
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Figures, Total};
    use super::super::plan::Limit;
    use super::super::record::Bucket;
    use super::*;

    fn report(name: &str, timeline: Vec<Bucket>) -> Report {
        let limit = Limit { users_ms: 1, devices_ms: 1, failed: None };
        let step = Done {
            name: name.to_owned(),
            from_ms: 250,
            to_ms: 900,
            figures: Figures { requests: 1_234, ..Figures::default() },
            limit: limit.into(),
            faults: vec!["a <b>".to_owned()],
        };
        Report::new(vec![step], (Total::default(), Vec::new()), (1_000, timeline))
    }

    #[test]
    fn it_is_one_page_without_anything_from_elsewhere() {
        let bucket = Bucket { pages: 5, failed: 2, acknowledged: 60, ..Bucket::default() };
        let page = page(&report("x<script>", vec![bucket; 4]));
        for no in ["<script", "http:", "https:", "a <b>", "NaN"] {
            assert!(!page.contains(no), "{no}");
        }
        for part in ["Drill failed", "1,234", "x&lt;script&gt;", "a &lt;b&gt;", "band bad"] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn a_drill_that_saw_nothing_is_drawn_too() {
        assert!(page(&report("x", Vec::new())).contains("</svg>"));
    }
}
