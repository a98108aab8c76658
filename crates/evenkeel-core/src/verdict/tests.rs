use std::time::Duration;

use super::{Component, Hearing, Name, Ruling, Status, Testimony, Turn};
use crate::health::{CheckFailure, Outcome};
use crate::moment::Moment;
use crate::outlier::Cap;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(6);

/// A pool whose servers have all said that they are well.
struct Pool {
    hearing: Hearing<u8>,
    now: Moment,
    out: Vec<u8>,
}

fn well() -> Testimony {
    Testimony::bare(Status::Up)
}

fn lacking(names: &[&str]) -> Testimony {
    let component = |&name: &&str| Component {
        name: Name::new(name),
        status: Status::Down,
        critical: name != "mail",
        latency: None,
    };
    Testimony { status: Status::Up, components: names.iter().map(component).collect() }
}

fn name(name: &str) -> Name {
    Name::new(name)
}

fn degraded(dependency: &str, degraded: bool) -> Turn {
    Turn { dependency: name(dependency), degraded }
}

impl Pool {
    fn of(servers: u8) -> Self {
        let now = Moment::START + PATIENCE;
        let hearing = Hearing::new(Cap::new(33), 0..servers, PATIENCE, now);
        let mut pool = Self { hearing, now, out: Vec::new() };
        for server in 0..servers {
            assert_eq!(pool.says(server, &well()), (Ruling::Fit, vec![]));
        }
        pool
    }

    /// A server answers a check that began a moment after the one before.
    fn says(&mut self, server: u8, testimony: &Testimony) -> (Ruling, Vec<Turn>) {
        self.now = self.now + Duration::from_millis(50);
        self.hearing.hear(server, testimony, self.now, self.out.iter().copied())
    }

    fn rules(&mut self, server: u8, testimony: &Testimony) -> Ruling {
        self.says(server, testimony).0
    }
}

#[test]
fn one_server_that_lacks_what_others_have_is_at_fault() {
    let mut pool = Pool::of(3);
    assert_eq!(pool.says(0, &lacking(&["db"])), (Ruling::Undecided, vec![]));
    assert_eq!(pool.rules(0, &lacking(&["db"])), Ruling::Undecided, "nobody was asked since");
    // One who was asked since and has it is enough.
    assert_eq!(pool.rules(1, &well()), Ruling::Fit);
    assert_eq!(pool.says(0, &lacking(&["db"])), (Ruling::Unfit(name("db")), vec![]));
    assert_eq!(pool.hearing.at_fault(), 1);
    assert_eq!(pool.rules(0, &well()), Ruling::Fit);
    assert_eq!(pool.hearing.at_fault(), 0);
}

#[test]
fn what_all_lack_is_nobodys_fault_and_one_event() {
    let mut pool = Pool::of(3);
    let down = lacking(&["db"]);
    assert_eq!(pool.says(0, &down), (Ruling::Undecided, vec![]));
    assert_eq!(pool.says(1, &down), (Ruling::Undecided, vec![]));
    let shared = Ruling::Shared(name("db"));
    assert_eq!(pool.says(2, &down), (shared, vec![degraded("db", true)]));
    for _ in 0..5 {
        for server in 0..3 {
            assert_eq!(pool.says(server, &down), (shared, vec![]));
        }
    }
    let found: Vec<_> = pool.hearing.degraded_by().map(|(name, _)| name).collect();
    assert_eq!(found, [name("db")]);
    assert_eq!(pool.says(1, &well()), (Ruling::Fit, vec![degraded("db", false)]));
    assert_eq!(pool.hearing.degraded_by().count(), 0);
    // Who still lacks it, now that others have it, is at fault.
    assert_eq!(pool.rules(0, &down), Ruling::Unfit(name("db")));
}

#[test]
fn a_server_at_fault_is_no_longer_once_all_lack_the_same() {
    let mut pool = Pool::of(3);
    let down = lacking(&["db"]);
    pool.rules(0, &down);
    pool.rules(1, &well());
    assert_eq!(pool.rules(0, &down), Ruling::Unfit(name("db")));
    pool.out.push(0);
    pool.rules(1, &down);
    pool.rules(2, &down);
    assert_eq!(pool.rules(0, &down), Ruling::Shared(name("db")), "so it comes back");
}

#[test]
fn no_more_are_at_fault_than_may_be_out() {
    let mut pool = Pool::of(6);
    let down = lacking(&["db"]);
    for server in [0, 1] {
        pool.rules(server, &down);
    }
    pool.rules(2, &well());
    assert_eq!(pool.rules(0, &down), Ruling::Unfit(name("db")), "1 of 6 may");
    assert_eq!(pool.rules(1, &down), Ruling::Spared(name("db")));
    assert_eq!(pool.rules(0, &down), Ruling::Unfit(name("db")), "once found, still found");
    // One that is out for another reason takes the place, too.
    let mut pool = Pool::of(6);
    pool.out = vec![5];
    pool.rules(0, &down);
    pool.rules(1, &well());
    assert_eq!(pool.rules(0, &down), Ruling::Spared(name("db")));
    // But the one that is at fault and out is not counted twice.
    let mut pool = Pool::of(9);
    for server in [0, 1] {
        pool.rules(server, &down);
    }
    pool.rules(2, &well());
    assert_eq!(pool.rules(0, &down), Ruling::Unfit(name("db")));
    pool.out = vec![0];
    assert_eq!(pool.rules(1, &down), Ruling::Unfit(name("db")), "2 of 9 may");
}

#[test]
fn who_is_silent_is_not_waited_for() {
    let down = lacking(&["db"]);
    let mut pool = Pool::of(3);
    pool.hearing.dismiss(2);
    pool.rules(0, &down);
    assert_eq!(pool.rules(1, &down), Ruling::Shared(name("db")));
    // Nor one whose last answer is too old, though nobody dismissed it.
    let mut pool = Pool::of(2);
    assert_eq!(pool.rules(0, &down), Ruling::Undecided);
    pool.now = pool.now + PATIENCE + SECOND;
    assert_eq!(pool.rules(0, &down), Ruling::Shared(name("db")));
}

#[test]
fn who_was_never_asked_is_waited_for() {
    let now = Moment::START + SECOND;
    let mut hearing = Hearing::new(Cap::new(33), 0..2, PATIENCE, now);
    let (down, well) = (lacking(&["db"]), well());
    assert_eq!(hearing.hear(0, &down, now + SECOND, []).0, Ruling::Undecided);
    assert_eq!(hearing.hear(1, &well, now + SECOND * 2, []).0, Ruling::Fit);
    assert_eq!(hearing.hear(0, &down, now + SECOND * 3, []).0, Ruling::Unfit(name("db")));
    // A server that a reload has added, too; but not for ever.
    let now = now + SECOND * 3;
    hearing.reconfigure(Cap::new(33), [0, 2], PATIENCE, now);
    assert_eq!(hearing.hear(0, &down, now + SECOND, []).0, Ruling::Undecided);
    let late = now + PATIENCE + SECOND;
    assert_eq!(hearing.hear(0, &down, late, []).0, Ruling::Shared(name("db")));
}

#[test]
fn a_single_server_has_nobody_to_be_compared_with() {
    let mut pool = Pool::of(1);
    let down = lacking(&["db"]);
    assert_eq!(pool.says(0, &down), (Ruling::Shared(name("db")), vec![degraded("db", true)]));
}

#[test]
fn of_several_things_the_gravest_decides() {
    let mut pool = Pool::of(2);
    pool.rules(0, &lacking(&["cache", "db"]));
    assert_eq!(pool.rules(1, &lacking(&["db"])), Ruling::Shared(name("db")));
    assert_eq!(pool.rules(0, &lacking(&["cache", "db"])), Ruling::Unfit(name("cache")));
    let evidence: Vec<_> = pool.hearing.evidence(0).map(|(name, _)| name).collect();
    assert_eq!(evidence, [name("cache"), name("db")]);
}

#[test]
fn what_is_not_critical_takes_nobody_out() {
    let mut pool = Pool::of(2);
    let down = lacking(&["mail"]);
    assert_eq!(pool.says(0, &down), (Ruling::Fit, vec![]));
    pool.rules(1, &well());
    assert_eq!(pool.says(0, &down), (Ruling::Fit, vec![]));
    // But when all lack it, it is worth an event.
    assert_eq!(pool.says(1, &down), (Ruling::Fit, vec![degraded("mail", true)]));
}

#[test]
fn a_server_that_does_not_say_why_it_is_down_is_compared_too() {
    let down = Testimony::bare(Status::Down);
    let mut pool = Pool::of(2);
    pool.rules(0, &down);
    pool.rules(1, &well());
    assert_eq!(pool.rules(0, &down), Ruling::Unfit(Name::ITSELF));
    assert_eq!(pool.rules(1, &down), Ruling::Shared(Name::ITSELF));
}

#[test]
fn rulings_as_outcomes() {
    let db = name("db");
    let cases = [
        (Ruling::Fit, Outcome::Passed),
        (Ruling::Spared(db), Outcome::Passed),
        (Ruling::Shared(db), Outcome::Passed),
        (Ruling::Unfit(db), Outcome::Failed(CheckFailure::Lacks(db))),
        (Ruling::Undecided, Outcome::Undecided),
    ];
    for (ruling, outcome) in cases {
        assert_eq!(ruling.outcome(), outcome);
    }
}
