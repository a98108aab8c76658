//! `evenkeel status`

mod certificates;
mod drills;
mod pair;
mod server;
mod vip;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use evenkeel_api::{
    AdminState, BreakerLoad, Client, Degraded, Health, NameState, NodeState, PeerView, Pool,
    PoolMode, RemovedServer, Said, Server, ServerName, Status,
};
use serde::Serialize;

pub(crate) use self::server::in_words as server_in_words;
pub(crate) use self::vip::state as vip_state;
use super::table::{Cell, Colour, Screen, cell, plain, table};
use super::{client, out, say_json};
use crate::args;
use crate::clock;

pub(crate) fn status(args: &args::Status) -> Result<ExitCode> {
    let client = client(&args.target)?;
    let screen = Screen::of_stdout();
    match args.which.as_deref().map(|which| which.split_once('/').ok_or(which)) {
        None => tell(args, &client.status()?, |it, now| in_words(it, now, screen))?,
        Some(Err(name)) => {
            let pool = find(&client, name)?;
            tell(args, &pool, |it, now| self::pool(it, now, screen))?;
        }
        Some(Ok((pool, name))) => {
            let server = client.server(pool, name)?;
            tell(args, &server, |it, now| server::in_words(pool, it, now, screen))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell<T: Serialize>(
    args: &args::Status,
    document: &T,
    words: impl FnOnce(&T, SystemTime) -> String,
) -> Result<()> {
    if args.json {
        return say_json(document);
    }
    out::say(&words(document, clock::now()));
    Ok(())
}

fn find(client: &Client, name: &str) -> Result<Pool> {
    let mut pools = client.status()?.pools;
    let names: Vec<_> = pools.iter().map(|pool| pool.name.clone()).collect();
    let at = pools.iter().position(|pool| pool.name == name);
    let at =
        at.with_context(|| format!("there is no pool `{name}`; there are: {}", names.join(", ")))?;
    Ok(pools.swap_remove(at))
}

fn in_words(status: &Status, now: SystemTime, screen: Screen) -> String {
    let other = status.pair.as_ref().and_then(|pair| pair.node.as_deref());
    let vips = vip::in_words(&status.vips, other, now, screen);
    let certificates = certificates::in_words(&status.listeners, now, screen);
    let pair = pair::in_words(status, now, screen);
    let drills = drills::in_words(&status.drills, now, screen);
    let mut parts = vec![head(status, now), listeners(status, screen), certificates, vips, pair];
    parts.extend(status.pools.iter().map(|it| pool(it, now, screen)));
    parts.push(drills);
    parts.extend(notes(status));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn head(status: &Status, now: SystemTime) -> String {
    let state = match status.state {
        NodeState::Running => "running",
        NodeState::Draining => "draining",
    };
    let since = ago(status.started.age(now));
    let config = &status.config;
    let applied = ago(config.applied.age(now));
    format!(
        "{} {state} for {since}, evenkeel {}\nconfiguration {} from {}, applied {applied} ago",
        status.node, status.version, config.version, config.origin
    )
}

fn listeners(status: &Status, screen: Screen) -> String {
    let rows: Vec<_> = status
        .listeners
        .iter()
        .map(|listener| {
            [
                plain(&listener.name),
                plain(&listener.protocol),
                plain(listener.addresses.join(" ")),
                plain(listener.connections),
                plain(listener.requests_total),
            ]
        })
        .collect();
    table(["LISTENER", "PROTOCOL", "ADDRESS", "CONNECTIONS", "REQUESTS"], &rows, screen)
}

/// A pool with its servers.
fn pool(pool: &Pool, now: SystemTime, screen: Screen) -> String {
    let in_use = pool.servers.iter().filter(|server| server.in_use).count();
    let head = cell(format!("POOL {}", pool.name), Colour::Bold).shown(screen);
    let mut parts = vec![
        format!("{head}  {}", pool.balance),
        format!("{in_use} of {} servers in use", pool.servers.len()),
    ];
    parts.extend(pool.degraded.iter().map(|Degraded { dependency, since }| {
        let word = cell(format!("degraded({dependency})"), Colour::Yellow).shown(screen);
        format!("{word} for {}", ago(since.age(now)))
    }));
    let servers = pool.servers.iter().map(|server| row(server, now));
    let names = pool.names.iter().filter_map(|name| name_row(name, now));
    let removed = pool.removed.iter().map(|gone| removed_row(gone, now));
    let rows: Vec<_> = servers.chain(names).chain(removed).collect();
    let table = table(["SERVER", "STATE", "SINCE", "IN FLIGHT", "WHY"], &rows, screen);
    format!("{}\n{table}", parts.join(", "))
}

fn row(server: &Server, now: SystemTime) -> [Cell; 5] {
    let (state, since, why) = state(server);
    [
        plain(&server.name),
        state,
        plain(ago(since.age(now))),
        plain(server.in_flight),
        plain(format!("{why}{}{}", said(server), there(server)).trim_start_matches("; ")),
    ]
}

/// What the other node of the pair thinks of it, if that is another thing.
pub(crate) fn there(server: &Server) -> String {
    let words = |view: &PeerView| format!("; there {}: {}", health(view.health).0, view.reason);
    server.judged_otherwise().map(words).unwrap_or_default()
}

fn health(health: Health) -> (&'static str, Colour) {
    match health {
        Health::Up => ("up", Colour::Green),
        Health::Down => ("down", Colour::Red),
        Health::Checking => ("checking", Colour::Yellow),
    }
}

/// A name that gives no server, or may not give the right ones.
fn name_row(name: &ServerName, now: SystemTime) -> Option<[Cell; 5]> {
    let state = match name.state {
        NameState::Resolved => return None,
        NameState::Stale => cell("stale", Colour::Yellow),
        NameState::Unresolved => cell("unresolved", Colour::Red),
    };
    let since = plain(ago(name.since.age(now)));
    Some([plain(&name.name), state, since, plain("-"), plain(&name.reason)])
}

fn removed_row(gone: &RemovedServer, now: SystemTime) -> [Cell; 5] {
    let RemovedServer { name, said } = gone;
    let state = cell("removed", Colour::Yellow);
    let since = plain(ago(said.since.age(now)));
    [plain(name), state, since, plain("-"), plain(why(said))]
}

/// Why, by whom and until when.
fn why(said: &Said) -> String {
    let Said { author, reason, since: _, expires } = said;
    let who = match (reason.as_str(), author.as_str()) {
        ("", "") => String::new(),
        ("", author) => format!("by {author}"),
        (reason, "") => reason.to_owned(),
        (reason, author) => format!("{reason} (by {author})"),
    };
    match expires {
        Some(expires) => format!("{who}, until {expires}").trim_start_matches(", ").to_owned(),
        None => who,
    }
}

/// What operators said of a server besides its admin state.
fn said(server: &Server) -> String {
    let Some(over) = &server.overridden else { return String::new() };
    let added = over.added.as_ref().map(|added| ("added", &added.said));
    let weight = over.weight.as_ref().map(|weight| ("weight set", &weight.said));
    let said = added.into_iter().chain(weight);
    let colon = |said: &Said| if said.reason.is_empty() { "" } else { ":" };
    let words = |(what, said)| format!("; {what}{} {}", colon(said), why(said));
    said.map(|it| words(it).trim_end().to_owned()).collect()
}

/// The stronger of what the operator wants and what the checks say.
pub(crate) fn state(server: &Server) -> (Cell, evenkeel_api::Timestamp, String) {
    let Server { admin, verdict, backup, zone, overridden, .. } = server;
    let wanted = || {
        let set = overridden.as_ref().and_then(|over| over.state.as_ref());
        set.map_or_else(String::new, |set| why(&set.said))
    };
    let role = if *backup { ", backup" } else { "" };
    let place = zone.as_ref().map_or_else(String::new, |zone| format!(", zone {zone}"));
    match (admin.state, verdict.health) {
        (AdminState::Maint, _) => (cell("maint", Colour::Yellow), admin.since, wanted()),
        (AdminState::Drain, _) => (cell("drain", Colour::Yellow), admin.since, wanted()),
        (AdminState::Ready, judged) => {
            let (word, colour) = health(judged);
            (cell(format!("{word}{role}{place}"), colour), verdict.since, verdict.reason.clone())
        }
    }
}

/// What is worth a sentence.
pub(crate) fn notes(status: &Status) -> Option<String> {
    let modes = status.pools.iter().filter_map(|pool| {
        let what = match pool.mode {
            PoolMode::Normal => return None,
            PoolMode::Backup => "only the backup servers are left",
            PoolMode::Panic => "fewer than half are up, so health is ignored and all are used",
            PoolMode::Empty => "no server can be used",
        };
        Some(format!("pool {}: {what}", pool.name))
    });
    let degraded = status.pools.iter().flat_map(|pool| {
        pool.degraded.iter().map(move |Degraded { dependency, .. }| {
            let name = &pool.name;
            format!(
                "pool {name}: every server lacks `{dependency}`: none is taken out because of it"
            )
        })
    });
    let waiting = status.pools.iter().filter(|pool| pool.waiting > 0);
    let waiting = waiting.map(|pool| {
        format!("pool {}: {} requests wait for a server with room", pool.name, pool.waiting)
    });
    let full = status.pools.iter().flat_map(full_breakers);
    let later = status.config.needs_restart.iter();
    let later = later.map(|key| format!("`{key}` is changed, but only from the next start on"));
    let refusal = status.config.last_refusal.iter();
    let refusal =
        refusal.map(|why| format!("the last change of the configuration was refused: {why}"));
    let problems = status.problems.iter().cloned();
    let level = status.shed_level;
    let shed = (level > 0).then(|| {
        format!("too much to do: requests of routes with a priority below {level} are answered 503")
    });
    let notes = modes
        .chain(shed)
        .chain(degraded)
        .chain(waiting)
        .chain(full)
        .chain(later)
        .chain(refusal)
        .chain(problems);
    let notes: Vec<String> = notes.collect();
    (!notes.is_empty()).then(|| notes.join("\n"))
}

/// Breakers of a pool and its servers that let nobody in.
fn full_breakers(pool: &Pool) -> impl Iterator<Item = String> {
    let of_pool = pool.breaker.iter().map(|it| (format!("pool {}", pool.name), it));
    let of_servers = pool.servers.iter().flat_map(|server| {
        server.breaker.iter().map(|it| (format!("server {}/{}", pool.name, server.name), it))
    });
    let full = |(_, it): &(String, &BreakerLoad)| it.under_way >= it.limit;
    of_pool.chain(of_servers).filter(full).map(|(whose, it)| {
        format!("{whose}: its breaker is full, {} {} are under way", it.under_way, it.load)
    })
}

/// A duration in its largest unit.
pub(crate) fn ago(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_words() {
        for (seconds, words) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_200, "2 h"), (200_000, "2 d")]
        {
            assert_eq!(ago(Duration::from_secs(seconds)), words);
        }
    }
}
