//! The other node of a pair in a status.

use std::time::SystemTime;

use evenkeel_api::Pair;

use super::ago;
use crate::cli::table::{Colour, Screen, cell};

/// A line; empty without a pair.
pub(super) fn in_words(pair: Option<&Pair>, now: SystemTime, screen: Screen) -> String {
    let Some(pair) = pair else { return String::new() };
    let Pair { peer, up, since, reason, node, program, .. } = pair;
    let since = ago(since.age(now));
    if *up {
        let name = node.as_deref().unwrap_or("the other node");
        let program = program.as_deref().unwrap_or("of an unknown version");
        let state = cell("up", Colour::Green).shown(screen);
        return format!("PAIR with {name} at {peer}: {state} for {since}, evenkeel {program}");
    }
    let state = cell("down", Colour::Red).shown(screen);
    let reason = reason.as_deref().unwrap_or("nobody knows why");
    format!("PAIR with {peer}: {state} for {since}: {reason}")
}
