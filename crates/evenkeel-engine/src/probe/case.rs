//! One server under judgement.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use evenkeel_core::health::{Change, Health, Outcome, Policy, Reason, State};
use evenkeel_core::moment::Moment;

use crate::clock;
use crate::fleet::{LivePool, Server};
use crate::status::{self, AdminState, Verdict};

/// How long a server may have left maintenance before it is noticed.
const MAINTENANCE_WAIT: Duration = Duration::from_secs(1);

/// A server with its health and what has been made known of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) server: Arc<Server>,
    /// Of the plan last followed.
    pub(super) pool: Arc<LivePool>,
    pub(super) policy: Arc<Policy>,
    pub(super) health: Health,
    /// Its place in the agenda.
    pub(super) due: Option<Moment>,
    /// Varies the wait for the next check.
    chance: u64,
    /// A check is under way.
    checking: bool,
    /// It was in maintenance when last visited; until when not to ask again.
    resting: Option<Moment>,
    /// Since when it has been used, or not been used.
    since: SystemTime,
    shown: Option<(State, Reason)>,
}

/// What a visit has found.
#[derive(Debug)]
pub(super) enum Due {
    /// A check, which counts as under way from now on.
    Check,
    Nothing(Option<Change>),
}

impl Case {
    pub(super) fn new(
        server: Arc<Server>,
        pool: Arc<LivePool>,
        policy: Arc<Policy>,
        chance: u64,
        now: Moment,
    ) -> Self {
        Self {
            server,
            pool,
            health: Health::new(Arc::clone(&policy), now),
            policy,
            due: None,
            chance,
            checking: false,
            resting: None,
            since: clock::wall(),
            shown: None,
        }
    }

    /// The server stands in another plan.
    pub(super) fn move_to(
        &mut self,
        pool: Arc<LivePool>,
        policy: &Arc<Policy>,
        now: Moment,
    ) -> Option<Change> {
        self.pool = pool;
        if self.policy == *policy {
            return None;
        }
        self.policy = Arc::clone(policy);
        self.health.reconfigure(Arc::clone(policy), now)
    }

    pub(super) fn in_maintenance(&self) -> bool {
        self.server.admin_state() == AdminState::Maint
    }

    /// When it is to be visited.
    pub(super) fn next_due(&self) -> Option<Moment> {
        if self.checking {
            return None;
        }
        if self.resting.is_some() {
            return self.resting;
        }
        [self.health.next_check(self.chance), self.health.next_deadline()]
            .into_iter()
            .flatten()
            .min()
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
        if check.is_some() {
            self.checking = true;
            return Due::Check;
        }
        Due::Nothing(self.health.tick(now))
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
        self.health.checked(outcome, now)
    }

    /// Makes the verdict known, if it or its reason is a new one. `changed`: whether it is used has
    /// changed.
    pub(super) fn show(&mut self, changed: bool) {
        self.server.troubled.store(self.health.heeds_success(), Ordering::Relaxed);
        if changed {
            self.since = clock::wall();
        }
        let verdict = (self.health.state(), *self.health.reason());
        if self.shown == Some(verdict) {
            return;
        }
        self.shown = Some(verdict);
        let (state, reason) = verdict;
        let usable = self.health.usable();
        let health = match state {
            State::Up => status::Health::Up,
            State::Down => status::Health::Down,
            State::Unchecked if !usable => status::Health::Down,
            State::Unchecked | State::GoingDown | State::GoingUp => status::Health::Checking,
        };
        let verdict = Verdict { health, reason: reason.to_string().into(), since: self.since };
        self.server.set_verdict(verdict, usable);
    }

    /// `POOL/SERVER`
    pub(super) fn subject(&self) -> String {
        format!("{}/{}", self.server.pool, self.server.name)
    }
}
