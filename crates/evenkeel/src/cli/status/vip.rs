//! Virtual addresses in a status.

use std::time::SystemTime;

use evenkeel_api::{Vip, VipState};

use super::ago;
use crate::cli::table::{Cell, Colour, Screen, cell, plain, table};

/// A table of them; empty without any.
/// `other`: the name of the other node of the pair, where there is one.
pub(super) fn in_words(
    vips: &[Vip],
    other: Option<&str>,
    now: SystemTime,
    screen: Screen,
) -> String {
    if vips.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = vips.iter().map(|vip| row(vip, other, now)).collect();
    table(["VIP", "STATE", "SINCE", "OWNER", "ADDRESS", "WHY"], &rows, screen)
}

/// Its state, and why.
pub(crate) fn state(vip: &Vip) -> (Cell, String) {
    let (word, colour) = match vip.state {
        VipState::Initialize => ("initialize", Colour::Yellow),
        VipState::Backup => ("backup", Colour::Green),
        VipState::Probing => ("probing", Colour::Yellow),
        VipState::Active => ("active", Colour::Green),
        VipState::Leaving => ("leaving", Colour::Yellow),
        VipState::Fault => ("fault", Colour::Red),
    };
    let mut why = vip.obstacle.as_ref().unwrap_or(&vip.reason).clone();
    for failed in vip.failed.iter().filter(|failed| **failed != vip.reason) {
        why = format!("{why}; {failed}");
    }
    (cell(word, colour), why)
}

fn row(vip: &Vip, other: Option<&str>, now: SystemTime) -> [Cell; 6] {
    let (state, why) = state(vip);
    [
        plain(&vip.name),
        state,
        plain(ago(vip.since.age(now))),
        plain(owner(vip, other)),
        plain(format!("{} on {}", vip.addresses.join(" "), vip.interface)),
        plain(why),
    ]
}

/// By its address, and by its name where that is known: each of two may say that it is the owner.
fn owner(vip: &Vip, other: Option<&str>) -> String {
    let seen = vip.owner.as_deref().unwrap_or("-");
    let peer = vip.peer.as_ref().filter(|peer| peer.owns);
    match (peer, other) {
        (Some(peer), Some(name)) if peer.address == seen => format!("{seen} ({name})"),
        (Some(peer), Some(name)) => format!("{seen}, and {} ({name})", peer.address),
        _ => seen.to_owned(),
    }
}
