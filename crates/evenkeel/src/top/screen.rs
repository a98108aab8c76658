//! What a person sees and has pressed: which table, which line, in which order; a question.

use std::cmp::Ordering;
use std::time::{Instant, SystemTime};

use evenkeel_api::{AdminState, Status, Tick};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::picture::{Line, Picture, View};
use crate::cli::table::Colour;

/// Characters that a filter or a reason may have: a line of a terminal.
const MOST_TYPED: usize = 120;

/// What a table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// As the configuration has them.
    File,
    /// What needs a look comes first.
    Trouble,
    Rate,
    Errors,
    Slowness,
    InFlight,
}

impl Order {
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Trouble => "trouble",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Slowness => "p99",
            Self::InFlight => "in flight",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::File => Self::Trouble,
            Self::Trouble => Self::Rate,
            Self::Rate => Self::Errors,
            Self::Errors => Self::Slowness,
            Self::Slowness => Self::InFlight,
            Self::InFlight => Self::File,
        }
    }

    fn compare(self, one: &Line, other: &Line) -> Ordering {
        let most = |one: Option<f64>, other: Option<f64>| {
            other.unwrap_or(-1.0).total_cmp(&one.unwrap_or(-1.0))
        };
        match self {
            Self::File => Ordering::Equal,
            Self::Trouble => trouble(one).cmp(&trouble(other)),
            Self::Rate => most(one.rate, other.rate),
            Self::Errors => most(one.errors, other.errors),
            Self::Slowness => most(one.p99, other.p99),
            Self::InFlight => other.in_flight.cmp(&one.in_flight),
        }
    }
}

fn trouble(line: &Line) -> u8 {
    match line.state.colour {
        Colour::Red => 0,
        Colour::Yellow => 1,
        Colour::Plain | Colour::Bold | Colour::Green => 2,
    }
}

/// What lies over the table, or takes the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Table,
    Filter,
    /// Whether it shall be so; the reason is what was typed so far.
    Question(Wish),
    Detail,
    Help,
}

/// What the operator wants of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) pool: String,
    pub(super) server: String,
    pub(super) state: AdminState,
    pub(super) reason: String,
}

/// What a key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stay,
    Quit,
    Ask(Wish),
}

#[derive(Debug)]
pub(super) struct Screen {
    pub(super) picture: Picture,
    pub(super) coloured: bool,
    pub(super) view: View,
    pub(super) order: Order,
    pub(super) mode: Mode,
    pub(super) filter: String,
    /// Why the node does not answer.
    pub(super) silence: Option<String>,
    /// What came of the last wish.
    pub(super) said: Option<String>,
    /// Name of the line the hand is on.
    selected: Option<String>,
}

impl Screen {
    pub(super) fn new(picture: Picture, coloured: bool) -> Self {
        Self {
            picture,
            coloured,
            view: View::Servers,
            order: Order::File,
            mode: Mode::Table,
            filter: String::new(),
            silence: None,
            said: None,
            selected: None,
        }
    }

    pub(super) fn filter_by(&mut self, text: &str) {
        self.filter = text.chars().take(MOST_TYPED).collect();
    }

    pub(super) fn update(&mut self, status: Status, taken: Instant) {
        self.picture.update(status, taken);
        self.silence = None;
    }

    pub(super) fn figures(&mut self, tick: Tick, taken: Instant) {
        self.picture.figures(tick, taken);
    }

    pub(super) fn miss(&mut self, why: String) {
        self.silence = Some(why);
    }

    pub(super) fn say(&mut self, words: String) {
        self.said = Some(words);
    }

    /// The lines that pass the filter, in their order.
    pub(super) fn lines(&self, now: SystemTime) -> Vec<Line> {
        let mut lines = self.picture.lines(self.view, now);
        let wanted = self.filter.to_lowercase();
        lines.retain(|line| {
            [&line.name, &line.state.text, &line.why]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
        });
        lines.sort_by(|one, other| self.order.compare(one, other));
        lines
    }

    /// Where the hand is among these lines.
    pub(super) fn selected(&self, lines: &[Line]) -> Option<usize> {
        let at = lines.iter().position(|line| Some(&line.name) == self.selected.as_ref());
        at.or_else(|| (!lines.is_empty()).then_some(0))
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Outcome::Quit,
                _ => Outcome::Stay,
            };
        }
        match self.mode.clone() {
            Mode::Table => return self.key_of_table(key.code),
            Mode::Filter => self.key_of_filter(key.code),
            Mode::Question(wish) => return self.key_of_question(key.code, wish),
            Mode::Detail | Mode::Help => self.mode = Mode::Table,
        }
        Outcome::Stay
    }

    fn key_of_table(&mut self, code: KeyCode) -> Outcome {
        self.said = None;
        match code {
            KeyCode::Char('q') => return Outcome::Quit,
            KeyCode::Esc if self.filter.is_empty() => return Outcome::Quit,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown => self.step(10),
            KeyCode::PageUp => self.step(-10),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(View::ALL.len() - 1),
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Enter if self.server().is_some() => self.mode = Mode::Detail,
            KeyCode::Char('d') => self.ask(AdminState::Drain),
            KeyCode::Char('m') => self.ask(AdminState::Maint),
            KeyCode::Char('r') => self.ask(AdminState::Ready),
            _ => {}
        }
        Outcome::Stay
    }

    fn key_of_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Table;
            }
            code => edit(&mut self.filter, code),
        }
    }

    fn key_of_question(&mut self, code: KeyCode, mut wish: Wish) -> Outcome {
        match code {
            KeyCode::Enter => {
                self.mode = Mode::Table;
                return Outcome::Ask(wish);
            }
            KeyCode::Esc => self.mode = Mode::Table,
            code => {
                edit(&mut wish.reason, code);
                self.mode = Mode::Question(wish);
            }
        }
        Outcome::Stay
    }

    fn step(&mut self, by: isize) {
        // Only names and their order are asked for: ages do not matter.
        let lines = self.lines(SystemTime::UNIX_EPOCH);
        let Some(at) = self.selected(&lines) else { return };
        let at = at.saturating_add_signed(by).min(lines.len() - 1);
        self.selected = Some(lines[at].name.clone());
    }

    fn turn(&mut self, by: usize) {
        let at = View::ALL.iter().position(|view| *view == self.view).unwrap_or(0);
        self.view = View::ALL[(at + by) % View::ALL.len()];
        self.selected = None;
    }

    /// Pool and server the hand is on.
    pub(super) fn server(&self) -> Option<(&str, &evenkeel_api::Server)> {
        if self.view != View::Servers {
            return None;
        }
        let lines = self.lines(SystemTime::UNIX_EPOCH);
        let name = &lines[self.selected(&lines)?].name;
        self.picture.server(name).map(|(pool, server)| (pool.name.as_str(), server))
    }

    fn ask(&mut self, state: AdminState) {
        let Some((pool, server)) = self.server() else {
            return self
                .say("that is said of a server: press tab until they are listed".to_owned());
        };
        let (pool, server) = (pool.to_owned(), server.name.clone());
        self.mode = Mode::Question(Wish { pool, server, state, reason: String::new() });
    }
}

fn edit(text: &mut String, code: KeyCode) {
    match code {
        KeyCode::Backspace => drop(text.pop()),
        KeyCode::Char(typed) if text.chars().count() < MOST_TYPED => text.push(typed),
        _ => {}
    }
}

/// In the field's words.
pub(super) const fn word(state: AdminState) -> &'static str {
    match state {
        AdminState::Ready => "ready",
        AdminState::Drain => "drain",
        AdminState::Maint => "maint",
    }
}
