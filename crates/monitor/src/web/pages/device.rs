//! One device: charts, rules, its last readings, and all of them as a file.

use std::fmt::Write as _;

use super::{hidden, rounded};
use crate::store::{Device, Rule, Stored};
use crate::web::html::Markup;

pub(in crate::web) fn device(
    device: &Device,
    rules: &[Rule],
    latest: &[Stored],
    csrf: &str,
    said: &str,
) -> Markup {
    Markup::default()
        .raw("<div class=\"bar\"><h1>")
        .text(&device.name)
        .raw(" <small>shard ")
        .text(device.shard)
        .raw("</small></h1><a class=\"button quiet\" href=\"")
        .text(&device.name)
        .raw("/readings.csv\">Download as CSV</a></div>")
        .when(!said.is_empty(), |page| {
            page.raw("<p class=\"note\" role=\"alert\">").text(said).raw("</p>")
        })
        .raw("<p id=\"lost\" class=\"note\" role=\"status\" hidden>The charts stand still: ")
        .raw("no answer from the server. They go on by themselves.</p>")
        .raw("<div id=\"charts\" data-readings=\"../api/devices/")
        .text(&device.name)
        .raw("/readings\"><noscript>Charts need scripts.</noscript></div>")
        .when(latest.is_empty(), |page| {
            page.raw("<p id=\"nothing\">No reading has come yet. This page shows the first one ")
                .raw("as soon as it is stored.</p>")
        })
        .with(&rules_section(device, rules, latest, csrf))
        .with(&readings_section(latest))
}

/// A device whose shard does not answer.
pub(in crate::web) fn device_missing(device: &Device, shard: &str) -> Markup {
    Markup::default()
        .raw("<h1>")
        .text(&device.name)
        .raw("</h1>")
        .with(&super::missing_note(&[shard.to_owned()]))
        .raw("<p>This page is complete again when the shard is.</p>")
}

fn rules_section(device: &Device, rules: &[Rule], latest: &[Stored], csrf: &str) -> Markup {
    Markup::default()
        .raw("<section><h2>Alarms are raised when</h2><ul class=\"rules\">")
        .each(rules, |page, rule| {
            page.raw("<li><span>")
                .text(&rule.watch)
                .raw("</span><form method=\"post\" action=\"")
                .text(&device.name)
                .raw("/rules/")
                .text(rule.number)
                .raw("/remove\">")
                .with(&hidden(csrf))
                .raw("<button class=\"quiet\">Remove</button></form></li>")
        })
        .when(rules.is_empty(), |page| page.raw("<li>nothing is watched yet</li>"))
        .raw("</ul><form class=\"add\" method=\"post\" action=\"")
        .text(&device.name)
        .raw("/rules\">")
        .with(&hidden(csrf))
        .raw("<label>Field<input name=\"field\" maxlength=\"32\" list=\"fields\"></label>")
        .raw("<datalist id=\"fields\">")
        .each(fields(latest), |page, field| page.raw("<option value=\"").text(field).raw("\">"))
        .raw("</datalist><label>is<select name=\"kind\"><option value=\"above\">above")
        .raw("<option value=\"below\">below<option value=\"silence\">silent for seconds")
        .raw("</select></label><label>Number<input name=\"bound\" inputmode=\"decimal\" ")
        .raw("required></label><button>Watch</button></form></section>")
}

fn readings_section(latest: &[Stored]) -> Markup {
    let fields = fields(latest);
    Markup::default().when(!latest.is_empty(), |page| {
        page.raw("<section><h2>Last readings</h2><div class=\"wide\"><table><thead><tr>")
            .raw("<th class=\"number\">Number<th>Time")
            .each(&fields, |page, field| page.raw("<th class=\"number\">").text(field))
            .raw("</tr></thead><tbody>")
            .each(latest.iter().rev(), |page, reading| {
                page.raw("<tr><td class=\"number\">")
                    .text(reading.sequence)
                    .raw("<td><time data-at=\"")
                    .text(reading.time_ms)
                    .raw("\">")
                    .text(utc(reading.time_ms))
                    .raw("</time>")
                    .each(&fields, |page, field| {
                        let value = reading.fields.get(field).map(rounded).unwrap_or_default();
                        page.raw("<td class=\"number\">").text(value)
                    })
                    .raw("</tr>")
            })
            .raw("</tbody></table></div></section>")
    })
}

/// Names of all fields, in the order in which they come up.
fn fields(readings: &[Stored]) -> Vec<&str> {
    let mut names = Vec::new();
    for (name, _) in readings.iter().flat_map(|reading| reading.fields.iter()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// All readings, one a line. No name and no number can start a formula or end a cell.
pub(in crate::web) fn csv(readings: &[Stored]) -> String {
    let fields = fields(readings);
    let mut text = String::from("sequence,time_ms,received_ms");
    for field in &fields {
        text.push(',');
        text.push_str(field);
    }
    text.push_str("\r\n");
    for Stored { sequence, time_ms, received_ms, fields: values } in readings {
        // Writing to a string cannot fail.
        let _ = write!(text, "{sequence},{time_ms},{received_ms}");
        for field in &fields {
            text.push(',');
            if let Some(value) = values.get(field) {
                let _ = write!(text, "{value}");
            }
        }
        text.push_str("\r\n");
    }
    text
}

/// The time of day in UTC; `site.js` puts the reader's own in its place.
fn utc(time_ms: u64) -> String {
    let second = time_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Fields;

    #[test]
    fn a_field_that_is_missing_is_an_empty_cell() {
        let stored = |sequence, body: &str| Stored {
            sequence,
            time_ms: 1,
            received_ms: 2,
            fields: Fields::parse(body.as_bytes()).unwrap(),
        };
        let readings = [stored(1, r#"{"a":1.5}"#), stored(2, r#"{"b":-2,"a":0}"#)];
        let expected = "sequence,time_ms,received_ms,a,b\r\n1,1,2,1.5,\r\n2,1,2,0,-2\r\n";
        assert_eq!(csv(&readings), expected);
        assert_eq!(csv(&[]), "sequence,time_ms,received_ms\r\n");
    }

    #[test]
    fn a_time_of_day_is_read_off() {
        assert_eq!(utc(1_763_726_400_123), "12:00:00 UTC");
    }
}
