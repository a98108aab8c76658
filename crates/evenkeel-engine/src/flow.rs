//! What is counted of the exchanges of a listener, a route, a pool or a server: by each worker for
//! itself, found by an index, never by a name.

use std::array;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use evenkeel_core::fault::Fault;
use evenkeel_core::latency::{self, BUCKETS};

use crate::count::{Counter, IS_RECORDING, Padded, class, one_each};
use crate::exemplar::{Exemplar, Exemplars};
use crate::status::{Endings, FlowStatus};

/// What one worker counts of the exchanges of something.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// That have begun.
    pub(crate) requests: Counter,
    pub(crate) answers: [Counter; 6],
    pub(crate) bytes_received: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) ends: Ends,
}

/// How exchanges ended, and how long they took. Some 1.5 KiB, from the first one on: most workers
/// of most nodes never meet most servers.
#[derive(Debug, Default)]
pub(crate) struct Ends(OnceLock<Box<Counts>>);

#[derive(Debug)]
struct Counts {
    durations: [Counter; BUCKETS],
    micros: Counter,
    errors: Counter,
    /// By the places of their codes in [`Fault::CODES`].
    codes: [Counter; Fault::CODES.len()],
    /// From the first exchange on whose trace is sampled.
    exemplars: OnceLock<Box<Exemplars>>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            durations: array::from_fn(|_| Counter::default()),
            micros: Counter::default(),
            errors: Counter::default(),
            codes: array::from_fn(|_| Counter::default()),
            exemplars: OnceLock::new(),
        }
    }
}

impl Ends {
    /// One has ended.
    pub(crate) fn count(&self, took: Duration, status: Option<u16>, fault: Option<Fault>) {
        self.took(took);
        if is_error(status, fault) {
            self.counts().errors.add(1);
        }
        if let Some(fault) = fault {
            self.fault(fault);
        }
    }

    pub(crate) fn took(&self, took: Duration) {
        if !IS_RECORDING {
            return;
        }
        let counts = self.counts();
        counts.durations[latency::bucket(took)].add(1);
        counts.micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// One that was counted belongs to a trace that is sampled.
    pub(crate) fn show(&self, exemplar: Exemplar, is_error: bool) {
        self.counts().exemplars.get_or_init(Box::default).show(exemplar, is_error);
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.counts().codes[fault.code_place()].add(1);
    }

    fn counts(&self) -> &Counts {
        self.0.get_or_init(Box::default)
    }

    /// The sum of what all workers have counted.
    pub(crate) fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Endings {
        let mut sum = Endings::default();
        let mut codes = [0; Fault::CODES.len()];
        let mut micros = 0;
        for counts in all.filter_map(|ends| ends.0.get()) {
            sum.durations.resize(BUCKETS, 0);
            add(&mut sum.durations, &counts.durations);
            add(&mut codes, &counts.codes);
            sum.errors += counts.errors.get();
            micros += counts.micros.get();
            if let Some(exemplars) = counts.exemplars.get() {
                exemplars.add_to(&mut sum.shown);
            }
        }
        sum.seconds = Duration::from_micros(micros).as_secs_f64();
        let counted = Fault::CODES.into_iter().zip(codes).filter(|(_, count)| *count > 0);
        sum.codes = counted.collect();
        sum
    }
}

/// Whether an exchange that ended so is an error of the service.
pub(crate) fn is_error(status: Option<u16>, fault: Option<Fault>) -> bool {
    status.is_some_and(|status| status >= 500) || fault.is_some_and(Fault::is_error)
}

/// Adds what was counted to `totals`.
pub(crate) fn add(totals: &mut [u64], counters: &[Counter]) {
    for (total, counter) in totals.iter_mut().zip(counters) {
        *total += counter.get();
    }
}

/// The exchanges of a route or a pool, for as long as one of its name exists.
#[derive(Clone, Debug)]
pub(crate) struct Flows {
    pub(crate) name: Arc<str>,
    of_workers: Arc<[Padded<Flow>]>,
}

impl Flows {
    pub(crate) fn new(name: &Arc<str>, workers: usize) -> Self {
        Self { name: Arc::clone(name), of_workers: one_each(workers).into() }
    }

    /// What one worker counts.
    pub(crate) fn of(&self, worker: usize) -> LocalFlow {
        LocalFlow { flows: self.clone(), worker }
    }

    pub(crate) fn status(&self) -> FlowStatus {
        let flows = || self.of_workers.iter().map(|flow| &flow.0);
        let mut answers_total = [0; 6];
        flows().for_each(|flow| add(&mut answers_total, &flow.answers));
        FlowStatus {
            name: Arc::clone(&self.name),
            requests_total: flows().map(|flow| flow.requests.get()).sum(),
            answers_total,
            bytes_received_total: flows().map(|flow| flow.bytes_received.get()).sum(),
            bytes_sent_total: flows().map(|flow| flow.bytes_sent.get()).sum(),
            endings: Ends::sum(flows().map(|flow| &flow.ends)),
        }
    }
}

/// A worker's own part of [`Flows`].
#[derive(Debug)]
pub(crate) struct LocalFlow {
    flows: Flows,
    worker: usize,
}

impl LocalFlow {
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.flows.name
    }
}

impl Deref for LocalFlow {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        &self.flows.of_workers[self.worker].0
    }
}

impl Flow {
    /// An exchange has ended; it has sent and received so many bytes of the client's.
    pub(crate) fn finish(
        &self,
        (took, status, fault): (Duration, Option<u16>, Option<Fault>),
        (received, sent): (u64, u64),
    ) {
        self.answers[class(status)].add(1);
        self.bytes_received.add(received);
        self.bytes_sent.add(sent);
        self.ends.count(took, status, fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_count_is_one_sum() {
        let flows = Flows::new(&"app".into(), 2);
        let (one, other) = (flows.of(0), flows.of(1));
        one.requests.add(2);
        other.requests.add(1);
        one.finish((Duration::from_millis(1), Some(200), None), (10, 100));
        one.finish((Duration::from_millis(1), Some(503), Some(Fault::NoServer)), (1, 1));
        other.finish((Duration::from_secs(1), Some(404), Some(Fault::NoRoute)), (0, 0));
        let sum = flows.status();
        assert_eq!(
            (sum.requests_total, sum.bytes_received_total, sum.bytes_sent_total),
            (3, 11, 101)
        );
        assert_eq!(sum.answers_total, [0, 1, 0, 1, 1, 0]);
        assert_eq!(sum.endings.errors, 1);
        assert_eq!(sum.endings.codes, [("PR", 1), ("SC", 1)]);
        assert_eq!(sum.endings.durations.iter().sum::<u64>(), 3);
        assert!((sum.endings.seconds - 1.002).abs() < 1e-9);
    }

    #[test]
    fn what_never_ended_takes_no_memory() {
        assert!(Ends::default().0.get().is_none());
        assert_eq!(Flows::new(&"app".into(), 4).status().endings, Endings::default());
    }
}
