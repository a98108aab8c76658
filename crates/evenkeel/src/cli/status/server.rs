//! `evenkeel status POOL/SERVER`

use std::time::{Duration, SystemTime};

use evenkeel_api::{
    AgentWord, CheckOutcome, Component, ComponentStatus, Health, LastCheck, PeerView, Server,
    TimeLineEntry,
};

use super::super::table::{Cell, Colour, Screen, cell, columns, plain, table};
use super::{ago, said, state};

/// What is known of a server, what its verdict stands on, and how it has come to that.
pub(crate) fn in_words(pool: &str, server: &Server, now: SystemTime, screen: Screen) -> String {
    let (state, since, _) = state(server);
    let head =
        format!("{pool}/{} {} for {}", server.name, state.shown(screen), ago(since.age(now)));
    let mut parts = vec![head, facts(server, now, screen)];
    let evidence = &server.verdict.evidence;
    if !evidence.components.is_empty() {
        let rows: Vec<_> = evidence.components.iter().map(component).collect();
        parts.push(table(["NEEDS", "STATUS", "LATENCY"], &rows, screen));
    }
    let entries = &server.verdict.time_line;
    if !entries.is_empty() {
        let rows: Vec<_> = entries.iter().map(entry).collect();
        parts.push(table(["TIME", "HEALTH", "WHY"], &rows, screen));
    }
    parts.join("\n\n")
}

fn facts(server: &Server, now: SystemTime, screen: Screen) -> String {
    let (_, _, why) = state(server);
    let Server { verdict, .. } = server;
    let health = format!("{}: {}", word(verdict.health), verdict.reason);
    let weight = format!("{}{}", server.weight, if server.backup { ", backup" } else { "" });
    let using = if server.in_use { "takes new requests" } else { "takes no new requests" };
    let last_check = verdict.evidence.last_check.as_ref().map(|check| last_check(check, now));
    let operators = if why == verdict.reason { String::new() } else { why };
    let operators = format!("{operators}{}", said(server));
    let facts = [
        ("address", server.address.clone()),
        ("use", format!("{using}, {} under way", server.in_flight)),
        ("weight", weight),
        ("operators", operators.trim_start_matches("; ").to_owned()),
        ("health", health),
        ("there", server.peer.as_ref().map(|it| there(it, now)).unwrap_or_default()),
        ("last check", last_check.unwrap_or_default()),
        ("agent", verdict.evidence.agent.as_ref().map_or_else(String::new, |it| agent(it, now))),
    ];
    let known = facts.into_iter().filter(|(_, fact)| !fact.is_empty());
    let rows: Vec<_> = known.map(|(name, fact)| [plain(name), plain(fact)]).collect();
    columns(&rows, screen)
}

/// How the other node of the pair judges it.
fn there(view: &PeerView, now: SystemTime) -> String {
    format!("{} for {}: {}", word(view.health), ago(view.since.age(now)), view.reason)
}

fn last_check(check: &LastCheck, now: SystemTime) -> String {
    let LastCheck { at, took_ms, outcome, found } = check;
    let outcome = match outcome {
        CheckOutcome::Passed => "passed",
        CheckOutcome::Failed => "failed",
        CheckOutcome::Undecided => "waits for what the other servers say,",
    };
    let found = found.as_ref().map_or_else(String::new, |found| format!(": {found}"));
    format!("{} ago, {outcome} after {}{found}", ago(at.age(now)), millis(*took_ms))
}

fn agent(word: &AgentWord, now: SystemTime) -> String {
    let AgentWord { said, at, silent_since, silent_because } = word;
    let said = said.as_ref().zip(*at);
    let said = said.map(|(said, at)| format!("\"{said}\" {} ago", ago(at.age(now))));
    let silent = silent_since.as_ref().map(|since| {
        let why = silent_because.as_deref().unwrap_or_default();
        format!("silent for {}: {why}", ago(since.age(now)))
    });
    said.into_iter().chain(silent).collect::<Vec<_>>().join("; ")
}

fn component(component: &Component) -> [Cell; 3] {
    let Component { name, status, critical, latency_ms } = component;
    let (word, colour) = match status {
        ComponentStatus::Up => ("up", Colour::Green),
        ComponentStatus::Degraded => ("degraded", Colour::Yellow),
        ComponentStatus::Down => ("down", Colour::Red),
    };
    let role = if *critical { "" } else { ", not critical" };
    let latency = latency_ms.map_or_else(|| "-".to_owned(), millis);
    [plain(name), cell(format!("{word}{role}"), colour), plain(latency)]
}

fn entry(entry: &TimeLineEntry) -> [Cell; 3] {
    let TimeLineEntry { at, from, to, usable: _, reason } = entry;
    let colour = match to {
        Health::Up => Colour::Green,
        Health::Down => Colour::Red,
        Health::Checking => Colour::Yellow,
    };
    let health = match from {
        Some(from) if from != to => format!("{} → {}", word(*from), word(*to)),
        _ => word(*to).to_owned(),
    };
    [plain(at), cell(health, colour), plain(reason)]
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Down => "down",
        Health::Checking => "checking",
    }
}

/// Short times with their fractions.
fn millis(millis: f64) -> String {
    let whole = Duration::try_from_secs_f64(millis / 1e3).unwrap_or(Duration::MAX);
    match whole.as_millis() {
        0..10 => format!("{millis:.1} ms"),
        10..10_000 => format!("{millis:.0} ms"),
        _ => ago(whole),
    }
}
