//! A screen as it is drawn. Colours say nothing that a word does not say too.

use std::time::{Duration, Instant, SystemTime};

use evenkeel_api::NodeState;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Row, Table, TableState, Wrap};

use super::picture::{Line, View};
use super::screen::{Mode, Order, Screen, word};
use crate::cli::status::{ago, server_in_words};
use crate::cli::table::{self, Colour};

/// Columns and rows below which nothing can be read.
const LEAST: (u16, u16) = (60, 10);
/// Columns from which on errors are told by their class, and the median beside the tail.
const WITH_CLASSES: u16 = 100;
/// Columns from which on there is room for the last rates as a picture.
const WITH_TREND: u16 = 130;
/// Rates in that picture.
const TREND: usize = 20;
/// The most columns of a name; the end of a longer one says more than its beginning.
const MOST_NAME: usize = 32;
/// Lines for what is worth a sentence.
const MOST_NOTES: u16 = 3;
/// Without an answer for so long the figures are old.
const OLD: Duration = Duration::from_secs(3);

const KEYS: &str =
    " q quit  tab view  s sort  / find  enter more  d drain  m maint  r ready  ? help";

const HELP: &str = "\
tab, ←, →        servers, pools, listeners, vips
↑, ↓, j, k       the next line; page up and down, home, end
s                sort by: file, trouble, rate, errors, p99, in flight
/                show only lines with these letters; esc shows all again
enter            all that is known of a server
d, m, r          drain, maint, ready: asks for a reason first
q, esc, ctrl-c   leave; the node goes on

RATE      requests a second; connections, where bytes are forwarded
ERRORS    a second: answered 5xx, or failed
4XX 5XX   answers a second of these classes, from 100 columns on
FAILED    failures a second: no answer, or one that counts as none
P50 P99   half of the answers, and 99 of 100, began within this time
BUSY      requests or connections under way";

pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen, (at, now): (Instant, SystemTime)) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("top needs {} columns and {} rows", LEAST.0, LEAST.1);
        return frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
    }
    let notes = notes(screen, at);
    let height = u16::try_from(notes.len()).unwrap_or(MOST_NOTES).min(MOST_NOTES);
    let rows = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(height),
        Constraint::Min(3),
        Constraint::Length(1),
    ];
    let [head, tabs, told, body, foot] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(self::head(screen, now)), head);
    frame.render_widget(Paragraph::new(self::tabs(screen)), tabs);
    frame.render_widget(Paragraph::new(notes), told);
    lines(frame, screen, body, now);
    frame.render_widget(Paragraph::new(self::foot(screen)), foot);
    match &screen.mode {
        Mode::Table | Mode::Filter | Mode::Question(_) => {}
        Mode::Help => over(frame, screen, " keys ", HELP),
        Mode::Detail => {
            if let Some((pool, server)) = screen.server() {
                let width = Some(usize::from(area.width.saturating_sub(4)));
                let plain = table::Screen { coloured: false, width };
                let words = server_in_words(pool, server, now, plain);
                let name = format!("{pool}/{}", server.name);
                let line = screen.lines(now).into_iter().find(|line| line.name == name);
                let words = line.map(|line| second(&line)).into_iter().chain([words]);
                let words = words.collect::<Vec<_>>().join("\n\n");
                over(frame, screen, &format!(" {name} "), &words);
            }
        }
    }
}

fn head(screen: &Screen, now: SystemTime) -> Text<'static> {
    let status = &screen.picture.status;
    let state = match status.state {
        NodeState::Running => "running",
        NodeState::Draining => "draining",
    };
    let (rate, failures) = screen.picture.totals();
    let since = ago(status.started.age(now));
    let figures = format!(
        " {state} for {since}   {} requests/s, {} failed/s, {} connections   evenkeel {}",
        amount(rate),
        amount(failures),
        status.connections,
        status.version
    );
    Text::from(vec![Span::styled(format!(" {}", status.node), Modifier::BOLD), Span::raw(figures)])
}

fn tabs(screen: &Screen) -> Text<'static> {
    let mut spans = vec![Span::raw(" ")];
    for view in View::ALL {
        let (text, style) = if view == screen.view {
            (format!("[{}]", view.title()), Style::from(Modifier::BOLD))
        } else {
            (format!(" {} ", view.title()), Style::new())
        };
        spans.extend([Span::styled(text, style), Span::raw(" ")]);
    }
    if screen.order != Order::File {
        spans.push(Span::raw(format!("  by {}", screen.order.title())));
    }
    if !screen.filter.is_empty() && screen.mode != Mode::Filter {
        spans.push(Span::raw(format!("  only \"{}\"", screen.filter)));
    }
    Text::from(spans)
}

/// That the node is silent, and what it says is worth a sentence.
fn notes(screen: &Screen, at: Instant) -> Vec<Text<'static>> {
    let age = at.saturating_duration_since(screen.picture.taken);
    let silent = screen
        .silence
        .clone()
        .or_else(|| (age >= OLD).then(|| "the node has not answered".to_owned()));
    let silent = silent.map(|why| {
        let text = format!(" {why}; what is below is {} old", ago(age));
        Text::styled(text, style(screen, Colour::Red).add_modifier(Modifier::BOLD))
    });
    let told = screen.picture.notes().unwrap_or_default();
    let told =
        told.lines().map(|line| Text::styled(format!(" {line}"), style(screen, Colour::Yellow)));
    silent.into_iter().chain(told).collect()
}

fn lines(frame: &mut Frame<'_>, screen: &Screen, area: Rect, now: SystemTime) {
    let lines = screen.lines(now);
    if lines.is_empty() {
        let nothing = match screen.filter.as_str() {
            "" => format!(" no {}", screen.view.title()),
            filter => format!(" no {} with \"{filter}\"", screen.view.title()),
        };
        return frame.render_widget(Paragraph::new(nothing), area);
    }
    let shown = Shown::at(area.width);
    let widest = |text: fn(&Line) -> &str, least: usize| {
        let widest = lines.iter().map(|line| text(line).chars().count()).max();
        let widest = widest.unwrap_or(0).clamp(least, MOST_NAME);
        Constraint::Length(u16::try_from(widest).unwrap_or(u16::MAX))
    };
    let mut heading = vec![Text::from("NAME"), Text::from("STATE"), Text::from("SINCE")];
    let mut widths = vec![
        widest(|line| &line.name, 6),
        widest(|line| &line.state.text, 5),
        Constraint::Length(6),
    ];
    for figure in shown.figures() {
        heading.push(Text::from(figure.title).alignment(Alignment::Right));
        widths.push(Constraint::Length(figure.width));
    }
    if shown.trend {
        heading.push(Text::from("TREND"));
        widths.push(Constraint::Length(u16::try_from(TREND).unwrap_or(u16::MAX)));
    }
    heading.push(Text::from("WHY"));
    widths.push(Constraint::Min(8));
    let rows = lines.iter().map(|line| row(screen, line, shown));
    let table = Table::new(rows, widths)
        .header(Row::new(heading).style(Modifier::BOLD))
        .row_highlight_style(Modifier::REVERSED)
        .highlight_symbol(">");
    let mut at = TableState::new().with_selected(screen.selected(&lines));
    frame.render_stateful_widget(table, area, &mut at);
}

/// What there is room for.
#[derive(Clone, Copy, Debug)]
struct Shown {
    classes: bool,
    trend: bool,
}

/// A column of figures.
struct Figure {
    title: &'static str,
    width: u16,
    is_of_classes: bool,
    of: fn(&Line) -> String,
}

/// In their order.
const FIGURES: [Figure; 8] = {
    const fn figure(title: &'static str, width: u16, of: fn(&Line) -> String) -> Figure {
        Figure { title, width, is_of_classes: false, of }
    }
    const fn of_classes(title: &'static str, width: u16, of: fn(&Line) -> String) -> Figure {
        Figure { title, width, is_of_classes: true, of }
    }
    [
        figure("RATE", 6, |line| amount(line.rate)),
        figure("ERRORS", 6, |line| amount(line.errors)),
        of_classes("4XX", 6, |line| amount(line.answered.map(|[it, _]| it))),
        of_classes("5XX", 6, |line| amount(line.answered.map(|[_, it]| it))),
        of_classes("FAILED", 6, |line| amount(line.failures)),
        of_classes("P50", 6, |line| latency(line.p50)),
        figure("P99", 6, |line| latency(line.p99)),
        figure("BUSY", 5, |line| line.in_flight.map(|busy| busy.to_string()).unwrap_or_default()),
    ]
};

impl Shown {
    const fn at(width: u16) -> Self {
        Self { classes: width >= WITH_CLASSES, trend: width >= WITH_TREND }
    }

    fn figures(self) -> impl Iterator<Item = &'static Figure> {
        FIGURES.iter().filter(move |figure| self.classes || !figure.is_of_classes)
    }
}

fn row(screen: &Screen, line: &Line, shown: Shown) -> Row<'static> {
    let right = |text: String| Text::from(text).alignment(Alignment::Right);
    let mut cells = vec![
        Text::from(end_of(&line.name)),
        Text::styled(line.state.text.clone(), style(screen, line.state.colour)),
        Text::from(line.since.map(ago).unwrap_or_default()),
    ];
    cells.extend(shown.figures().map(|figure| right((figure.of)(line))));
    if shown.trend {
        cells.push(Text::from(trend(&line.trend)));
    }
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    cells.push(Text::from(line.why.chars().map(visible).collect::<String>()));
    Row::new(cells)
}

/// What fits of a name.
fn end_of(name: &str) -> String {
    let length = name.chars().count();
    if length <= MOST_NAME {
        return name.to_owned();
    }
    let end = name.chars().skip(length + 1 - MOST_NAME);
    std::iter::once('…').chain(end).collect()
}

/// A figure in at most six characters.
fn amount(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 0.05 => "0".to_owned(),
        Some(value) if value < 10.0 => format!("{value:.1}"),
        Some(value) if value < 99_999.5 => format!("{value:.0}"),
        Some(value) => format!("{:.0}k", value / 1e3),
    }
}

/// A latency, given in seconds, in at most six characters.
fn latency(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 0.009_95 => format!("{:.1}ms", seconds * 1e3),
        Some(seconds) if seconds < 0.999_5 => format!("{:.0}ms", seconds * 1e3),
        Some(seconds) if seconds < 99.95 => format!("{seconds:.1}s"),
        Some(seconds) => format!("{seconds:.0}s"),
    }
}

/// What a server did in its last second, for who has no room for all columns.
fn second(line: &Line) -> String {
    let [clients, servers] =
        [0, 1].map(|class| amount(line.answered.map(|answered| answered[class])));
    format!(
        "a second     {} requests, {clients} answered 4xx, {servers} 5xx, {} failed; p50 {}, p99 {}",
        amount(line.rate),
        amount(line.failures),
        latency(line.p50),
        latency(line.p99)
    )
}

/// Rates as bars, the highest a full one.
fn trend(rates: &[f64]) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let rates = &rates[rates.len().saturating_sub(TREND)..];
    let highest = rates.iter().copied().fold(0.0, f64::max);
    let bar = |rate: &f64| {
        let share = if highest > 0.0 { rate / highest } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 8")]
        let step = (share * 8.0).ceil() as usize;
        BARS[step.min(8)]
    };
    let bars: String = rates.iter().map(bar).collect();
    format!("{bars:>TREND$}")
}

fn foot(screen: &Screen) -> Text<'static> {
    match &screen.mode {
        Mode::Filter => Text::from(format!(" only lines with: {}_", screen.filter)),
        Mode::Question(wish) => {
            let text = format!(
                " {} {}/{}? why: {}_   enter does it, esc does not",
                word(wish.state),
                wish.pool,
                wish.server,
                wish.reason
            );
            Text::styled(text, Modifier::BOLD)
        }
        Mode::Table | Mode::Detail | Mode::Help => match &screen.said {
            Some(said) => Text::styled(format!(" {said}"), Modifier::BOLD),
            None => Text::from(KEYS),
        },
    }
}

/// Text in a box over the table.
fn over(frame: &mut Frame<'_>, screen: &Screen, title: &str, text: &str) {
    let area = frame.area();
    let lines = text.lines().count();
    let width = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let fits = |wanted: usize, most: u16| u16::try_from(wanted + 2).unwrap_or(most).min(most);
    let (width, height) = (fits(width, area.width), fits(lines, area.height));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let block = Block::bordered().title(title.to_owned()).title_bottom(" any key closes ");
    frame.render_widget(Clear, place);
    let words = Paragraph::new(text.to_owned()).block(block).style(style(screen, Colour::Plain));
    frame.render_widget(words, place);
}

const fn style(screen: &Screen, colour: Colour) -> Style {
    let style = Style::new();
    if !screen.coloured {
        return style;
    }
    match colour {
        Colour::Plain => style,
        Colour::Bold => style.add_modifier(Modifier::BOLD),
        Colour::Green => style.fg(Color::Green),
        Colour::Yellow => style.fg(Color::Yellow),
        Colour::Red => style.fg(Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (value, text) in [
            (None, "-"),
            (Some(0.0), "0"),
            (Some(0.3), "0.3"),
            (Some(12.4), "12"),
            (Some(99_999.0), "99999"),
            (Some(123_456.0), "123k"),
        ] {
            assert_eq!(amount(value), text);
        }
    }

    #[test]
    fn latencies_are_short() {
        for (value, text) in [
            (None, "-"),
            (Some(0.000_4), "0.4ms"),
            (Some(0.009_96), "10ms"),
            (Some(0.412), "412ms"),
            (Some(1.25), "1.2s"),
            (Some(418.3), "418s"),
        ] {
            assert_eq!(latency(value), text);
        }
    }

    #[test]
    fn a_trend_is_as_high_as_its_highest() {
        assert_eq!(trend(&[0.0, 1.0, 4.0, 8.0]).trim_start(), "▁▄█");
        assert_eq!(trend(&[0.0, 0.0]).trim(), "");
        assert_eq!(trend(&[1.0; 60]).chars().count(), TREND);
    }

    #[test]
    fn of_a_long_name_the_end_is_shown() {
        assert_eq!(end_of("pool/server"), "pool/server");
        let long = format!("{}/server", "p".repeat(40));
        assert!(end_of(&long).starts_with('…') && end_of(&long).ends_with("/server"));
        assert_eq!(end_of(&long).chars().count(), MOST_NAME);
    }
}
