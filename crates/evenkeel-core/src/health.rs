//! Whether a server is fit to be used: one machine for each server, fed with the outcomes of checks
//! and of traffic.
//!
//! # When a server comes back
//! A passing check brings a server back only if it could have seen what took it down. A check that
//! makes a connection says nothing about a server that accepts connections and answers with
//! garbage: brought back by it, such a server would fail a few requests each second for ever. So a
//! server ejected by its traffic is *held* for [`Outlier::ejection`] times the number of ejections
//! in quick succession, unless
//! - its connections failed, or the check asks for an answer (`http`), and
//! - the check goes to the port that traffic goes to.
//!
//! A server ejected because it fails more often than its peers is held whatever the check is: it
//! passed its checks all the while.
//!
//! A check that fails while a server is held ends the hold: it sees the fault after all (a killed
//! server resets what was under way before it refuses connections), so its passing will mean
//! something.
//!
//! # Agents
//! What an agent beside the check says (see [`crate::agent`]) is one more condition: a server is
//! used if check and traffic allow it and its agent does not say that it is down. Checks go on
//! meanwhile, so that it is known how the server is once the agent thinks better of it.

mod reason;
mod schedule;
mod time_line;
mod words;

use std::sync::Arc;
use std::time::Duration;

pub use self::reason::{Charge, CheckFailure, Reason};
use self::schedule::Schedule;
pub use self::schedule::{jittered, spread};
pub use self::time_line::{Entry, TimeLine};
pub use self::words::Words;
use crate::config::{Check, CheckKind, InitialState, Outlier};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::outlier::Evidence;

/// How the servers of a pool are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `None`: by their traffic alone.
    pub check: Option<Check>,
    /// By their traffic.
    pub outlier: Outlier,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed(CheckFailure),
    /// A deep check whose answer means nothing before other servers were asked, too
    /// (see [`crate::verdict`]): the next one follows soon.
    Undecided,
}

/// What a server is thought to be.
///
/// ```text
///              first pass            fail
///  Unchecked ─────────────► Up ────────────────► GoingDown
///      │                    ▲ ◄──────────────────    │
///      │                    │         pass           │
///      │ first fail         │ `rise` passes          │ `fall` fails
///      │                    │ in a row               │ in a row
///      ▼        pass        │                        │
///    Down ──────────────► GoingUp                    │
///      ▲  ◄──────────────                            │
///      │        fail                                 │
///      └─────────────────────────────────────────────┘
///
///  Unchecked, Up, GoingDown ── ejected by its traffic ──► Down
///  Down, without a check ───── hold over ─────────────────► Up
/// ```
///
/// A connection that traffic cannot make counts as a failed check. With `rise` or `fall` 1 the state
/// between is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No check has ended yet. Used or not as [`InitialState`] says.
    Unchecked,
    /// Used. Without a check, what a server is until its traffic says otherwise.
    Up,
    /// Used, but the last checks failed.
    GoingDown,
    /// Not used.
    Down,
    /// Not used, but the last checks passed.
    GoingUp,
}

/// A verdict that changed whether a server is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whether it is used from now on.
    pub usable: bool,
    /// Why.
    pub reason: Reason,
}

/// The health of one server.
#[derive(Clone, Debug)]
pub struct Health {
    policy: Arc<Policy>,
    state: State,
    usable: bool,
    since: Moment,
    reason: Reason,
    /// Checks that passed in a row while it is down.
    passes: u32,
    /// Checks that failed in a row while it is up.
    failed_checks: u32,
    /// Connections of traffic that failed since the first of those.
    failed_connects: u32,
    /// Requests that failed in a row, whatever checks say meanwhile.
    failed_requests: u32,
    /// Ejections by traffic in quick succession.
    ejections: u32,
    /// Until when passing checks do not count.
    held_until: Option<Moment>,
    /// Why its agent calls it down, if it does.
    agent_down: Option<Words>,
    schedule: Schedule,
    time_line: TimeLine,
}

/// However often a server was ejected, it is held no longer than this (Envoy's
/// `max_ejection_time`).
const LONGEST_HOLD: Duration = Duration::from_mins(5);

impl Health {
    /// A server nothing is known about, that comes with its pool.
    pub fn new(policy: Arc<Policy>, now: Moment) -> Self {
        Self::begin(policy, InitialState::Up, now)
    }

    /// A server nothing is known about, that joins a pool which serves already: nobody needs it
    /// before its first check.
    pub fn joining(policy: Arc<Policy>, now: Moment) -> Self {
        Self::begin(policy, InitialState::Down, now)
    }

    /// `usual`: what it is before its first check, if nothing is said.
    fn begin(policy: Arc<Policy>, usual: InitialState, now: Moment) -> Self {
        let (state, reason, initial) = match &policy.check {
            Some(check) => {
                (State::Unchecked, Reason::NotYetChecked, check.initial.unwrap_or(usual))
            }
            None => (State::Up, Reason::NoCheck, InitialState::Up),
        };
        let mut health = Self {
            state,
            usable: initial == InitialState::Up,
            since: now,
            reason,
            passes: 0,
            failed_checks: 0,
            failed_connects: 0,
            failed_requests: 0,
            ejections: 0,
            held_until: None,
            agent_down: None,
            schedule: Schedule::new(initial, now),
            time_line: TimeLine::default(),
            policy,
        };
        health.write_down(now);
        health
    }

    /// Whether it may be used.
    pub fn usable(&self) -> bool {
        self.usable && self.agent_down.is_none()
    }

    /// What it is thought to be.
    pub fn state(&self) -> State {
        if self.agent_down.is_some() { State::Down } else { self.state }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.agent_down.map_or(self.reason, Reason::AgentDown)
    }

    /// Since when it has been used, or not been used.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// How it has come to that.
    pub fn time_line(&self) -> &TimeLine {
        &self.time_line
    }

    /// When the next check is due; `None` without a check. To be asked once after each event, not
    /// while a check is under way: `chance` is any number, and varies the wait.
    pub fn next_check(&self, chance: u64) -> Option<Moment> {
        self.policy.check.as_ref().map(|check| self.schedule.next(check, self.state, chance))
    }

    /// When [`Health::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.held_until.filter(|_| self.policy.check.is_none())
    }

    /// Whether [`Health::traffic_succeeded`] would change anything. It hardly ever would: who feeds
    /// the machine may keep this in an atomic and otherwise leave the machine alone.
    pub fn heeds_success(&self) -> bool {
        self.failed_requests > 0
    }

    /// A check has ended.
    pub fn checked(&mut self, outcome: Outcome, now: Moment) -> Option<Change> {
        let rise = u32::from(self.policy.check.as_ref()?.rise);
        self.schedule.checked(now);
        let change = match outcome {
            Outcome::Passed => self.passed(rise, now),
            Outcome::Undecided => {
                self.schedule.hurry(now);
                None
            }
            // Not the server's fault, so no verdict.
            Outcome::Failed(CheckFailure::Exhausted) => None,
            Outcome::Failed(failure) => {
                self.failed_checks = self.failed_checks.saturating_add(1);
                self.failed(failure, now)
            }
        };
        self.noted(change, now)
    }

    /// Its agent says that it is down and why, or does not say so.
    pub fn agent_said(&mut self, down: Option<Words>, now: Moment) -> Option<Change> {
        let before = self.usable();
        self.agent_down = down;
        let usable = self.usable();
        let change = (usable != before).then(|| {
            self.since = now;
            Change { usable, reason: if usable { Reason::AgentUp } else { self.reason() } }
        });
        self.write_down(now);
        change
    }

    /// Somebody wants to know how it is: the next check comes as soon as it may.
    pub fn look_again(&mut self, now: Moment) {
        self.schedule.hurry(now);
    }

    /// A request, or the stream of a client, has failed in this way. `may_leave`: whether the pool
    /// can spare it (see [`crate::outlier::Cap`]); asked only when it is to be ejected.
    pub fn traffic_failed(
        &mut self,
        fault: Fault,
        now: Moment,
        may_leave: impl FnOnce() -> bool,
    ) -> Option<Change> {
        let connect = match fault {
            Fault::ConnectRefused => Some(CheckFailure::Refused),
            Fault::ConnectTimeout => Some(CheckFailure::Timeout),
            Fault::ServerReset
            | Fault::ServerTimeout
            | Fault::BadAnswer
            | Fault::ServerCut
            | Fault::ServerStalled => None,
            // The client's or this node's fault, or nobody's: an idle connection the server has
            // closed, a total that was too short.
            _ => return None,
        };
        let limit = self.policy.outlier.consecutive_failures?;
        if self.usable {
            self.failed_requests = self.failed_requests.saturating_add(1);
            if self.failed_requests >= limit {
                let charge = Charge::Row { requests: self.failed_requests, last: fault };
                let change = self.charge(charge, self.check_could_see(fault), now, may_leave);
                if change.is_some() {
                    return self.noted(change, now);
                }
            }
        }
        // A check on the same port would have met the same.
        let change = connect.filter(|_| self.checks_same_port()).and_then(|failure| {
            self.failed_connects = self.failed_connects.saturating_add(1);
            let change = self.failed(failure, now);
            if self.usable || change.is_some() {
                self.schedule.hurry(now);
            }
            change
        });
        self.noted(change, now)
    }

    /// It fails more often than its peers (see [`crate::outlier::judge`]). `may_leave`: as in
    /// [`Health::traffic_failed`].
    pub fn is_outlier(
        &mut self,
        evidence: Evidence,
        now: Moment,
        may_leave: impl FnOnce() -> bool,
    ) -> Option<Change> {
        if !self.usable {
            return None;
        }
        let change = self.charge(Charge::Rate(evidence), false, now, may_leave);
        self.noted(change, now)
    }

    /// It fails no more often than its peers, over a window that shows it.
    pub fn is_no_outlier(&mut self, now: Moment) {
        if matches!(self.reason, Reason::Spared(Charge::Rate(_))) {
            self.reason = Reason::Answers;
            self.noted(None, now);
        }
    }

    /// A request, or the stream of a client, has ended well.
    pub fn traffic_succeeded(&mut self, now: Moment) {
        self.failed_requests = 0;
        if matches!(self.reason, Reason::Spared(Charge::Row { .. })) {
            self.reason = Reason::Answers;
            self.noted(None, now);
        }
    }

    /// Time has passed: without a check, a server that was held returns.
    pub fn tick(&mut self, now: Moment) -> Option<Change> {
        self.next_deadline().filter(|&deadline| deadline <= now)?;
        let change = self.turn(true, Reason::HoldOver { held: now.since(self.since) }, now);
        self.noted(Some(change), now)
    }

    /// A reload has changed the rules. Verdicts stay, except those that only the old rules could
    /// have revised.
    pub fn reconfigure(&mut self, policy: Arc<Policy>, now: Moment) -> Option<Change> {
        let change = self.follow(policy, now);
        self.noted(change, now)
    }

    fn follow(&mut self, policy: Arc<Policy>, now: Moment) -> Option<Change> {
        let was_checked = self.policy.check.is_some();
        self.policy = policy;
        let is_checked = self.policy.check.is_some();
        if is_checked && !was_checked {
            self.schedule = Schedule::new(InitialState::Up, now);
        }
        if is_checked || !was_checked {
            return None;
        }
        match self.state {
            State::Unchecked if !self.usable => Some(self.turn(true, Reason::NoCheck, now)),
            State::Unchecked | State::Up | State::GoingDown => {
                self.settle(State::Up, Reason::NoCheck);
                None
            }
            State::Down | State::GoingUp => {
                let end = self.held_until.unwrap_or(now + self.policy.outlier.ejection);
                self.settle(State::Down, self.reason);
                self.held_until = Some(end);
                None
            }
        }
    }

    fn passed(&mut self, rise: u32, now: Moment) -> Option<Change> {
        match self.state {
            State::Unchecked if !self.usable => {
                return Some(self.turn(true, Reason::Passed { passes: 1, needed: 1 }, now));
            }
            State::Unchecked => self.settle(State::Up, Reason::Passed { passes: 1, needed: 1 }),
            State::Up => {}
            State::GoingDown => {
                let failed = self.failed_checks + self.failed_connects;
                self.settle(State::Up, Reason::Recovered { failed });
            }
            State::Down | State::GoingUp if self.held_until.is_some_and(|end| now < end) => {}
            State::Down | State::GoingUp => {
                self.passes += 1;
                self.state = State::GoingUp;
                self.reason = Reason::Passed { passes: self.passes, needed: rise };
                if self.passes >= rise {
                    return Some(self.turn(true, self.reason, now));
                }
            }
        }
        None
    }

    /// A check, or what is as good as one, has failed; it has been counted.
    fn failed(&mut self, last: CheckFailure, now: Moment) -> Option<Change> {
        let fall = self.policy.check.as_ref().map_or(1, |check| u32::from(check.fall));
        let needed = if self.state == State::Unchecked { 1 } else { fall };
        let Self { failed_checks: checks, failed_connects: connects, .. } = *self;
        let reason = Reason::Failed { checks, connects, needed, last };
        match self.state {
            State::Unchecked | State::Up | State::GoingDown if checks + connects >= needed => {
                if self.usable {
                    return Some(self.turn(false, reason, now));
                }
                self.settle(State::Down, reason);
            }
            State::Unchecked | State::Up | State::GoingDown => {
                self.state = State::GoingDown;
                self.reason = reason;
            }
            State::Down | State::GoingUp => {
                self.held_until = None;
                if self.state == State::GoingUp {
                    self.settle(State::Down, Reason::Relapsed { passes: self.passes, last });
                }
            }
        }
        None
    }

    /// Takes down a server that fails its traffic, whatever checks say, if the pool can spare it.
    fn charge(
        &mut self,
        charge: Charge,
        check_sees: bool,
        now: Moment,
        may_leave: impl FnOnce() -> bool,
    ) -> Option<Change> {
        if !may_leave() {
            self.reason = Reason::Spared(charge);
            return None;
        }
        if now.since(self.since) >= self.hold() {
            self.ejections = 0;
        }
        self.ejections = self.ejections.saturating_add(1);
        let held = (!check_sees).then(|| self.hold());
        let change = self.turn(false, Reason::Ejected { charge, held }, now);
        self.held_until = held.map(|hold| now + hold);
        self.schedule.hurry(now);
        Some(change)
    }

    /// How long a server is held after so many ejections.
    fn hold(&self) -> Duration {
        self.policy.outlier.ejection.saturating_mul(self.ejections).min(LONGEST_HOLD)
    }

    fn check_could_see(&self, fault: Fault) -> bool {
        let asks = self.policy.check.as_ref().is_some_and(|check| match check.kind {
            CheckKind::Http(_) | CheckKind::Deep(_) | CheckKind::Grpc(_) | CheckKind::Exec(_) => {
                true
            }
            CheckKind::Talk(_) | CheckKind::Tls(_) | CheckKind::Agent(_) | CheckKind::Tcp => {
                matches!(fault, Fault::ConnectRefused | Fault::ConnectTimeout)
            }
        });
        asks && self.checks_same_port()
    }

    fn checks_same_port(&self) -> bool {
        self.policy.check.as_ref().is_some_and(|check| check.port.is_none())
    }

    /// A new verdict: used from now on, or not.
    fn turn(&mut self, usable: bool, reason: Reason, now: Moment) -> Change {
        self.settle(if usable { State::Up } else { State::Down }, reason);
        self.usable = usable;
        if self.agent_down.is_none() {
            self.since = now;
        }
        self.failed_requests = 0;
        Change { usable, reason }
    }

    /// What checks and traffic have changed, if that makes a difference; written down.
    fn noted(&mut self, change: Option<Change>, now: Moment) -> Option<Change> {
        self.write_down(now);
        change.filter(|_| self.agent_down.is_none())
    }

    fn write_down(&mut self, now: Moment) {
        let (state, usable, reason) = (self.state(), self.usable(), self.reason());
        self.time_line.note(Entry { at: now, state, usable, reason });
    }

    /// Up or down for certain: nothing is being counted, except failed requests, of which checks
    /// know nothing.
    fn settle(&mut self, state: State, reason: Reason) {
        self.state = state;
        self.reason = reason;
        self.passes = 0;
        self.failed_checks = 0;
        self.failed_connects = 0;
        self.held_until = None;
    }
}

#[cfg(test)]
mod tests;
