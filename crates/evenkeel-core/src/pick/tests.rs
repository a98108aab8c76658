use proptest::prelude::*;

use super::round_robin::MOST_ENTRIES;
use super::{Choice, Loads, Pick, Tried};
use crate::config::{Balance, Hash, HashTable, Pool, ZoneId, Zoning};
use crate::hash::identity;
use crate::pool::{Member, Mode, Roster, Rules, tests::members};

mod hashed;
mod limits;
mod sampled;
mod shares;

/// Every algorithm.
const BALANCES: [Balance; 8] = [
    Balance::RoundRobin,
    Balance::LeastConnections,
    Balance::P2c,
    Balance::PeakEwma,
    Balance::Random,
    Balance::First,
    RENDEZVOUS,
    MAGLEV,
];

const RENDEZVOUS: Balance = Balance::Hash(Hash { table: HashTable::Rendezvous, bound: None });
const MAGLEV: Balance = Balance::Hash(Hash { table: HashTable::Maglev, bound: None });

/// Servers app0, app1 … with these weights.
fn weighted(weights: &[u16]) -> Vec<Member> {
    let member = |(at, &weight)| {
        let identity = identity(&format!("app{at}"));
        Member { identity, weight, ..Member::READY }
    };
    weights.iter().enumerate().map(member).collect()
}

fn build(balance: Balance, members: &[Member]) -> Roster {
    Roster::build(Rules { balance, ..Rules::default() }, members)
}

fn round_robin(weights: &[u16]) -> Roster {
    build(Balance::RoundRobin, &weighted(weights))
}

/// Loads by what is in flight alone.
struct Busy<F>(F);

impl<F: Fn(usize) -> u32> Loads for Busy<F> {
    fn in_flight(&self, member: usize) -> u32 {
        self.0(member)
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

/// Nothing is under way.
const IDLE: Busy<fn(usize) -> u32> = Busy(|_| 0);

impl Pick {
    fn server(self) -> Option<usize> {
        match self {
            Self::Server(member) => Some(member),
            Self::Full | Self::Refused | Self::Nobody => None,
        }
    }
}

/// The first choice at this turn, with a chance and a key that differ from turn to turn.
fn first_with(roster: &Roster, turn: u64, loads: &impl Loads) -> usize {
    let choice = Choice { turn, chance: turn, key: Some(crate::hash::mix(turn, 7)), token: None };
    roster.pick(&choice, loads, &Tried::new()).server().unwrap()
}

fn first(roster: &Roster, turn: u64) -> usize {
    first_with(roster, turn, &IDLE)
}

/// How often each of `servers` is the first choice over so many turns.
fn counts(roster: &Roster, servers: usize, turns: u64) -> Vec<u32> {
    let mut counts = vec![0; servers];
    for turn in 0..turns {
        counts[first(roster, turn)] += 1;
    }
    counts
}

/// The first picks of that many turns, as letters.
fn letters(roster: &Roster, turns: u64) -> String {
    (0..turns).map(|turn| char::from(b'a' + u8::try_from(first(roster, turn)).unwrap())).collect()
}

/// First choice, then fallbacks, until none is left.
fn order(roster: &Roster, turn: u64, in_flight: impl Fn(usize) -> u32) -> Vec<usize> {
    let mut tried = Tried::new();
    let choice = Choice { turn, chance: turn, ..Choice::default() };
    std::iter::from_fn(|| {
        let member = roster.pick(&choice, &Busy(&in_flight), &tried).server()?;
        tried.insert(member);
        Some(member)
    })
    .take(Tried::MOST)
    .collect()
}

#[test]
fn round_robin_order() {
    let golden: &[(&[u16], &str)] = &[
        (&[1], "aaaa"),
        (&[1, 1], "abababab"),
        (&[1, 1, 1], "abcabcabc"),
        (&[7, 7, 7], "abcabcabc"),
        (&[5, 1, 1], "aabacaa" /* nginx's own example */),
        (&[10, 2, 2], "aabacaaaabacaa"),
        (&[1, 2], "babbab"),
        (&[3, 1], "aabaaaba"),
        (&[4, 2, 1], "abacabaabacaba"),
        (&[1, 1, 5], "ccacbcc"),
        (&[0, 3, 0, 2], "bdbdbbdbdb"),
    ];
    for (weights, order) in golden {
        let turns = order.len() as u64;
        assert_eq!(letters(&round_robin(weights), turns), *order, "{weights:?}");
    }
}

#[test]
fn the_turn_alone_decides_so_workers_share_one_order() {
    let roster = round_robin(&[2, 1, 1]);
    let of_worker = |worker| (worker..400).step_by(4).map(|turn| (turn, first(&roster, turn)));
    let mut all: Vec<_> = (0..4).flat_map(of_worker).collect();
    all.sort_unstable();
    let alone: Vec<_> = (0..400).map(|turn| (turn, first(&roster, turn))).collect();
    assert_eq!(all, alone);
}

#[test]
fn the_turn_may_wrap_around() {
    let roster = round_robin(&[1, 1, 1]);
    assert!(first(&roster, u64::MAX) < 3);
}

#[test]
fn the_others_keep_their_order_when_a_server_leaves() {
    let mut members = weighted(&[1, 1, 1, 1]);
    let before = letters(&build(Balance::RoundRobin, &members), 12);
    members[2].usable = false;
    let after = letters(&build(Balance::RoundRobin, &members), 9);
    assert_eq!(before.replace('c', ""), after);
}

/// nginx's algorithm as it is written down: every server adds its weight, the one that is owed most
/// is chosen and pays the total.
fn as_nginx(weights: &[u16]) -> Vec<usize> {
    let total: i64 = weights.iter().map(|&weight| i64::from(weight)).sum();
    let mut current = vec![0; weights.len()];
    (0..total)
        .map(|_| {
            for (current, weight) in current.iter_mut().zip(weights) {
                *current += i64::from(*weight);
            }
            let most = *current.iter().max().unwrap();
            let best = current.iter().position(|&owed| owed == most).unwrap();
            current[best] -= total;
            best
        })
        .collect()
}

proptest! {
    #[test]
    fn round_robin_is_that_of_nginx(weights in prop::collection::vec(1..=20_u16, 1..12)) {
        let roster = round_robin(&weights);
        let expected = as_nginx(&weights);
        let found: Vec<_> = (0..expected.len() as u64).map(|turn| first(&roster, turn)).collect();
        prop_assert_eq!(found, expected);
    }

    /// Whatever the state of the pool, a request reaches each server that is used exactly once, the
    /// fit ones of a panicking pool before the others, and never another.
    #[test]
    fn every_used_server_is_a_fallback(
        members in members(),
        turn: u64,
        loads in prop::collection::vec(0..5_u32, 12),
        balance in prop::sample::select(&BALANCES),
        own in prop::option::of((0..4_u64).prop_map(ZoneId)),
    ) {
        let zoning = own.map(|own| Zoning { own, balancers: Vec::new() });
        let rules = Rules { balance, sticky: None, zoning: zoning.as_ref() };
        let roster = Roster::build(rules, &members);
        let order = order(&roster, turn, |member| loads[member]);
        let used: Vec<_> = (0..members.len()).filter(|&one| roster.uses(one)).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(order.len(), sorted.len(), "one twice: {:?}", order);
        prop_assert!(sorted.iter().all(|one| used.contains(one)));
        prop_assert_eq!(sorted.len(), used.len().min(Tried::MOST));
        let fallbacks = order.get(1..).unwrap_or_default();
        prop_assert!(fallbacks.is_sorted_by_key(|&one| !members[one].usable), "{:?}", order);
    }
}

#[test]
fn weights_are_exact_over_a_round() {
    // Nearly the most different weights a file can hold without rounding.
    let weights: Vec<u16> = (1..=256).collect();
    let round: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let roster = round_robin(&weights);
    let mut picks = vec![0_u16; weights.len()];
    for turn in 0..round {
        picks[first(&roster, turn)] += 1;
    }
    assert_eq!(picks, weights);
}

#[test]
fn a_round_that_would_be_too_long_is_rounded() {
    let weights: Vec<u16> = (0..1_000).map(|member| 200 + member % 57).collect();
    let total: u32 = weights.iter().map(|&weight| u32::from(weight)).sum();
    let roster = round_robin(&weights);
    let mut picks = vec![0_u32; weights.len()];
    for turn in 0..MOST_ENTRIES as u64 {
        picks[first(&roster, turn)] += 1;
    }
    for (member, &weight) in weights.iter().enumerate() {
        let exact = f64::from(weight) / f64::from(total) * 65_536.0;
        assert!((f64::from(picks[member]) - exact).abs() < 4.0, "{member}: {exact}");
    }
}

#[test]
fn the_largest_pool_uses_every_server() {
    let mut members = weighted(&vec![1; Pool::MOST_SERVERS]);
    members[0].weight = u16::MAX;
    let roster = build(Balance::RoundRobin, &members);
    let mut seen = vec![false; members.len()];
    for turn in 0..MOST_ENTRIES as u64 {
        seen[first(&roster, turn)] = true;
    }
    assert!(seen.iter().all(|&seen| seen));
}

#[test]
fn an_empty_pool_has_no_choice() {
    for balance in BALANCES {
        let pick = build(balance, &[]).pick(&Choice::default(), &IDLE, &Tried::new());
        assert_eq!(pick, Pick::Nobody, "{balance:?}");
    }
}

#[test]
fn least_connections_counts_what_the_request_adds() {
    // Weights, in flight, then the choice at turns 0, 1, 2.
    let table: &[(&[u16], &[u32], [usize; 3])] = &[
        (&[1, 1, 1], &[3, 1, 2], [1, 1, 1]),
        (&[1, 1, 1], &[1, 1, 1], [0, 1, 2]),
        (&[1, 1, 1], &[2, 1, 1], [1, 1, 2]),
        // An idle server of weight 4 before an idle one of weight 1; four against one are even.
        (&[1, 4], &[0, 0], [1, 1, 1]),
        (&[1, 4], &[0, 3], [0, 1, 0]),
        (&[1, 4], &[0, 4], [0, 0, 0]),
        (&[1, 256], &[u32::MAX, u32::MAX], [1, 1, 1]),
    ];
    for (weights, in_flight, choices) in table {
        let roster = build(Balance::LeastConnections, &weighted(weights));
        let pick = |turn| first_with(&roster, turn, &Busy(|member| in_flight[member]));
        assert_eq!([0, 1, 2].map(pick), *choices, "{weights:?} {in_flight:?}");
    }
}

#[test]
fn least_connections_spreads_by_weight() {
    let weights = [1, 2, 5];
    let roster = build(Balance::LeastConnections, &weighted(&weights));
    let mut in_flight = [0_u32; 3];
    for turn in 0..800 {
        let picked = first_with(&roster, turn, &Busy(|member| in_flight[member]));
        in_flight[picked] += 1;
    }
    assert_eq!(in_flight, [100, 200, 500]);
}

#[test]
fn least_connections_leaves_a_slow_server_alone() {
    // The first server never finishes, the others do at once.
    let roster = build(Balance::LeastConnections, &weighted(&[1, 1, 1]));
    let mut stuck = 0;
    for turn in 0..300 {
        let busy = |member| if member == 0 { stuck } else { 0 };
        stuck += u32::from(first_with(&roster, turn, &Busy(busy)) == 0);
    }
    assert_eq!(stuck, 1);
}

#[test]
fn a_panicking_pool_falls_back_to_the_fit() {
    let mut members = weighted(&[1; 5]);
    for unfit in [0, 1, 2, 4] {
        members[unfit].usable = false;
    }
    let roster = build(Balance::RoundRobin, &members);
    assert_eq!(roster.mode(), Mode::Panic);
    assert_eq!(order(&roster, 0, |_| 0), [0, 3, 1, 2, 4]);
    assert_eq!(order(&roster, 3, |_| 0), [3, 4, 0, 1, 2]);
}

#[test]
fn a_full_set_of_tries_takes_no_more() {
    let mut tried = Tried::new();
    assert!(tried.is_empty());
    for member in 0..Tried::MOST + 3 {
        tried.insert(member);
    }
    assert_eq!(tried.len(), Tried::MOST);
    assert!(tried.contains(Tried::MOST - 1) && !tried.contains(Tried::MOST));
}
