//! Reading a table key by key: what is wrong is noted, and what nobody asked for is unknown.

use std::rc::Rc;

use crate::document::{Entry, Kind, Table, Value};
use crate::finding::{Finding, Notes, Place};
use crate::nearest::nearest;

/// Why a value is refused, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) reason: String,
    pub(super) help: Option<String>,
}

/// A [`Wrong`] without help.
pub(super) fn wrong(reason: impl Into<String>) -> Wrong {
    Wrong { reason: reason.into(), help: None }
}

impl Wrong {
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn in_one_line(self) -> String {
        match self.help {
            Some(help) => format!("{}; {help}", self.reason),
            None => self.reason,
        }
    }

    fn at(self, place: Place) -> Finding {
        let finding = Finding::fault(place, self.reason);
        match self.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}

/// Notes `wrong` at `place`; `None`, so that reading goes on without the value.
pub(super) fn note<T>(notes: &Notes, place: Place, result: Result<T, Wrong>) -> Option<T> {
    result.map_err(|wrong| notes.add(wrong.at(place))).ok()
}

/// A table being read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    table: &'a Table,
    /// What to underline when something is missing.
    pub(super) place: Place,
    /// `pool.app`, for messages.
    pub(super) path: Rc<str>,
    notes: &'a Notes,
    /// Keys that may be written here.
    known: Vec<&'static str>,
    /// Keys that were refused with a reason of their own.
    refused: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        table: &'a Table,
        place: Place,
        path: impl Into<Rc<str>>,
        notes: &'a Notes,
    ) -> Self {
        Self { table, place, path: path.into(), notes, known: Vec::new(), refused: Vec::new() }
    }

    /// The value of `key`, which counts as known from now on.
    pub(super) fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.known.push(key);
        self.table.get(key)
    }

    /// The value of `key` as `parse` reads it; `None` when it is absent or refused.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&'a Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        note(self.notes, entry.value.place, parse(&entry.value))
    }

    /// As [`Reader::read`]; its absence is a fault.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        help: &str,
        parse: impl FnOnce(&'a Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        if self.table.get(key).is_none() {
            let reason = format!("`{key}` is missing in `{}`", self.path);
            self.notes.add(Finding::fault(self.place, reason).help(help).missing());
        }
        self.read(key, parse)
    }

    /// Each item of the list at `key` with its place; refused items are left out.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        mut parse: impl FnMut(&'a Value) -> Result<T, Wrong>,
    ) -> Option<Vec<(Place, T)>> {
        let items = self.read(key, |value| match &value.kind {
            Kind::List(items) => Ok(items),
            other => Err(wrong(format!("expected a list, found {}", other.name()))
                .help(format!("put it in brackets: `{key} = [ … ]`"))),
        })?;
        let parsed = items.iter().filter_map(|item| {
            note(self.notes, item.place, parse(item)).map(|parsed| (item.place, parsed))
        });
        Some(parsed.collect())
    }

    /// As [`Reader::list`]; a list without items is a fault.
    pub(super) fn filled<T>(
        &mut self,
        key: &'static str,
        help: &str,
        parse: impl FnMut(&'a Value) -> Result<T, Wrong>,
    ) -> Option<Vec<(Place, T)>> {
        if let Some(Entry { value, .. }) = self.table.get(key)
            && matches!(&value.kind, Kind::List(items) if items.is_empty())
        {
            self.fault(value.place, wrong(format!("`{key}` is empty")).help(help));
        }
        self.list(key, parse)
    }

    /// The table at `key`, to be read in turn.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Self> {
        let entry = self.entry(key)?;
        self.inner(entry)
    }

    /// A table in a list, to be read in turn.
    pub(super) fn item(&self, value: &'a Value, key: &str) -> Option<Self> {
        let path = format!("{}.{key}", self.path);
        match &value.kind {
            Kind::Table(table) => Some(Self::new(table, value.place, path, self.notes)),
            other => {
                let reason = format!("`{path}` must be a table, found {}", other.name());
                self.notes.add(Finding::fault(value.place, reason));
                None
            }
        }
    }

    /// `entry`, which must be a table, to be read in turn.
    pub(super) fn inner(&self, entry: &'a Entry) -> Option<Self> {
        let path = if self.path.is_empty() {
            entry.key.clone()
        } else {
            format!("{}.{}", self.path, entry.key)
        };
        match &entry.value.kind {
            Kind::Table(table) => Some(Self::new(table, entry.key_place, path, self.notes)),
            other => {
                let reason = format!("`{path}` must be a table, found {}", other.name());
                let help = format!("write `[{path}]` with its keys below");
                self.notes.add(Finding::fault(entry.value.place, reason).help(help));
                None
            }
        }
    }

    /// The tables named under `key`: `[listener.a]`, `[listener.b]`.
    pub(super) fn named(&mut self, key: &'static str) -> Vec<(&'a Entry, Self)> {
        let Some(outer) = self.table(key) else { return Vec::new() };
        let entries = outer.table.entries.iter();
        entries.filter_map(|entry| Some((entry, outer.inner(entry)?))).collect()
    }

    /// Every entry, whatever its key.
    pub(super) fn entries(&self) -> &'a [Entry] {
        &self.table.entries
    }

    pub(super) fn note(&self, finding: Finding) {
        self.notes.add(finding);
    }

    pub(super) fn fault(&self, place: Place, wrong: Wrong) {
        self.notes.add(wrong.at(place));
    }

    /// Refuses keys that a later version will know, rather than ignoring them.
    pub(super) fn later(&mut self, keys: &[&'static str]) {
        for &key in keys {
            self.refused.push(key);
            if let Some(entry) = self.table.get(key) {
                let reason = format!("`{key}` is not in this version yet");
                let help = format!("remove `{key}`: nothing here would obey it");
                self.notes.add(Finding::fault(entry.key_place, reason).help(help));
            }
        }
    }

    /// Refuses keys that mean something only elsewhere.
    pub(super) fn misplaced(&mut self, keys: &[&'static str], why: &str) {
        for &key in keys {
            self.refused.push(key);
            if let Some(entry) = self.table.get(key) {
                let reason = format!("`{key}` {why}");
                self.notes.add(Finding::fault(entry.key_place, reason));
            }
        }
    }

    /// Refuses what was never asked for.
    pub(super) fn finish(self) {
        for entry in &self.table.entries {
            if self.known.iter().chain(&self.refused).any(|key| *key == entry.key) {
                continue;
            }
            let within =
                if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let reason = format!("unknown key `{}`{within}", entry.key);
            let finding = Finding::fault(entry.key_place, reason);
            self.notes.add(finding.help(self.known_keys(&entry.key)));
        }
    }

    fn known_keys(&self, key: &str) -> String {
        if let Some(near) = nearest(key, self.known.iter().copied()) {
            return format!("did you mean `{near}`?");
        }
        let mut known = self.known.clone();
        known.sort_unstable();
        known.dedup();
        format!("known here: {}", known.join(", "))
    }
}
