//! Carries a drill out: probes, asks the node, and does what the course says.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use evenkeel_api::{
    AdminState, Client, ClientError, Drill, DrillEnd, DrillKind, DrillStage, DrillStart, DrillWord,
    Server, ServerChange, Vip, VipState,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet, spawn_blocking, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::course::{Course, Order, Rules, Seen, Stage, Stop, Whereabouts};
use super::probe::probe;
use super::record::{Probe, Record, milliseconds};
use super::report::Owner;
use super::target::Target;
use crate::cli::out;
use crate::clock;

/// How often it is decided what is next.
const STEP_EVERY: Duration = Duration::from_millis(50);

/// Between two words to the node. Each renews the lease, of which the shortest is 2 s.
const SAY_EVERY: Duration = Duration::from_millis(250);

/// Probes that have ended and were not looked at. More wait where they are.
const MOST_UNREAD: usize = 1_024;

/// "Ask again" (RFC 9110 §15.6.4).
const UNAVAILABLE: u16 = 503;

/// How often the node is told the end, should it not be heard at first.
const TRIES: u32 = 5;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) start: DrillStart,
    pub(super) targets: Vec<Target>,
    /// Between two probes of one thing.
    pub(super) every: Duration,
    pub(super) timeout: Duration,
    pub(super) rules: Rules,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) fault: Option<String>,
    pub(super) stages: Vec<(Stage, Duration)>,
    pub(super) record: Record,
    pub(super) gap: Duration,
    pub(super) took: Duration,
    /// Requests of real clients, and how many of them failed.
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) owners: Vec<Owner>,
}

/// What the node says.
#[derive(Debug)]
struct Look {
    drill: Drill,
    whereabouts: Whereabouts,
    /// Of a virtual address.
    owner: Option<String>,
}

/// What is known so far.
struct Conduct<'a> {
    plan: &'a Plan,
    client: Arc<Client>,
    id: String,
    began: Instant,
    course: Course,
    record: Record,
    /// What the node is told.
    wanted: DrillStage,
    drill: Drill,
    whereabouts: Whereabouts,
    owners: Vec<Owner>,
    heard: Instant,
    stop: Option<Stop>,
}

/// Begins the drill on the node and sees it through. An error: it did not begin.
pub(super) fn carry_out(plan: &Plan, client: Client) -> Result<Done> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Arc::new(client);
    let done = LocalSet::new().block_on(&runtime, async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let drill = client.begin_drill(&plan.start).context("the drill was not begun")?;
        let mut conduct = Conduct::new(plan, Arc::clone(&client), drill);
        let (results, mut ended) = mpsc::channel(MOST_UNREAD);
        for target in 0..plan.targets.len() {
            spawn_local(keep_probing(plan, target, conduct.began, results.clone()));
        }
        let mut looking = conduct.look_soon();
        let mut steps = interval(STEP_EVERY);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(probe) = ended.recv() => conduct.record.note(probe),
                look = &mut looking => {
                    conduct.take(look.context("a defect of this program")?);
                    looking = conduct.look_soon();
                }
                _ = interrupt.recv() => conduct.stopped("it was interrupted"),
                _ = terminate.recv() => conduct.stopped("it was interrupted"),
                _ = steps.tick() => if conduct.step() { break },
            }
        }
        looking.abort();
        conduct.end().await
    });
    // A word that is still waiting for its answer has nobody to tell.
    runtime.shutdown_background();
    done
}

impl<'a> Conduct<'a> {
    fn new(plan: &'a Plan, client: Arc<Client>, drill: Drill) -> Self {
        let began = clock::instant();
        Self {
            client,
            id: drill.id.clone(),
            began,
            course: Course::new(plan.rules),
            record: Record::new(plan.targets.len()),
            wanted: DrillStage::Begun,
            drill,
            whereabouts: Whereabouts::Here,
            owners: Vec::new(),
            heard: began,
            stop: None,
            plan,
        }
    }

    fn now(&self) -> Duration {
        clock::instant().saturating_duration_since(self.began)
    }

    fn stopped(&mut self, why: &str) {
        self.stop.get_or_insert_with(|| Stop::Asked(why.to_owned()));
    }

    /// Asks the node in a moment.
    fn look_soon(&self) -> JoinHandle<Result<Look, ClientError>> {
        let (client, id, stage) = (Arc::clone(&self.client), self.id.clone(), self.wanted);
        let start = self.plan.start.clone();
        spawn_local(async move {
            sleep(SAY_EVERY).await;
            let asked = spawn_blocking(move || look(&client, &id, stage, &start)).await;
            asked.expect("it does not panic, nor is it aborted")
        })
    }

    fn take(&mut self, look: Result<Look, ClientError>) {
        match look {
            Ok(Look { drill, whereabouts, owner }) => {
                self.heard = clock::instant();
                // One that was under way when something was ordered is old news.
                if drill.stage == self.wanted {
                    self.whereabouts = whereabouts;
                }
                self.drill = drill;
                let at_ms = milliseconds(self.now());
                if let Some(owner) = owner
                    && self.owners.last().is_none_or(|last| last.owner != owner)
                {
                    self.owners.push(Owner { at_ms, owner });
                }
            }
            Err(ClientError::Unreachable { .. }) => {}
            // A process that is about to be replaced: the next one will answer.
            Err(ClientError::Refused(problem)) if problem.status == UNAVAILABLE => {}
            Err(refused) => self.stop = Some(Stop::Over(refused.to_string())),
        }
        let silent = self.heard.elapsed();
        if silent > Duration::from_secs(self.plan.start.lease_seconds) {
            let seconds = silent.as_secs();
            self.stopped(&format!("the node was not heard for {seconds} s"));
        }
    }

    /// Requests of real clients that failed: all but this program's own.
    fn errors(&self) -> u64 {
        self.drill.errors.saturating_sub(self.record.failed())
    }

    /// Does what is next; `true` at the end.
    fn step(&mut self) -> bool {
        let now = self.now();
        let before = self.course.stage();
        let order = self.course.step(&Seen {
            now,
            whereabouts: self.whereabouts,
            all_have_answered: self.record.all_have_answered(),
            failed: self.record.failed(),
            gap: self.record.gap(now),
            errors: self.errors(),
            fault: self.record.last_fault(),
            stop: self.stop.as_ref(),
        });
        if self.course.stage() != before {
            self.tell(now);
        }
        match order {
            Some(Order::TakeOut) => self.wanted = DrillStage::Away,
            Some(Order::PutBack) => self.wanted = DrillStage::Back,
            Some(Order::End) => return true,
            None => {}
        }
        false
    }

    /// For whoever watches.
    fn tell(&self, now: Duration) {
        let what = match (self.course.stage(), self.course.fault()) {
            (Stage::Before, _) => return,
            (Stage::Leaving, _) => "all is well: it is taken out".to_owned(),
            (Stage::Away, _) => "it is away".to_owned(),
            (Stage::Returning, None) => "it is put back".to_owned(),
            (Stage::Returning, Some(fault)) => format!("ABORTED, it is put back: {fault}"),
            (Stage::After, _) => "it is back".to_owned(),
            (Stage::Over, _) => "over".to_owned(),
        };
        out::complain(&format!("{:>5.1} s  {what}", now.as_secs_f64()));
    }

    /// Tells the node what came of it.
    async fn end(self) -> Result<Done> {
        let took = self.now();
        let gap = self.record.gap(took);
        let mut fault = self.course.fault().map(str::to_owned);
        let passed = fault.is_none();
        let message = fault.clone().unwrap_or_else(|| {
            let (all, gap) = (self.record.good(), gap.as_secs_f64());
            format!("{all} probes, the longest time without a good one {gap:.2} s")
        });
        let end = DrillEnd { passed, message, gap_seconds: Some(gap.as_secs_f64()) };
        let (client, id, start) =
            (Arc::clone(&self.client), self.id.clone(), self.plan.start.clone());
        let told = spawn_blocking(move || {
            let told = tell_end(&client, &id, &end);
            if told.is_err() {
                put_back_by_hand(&client, &id, &start);
            }
            told
        });
        if let Err(error) = told.await.context("a defect of this program")? {
            let why = format!("what came of it is not known to the node: {error}");
            fault = Some(match fault {
                Some(fault) => format!("{fault}; {why}"),
                None => why,
            });
        }
        let errors = self.course.errors(self.errors());
        let own = self.record.good() + self.record.failed();
        Ok(Done {
            fault,
            stages: self.course.stages().to_vec(),
            requests: self.drill.requests.saturating_sub(own),
            record: self.record,
            gap,
            took,
            errors,
            owners: self.owners,
        })
    }
}

fn tell_end(client: &Client, id: &str, end: &DrillEnd) -> Result<(), ClientError> {
    let mut tries = 1;
    loop {
        match client.end_drill(id, end) {
            Ok(_) => return Ok(()),
            Err(ClientError::Unreachable { .. }) if tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
        std::thread::sleep(SAY_EVERY);
    }
}

/// A node that was started anew has forgotten the drill, but not what was said of the server: that
/// would expire, and need not be waited for.
fn put_back_by_hand(client: &Client, id: &str, start: &DrillStart) {
    let Some((pool, name)) = server_of(start) else { return };
    let Ok(server) = client.server(pool, name) else { return };
    let set = server.overridden.and_then(|over| over.state);
    if set.is_some_and(|set| set.said.reason.starts_with(&format!("drill {id}"))) {
        let change = ServerChange {
            state: Some(AdminState::Ready),
            author: start.author.clone(),
            reason: format!("drill {id} is over"),
            ..ServerChange::default()
        };
        // It expires in any case.
        let _ = client.set_server(pool, name, &change);
    }
}

/// Tells the node how far the drill is to be, and hears where what is drilled is.
fn look(
    client: &Client,
    id: &str,
    stage: DrillStage,
    start: &DrillStart,
) -> Result<Look, ClientError> {
    let drill = client.continue_drill(id, &DrillWord { stage })?;
    if let Some((pool, server)) = server_of(start) {
        let whereabouts = of_server(&client.server(pool, server)?);
        return Ok(Look { drill, whereabouts, owner: None });
    }
    let vip = client.vip(&start.object)?;
    Ok(Look { drill, whereabouts: of_vip(&vip), owner: vip.owner })
}

/// Pool and server, if it is one that is drilled.
fn server_of(start: &DrillStart) -> Option<(&str, &str)> {
    start.object.split_once('/').filter(|_| start.kind == DrillKind::Server)
}

fn of_server(server: &Server) -> Whereabouts {
    match (server.admin.state, server.in_use) {
        (AdminState::Ready, true) => Whereabouts::Here,
        (AdminState::Drain | AdminState::Maint, false) => Whereabouts::There,
        _ => Whereabouts::Between,
    }
}

fn of_vip(vip: &Vip) -> Whereabouts {
    match vip.state {
        VipState::Active => Whereabouts::Here,
        VipState::Backup if vip.owner.is_some() => Whereabouts::There,
        _ => Whereabouts::Between,
    }
}

/// Probes one thing again and again, whether or not earlier probes were answered.
fn keep_probing(
    plan: &Plan,
    target: usize,
    began: Instant,
    results: mpsc::Sender<Probe>,
) -> impl Future<Output = ()> + use<> {
    let (every, limit) = (plan.every, plan.timeout);
    let what = Rc::new(plan.targets[target].clone());
    async move {
        let mut due = interval(every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let (what, results) = (Rc::clone(&what), results.clone());
            spawn_local(async move {
                let asked = clock::instant();
                let fault = probe(&what, limit).await.err();
                let at = clock::instant().saturating_duration_since(began);
                let probe = Probe { target, at, took: asked.elapsed(), fault };
                // At the end nobody wants to know any more.
                let _ = results.send(probe).await;
            });
        }
    }
}
