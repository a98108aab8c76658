//! A line chart as SVG.

use std::fmt::Write as _;

use crate::page::escaped;

/// In units of the drawing; the page scales it.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// How many numbers an axis has, about.
const TICKS: f64 = 5.0;

/// With more points than this, points are not drawn beside the line.
const MOST_DOTS: usize = 24;

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Scale {
    /// From zero.
    Linear,
    /// From the smallest, by powers.
    Logarithmic,
}

/// A line of a chart.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Line {
    pub(in crate::bench) name: String,
    /// A class of the style sheet.
    pub(in crate::bench) colour: &'static str,
    pub(in crate::bench) dashed: bool,
    pub(in crate::bench) points: Vec<(f64, f64)>,
}

impl Line {
    pub(in crate::bench) fn dashed(self) -> Self {
        Self { dashed: true, ..self }
    }
}

#[derive(Debug)]
pub(in crate::bench) struct Chart<'a> {
    pub(in crate::bench) title: &'a str,
    pub(in crate::bench) x_label: &'a str,
    pub(in crate::bench) scale: Scale,
    pub(in crate::bench) y_format: fn(f64) -> String,
    pub(in crate::bench) lines: &'a [Line],
    /// Moments that matter, and what happened then.
    pub(in crate::bench) marks: &'a [(f64, &'a str)],
}

/// From values to the drawing.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
    scale: Scale,
}

impl Chart<'_> {
    /// The figure, with its legend.
    pub(in crate::bench) fn svg(&self) -> String {
        let mut text = String::from("<figure><figcaption>");
        write!(text, "<b>{}</b>", escaped(self.title)).expect("strings grow");
        for Line { name, colour, dashed, .. } in self.lines {
            let dashed = if *dashed { " dashed" } else { "" };
            let name = escaped(name);
            write!(text, "<span><i class=\"{colour}{dashed}\"></i>{name}</span>")
                .expect("strings grow");
        }
        text.push_str("</figcaption>");
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let Some(axes) = Axes::around(points(), self.scale) else {
            return text + "<p>nothing was answered</p></figure>\n";
        };
        let title = escaped(&format!("{} by {}", self.title, self.x_label));
        write!(text, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{title}\">")
            .expect("strings grow");
        self.axes(&mut text, &axes);
        for line in self.lines {
            self.line(&mut text, &axes, line);
        }
        text + "</svg></figure>\n"
    }

    fn axes(&self, text: &mut String, axes: &Axes) {
        let (end, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for value in axes.y_ticks() {
            let (at, label) = (axes.down(value), escaped(&(self.y_format)(value)));
            write!(
                text,
                "<path class=grid d=\"M{LEFT} {at:.1}H{end}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=end>{label}</text>",
                LEFT - 6.0,
                at + 4.0
            )
            .expect("strings grow");
        }
        for value in ticks(axes.x.0, axes.x.1) {
            let (at, label) = (axes.right(value), short(value));
            write!(
                text,
                "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=middle>{label}</text>",
                floor + 16.0
            )
            .expect("strings grow");
        }
        let middle = f64::midpoint(LEFT, end);
        let label = escaped(self.x_label);
        write!(
            text,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=middle>{label}</text>",
            HEIGHT - 6.0
        )
        .expect("strings grow");
        for (x, what) in self.marks {
            let at = axes.right(*x);
            write!(
                text,
                "<path class=mark d=\"M{at:.1} {TOP}V{floor}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                at + 4.0,
                TOP + 8.0,
                escaped(what)
            )
            .expect("strings grow");
        }
    }

    fn line(&self, text: &mut String, axes: &Axes, line: &Line) {
        let Line { name, colour, dashed, points } = line;
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let verb = if index == 0 { 'M' } else { 'L' };
            write!(path, "{verb}{:.1} {:.1}", axes.right(*x), axes.down(*y)).expect("strings grow");
        }
        let dashes = if *dashed { " dashed" } else { "" };
        write!(text, "<g class={colour}><path class=\"line{dashes}\" d=\"{path}\"/>")
            .expect("strings grow");
        if !dashed && points.len() <= MOST_DOTS {
            for (x, y) in points {
                let title = format!("{}, {}: {}", name, short(*x), (self.y_format)(*y));
                write!(
                    text,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=3><title>{}</title></circle>",
                    axes.right(*x),
                    axes.down(*y),
                    escaped(&title)
                )
                .expect("strings grow");
            }
        }
        text.push_str("</g>");
    }
}

impl Axes {
    /// With all points in view; `None` when there is none.
    fn around<'a>(
        points: impl Iterator<Item = &'a (f64, f64)> + Clone,
        scale: Scale,
    ) -> Option<Self> {
        let mut xs = points.clone().map(|(x, _)| *x);
        let first = xs.next()?;
        let (low, high) = xs.fold((first, first), |(low, high), x| (low.min(x), high.max(x)));
        let most = points.clone().map(|(_, y)| *y).fold(0.0, f64::max);
        let y = match scale {
            Scale::Linear => {
                let step = step(most);
                (0.0, if most > 0.0 { (most / step).ceil() * step } else { 1.0 })
            }
            Scale::Logarithmic => {
                let least = points.map(|(_, y)| *y).filter(|y| *y > 0.0).fold(most, f64::min);
                let (least, most) = (least.max(1e-6), most.max(1e-6));
                (10_f64.powf(least.log10().floor()), 10_f64.powf((most * 1.02).log10().ceil()))
            }
        };
        let x = if low > 0.0 && low < high / 3.0 { (0.0, high) } else { (low, high) };
        Some(Self { x, y, scale })
    }

    fn right(&self, x: f64) -> f64 {
        let (low, high) = self.x;
        let share = if high > low { (x - low) / (high - low) } else { 0.5 };
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, y: f64) -> f64 {
        let (low, high) = self.y;
        let share = match self.scale {
            Scale::Linear => (y - low) / (high - low),
            Scale::Logarithmic => (y.max(low) / low).log10() / (high / low).log10(),
        };
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn y_ticks(&self) -> Vec<f64> {
        let (low, high) = self.y;
        match self.scale {
            Scale::Linear => ticks(low, high),
            Scale::Logarithmic => {
                let decades = (high / low).log10().round();
                // With few of them, what is between has numbers too.
                let between: &[f64] = if decades <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let mut ticks = Vec::new();
                let mut decade = low;
                while decade < high * 1.001 {
                    ticks.extend(between.iter().map(|part| decade * part));
                    decade *= 10.0;
                }
                ticks.retain(|tick| *tick <= high * 1.001);
                ticks
            }
        }
    }
}

/// Round numbers from `low` to `high`.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let step = step(high - low);
    let mut ticks = Vec::new();
    let mut tick = (low / step).ceil() * step;
    while tick <= high * 1.000_1 && ticks.len() < 20 {
        ticks.push(tick);
        tick += step;
    }
    ticks
}

/// 1, 2 or 5 times a power of ten, a few of which make up `span`.
fn step(span: f64) -> f64 {
    if span <= 0.0 {
        return 1.0;
    }
    let raw = span / TICKS;
    let power = 10_f64.powf(raw.log10().floor());
    let part = raw / power;
    // With room for what the last digits of a sum are off by.
    let nice = [1.0, 2.0, 5.0].into_iter().find(|nice| part <= nice * 1.05).unwrap_or(10.0);
    nice * power
}

/// A number below an axis.
fn short(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 {
        crate::bench::text::count(value.round()).replace(".0", "")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(lines: &[Line], scale: Scale) -> String {
        let y_format = |value| format!("{value}");
        Chart { title: "T", x_label: "x", scale, y_format, lines, marks: &[(1.0, "killed")] }.svg()
    }

    fn line(points: &[(f64, f64)]) -> Line {
        Line { name: "<p99>".to_owned(), colour: "first", dashed: false, points: points.to_vec() }
    }

    #[test]
    fn a_line_is_drawn_inside_its_axes() {
        let svg = chart(&[line(&[(0.0, 0.0), (1.0, 50.0), (2.0, 100.0)])], Scale::Linear);
        assert!(svg.contains("M58.0 190.0L229.0 101.0L400.0 12.0"), "{svg}");
        for part in [">killed<", "&lt;p99&gt;", "role=img", "<circle"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }

    #[test]
    fn a_chart_of_anything_has_no_holes() {
        for points in
            [&[][..], &[(1.0, 0.0)], &[(1.0, 5.0), (1.0, 5.0)], &[(0.0, 1e-9), (9.0, 1e9)]]
        {
            for scale in [Scale::Linear, Scale::Logarithmic] {
                let svg = chart(&[line(points)], scale);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points:?}: {svg}");
            }
        }
    }

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(ticks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(0.0, 7.0), [0.0, 2.0, 4.0, 6.0]);
        let axes = Axes::around([(0.0, 0.004), (1.0, 0.3)].iter(), Scale::Logarithmic);
        let ticks = axes.expect("there are points").y_ticks();
        assert_eq!(ticks.len(), 4, "1 ms, 10 ms, 100 ms, 1 s: {ticks:?}");
    }
}
