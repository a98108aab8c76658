//! What a test has shown: counts of the intervals made into what is said of them.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::schedule::Schedule;
use super::tally::{Failure, Interval, Tally};
use super::target::Http;

/// A thread that is at work for more of the time than this sends late without knowing it.
pub(super) const BUSY: f64 = 0.9;

/// What a thread may be late in taking a request in hand, for 99 of 100. The kernel alone is late by
/// a few milliseconds on a machine that has more to do than cores.
const LAG: Duration = Duration::from_millis(10);

/// Fewer intervals in a row in which the client was late are a hiccup.
const HICCUP: usize = 3;

/// A test and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) url: String,
    pub(crate) method: String,
    /// What was spoken.
    pub(crate) http: Http,
    /// Requests a second at the start.
    pub(crate) rate_from: f64,
    /// At the end.
    pub(crate) rate_to: f64,
    /// How long requests were sent, in seconds.
    pub(crate) seconds: f64,
    /// Somebody did not wait for the end.
    pub(crate) ended_early: bool,
    /// Requests under way at that moment: neither good nor failed.
    pub(crate) cut_off: u32,
    /// The most at once.
    pub(crate) connections: u32,
    /// The most requests at once on each of them.
    pub(crate) streams: u32,
    /// Connections made in the course of the test.
    pub(crate) connections_made: u32,
    /// From when on the client could not keep the schedule.
    pub(crate) client_limit: Option<ClientLimit>,
    pub(crate) total: Point,
    /// By offered rate.
    pub(crate) levels: Vec<Point>,
    /// By time.
    pub(crate) timeline: Vec<Point>,
}

/// Who was asked what, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) url: &'a str,
    pub(crate) method: &'a str,
    pub(crate) http: Http,
    pub(crate) connections: u32,
    pub(crate) streams: u32,
}

/// Requests due in a part of the test.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    /// From the start of the test to that of the part.
    pub(crate) start_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) requests: u32,
    pub(crate) good: u32,
    pub(crate) failed: u32,
    /// Of `failed`, by kind; those that did not occur are left out.
    pub(crate) failures: BTreeMap<&'static str, u32>,
    /// Requests that had to wait for a connection.
    pub(crate) waited: u32,
    pub(crate) offered_per_second: f64,
    /// Good answers that were complete in this time.
    pub(crate) good_per_second: f64,
    pub(crate) latency_seconds: Option<Latency>,
    /// Share of the time that the busiest thread of the client was at work.
    pub(crate) client_busy: f64,
    /// By which the client itself was late, for 99 of 100 requests.
    pub(crate) client_lag_seconds: f64,
}

/// From when a request was due until its answer was complete; of good answers, and of requests
/// without one in time. Within 1 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// Why figures from some moment on say more of the client than of the target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct ClientLimit {
    pub(crate) start_seconds: f64,
    pub(crate) offered_per_second: f64,
    /// The most the busiest thread was at work, as a share of the time.
    pub(crate) busy: f64,
    /// The most that 99 of 100 requests were late by.
    pub(crate) lag_seconds: f64,
}

/// How many requests may fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MaxErrors {
    Count(u32),
    Share(f64),
}

impl Report {
    /// `elapsed` is for how long requests were sent.
    pub(crate) fn new(
        subject: &Subject<'_>,
        schedule: &Schedule,
        elapsed: Duration,
        tally: &Tally,
    ) -> Self {
        let Subject { url, method, http, connections, streams } = *subject;
        let timeline = timeline(tally, elapsed);
        Self {
            url: url.to_owned(),
            method: method.to_owned(),
            http,
            rate_from: schedule.from,
            rate_to: schedule.to,
            seconds: elapsed.min(schedule.duration).as_secs_f64(),
            ended_early: elapsed < schedule.duration,
            cut_off: tally.cut_off,
            connections,
            streams,
            connections_made: tally.connections,
            client_limit: client_limit(&timeline),
            total: together(tally, 0, timeline.len(), elapsed),
            levels: levels(tally, elapsed),
            timeline,
        }
    }

    /// What was asked for and is not so, in words.
    pub(crate) fn broken(
        &self,
        max_errors: Option<MaxErrors>,
        max_p99: Option<Duration>,
    ) -> Vec<String> {
        let Point { requests, failed, latency_seconds, .. } = &self.total;
        let mut broken = Vec::new();
        match max_errors {
            Some(MaxErrors::Count(most)) if *failed > most => {
                broken.push(format!("{failed} requests failed, --max-errors allows {most}"));
            }
            Some(MaxErrors::Share(most)) if share(*failed, *requests) > most => {
                broken.push(format!(
                    "{:.3} % of the requests failed, --max-errors allows {} %",
                    share(*failed, *requests) * 100.0,
                    most * 100.0
                ));
            }
            _ => {}
        }
        if let Some(most) = max_p99 {
            match latency_seconds {
                Some(latency) if latency.p99 <= most.as_secs_f64() => {}
                Some(Latency { p99, .. }) => broken
                    .push(format!("99 of 100 took up to {p99:.3} s, --max-p99 allows {most:?}")),
                None => broken.push("--max-p99: no request was answered".to_owned()),
            }
        }
        broken
    }
}

/// `part` of `whole`; of nothing, nothing.
pub(crate) fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}

/// Each interval that had begun when the test ended.
fn timeline(tally: &Tally, elapsed: Duration) -> Vec<Point> {
    let begun = (0..tally.grid.len()).take_while(|index| start(tally, *index) < elapsed);
    begun.map(|index| together(tally, index, index + 1, elapsed)).collect()
}

fn levels(tally: &Tally, elapsed: Duration) -> Vec<Point> {
    let per_level = usize::try_from(tally.grid.per_level).unwrap_or(usize::MAX);
    let starts = (0..tally.grid.len()).step_by(per_level);
    let begun = starts.take_while(|index| start(tally, *index) < elapsed);
    begun.map(|index| together(tally, index, index + per_level, elapsed)).collect()
}

fn start(tally: &Tally, index: usize) -> Duration {
    tally.grid.interval * u32::try_from(index).unwrap_or(u32::MAX)
}

/// What the intervals from `first` until before `end` say together.
fn together(tally: &Tally, first: usize, end: usize, elapsed: Duration) -> Point {
    let sum = Interval::together(&tally.intervals[first..end]);
    let start_at = start(tally, first);
    let seconds = start(tally, end).min(elapsed).saturating_sub(start_at).as_secs_f64();
    let per_second = |count: u32| if seconds > 0.0 { f64::from(count) / seconds } else { 0.0 };
    let kinds = Failure::ALL.iter().map(|kind| kind.label()).zip(sum.failed);
    Point {
        start_seconds: start_at.as_secs_f64(),
        seconds,
        requests: sum.due,
        good: sum.good,
        failed: sum.failures(),
        failures: kinds.filter(|(_, count)| *count > 0).collect(),
        waited: sum.waited,
        offered_per_second: per_second(sum.due),
        good_per_second: per_second(sum.finished),
        latency_seconds: latency(&sum.latencies),
        client_busy: sum.busy.min(1.0),
        client_lag_seconds: seconds_at(&sum.lag, 0.99),
    }
}

fn latency(histogram: &Histogram<u32>) -> Option<Latency> {
    if histogram.is_empty() {
        return None;
    }
    let at = |quantile| seconds_at(histogram, quantile);
    Some(Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) })
}

fn seconds_at(histogram: &Histogram<u32>, quantile: f64) -> f64 {
    Duration::from_micros(histogram.value_at_quantile(quantile)).as_secs_f64()
}

/// From when on the client could not keep the schedule.
fn client_limit(timeline: &[Point]) -> Option<ClientLimit> {
    let is_late =
        |point: &Point| point.client_busy >= BUSY || point.client_lag_seconds >= LAG.as_secs_f64();
    let runs = timeline.windows(HICCUP.min(timeline.len()).max(1));
    let first = runs.into_iter().position(|run| run.iter().all(is_late))?;
    let late = || timeline[first..].iter().filter(|point| is_late(point));
    let most = |of: fn(&Point) -> f64| late().map(of).fold(0.0, f64::max);
    Some(ClientLimit {
        start_seconds: timeline[first].start_seconds,
        offered_per_second: timeline[first].offered_per_second,
        busy: most(|point| point.client_busy),
        lag_seconds: most(|point| point.client_lag_seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Shape;
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// 100 requests a second over two seconds, each answered after 5 ms but for every tenth.
    fn tested() -> (Schedule, Tally) {
        let schedule = Schedule::new(100.0, 100.0, ms(2_000), Shape::Ramp).expect("it is sound");
        let mut tally = Tally::new(schedule.grid());
        for number in 0..200 {
            let due = schedule.due(number).expect("it is in time");
            tally.due(due);
            tally.taken(due, due);
            if number % 10 == 0 {
                tally.failed(due, Failure::Server, ms(5_000));
            } else {
                tally.good(due, due + ms(5));
            }
        }
        (schedule, tally)
    }

    const SUBJECT: Subject<'_> = Subject {
        url: "http://a.example/",
        method: "GET",
        http: Http::One,
        connections: 64,
        streams: 1,
    };

    fn report(elapsed: Duration) -> Report {
        let (schedule, tally) = tested();
        Report::new(&SUBJECT, &schedule, elapsed, &tally)
    }

    #[test]
    fn counts_become_rates_and_percentiles() {
        let Report { total, levels, timeline, ended_early, client_limit, .. } = report(ms(2_000));
        assert_eq!((total.requests, total.good, total.failed), (200, 180, 20));
        assert_eq!(total.failures, BTreeMap::from([("5xx", 20)]));
        assert!((total.offered_per_second - 100.0).abs() < 1e-9);
        assert!((total.good_per_second - 90.0).abs() < 1e-9);
        let latency = total.latency_seconds.expect("there were answers");
        assert!((0.00495..0.00506).contains(&latency.p50), "{latency:?}");
        assert!((latency.max - latency.p50).abs() < 1e-9, "{latency:?}");
        assert_eq!((levels.len(), timeline.len()), (1, 20));
        assert!(!ended_early && client_limit.is_none());
    }

    #[test]
    fn a_test_ended_early_is_measured_by_what_there_was() {
        let report = report(ms(1_050));
        assert!(report.ended_early);
        assert_eq!(report.timeline.len(), 11);
        let last = report.timeline.last().expect("there are some");
        assert!((last.seconds - 0.05).abs() < 1e-9, "{}", last.seconds);
        assert!((report.seconds - 1.05).abs() < 1e-9);
    }

    #[test]
    fn limits_are_held_or_said_to_be_broken() {
        let report = report(ms(2_000));
        for (errors, p99, count) in [
            (None, None, 0),
            (Some(MaxErrors::Count(20)), Some(ms(6)), 0),
            (Some(MaxErrors::Count(19)), Some(ms(4)), 2),
            (Some(MaxErrors::Share(0.1)), None, 0),
            (Some(MaxErrors::Share(0.09)), None, 1),
        ] {
            assert_eq!(report.broken(errors, p99).len(), count, "{errors:?} {p99:?}");
        }
    }

    #[test]
    fn a_client_at_its_limit_says_so() {
        let (schedule, mut tally) = tested();
        let limit = |tally: &Tally| Report::new(&SUBJECT, &schedule, ms(2_000), tally).client_limit;
        for hiccup in [250, 350, 850, 1_050] {
            tally.at_work(ms(hiccup), ms(95));
        }
        assert_eq!(limit(&tally), None, "never three in a row");
        tally.at_work(ms(950), ms(95));
        let found = limit(&tally).expect("three in a row are no hiccup");
        assert!((found.start_seconds - 0.8).abs() < 1e-9 && found.busy > 0.9, "{found:?}");
        let (_, mut late) = tested();
        for interval in [10, 11, 12] {
            for _ in 0..50 {
                late.taken(ms(100 * interval), ms(100 * interval + 40));
            }
        }
        assert!(limit(&late).is_some_and(|found| found.lag_seconds > 0.03));
    }
}
