//! `evenkeel drill`: the loss of a server, or of the node that owns a virtual address, rehearsed on a
//! running installation.
//!
//! The node holds the drill on a lease and puts everything back by itself; this program probes,
//! counts, and says how far it is to go.

pub(crate) mod args;
mod conduct;
mod course;
mod page;
mod probe;
mod record;
mod report;
mod target;

use std::fs;
use std::io::{IsTerminal as _, Write as _, stdin};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use evenkeel_api::{AdminState, Client, DrillKind, DrillStart, Status, Timestamp};

use self::args::{DrillServer, DrillVip, How, What};
use self::conduct::{Plan, carry_out};
use self::course::Rules;
use self::report::{Report, Subject};
use self::target::Target;
use crate::cli::{client, out, say_json};
use crate::clock;

/// The exit code for what was typed wrong.
const USAGE: u8 = 2;

pub(crate) fn drill(args: &args::Drill) -> Result<ExitCode> {
    let how = match &args.what {
        What::Server(args) => &args.how,
        What::Vip(args) => &args.how,
    };
    let typed = match Target::all_of(&how.probes.urls) {
        Ok(targets) => targets,
        Err(error) => {
            out::complain(&format!("evenkeel: {error:#}"));
            return Ok(ExitCode::from(USAGE));
        }
    };
    let client = client(&how.target)?;
    let status = client.status()?;
    let prepared = match &args.what {
        What::Server(args) => of_server(args, &client, &status, typed)?,
        What::Vip(args) => of_vip(args, &client, &status, typed)?,
    };
    if !how.yes && !is_wanted(&prepared, how)? {
        bail!("nothing was done");
    }
    let report = run(prepared, how, &status, client)?;
    if let Some(path) = &how.html {
        fs::write(path, page::page(&report))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if how.json {
        say_json(&report)?;
    } else {
        out::say(&report.text());
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be done, with the words for it.
struct Prepared {
    start: DrillStart,
    targets: Vec<Target>,
    /// What is done, for who is asked and for the report.
    what: String,
}

fn of_server(
    args: &DrillServer,
    client: &Client,
    status: &Status,
    typed: Vec<Target>,
) -> Result<Prepared> {
    let DrillServer { which: (pool, server), mode, how } = args;
    let targets = if typed.is_empty() { target::of_pool(client, status, pool)? } else { typed };
    let state = AdminState::from(*mode);
    let word = if state == AdminState::Drain { "drain" } else { "maint" };
    let what = format!("set to {word} for {} s", how.away.as_secs_f64());
    let start = start(DrillKind::Server, format!("{pool}/{server}"), Some(state), how);
    Ok(Prepared { start, targets, what })
}

fn of_vip(
    args: &DrillVip,
    client: &Client,
    status: &Status,
    typed: Vec<Target>,
) -> Result<Prepared> {
    let DrillVip { name, how } = args;
    let vip = client.vip(name)?;
    let targets = if typed.is_empty() { target::of_vip(status, &vip)? } else { typed };
    let what = format!("moved to the other node for {} s", how.away.as_secs_f64());
    Ok(Prepared { start: start(DrillKind::Vip, name.clone(), None, how), targets, what })
}

fn start(kind: DrillKind, object: String, state: Option<AdminState>, how: &How) -> DrillStart {
    let more = u64::from(how.away.subsec_nanos() > 0);
    DrillStart {
        kind,
        object,
        state,
        away_seconds: how.away.as_secs() + more,
        lease_seconds: how.lease,
        author: how.author.clone(),
        reason: how.reason.clone(),
    }
}

/// Says what will happen, and asks.
fn is_wanted(prepared: &Prepared, how: &How) -> Result<bool> {
    let Prepared { start, targets, what } = prepared;
    let How { calm, lease, probes, rails, .. } = how;
    let names: Vec<&str> = targets.iter().map(|it| it.name.as_str()).collect();
    out::complain(&format!(
        "{} will be {what}, and then put back.\n\
         Probed {} times a second, from {} s before: {}\n\
         At once put back when more than {} probes fail, more than {} requests of clients fail,\n\
         no probe is good for {} s, or the node hears nothing of this program for {lease} s.",
        start.object,
        probes.rate,
        calm.as_secs_f64(),
        names.join(" "),
        rails.failed,
        rails.errors,
        rails.gap.as_secs_f64(),
    ));
    if !stdin().is_terminal() {
        bail!("nobody can be asked without a terminal: say --yes if this is wanted");
    }
    // What is not flushed is asked a moment later.
    let _ = write!(std::io::stderr(), "Go on? [y/N] ");
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn run(prepared: Prepared, how: &How, status: &Status, client: Client) -> Result<Report> {
    let Prepared { start, targets, what } = prepared;
    let subject = Subject {
        kind: start.kind,
        object: start.object.clone(),
        node: status.node.clone(),
        what,
        began: Timestamp(clock::now()),
        probes: targets.iter().map(|target| target.name.clone()).collect(),
        every: Duration::from_secs(1) / how.probes.rate,
        rails: how.rails,
    };
    let plan = Plan {
        start,
        targets,
        every: subject.every,
        timeout: how.probes.timeout,
        rules: Rules { calm: how.calm, away: how.away, limit: how.limit, rails: how.rails },
    };
    Ok(Report::new(subject, carry_out(&plan, client)?))
}
