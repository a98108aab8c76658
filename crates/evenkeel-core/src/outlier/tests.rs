use std::time::Duration;

use proptest::prelude::*;

use super::{Cap, Tally, Window, judge};
use crate::config::FailureRate;
use crate::moment::Moment;

/// Places of the outliers among servers of which so many of 1,000 requests failed.
fn outliers(failures: &[u64]) -> Vec<usize> {
    let tallies: Vec<_> =
        failures.iter().map(|&failures| Tally { requests: 1_000, failures }).collect();
    judge(&FailureRate::default(), &tallies).into_iter().map(|(place, _)| place).collect()
}

#[test]
fn who_is_an_outlier() {
    let table: &[(&[u64], &[usize])] = &[
        (&[0, 0, 0], &[]),
        (&[0, 0, 500], &[2]),
        // Two are enough to compare.
        (&[1_000, 0], &[0]),
        (&[1_000], &[]),
        (&[], &[]),
        // Everybody's trouble is nobody's fault.
        (&[1_000, 1_000, 1_000], &[]),
        (&[500, 480, 510, 495], &[]),
        (&[1_000, 1_000, 1_000, 0], &[]),
        // Two bad ones do not hide each other, and the worse one comes first.
        (&[0, 900, 0, 950, 0], &[3, 1]),
        (&[1_000, 1_000, 0, 0], &[1, 0]),
        // Not far enough from peers that differ.
        (&[10, 20, 30, 40, 50, 60, 70, 80, 90, 100], &[]),
        (&[0, 0, 0, 49], &[]),
        (&[0, 0, 0, 51], &[3]),
        // Where half fails by chance, a little more is chance too.
        (&[500, 500, 500, 545], &[]),
        (&[500, 500, 500, 600], &[3]),
    ];
    for (failures, expected) in table {
        assert_eq!(outliers(failures), *expected, "{failures:?}");
    }
}

#[test]
fn few_requests_are_no_evidence() {
    let tallies =
        |requests| [Tally { requests, failures: requests }, Tally { requests: 100, failures: 0 }];
    assert!(judge(&FailureRate::default(), &tallies(49)).is_empty());
    let found = judge(&FailureRate::default(), &tallies(50));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].1.tally.permille(), found[0].1.peers_permille), (1_000, 0));
    assert_eq!(found[0].1.deviation_permille, 0, "nobody fails but this one");
    let eager = FailureRate { least_requests: 0, ..FailureRate::default() };
    assert!(judge(&eager, &tallies(0)).is_empty(), "no request, no rate");
}

#[test]
fn windows_cut_counters() {
    let second = |n| Moment::START + Duration::from_secs(n);
    let mut window = Window::new(Tally { requests: 10, failures: 1 }, second(0));
    assert_eq!(window.end(&FailureRate::default()), second(10));
    let turned = window.turn(Tally { requests: 110, failures: 6 }, second(10));
    assert_eq!(turned, Tally { requests: 100, failures: 5 });
    assert_eq!(window.end(&FailureRate::default()), second(20));
    window.forget(Tally { requests: 150, failures: 30 });
    assert_eq!(window.end(&FailureRate::default()), second(20));
    let turned = window.turn(Tally { requests: 160, failures: 31 }, second(20));
    assert_eq!(turned, Tally { requests: 10, failures: 1 });
    // Counters of a server that was forgotten and came back begin anew.
    assert_eq!(window.turn(Tally::default(), second(30)), Tally::default());
}

#[test]
fn the_cap_of_pools() {
    let cap = Cap::new(33);
    let most: Vec<_> = [0, 1, 2, 3, 4, 6, 7, 10, 100].map(|servers| cap.of(servers)).into();
    assert_eq!(most, [1, 1, 1, 1, 1, 1, 2, 3, 33]);
    assert_eq!(Cap::new(100).of(5), 4, "one is left");
    assert_eq!(Cap::new(0).of(5), 1);
    assert!(cap.leaves_room(3, 0) && !cap.leaves_room(3, 1));
}

proptest! {
    /// The best server is never an outlier, and a worse one than an outlier is one too.
    #[test]
    fn order_is_kept(failures in prop::collection::vec(0..=1_000_u64, 0..12)) {
        let found = outliers(&failures);
        let best = failures.iter().min();
        prop_assert!(found.iter().all(|&place| Some(&failures[place]) != best));
        if let Some(least) = found.iter().map(|&place| failures[place]).min() {
            let worse = failures.iter().filter(|&&count| count > least).count();
            prop_assert!(found.len() > worse);
        }
    }
}
