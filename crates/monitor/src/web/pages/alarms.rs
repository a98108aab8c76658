//! Alarms, open ones first.

use super::{hidden, missing_note, moment, rounded};
use crate::store::Alarm;
use crate::web::html::Markup;

pub(in crate::web) fn alarms(
    alarms: &[Alarm],
    missing: &[String],
    csrf: &str,
    now_ms: u64,
) -> Markup {
    Markup::default()
        .raw("<h1>Alarms</h1>")
        .with(&missing_note(missing))
        .when(alarms.is_empty(), |page| {
            page.raw("<p>No alarm has been raised. What is watched is set on each device's page.")
                .raw("</p>")
        })
        .raw("<ul class=\"alarms\">")
        .each(alarms, |page, alarm| one(page, alarm, csrf, now_ms))
        .raw("</ul>")
}

fn one(page: Markup, alarm: &Alarm, csrf: &str, now_ms: u64) -> Markup {
    let state = match (alarm.closed_ms, alarm.acknowledged_ms) {
        (None, None) => "open",
        (None, Some(_)) => "seen",
        (Some(_), _) => "over",
    };
    page.raw("<li class=\"")
        .text(state)
        .raw("\"><div><a href=\"devices/")
        .text(&alarm.device)
        .raw("\">")
        .text(&alarm.device)
        .raw("</a> <strong>")
        .text(&alarm.watch)
        .raw("</strong><p>")
        .when(!alarm.watch.starts_with("silent"), |page| {
            page.raw("it was ").text(rounded(alarm.value)).raw(", ")
        })
        .raw("raised ")
        .with(&moment(alarm.opened_ms, now_ms))
        .each(alarm.closed_ms, |page, at| page.raw(", over ").with(&moment(at, now_ms)))
        .each(&alarm.acknowledged_by, |page, by| page.raw(", acknowledged by ").text(by))
        .raw("</p></div>")
        .when(alarm.acknowledged_ms.is_none(), |page| {
            page.raw("<form method=\"post\" action=\"alarms/")
                .text(alarm.shard)
                .raw("/")
                .text(alarm.number)
                .raw("/acknowledge\">")
                .with(&hidden(csrf))
                .raw("<button class=\"")
                .text(if alarm.closed_ms.is_some() { "quiet" } else { "" })
                .raw("\">Acknowledge</button></form>")
        })
        .raw("</li>")
}
