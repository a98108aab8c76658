//! A virtual address and its nodes in virtual time. A broken rule is told with its seed:
//! `EVENKEEL_SIM_SEED=N cargo nextest run --package evenkeel-sim pair_simulation::` runs that one again.

use std::env;

use evenkeel_sim::virtual_time::pair::{Story, run};

/// Runs without further words; `EVENKEEL_SIM_RUNS=10000` makes the whole number, best with
/// `--profile fast`.
const RUNS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn one_owner_whenever_they_can_hear_each_other() {
    let seeds = match number("EVENKEEL_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("EVENKEEL_SIM_RUNS").unwrap_or(RUNS),
    };
    let mut sum = Story::default();
    for seed in seeds.clone() {
        let story = run(seed).unwrap_or_else(|broken| panic!("{broken}"));
        sum.events += story.events;
        sum.claims += story.claims;
        sum.conflicts += story.conflicts;
        sum.withheld += story.withheld;
        sum.slept += story.slept;
        sum.moves += story.moves;
        sum.given += story.given;
        sum.longest_overlap = sum.longest_overlap.max(story.longest_overlap);
        sum.longest_overlap_told = sum.longest_overlap_told.max(story.longest_overlap_told);
        sum.longest_gap = sum.longest_gap.max(story.longest_gap);
    }
    eprintln!("{} runs: {sum:?}", seeds.end - seeds.start);
    // A simulation in which nothing happens proves nothing.
    if seeds.end - seeds.start >= RUNS {
        let seen = [sum.claims, sum.conflicts, sum.withheld, sum.slept, sum.moves, sum.given];
        assert!(sum.longest_gap > 0 && seen.iter().all(|&count| count > 0), "{sum:?}");
    }
}

#[test]
fn a_run_follows_from_its_seed() {
    for seed in [0, 1, 17] {
        assert_eq!(run(seed).unwrap(), run(seed).unwrap(), "seed {seed}");
    }
}
