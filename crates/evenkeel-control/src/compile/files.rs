//! `static = { root = "/srv/www", expires = { "css,js,png" = "72h" } }`

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::config::{Expires, Files, Symlinks};

use super::table::{Reader, Wrong, wrong};
use super::value::{Choice, age, boolean, text};
use super::{Surroundings, word};
use crate::document::{Entry, Value};

/// What is looked for in a folder that is asked for.
const INDEX: &str = "index.html";

/// Each is a look-up for a folder that has none of them.
const MOST_INDEXES: usize = 8;

/// Longer extensions name no type.
const LONGEST_EXTENSION: usize = 16;

const SYMLINKS: Choice<Symlinks> =
    Choice { words: &[("within", Symlinks::Within), ("never", Symlinks::Never)], later: &[] };

pub(super) fn files(mut reader: Reader<'_>, surroundings: &Surroundings) -> Option<Files> {
    let root = reader.need("root", "such as `root = \"/srv/www\"`", |value| match text(value)? {
        "" => Err(wrong("a folder has a name").help("such as \"/srv/www\"")),
        path => Ok(surroundings.base.join(path)),
    });
    let (expires, expires_otherwise) = expires(&mut reader);
    let files = Files {
        root: root.unwrap_or_default().into(),
        index: index(&mut reader),
        expires,
        expires_otherwise,
        types: types(&mut reader),
        precompressed: reader.read("precompressed", boolean).unwrap_or(false),
        symlinks: reader.read("symlinks", |it| SYMLINKS.read(it)).unwrap_or(Symlinks::Within),
        hidden: reader.read("hidden", boolean).unwrap_or(false),
    };
    reader.finish();
    // A root that was refused is a fault already.
    (!files.root.as_os_str().is_empty()).then_some(files)
}

fn index(reader: &mut Reader<'_>) -> Vec<Arc<str>> {
    let names = reader.list("index", |value| match text(value)? {
        "" | "." | ".." => Err(wrong("an index is the name of a file")),
        name if name.contains(['/', '\\', '\0']) => {
            Err(wrong(format!("\"{name}\" is not the name of a file in the folder asked for"))
                .help("such as \"index.html\""))
        }
        name => Ok(Arc::from(name)),
    });
    let Some(names) = names else { return vec![INDEX.into()] };
    if let Some((place, _)) = names.get(MOST_INDEXES) {
        reader.fault(*place, wrong(format!("at most {MOST_INDEXES} names")));
    }
    names.into_iter().map(|(_, name)| name).collect()
}

/// `{ "css,js,png" = "72h", "html" = "no-cache", "*" = "1h" }`
fn expires(reader: &mut Reader<'_>) -> (BTreeMap<Arc<str>, Expires>, Option<Expires>) {
    let mut by_extension = extensions(reader, "expires", |value| match text(value)? {
        "no-cache" => Ok(Expires::NoCache),
        _ => age(value).map(Expires::After),
    });
    let otherwise = by_extension.remove("*");
    (by_extension, otherwise)
}

/// `{ "gltf" = "model/gltf+json" }`
fn types(reader: &mut Reader<'_>) -> BTreeMap<Arc<str>, Arc<str>> {
    let mut types = extensions(reader, "types", |value| {
        let written = word::header_value(value)?;
        let kind = written.split(';').next().unwrap_or_default().trim_end();
        match kind.split_once('/') {
            Some((kind, subtype)) if word::is_token(kind) && word::is_token(subtype) => Ok(written),
            _ => Err(wrong(format!("\"{written}\" is not a type of content"))
                .help("such as \"text/html; charset=utf-8\"")),
        }
    });
    types.remove("*");
    types
}

/// A table of which each key is one extension or several.
fn extensions<T: Clone>(
    reader: &mut Reader<'_>,
    key: &'static str,
    parse: impl Fn(&Value) -> Result<T, Wrong>,
) -> BTreeMap<Arc<str>, T> {
    let mut read = BTreeMap::new();
    let Some(table) = reader.table(key) else { return read };
    for Entry { key, key_place, value } in table.entries() {
        let parsed = parse(value).map_err(|wrong| table.fault(value.place, wrong));
        for written in key.split(',') {
            match extension(written.trim()) {
                Ok(extension) => {
                    let twice = parsed
                        .as_ref()
                        .ok()
                        .and_then(|it| read.insert(Arc::clone(&extension), it.clone()));
                    if twice.is_some() {
                        table.fault(*key_place, wrong(format!("`{extension}` is named twice")));
                    }
                }
                Err(wrong) => table.fault(*key_place, wrong),
            }
        }
    }
    read
}

fn extension(written: &str) -> Result<Arc<str>, Wrong> {
    let no = || wrong(format!("\"{written}\" is not the end of a file's name"));
    if let Some(bare) = written.strip_prefix('.') {
        return Err(no().help(format!("write it without its dot: \"{bare}\"")));
    }
    let fits = (1..=LONGEST_EXTENSION).contains(&written.len()) && !written.contains(['.', '/']);
    if fits {
        Ok(written.to_ascii_lowercase().into())
    } else {
        Err(no().help("such as \"css\", or several: \"css,js,png\""))
    }
}
