//! Drills: one at a time, each on a lease. Who drills says again and again that it goes on; once it
//! falls silent this node puts everything back by itself. Should this node end too, what it said of
//! a server still expires.

mod object;

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use evenkeel_api as api;
use evenkeel_core::drill::{Act, Stage};
use tokio::sync::mpsc;

use self::object::{Counted, Object};
use super::said::one_line;
use super::{Node, ServerError};
use crate::clock;
use crate::state_file::{self, StateError};

/// What came of drills, in `state_dir`.
pub(super) const DRILLS_FILE: &str = "drills.json";

/// Servers and addresses whose drills are remembered; beyond them, whose was longest ago makes room.
const MOST_RECORDS: usize = 256;

/// How often silence is looked for: late by that much at most.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Shorter than a busy machine may be late by, and longer than a service should be one server short
/// for nothing.
const LEASE_SECONDS: std::ops::RangeInclusive<u64> = 2..=60;

/// Beyond an hour it is no drill, but maintenance.
const AWAY_SECONDS: std::ops::RangeInclusive<u64> = 1..=3_600;

/// Addresses that are to be moved, and are not yet; more than a node is asked for at once.
const MOST_ERRANDS: usize = 8;

/// What is known of drills.
#[derive(Debug)]
pub(super) struct Drills {
    /// Held while one begins, goes on or ends.
    acting: tokio::sync::Mutex<()>,
    state: Mutex<Known>,
    errands: mpsc::Sender<Errand>,
    /// For the one who runs them.
    to_run: tokio::sync::Mutex<mpsc::Receiver<Errand>>,
}

/// A move of a virtual address, for which nobody waits: it takes seconds.
#[derive(Debug)]
pub(super) enum Errand {
    MoveAway {
        name: String,
        change: api::VipChange,
    },
    /// To the other node, which has lent it.
    GiveBack(String),
}

#[derive(Debug, Default)]
struct Known {
    under_way: Option<UnderWay>,
    records: Vec<api::DrillRecord>,
}

/// The drill under way.
#[derive(Clone, Debug)]
struct UnderWay {
    id: String,
    object: Object,
    stage: Stage,
    /// What a server is set to.
    state: api::AdminState,
    author: String,
    reason: String,
    since: SystemTime,
    away: Duration,
    lease: Duration,
    /// By [`clock::monotonic`]: until then it has to be heard of.
    until: Duration,
    /// What was counted before it began.
    before: Counted,
}

/// Why a drill does not begin, or not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrillError {
    #[error("there is no drill {0} under way: it has ended, or the node was restarted")]
    Unknown(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl UnderWay {
    /// What begins the reason of all that is said for it.
    fn mark(&self) -> String {
        format!("drill {}", self.id)
    }

    fn why(&self) -> String {
        let colon = if self.reason.is_empty() { "" } else { ": " };
        format!("{}{colon}{}", self.mark(), self.reason)
    }

    fn document(&self, now: Counted) -> api::Drill {
        api::Drill {
            id: self.id.clone(),
            kind: self.object.kind(),
            object: self.object.name(),
            stage: stage_document(self.stage),
            author: self.author.clone(),
            reason: self.reason.clone(),
            since: api::Timestamp(self.since),
            lease_seconds: self.lease.as_secs(),
            requests: now.requests.saturating_sub(self.before.requests),
            errors: now.errors.saturating_sub(self.before.errors),
        }
    }
}

impl Drills {
    /// With what a run before kept in `directory`; and what is wrong with that.
    pub(super) fn restore(directory: Option<&Path>) -> (Self, Option<StateError>) {
        let (errands, to_run) = mpsc::channel(MOST_ERRANDS);
        let (acting, state, to_run) =
            (tokio::sync::Mutex::default(), Mutex::default(), to_run.into());
        let drills = Self { acting, state, errands, to_run };
        let kept = directory.map(|directory| state_file::load(&directory.join(DRILLS_FILE)));
        let problem = match kept.unwrap_or(Ok(None)) {
            Ok(kept) => {
                drills.known().records = kept.unwrap_or_default();
                None
            }
            Err(error) => Some(error),
        };
        (drills, problem)
    }

    /// Has it run in its turn. `false`: there are too many.
    pub(super) fn run_errand(&self, errand: Errand) -> bool {
        self.errands.try_send(errand).is_ok()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&mut self, id: &str) -> Result<&mut UnderWay, DrillError> {
        let found = self.under_way.as_mut().filter(|drill| drill.id == id);
        found.ok_or_else(|| DrillError::Unknown(id.to_owned()))
    }

    /// Remembers what came of a drill.
    fn note(&mut self, record: api::DrillRecord) {
        let same = |it: &api::DrillRecord| (it.kind, &it.object) == (record.kind, &record.object);
        let before = self.records.iter().position(same).map(|at| self.records.remove(at));
        if self.records.len() == MOST_RECORDS {
            let ages = self.records.iter().enumerate().map(|(at, it)| (it.ended, at));
            let (_, oldest) = ages.min().expect("it is full");
            self.records.remove(oldest);
        }
        let last_success = record.last_success.or_else(|| before?.last_success);
        self.records.push(api::DrillRecord { last_success, ..record });
        self.records.sort_by(|a, b| (a.kind, &a.object).cmp(&(b.kind, &b.object)));
    }
}

impl Node {
    /// Every drill that is known of.
    pub(crate) fn drills(&self) -> api::Drills {
        let known = self.drills.known();
        let (under_way, records) = (known.under_way.clone(), known.records.clone());
        drop(known);
        let under_way = under_way.map(|drill| self.drill_document(&drill));
        api::Drills { under_way, records }
    }

    /// What is drilled now, for the other node of the pair.
    pub(super) fn drilled(&self) -> Option<String> {
        self.drills.known().under_way.as_ref().map(|drill| drill.object.name())
    }

    fn drill_document(&self, drill: &UnderWay) -> api::Drill {
        drill.document(drill.object.counted(&self.engine.status()))
    }

    /// Begins a drill, if nothing speaks against it. Nothing is touched yet.
    pub(crate) async fn begin_drill(
        &self,
        start: &api::DrillStart,
    ) -> Result<api::Drill, DrillError> {
        let _one_at_a_time = self.drills.acting.lock().await;
        let object = Object::of(start)?;
        let state = start.state.unwrap_or(api::AdminState::Drain);
        if state == api::AdminState::Ready {
            let detail = "a server is drilled by `drain` or `maint`, not by `ready`";
            return Err(DrillError::Invalid(detail.to_owned()));
        }
        let away = within("away_seconds", start.away_seconds, &AWAY_SECONDS)?;
        let lease = within("lease_seconds", start.lease_seconds, &LEASE_SECONDS)?;
        if let Some(other) = self.drilled() {
            return Err(DrillError::Refused(format!("{other} is being drilled: wait for its end")));
        }
        if let Some(other) = self.pair.drilled_there() {
            let detail = format!("{other} is being drilled on the other node: wait for its end");
            return Err(DrillError::Refused(detail));
        }
        match &object {
            Object::Server { pool, server } => self.may_take_out(pool, server)?,
            Object::Vip(name) => self.may_move(name)?,
        }
        let drill = UnderWay {
            id: format!("{:08x}", RandomState::new().hash_one(0_u8) >> 32),
            stage: Stage::Begun,
            state,
            author: one_line(&start.author),
            reason: one_line(&start.reason),
            since: clock::now(),
            away,
            lease,
            until: clock::monotonic() + lease,
            before: object.counted(&self.engine.status()),
            object,
        };
        let said = [(" by ", &drill.author), (": ", &drill.reason)].into_iter();
        let said = said.filter(|(_, word)| !word.is_empty());
        let message =
            said.fold("the drill begins".to_owned(), |text, (before, word)| text + before + word);
        self.tell_of_drill("drill-begun", &drill, message);
        let document = self.drill_document(&drill);
        self.drills.known().under_way = Some(drill);
        self.pair.has_news();
        Ok(document)
    }

    /// It goes on, and is to be so far.
    pub(crate) async fn continue_drill(
        &self,
        id: &str,
        wanted: api::DrillStage,
    ) -> Result<api::Drill, DrillError> {
        let _one_at_a_time = self.drills.acting.lock().await;
        let wanted = stage_of(wanted);
        let (drill, act) = {
            let mut known = self.drills.known();
            let drill = known.find(id)?;
            drill.until = clock::monotonic() + drill.lease;
            let over = |stage| {
                let word = word(stage_document(stage));
                DrillError::Refused(format!("the drill is {word} already"))
            };
            let act = drill.stage.follow(wanted).map_err(over)?;
            (drill.clone(), act)
        };
        match act {
            Some(Act::TakeOut) => self.take_out(&drill).await?,
            Some(Act::PutBack) => self.put_back(&drill).await,
            None if drill.stage == Stage::Away => self.is_still_away(&drill)?,
            None => {}
        }
        let drill = {
            let mut known = self.drills.known();
            let drill = known.find(id)?;
            drill.stage = wanted;
            // What was done took its time.
            drill.until = clock::monotonic() + drill.lease;
            drill.clone()
        };
        Ok(self.drill_document(&drill))
    }

    /// It is over: what is away is put back.
    pub(crate) async fn end_drill(
        &self,
        id: &str,
        end: &api::DrillEnd,
    ) -> Result<api::Drills, DrillError> {
        let _one_at_a_time = self.drills.acting.lock().await;
        let drill = self.drills.known().find(id)?.clone();
        self.finish(&drill, end).await;
        Ok(self.drills())
    }

    /// Moves addresses, one after the other; never returns.
    pub(crate) async fn run_errands(&self) {
        let mut to_run = self.drills.to_run.lock().await;
        // The sender is the node's own.
        while let Some(errand) = to_run.recv().await {
            match errand {
                // That it has not moved is seen by who drills.
                Errand::MoveAway { name, change } => drop(self.change_vip(&name, &change).await),
                Errand::GiveBack(name) => self.give_vip_back(&name).await,
            }
        }
    }

    /// Ends what nobody is heard of any more; never returns.
    pub(crate) async fn keep_drills(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // A process that takes over knows of no drill, and has what was said for this one.
            if !self.is_in_charge() {
                continue;
            }
            let _one_at_a_time = self.drills.acting.lock().await;
            let silent = {
                let known = self.drills.known();
                let now = clock::monotonic();
                known.under_way.clone().filter(|drill| drill.until <= now)
            };
            if let Some(drill) = silent {
                let seconds = drill.lease.as_secs();
                let message = format!("nothing was heard of who drills for {seconds} s");
                let end = api::DrillEnd { passed: false, message, gap_seconds: None };
                self.finish(&drill, &end).await;
            }
        }
    }

    async fn finish(&self, drill: &UnderWay, end: &api::DrillEnd) {
        if drill.stage == Stage::Away {
            self.put_back(drill).await;
        }
        let api::DrillEnd { passed, message, gap_seconds } = end;
        let (now, message) = (api::Timestamp(clock::now()), one_line(message));
        let (kind, word) =
            if *passed { ("drill-passed", "passed") } else { ("drill-aborted", "aborted") };
        self.tell_of_drill(kind, drill, format!("the drill is {word}: {message}"));
        let record = api::DrillRecord {
            kind: drill.object.kind(),
            object: drill.object.name(),
            last_success: passed.then_some(now),
            ended: now,
            passed: *passed,
            message,
            gap_seconds: gap_seconds.filter(|gap| gap.is_finite()),
        };
        let records = {
            let mut known = self.drills.known();
            known.under_way = None;
            known.note(record);
            known.records.clone()
        };
        self.pair.has_news();
        self.keep(DRILLS_FILE, records).await;
    }

    fn tell_of_drill(&self, kind: &str, drill: &UnderWay, message: String) {
        let (at, subject) = (api::Timestamp(clock::now()), drill.object.name());
        self.publish(api::Event { at, kind: kind.to_owned(), subject, message });
    }
}

fn within(
    key: &str,
    seconds: u64,
    range: &std::ops::RangeInclusive<u64>,
) -> Result<Duration, DrillError> {
    if !range.contains(&seconds) {
        let (least, most) = (range.start(), range.end());
        let detail = format!("`{key}`: {seconds} is out of range: {least} to {most}");
        return Err(DrillError::Invalid(detail));
    }
    Ok(Duration::from_secs(seconds))
}

fn stage_of(stage: api::DrillStage) -> Stage {
    match stage {
        api::DrillStage::Begun => Stage::Begun,
        api::DrillStage::Away => Stage::Away,
        api::DrillStage::Back => Stage::Back,
    }
}

fn stage_document(stage: Stage) -> api::DrillStage {
    match stage {
        Stage::Begun => api::DrillStage::Begun,
        Stage::Away => api::DrillStage::Away,
        Stage::Back => api::DrillStage::Back,
    }
}

fn word(stage: api::DrillStage) -> &'static str {
    match stage {
        api::DrillStage::Begun => "begun",
        api::DrillStage::Away => "away",
        api::DrillStage::Back => "back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(object: &str, second: u64, passed: bool) -> api::DrillRecord {
        let ended = api::Timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
        api::DrillRecord {
            kind: api::DrillKind::Server,
            object: object.to_owned(),
            last_success: passed.then_some(ended),
            ended,
            passed,
            message: String::new(),
            gap_seconds: None,
        }
    }

    #[test]
    fn a_failure_does_not_undo_the_last_success() {
        let mut known = Known::default();
        known.note(record("app/b", 1, true));
        known.note(record("app/a", 2, true));
        known.note(record("app/b", 3, false));
        let shown: Vec<_> = known
            .records
            .iter()
            .map(|it| (it.object.as_str(), it.passed, it.last_success))
            .collect();
        let success = |second| record("", second, true).last_success;
        assert_eq!(shown, [("app/a", true, success(2)), ("app/b", false, success(1))]);
    }

    #[test]
    fn what_was_longest_ago_is_forgotten() {
        let mut known = Known::default();
        for (second, number) in (0_u64..).zip(0..=MOST_RECORDS) {
            known.note(record(&format!("app/{number:04}"), second + 1, true));
        }
        assert_eq!(known.records.len(), MOST_RECORDS);
        assert_eq!(known.records[0].object, "app/0001");
    }
}
