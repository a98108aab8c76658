//! The course of a drill: what is to be done next, and whether it is to go on at all.
//!
//! ```text
//!          calm                 is away               time is over
//! Before ──────► Leaving ──────────────────► Away ──────────────────► Returning ─► After ─► Over
//!    │              │                          │                       ▲    │                ▲
//!    │              └──────────────────────────┴─── a limit is passed ─┘    │ not back, or   │
//!    └─ not well ───────────────────────────────────────────────────────────┴─ the node ends it
//! ```

use std::time::Duration;

use serde::Serialize;

use super::args::Rails;

/// Where a drill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    /// Nothing was touched: is all well?
    Before,
    Leaving,
    Away,
    Returning,
    /// It is back: is all well again?
    After,
    Over,
}

/// Where a server is, as to its pool; or an address, as to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Used; owned by this node.
    Here,
    /// On its way.
    Between,
    /// Not used; owned by the other node.
    There,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    TakeOut,
    PutBack,
    End,
}

/// What was found up to a moment.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    pub(super) now: Duration,
    /// As the node last said.
    pub(super) whereabouts: Whereabouts,
    /// Everything that is probed has answered well.
    pub(super) all_have_answered: bool,
    /// Probes that failed.
    pub(super) failed: u64,
    /// The longest time without a good probe.
    pub(super) gap: Duration,
    /// Requests of real clients that failed since the drill began.
    pub(super) errors: u64,
    /// Why the last probe that failed was no good.
    pub(super) fault: Option<&'a str>,
    pub(super) stop: Option<&'a Stop>,
}

/// Why it is to end before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody or something wants it to: it is put back first.
    Asked(String),
    /// The node does not go along any more: there is nothing left to put back.
    Over(String),
}

/// What the stages last, and what may happen in them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) calm: Duration,
    pub(super) away: Duration,
    /// Of Leaving, and of Returning.
    pub(super) limit: Duration,
    pub(super) rails: Rails,
}

/// A drill on its way.
#[derive(Debug)]
pub(super) struct Course {
    rules: Rules,
    stage: Stage,
    /// Each stage and when it began.
    stages: Vec<(Stage, Duration)>,
    /// Errors before anything was touched.
    errors_before: u64,
    /// In Leaving: it has begun to go.
    moves: bool,
    /// Why it is not passed.
    fault: Option<String>,
    stopped: bool,
}

impl Course {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            stage: Stage::Before,
            stages: vec![(Stage::Before, Duration::ZERO)],
            errors_before: 0,
            moves: false,
            fault: None,
            stopped: false,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Each stage and when it began.
    pub(super) fn stages(&self) -> &[(Stage, Duration)] {
        &self.stages
    }

    /// Why it is not passed.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Requests of real clients that failed since something was touched.
    pub(super) fn errors(&self, seen: u64) -> u64 {
        if self.stages.len() == 1 { 0 } else { seen.saturating_sub(self.errors_before) }
    }

    /// Something was found, or time has passed.
    pub(super) fn step(&mut self, seen: &Seen<'_>) -> Option<Order> {
        let (_, since) = *self.stages.last().expect("it begins with one");
        let lasts = seen.now.saturating_sub(since);
        let breach = self.breach(seen);
        if let (Some(Stop::Over(_)), true) = (seen.stop, self.stage != Stage::Over) {
            self.fail(breach);
            return Some(self.end(seen.now));
        }
        match self.stage {
            Stage::Before => self.before(seen, lasts, breach),
            Stage::Leaving => {
                self.moves |= seen.whereabouts != Whereabouts::Here;
                let stays = self.moves && seen.whereabouts == Whereabouts::Here;
                let late = lasts >= self.rules.limit;
                let limit = self.rules.limit.as_secs_f64();
                let fault = breach
                    .or_else(|| stays.then(|| "it went, and came back at once".to_owned()))
                    .or_else(|| late.then(|| format!("it was not away after {limit} s")));
                if fault.is_some() {
                    return Some(self.put_back(fault, seen));
                }
                if seen.whereabouts == Whereabouts::There {
                    self.enter(Stage::Away, seen.now);
                }
                None
            }
            Stage::Away => {
                let came = seen.whereabouts != Whereabouts::There;
                let came = came.then(|| "it came back before its time".to_owned());
                let fault = breach.or(came);
                if fault.is_some() || lasts >= self.rules.away {
                    return Some(self.put_back(fault, seen));
                }
                None
            }
            Stage::Returning => {
                self.fail(breach);
                if seen.whereabouts == Whereabouts::Here {
                    self.enter(Stage::After, seen.now);
                } else if lasts >= self.rules.limit {
                    let limit = self.rules.limit.as_secs_f64();
                    self.fail(Some(format!("it was not back after {limit} s")));
                    return Some(self.end(seen.now));
                }
                None
            }
            Stage::After => {
                self.fail(breach);
                let over = self.stopped || lasts >= self.rules.calm;
                over.then(|| self.end(seen.now))
            }
            Stage::Over => None,
        }
    }

    fn before(
        &mut self,
        seen: &Seen<'_>,
        lasts: Duration,
        breach: Option<String>,
    ) -> Option<Order> {
        let unwell = (seen.failed > 0).then(|| {
            let fault = seen.fault.unwrap_or("nobody knows why");
            format!("not all was well before anything was touched: {fault}")
        });
        let late = lasts >= self.rules.calm + self.rules.limit;
        let late = late.then(|| "nothing that is probed has answered".to_owned());
        let fault = breach.filter(|_| self.stopped).or(unwell).or(late);
        if fault.is_some() {
            self.fail(fault);
            return Some(self.end(seen.now));
        }
        if lasts < self.rules.calm || !seen.all_have_answered {
            return None;
        }
        self.errors_before = seen.errors;
        self.enter(Stage::Leaving, seen.now);
        Some(Order::TakeOut)
    }

    /// A limit that is passed.
    fn breach(&mut self, seen: &Seen<'_>) -> Option<String> {
        if let Some(Stop::Asked(why) | Stop::Over(why)) = seen.stop {
            self.stopped = true;
            return Some(why.clone());
        }
        let rails = self.rules.rails;
        let errors = self.errors(seen.errors);
        if seen.failed > rails.failed {
            let (failed, most) = (seen.failed, rails.failed);
            let fault = seen.fault.unwrap_or("nobody knows why");
            return Some(format!("{failed} probes failed, {most} may: {fault}"));
        }
        if errors > rails.errors {
            return Some(format!("{errors} requests of clients failed, {} may", rails.errors));
        }
        (seen.gap > rails.gap).then(|| {
            let (gap, most) = (seen.gap.as_secs_f64(), rails.gap.as_secs_f64());
            format!("no probe was good for {gap:.1} s, {most} s are the limit")
        })
    }

    fn put_back(&mut self, fault: Option<String>, seen: &Seen<'_>) -> Order {
        self.fail(fault);
        self.enter(Stage::Returning, seen.now);
        Order::PutBack
    }

    fn end(&mut self, now: Duration) -> Order {
        self.enter(Stage::Over, now);
        Order::End
    }

    /// The first fault is what it is remembered for.
    fn fail(&mut self, fault: Option<String>) {
        self.fault = self.fault.take().or(fault);
    }

    fn enter(&mut self, stage: Stage, now: Duration) {
        self.stage = stage;
        self.stages.push((stage, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAILS: Rails = Rails { failed: 2, errors: 5, gap: Duration::from_millis(1_500) };
    const RULES: Rules = Rules {
        calm: Duration::from_secs(1),
        away: Duration::from_secs(3),
        limit: Duration::from_secs(10),
        rails: RAILS,
    };

    fn well(now: u64, whereabouts: Whereabouts) -> Seen<'static> {
        Seen {
            now: Duration::from_millis(now),
            whereabouts,
            all_have_answered: true,
            failed: 0,
            gap: Duration::from_millis(200),
            errors: 40,
            fault: Some("refused"),
            stop: None,
        }
    }

    /// A drill whose server is out.
    fn away() -> Course {
        let mut course = Course::new(RULES);
        assert_eq!(course.step(&well(500, Whereabouts::Here)), None);
        assert_eq!(course.step(&well(1_000, Whereabouts::Here)), Some(Order::TakeOut));
        assert_eq!(course.step(&well(1_050, Whereabouts::Here)), None, "it takes a moment");
        assert_eq!(course.step(&well(1_100, Whereabouts::Between)), None);
        assert_eq!(course.step(&well(1_200, Whereabouts::There)), None);
        assert_eq!(course.stage(), Stage::Away);
        course
    }

    #[test]
    fn a_drill_in_which_nothing_happens_is_passed() {
        let mut course = away();
        assert_eq!(course.step(&well(4_000, Whereabouts::There)), None);
        assert_eq!(course.step(&well(4_200, Whereabouts::There)), Some(Order::PutBack));
        assert_eq!(course.step(&well(4_300, Whereabouts::There)), None, "it takes a moment");
        assert_eq!(course.step(&well(4_400, Whereabouts::Here)), None);
        assert_eq!(course.step(&well(5_000, Whereabouts::Here)), None);
        assert_eq!(course.step(&well(5_400, Whereabouts::Here)), Some(Order::End));
        assert_eq!(course.step(&well(9_000, Whereabouts::Here)), None);
        assert_eq!(course.fault(), None);
        let stages: Vec<u128> = course.stages().iter().map(|(_, at)| at.as_millis()).collect();
        assert_eq!(stages, [0, 1_000, 1_200, 4_200, 4_400, 5_400]);
    }

    #[test]
    fn nothing_is_touched_unless_all_is_well() {
        let mut course = Course::new(RULES);
        let unwell = Seen { failed: 1, ..well(300, Whereabouts::Here) };
        assert_eq!(course.step(&unwell), Some(Order::End));
        let fault = course.fault().expect("there is one");
        assert_eq!(fault, "not all was well before anything was touched: refused");
        let silent = |now| Seen { all_have_answered: false, ..well(now, Whereabouts::Here) };
        let mut course = Course::new(RULES);
        assert_eq!(course.step(&silent(5_000)), None);
        assert_eq!(course.step(&silent(11_000)), Some(Order::End));
        let mut course = Course::new(RULES);
        let stop = Stop::Asked("stopped".to_owned());
        let stopped = Seen { stop: Some(&stop), ..well(10, Whereabouts::Here) };
        assert_eq!((course.step(&stopped), course.fault()), (Some(Order::End), Some("stopped")));
    }

    #[test]
    fn each_limit_puts_it_back_at_once() {
        let there = || well(1_500, Whereabouts::There);
        let stop = Stop::Asked("stopped".to_owned());
        for (seen, fault) in [
            (Seen { failed: 3, ..there() }, "3 probes failed, 2 may: refused"),
            (Seen { errors: 46, ..there() }, "6 requests of clients failed, 5 may"),
            (
                Seen { gap: Duration::from_secs(2), ..there() },
                "no probe was good for 2.0 s, 1.5 s are the limit",
            ),
            (Seen { stop: Some(&stop), ..there() }, "stopped"),
            (well(1_500, Whereabouts::Here), "it came back before its time"),
        ] {
            let mut course = away();
            assert_eq!(course.step(&seen), Some(Order::PutBack), "{fault}");
            assert_eq!((course.fault(), course.stage()), (Some(fault), Stage::Returning));
            assert_eq!(course.step(&well(1_600, Whereabouts::Here)), None);
            assert_eq!(course.step(&well(2_600, Whereabouts::Here)), Some(Order::End));
            assert_eq!(course.fault(), Some(fault), "what comes after does not mend it");
        }
        let mut course = away();
        for within in [
            Seen { failed: 2, ..there() },
            Seen { errors: 45, ..there() },
            Seen { gap: Duration::from_millis(1_500), ..there() },
        ] {
            assert_eq!(course.step(&within), None, "{within:?}");
        }
    }

    #[test]
    fn a_node_that_does_not_go_along_is_not_asked_for_more() {
        let mut course = away();
        let stop = Stop::Over("somebody else has set it".to_owned());
        let over = Seen { stop: Some(&stop), ..well(1_500, Whereabouts::There) };
        assert_eq!(course.step(&over), Some(Order::End));
        assert_eq!(course.step(&over), None);
        assert_eq!(course.fault(), Some("somebody else has set it"));
    }

    #[test]
    fn what_does_not_go_or_come_back_is_a_fault() {
        let mut course = Course::new(RULES);
        course.step(&well(1_000, Whereabouts::Here));
        assert_eq!(course.step(&well(11_000, Whereabouts::Here)), Some(Order::PutBack));
        assert_eq!(course.fault(), Some("it was not away after 10 s"));
        let mut course = Course::new(RULES);
        course.step(&well(1_000, Whereabouts::Here));
        course.step(&well(1_100, Whereabouts::Between));
        assert_eq!(course.step(&well(1_200, Whereabouts::Here)), Some(Order::PutBack));
        assert_eq!(course.fault(), Some("it went, and came back at once"));
        let mut course = away();
        course.step(&well(4_200, Whereabouts::There));
        assert_eq!(course.step(&well(14_200, Whereabouts::Between)), Some(Order::End));
        assert_eq!(course.fault(), Some("it was not back after 10 s"));
    }
}
