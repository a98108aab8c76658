//! Bar charts as SVG, in the colours of the other pictures.

use std::fmt;

/// Bars in groups, from left to right.
pub(crate) struct Chart {
    pub(crate) name: &'static str,
    title: &'static str,
    unit: &'static str,
    groups: Vec<(String, Vec<f64>)>,
}

const HEIGHT: f64 = 220.0;
const BAR: f64 = 24.0;
const GAP: f64 = 30.0;
const LEFT: f64 = 24.0;
const TOP: f64 = 56.0;
const COLOURS: [&str; 3] = ["#5fd38d", "#f2c14e", "#6ba8ff"];

impl Chart {
    pub(crate) fn new(name: &'static str, title: &'static str, unit: &'static str) -> Self {
        Self { name, title, unit, groups: Vec::new() }
    }

    pub(crate) fn group(&mut self, label: &str, bars: impl IntoIterator<Item = f64>) {
        self.groups.push((label.to_owned(), bars.into_iter().collect()));
    }

    fn most(&self) -> f64 {
        self.groups.iter().flat_map(|(_, bars)| bars).copied().fold(f64::MIN_POSITIVE, f64::max)
    }

    /// Wide enough for its bars and its label.
    fn width(label: &str, bars: &[f64]) -> f64 {
        let letters = label.chars().fold(0.0, |width, _| width + 7.3);
        bars.iter().fold(0.0, |width, _| width + BAR + 10.0).max(letters) + GAP
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: f64 = self.groups.iter().map(|(label, bars)| Self::width(label, bars)).sum();
        let (width, height) = ((groups + 2.0 * LEFT).max(520.0), TOP + HEIGHT + 44.0);
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\">"
        )?;
        writeln!(
            f,
            "<style>text{{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans \
             Mono\",monospace;fill:#d6deeb}}.t{{font-size:15px;font-weight:bold;fill:#fff}}\
             .n{{font-size:10px}}.m{{text-anchor:middle}}</style>"
        )?;
        writeln!(
            f,
            "<rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\" fill=\"#14202e\"/>"
        )?;
        writeln!(
            f,
            "<text class=\"t\" x=\"{LEFT}\" y=\"28\">{} ({})</text>",
            self.title, self.unit
        )?;
        let (floor, mut left) = (TOP + HEIGHT, LEFT);
        for (label, bars) in &self.groups {
            let middle = left + Self::width(label, bars) / 2.0;
            let all = bars.iter().fold(0.0, |width, _| width + BAR + 10.0);
            let mut x = middle - all / 2.0 + 5.0;
            for (bar, colour) in bars.iter().zip(COLOURS.iter().cycle()) {
                let tall = bar / self.most() * (HEIGHT - 16.0);
                let y = floor - tall;
                writeln!(
                    f,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BAR}\" height=\"{tall:.1}\" \
                     fill=\"{colour}\"/>"
                )?;
                let (at, over) = (x + BAR / 2.0, y - 4.0);
                writeln!(f, "<text class=\"n m\" x=\"{at:.1}\" y=\"{over:.1}\">{bar:.1}</text>")?;
                x += BAR + 10.0;
            }
            let under = floor + 20.0;
            writeln!(f, "<text class=\"m\" x=\"{middle:.1}\" y=\"{under}\">{label}</text>")?;
            left += Self::width(label, bars);
        }
        writeln!(f, "</svg>")
    }
}
