//! Ten servers at work in virtual time, one of them unlike the others.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use evenkeel_core::config::Balance;
use evenkeel_core::dice::Dice;
use evenkeel_core::ewma::{Ewma, Failures};
use evenkeel_core::moment::Moment;
use evenkeel_core::pick::Loads;

use crate::bench::{BALANCES, Table, members, percent, pick, roster};
use crate::picture::Chart;

/// Server 0 is the odd one.
const SERVERS: usize = 10;
const REQUESTS: u32 = 50_000;
/// At any moment of two gaps, 4,000 a second: 400 for each server, two of them at a time.
const MEAN_GAP_MICROS: u64 = 250;
/// More wait. The slow server can just take its tenth.
const AT_A_TIME: usize = 100;
/// 2.5 to 7.5 ms.
const USUAL_MICROS: u64 = 5_000;

/// How the odd server is odd.
#[derive(Clone, Copy, PartialEq)]
enum Odd {
    Healthy,
    /// 200 ms for every answer.
    Slow,
    /// An error after 0.2 ms.
    Failing,
}

/// A server needs 200 ms where the others need 5.
pub(crate) fn slow() -> (Table, Chart) {
    let mut table =
        Table::new(&["balance", "p50", "p99", "p99, all healthy", "share of the slow server"]);
    let mut chart =
        Chart::new("slow-server", "p99 with one slow server of ten, and with none", "ms");
    for (word, balance) in compared() {
        let (odd, healthy) = (Race::run(balance, Odd::Slow), Race::run(balance, Odd::Healthy));
        let [p50, p99, sound] = [odd.quantile(50), odd.quantile(99), healthy.quantile(99)];
        let share = percent(odd.to_odd, REQUESTS);
        table.row([
            format!("`{word}`"),
            format!("{p50:.1} ms"),
            format!("{p99:.1} ms"),
            format!("{sound:.1} ms"),
            format!("{share:.2} %"),
        ]);
        chart.group(word, [p99, sound]);
    }
    (table, chart)
}

/// A server answers errors, 25 times as fast as the others answer.
pub(crate) fn failing() -> (Table, Chart) {
    let mut table = Table::new(&["balance", "requests that failed"]);
    let mut chart =
        Chart::new("failing-server", "Share of one server of ten that fails at once", "%");
    for (word, balance) in compared() {
        let share = percent(Race::run(balance, Odd::Failing).to_odd, REQUESTS);
        table.row([format!("`{word}`"), format!("{share:.2} %")]);
        chart.group(word, [share]);
    }
    (table, chart)
}

/// `first` is left out: without limits it uses one server.
fn compared() -> impl Iterator<Item = (&'static str, Balance)> {
    BALANCES.into_iter().filter(|(_, balance)| *balance != Balance::First)
}

struct Server {
    under_way: usize,
    /// When they came.
    waiting: VecDeque<u64>,
    ewma: Ewma,
    failures: Failures,
}

struct Race {
    now: u64,
    servers: Vec<Server>,
    /// When, where, and when the request had come.
    ends: BinaryHeap<Reverse<(u64, usize, u64)>>,
    dice: Dice,
    odd: Odd,
    micros: Vec<u64>,
    to_odd: u32,
}

impl Loads for Race {
    fn in_flight(&self, member: usize) -> u32 {
        let Server { under_way, waiting, .. } = &self.servers[member];
        u32::try_from(under_way + waiting.len()).unwrap_or(u32::MAX)
    }

    fn failures(&self, member: usize) -> u32 {
        self.servers[member].failures.count(Moment::from_micros(self.now))
    }

    fn total(&self) -> u64 {
        (0..SERVERS).map(|member| u64::from(self.in_flight(member))).sum()
    }

    fn latency(&self, member: usize) -> f64 {
        self.servers[member].ewma.latency(Moment::from_micros(self.now))
    }
}

impl Race {
    fn run(balance: Balance, odd: Odd) -> Self {
        let server = |_| Server {
            under_way: 0,
            waiting: VecDeque::new(),
            ewma: Ewma::new(Moment::START),
            failures: Failures::new(Moment::START),
        };
        let mut race = Self {
            now: 0,
            servers: (0..SERVERS).map(server).collect(),
            ends: BinaryHeap::new(),
            dice: Dice::new(5),
            odd,
            micros: Vec::new(),
            to_odd: 0,
        };
        let roster = roster(balance, &members(&[1; SERVERS]));
        for turn in 0..REQUESTS {
            let comes = race.now + race.up_to(2 * MEAN_GAP_MICROS);
            race.settle(comes);
            race.now = comes;
            let member = pick(&roster, turn.into(), &race);
            race.to_odd += u32::from(member == 0);
            race.servers[member].waiting.push_back(comes);
            race.start(member);
        }
        race.settle(u64::MAX);
        race.micros.sort_unstable();
        race
    }

    /// The latency that so many of a hundred requests stay below, in milliseconds.
    fn quantile(&self, percent: usize) -> f64 {
        let at = (self.micros.len() * percent / 100).min(self.micros.len().saturating_sub(1));
        Duration::from_micros(self.micros[at]).as_secs_f64() * 1e3
    }

    /// All that ends before `until`.
    fn settle(&mut self, until: u64) {
        while let Some(&Reverse((end, member, came))) = self.ends.peek() {
            if end > until {
                break;
            }
            self.ends.pop();
            self.now = end;
            let server = &mut self.servers[member];
            server.under_way -= 1;
            let (rtt, now) = (Duration::from_micros(end - came), Moment::from_micros(end));
            if self.odd == Odd::Failing && member == 0 {
                server.ewma.fail(rtt, now);
                server.failures.add(now);
            } else {
                server.ewma.record(rtt, now);
            }
            self.micros.push(end - came);
            self.start(member);
        }
    }

    fn start(&mut self, member: usize) {
        if self.servers[member].under_way == AT_A_TIME {
            return;
        }
        if let Some(came) = self.servers[member].waiting.pop_front() {
            self.servers[member].under_way += 1;
            let usual = USUAL_MICROS / 2 + self.up_to(USUAL_MICROS);
            let takes = match self.odd {
                Odd::Slow if member == 0 => 200_000,
                Odd::Failing if member == 0 => 200,
                Odd::Slow | Odd::Failing | Odd::Healthy => usual,
            };
            self.ends.push(Reverse((self.now + takes, member, came)));
        }
    }

    fn up_to(&mut self, most: u64) -> u64 {
        self.dice.below(usize::try_from(most).unwrap_or(usize::MAX)) as u64
    }
}
