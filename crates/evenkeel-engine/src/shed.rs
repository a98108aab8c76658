//! Measures what this node has to do and makes known what it sheds. What follows from what is decided
//! in [`evenkeel_core::shed`].

use std::num::NonZero;
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;
use std::time::Duration;

use evenkeel_core::config::Shed;
use evenkeel_core::moment::Moment;
use evenkeel_core::shed::{Level, Shedder, Strain};
use evenkeel_sys::cpu_time;

use crate::plan::Plan;
use crate::worker::Shared;

/// Between two measurements: half of the time between two steps.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at the processor time: over less, one burst looks like an overload.
const CPU_LOOK: Duration = Duration::from_secs(1);

/// What is measured, by one worker for all.
#[derive(Debug)]
pub(crate) struct Shedding {
    shedder: Shedder,
    cpu: Cpu,
    next: Moment,
}

/// What this process uses of the processors that it may use.
#[derive(Debug)]
struct Cpu {
    processors: u32,
    since: Moment,
    used: Duration,
    percent: u8,
}

impl Shedding {
    pub(crate) fn new(workers: usize, now: Moment) -> Self {
        Self { shedder: Shedder::new(now), cpu: Cpu::new(workers, now), next: now }
    }

    /// Measures, if it is time to, and makes known what follows.
    pub(crate) fn look(&mut self, plan: &Plan, shared: &Shared, now: Moment) {
        if now < self.next {
            return;
        }
        self.next = now + LOOK;
        let before = self.shedder.level();
        match &plan.snapshot.config().shed {
            Some(policy) => {
                let waits = plan.pools.iter().map(|pool| pool.waiting.oldest_wait(now));
                let queue_wait = waits.max().unwrap_or_default();
                let strain = Strain { queue_wait, cpu_percent: self.cpu.percent(now) };
                self.shedder.measured(policy, strain, now);
                if self.shedder.level() != before {
                    tell(shared, self.shedder.level(), policy, strain);
                }
            }
            None if before != Level::NONE => {
                self.shedder = Shedder::new(now);
                shared.tell("shed-level", "node".into(), "nothing is shed: it is off".into());
            }
            None => {}
        }
        shared.shed_level.0.store(self.shedder.level().get(), Ordering::Relaxed);
    }
}

impl Shared {
    /// What is shed at the moment.
    pub(crate) fn shed_level(&self) -> Level {
        Level::new(self.shed_level.0.load(Ordering::Relaxed))
    }
}

fn tell(shared: &Shared, level: Level, policy: &Shed, strain: Strain) {
    let limit = |limit: Option<String>| limit.unwrap_or_else(|| "none".into());
    let (most_wait, most_cpu) = (
        limit(policy.queue_wait.map(|wait| format!("{} ms", wait.as_millis()))),
        limit(policy.cpu_percent.map(|percent| format!("{percent} %"))),
    );
    let shed = match level.get() {
        0 => "nothing is shed any more".to_owned(),
        level => format!("requests of routes with a priority below {level} are answered 503"),
    };
    let message = format!(
        "{shed}: the oldest in a queue waits for {} ms (limit {most_wait}), {} % of the processors \
         are used (limit {most_cpu})",
        strain.queue_wait.as_millis(),
        strain.cpu_percent,
    );
    shared.tell("shed-level", "node".into(), message);
}

impl Cpu {
    fn new(workers: usize, now: Moment) -> Self {
        let there_are = available_parallelism().map_or(1, NonZero::get);
        let processors = u32::try_from(workers.min(there_are)).unwrap_or(1).max(1);
        Self { processors, since: now, used: cpu_time(), percent: 0 }
    }

    /// Over the last second or so.
    fn percent(&mut self, now: Moment) -> u8 {
        let elapsed = now.since(self.since);
        if elapsed >= CPU_LOOK {
            let used = cpu_time();
            let there_was = elapsed.as_micros() * u128::from(self.processors);
            let share = (used.saturating_sub(self.used)).as_micros() * 100 / there_was;
            self.percent = u8::try_from(share.min(100)).unwrap_or(100);
            (self.since, self.used) = (now, used);
        }
        self.percent
    }
}
