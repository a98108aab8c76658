//! What is drawn: random, p2c, peak-ewma.

use super::*;

const DRAWN: [Balance; 3] = [Balance::Random, Balance::P2c, Balance::PeakEwma];

/// A change here is a change of every draw for the same chance.
#[test]
fn golden_draws() {
    let loads = Known { in_flight: vec![3, 1, 3], latency: vec![5.0, 20.0, 8.0] };
    for (balance, golden) in [
        (Balance::Random, "cccacccbcaaaccbcbbacaaaa"),
        (Balance::P2c, "aaaaaaabaaaaabbbbbabaaaa"),
        (Balance::PeakEwma, "aaaaaaaaaaaaacacaaacaaaa"),
    ] {
        let roster = build(balance, &weighted(&[3, 1, 2]));
        let picks = (0..24).map(|turn| first_with(&roster, turn, &loads));
        let letters: String =
            picks.map(|at| char::from(b'a' + u8::try_from(at).unwrap())).collect();
        assert_eq!(letters, golden, "{balance:?}");
    }
}

#[test]
fn idle_servers_are_drawn_by_weight() {
    const TURNS: u32 = 60_000;
    for balance in DRAWN {
        for weights in [&[1, 1, 1][..], &[1, 2, 3], &[256, 1], &[5, 0, 1], &[1; 50], &[7]] {
            let counts = counts(&build(balance, &weighted(weights)), weights.len(), TURNS.into());
            let total: u32 = weights.iter().map(|&weight| u32::from(weight)).sum();
            for (&count, &weight) in counts.iter().zip(weights) {
                let exact = f64::from(weight) / f64::from(total) * f64::from(TURNS);
                // Five times the standard deviation of a fair draw.
                let most = 5.0 * exact.sqrt();
                assert!(
                    (f64::from(count) - exact).abs() <= most,
                    "{balance:?} {weights:?} {counts:?}"
                );
            }
        }
    }
}

#[test]
fn a_busy_pool_is_filled_by_weight() {
    for balance in [Balance::P2c, Balance::PeakEwma] {
        let roster = build(balance, &weighted(&[1, 2, 5]));
        let mut in_flight = [0_u32; 3];
        for turn in 0..8_000 {
            let picked = first_with(&roster, turn, &Busy(|member| in_flight[member]));
            in_flight[picked] += 1;
        }
        for (found, exact) in in_flight.into_iter().zip([1_000_u32, 2_000, 5_000]) {
            assert!(found.abs_diff(exact) < 60, "{balance:?}: {in_flight:?}");
        }
    }
}

#[test]
fn two_draws_leave_a_stuck_server_alone() {
    // The first server never finishes, the others do at once.
    for balance in [Balance::P2c, Balance::PeakEwma] {
        for servers in [2, 3, 1_000] {
            let roster = build(balance, &weighted(&vec![1; servers]));
            let mut stuck = 0;
            for turn in 0..3_000 {
                let busy = |member| if member == 0 { stuck } else { 0 };
                stuck += u32::from(first_with(&roster, turn, &Busy(busy)) == 0);
            }
            assert!(stuck <= 1, "{balance:?} of {servers}: {stuck}");
        }
    }
}

#[test]
fn two_draws_level_what_one_leaves_uneven() {
    // So many requests that none finishes: the classic of balls and bins.
    let fullest = |balance| {
        let roster = build(balance, &weighted(&[1; 1_000]));
        let mut bins = vec![0_u32; 1_000];
        for turn in 0..10_000 {
            let picked = first_with(&roster, turn, &Busy(|member| bins[member]));
            bins[picked] += 1;
        }
        bins.into_iter().max().unwrap()
    };
    assert!(fullest(Balance::Random) >= 19);
    assert!(fullest(Balance::P2c) <= 13);
}

/// One server as the others know it.
struct Known {
    in_flight: Vec<u32>,
    latency: Vec<f64>,
}

impl Loads for Known {
    fn in_flight(&self, member: usize) -> u32 {
        self.in_flight[member]
    }

    fn failures(&self, _: usize) -> u32 {
        0
    }

    fn total(&self) -> u64 {
        0
    }

    fn latency(&self, member: usize) -> f64 {
        self.latency[member]
    }
}

#[test]
fn peak_ewma_weighs_latency_against_the_queue() {
    let roster = build(Balance::PeakEwma, &weighted(&[1, 1]));
    // 200 ms and 5 ms: the fast one until it owes forty answers.
    for (owed, choice) in [(0, 1), (38, 1), (40, 0)] {
        let loads = Known { in_flight: vec![0, owed], latency: vec![200_000.0, 5_000.0] };
        assert!((0..100).all(|turn| first_with(&roster, turn, &loads) == choice), "{owed}");
    }
}

#[test]
fn closed_servers_are_not_drawn() {
    let members = weighted(&[1; 40]);
    for balance in DRAWN {
        let roster = build(balance, &members);
        let mut tried = Tried::new();
        for member in 0..Tried::MOST {
            tried.insert(member);
        }
        for chance in 0..2_000 {
            let choice = Choice { chance, ..Choice::default() };
            let picked = roster.pick(&choice, &IDLE, &tried).server().unwrap();
            assert!(!tried.contains(picked), "{balance:?}");
        }
    }
}

/// Counts how often it is asked.
struct Asked(std::cell::Cell<usize>);

impl Loads for Asked {
    fn in_flight(&self, _: usize) -> u32 {
        self.0.update(|asked| asked + 1);
        0
    }

    fn failures(&self, _: usize) -> u32 {
        0
    }

    fn total(&self) -> u64 {
        self.0.update(|asked| asked + 1);
        0
    }

    fn latency(&self, _: usize) -> f64 {
        self.0.update(|asked| asked + 1);
        0.0
    }
}

#[test]
fn a_large_pool_costs_what_a_small_one_does() {
    // A limit makes every server that is looked at be asked for its load.
    let most = |balance, servers| {
        let members: Vec<_> = weighted(&vec![1; servers])
            .into_iter()
            .map(|member| Member { limit: 100, ..member })
            .collect();
        let roster = build(balance, &members);
        let asked = |turn| {
            let asked = Asked(std::cell::Cell::new(0));
            first_with(&roster, turn, &asked);
            asked.0.get()
        };
        (0..300).map(asked).max().unwrap()
    };
    let bound = |table| Balance::Hash(Hash { table, bound: Some(125) });
    for (balance, asked) in [
        (Balance::RoundRobin, 1),
        (Balance::Random, 1),
        (Balance::First, 1),
        (MAGLEV, 1),
        (bound(HashTable::Maglev), 3),
        // Two are drawn, asked for room, then compared.
        (Balance::P2c, 4),
        (Balance::PeakEwma, 6),
    ] {
        assert!(most(balance, 2) <= asked, "{balance:?}");
        assert!(most(balance, 1_000) <= asked, "{balance:?}");
    }
    for balance in [Balance::LeastConnections, RENDEZVOUS] {
        assert!(most(balance, 1_000) >= 1_000, "{balance:?} has become cheaper: say so");
    }
}

#[test]
fn failing_is_no_way_to_look_idle() {
    // The first server has nothing in flight, but has failed as often as the others are busy.
    struct Failing;
    impl Loads for Failing {
        fn in_flight(&self, member: usize) -> u32 {
            if member == 0 { 0 } else { 3 }
        }

        fn failures(&self, member: usize) -> u32 {
            if member == 0 { 4 } else { 0 }
        }

        fn total(&self) -> u64 {
            0
        }

        fn latency(&self, _: usize) -> f64 {
            0.0
        }
    }
    for balance in [Balance::P2c, Balance::LeastConnections] {
        let roster = build(balance, &weighted(&[1; 4]));
        assert!((0..500).all(|turn| first_with(&roster, turn, &Failing) != 0), "{balance:?}");
    }
}
