//! `evenkeel demo --drill`: everybody is broken and mended in turn, while devices send and users
//! click, and what came of it is counted.

mod figures;
mod page;
mod plan;
mod record;
mod report;

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use evenkeel_api::{ServerAddition, ServerRemoval};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use self::figures::{Account, Mark, Total, faults, settle, total_faults};
use self::plan::{Deed, LOADED, Step, plan};
use self::record::{Click, Record, Tick};
use self::report::{Done, Report, heading, line};
use super::End;
use super::scene::{Actor, BALANCERS, CLONE, DEVICES};
use super::show::{DEVICES_REPORT, Show};
use super::terminal;
use super::view::{Listener, ask_balancer};
use super::visitor::Visitor;
use crate::cli::out;
use crate::clock;

/// Users that click all the time.
const USERS: usize = 5;
/// Between two clicks of a user, and before another try.
const CLICK_EVERY: Duration = Duration::from_millis(200);
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// What they look at in turn.
const PAGES: [&str; 3] = ["/", "/alarms", "/api/session"];
/// Between two words of the devices.
pub(super) const SAY_EACH: Duration = Duration::from_millis(100);
/// Before the first step, so that there is something to compare with.
const BEFORE: Duration = Duration::from_secs(2);
/// For a state to come: twice as long as a server that was ejected is held at first.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After a step all is as it was for so long: a device that was told to wait has sent again, and
/// its wait counts in the step that made it.
const CALM: Duration = Duration::from_millis(3_500);
/// Readings on their way at any moment: less than a second's.
const FEW: u64 = 30;
const GUESTS: usize = 6;
/// Why the clone is added and removed, for those who look at the status.
const REASON: &str = "drill";

type Shared = Rc<RefCell<Record>>;

/// Where the report goes besides the terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) json: Option<&'a Path>,
    pub(super) html: Option<&'a Path>,
}

/// Carries out the drill; 0 when nothing was lost or doubled and every step is within its limit.
pub(super) async fn run(mut show: Show, end: &mut End, files: Files<'_>) -> Result<ExitCode> {
    let drilled = tokio::select! {
        drilled = drill(&mut show) => drilled,
        () = end.asked() => Err(anyhow!("the drill was interrupted: it shows nothing")),
    };
    show.end().await;
    let report = drilled?;
    if let Some(path) = files.json {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = files.html {
        write(path, &page::page(&report))?;
    }
    out::say("");
    for fault in &report.faults {
        out::say(fault);
    }
    out::say(&report.verdict());
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

async fn drill(show: &mut Show) -> Result<Report> {
    let began = clock::instant();
    let record: Shared = Rc::default();
    hear(show, began, &record);
    let mut users = users(show, began, &record).await?;
    sleep(BEFORE).await;
    let owner = show.view.borrow().owner().context("no balancer serves")?.0;
    out::say(&format!("\n{DEVICES} devices send and {USERS} users click\n"));
    out::say(&heading());
    let mut steps = Vec::new();
    let mut mark = mark(show).await?;
    for step in plan(owner, show.stores) {
        terminal::passing(&format!("{} …", step.name));
        let from_ms = milliseconds(began);
        let told = carry_out(show, &step).await.err().map(|error| format!("{error:#}"));
        let (before, to_ms) = (mark, milliseconds(began));
        mark = self::mark(show).await?;
        let seen = record.borrow().between(from_ms, to_ms);
        let mut counted = mark.since(&before);
        counted.users_gap_ms = seen.users_gap_ms;
        counted.devices_gap_ms = seen.devices_gap_ms;
        counted.requests = seen.requests;
        counted.failed = seen.failed;
        let mut found = faults(&counted, &step.limit);
        let is_broken = told.is_some();
        found.extend(told);
        let limit = step.limit.into();
        let done = Done { name: step.name, from_ms, to_ms, figures: counted, limit, faults: found };
        out::say(&line(&done));
        steps.push(done);
        if is_broken {
            break; // what was not mended would be found broken again
        }
    }
    users.abort_all();
    let end_ms = milliseconds(began);
    let total = settled(show).await?;
    let timeline = record.borrow().buckets(end_ms);
    Ok(Report::new(steps, total, (end_ms, timeline)))
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Keeps what the devices say.
fn hear(show: &Show, began: Instant, record: &Shared) {
    let record = Rc::clone(record);
    show.view.borrow_mut().listener = Some(Listener(Box::new(move |devices| {
        let at_ms = milliseconds(began);
        let (acknowledged, slowest_ms) = (devices.acknowledged, devices.slowest_ms);
        record.borrow_mut().ticks.push(Tick { at_ms, acknowledged, slowest_ms });
    })));
}

/// Logs users in, who click from then on.
async fn users(show: &Show, began: Instant, record: &Shared) -> Result<JoinSet<()>> {
    let mut clicking = JoinSet::new();
    let site = show.stage.ground.site();
    for _ in 0..USERS {
        let who = (show.access.user.as_str(), show.access.password.as_str());
        let visitor = Visitor::log_in(&show.tls, site, who).await.context("nobody can log in")?;
        let (tls, record) = (show.tls.clone(), Rc::clone(record));
        clicking.spawn_local(click(visitor, tls, began, record));
    }
    Ok(clicking)
}

/// Clicks for ever. A page that does not come is tried again until it does.
async fn click(visitor: Visitor, tls: TlsConnector, began: Instant, record: Shared) {
    for page in PAGES.iter().cycle() {
        let wanted = clock::instant();
        loop {
            let came = visitor.click(&tls, page).await.is_ok();
            let (at_ms, waited_ms) = (milliseconds(began), milliseconds(wanted));
            record.borrow_mut().clicks.push(Click { at_ms, waited_ms, came });
            if came {
                break;
            }
            sleep(RETRY_AFTER).await;
        }
        sleep(CLICK_EVERY).await;
    }
}

/// What devices and shards say now.
async fn mark(show: &Show) -> Result<Mark> {
    let devices = show.view.borrow().devices;
    let shards = show.service.shards().await?;
    if let Some(fault) = shards.iter().find_map(|shard| shard.fault.as_ref()) {
        bail!("the shards cannot be counted: {fault}");
    }
    Ok(Mark::new(devices, &shards))
}

/// Breaks and mends, and returns once all is calm.
async fn carry_out(show: &mut Show, step: &Step) -> Result<()> {
    for deed in &step.deeds {
        act(show, *deed).await?;
    }
    calm(show).await
}

async fn act(show: &mut Show, deed: Deed) -> Result<()> {
    match deed {
        Deed::Order(word, actor) => show.order(word, actor).await.map(drop),
        Deed::Load(actor) => show.load(actor, LOADED),
        Deed::Hold(time) => {
            sleep(time).await;
            Ok(())
        }
        Deed::AwaitOut(actor) => {
            until(&format!("{actor} is still used"), || !show.view.borrow().uses(actor)).await
        }
        Deed::AwaitIn(actor) => {
            until(&format!("{actor} is not used"), || show.view.borrow().uses(actor)).await
        }
        Deed::AwaitOwnerBeside(number) => {
            let is_other = || show.view.borrow().owner().is_some_and(|(owner, _)| owner != number);
            until("nobody else has the address", is_other).await
        }
        Deed::AwaitBalancer(number) => {
            let place = usize::from(number);
            let answers = || show.view.borrow().balancers[place].is_some();
            until("the balancer does not answer", answers).await
        }
        Deed::AddClone => add_clone(show).await,
        Deed::Guests => guests(show).await,
        Deed::RemoveClone => remove_clone(show).await,
    }
}

/// Waits until something `is_so`; `what` is said when it does not come.
async fn until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let waiting = async {
        while !is_so() {
            sleep(LOOK_EVERY).await;
        }
    };
    let late = |_| anyhow!("{what} after {} s", PATIENCE.as_secs());
    timeout(PATIENCE, waiting).await.map_err(late)
}

/// Everybody is used, and devices have got rid of what they kept, for a while.
async fn calm(show: &Show) -> Result<()> {
    let is_calm = || {
        let view = show.view.borrow();
        let mut servers = Actor::ensemble().filter(|actor| actor.pool().is_some());
        servers.all(|actor| view.uses(actor)) && view.devices.pending() <= FEW
    };
    let settling = async {
        let mut since = clock::instant();
        while since.elapsed() < CALM {
            sleep(LOOK_EVERY).await;
            if !is_calm() {
                since = clock::instant();
            }
        }
    };
    let late = |_| anyhow!("it was not as before after {} s", PATIENCE.as_secs());
    timeout(PATIENCE, settling).await.map_err(late)
}

async fn add_clone(show: &mut Show) -> Result<()> {
    show.service.ask(&["clone", &CLONE.to_string()]).await?;
    show.cast.start(CLONE, &show.home, &show.stage, &show.service)?;
    let addition = ServerAddition {
        address: show.stage.ground.work(CLONE).to_string(),
        name: Some(CLONE.to_string()),
        weight: None,
        backup: false,
        zone: None,
        author: String::new(),
        reason: REASON.to_owned(),
        expires_in_seconds: None,
    };
    for number in 0..BALANCERS {
        let addition = addition.clone();
        ask_balancer(&show.stage, number, move |it| it.add_server("comm", &addition)).await?;
    }
    Ok(())
}

async fn remove_clone(show: &mut Show) -> Result<()> {
    let removal = ServerRemoval { reason: REASON.to_owned(), ..ServerRemoval::default() };
    let name = CLONE.to_string();
    for number in 0..BALANCERS {
        let (name, removal) = (name.clone(), removal.clone());
        let remove = move |it: &evenkeel_api::Client| it.remove_server("comm", &name, &removal);
        ask_balancer(&show.stage, number, remove).await?;
    }
    show.cast.stop(CLONE).await
}

/// Devices that come while there are three comm servers, each of which has its turn.
async fn guests(show: &mut Show) -> Result<()> {
    let count = GUESTS.to_string();
    let keys = show.service.ask(&["register", "--count", &count, "--prefix", "guest-"]).await?;
    show.home.write("guests.txt", &keys)?;
    let to = show.stage.ground.comm().to_string();
    let visit = ["device", "--to", &to, "--devices", "guests.txt", "--records", "5"];
    // It fails when a reading has no answer.
    show.service.ask(&[&visit[..], &["--interval", "100ms"]].concat()).await?;
    let took_part = || show.view.borrow().connections(CLONE) > 0;
    until(&format!("{CLONE} has had no connection"), took_part).await
}

#[derive(Debug, Deserialize)]
struct Accounts {
    devices: Vec<Account>,
}

/// Ends the devices, and compares what they say with what is stored.
async fn settled(show: &mut Show) -> Result<(Total, Vec<String>)> {
    show.end_devices().await?;
    let path = show.home.file(DEVICES_REPORT);
    let text = fs::read(&path).context("the devices have left no report")?;
    let accounts: Accounts = serde_json::from_slice(&text).context("cannot read their report")?;
    let total = settle(&accounts.devices, &show.service.shards().await?);
    let faults = total_faults(&total, DEVICES as u64);
    Ok((total, faults))
}
