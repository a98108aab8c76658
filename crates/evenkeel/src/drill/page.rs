//! The report as a page.

use std::fmt::Write as _;

use super::course::Stage;
use super::report::{Report, Span, spell};
use crate::page::{Page, elements, escaped, figures_of};

/// Of the drawing, which is scaled; on a narrow screen it is scrolled.
const WIDTH: u64 = 960;
const LEFT: u64 = 56;
/// The names of the stages, the bars, and the seconds below.
const HEAD: u64 = 24;
const BARS: u64 = 120;
const FOOT: u64 = 24;

/// Labels below the drawing, at most.
const LABELS: u64 = 12;

const OWN_SHEET: &str = "
.wide svg{min-width:46rem}
svg .band{fill:var(--rule);opacity:.45}
svg .band.away{fill:var(--second);opacity:.2}
svg .bar{fill:currentColor}
.fault{color:var(--third);font-weight:600}
td:first-child,th:first-child,td:last-child{text-align:left}
.scroll{overflow-x:auto}";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let word = if report.passed { "passed" } else { "aborted" };
    let class = if report.passed { "subtitle" } else { "fault" };
    let figures = figures_of(&[
        ("longest time without a good probe", spell(report.gap_ms)),
        ("probes failed", format!("{} of {}", report.failed(), report.failed() + report.good())),
        ("requests of clients failed", format!("{} of {}", report.errors, report.requests)),
        ("it took", spell(report.took_ms)),
    ]);
    let body = format!(
        "<p class={class}>{}</p>\n{figures}\
         <section><h2>Probes over time</h2>{}</section>\n\
         <section><h2>What was probed</h2>{}</section>\n",
        escaped(&report.verdict()),
        drawing(report),
        table(report),
    );
    let page = Page {
        title: &format!("Drill {word}: {}", report.object),
        subtitle: &format!("{} on {}, {}", report.what, report.node, report.began),
        sheet: OWN_SHEET,
        body: &body,
        footer: "Requests of clients are those the node counted, without the probes; the failed \
                 ones are those since something was touched.",
    };
    page.html()
}

fn drawing(report: &Report) -> String {
    let timeline = &report.timeline;
    let columns = timeline.len() as u64;
    let end_ms = report.took_ms.max(columns * report.bucket_ms).max(1);
    let x = |at_ms: u64| LEFT + (WIDTH - LEFT) * at_ms.min(end_ms) / end_ms;
    let height = HEAD + BARS + FOOT;
    let mut inner = String::new();
    for &Span { stage, from_ms, to_ms } in &report.stages {
        let (from, to) = (x(from_ms), x(to_ms));
        let class = if stage == Stage::Away { "band away" } else { "band" };
        let width = to.saturating_sub(from).saturating_sub(1);
        let name = name(stage);
        write!(
            inner,
            "<g><title>{name}</title><rect class=\"{class}\" x={from} y=0 width={width} \
             height={}></rect>",
            HEAD + BARS
        )
        .expect("strings grow");
        // Shorter ones have no room for their name.
        if width > 60 {
            write!(inner, "<text x={} y=16>{name}</text>", from + 4).expect("strings grow");
        }
        inner.push_str("</g>");
    }
    let most = timeline.iter().map(|it| it.good + it.failed).max().unwrap_or(0).max(1);
    let base = HEAD + BARS;
    let mut bars = [String::new(), String::new()];
    for (number, bucket) in (0..).zip(timeline) {
        let (from, to) = (x(number * report.bucket_ms), x((number + 1) * report.bucket_ms));
        let width = to.saturating_sub(from).saturating_sub(1).max(1);
        let tall = |count: u64| (count * (BARS - 12)).div_ceil(most);
        let (good, failed) = (tall(bucket.good), tall(bucket.failed));
        for (path, below, tall) in [(0, 0, good), (1, good, failed)] {
            if tall > 0 {
                let top = base - below - tall;
                write!(bars[path], "M{from} {top}h{width}v{tall}h-{width}z").expect("strings grow");
            }
        }
    }
    for (class, path) in ["first", "third"].iter().zip(&bars) {
        write!(inner, "<g class={class}><path class=bar d=\"{path}\"></path></g>")
            .expect("strings grow");
    }
    let seconds = end_ms / 1_000;
    let step = usize::try_from(seconds.div_ceil(LABELS).max(1)).unwrap_or(usize::MAX);
    for second in (0..=seconds).step_by(step) {
        let at = x(second * 1_000);
        write!(inner, "<text x={at} y={} text-anchor=middle>{second} s</text>", height - 6)
            .expect("strings grow");
    }
    format!(
        "<figure><div class=wide><svg viewBox=\"0 0 {WIDTH} {height}\" role=img \
         aria-label=\"Good and failed probes over time\">{inner}</svg></div><figcaption>\
         <span><i class=first></i>good</span><span><i class=third></i>failed</span>\
         </figcaption></figure>"
    )
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Before => "before",
        Stage::Leaving => "leaving",
        Stage::Away => "away",
        Stage::Returning => "returning",
        Stage::After => "after",
        Stage::Over => "over",
    }
}

fn table(report: &Report) -> String {
    let mut rows = String::from("<div class=scroll><table><thead><tr>");
    for name in ["probe", "good", "failed", "gap", "slowest", "last fault"] {
        write!(rows, "<th scope=col>{name}</th>").expect("strings grow");
    }
    rows.push_str("</tr></thead><tbody>\n");
    for probe in &report.probes {
        let cells = [
            probe.probe.clone(),
            probe.good.to_string(),
            probe.failed.to_string(),
            spell(probe.gap_ms),
            spell(probe.slowest_ms),
            probe.last_fault.clone().unwrap_or_default(),
        ];
        writeln!(rows, "<tr>{}</tr>", elements("td", "td", &cells)).expect("strings grow");
    }
    rows.push_str("</tbody></table></div>");
    let owner = |it: &super::report::Owner| format!("{} from {} on", it.owner, spell(it.at_ms));
    let owners: Vec<String> = report.owners.iter().map(owner).collect();
    if !owners.is_empty() {
        rows += &elements("p", "p", &[format!("Owner: {}", owners.join(", "))]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn it_is_one_page_without_anything_from_elsewhere() {
        let page = page(&report(Some("answered <503>")));
        for no in ["<script", "src=", "href=", "app/<a>", "<503>", "NaN"] {
            assert!(!page.contains(no), "{no}");
        }
        for part in ["Drill aborted: app/&lt;a&gt;", "band away", "600 ms", "class=third"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(super::page(&report(None)).contains("Drill passed"));
    }

    #[test]
    fn a_drill_that_saw_nothing_is_drawn_too() {
        let mut empty = report(None);
        (empty.took_ms, empty.timeline, empty.stages) = (0, Vec::new(), Vec::new());
        assert!(page(&empty).contains("</svg>"));
    }
}
