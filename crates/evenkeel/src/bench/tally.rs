//! What is counted while a test runs, interval by interval.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::schedule::{Grid, LONGEST};

/// Significant digits of the latencies that are kept: within 1 %.
const DIGITS: u8 = 2;

/// Why a request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection was made.
    Connect,
    /// No TLS handshake was made, or its record was broken.
    Tls,
    /// The connection ended before the answer did.
    Reset,
    /// No whole answer came in time, counted from when the request was due.
    Timeout,
    /// What came was no answer.
    Garbage,
    /// Answered with 400 to 499.
    Client,
    /// Answered with 500 to 599.
    Server,
}

impl Failure {
    pub(crate) const ALL: [Self; 7] = [
        Self::Connect,
        Self::Tls,
        Self::Reset,
        Self::Timeout,
        Self::Garbage,
        Self::Client,
        Self::Server,
    ];

    /// As it is called in results.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
            Self::Client => "4xx",
            Self::Server => "5xx",
        }
    }

    /// What an answer with this status is; `None`: a good one.
    pub(crate) const fn of_status(status: u16) -> Option<Self> {
        match status {
            400..=499 => Some(Self::Client),
            500.. => Some(Self::Server),
            _ => None,
        }
    }

    const fn place(self) -> usize {
        self as usize
    }
}

/// How many requests failed, by [`Failure`] in its order.
pub(crate) type Failures = [u32; Failure::ALL.len()];

/// What happened to the requests that were due in one interval, and what the client did in it.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// Requests due.
    pub(crate) due: u32,
    /// Those answered well, however late.
    pub(crate) good: u32,
    pub(crate) failed: Failures,
    /// Good answers that were complete in this interval, whenever their requests were due.
    pub(crate) finished: u32,
    /// Requests that had to wait for a connection, because each carried one.
    pub(crate) waited: u32,
    /// In microseconds, from when a request was due until its answer was complete. One that was not
    /// answered in time is in it with the time it was given: giving up makes nothing faster.
    pub(crate) latencies: Histogram<u32>,
    /// In microseconds: how late the client itself was.
    pub(crate) lag: Histogram<u32>,
    /// Share of the time that the busiest thread of the client was at work.
    pub(crate) busy: f64,
}

/// Everything that was counted.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) grid: Grid,
    pub(crate) intervals: Vec<Interval>,
    /// Connections made.
    pub(crate) connections: u32,
    /// Requests under way when the test was ended early: neither good nor failed.
    pub(crate) cut_off: u32,
}

impl Tally {
    pub(crate) fn new(grid: Grid) -> Self {
        Self {
            grid,
            intervals: (0..grid.len()).map(|_| Interval::new()).collect(),
            connections: 0,
            cut_off: 0,
        }
    }

    /// A request was due.
    pub(crate) fn due(&mut self, due: Duration) {
        self.of(due).due += 1;
    }

    /// It was taken in hand so much later, although a connection was free.
    pub(crate) fn taken(&mut self, due: Duration, now: Duration) {
        self.of(due).lag.saturating_record(microseconds(now.saturating_sub(due)));
    }

    /// It was taken in hand later because no connection was free.
    pub(crate) fn waited(&mut self, due: Duration) {
        self.of(due).waited += 1;
    }

    /// The answer is complete and good.
    pub(crate) fn good(&mut self, due: Duration, now: Duration) {
        let interval = self.of(due);
        interval.good += 1;
        interval.latencies.saturating_record(microseconds(now.saturating_sub(due)));
        if now < self.grid.interval * (self.grid.levels * self.grid.per_level) {
            self.of(now).finished += 1;
        }
    }

    pub(crate) fn failed(&mut self, due: Duration, why: Failure, patience: Duration) {
        let interval = self.of(due);
        interval.failed[why.place()] += 1;
        if why == Failure::Timeout {
            interval.latencies.saturating_record(microseconds(patience));
        }
    }

    /// The client was at work for so long, until `now`.
    pub(crate) fn at_work(&mut self, now: Duration, for_: Duration) {
        let interval = self.grid.interval;
        let share = for_.as_secs_f64() / interval.as_secs_f64();
        self.of(now).busy += share;
    }

    /// What another thread of the client counted in the same test.
    pub(crate) fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.cut_off += other.cut_off;
        for (one, other) in self.intervals.iter_mut().zip(&other.intervals) {
            one.add(other);
            // Not a sum: a thread that is at its limit sends late whatever the others do.
            one.busy = one.busy.max(other.busy);
        }
    }

    fn of(&mut self, moment: Duration) -> &mut Interval {
        let index = self.grid.at(moment);
        &mut self.intervals[index]
    }
}

impl Interval {
    fn new() -> Self {
        let histogram = |digits| {
            Histogram::new_with_bounds(1, microseconds(LONGEST), digits)
                .expect("the bounds are constants, and in order")
        };
        Self {
            due: 0,
            good: 0,
            failed: [0; Failure::ALL.len()],
            finished: 0,
            waited: 0,
            latencies: histogram(DIGITS),
            lag: histogram(1),
            busy: 0.0,
        }
    }

    /// What all of these say together; `busy` is that of the busiest.
    pub(crate) fn together<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::new();
        for part in parts {
            sum.add(part);
            sum.busy = sum.busy.max(part.busy);
        }
        sum
    }

    /// How many failed, for whatever reason.
    pub(crate) fn failures(&self) -> u32 {
        self.failed.iter().sum()
    }

    fn add(&mut self, other: &Self) {
        let Self { due, good, failed, finished, waited, latencies, lag, busy: _ } = other;
        self.due += due;
        self.good += good;
        self.finished += finished;
        self.waited += waited;
        for (sum, more) in self.failed.iter_mut().zip(failed) {
            *sum += more;
        }
        let same = "all histograms here have the same bounds";
        self.latencies.add(latencies).expect(same);
        self.lag.add(lag).expect(same);
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { interval: Duration::from_secs(1), levels: 2, per_level: 1 };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_late_answer_counts_from_when_its_request_was_due() {
        let mut tally = Tally::new(GRID);
        tally.due(ms(900));
        tally.waited(ms(900));
        tally.good(ms(900), ms(1_400));
        let [first, second] = &tally.intervals[..] else { panic!("two intervals") };
        assert_eq!((first.due, first.good, first.waited, first.finished), (1, 1, 1, 0));
        assert_eq!((second.due, second.good, second.finished), (0, 0, 1));
        let half = first.latencies.value_at_quantile(0.5);
        assert!((495_000..505_000).contains(&half), "{half} µs");
    }

    #[test]
    fn giving_up_makes_nothing_faster() {
        let mut tally = Tally::new(GRID);
        for number in 0..100 {
            if number < 10 {
                tally.failed(ms(0), Failure::Timeout, ms(5_000));
            } else {
                tally.good(ms(0), ms(1));
            }
        }
        tally.failed(ms(0), Failure::Server, ms(5_000));
        let all = Interval::together(&tally.intervals);
        assert_eq!((all.good, all.failures(), all.latencies.len()), (90, 11, 100));
        assert!(all.latencies.value_at_quantile(0.99) >= 4_950_000);
    }

    #[test]
    fn threads_count_together() {
        let mut one = Tally::new(GRID);
        let mut other = Tally::new(GRID);
        one.at_work(ms(100), ms(300));
        one.at_work(ms(500), ms(300));
        other.at_work(ms(500), ms(500));
        other.due(ms(1_500));
        other.failed(ms(1_500), Failure::Connect, ms(1));
        one.add(&other);
        assert!((one.intervals[0].busy - 0.6).abs() < 1e-9, "{}", one.intervals[0].busy);
        assert_eq!((one.intervals[1].due, one.intervals[1].failed[0]), (1, 1));
    }

    #[test]
    fn answers_that_come_after_the_end_are_no_throughput() {
        let mut tally = Tally::new(GRID);
        tally.good(ms(1_900), ms(2_100));
        assert_eq!(tally.intervals.iter().map(|it| it.finished).sum::<u32>(), 0);
        assert_eq!(tally.intervals[1].good, 1);
    }

    #[test]
    fn labels_are_in_the_order_of_the_counts() {
        for (index, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure.place(), index, "{}", failure.label());
        }
    }
}
