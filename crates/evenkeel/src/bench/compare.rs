//! `evenkeel bench compare`: one server, two servers, two of which one dies.

pub(super) mod page;
mod server;
mod stand;
mod text;
mod tied;
mod verdict;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;

pub(super) use self::server::serve;
use self::stand::Stand;
pub(super) use self::tied::tie;
use self::verdict::{Comparison, Loss, bearable};
use super::args::{self, Compare};
use super::lane::Live;
use super::schedule::{Schedule, Shape};
use super::{Half, plan, run, stop_on_ctrl_c, usage, write_page};
use crate::cli::table::Screen;
use crate::cli::{out, say_json};

/// The small servers take 400 requests a second each, about: this goes from little to more than two
/// of them can.
const RATE: (f64, f64) = (50.0, 1000.0);

pub(super) fn compare(args: &Compare) -> Result<ExitCode> {
    let schedule = match schedule(args) {
        Ok(schedule) => schedule,
        Err(why) => return Ok(usage(&anyhow::Error::msg(why))),
    };
    let live = Arc::new(Live::default());
    stop_on_ctrl_c(&live)?;
    let mut stand = Stand::build(args)?;
    out::complain(&stand.words());
    let comparison = measure(&mut stand, &schedule, &args.means, &live)?;
    if let Some(path) = &args.output.html {
        write_page(path, &page::comparison(&comparison))?;
    }
    if args.output.json {
        say_json(&comparison)?;
    } else {
        out::say(&text::comparison(&comparison, Screen::of_stdout()));
    }
    let loss = comparison.loss.as_ref();
    let broken = loss.map(|loss| loss.report.broken(args.max_errors, None)).unwrap_or_default();
    for line in &broken {
        out::complain(&format!("evenkeel: while one of two was lost: {line}"));
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn schedule(args: &Compare) -> Result<Schedule, &'static str> {
    let (from, to) = args.rate.unwrap_or(RATE);
    Schedule::new(from, to, args.duration, Shape::Steps(args.steps.get()))
}

/// The three, or as many of them as Ctrl-C leaves time for.
fn measure(
    stand: &mut Stand,
    schedule: &Schedule,
    means: &args::Means,
    live: &Live,
) -> Result<Comparison> {
    let reachable = |url: &str, schedule: &Schedule| {
        let mut plan = plan(url, schedule.clone(), means)?;
        plan.target.try_out(plan.patience)?;
        anyhow::Ok(plan)
    };
    let one = run(&reachable(stand.one(), schedule)?, "one server ", live, None)?;
    let mut comparison = Comparison::of_one(one);
    if live.stop.load(Ordering::Relaxed) {
        return Ok(comparison);
    }
    live.reset();
    stand.rest(means.timeout)?;
    let two = run(&reachable(stand.two(), schedule)?, "two servers", live, None)?;
    comparison.add_two(two);
    let Some(how) = stand.how_one_is_lost().filter(|_| !live.stop.load(Ordering::Relaxed)) else {
        return Ok(comparison);
    };
    live.reset();
    stand.rest(means.timeout)?;
    let rate = bearable(&comparison.one);
    // Two levels of the same rate: before and after.
    let steady = Schedule::new(rate, rate, schedule.duration, Shape::Steps(2));
    let plan = reachable(stand.two(), &steady.map_err(anyhow::Error::msg)?)?;
    let mut lost = Ok(());
    let half: Half<'_> = (schedule.duration / 2, &mut || lost = stand.lose_one());
    let report = run(&plan, "one is lost", live, Some(half))?;
    stand.restore()?;
    lost?;
    comparison.loss = Loss::of(report, how);
    Ok(comparison)
}
