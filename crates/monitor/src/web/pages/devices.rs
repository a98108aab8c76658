//! The list of devices.

use std::sync::Arc;

use super::{missing_note, moment, rounded};
use crate::store::{Device, Stored};
use crate::web::html::Markup;
use crate::web::view::{Found, Search};

/// Without a reading for so long a device is shown as silent, in milliseconds.
const SILENT_MS: u64 = 60_000;

pub(in crate::web) fn devices(
    devices: &[(&Arc<Device>, Option<Stored>)],
    found: &Found,
    search: &Search,
    missing: &[String],
    now_ms: u64,
) -> Markup {
    Markup::default()
        .raw("<div class=\"bar\"><h1>Devices <small>")
        .text(found.total)
        .raw("</small></h1><form role=\"search\"><input type=\"search\" name=\"find\" value=\"")
        .text(&search.find)
        .raw("\" placeholder=\"Part of a name\" aria-label=\"Part of a name\">")
        .raw("<button class=\"quiet\">Find</button></form></div>")
        .with(&missing_note(missing))
        .when(devices.is_empty(), |page| page.raw("<p>No device has such a name.</p>"))
        .when(!devices.is_empty(), |page| page.with(&table(devices, missing, now_ms)))
        .with(&turn_pages(found, search))
}

fn table(devices: &[(&Arc<Device>, Option<Stored>)], missing: &[String], now_ms: u64) -> Markup {
    Markup::default()
        .raw("<div class=\"wide\"><table class=\"devices\" data-live><thead><tr><th>Device")
        .raw("<th>Last reading<th>Values<th class=\"shard\">Shard</tr></thead><tbody>")
        .each(devices, |page, (device, newest)| {
            let is_missing = missing.contains(&format!("shard{}", device.shard));
            row(page, device, newest.as_ref(), is_missing, now_ms)
        })
        .raw("</tbody></table></div>")
}

fn row(
    page: Markup,
    device: &Device,
    newest: Option<&Stored>,
    is_missing: bool,
    now_ms: u64,
) -> Markup {
    let state = match newest {
        _ if is_missing => "missing",
        None => "never",
        Some(newest) if now_ms.saturating_sub(newest.received_ms) > SILENT_MS => "silent",
        Some(_) => "fresh",
    };
    let page = page
        .raw("<tr class=\"")
        .text(state)
        .raw("\"><td><a href=\"devices/")
        .text(&device.name)
        .raw("\">")
        .text(&device.name)
        .raw("</a><td>");
    let page = match newest {
        Some(newest) => page.with(&moment(newest.received_ms, now_ms)).raw("<td class=\"values\">"),
        None if is_missing => page.raw("not known<td>"),
        None => page.raw("never<td>"),
    };
    let fields = newest.into_iter().flat_map(|newest| newest.fields.iter());
    page.each(fields, |page, (name, value)| {
        page.raw("<span><i>").text(name).raw("</i> ").text(rounded(value)).raw("</span> ")
    })
    .raw("<td class=\"shard\">")
    .text(device.shard)
    .raw("</tr>")
}

fn turn_pages(found: &Found, search: &Search) -> Markup {
    let link = |page: Markup, number: usize, word: &'static str| {
        page.raw("<a href=\"?page=")
            .text(number)
            .raw("&amp;find=")
            .text(encoded(&search.find))
            .raw("\">")
            .raw(word)
            .raw("</a>")
    };
    Markup::default().when(found.pages > 1, |page| {
        page.raw("<nav class=\"turn\" aria-label=\"More devices\">")
            .when(search.page > 0, |page| link(page, search.page - 1, "Back"))
            .raw("<span>Page ")
            .text(search.page + 1)
            .raw(" of ")
            .text(found.pages)
            .raw("</span>")
            .when(search.page + 1 < found.pages, |page| link(page, search.page + 1, "Next"))
            .raw("</nav>")
    })
}

/// `text` for a query: every byte that is not a letter or digit is encoded.
fn encoded(text: &str) -> String {
    let letters = text.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    letters.collect()
}
