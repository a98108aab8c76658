//! What is shown of the demo: a table that fits a terminal, or a line for each change.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_api::{AdminState, Health, Server, Status, VipState};

use super::scene::{Actor, BALANCERS, FRONT, SHARDS};
use super::view::{CacheNode, View};
use crate::cli::table::{Cell, Colour, Screen, cell, plain, table};

/// Rows and columns of a terminal, without the row its cursor waits in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// What was told last, at most.
pub(super) const MOST_NEWS: usize = 5;

/// The state of somebody in a word or two, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    word: String,
    colour: Colour,
    why: String,
}

impl State {
    fn new(word: impl Into<String>, colour: Colour, why: impl Into<String>) -> Self {
        Self { word: word.into(), colour, why: why.into() }
    }

    fn cell(&self) -> Cell {
        cell(&self.word, self.colour)
    }
}

/// What a balancer is doing; `None`: it does not answer.
fn balancer(status: Option<&Status>) -> State {
    let Some(status) = status else { return State::new("gone", Colour::Red, "does not answer") };
    let Some(vip) = status.vips.first() else {
        return State::new("serves", Colour::Green, "");
    };
    let (word, colour) = match vip.state {
        VipState::Active => ("owner", Colour::Green),
        VipState::Backup => ("stands by", Colour::Plain),
        VipState::Probing => ("takes over", Colour::Yellow),
        VipState::Leaving => ("leaves", Colour::Yellow),
        VipState::Initialize => ("starts", Colour::Yellow),
        VipState::Fault => ("fault", Colour::Red),
    };
    let why = match vip.state {
        VipState::Active => format!("has {}", vip.addresses.join(", ")),
        _ => vip.reason.clone(),
    };
    State::new(word, colour, why)
}

fn server(server: &Server) -> State {
    let why = server.verdict.reason.as_str();
    match (server.admin.state, server.verdict.health) {
        (AdminState::Maint, _) => State::new("maint", Colour::Yellow, &server.admin.reason),
        (AdminState::Drain, _) => State::new("drain", Colour::Yellow, &server.admin.reason),
        (AdminState::Ready, Health::Up) => State::new("up", Colour::Green, why),
        (AdminState::Ready, Health::Down) => State::new("down", Colour::Red, why),
        (AdminState::Ready, Health::Checking) => State::new("checking", Colour::Yellow, why),
    }
}

/// Servers by the word of the owner of the address, each once.
fn servers(view: &View) -> impl Iterator<Item = &Server> {
    let pools = view.owner().into_iter().flat_map(|(_, status)| &status.pools);
    pools.filter(|pool| pool.name != FRONT).flat_map(|pool| &pool.servers)
}

/// A shard by what it answers; `words` say who is what in it.
fn shard(fault: Option<&String>, words: &str) -> State {
    match fault {
        None => State::new("up", Colour::Green, words),
        Some(_) if !words.is_empty() => State::new("down", Colour::Red, words),
        Some(fault) => State::new("down", Colour::Red, fault),
    }
}

fn shard_words(view: &View, number: u8) -> &str {
    view.shard_words.get(usize::from(number)).map_or("", String::as_str)
}

fn cache(node: CacheNode) -> State {
    let replica = node.replica;
    let why = if node.replica_is_up {
        format!("{replica} follows")
    } else {
        format!("{replica} is gone")
    };
    let (word, colour) = if node.is_up { ("up", Colour::Green) } else { ("gone", Colour::Red) };
    State::new(word, colour, why)
}

/// The state of everybody, by name.
pub(super) fn states(view: &View) -> BTreeMap<String, State> {
    let mut states = BTreeMap::new();
    for (number, status) in (0..).zip(&view.balancers) {
        states.insert(Actor::Balancer(number).to_string(), balancer(status.as_ref()));
    }
    for known in servers(view) {
        states.insert(known.name.clone(), server(known));
    }
    for (number, found) in (0..).zip(&view.shards) {
        let state = shard(found.fault.as_ref(), shard_words(view, number));
        states.insert(Actor::Shard(number).to_string(), state);
    }
    for node in &view.caches {
        states.insert(node.actor.to_string(), cache(*node));
    }
    states
}

/// What has become different, a line each. That nobody can say how servers are is none: the
/// address is between two owners.
pub(super) fn changes(
    before: &BTreeMap<String, State>,
    now: &BTreeMap<String, State>,
) -> Vec<String> {
    let different = now
        .iter()
        .filter(|(name, state)| before.get(*name).is_none_or(|before| before.word != state.word));
    different
        .map(|(name, State { word, why, .. })| match why.as_str() {
            "" => format!("{name}: {word}"),
            why => format!("{name}: {word}, {why}"),
        })
        .collect()
}

/// Numbers of people: 12,345.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Since the start: 1:02:03.
pub(super) fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Everything on one screen, in lines that fit it. `intro` is shown above, `news` below as far as
/// there is room.
pub(super) fn board(
    intro: &[String],
    view: &View,
    news: &[String],
    (running, size): (Duration, Size),
    coloured: bool,
) -> Vec<String> {
    let screen = Screen { coloured, width: None };
    let mut parts: Vec<Vec<String>> = vec![intro.to_vec()];
    let tables =
        [balancers(view, screen), pools(view, screen), shards(view, screen), caches(view, screen)];
    for text in tables.iter().filter(|text| !text.is_empty()) {
        parts.push(text.lines().map(str::to_owned).collect());
    }
    parts.push(vec![devices(view, running)]);
    let needed: usize = parts.iter().map(Vec::len).sum();
    let blanks = parts.len();
    let is_tight = needed + blanks + news.len().min(2) > size.rows;
    let mut lines = Vec::new();
    for (number, part) in parts.into_iter().enumerate() {
        // The address block stands apart even where there is little room.
        if number == 1 || (number > 1 && !is_tight) {
            lines.push(String::new());
        }
        lines.extend(part);
    }
    let room = size.rows.saturating_sub(lines.len());
    if !news.is_empty() && room > 1 {
        lines.push(String::new());
        let room = (room - 1).min(MOST_NEWS);
        lines.extend(news[news.len().saturating_sub(room)..].iter().cloned());
    }
    lines.truncate(size.rows);
    lines.iter().map(|line| clipped(line, size.columns)).collect()
}

fn balancers(view: &View, screen: Screen) -> String {
    let rows: Vec<_> = (0..BALANCERS)
        .zip(&view.balancers)
        .map(|(number, status)| {
            let state = balancer(status.as_ref());
            let connections =
                status.as_ref().map_or_else(String::new, |it| it.connections.to_string());
            let name = plain(Actor::Balancer(number));
            [name, state.cell(), plain(connections), plain(""), plain(&state.why)]
        })
        .collect();
    aligned(["BALANCER", "STATE", "CONNECTIONS", "", "WHY"], &rows, screen)
}

fn pools(view: &View, screen: Screen) -> String {
    let rate = |name: &str| {
        let found = view.rates.iter().find(|(actor, _)| actor.to_string() == name);
        found.map_or_else(String::new, |(_, rate)| grouped(*rate))
    };
    let rows: Vec<_> = servers(view)
        .map(|it| {
            let state = server(it);
            [
                plain(&it.name),
                state.cell(),
                plain(it.in_flight),
                plain(rate(&it.name)),
                plain(&state.why),
            ]
        })
        .collect();
    aligned(["SERVER", "STATE", "CONNECTIONS", "A SECOND", "WHY"], &rows, screen)
}

fn shards(view: &View, screen: Screen) -> String {
    let rows: Vec<_> = (0..SHARDS)
        .map(|number| {
            let found = view.shards.get(usize::from(number));
            let state = found.map_or_else(
                || State::new("starts", Colour::Yellow, ""),
                |found| shard(found.fault.as_ref(), shard_words(view, number)),
            );
            let known = found.filter(|found| found.fault.is_none());
            let devices = known.map_or_else(String::new, |it| it.devices.len().to_string());
            let records = known.map_or_else(String::new, |it| grouped(it.records));
            let name = plain(Actor::Shard(number));
            [name, state.cell(), plain(devices), plain(records), plain(&state.why)]
        })
        .collect();
    aligned(["SHARD", "STATE", "DEVICES", "RECORDS", "WHY"], &rows, screen)
}

fn caches(view: &View, screen: Screen) -> String {
    if view.caches.is_empty() {
        return String::new();
    }
    let rows = view.caches.iter().map(|node| {
        let state = cache(*node);
        [plain(node.actor), state.cell(), plain(""), plain(""), plain(&state.why)]
    });
    let rows: Vec<_> = rows.collect();
    aligned(["CACHE", "STATE", "", "", "WHY"], &rows, screen)
}

/// One table below the other with the same columns.
fn aligned(heading: [&str; 5], rows: &[[Cell; 5]], screen: Screen) -> String {
    /// Of all columns but the last.
    const WIDTHS: [usize; 4] = [8, 10, 11, 9];
    let pad = |text: &str, at: usize| {
        WIDTHS.get(at).map_or_else(|| text.to_owned(), |width| format!("{text:width$}"))
    };
    let mut at = 0;
    let heading = heading.map(|word| {
        at += 1;
        pad(word, at - 1)
    });
    let heading = heading.each_ref().map(String::as_str);
    table(heading, rows, screen)
}

fn devices(view: &View, running: Duration) -> String {
    let devices = view.devices;
    format!(
        "devices: {} sent, {} acknowledged, {} under way; {}",
        grouped(devices.sent),
        grouped(devices.acknowledged),
        grouped(devices.pending()),
        elapsed(running)
    )
}

/// The first `columns` of a line, with what switches colours left whole.
fn clipped(line: &str, columns: usize) -> String {
    let mut text = String::new();
    let (mut shown, mut in_code) = (0, false);
    for c in line.chars() {
        if c == '\u{1b}' {
            in_code = true;
        }
        if in_code {
            text.push(c);
            in_code = c != 'm';
        } else if shown < columns {
            text.push(c);
            shown += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(word: &str, why: &str) -> State {
        State::new(word, Colour::Plain, why)
    }

    fn named(states: &[(&str, State)]) -> BTreeMap<String, State> {
        states.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect()
    }

    #[test]
    fn a_change_is_a_line_and_another_reason_is_none() {
        let before = named(&[("cs0", state("up", "a")), ("cs1", state("up", "a"))]);
        let now = named(&[("cs0", state("down", "refused")), ("cs1", state("up", "b"))]);
        assert_eq!(changes(&before, &now), ["cs0: down, refused"]);
        assert_eq!(changes(&now, &named(&[])), Vec::<String>::new(), "nobody can say");
        assert_eq!(changes(&named(&[]), &named(&[("db0", state("up", ""))])), ["db0: up"]);
    }

    #[test]
    fn it_fits_whatever_the_terminal() {
        let news: Vec<String> = (0..9).map(|number| format!("news {number}")).collect();
        let intro = ["Evenkeel".to_owned()];
        for rows in 0..40 {
            let size = Size { rows, columns: 30 };
            let lines = board(&intro, &View::default(), &news, (Duration::ZERO, size), true);
            assert!(lines.len() <= rows, "{lines:?}");
            for line in lines {
                let codes = line.matches("\u{1b}[").count() * 5;
                assert!(line.chars().count() <= 30 + codes, "{line}");
            }
        }
    }

    #[test]
    fn numbers_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(elapsed(Duration::from_secs(62)), "1:02");
        assert_eq!(elapsed(Duration::from_secs(3_723)), "1:02:03");
    }

    #[test]
    fn a_clipped_line_still_ends_its_colour() {
        assert_eq!(clipped("\u{1b}[32mgreen\u{1b}[0m tail", 3), "\u{1b}[32mgre\u{1b}[0m");
    }
}
