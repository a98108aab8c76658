use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::Budget;
use crate::config::RetryBudget;
use crate::moment::Moment;

const NO_FLOOR: RetryBudget = RetryBudget { percent: 20, floor: 0 };

fn at(millis: u64) -> Moment {
    Moment::START + Duration::from_millis(millis)
}

fn granted(budget: &Budget, policy: RetryBudget, now: Moment) -> usize {
    (0..10_000).take_while(|_| budget.grant(policy, now)).count()
}

#[test]
fn a_share_of_the_requests_of_the_window() {
    let budget = Budget::new();
    for n in 0..1_000 {
        budget.request(at(n * 9));
    }
    assert_eq!(granted(&budget, NO_FLOOR, at(9_000)), 200);
    assert_eq!(budget.spent(NO_FLOOR, at(9_000)), (200, 200));
    // Requests and tries of long ago count neither for nor against.
    assert_eq!(granted(&budget, NO_FLOOR, at(60_000)), 0);
    budget.request(at(60_000));
    assert_eq!(budget.spent(NO_FLOOR, at(60_000)), (0, 0));
}

#[test]
fn a_floor_for_pools_with_little_traffic() {
    let budget = Budget::new();
    assert_eq!(granted(&budget, RetryBudget::default(), at(0)), 100);
    assert_eq!(granted(&budget, RetryBudget::default(), at(9_999)), 0);
    assert_eq!(granted(&budget, RetryBudget::default(), at(10_000)), 100);
    assert_eq!(granted(&Budget::new(), RetryBudget { percent: 0, floor: 0 }, at(0)), 0);
}

#[test]
fn a_late_worker_does_not_bring_back_the_past() {
    let budget = Budget::new();
    budget.request(at(20_000));
    budget.request(at(10_000));
    let everything = RetryBudget { percent: 100, floor: 0 };
    assert_eq!(budget.spent(everything, at(20_000)), (0, 1));
}

#[test]
fn workers_that_ask_at_once_get_no_more_together() {
    let budget = Budget::new();
    let sum = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let granted = budget.grant(RetryBudget::default(), at(5_000));
                    sum.fetch_add(granted.into(), Ordering::Relaxed);
                }
            });
        }
    });
    let sum = sum.into_inner();
    assert!(sum <= 100, "{sum} granted of 100");
    assert_eq!(budget.spent(RetryBudget::default(), at(5_000)).0, u64::from(sum));
}

proptest! {
    /// After every step: no more is spent than was allowed when it was granted, and nothing else
    /// is booked.
    #[test]
    fn never_more_than_allowed(steps in prop::collection::vec((0..2_000_u64, 0..30_u8, 0..30_u8), 0..60)) {
        let budget = Budget::new();
        let policy = RetryBudget { percent: 20, floor: 1 };
        let mut now = 0;
        for (wait, requests, retries) in steps {
            now += wait;
            for _ in 0..requests {
                budget.request(at(now));
            }
            for _ in 0..retries {
                let (before, allowed) = budget.spent(policy, at(now));
                let granted = budget.grant(policy, at(now));
                prop_assert_eq!(granted, before < allowed);
                prop_assert_eq!(budget.spent(policy, at(now)).0, before + u64::from(granted));
            }
        }
    }
}
