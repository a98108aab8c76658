//! Pools to measure, and tables to print.

use std::fmt::{self, Write};

use evenkeel_core::config::{Balance, Hash, HashTable};
use evenkeel_core::hash::{identity, key};
use evenkeel_core::pick::{Choice, Loads, Pick, Tried};
use evenkeel_core::pool::{Member, Roster, Rules};

/// Every algorithm with its words in the file.
pub(crate) const BALANCES: [(&str, Balance); 8] = [
    ("round-robin", Balance::RoundRobin),
    ("least-connections", Balance::LeastConnections),
    ("p2c", Balance::P2c),
    ("peak-ewma", Balance::PeakEwma),
    ("random", Balance::Random),
    ("first", Balance::First),
    ("hash", Balance::Hash(Hash { table: HashTable::Rendezvous, bound: None })),
    ("hash, maglev", Balance::Hash(Hash { table: HashTable::Maglev, bound: None })),
];

/// Servers app0, app1 … with these weights.
pub(crate) fn members(weights: &[u16]) -> Vec<Member> {
    let member = |(at, &weight)| {
        let identity = identity(&format!("app{at}"));
        Member { identity, weight, ..Member::READY }
    };
    weights.iter().enumerate().map(member).collect()
}

pub(crate) fn roster(balance: Balance, members: &[Member]) -> Roster {
    Roster::build(Rules { balance, ..Rules::default() }, members)
}

/// The server of a request that is the `turn`th and has a key of its own.
pub(crate) fn pick(roster: &Roster, turn: u64, loads: &impl Loads) -> usize {
    let own = key(&turn.to_le_bytes());
    let choice = Choice { turn, chance: own, key: Some(own), token: None };
    match roster.pick(&choice, loads, &Tried::new()) {
        Pick::Server(member) => member,
        Pick::Full | Pick::Refused | Pick::Nobody => panic!("the pools here have no limits"),
    }
}

/// Nothing is under way.
pub(crate) struct Idle;

impl Loads for Idle {
    fn in_flight(&self, _: usize) -> u32 {
        0
    }

    fn failures(&self, _: usize) -> u32 {
        0
    }

    fn total(&self) -> u64 {
        0
    }

    fn latency(&self, _: usize) -> f64 {
        0.0
    }
}

/// A table as documents write it.
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(head.iter().map(|cell| (*cell).to_owned()));
        table.row(head.iter().map(|_| "---".to_owned()));
        table
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let line = cells.into_iter().collect::<Vec<_>>().join(" | ");
        writeln!(self.0, "| {line} |").expect("a string takes everything");
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `part` of `whole`, in percent.
pub(crate) fn percent(part: u32, whole: u32) -> f64 {
    f64::from(part) * 100.0 / f64::from(whole)
}
