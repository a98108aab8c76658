//! The other node of a pair in a status.

use std::time::SystemTime;

use evenkeel_api::{Pair, PeerFigures, Status};

use super::ago;
use crate::cli::table::{Colour, Screen, cell};

/// Servers that are named when the other node judges them otherwise; their lines say the rest.
const MOST_NAMED: usize = 4;

/// How the link stands, what the other node does, and where the two differ; empty without a pair.
pub(super) fn in_words(status: &Status, now: SystemTime, screen: Screen) -> String {
    let Some(pair) = &status.pair else { return String::new() };
    let Pair { peer, up, since, reason, node, program, figures, .. } = pair;
    let since = ago(since.age(now));
    if !up {
        let state = cell("down", Colour::Red).shown(screen);
        let reason = reason.as_deref().unwrap_or("nobody knows why");
        return format!("PAIR with {peer}: {state} for {since}: {reason}");
    }
    let name = node.as_deref().unwrap_or("the other node");
    let program = program.as_deref().unwrap_or("of an unknown version");
    let state = cell("up", Colour::Green).shown(screen);
    let link = format!("PAIR with {name} at {peer}: {state} for {since}, evenkeel {program}");
    let lines = [Some(link), figures.as_ref().map(does), otherwise(status, name)];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn does(figures: &PeerFigures) -> String {
    let PeerFigures { rate, errors, connections, cpu } = figures;
    format!(
        "it does {rate:.0} requests/s, {errors:.0} errors/s; connections {connections}, CPU {:.0} %",
        cpu * 100.0
    )
}

fn otherwise(status: &Status, name: &str) -> Option<String> {
    let servers = status.pools.iter().flat_map(|pool| {
        let otherwise = pool.servers.iter().filter(|it| it.judged_otherwise().is_some());
        otherwise.map(move |server| format!("{}/{}", pool.name, server.name))
    });
    let names: Vec<_> = servers.collect();
    let rest = names.len().checked_sub(MOST_NAMED).filter(|rest| *rest > 0);
    let rest = rest.map(|rest| format!(" and {rest} more")).unwrap_or_default();
    let told = names[..names.len().min(MOST_NAMED)].join(", ");
    (!names.is_empty()).then(|| format!("{name} judges otherwise: {told}{rest}"))
}
