use super::{Attempt, again, again_on_status};
use crate::config::{Retry, RetryOn};
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
    let policy = Retry { on: RetryOn { statuses: vec![503], ..RetryOn::default() }, attempts: 10 };
    for fault in [Fault::ConnectRefused, Fault::ServerReset, Fault::ServerResetReused] {
        assert!(!again(&policy, fault, begun), "{fault:?}");
    }
    assert!(!again_on_status(&policy, 503, begun));
}

#[test]
fn tries_are_counted() {
    let further = |attempts, fault| {
        let policy = Retry { attempts, on: RetryOn::default() };
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
        assert!(again(&Retry { attempts: 2, on }, fault, GET), "{fault:?}");
        assert!(!again(&Retry { attempts: 2, on: none.clone() }, fault, GET), "{fault:?}");
    }
}

#[test]
fn statuses_are_named() {
    let policy =
        Retry { attempts: 1, on: RetryOn { statuses: vec![502, 503], ..RetryOn::default() } };
    assert!(again_on_status(&policy, 503, GET));
    assert!(!again_on_status(&policy, 500, GET));
    assert!(!again_on_status(&policy, 503, POST));
    assert!(!again_on_status(&policy, 503, STREAMED));
    assert!(!again_on_status(&policy, 503, Attempt { tries: 2, ..GET }));
    assert!(!again_on_status(&Retry::default(), 503, GET));
}
