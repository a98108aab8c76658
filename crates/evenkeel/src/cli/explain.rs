//! `evenkeel explain`

use std::process::ExitCode;

use anyhow::{Result, bail};
use evenkeel_api::{
    ExplainedOutcome, ExplainedPool, ExplainedRetry, ExplainedServer, Explanation, PoolMode,
};

use super::table::{Cell, Colour, Screen, cell, columns, folded, plain, table};
use super::{client, out, say_json};
use crate::args;

pub(crate) fn explain(args: &args::Explain) -> Result<ExitCode> {
    let (method, url) = match &args.what[..] {
        [url] => ("GET", url),
        [method, url] => (method.as_str(), url),
        _ => bail!("write a method and a URL, such as GET https://shop.example/x"),
    };
    let explanation = client(&args.target)?.explain(&evenkeel_api::Question {
        method,
        url,
        headers: &args.header,
        from: args.from,
        listener: args.listener.as_deref(),
    })?;
    if args.json {
        say_json(&explanation)?;
    } else {
        out::say(&in_words(&explanation, Screen::of_stdout()));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(it: &Explanation, screen: Screen) -> String {
    let head = cell(format!("{} {}", it.method, it.url), Colour::Bold).shown(screen);
    let mut facts = vec![("from", it.from.clone()), ("listener", listener(it))];
    if let Some(certificate) = &it.certificate {
        let names = certificate.names.join(", ");
        facts.push(("certificate", format!("{names} ({})", certificate.file)));
    }
    let default = if it.passed_over.is_empty() { "none is asked for" } else { "none: the default" };
    facts.push(("route", it.route.clone().unwrap_or_else(|| default.to_owned())));
    let nearly = it.passed_over.iter().map(|near| ("not", format!("{}: {}", near.route, near.why)));
    facts.extend(nearly);
    facts.extend(it.passes.iter().map(|pass| ("passes", pass.clone())));
    facts.extend(outcome(&it.outcome));
    let rows: Vec<_> = facts.into_iter().map(|(name, fact)| [plain(name), plain(fact)]).collect();
    let mut parts = vec![format!("{head}\n{}", columns(&rows, screen))];
    if let ExplainedOutcome::Pool(pool) = &it.outcome {
        let rows: Vec<_> = pool.servers.iter().map(server).collect();
        let heading = ["SERVER", "WEIGHT", "IN FLIGHT", "SCORE", "TRY", "VERDICT"];
        parts.push(table(heading, &rows, screen));
        parts.push(folded(&retry(&pool.retry), 0, screen));
    }
    parts.join("\n\n")
}

fn listener(it: &Explanation) -> String {
    let port = if it.on_port { "" } else { "; not on this port, but no other speaks it" };
    format!("{} ({}){port}", it.listener, it.protocol)
}

fn outcome(outcome: &ExplainedOutcome) -> Vec<(&'static str, String)> {
    match outcome {
        ExplainedOutcome::Refused { status: Some(status), why } => {
            vec![("answer", format!("{status}: {why}"))]
        }
        ExplainedOutcome::Refused { status: None, why } => {
            vec![("answer", format!("closed without one: {why}"))]
        }
        ExplainedOutcome::Answer { status, why } => {
            vec![("answer", format!("{status}, by this node: {why}"))]
        }
        ExplainedOutcome::Redirect { status, location } => {
            vec![("answer", format!("{status} to {location}"))]
        }
        ExplainedOutcome::File { status, folder, path } => {
            vec![("answer", format!("{status}: the file {path} of {folder}"))]
        }
        ExplainedOutcome::Pool(it) => pool(it),
    }
}

fn pool(it: &ExplainedPool) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(before) = &it.path_before {
        facts.push(("path", format!("{} (was {before})", it.path)));
    }
    let share = if it.by_split { ", by chance among those that share the traffic" } else { "" };
    let mode = match it.mode {
        PoolMode::Normal => "",
        PoolMode::Backup => "; only backup servers are left",
        PoolMode::Panic => "; fewer than half are up, so health is ignored",
        PoolMode::Empty => "; no server can be used",
    };
    facts.push(("pool", format!("{} ({}{mode}){share}", it.pool, it.balance)));
    if let Some(key) = &it.key {
        facts.push(("key", key.clone()));
    }
    let choice = match &it.chosen {
        None => "nobody: the request waits, or is answered 503".to_owned(),
        Some(server) if it.keeps_home => format!("{server}, which its cookie means"),
        Some(server) if it.by_chance => format!("{server}, by chance: it may be another next time"),
        Some(server) => server.clone(),
    };
    facts.push(("choice", choice));
    facts
}

fn server(it: &ExplainedServer) -> [Cell; 6] {
    let colour = match it.try_number {
        Some(1) => Colour::Green,
        Some(_) => Colour::Plain,
        None => Colour::Yellow,
    };
    [
        plain(&it.server),
        plain(it.weight),
        plain(it.in_flight),
        plain(it.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"))),
        plain(it.try_number.map_or_else(|| "-".to_owned(), |number| number.to_string())),
        cell(&it.verdict, colour),
    ]
}

/// What follows when the first server fails.
fn retry(it: &ExplainedRetry) -> String {
    let ExplainedRetry { attempts, on, repeatable, budget_percent, budget_floor, .. } = it;
    let (connect, first_byte) = (it.connect_seconds, it.first_byte_seconds);
    let waits = format!(
        "A connection is waited for {connect} s, the first byte of the answer {first_byte} s."
    );
    if *attempts == 0 || on.is_empty() {
        return format!("If that fails, no other server is tried. {waits}");
    }
    let tries = if *attempts == 1 {
        "another try".to_owned()
    } else {
        format!("up to {attempts} more tries")
    };
    let once = if *repeatable {
        ""
    } else {
        " The method is not one that may be repeated: once the server may have begun, it is not."
    };
    format!(
        "If that fails, {tries}, on {}, while no more than {budget_percent} % of the pool's requests \
         (or {budget_floor} a second) are tried again.{once} {waits}",
        on.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use evenkeel_api::{ExplainedCertificate, PassedOver};

    use super::*;

    fn server(name: &str, try_number: Option<usize>, verdict: &str) -> ExplainedServer {
        ExplainedServer {
            server: name.to_owned(),
            address: "10.0.0.21:8000".to_owned(),
            weight: 1.0,
            in_flight: 2,
            score: None,
            try_number,
            verdict: verdict.to_owned(),
        }
    }

    fn explanation(outcome: ExplainedOutcome) -> Explanation {
        Explanation {
            method: "POST".to_owned(),
            url: "https://shop.example/api/x".to_owned(),
            from: "192.0.2.7".to_owned(),
            listener: "front".to_owned(),
            protocol: "https".to_owned(),
            on_port: false,
            certificate: Some(ExplainedCertificate {
                file: "site.pem".to_owned(),
                names: vec!["shop.example".to_owned(), "*.shop.example".to_owned()],
            }),
            route: Some("api".to_owned()),
            passed_over: vec![PassedOver {
                route: "beta".to_owned(),
                why: "header x-beta is not 1".to_owned(),
            }],
            passes: vec!["the limit logins".to_owned()],
            outcome,
        }
    }

    #[test]
    fn the_way_of_a_request_in_words() {
        let pool = ExplainedPool {
            pool: "app".to_owned(),
            by_split: false,
            balance: "round-robin".to_owned(),
            mode: PoolMode::Normal,
            path: "/x".to_owned(),
            path_before: Some("/api/x".to_owned()),
            key: None,
            keeps_home: false,
            by_chance: false,
            chosen: Some("a".to_owned()),
            servers: vec![
                server("a", Some(1), "chosen"),
                server("b", None, "down: connection refused (3 of 3 checks failed)"),
            ],
            retry: ExplainedRetry {
                attempts: 2,
                on: vec!["connect".to_owned(), "timeout".to_owned()],
                repeatable: false,
                budget_percent: 20,
                budget_floor: 10,
                connect_seconds: 3.0,
                first_byte_seconds: 30.0,
            },
        };
        let said =
            in_words(&explanation(ExplainedOutcome::Pool(Box::new(pool))), Screen::default());
        let expected = "\
POST https://shop.example/api/x
from         192.0.2.7
listener     front (https); not on this port, but no other speaks it
certificate  shop.example, *.shop.example (site.pem)
route        api
not          beta: header x-beta is not 1
passes       the limit logins
path         /x (was /api/x)
pool         app (round-robin)
choice       a

SERVER  WEIGHT  IN FLIGHT  SCORE  TRY  VERDICT
a       1       2          -      1    chosen
b       1       2          -      -    down: connection refused (3 of 3 checks failed)

If that fails, up to 2 more tries, on connect, timeout, while no more than 20 % of the pool's requests \
(or 10 a second) are tried again. The method is not one that may be repeated: once the server may have \
begun, it is not. A connection is waited for 3 s, the first byte of the answer 30 s.";
        assert_eq!(said, expected);
    }

    #[test]
    fn what_does_not_reach_a_server_ends_with_its_answer() {
        for (outcome, expected) in [
            (
                ExplainedOutcome::Refused { status: Some(403), why: "address denied".to_owned() },
                "answer       403: address denied",
            ),
            (
                ExplainedOutcome::Refused { status: None, why: "no name".to_owned() },
                "answer       closed without one: no name",
            ),
            (
                ExplainedOutcome::Redirect { status: 308, location: "https://h/".to_owned() },
                "answer       308 to https://h/",
            ),
            (
                ExplainedOutcome::Answer { status: 200, why: "nobody else is asked".to_owned() },
                "answer       200, by this node: nobody else is asked",
            ),
            (
                ExplainedOutcome::File {
                    status: 200,
                    folder: "/srv".to_owned(),
                    path: "/a.css".to_owned(),
                },
                "answer       200: the file /a.css of /srv",
            ),
        ] {
            let said = in_words(&explanation(outcome), Screen::default());
            assert_eq!(said.lines().last(), Some(expected));
        }
    }
}
