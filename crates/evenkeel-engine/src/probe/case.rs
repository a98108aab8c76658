//! One server under judgement.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_core::agent::{Advice, AgentHealth, Weight};
use evenkeel_core::config::{Agent, CheckKind};
use evenkeel_core::health::{
    Change, CheckFailure, Entry, Health, Outcome, Policy, Reason, State, Words, jittered, spread,
};
use evenkeel_core::moment::Moment;
use evenkeel_core::pool::Admin;
use evenkeel_core::verdict::Ruling;

use super::attempt::{Found, Heard, Method};
use crate::clock;
use crate::fleet::{LivePool, Server};
use crate::status::{self, AdminState, AgentWord, TimeLineEntry, Verdict};

/// How long a server may have left maintenance before it is noticed.
const MAINTENANCE_WAIT: Duration = Duration::from_secs(1);

/// Share of the interval by which each wait for an agent is varied, as for checks.
const AGENT_JITTER_PERCENT: u8 = 10;

/// What there is to tell: kind of event, message.
pub(super) type News = (&'static str, String);

impl Remarks {
    fn behind(&self, reason: Reason) -> String {
        let Self { check, agent, now } = self;
        let mut words = reason.to_string();
        for remark in [check, agent].into_iter().flatten() {
            words = format!("{words}; {remark}");
        }
        // What took it out is mostly what is still so.
        if let Some(failure) = now.map(|failure| failure.to_string())
            && !words.contains(&failure)
        {
            words = format!("{words}; now: {failure}");
        }
        words
    }
}

/// A server with its health and what has been made known of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) server: Arc<Server>,
    /// Of the plan last followed.
    pub(super) pool: Arc<LivePool>,
    pub(super) rules: Rules,
    pub(super) health: Health,
    /// Its place in the agenda.
    pub(super) due: Option<Moment>,
    /// Varies the wait for the next check.
    chance: u64,
    /// A check is under way.
    checking: bool,
    /// It was in maintenance when last visited; until when not to ask again.
    resting: Option<Moment>,
    /// When its agent is asked next; `None`: it has none, or is being asked.
    agent_due: Option<Moment>,
    /// What its agent has said so far.
    advice: Advice,
    agent_word: AgentWord,
    remarks: Remarks,
    shown: Option<(State, Reason, Remarks)>,
}

/// What is to be shown beside the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Remarks {
    check: Option<Box<str>>,
    agent: Option<Box<str>>,
    /// How checks of a server that is down fail now, where that is not what took it down.
    now: Option<CheckFailure>,
}

/// How the servers of a pool are judged and checked.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) policy: Arc<Policy>,
    pub(super) method: Arc<Method>,
    /// Beside the check.
    pub(super) agent: Option<Arc<Agent>>,
}

impl Rules {
    fn asks_an_agent(&self) -> bool {
        let check = self.policy.check.as_ref();
        self.agent.is_some() || check.is_some_and(|check| matches!(check.kind, CheckKind::Agent(_)))
    }
}

/// What a visit has found.
#[derive(Debug)]
pub(super) enum Due {
    /// A check, which counts as under way from now on.
    Check,
    /// Its agent is to be asked, likewise.
    Ask(Arc<Agent>),
    Nothing(Option<Change>),
}

impl Case {
    pub(super) fn new(
        server: Arc<Server>,
        pool: Arc<LivePool>,
        rules: Rules,
        chance: u64,
        now: Moment,
    ) -> Self {
        let first = |agent: &Arc<Agent>| now + spread(agent.interval, chance);
        let begin = if server.is_usable() { Health::new } else { Health::joining };
        Self {
            agent_due: rules.agent.as_ref().map(first),
            server,
            pool,
            health: begin(Arc::clone(&rules.policy), now),
            rules,
            due: None,
            chance,
            checking: false,
            resting: None,
            advice: Advice::default(),
            agent_word: AgentWord::default(),
            remarks: Remarks::default(),
            shown: None,
        }
    }

    /// The server stands in another plan.
    pub(super) fn move_to(
        &mut self,
        pool: Arc<LivePool>,
        rules: &Rules,
        now: Moment,
    ) -> Option<Change> {
        self.pool = pool;
        let before = mem::replace(&mut self.rules, rules.clone());
        let freed = if before.agent == rules.agent { None } else { self.follow_agent(now) };
        if before.policy == rules.policy {
            return freed;
        }
        if !self.rules.asks_an_agent() {
            self.forget_agent();
        }
        self.remarks.check = None;
        self.health.reconfigure(Arc::clone(&rules.policy), now).or(freed)
    }

    /// There is another agent beside the check, or none any more.
    fn follow_agent(&mut self, now: Moment) -> Option<Change> {
        self.agent_due = self.rules.agent.is_some().then_some(now);
        if self.rules.agent.is_some() {
            return None;
        }
        if !self.rules.asks_an_agent() {
            self.forget_agent();
        }
        self.health.agent_said(None, now)
    }

    fn forget_agent(&mut self) {
        self.advice = Advice::default();
        self.agent_word = AgentWord::default();
        self.remarks.agent = None;
        self.server.set_advice(None);
        self.server.note_agent(None);
    }

    pub(super) fn in_maintenance(&self) -> bool {
        self.server.admin_state() == AdminState::Maint
    }

    /// When it is to be visited.
    pub(super) fn next_due(&self) -> Option<Moment> {
        if self.resting.is_some() {
            return self.resting;
        }
        let check = if self.checking { None } else { self.health.next_check(self.chance) };
        [check, self.health.next_deadline(), self.agent_due].into_iter().flatten().min()
    }

    /// Its time has come.
    pub(super) fn visit(&mut self, now: Moment) -> Due {
        if self.in_maintenance() {
            self.resting = Some(now + MAINTENANCE_WAIT);
            return Due::Nothing(None);
        }
        let rested = self.resting.take().is_some();
        // Back from maintenance it is checked at once: nobody knows what was done to it.
        let check = self.health.next_check(self.chance).filter(|due| rested || *due <= now);
        if check.is_some() && !self.checking {
            self.checking = true;
            return Due::Check;
        }
        if let Some(agent) = &self.rules.agent
            && self.agent_due.take_if(|due| *due <= now).is_some()
        {
            return Due::Ask(Arc::clone(agent));
        }
        Due::Nothing(self.health.tick(now))
    }

    /// Its agent beside the check has spoken, or has not: then what it said before holds.
    pub(super) fn hear(
        &mut self,
        heard: Result<Heard, CheckFailure>,
        chance: u64,
        now: Moment,
    ) -> (Option<Change>, Option<News>) {
        let Some(agent) = &self.rules.agent else { return (None, None) };
        self.agent_due = Some(now + jittered(agent.interval, AGENT_JITTER_PERCENT, chance));
        match heard {
            Ok(heard) if !self.in_maintenance() => {
                let news = self.heed(&heard, now);
                let down = self.agent_says_down();
                (self.health.agent_said(down, now), news)
            }
            Ok(_) => (None, None),
            Err(failure) => {
                let since = self.agent_word.silent.map_or_else(|| clock::wall_at(now), |it| it.0);
                self.agent_word.silent = Some((since, failure));
                self.server.note_agent(Some(self.agent_word));
                (None, None)
            }
        }
    }

    /// What its check has found besides how it ended. Returns how it ended after all, and what
    /// there is to tell: kind of event, message.
    /// `ruling`: what follows from a testimony.
    pub(super) fn note(
        &mut self,
        found: &Found,
        ruling: Option<Ruling>,
        now: Moment,
    ) -> (Outcome, Option<News>) {
        let outcome = ruling.map_or_else(|| found.outcome(), Ruling::outcome);
        match found {
            Found::Advice(heard) => {
                let news = self.heed(heard, now);
                let down = self.agent_says_down().map(|words| {
                    let silent = words.as_str().is_empty();
                    CheckFailure::Said(if silent { Words::new("down") } else { words })
                });
                (down.map_or(Outcome::Passed, Outcome::Failed), news)
            }
            Found::Expiring { days } => {
                let remark = format!("certificate valid for {days} days only");
                let is_new = self.remarks.check.as_deref() != Some(&*remark);
                self.remarks.check = Some(remark.clone().into());
                (outcome, is_new.then_some(("certificate-expires", remark)))
            }
            Found::Fine | Found::Testimony(_) => {
                self.remarks.check = ruling.and_then(Ruling::remark).map(Into::into);
                (outcome, None)
            }
            // What it said before is as true as it was.
            Found::Fault(_) => (outcome, None),
        }
    }

    /// What the agent does not mention stays as it was.
    fn heed(&mut self, heard: &Heard, now: Moment) -> Option<News> {
        let Heard { advice, words } = heard;
        self.agent_word = AgentWord { said: Some((clock::wall_at(now), *words)), silent: None };
        self.server.note_agent(Some(self.agent_word));
        let known = &mut self.advice;
        known.weight = advice.weight.or(known.weight);
        known.max_connections = advice.max_connections.or(known.max_connections);
        known.admin = advice.admin.or(known.admin);
        known.health = advice.health.clone().or_else(|| known.health.take());
        let remark = advised(known).map(Box::<str>::from);
        if self.remarks.agent == remark {
            return None;
        }
        self.remarks.agent.clone_from(&remark);
        self.server.set_advice(Some(known));
        let message = remark.map_or_else(|| "agent: as configured".to_owned(), Into::into);
        Some(("agent", message))
    }

    fn agent_says_down(&self) -> Option<Words> {
        match &self.advice.health {
            Some(AgentHealth::Down(text)) => Some(Words::new(text)),
            Some(AgentHealth::Up) | None => None,
        }
    }

    /// Its check is over.
    pub(super) fn conclude(
        &mut self,
        outcome: Outcome,
        chance: u64,
        now: Moment,
    ) -> Option<Change> {
        self.checking = false;
        self.chance = chance;
        if self.in_maintenance() {
            self.resting = Some(now + MAINTENANCE_WAIT);
            return None;
        }
        let change = self.health.checked(outcome, now);
        let told = match self.health.reason() {
            Reason::Failed { last, .. } | Reason::Relapsed { last, .. } => Some(last),
            _ => None,
        };
        let is_down = self.health.state() == State::Down;
        self.remarks.now = match outcome {
            Outcome::Failed(failure) if is_down && told != Some(failure) => Some(failure),
            _ => None,
        };
        change
    }

    /// Makes the verdict known, if it or its reason is a new one.
    pub(super) fn show(&mut self) {
        self.server.troubled.store(self.health.heeds_success(), Ordering::Relaxed);
        let (state, reason) = (self.health.state(), self.health.reason());
        let verdict = (state, reason, self.remarks.clone());
        if self.shown.as_ref() == Some(&verdict) {
            return;
        }
        self.shown = Some(verdict);
        let in_words = self.remarks.behind(reason);
        let usable = self.health.usable();
        let since = clock::wall_at(self.health.since());
        let verdict = Verdict { health: shown(state, usable), reason: in_words.into(), since };
        let entry = |&Entry { at, state, usable, reason }: &Entry| TimeLineEntry {
            at: clock::wall_at(at),
            health: shown(state, usable),
            usable,
            reason,
        };
        let time_line = self.health.time_line().entries().map(entry).collect();
        self.server.set_verdict(verdict, usable, time_line);
    }

    /// `POOL/SERVER`
    pub(super) fn subject(&self) -> String {
        format!("{}/{}", self.server.pool, self.server.name)
    }
}

/// The word for it outside.
fn shown(state: State, usable: bool) -> status::Health {
    match state {
        State::Up => status::Health::Up,
        State::Down => status::Health::Down,
        State::Unchecked if !usable => status::Health::Down,
        State::Unchecked | State::GoingDown | State::GoingUp => status::Health::Checking,
    }
}

/// What an agent wants, in words. `None`: nothing that differs from the configuration.
fn advised(advice: &Advice) -> Option<String> {
    let weight = advice.weight.map(|weight| match weight {
        Weight::Percent(percent) => format!("weight {percent} %"),
        Weight::Absolute(weight) => format!("weight {weight}"),
    });
    let most = advice.max_connections.map(|most| format!("at most {most} connections"));
    let admin = match advice.admin {
        Some(Admin::Drain) => Some("drain".to_owned()),
        Some(Admin::Maint) => Some("maint".to_owned()),
        Some(Admin::Ready) | None => None,
    };
    let wants: Vec<_> = [weight, most, admin].into_iter().flatten().collect();
    (!wants.is_empty()).then(|| format!("agent: {}", wants.join(", ")))
}
