//! The configuration file as a tree of values that know their place.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::finding::{Finding, Notes, Place};

/// A value with the place where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Text(String),
    Integer(i64),
    /// Nothing in a configuration is one; kept to say what was found.
    Float,
    Boolean(bool),
    /// As for [`Kind::Float`].
    Time,
    List(Vec<Value>),
    Table(Table),
}

impl Kind {
    /// With its article, for `expected …, found …`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float => "a number with a point",
            Self::Boolean(_) => "true or false",
            Self::Time => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Keys with their values, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Value,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Puts `value` at `path`, over what is there.
    pub(crate) fn put(&mut self, path: &[String], key_place: Place, value: Value) {
        let [key, rest @ ..] = path else { return };
        let at = self.entries.iter().position(|entry| entry.key.eq_ignore_ascii_case(key));
        let empty = Value { place: key_place, kind: Kind::Table(Self::default()) };
        let at = at.unwrap_or_else(|| {
            self.entries.push(Entry { key: key.clone(), key_place, value: empty.clone() });
            self.entries.len() - 1
        });
        let here = &mut self.entries[at].value;
        if rest.is_empty() {
            *here = value;
            return;
        }
        if !matches!(here.kind, Kind::Table(_)) {
            *here = empty;
        }
        if let Kind::Table(table) = &mut here.kind {
            table.put(rest, key_place, value);
        }
    }
}

/// Reads `text`, with every fault of its syntax. What can be read is returned in any case.
pub(crate) fn parse(text: usize, content: &str, notes: &Notes) -> Table {
    let (tree, errors) = DeTable::parse_recoverable(content);
    for error in errors {
        let span = error.span().unwrap_or(content.len()..content.len());
        notes.add(Finding::syntax(Place::new(text, span), error.message()));
    }
    table(text, tree.get_ref())
}

/// Reads a single value, as a variable or a flag gives it: TOML if it is, else a plain string.
pub(crate) fn parse_value(place: Place, content: &str) -> Value {
    let kind = match DeValue::parse(content) {
        Ok(parsed) => value(place.text, &parsed).kind,
        Err(_) => Kind::Text(content.to_owned()),
    };
    let mut value = Value { place, kind };
    pin(&mut value, place);
    value
}

/// Gives every part of `value` the same place.
fn pin(value: &mut Value, place: Place) {
    value.place = place;
    match &mut value.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| pin(item, place)),
        Kind::Table(table) => table.entries.iter_mut().for_each(|entry| {
            entry.key_place = place;
            pin(&mut entry.value, place);
        }),
        _ => {}
    }
}

fn table(text: usize, tree: &DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = tree
        .iter()
        .map(|(key, inner)| Entry {
            key: key.get_ref().to_string(),
            key_place: Place::new(text, key.span()),
            value: value(text, inner),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place);
    Table { entries }
}

fn value(text: usize, tree: &Spanned<DeValue<'_>>) -> Value {
    let kind = match tree.get_ref() {
        DeValue::String(string) => Kind::Text(string.to_string()),
        DeValue::Integer(digits) => {
            match i64::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()) {
                Ok(number) => Kind::Integer(number),
                // Beyond any limit a key has, and said so there.
                Err(_) => Kind::Integer(i64::MAX),
            }
        }
        DeValue::Float(_) => Kind::Float,
        DeValue::Boolean(yes) => Kind::Boolean(*yes),
        DeValue::Datetime(_) => Kind::Time,
        DeValue::Array(items) => Kind::List(items.iter().map(|item| value(text, item)).collect()),
        DeValue::Table(inner) => Kind::Table(table(text, inner)),
    };
    Value { place: Place::new(text, tree.span()), kind }
}
