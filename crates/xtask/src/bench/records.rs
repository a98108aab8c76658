//! What it costs to record exchanges (counters, histograms, history, the live view, what `evenkeel why`
//! knows; no access log): this build beside one of the same sources that records nothing.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::config::{Scale, Setting};
use super::many::SCENARIO;
use super::proxy::{Kind, Programs, Proxy};
use super::table::median;
use super::upstream::Upstreams;
use super::{Bench, build, cpu, load};
use crate::{out, suite};

/// What all of it may cost, in microseconds a request.
const AIM: f64 = 0.4;

/// Rounds for each that is asked for: what is looked for is a small part of what a request costs, and
/// each round compares neighbours.
const ROUNDS: u32 = 4;

/// Measures and prints.
pub(super) fn measure(bench: &Bench<'_>, root: &Path, upstreams: &Upstreams) -> Result<()> {
    if bench.options.evenkeel.is_some() {
        out::say("\nrecords: left out, because it compares two builds of these sources");
        return Ok(());
    }
    let silent = Programs { evenkeel: unrecorded(root)?, ..bench.programs.clone() };
    let start = |programs: &Programs, history| {
        // With a route, which is counted too.
        let setting = Setting { scale: Scale::Few, history, ..bench.setting(1, false) };
        Proxy::start(Kind::Evenkeel, programs, setting, upstreams, &bench.scratch)
    };
    let proxies = [start(&bench.programs, true)?, start(&silent, false)?];
    let (mut with, mut without, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=bench.options.rounds.get() * ROUNDS {
        // Who is first takes turns too.
        let mut spent = [0.0; 2];
        for place in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            spent[place] = each(bench, &proxies[place])?;
        }
        // The first round makes the connections.
        if round > 0 {
            with.push(spent[0]);
            without.push(spent[1]);
            costs.push(spent[0] - spent[1]);
        }
    }
    let (with, without, cost) = (median(&mut with), median(&mut without), median(&mut costs));
    let (low, high) = (costs[costs.len() / 4], costs[costs.len() * 3 / 4]);
    out::say(&format!(
        "\nrecords: {with:.2} µs a request with and {without:.2} without; they cost {cost:.2} µs, in \
         the middle half of {} rounds {low:.2} to {high:.2} (target: at most {AIM})",
        costs.len()
    ));
    Ok(())
}

/// Microseconds of CPU per request of one round, of the whole program.
fn each(bench: &Bench<'_>, proxy: &Proxy) -> Result<f64> {
    let before = cpu::spent(proxy.pid())?;
    let address = proxy.address(SCENARIO.listener);
    let answered =
        load::run(address, &SCENARIO, bench.options.seconds.get(), bench.scratch.path())?;
    let spent = cpu::spent(proxy.pid())?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1e6 / f64::from(answered.requests))
}

/// The program that records nothing, in a folder of its own, where nobody takes it for the other.
fn unrecorded(root: &Path) -> Result<PathBuf> {
    let folder = suite::target_directory(root)?.join("unrecorded");
    build(root, |cargo| cargo.arg("--target-dir").arg(&folder).env("EVENKEEL_UNRECORDED", "1"))?;
    Ok(folder.join("release").join("evenkeel"))
}
