//! Choosing and judging in virtual time. A broken rule is told with its seed:
//! `EVENKEEL_SIM_SEED=N cargo nextest run --package evenkeel-sim simulation::` runs that one again.

use std::env;

use evenkeel_sim::virtual_time::{Story, run};

/// Runs without further words; `EVENKEEL_SIM_RUNS=10000` makes the whole number, which with
/// `--profile fast` takes some 100 s of processor time.
const RUNS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn no_rule_is_broken_in_any_run() {
    let seeds = match number("EVENKEEL_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("EVENKEEL_SIM_RUNS").unwrap_or(RUNS),
    };
    let mut sum = Story::default();
    for seed in seeds.clone() {
        let story = run(seed).unwrap_or_else(|broken| panic!("{broken}"));
        sum.requests += story.requests;
        sum.failed += story.failed;
        sum.retries += story.retries;
        sum.refused += story.refused;
        sum.outs += story.outs;
        sum.found += story.found;
        sum.degraded += story.degraded;
        sum.events += story.events;
    }
    eprintln!("{} runs: {sum:?}", seeds.end - seeds.start);
    // A simulation in which nothing happens proves nothing.
    if seeds.end - seeds.start >= RUNS {
        let seen = [sum.outs, sum.found, sum.degraded, sum.retries, sum.refused];
        assert!(seen.iter().all(|&count| count > 0), "{sum:?}");
    }
}

#[test]
fn a_run_follows_from_its_seed() {
    for seed in [0, 1, 17] {
        assert_eq!(run(seed).unwrap(), run(seed).unwrap(), "seed {seed}");
    }
}
