//! `compress = true`, or `{ types = ["text/*"], least = "1KiB", effort = "balanced", with_cookies = false }`

use std::sync::Arc;

use evenkeel_core::config::{Compress, Effort, HeaderEdits};

use super::table::{Reader, Wrong, wrong};
use super::value::{Choice, boolean, size_within, text};
use super::word;
use crate::document::{Kind, Value};
use crate::finding::{Finding, Notes};

/// Each is looked at for each answer.
const MOST_TYPES: usize = 64;

/// More is nobody's page.
const MOST_LEAST: u64 = 1 << 30;

const EFFORT: Choice<Effort> = Choice {
    words: &[("fast", Effort::Fast), ("balanced", Effort::Balanced), ("small", Effort::Small)],
    later: &[],
};

/// `otherwise`, unless it is said here.
pub(super) fn compress(
    within: &mut Reader<'_>,
    otherwise: Option<&Arc<Compress>>,
) -> Option<Arc<Compress>> {
    let Some(entry) = within.entry("compress") else { return otherwise.cloned() };
    if let Kind::Boolean(on) = entry.value.kind {
        return on.then(Arc::default);
    }
    let mut reader = within.inner(entry)?;
    let mut compress = Compress::default();
    if let Some(types) = reader.filled("types", "leave it out for the usual ones", media_type) {
        if let Some((place, _)) = types.get(MOST_TYPES) {
            reader.fault(*place, wrong(format!("at most {MOST_TYPES} types")));
        }
        compress.types = types.into_iter().map(|(_, kind)| kind).collect();
    }
    compress.least = reader.read("least", size_within(1..=MOST_LEAST)).unwrap_or(compress.least);
    compress.effort = reader.read("effort", |it| EFFORT.read(it)).unwrap_or_default();
    compress.with_cookies = reader.read("with_cookies", boolean).unwrap_or(false);
    reader.finish();
    Some(Arc::new(compress))
}

/// Files are sent as they are: what is said of compression at their route has no effect.
pub(super) fn warn_of_files(route: &mut Reader<'_>, notes: &Notes) {
    let Some(entry) = route.entry("compress") else { return };
    if !matches!(entry.value.kind, Kind::Boolean(false)) {
        let reason = "files are not compressed as they are sent: `compress` has no effect here";
        let help =
            "put compressed forms beside them (`site.css.br`) and say `precompressed = true`";
        notes.add(Finding::warning(entry.key_place, reason).help(help));
    }
}

/// Whether the operator says themselves in which coding answers are.
pub(super) fn is_told(edits: &HeaderEdits) -> bool {
    let HeaderEdits { remove, set, add } = edits;
    let mut names = remove.iter().chain(set.iter().chain(add).map(|(name, _)| name));
    names.any(|name| &**name == "content-encoding")
}

/// `"text/html"` or `"text/*"`
fn media_type(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    let of_parts = |(kind, rest): (&str, &str)| word::is_token(kind) && word::is_token(rest);
    // A star is a token's byte too.
    let stars = written.matches('*').count();
    let fits = written.split_once('/').is_some_and(of_parts)
        && (stars == 0 || stars == 1 && written.ends_with("/*"));
    if fits {
        Ok(written.to_ascii_lowercase().into())
    } else {
        Err(wrong(format!("\"{written}\" is not a type of content"))
            .help("such as \"text/html\", or \"text/*\" for all of a kind"))
    }
}
