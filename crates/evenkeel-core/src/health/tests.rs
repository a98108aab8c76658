use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{
    Change, CheckFailure, Health, LONGEST_HOLD, Outcome, Policy, Reason, State, TimeLine, Words,
};
use crate::config::{Check, CheckKind, HttpCheck, InitialState, Outlier};
use crate::dice::Dice;
use crate::fault::{Fault, Phase};
use crate::moment::Moment;
use crate::outlier::{Evidence, Tally};

const START: Moment = Moment::from_micros(1_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn policy(check: Option<Check>) -> Arc<Policy> {
    Arc::new(Policy { check, outlier: Outlier::default() })
}

/// A connection is made; rise 2, fall 3, and 5 requests.
fn tcp() -> Arc<Policy> {
    policy(Some(Check::default()))
}

fn http() -> Arc<Policy> {
    let kind = CheckKind::Http(HttpCheck::default());
    policy(Some(Check { kind, ..Check::default() }))
}

fn initially_down() -> Arc<Policy> {
    policy(Some(Check { initial: Some(InitialState::Down), ..Check::default() }))
}

fn unchecked() -> Arc<Policy> {
    policy(None)
}

/// The pool can spare a server.
fn spare() -> bool {
    true
}

/// What can happen to a server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Pass,
    Fail,
    /// A check that this node could not make.
    Exhausted,
    /// Traffic: no connection.
    Refused,
    /// Traffic: a connection, but no good answer.
    Garbage,
    /// Traffic: the client's fault.
    ClientGone,
    Success,
    /// Half a minute goes by, as long as a first ejection.
    Wait,
}
use Event::{ClientGone, Exhausted, Fail, Garbage, Pass, Refused, Success, Wait};

/// A server and the moment it has come to.
struct Server {
    health: Health,
    now: Moment,
}

impl Server {
    fn new(policy: Arc<Policy>) -> Self {
        Self { health: Health::new(policy, START), now: START }
    }

    fn after(policy: Arc<Policy>, events: &[Event]) -> Self {
        let mut server = Self::new(policy);
        for &event in events {
            server.meet(event);
        }
        server
    }

    /// Whether it became usable or unusable.
    fn meet(&mut self, event: Event) -> Option<bool> {
        let Self { health, now } = self;
        let was_usable = health.usable();
        let change = match event {
            Pass => health.checked(Outcome::Passed, *now),
            Fail => health.checked(Outcome::Failed(CheckFailure::Refused), *now),
            Exhausted => health.checked(Outcome::Failed(CheckFailure::Exhausted), *now),
            Refused => health.traffic_failed(Fault::ConnectRefused, *now, spare),
            Garbage => health.traffic_failed(Fault::BadAnswer, *now, spare),
            ClientGone => health.traffic_failed(Fault::ClientGone(Phase::Data), *now, spare),
            Success => {
                health.traffic_succeeded(*now);
                None
            }
            Wait => {
                *now = *now + Duration::from_secs(30);
                health.tick(*now)
            }
        };
        assert_eq!(change.is_some(), was_usable != health.usable(), "{event:?}");
        if let Some(change) = change {
            assert_eq!((change.usable, change.reason), (health.usable(), health.reason));
            assert_eq!(health.since(), *now);
        }
        change.map(|change| change.usable)
    }

    fn reason(&self) -> String {
        self.health.reason().to_string()
    }
}

const EVENTS: [Event; 8] = [Pass, Fail, Exhausted, Refused, Garbage, ClientGone, Success, Wait];

/// Every state, how it was reached, and where each of [`EVENTS`] leads from there.
#[test]
fn the_transition_table() {
    use State::{Down, GoingDown, GoingUp, Unchecked, Up};
    type Row<'a> = (Arc<Policy>, &'a [Event], State, [State; 8]);
    #[rustfmt::skip]
    let table: &[Row<'_>] = &[
        //                                              Pass     Fail       Exhausted  Refused    Garbage    ClientGone Success    Wait
        (tcp(), &[], Unchecked,                        [Up,      Down,      Unchecked, Down,      Unchecked, Unchecked, Unchecked, Unchecked]),
        (initially_down(), &[], Unchecked,             [Up,      Down,      Unchecked, Down,      Unchecked, Unchecked, Unchecked, Unchecked]),
        (tcp(), &[Pass], Up,                           [Up,      GoingDown, Up,        GoingDown, Up,        Up,        Up,        Up]),
        (tcp(), &[Pass, Fail], GoingDown,              [Up,      GoingDown, GoingDown, GoingDown, GoingDown, GoingDown, GoingDown, GoingDown]),
        (tcp(), &[Pass, Fail, Refused], GoingDown,     [Up,      Down,      GoingDown, Down,      GoingDown, GoingDown, GoingDown, GoingDown]),
        (tcp(), &[Fail], Down,                         [GoingUp, Down,      Down,      Down,      Down,      Down,      Down,      Down]),
        (tcp(), &[Fail, Pass], GoingUp,                [Up,      Down,      GoingUp,   Down,      GoingUp,   GoingUp,   GoingUp,   GoingUp]),
        // Four requests have failed.
        (tcp(), &[Pass, Garbage, Garbage, Garbage, Garbage], Up,
                                                       [Up,      GoingDown, Up,        Down,      Down,      Up,        Up,        Up]),
        // Ejected, and held since a TCP check cannot see why.
        (tcp(), &[Pass, Garbage, Garbage, Garbage, Garbage, Garbage], Down,
                                                       [Down,    Down,      Down,      Down,      Down,      Down,      Down,      Down]),
        // Ejected, but an HTTP check can.
        (http(), &[Pass, Garbage, Garbage, Garbage, Garbage, Garbage], Down,
                                                       [GoingUp, Down,      Down,      Down,      Down,      Down,      Down,      Down]),
        // Without a check.
        (unchecked(), &[], Up,                         [Up,      Up,        Up,        Up,        Up,        Up,        Up,        Up]),
        (unchecked(), &[Garbage; 4], Up,               [Up,      Up,        Up,        Down,      Down,      Up,        Up,        Up]),
        (unchecked(), &[Garbage; 5], Down,             [Down,    Down,      Down,      Down,      Down,      Down,      Down,      Up]),
    ];
    for (policy, path, from, to) in table {
        for (event, to) in EVENTS.into_iter().zip(to) {
            let mut server = Server::after(policy.clone(), path);
            assert_eq!(server.health.state(), *from, "{path:?}");
            server.meet(event);
            assert_eq!(server.health.state(), *to, "{from:?} after {path:?}, then {event:?}");
        }
    }
}

#[test]
fn reasons_in_words() {
    let table: &[(Arc<Policy>, &[Event], &str)] = &[
        (tcp(), &[], "not checked yet"),
        (unchecked(), &[], "not checked, no failures"),
        (tcp(), &[Pass], "1 of 1 checks passed"),
        (tcp(), &[Fail], "1 of 1 checks failed: connection refused"),
        (tcp(), &[Fail, Pass], "1 of 2 checks passed"),
        (tcp(), &[Fail, Pass, Pass], "2 of 2 checks passed"),
        (tcp(), &[Fail, Pass, Fail], "check failed after 1 passed: connection refused"),
        (tcp(), &[Pass, Fail], "1 of 3 checks failed: connection refused"),
        (tcp(), &[Pass, Fail, Fail, Pass], "check passed after 2 failed"),
        (tcp(), &[Pass, Fail, Fail, Fail], "3 of 3 checks failed: connection refused"),
        (tcp(), &[Pass, Refused, Refused], "2 of 3 connections failed: connection refused"),
        (
            tcp(),
            &[Pass, Fail, Refused, Fail],
            "3 of 3 checks and connections failed: connection refused",
        ),
        (http(), &[Garbage; 5], "5 requests in a row failed: unreadable answer"),
        (tcp(), &[Garbage; 5], "5 requests in a row failed: unreadable answer; out for 30 s"),
        (
            unchecked(),
            &[Garbage, Garbage, Garbage, Garbage, Garbage, Wait],
            "another chance after 30 s out",
        ),
    ];
    for (policy, events, words) in table {
        assert_eq!(Server::after(policy.clone(), events).reason(), *words, "{events:?}");
    }
    let mut server = Server::new(http());
    server.health.checked(Outcome::Failed(CheckFailure::Status(503)), START);
    assert_eq!(server.reason(), "1 of 1 checks failed: answered with status 503");
}

#[test]
fn rise_and_fall_of_one_leave_nothing_between() {
    let one = policy(Some(Check { rise: 1, fall: 1, ..Check::default() }));
    let mut server = Server::after(one, &[Pass]);
    assert_eq!(server.meet(Fail), Some(false));
    assert_eq!(server.meet(Pass), Some(true));
}

#[test]
fn an_initial_state_is_a_guess_that_one_check_decides() {
    assert!(Server::new(tcp()).health.usable());
    assert_eq!(Server::new(tcp()).meet(Pass), None);
    assert_eq!(Server::new(tcp()).meet(Fail), Some(false));
    assert!(!Server::new(initially_down()).health.usable());
    assert_eq!(Server::new(initially_down()).meet(Pass), Some(true));
    assert_eq!(Server::new(initially_down()).meet(Fail), None);
}

#[test]
fn a_server_that_joins_others_waits_for_its_first_check() {
    let mut joining = Health::joining(tcp(), START);
    assert!(!joining.usable());
    assert_eq!(joining.next_check(7), Some(START), "which is made at once");
    assert!(joining.checked(Outcome::Passed, START).is_some_and(|change| change.usable));
    let said = policy(Some(Check { initial: Some(InitialState::Up), ..Check::default() }));
    assert!(Health::joining(said, START).usable(), "an operator's word holds for all");
    assert!(Health::joining(unchecked(), START).usable(), "there is nothing to wait for");
}

#[test]
fn a_killed_server_leaves_by_its_traffic_alone() {
    let mut server = Server::after(tcp(), &[Pass, Refused, Refused]);
    assert_eq!(server.meet(Refused), Some(false));
}

#[test]
fn a_success_interrupts_a_row_of_failures() {
    let mut server = Server::after(tcp(), &[Pass, Garbage, Garbage, Garbage, Garbage]);
    assert!(server.health.heeds_success());
    server.meet(Success);
    assert!(!server.health.heeds_success());
    for _ in 0..4 {
        assert_eq!(server.meet(Garbage), None);
    }
    // A check that passes does not: it has not seen what traffic has.
    assert_eq!(server.meet(Pass), None);
    assert_eq!(server.meet(Garbage), Some(false));
    assert!(!server.health.heeds_success());
}

#[test]
fn only_the_servers_faults_count() {
    let harmless = [
        Fault::ServerResetReused,
        Fault::TotalTimeout,
        Fault::Exhausted,
        Fault::NoServer,
        Fault::ClientTimeout(Phase::Data),
        Fault::Stopping,
    ];
    let mut health = Health::new(tcp(), START);
    for fault in harmless.into_iter().cycle().take(100) {
        assert_eq!(health.traffic_failed(fault, START, spare), None, "{fault:?}");
        assert!(!health.heeds_success(), "{fault:?}");
    }
    let harmful = [
        Fault::ConnectRefused,
        Fault::ConnectTimeout,
        Fault::ServerReset,
        Fault::ServerTimeout,
        Fault::BadAnswer,
        Fault::ServerCut,
        Fault::ServerStalled,
    ];
    for fault in harmful {
        let mut health = Health::new(unchecked(), START);
        let changes = (0..5).filter_map(|_| health.traffic_failed(fault, START, spare)).count();
        assert_eq!((changes, health.usable()), (1, false), "{fault:?}");
    }
}

#[test]
fn traffic_does_not_judge_where_it_is_told_not_to() {
    let outlier = Outlier { consecutive_failures: None, ..Outlier::default() };
    let mut server = Server::after(Arc::new(Policy { check: None, outlier }), &[]);
    for _ in 0..100 {
        assert_eq!(server.meet(Refused), None);
        assert_eq!(server.meet(Garbage), None);
    }
}

#[test]
fn garbage_behind_an_open_port_stays_out() {
    let mut server = Server::after(tcp(), &[Pass, Garbage, Garbage, Garbage, Garbage, Garbage]);
    for _ in 0..100 {
        assert_eq!(server.meet(Pass), None);
    }
    server.meet(Wait);
    assert_eq!(server.meet(Pass), None);
    assert_eq!(server.meet(Pass), Some(true));
}

#[test]
fn a_killed_server_that_reset_its_requests_first_is_not_held() {
    let mut server = Server::after(tcp(), &[Pass, Garbage, Garbage, Garbage, Garbage, Garbage]);
    server.meet(Fail); // the check that follows at once finds the port closed
    assert_eq!(server.meet(Pass), None);
    assert_eq!(server.meet(Pass), Some(true));
}

#[test]
fn a_check_on_another_port_says_nothing_about_this_one() {
    let check = Check { port: Some(9_000), ..http().check.clone().unwrap() };
    let aside = policy(Some(check));
    let mut server = Server::after(aside, &[Pass, Refused, Refused, Refused, Refused]);
    assert_eq!(server.health.state(), State::Up, "refusals are not failed checks");
    assert_eq!(server.meet(Refused), Some(false));
    for _ in 0..10 {
        assert_eq!(server.meet(Pass), None);
    }
    server.meet(Wait);
    server.meet(Pass);
    assert_eq!(server.meet(Pass), Some(true));
}

#[test]
fn holds_grow_and_are_forgiven() {
    let mut health = Health::new(unchecked(), START);
    let mut now = START;
    let mut eject = |now: &mut Moment| {
        for _ in 0..5 {
            health.traffic_failed(Fault::BadAnswer, *now, spare);
        }
        let end = health.next_deadline().unwrap();
        let held = end.since(*now);
        assert_eq!(health.tick(end - Duration::from_micros(1)), None);
        assert!(health.tick(end).unwrap().usable);
        assert_eq!(health.next_deadline(), None);
        *now = end;
        held.as_secs()
    };
    for expected in [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300] {
        assert_eq!(eject(&mut now), expected);
    }
    // It behaved for as long as it was out.
    now = now + LONGEST_HOLD;
    assert_eq!(eject(&mut now), 30);
    now = now + Duration::from_secs(29);
    assert_eq!(eject(&mut now), 60);
}

/// Waits from the last check to the next, least and most, over many chances.
fn waits(server: &Server) -> (Duration, Duration) {
    let wait = |chance| server.health.next_check(chance).unwrap().since(server.now);
    let spread = (0..10_000_u64).map(|n| wait(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    spread.fold((Duration::MAX, Duration::ZERO), |(least, most), wait| {
        (least.min(wait), most.max(wait))
    })
}

#[test]
fn intervals() {
    let within = |events: &[Event], middle: u64| {
        let (least, most) = waits(&Server::after(tcp(), events));
        let middle = Duration::from_millis(middle);
        assert!(least >= middle * 9 / 10 && least < middle * 91 / 100, "{events:?}: {least:?}");
        assert!(most <= middle * 11 / 10 && most > middle * 109 / 100, "{events:?}: {most:?}");
    };
    within(&[Pass], 2_000);
    within(&[Pass, Fail], 500);
    within(&[Fail], 1_000);
    within(&[Fail, Pass], 500);
    within(&[Exhausted], 500);
    assert_eq!(Server::new(unchecked()).health.next_check(7), None);
}

#[test]
fn first_checks_are_spread_over_the_interval() {
    let (least, most) = waits(&Server::new(tcp()));
    assert!(least < Duration::from_millis(10) && most > Duration::from_millis(1_990));
    assert_eq!(waits(&Server::new(initially_down())), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn traffic_that_fails_brings_the_check_forward() {
    let mut server = Server::after(tcp(), &[Pass]);
    server.now = server.now + SECOND;
    server.meet(Refused);
    assert_eq!(waits(&server), (Duration::ZERO, Duration::ZERO));
    // But not without pause.
    server.meet(Pass);
    server.meet(Refused);
    assert_eq!(waits(&server), (Duration::from_millis(100), Duration::from_millis(100)));

    // Once it is down, the traffic of a panic does not.
    let mut server = Server::after(tcp(), &[Pass, Fail, Fail, Fail]);
    server.now = server.now + Duration::from_millis(200);
    server.meet(Refused);
    assert!(waits(&server).0 > SECOND / 2);

    let mut server = Server::after(tcp(), &[Pass, Garbage, Garbage, Garbage, Garbage]);
    server.now = server.now + SECOND;
    server.meet(Garbage);
    assert_eq!(waits(&server), (Duration::ZERO, Duration::ZERO), "an ejection is looked into");
}

#[test]
fn a_reload_keeps_verdicts() {
    for events in [&[Pass, Fail][..], &[Pass], &[Fail], &[Fail, Pass], &[]] {
        let mut server = Server::after(tcp(), events);
        let (state, usable) = (server.health.state(), server.health.usable());
        assert_eq!(server.health.reconfigure(http(), server.now), None);
        assert_eq!((server.health.state(), server.health.usable()), (state, usable));
        // Not even another guess about servers not checked yet.
        assert_eq!(server.health.reconfigure(initially_down(), server.now), None);
        assert_eq!(server.health.usable(), usable);
    }
}

#[test]
fn a_reload_that_drops_the_check_strands_nobody() {
    let drop_check = |policy, events: &[Event]| {
        let mut server = Server::after(policy, events);
        let change = server.health.reconfigure(unchecked(), server.now);
        (change.map(|change| change.usable), server)
    };
    for events in [&[Pass, Fail][..], &[Pass], &[]] {
        let (change, server) = drop_check(tcp(), events);
        assert_eq!((change, server.health.state()), (None, State::Up));
    }
    let (change, server) = drop_check(initially_down(), &[]);
    assert_eq!((change, server.health.state()), (Some(true), State::Up));
    for events in [&[Fail][..], &[Fail, Pass], &[Garbage; 5]] {
        let (change, mut server) = drop_check(tcp(), events);
        assert_eq!((change, server.health.state()), (None, State::Down));
        assert_eq!(server.meet(Wait), Some(true));
    }
}

#[test]
fn a_reload_that_adds_a_check_spreads_the_first_ones() {
    let mut server = Server::after(unchecked(), &[Wait, Wait]);
    assert_eq!(server.health.reconfigure(tcp(), server.now), None);
    let (least, most) = waits(&server);
    assert!(least < Duration::from_millis(10) && most > Duration::from_millis(1_990));
    assert_eq!(server.health.state(), State::Up);
}

#[test]
fn a_server_the_pool_cannot_spare_stays_until_it_can() {
    let mut health = Health::new(unchecked(), START);
    for _ in 0..20 {
        assert_eq!(health.traffic_failed(Fault::BadAnswer, START, || false), None);
    }
    assert!(health.usable());
    let words = health.reason().to_string();
    assert_eq!(
        words,
        "20 requests in a row failed: unreadable answer; kept: enough of the pool are out"
    );
    assert_eq!(health.time_line().entries().len(), 2, "one entry for the row");
    let left = health.traffic_failed(Fault::BadAnswer, START, spare);
    assert!(left.is_some_and(|change| !change.usable));

    let mut health = Health::new(unchecked(), START);
    for _ in 0..5 {
        health.traffic_failed(Fault::BadAnswer, START, || false);
    }
    health.traffic_succeeded(START);
    assert_eq!(health.reason().to_string(), "answers again");
}

#[test]
fn a_server_that_fails_more_often_than_its_peers_is_held_though_its_checks_pass() {
    let evidence = Evidence {
        tally: Tally { requests: 200, failures: 90 },
        peers_permille: 12,
        deviation_permille: 8,
    };
    for policy in [http(), tcp(), unchecked()] {
        let mut health = Health::new(policy, START);
        let before = health.reason();
        health.is_no_outlier(START);
        assert_eq!(health.reason(), before, "nothing was held against it");
        assert_eq!(health.is_outlier(evidence, START, || false), None);
        assert!(health.reason().to_string().ends_with("kept: enough of the pool are out"));
        health.is_no_outlier(START);
        assert_eq!(health.reason().to_string(), "answers again");
        let change = health.is_outlier(evidence, START, spare).unwrap();
        assert_eq!(
            change.reason.to_string(),
            "90 of 200 requests failed, 45.0 % against 1.2 % of its peers (deviation 0.8 %); \
             out for 30 s"
        );
        assert_eq!(health.is_outlier(evidence, START, spare), None, "it is out already");
        for _ in 0..10 {
            assert_eq!(health.checked(Outcome::Passed, START + SECOND), None);
        }
    }
}

#[test]
fn an_undecided_check_changes_nothing_and_is_soon_repeated() {
    let mut server = Server::after(http(), &[Pass]);
    let before = server.health.time_line().entries().len();
    assert_eq!(server.health.checked(Outcome::Undecided, server.now), None);
    assert_eq!((server.health.state(), server.health.usable()), (State::Up, true));
    assert_eq!(server.health.time_line().entries().len(), before);
    assert_eq!(waits(&server), (Duration::from_millis(100), Duration::from_millis(100)));
    // And who is asked because of another server is asked at once.
    let mut server = Server::after(http(), &[Pass]);
    server.now = server.now + SECOND;
    server.health.look_again(server.now);
    assert_eq!(waits(&server), (Duration::ZERO, Duration::ZERO));
}

/// In virtual time: four thousand servers whose checks take 20 ms, for half a minute.
#[test]
fn thousands_of_servers_are_checked_evenly_and_none_waits_long() {
    const SERVERS: usize = 4_000;
    const TOOK: Duration = Duration::from_millis(20);
    const SLICES: usize = 300;
    let interval = Check::default().interval;
    let mut dice = Dice::new(1);
    let mut fleet: Vec<_> = (0..SERVERS).map(|_| Health::new(tcp(), START)).collect();
    let due = |health: &Health, dice: &mut Dice| health.next_check(dice.roll()).expect("a check");
    let mut agenda: BTreeSet<_> =
        fleet.iter().enumerate().map(|(at, health)| (due(health, &mut dice), at)).collect();
    let mut begun = vec![START; SERVERS];
    let mut slices = [0_usize; SLICES];
    let slice = |now: Moment| usize::try_from(now.since(START).as_millis() / 100).unwrap();
    while let Some((now, at)) = agenda.pop_first()
        && slice(now) < SLICES
    {
        slices[slice(now)] += 1;
        let longest = interval + interval / 10 + TOOK;
        assert!(now.since(begun[at]) <= longest, "server {at} waits {:?}", now.since(begun[at]));
        begun[at] = now;
        fleet[at].checked(Outcome::Passed, now + TOOK);
        agenda.insert((due(&fleet[at], &mut dice), at));
    }
    // An even 200 in each slice, and less than a twentieth of them under way at any moment.
    let (least, most) = (slices.iter().min(), slices.iter().max());
    assert!(least >= Some(&120) && most <= Some(&280), "{least:?} to {most:?} in 100 ms");
}

#[test]
fn an_agent_is_one_more_condition() {
    let mut server = Server::after(tcp(), &[Pass]);
    let now = server.now;
    let words = Words::new("no disk");
    let health = &mut server.health;
    assert_eq!(health.agent_said(None, now), None, "it says nothing new");
    let down = Change { usable: false, reason: Reason::AgentDown(words) };
    assert_eq!(health.agent_said(Some(words), now), Some(down));
    assert_eq!(
        (health.state(), health.usable(), health.reason()),
        (State::Down, false, down.reason)
    );
    assert_eq!(health.agent_said(Some(words), now), None, "once is enough");
    // Meanwhile checks find out what nobody is told.
    let failed = Outcome::Failed(CheckFailure::Refused);
    let passed = Outcome::Passed;
    for (outcome, back) in [(failed, false), (passed, true)] {
        for _ in 0..3 {
            assert_eq!(health.checked(outcome, now), None);
        }
        let change = health.agent_said(None, now);
        let up = Change { usable: true, reason: Reason::AgentUp };
        assert_eq!(change, back.then_some(up), "{outcome:?}");
        assert_eq!(health.usable(), back);
        health.agent_said(Some(words), now);
    }
}

#[test]
fn the_time_line_is_bounded_and_tells_the_story() {
    use State::{Down, GoingDown, GoingUp, Unchecked, Up};
    let mut server = Server::after(tcp(), &[Pass, Fail, Fail, Fail, Pass, Pass]);
    let story: Vec<_> =
        server.health.time_line().entries().map(|entry| (entry.state, entry.usable)).collect();
    let up = [(Unchecked, true), (Up, true), (GoingDown, true)];
    assert_eq!(story, [&up[..], &[(Down, false), (GoingUp, false), (Up, true)]].concat());
    for _ in 0..100 {
        server.meet(Fail);
        server.meet(Pass);
    }
    assert_eq!(server.health.time_line().entries().len(), TimeLine::MOST_ENTRIES);
}

proptest! {
    /// Whatever happens: verdicts and changes agree (see `Server::meet`), something is always
    /// scheduled that can bring a server back, and once it is well it does come back.
    #[test]
    fn nobody_is_stranded(
        policy in prop::sample::select(vec![tcp(), http(), initially_down(), unchecked()]),
        events in prop::collection::vec(prop::sample::select(EVENTS.to_vec()), 0..60),
        chance: u64,
    ) {
        let mut server = Server::after(policy, &events);
        if !server.health.usable() {
            let check = server.health.next_check(chance);
            let deadline = server.health.next_deadline();
            prop_assert!(check.or(deadline).is_some());
        }
        for _ in 0..10 {
            server.meet(Wait); // ten times thirty seconds: the longest hold
        }
        server.meet(Pass);
        server.meet(Pass);
        prop_assert!(server.health.usable());
        prop_assert_eq!(server.health.state(), State::Up);
    }
}
