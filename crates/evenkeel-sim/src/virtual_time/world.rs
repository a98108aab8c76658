//! One run: a pool, its servers, its clients, and the trouble they get into.

mod setting;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::breaker::{Breaker, Load};
use evenkeel_core::budget::Budget;
use evenkeel_core::config::{CheckKind, FailureRate, Pool};
use evenkeel_core::dice::Dice;
use evenkeel_core::ewma::{Ewma, Failures};
use evenkeel_core::fault::Fault;
use evenkeel_core::health::{Change, CheckFailure, Health, Outcome, Reason};
use evenkeel_core::moment::Moment;
use evenkeel_core::outlier::{self, Tally, Window};
use evenkeel_core::pick::{Choice, Loads, Pick, Tried};
use evenkeel_core::pool::{Admin, Member, Mode, Roster};
use evenkeel_core::retry;
use evenkeel_core::slow_start::{next_step, percent};
use evenkeel_core::verdict::{Hearing, Ruling, Testimony};

use self::trouble::Trouble;
use super::Broken;
use super::agenda::Agenda;
use super::nature::Nature;
use super::request::Request;
use super::rules::{self, Ledger};

/// Trouble comes for so long.
const TROUBLE: Duration = Duration::from_secs(40);
/// Then everybody is well: longer than the longest hold and the checks that end it.
const RECOVERY: Duration = Duration::from_secs(330);
/// Mean time between two requests, while there is trouble and after it.
const BUSY: Duration = Duration::from_millis(10);
const QUIET: Duration = Duration::from_millis(500);
/// How long a server may have left maintenance before it is noticed.
const MAINTENANCE_WAIT: Duration = Duration::from_secs(1);

/// What has happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Story {
    pub requests: u64,
    pub failed: u64,
    pub retries: u64,
    /// Further tries that the budget refused.
    pub refused: u64,
    /// Servers taken out, for whatever reason.
    pub outs: u64,
    /// Of those: servers found at fault by what they say they lack.
    pub found: u64,
    /// Times the pool was degraded by something all servers share.
    pub degraded: u64,
    pub events: u64,
}

#[derive(Debug)]
enum Event {
    Arrive,
    Try(u64),
    Ended {
        request: u64,
        server: usize,
        began: Moment,
        result: Result<(), Fault>,
    },
    Visit {
        server: usize,
        due: Moment,
    },
    Checked {
        server: usize,
        asked: Moment,
        result: Result<Testimony, CheckFailure>,
    },
    Window,
    /// A server that came back takes more than before.
    Step,
    Trouble(Trouble),
}

/// A server, as it is and as it is seen.
#[derive(Debug)]
struct Server {
    nature: Nature,
    health: Health,
    /// Nothing has ever been wrong with it.
    untouched: bool,
    /// When it was last put back.
    came: Moment,
    in_flight: u32,
    ewma: Ewma,
    failures: Failures,
    traffic: Tally,
    window: Window,
    checking: bool,
    due: Option<Moment>,
    chance: u64,
}

#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    dice: Dice,
    agenda: Agenda<Event>,
    /// When a slow start makes its next step.
    step: Option<Moment>,
    pool: Pool,
    members: Vec<Member>,
    servers: Vec<Server>,
    roster: Roster,
    hearing: Hearing<usize>,
    budget: Budget,
    breaker: Arc<Breaker>,
    ledger: Ledger,
    requests: BTreeMap<u64, Request>,
    /// Nothing goes wrong but what all servers share.
    calm: bool,
    /// Outages of the database so far.
    outages: u64,
    trouble_ends: Moment,
    ends: Moment,
    story: Story,
}

/// What the workers know of how busy servers are.
struct Seen<'a>(&'a [Server], Moment);

impl Loads for Seen<'_> {
    fn in_flight(&self, member: usize) -> u32 {
        self.0[member].in_flight
    }

    fn failures(&self, member: usize) -> u32 {
        self.0[member].failures.count(self.1)
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|server| u64::from(server.in_flight)).sum()
    }

    fn latency(&self, member: usize) -> f64 {
        self.0[member].ewma.latency(self.1)
    }
}

impl World {
    pub(super) fn run(mut self) -> Result<Story, Broken> {
        self.begin();
        while let Some(event) = self.agenda.next() {
            self.story.events += 1;
            let held = self.step(event).and_then(|()| self.look());
            held.map_err(|rule| self.broken(rule))?;
        }
        self.end().map_err(|rule| self.broken(rule))?;
        Ok(self.story)
    }

    fn broken(&self, rule: String) -> Broken {
        Broken { seed: self.seed, at: self.agenda.now(), rule }
    }

    fn begin(&mut self) {
        self.plan_trouble();
        self.agenda.after(BUSY, Event::Arrive);
        self.agenda.after(FailureRate::default().window, Event::Window);
        for server in 0..self.servers.len() {
            self.plan_visit(server);
        }
    }

    fn step(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Arrive => self.arrive(),
            Event::Try(request) => return self.attempt(request),
            Event::Ended { request, server, began, result } => {
                return self.ended(request, server, began, result);
            }
            Event::Visit { server, due } => return self.visit(server, due),
            Event::Checked { server, asked, result } => {
                return self.checked(server, asked, result);
            }
            Event::Window => return self.judge(),
            Event::Step if self.step == Some(self.now()) => return self.publish(),
            Event::Step => {}
            Event::Trouble(trouble) => return self.meet(trouble),
        }
        Ok(())
    }

    /// What must hold whatever has just happened.
    fn look(&self) -> Result<(), String> {
        let cap = outlier::Cap::new(self.pool.outlier.cap_percent);
        rules::no_more_out_than_may_be(cap, self.servers.iter().map(|server| &server.health))?;
        let out = self.servers.iter().position(|server| !server.health.usable());
        if let Some(server) = out.filter(|_| self.calm) {
            return Err(format!("server {server} has left though only what all share was gone"));
        }
        Ok(())
    }

    /// What must hold once nothing more happens.
    fn end(&self) -> Result<(), String> {
        if !self.requests.is_empty() || self.servers.iter().any(|server| server.in_flight > 0) {
            return Err("requests are left in flight".into());
        }
        if self.breaker.under_way(Load::Request) > 0 {
            return Err("the breaker still counts requests".into());
        }
        if let Some(server) = self.servers.iter().find(|server| !server.health.usable()) {
            let reason = server.health.reason();
            return Err(format!("all is well, but a server does not come back: {reason}"));
        }
        if let Some(member) = self.members.iter().find(|member| member.ramp < 100) {
            return Err(format!("all is well, but a server takes {} % of its weight", member.ramp));
        }
        if self.roster.mode() != Mode::Normal {
            return Err(format!("all is well, but the pool is in {:?}", self.roster.mode()));
        }
        if self.hearing.degraded_by().count() > 0 {
            return Err("all is well, but the pool is degraded".into());
        }
        if self.calm && self.story.degraded != self.outages {
            let Story { degraded, .. } = self.story;
            return Err(format!("{degraded} events for {} outages", self.outages));
        }
        Ok(())
    }

    fn now(&self) -> Moment {
        self.agenda.now()
    }

    fn arrive(&mut self) {
        let now = self.now();
        if now < self.ends {
            let mean = if now < self.trouble_ends { BUSY } else { QUIET };
            let micros = usize::try_from(2 * mean.as_micros()).expect("a second at most");
            let wait = Duration::from_micros(self.dice.below(micros) as u64);
            self.agenda.after(wait, Event::Arrive);
        }
        self.story.requests += 1;
        self.budget.request(now);
        self.ledger.request(now);
        let limits = self.pool.breaker.pool;
        let Some(permit) = self.breaker.enter(Load::Request, limits) else {
            self.story.failed += 1;
            return;
        };
        let request = self.story.requests;
        let sticks = self.pool.sticky.as_ref().filter(|_| self.dice.below(2) == 0);
        let home = sticks.map(|_| self.dice.below(self.members.len()));
        let token = home.and_then(|home| self.roster.token_to_issue(None, home));
        let chance = self.dice.roll();
        let choice = Choice { turn: request, chance, token, ..Choice::default() };
        let idempotent = self.dice.below(5) > 0;
        let tried = Tried::new();
        self.requests.insert(request, Request { choice, home, idempotent, tried, _permit: permit });
        self.agenda.at(now, Event::Try(request));
    }

    fn attempt(&mut self, id: u64) -> Result<(), String> {
        let now = self.now();
        let request = self.requests.get_mut(&id).ok_or("a request is tried that is over")?;
        let picked = self.roster.pick(&request.choice, &Seen(&self.servers, now), &request.tried);
        let Pick::Server(server) = picked else {
            if picked == Pick::Full {
                return Err("full without limits".into());
            }
            return self.give_up(id);
        };
        let home = request.home.filter(|&home| rules::is_open(&self.members, &request.tried, home));
        match home {
            Some(home) if home != server => {
                return Err(format!("a client of server {home} was sent to {server}"));
            }
            Some(_) => {}
            None => rules::the_pick_is_right(&self.members, &request.tried, server)?,
        }
        request.tried.insert(server);
        let known = &mut self.servers[server];
        known.in_flight += 1;
        let (time, result) = known.nature.serve(&mut self.dice);
        self.agenda.after(time, Event::Ended { request: id, server, began: now, result });
        Ok(())
    }

    fn give_up(&mut self, request: u64) -> Result<(), String> {
        self.story.failed += 1;
        let ready = |member: &Member| member.admin == Admin::Ready && member.weight > 0;
        let fresh = self.requests.remove(&request).is_some_and(|request| request.tried.is_empty());
        if fresh && self.members.iter().any(ready) {
            return Err("a request found nobody though servers are in service".into());
        }
        Ok(())
    }

    fn ended(
        &mut self,
        id: u64,
        server: usize,
        began: Moment,
        result: Result<(), Fault>,
    ) -> Result<(), String> {
        let now = self.now();
        let known = &mut self.servers[server];
        known.in_flight = known.in_flight.checked_sub(1).ok_or("in flight below zero")?;
        known.traffic.requests += 1;
        let fault = match result {
            Ok(()) => {
                known.ewma.record(now.since(began), now);
                self.requests.remove(&id);
                return self.report(server, None);
            }
            Err(fault) => fault,
        };
        known.traffic.failures += 1;
        known.ewma.fail(now.since(began), now);
        known.failures.add(now);
        self.report(server, Some(fault))?;
        let unsent = matches!(fault, Fault::ConnectRefused | Fault::ConnectTimeout);
        let request = self.requests.get(&id).ok_or("a request has ended twice")?;
        let attempt = request.attempt(unsent);
        let retry = &self.pool.retry;
        if request.tried.len() < Tried::MOST && retry::again(retry, fault, attempt) {
            if self.budget.grant(retry.budget, now) {
                self.story.retries += 1;
                self.ledger.retry(retry.budget, now)?;
                let chance = self.dice.roll();
                let wait = retry::wait(&retry.backoff, Some(fault), attempt.tries, chance);
                self.agenda.after(wait, Event::Try(id));
                return Ok(());
            }
            self.story.refused += 1;
        }
        self.requests.remove(&id);
        self.story.failed += 1;
        Ok(())
    }

    /// What a worker tells the judge.
    fn report(&mut self, server: usize, fault: Option<Fault>) -> Result<(), String> {
        if self.members[server].admin == Admin::Maint {
            return Ok(());
        }
        let (now, out) = (self.now(), self.out());
        let (health, hearing) = (&mut self.servers[server].health, &self.hearing);
        let change = match fault {
            Some(fault) => health.traffic_failed(fault, now, || hearing.may_leave(server, out)),
            None if health.heeds_success() => {
                health.traffic_succeeded(now);
                None
            }
            None => return Ok(()),
        };
        self.settle(server, change)
    }

    /// A window of traffic is over.
    fn judge(&mut self) -> Result<(), String> {
        let now = self.now();
        let policy = FailureRate::default();
        if now < self.ends {
            self.agenda.after(policy.window, Event::Window);
        }
        let turn = |server: &mut Server| server.window.turn(server.traffic, now);
        let tallies: Vec<_> = self.servers.iter_mut().map(turn).collect();
        for (server, evidence) in outlier::judge(&policy, &tallies) {
            if self.members[server].admin == Admin::Maint {
                continue;
            }
            let out = self.out();
            let (health, hearing) = (&mut self.servers[server].health, &self.hearing);
            let change = health.is_outlier(evidence, now, || hearing.may_leave(server, out));
            self.settle(server, change)?;
        }
        Ok(())
    }

    fn visit(&mut self, server: usize, due: Moment) -> Result<(), String> {
        let now = self.now();
        let known = &mut self.servers[server];
        if known.due != Some(due) || known.checking {
            return Ok(());
        }
        known.due = None;
        if self.members[server].admin == Admin::Maint {
            self.hearing.dismiss(server);
            known.due = Some(now + MAINTENANCE_WAIT);
            self.agenda
                .at(now + MAINTENANCE_WAIT, Event::Visit { server, due: now + MAINTENANCE_WAIT });
            return Ok(());
        }
        let check = self.pool.check.as_ref();
        let is_due = known.health.next_check(known.chance).is_some_and(|check| check <= now);
        if let Some(check) = check.filter(|_| is_due) {
            known.checking = true;
            let (time, result) = known.nature.check(&check.kind, &mut self.dice);
            self.agenda.after(time, Event::Checked { server, asked: now, result });
            return Ok(());
        }
        let change = known.health.tick(now);
        self.settle(server, change)
    }

    fn checked(
        &mut self,
        server: usize,
        asked: Moment,
        result: Result<Testimony, CheckFailure>,
    ) -> Result<(), String> {
        let now = self.now();
        self.servers[server].checking = false;
        self.servers[server].chance = self.dice.roll();
        if self.members[server].admin == Admin::Maint {
            return self.settle(server, None);
        }
        let outcome = match result {
            Err(failure) => {
                self.hearing.dismiss(server);
                Outcome::Failed(failure)
            }
            Ok(testimony) if self.is_deep() => {
                let out = self.out();
                let (ruling, turns) = self.hearing.hear(server, &testimony, asked, out);
                for _ in turns.iter().filter(|turn| turn.degraded) {
                    self.story.degraded += 1;
                    self.it_was_the_database()?;
                }
                if ruling == Ruling::Undecided {
                    for other in (0..self.servers.len()).filter(|&other| other != server) {
                        self.servers[other].health.look_again(now);
                        self.settle(other, None)?;
                    }
                }
                ruling.outcome()
            }
            Ok(_) => Outcome::Passed,
        };
        let change = self.servers[server].health.checked(outcome, now);
        self.settle(server, change)
    }

    /// What all servers share is blamed only if it was gone, or nobody has always had it.
    fn it_was_the_database(&self) -> Result<(), String> {
        if self.outages == 0 && self.servers.iter().any(|server| server.untouched) {
            return Err("the database is blamed though it was never gone".into());
        }
        Ok(())
    }

    fn is_deep(&self) -> bool {
        self.pool.check.as_ref().is_some_and(|check| matches!(check.kind, CheckKind::Deep(_)))
    }

    /// Servers that are not used because of their health.
    fn out(&self) -> Vec<usize> {
        let out = self.servers.iter().enumerate().filter(|(_, server)| !server.health.usable());
        out.map(|(place, _)| place).collect()
    }

    /// After anything that has happened to a server: who is used, and when it is next visited.
    fn settle(&mut self, server: usize, change: Option<Change>) -> Result<(), String> {
        if let Some(change) = change {
            self.story.outs += u64::from(!change.usable);
            let lacks =
                matches!(change.reason, Reason::Failed { last: CheckFailure::Lacks(_), .. });
            self.story.found += u64::from(lacks);
            self.members[server].usable = change.usable;
            if change.usable {
                self.servers[server].came = self.now();
                let known = &mut self.servers[server];
                known.window.forget(known.traffic);
            }
            self.publish()?;
        }
        if self.members[server].usable != self.servers[server].health.usable() {
            return Err(format!("server {server} has changed without a word"));
        }
        self.plan_visit(server);
        Ok(())
    }

    fn publish(&mut self) -> Result<(), String> {
        let now = self.agenda.now();
        if let Some(window) = self.pool.slow_start {
            for (member, server) in self.members.iter_mut().zip(&self.servers) {
                member.ramp = percent(server.came, window, now);
            }
            let up = self.servers.iter().filter(|server| server.health.usable());
            let step = up.filter_map(|up| next_step(up.came, window, now)).min();
            if let Some(step) = step.filter(|step| self.step != Some(*step)) {
                self.agenda.at(step, Event::Step);
            }
            self.step = step;
        }
        self.roster = Roster::build(&self.pool, &self.members);
        rules::no_weight_is_lost(&self.members, &self.roster)?;
        rules::zones_carry_what_they_can(&self.members)
    }

    fn plan_visit(&mut self, server: usize) {
        let known = &mut self.servers[server];
        if known.checking || self.agenda.now() >= self.ends {
            return;
        }
        let (check, deadline) =
            (known.health.next_check(known.chance), known.health.next_deadline());
        let due = check.into_iter().chain(deadline).min();
        if let Some(due) = due.filter(|_| due != known.due) {
            self.agenda.at(due, Event::Visit { server, due });
        }
        known.due = due;
    }
}
