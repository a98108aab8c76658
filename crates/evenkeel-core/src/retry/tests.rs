use std::time::Duration;

use super::{Attempt, again, again_on_status, is_charged, wait};
use crate::config::{Backoff, Retry, RetryOn};
use crate::fault::Fault;

/// A GET whose first try failed after it was sent.
const GET: Attempt = Attempt {
    tries: 1,
    idempotent: true,
    replayable: true,
    nothing_sent: false,
    answer_started: false,
};
const POST: Attempt = Attempt { idempotent: false, ..GET };
const UNSENT: Attempt = Attempt { nothing_sent: true, ..POST };
/// A PUT whose body has outgrown the buffer.
const STREAMED: Attempt = Attempt { replayable: false, ..GET };

#[test]
fn what_may_be_repeated() {
    use Fault::{
        BadAnswer, ClientGone, ConnectRefused, ConnectTimeout, Exhausted, Internal, NoServer,
        ServerCut, ServerReset, ServerResetReused, ServerStalled, ServerTimeout, TotalTimeout,
    };
    // Fault, then whether GET, POST, an unsent POST and a streamed PUT are sent again.
    let table = [
        (ConnectRefused, [true, true, true, false]),
        (ConnectTimeout, [true, true, true, false]),
        (Exhausted, [true, true, true, false]),
        (ServerReset, [true, false, true, false]),
        (ServerResetReused, [true, false, true, false]),
        (ServerTimeout, [true, false, true, false]),
        (BadAnswer, [false; 4]),
        (ServerCut, [false; 4]),
        (ServerStalled, [false; 4]),
        (TotalTimeout, [false; 4]),
        (NoServer, [false; 4]),
        (Internal, [false; 4]),
        (ClientGone(crate::fault::Phase::Answer), [false; 4]),
    ];
    let policy = Retry::default();
    for (fault, expected) in table {
        let found = [GET, POST, UNSENT, STREAMED].map(|attempt| again(&policy, fault, attempt));
        assert_eq!(found, expected, "{fault:?}");
    }
}

#[test]
fn an_answer_that_has_begun_is_final() {
    let begun = Attempt { answer_started: true, ..GET };
    let policy = Retry {
        on: RetryOn { statuses: vec![503], ..RetryOn::default() },
        attempts: 10,
        ..Retry::default()
    };
    for fault in [Fault::ConnectRefused, Fault::ServerReset, Fault::ServerResetReused] {
        assert!(!again(&policy, fault, begun), "{fault:?}");
    }
    assert!(!again_on_status(&policy, 503, begun));
}

#[test]
fn tries_are_counted() {
    let further = |attempts, fault| {
        let policy = Retry { attempts, ..Retry::default() };
        (1..=20).filter(|&tries| again(&policy, fault, Attempt { tries, ..GET })).count()
    };
    for attempts in 0..=10 {
        assert_eq!(further(attempts, Fault::ConnectRefused), usize::from(attempts));
        assert_eq!(further(attempts, Fault::ServerReset), usize::from(attempts));
    }
    // A connection this node kept too long is repaired even where tries are forbidden.
    assert_eq!(further(0, Fault::ServerResetReused), 1);
    assert_eq!(further(2, Fault::ServerResetReused), 2);
}

#[test]
fn the_operator_chooses_the_outcomes() {
    let none = RetryOn {
        connect: false,
        reset_before_answer: false,
        timeout: false,
        statuses: Vec::new(),
    };
    let cases = [
        (Fault::ConnectRefused, RetryOn { connect: true, ..none.clone() }),
        (Fault::ConnectTimeout, RetryOn { connect: true, ..none.clone() }),
        (Fault::ServerReset, RetryOn { reset_before_answer: true, ..none.clone() }),
        (Fault::ServerTimeout, RetryOn { timeout: true, ..none.clone() }),
    ];
    for (fault, on) in cases {
        assert!(again(&Retry { on, ..Retry::default() }, fault, GET), "{fault:?}");
        assert!(!again(&Retry { on: none.clone(), ..Retry::default() }, fault, GET), "{fault:?}");
    }
}

#[test]
fn statuses_are_named() {
    let policy = Retry {
        attempts: 1,
        on: RetryOn { statuses: vec![502, 503], ..RetryOn::default() },
        ..Retry::default()
    };
    assert!(again_on_status(&policy, 503, GET));
    assert!(!again_on_status(&policy, 500, GET));
    assert!(!again_on_status(&policy, 503, POST));
    assert!(!again_on_status(&policy, 503, STREAMED));
    assert!(!again_on_status(&policy, 503, Attempt { tries: 2, ..GET }));
    assert!(!again_on_status(&Retry::default(), 503, GET));
}

#[test]
fn unsafe_methods_are_a_word_of_the_operators() {
    let policy = Retry {
        unsafe_methods: true,
        on: RetryOn { statuses: vec![503], ..RetryOn::default() },
        ..Retry::default()
    };
    assert!(again(&policy, Fault::ServerReset, POST));
    assert!(again(&policy, Fault::ServerTimeout, POST));
    assert!(again_on_status(&policy, 503, POST));
    // Still not what cannot be sent again, or must not.
    assert!(!again(&policy, Fault::ServerReset, STREAMED));
    assert!(!again(&policy, Fault::BadAnswer, POST));
    assert!(!again(&policy, Fault::ServerReset, Attempt { answer_started: true, ..POST }));
}

#[test]
fn what_cost_no_server_anything_takes_nothing_from_the_budget() {
    let free = [Fault::ServerResetReused, Fault::Exhausted];
    let charged = [Fault::ConnectRefused, Fault::ConnectTimeout, Fault::ServerReset];
    assert!(!free.into_iter().any(is_charged));
    assert!(charged.into_iter().all(is_charged));
}

#[test]
fn waits_are_jittered_and_bounded() {
    let policy = Backoff::default();
    for (tries, bound) in [(1, 25), (2, 50), (3, 100), (4, 200), (5, 250), (11, 250), (255, 250)] {
        let waits = (0..2_000).map(|chance| wait(&policy, Some(Fault::ServerReset), tries, chance));
        let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
        for wait in waits {
            (least, most) = (least.min(wait), most.max(wait));
        }
        let bound = Duration::from_millis(bound);
        assert!(most <= bound && most > bound * 9 / 10, "{tries}: {most:?}");
        assert!(least < bound / 10, "{tries}: {least:?}");
    }
    let longest = Backoff { base: Duration::MAX, most: Duration::MAX };
    wait(&longest, None, 255, u64::MAX);
}

#[test]
fn the_first_further_try_after_no_connection_comes_at_once() {
    for fault in [Fault::ConnectRefused, Fault::ConnectTimeout, Fault::ServerResetReused] {
        assert!((0..100).all(|n| wait(&Backoff::default(), Some(fault), 1, n).is_zero()));
        assert!((0..100).any(|n| !wait(&Backoff::default(), Some(fault), 2, n).is_zero()));
    }
    assert!((0..100).any(|n| !wait(&Backoff::default(), None, 1, n).is_zero()));
}
