//! Faults and warnings about a configuration, each with its place, and how they are shown.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::describe;

/// Nobody mends more in one sitting, and each costs a walk through the text.
const MOST_FINDINGS: usize = 500;

/// A stretch of one of the texts a configuration is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Index into [`Findings::texts`].
    pub(crate) text: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Place {
    pub(crate) fn new(text: usize, span: Range<usize>) -> Self {
        Self { text, start: span.start, end: span.end }
    }
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The configuration is refused.
    Fault,
    /// The configuration is taken, but probably does not do what was meant.
    Warning,
}

/// One fault or warning.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    severity: Severity,
    place: Place,
    reason: String,
    /// What to write instead.
    help: Option<String>,
    /// Another place that has to do with it, and what it is.
    also: Option<(Place, &'static str)>,
    nature: Nature,
}

/// What becomes of a finding when the text could not be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// The text itself cannot be read here.
    Syntax,
    /// As above, and what follows is taken for something else: a bracket is missing.
    Unclosed,
    /// Something is not there: perhaps only because it could not be read.
    Missing,
    Plain,
}

impl Finding {
    pub(crate) fn fault(place: Place, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            severity: Severity::Fault,
            place,
            reason,
            help: None,
            also: None,
            nature: Nature::Plain,
        }
    }

    pub(crate) fn syntax(place: Place, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let unclosed = ["unclosed", "array", "inline table"].iter().any(|it| reason.contains(it));
        let nature = if unclosed { Nature::Unclosed } else { Nature::Syntax };
        Self { nature, ..Self::fault(place, reason) }
    }

    pub(crate) fn warning(place: Place, reason: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::fault(place, reason) }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn missing(self) -> Self {
        Self { nature: Nature::Missing, ..self }
    }

    pub(crate) fn also(mut self, place: Place, what: &'static str) -> Self {
        self.also = Some((place, what));
        self
    }
}

/// A text with the name it is known by to the operator.
#[derive(Clone, Debug)]
struct Text {
    name: String,
    content: String,
}

/// What is found while a configuration is read, by whoever finds it.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    texts: Vec<Text>,
    list: RefCell<Vec<Finding>>,
}

impl Notes {
    /// A text that places can point into.
    pub(crate) fn add_text(&mut self, name: &str, content: &str) -> usize {
        self.texts.push(Text { name: name.to_owned(), content: content.to_owned() });
        self.texts.len() - 1
    }

    /// How many there are so far.
    pub(crate) fn count(&self) -> usize {
        self.list.borrow().len()
    }

    /// Beyond [`MOST_FINDINGS`] there is silence.
    pub(crate) fn add(&self, finding: Finding) {
        let mut list = self.list.borrow_mut();
        if list.len() < MOST_FINDINGS {
            list.push(finding);
        }
    }

    /// In the order of the text, without what only follows from text that could not be read: one
    /// missing bracket makes nonsense of many lines.
    pub(crate) fn into_findings(self) -> Findings {
        let Self { texts, list } = self;
        let mut found = Findings { texts, list: list.into_inner() };
        found.list.sort_by_key(|finding| finding.place);
        let unread = |it: &Finding| matches!(it.nature, Nature::Syntax | Nature::Unclosed);
        if found.list.iter().any(unread) {
            found.drop_consequences();
        }
        // Much of what looks idle or missing is only misspelt.
        if found.faults() > 0 {
            found.list.retain(|finding| finding.severity == Severity::Fault);
        }
        found
    }
}

/// Everything found in one configuration, in the order of the text.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    texts: Vec<Text>,
    list: Vec<Finding>,
}

/// A finding as plain words, for those who have no terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) severity: Severity,
    /// `evenkeel.toml`, or the variable or flag it came from.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    pub(crate) reason: String,
    pub(crate) help: Option<String>,
}

impl Findings {
    /// What seems to be missing may stand where nothing could be read; and up to the next line
    /// that reads well, everything follows from a bracket that is missing.
    fn drop_consequences(&mut self) {
        let list = std::mem::take(&mut self.list);
        let mut broken: Option<Place> = None;
        let own = |finding: &Finding| {
            let Finding { place, nature, .. } = finding;
            let follows = broken.is_some_and(|before| self.is_next_line(before, *place));
            if follows || *nature == Nature::Unclosed {
                broken = Some(*place);
            }
            *nature != Nature::Missing && !follows
        };
        self.list = list.into_iter().filter(own).collect();
    }

    /// Whether `later` is on the line of `place` or the next one with anything on it.
    fn is_next_line(&self, place: Place, later: Place) -> bool {
        let content = &self.texts[place.text].content;
        let between = content.get(place.start..later.start).unwrap_or_default();
        let filled = between.lines().skip(1).filter(|line| !line.trim().is_empty()).count();
        let on_its_own_line = between.ends_with('\n') || !between.contains('\n');
        place.text == later.text && filled <= usize::from(!on_its_own_line)
    }

    /// Both from 1; the column in characters.
    fn line_and_column(&self, place: Place) -> (usize, usize) {
        let content = &self.texts[place.text].content;
        let before = content.get(..place.start).unwrap_or(content);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many faults there are.
    pub fn faults(&self) -> usize {
        self.count(Severity::Fault)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Each finding with the text underlined; `coloured` for a terminal.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let reports: Vec<String> =
            self.list.iter().map(|finding| self.render_one(&renderer, finding)).collect();
        reports.join("\n\n")
    }

    fn render_one(&self, renderer: &Renderer, finding: &Finding) -> String {
        let Finding { severity, place, reason, help, also, nature: _ } = finding;
        let level = match severity {
            Severity::Fault => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary = AnnotationKind::Primary.span(place.start..place.end);
        let mut here = self.snippet(*place).annotation(primary);
        let mut there = None;
        if let Some((other, what)) = also {
            let mark = AnnotationKind::Context.span(other.start..other.end).label(*what);
            if other.text == place.text {
                here = here.annotation(mark);
            } else {
                there = Some(self.snippet(*other).annotation(mark));
            }
        }
        let mut group = level.primary_title(reason.as_str()).element(here);
        if let Some(there) = there {
            group = group.element(there);
        }
        if let Some(help) = help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    fn snippet(&self, place: Place) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        let text = &self.texts[place.text];
        Snippet::source(text.content.as_str()).path(text.name.as_str())
    }

    /// Each finding as the API tells it.
    pub fn documents(&self) -> Vec<evenkeel_api::Found> {
        describe::findings(self)
    }

    /// Each finding as plain words.
    pub(crate) fn describe(&self) -> Vec<Described> {
        self.list
            .iter()
            .map(|Finding { severity, place, reason, help, also: _, nature: _ }| {
                let (line, column) = self.line_and_column(*place);
                Described {
                    severity: *severity,
                    file: self.texts[place.text].name.clone(),
                    line,
                    column,
                    reason: reason.clone(),
                    help: help.clone(),
                }
            })
            .collect()
    }
}

impl fmt::Display for Findings {
    /// One line each: `evenkeel.toml:3:1: unknown key …; did you mean …?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.describe().iter().enumerate() {
            let Described { severity: _, file, line, column, reason, help } = found;
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{file}:{line}:{column}: {reason}")?;
            if let Some(help) = help {
                write!(f, "; {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
