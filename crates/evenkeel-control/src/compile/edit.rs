//! What changes or replaces a message: header edits, redirects, error pages.

use std::path::Path;
use std::sync::Arc;

use evenkeel_core::config::{ErrorPage, HeaderEdits, Redirect};
use evenkeel_core::template::{Fact, Template};

use super::Surroundings;
use super::table::{Reader, Wrong, wrong};
use super::template::template;
use super::value::{expected, text};
use super::word;
use crate::document::{Entry, Kind, Value};

/// A page is held in memory for every answer.
const MOST_PAGE_BYTES: usize = 64 * 1024;

/// For now; a permanent one is kept by browsers long after it was a mistake.
const REDIRECT_STATUS: u16 = 302;

/// What this node itself decides about a connection or a message: an edit would make two readings
/// of one byte stream.
const UNTOUCHABLE: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `request_headers`: `{ set = {…}, add = {…}, remove = […] }`.
pub(super) fn request_headers(route: &mut Reader<'_>) -> HeaderEdits {
    // The head is written before a server is picked.
    headers(route, "request_headers", &[Fact::Server])
}

/// `response_headers`, likewise.
pub(super) fn response_headers(route: &mut Reader<'_>) -> HeaderEdits {
    headers(route, "response_headers", &[])
}

fn headers(route: &mut Reader<'_>, key: &'static str, unknown: &[Fact]) -> HeaderEdits {
    let Some(mut reader) = route.table(key) else { return HeaderEdits::default() };
    let remove = reader.list("remove", |value| editable(text(value)?)).unwrap_or_default();
    let edits = HeaderEdits {
        remove: remove.into_iter().map(|(_, name)| name).collect(),
        set: pairs(&mut reader, "set", unknown),
        add: pairs(&mut reader, "add", unknown),
    };
    reader.finish();
    edits
}

fn pairs(edits: &mut Reader<'_>, key: &'static str, unknown: &[Fact]) -> Vec<(Arc<str>, Template)> {
    let Some(reader) = edits.table(key) else { return Vec::new() };
    let one = |entry: &Entry| {
        let name = editable(&entry.key).map_err(|wrong| reader.fault(entry.key_place, wrong));
        let value = word::header_value(&entry.value).and_then(|text| template(&text, unknown));
        let value = value.map_err(|wrong| reader.fault(entry.value.place, wrong));
        Some((name.ok()?, value.ok()?))
    };
    reader.entries().iter().filter_map(one).collect()
}

pub(super) fn editable(written: &str) -> Result<Arc<str>, Wrong> {
    let name = word::header_name(written)?;
    if UNTOUCHABLE.contains(&&*name) || name.starts_with("proxy-") {
        return Err(wrong(format!("`{name}` is decided by the balancer itself"))
            .help("remove it from this list"));
    }
    Ok(name)
}

/// `{ to = "https://{host}{path}", status = 301 }`
pub(super) fn redirect(mut reader: Reader<'_>) -> Option<Redirect> {
    let to = reader.need("to", "such as `to = \"https://{host}{path}\"`", target);
    let status = reader.read("status", |value| match value.kind {
        Kind::Integer(status @ (301 | 302 | 303 | 307 | 308)) => {
            Ok(u16::try_from(status).expect("one of five small numbers"))
        }
        Kind::Integer(other) => Err(wrong(format!("{other} is not a redirect"))
            .help("301, 308: for good; 302, 303, 307: for now")),
        _ => Err(expected("a status", value).help("such as 301, without quotes")),
    });
    reader.finish();
    Some(Redirect { to: to?, status: status.unwrap_or(REDIRECT_STATUS) })
}

fn target(value: &Value) -> Result<Template, Wrong> {
    let written = text(value)?;
    if !["http://", "https://", "/"].iter().any(|start| written.starts_with(start)) {
        return Err(wrong(format!("\"{written}\" is not a place to go to"))
            .help("a URL or a path, such as \"https://{host}{path}\" or \"/new\""));
    }
    if written.starts_with("//") || written.starts_with("/{") {
        // What a request says, `/example` perhaps, after a slash is the name of a host (RFC 3986 §4.2).
        return Err(wrong(format!("\"{written}\" may lead to another host"))
            .help("write the scheme and the host, such as \"https://{host}{path}\""));
    }
    if let Some(c) = written.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(wrong(format!("{c:?} does not occur in a URL; escape it as %XX")));
    }
    template(written, &[Fact::Pool, Fact::Server])
}

/// `error_pages = { 503 = "sorry.html" }`
pub(super) fn error_pages(
    listener: &mut Reader<'_>,
    surroundings: &Surroundings,
) -> Vec<ErrorPage> {
    let Some(reader) = listener.table("error_pages") else { return Vec::new() };
    let one = |entry: &Entry| {
        let status = error_status(&entry.key);
        let status = status.map_err(|wrong| reader.fault(entry.key_place, wrong));
        let page = page(&entry.value, surroundings);
        let page = page.map_err(|wrong| reader.fault(entry.value.place, wrong));
        let (status, (content_type, body)) = (status.ok()?, page.ok()?);
        Some(ErrorPage { status, content_type: content_type.into(), body })
    };
    reader.entries().iter().filter_map(one).collect()
}

fn error_status(key: &str) -> Result<u16, Wrong> {
    let status = key.parse().ok().filter(|status| (400..=599).contains(status));
    status.ok_or_else(|| {
        wrong(format!("`{key}` is not the status of an error")).help("from 400 to 599")
    })
}

fn page(value: &Value, surroundings: &Surroundings) -> Result<(&'static str, Arc<[u8]>), Wrong> {
    let path = surroundings.base.join(text(value)?);
    let shown = path.display();
    let content_type = content_type(&path).ok_or_else(|| {
        wrong(format!("cannot tell what {shown} is"))
            .help("a page ends in .html, .htm, .json, .txt or .xml")
    })?;
    let body = (surroundings.read)(&path, MOST_PAGE_BYTES + 1)
        .map_err(|error| wrong(format!("cannot read {shown}: {error}")))?;
    if body.len() > MOST_PAGE_BYTES {
        let reason = format!("{shown} is larger than {} KiB", MOST_PAGE_BYTES / 1024);
        return Err(wrong(reason).help("a page is held in memory; make it smaller"));
    }
    Ok((content_type, body.into()))
}

fn content_type(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "html" | "htm" => Some("text/html; charset=utf-8"),
        "json" => Some("application/json"),
        "txt" => Some("text/plain; charset=utf-8"),
        "xml" => Some("application/xml"),
        _ => None,
    }
}
