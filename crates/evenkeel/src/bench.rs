//! `evenkeel bench`: an open-loop load test of a service.
//!
//! Requests leave by a schedule that was made before, whether or not earlier ones were answered, and
//! a request's latency begins when it was due: a stall is not hidden by the requests it held up.

pub(crate) mod answer;
pub(crate) mod args;
mod compare;
mod connection;
mod lane;
pub(crate) mod page;
mod progress;
mod report;
pub(crate) mod request;
mod schedule;
mod talk;
mod tally;
pub(crate) mod target;
pub(crate) mod text;
pub(crate) mod tls;

use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::args::Other;
use self::lane::{Live, Plan};
use self::progress::Progress;
use self::report::{Report, Subject};
use self::schedule::{Schedule, Shape};
use self::target::{Asked, Http, Target};
use self::tls::Trust;
use crate::cli::table::Screen;
use crate::cli::{out, say_json};
use crate::clock;

/// How often who waits is told how far the test is.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// What one thread sends without getting late, with room.
const RATE_OF_A_THREAD: f64 = 10_000.0;

/// Descriptors of the program beside those of the connections.
const OTHER_DESCRIPTORS: u64 = 64;

/// The exit code for what was typed wrong.
const USAGE: u8 = 2;

pub(crate) fn bench(args: &args::Bench) -> Result<ExitCode> {
    match &args.other {
        Some(Other::Compare(args)) => return compare::compare(args),
        Some(Other::Server(args)) => return compare::serve(args),
        Some(Other::Tied(args)) => return compare::tie(args),
        None => {}
    }
    let args::Bench { other: _, url, load, output, limits } = args;
    let url = url.as_deref().expect("the command line is refused without one");
    let plan = schedule(load).and_then(|schedule| plan(url, schedule, &load.means));
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(error) => return Ok(usage(&error)),
    };
    plan.target.try_out(plan.patience)?;
    let live = Arc::new(Live::default());
    stop_on_ctrl_c(&live)?;
    let report = run(&plan, url, &live, None)?;
    if let Some(path) = &output.html {
        write_page(path, &page::report(&report))?;
    }
    if output.json {
        say_json(&report)?;
    } else {
        out::say(&text::report(&report, Screen::of_stdout()));
    }
    let broken = report.broken(limits.max_errors, limits.max_p99);
    for line in &broken {
        out::complain(&format!("evenkeel: {line}"));
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what is wrong with what was typed.
fn usage(error: &anyhow::Error) -> ExitCode {
    out::complain(&format!("evenkeel: {error:#}"));
    ExitCode::from(USAGE)
}

fn schedule(load: &args::Load) -> Result<Schedule> {
    let args::Load { rate, duration, steps, means: _ } = load;
    let shape = steps.map_or(Shape::Ramp, |steps| Shape::Steps(steps.get()));
    Schedule::new(rate.0, rate.1, *duration, shape).map_err(anyhow::Error::msg)
}

/// What was typed, as a test of `url`.
fn plan(url: &str, schedule: Schedule, means: &args::Means) -> Result<Plan> {
    let args::Means { connections, timeout, threads, request } = means;
    let args::Request { method, headers, body, no_keep_alive, http, streams, insecure, ca } =
        request;
    let asked = Asked {
        method,
        headers,
        body: body.as_deref(),
        keep_alive: !no_keep_alive,
        http: *http,
        streams: *streams,
        trust: Trust { insecure: *insecure, authority: ca.as_deref() },
    };
    let cores = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    Ok(Plan {
        lanes: lanes(
            schedule.from.max(schedule.to),
            u32::try_from(cores).unwrap_or(1),
            *connections,
            *threads,
        ),
        target: Target::new(url, &asked)?,
        schedule,
        patience: *timeout,
        connections: *connections,
    })
}

/// How many threads send.
fn lanes(rate: f64, cores: u32, connections: u32, asked: Option<NonZeroU32>) -> u32 {
    let wanted = (1..cores).take_while(|threads| f64::from(*threads) * RATE_OF_A_THREAD < rate);
    let needed = 1 + u32::try_from(wanted.count()).unwrap_or(0);
    asked.map_or(needed, NonZeroU32::get).min(connections)
}

/// Something to be done in the course of a test, and when.
type Half<'a> = (Duration, &'a mut dyn FnMut());

/// Runs a test to its end, or until `live` says stop.
fn run(plan: &Plan, what: &str, live: &Live, mut half: Option<Half<'_>>) -> Result<Report> {
    allow_descriptors(plan.connections)?;
    let progress = Progress::new(what);
    let start = clock::instant();
    let grid = plan.schedule.grid();
    let (tally, stopped) = thread::scope(|scope| {
        let lanes: Vec<_> = (0..plan.lanes)
            .map(|number| scope.spawn(move || lane::run(plan, number, start, live)))
            .collect();
        let mut stopped = None;
        while !lanes.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(DRAW_EVERY);
            let elapsed = clock::instant().saturating_duration_since(start);
            if live.stop.load(Ordering::Relaxed) {
                stopped.get_or_insert(elapsed);
            }
            if let Some((_, deed)) = half.take_if(|(when, _)| elapsed >= *when) {
                deed();
            }
            progress.draw(elapsed, plan.schedule.duration, live);
        }
        progress.clear();
        let mut tally = tally::Tally::new(grid);
        for lane in lanes {
            tally.add(&lane.join().expect("a panic here would be one of this program")?);
        }
        anyhow::Ok((tally, stopped))
    })?;
    let elapsed = stopped.unwrap_or(plan.schedule.duration);
    Ok(Report::new(&subject(plan), &plan.schedule, elapsed, &tally))
}

/// Whom a report is of.
fn subject(plan: &Plan) -> Subject<'_> {
    let Plan { target, connections, .. } = plan;
    let http = target.http();
    let streams = match http {
        Http::One => 1,
        Http::Two => target.streams,
    };
    Subject { url: &target.url, method: &target.method, http, connections: *connections, streams }
}

/// The first Ctrl-C ends the test, the second the program.
fn stop_on_ctrl_c(live: &Arc<Live>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let live = Arc::clone(live);
    thread::Builder::new().name("ctrl-c".to_owned()).spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                live.stop.store(true, Ordering::Relaxed);
            }
        });
    })?;
    Ok(())
}

/// Raises this process's limit of descriptors as far as the connections need it.
fn allow_descriptors(connections: u32) -> Result<()> {
    let needed = u64::from(connections) + OTHER_DESCRIPTORS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let allowed = maximum.map_or(needed, |maximum| maximum.min(needed));
    setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum })?;
    anyhow::ensure!(
        allowed >= needed,
        "--connections {connections}: this process may have {allowed} descriptors; `ulimit -Hn` \
         shows that"
    );
    Ok(())
}

fn write_page(path: &Path, page: &str) -> Result<()> {
    fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_as_many_as_the_rate_needs() {
        for (rate, cores, connections, asked, expected) in [
            (100.0, 8, 64, None, 1),
            (10_000.0, 8, 64, None, 1),
            (25_000.0, 8, 64, None, 3),
            (1e6, 8, 64, None, 8),
            (1e6, 8, 3, None, 3),
            (100.0, 2, 64, NonZeroU32::new(4), 4),
            (100.0, 2, 2, NonZeroU32::new(4), 2),
        ] {
            assert_eq!(
                lanes(rate, cores, connections, asked),
                expected,
                "{rate} {cores} {asked:?}"
            );
        }
    }
}
