//! The machine, with version 3, an interval of one second and the priority 100 unless a test says
//! otherwise: an owner may be silent for 3.609375 s, and is asked for in the last 0.2 s of it.

use super::*;
use crate::vrrp::{RouterId, Version};

mod table;

const SECOND: Duration = Duration::from_secs(1);

fn policy() -> Policy {
    Policy {
        version: Version::V3,
        router_id: RouterId::new(51).unwrap(),
        addresses: vec![[192, 0, 2, 10].into()],
        priority: 100,
        interval: SECOND,
        preempt: Preempt::Never,
        asking: Duration::ZERO,
        peers: Vec::new(),
        password: None,
        has_witnesses: false,
    }
}

fn host(number: u8) -> IpAddr {
    [192, 0, 2, number].into()
}

fn heard(number: u8, priority: u8) -> Input {
    Input::Heard(Heard { source: host(number), priority, interval: SECOND })
}

fn beat(number: u8, owns: bool, claim: Option<u8>) -> Input {
    Input::Heartbeat(Heartbeat {
        node: host(number),
        owns,
        claim,
        boot: 1,
        claims: 1,
        wants: false,
    })
}

/// A machine and its clock. It is node 2.
#[derive(Clone)]
struct Case {
    machine: Machine,
    now: Moment,
}

impl Case {
    fn new(policy: Policy) -> Self {
        let now = Moment::START + SECOND * 100;
        Self { machine: Machine::new(Arc::new(policy), host(2), 1, now), now }
    }

    fn in_state(policy: Policy, state: State) -> Self {
        let mut case = Self::new(policy);
        let inputs = match state {
            State::Initialize => return case,
            State::Backup => &[Input::Start][..],
            State::Fault => &[Input::Claim(None), Input::Start],
            State::Probing | State::Active | State::Leaving => &[Input::Start],
        };
        for input in inputs {
            case.tell(*input);
        }
        if matches!(state, State::Probing | State::Active | State::Leaving) {
            case.wait_for(State::Probing);
        }
        if matches!(state, State::Active | State::Leaving) {
            case.wait_for(State::Active);
        }
        if state == State::Leaving {
            case.tell(Input::Move);
        }
        assert_eq!(case.state(), state);
        case
    }

    fn state(&self) -> State {
        self.machine.state()
    }

    fn tell(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(input, self.now)
    }

    /// Goes to the next deadline.
    fn tick(&mut self) -> Vec<Action> {
        self.now = self.machine.next_deadline();
        self.tell(Input::Tick)
    }

    /// What is done on the way, with the time it took.
    fn wait_for(&mut self, state: State) -> (Duration, Vec<Action>) {
        let start = self.now;
        let mut actions = Vec::new();
        for _ in 0..100 {
            actions.extend(self.tick());
            if self.state() == state {
                return (self.now.since(start), actions);
            }
        }
        panic!("{state:?} does not come: {:?}", self.machine);
    }

    /// So much time, with every deadline kept.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let end = self.now + time;
        let mut actions = Vec::new();
        while self.machine.next_deadline() <= end {
            actions.extend(self.tick());
        }
        self.now = end;
        actions
    }
}

/// Without what is told to the operator.
fn done(actions: &[Action]) -> Vec<Action> {
    let is_done = |action: &&Action| !matches!(action, Action::Tell(_));
    actions.iter().filter(is_done).copied().collect()
}

const TAKEN: [Action; 3] = [Action::Advertise(100), Action::Take, Action::Announce(5)];

#[test]
fn alone_it_owns_the_address_after_the_time_of_an_owner() {
    let mut case = Case::in_state(policy(), State::Backup);
    let (waited, asked) = case.wait_for(State::Probing);
    assert_eq!(waited, Duration::from_micros(3_409_375));
    assert_eq!(done(&asked), [Action::Probe]);
    let (waited, taken) = case.wait_for(State::Active);
    assert_eq!(waited, Duration::from_millis(200));
    assert_eq!(done(&taken), [&[Action::Probe; 2][..], &TAKEN].concat());
}

#[test]
fn announcements_come_at_once_after_five_seconds_and_each_minute() {
    let mut case = Case::in_state(policy(), State::Active);
    let mut at = Vec::new();
    let start = case.now;
    for _ in 0..400 {
        for action in case.tick() {
            if let Action::Announce(times) = action {
                at.push((case.now.since(start).as_secs(), times));
            }
        }
    }
    assert_eq!(at[..3], [(5, 5), (65, 1), (125, 1)]);
}

#[test]
fn adverts_keep_step_and_what_was_missed_is_not_made_up_for() {
    let mut case = Case::in_state(policy(), State::Active);
    let due = case.machine.next_deadline();
    case.now = due + SECOND / 10;
    assert_eq!(case.tell(Input::Tick), [Action::Advertise(100)]);
    assert_eq!(case.machine.next_deadline(), due + SECOND);
    case.now = due + SECOND * 5 / 2;
    assert_eq!(case.tell(Input::Tick), [Action::Advertise(100)]);
    assert_eq!(case.machine.next_deadline(), due + SECOND * 3, "one, not two");
}

#[test]
fn the_owners_interval_is_learned() {
    let mut case = Case::in_state(policy(), State::Backup);
    let fast = Heard { source: host(1), priority: 200, interval: SECOND / 10 };
    case.tell(Input::Heard(fast));
    assert_eq!(case.wait_for(State::Active).0, Duration::from_nanos(360_937_500) / 1_000 * 1_000);
}

#[test]
fn who_is_told_that_the_owner_leaves_waits_for_its_skew_and_asks_nobody() {
    let mut case = Case::in_state(policy(), State::Backup);
    case.tell(heard(1, 200));
    case.tell(heard(1, 0));
    let (waited, taken) = case.wait_for(State::Active);
    assert_eq!(waited, Duration::from_micros(609_375));
    assert_eq!(done(&taken), TAKEN);
    // Said again, it is no later.
    let mut case = Case::in_state(policy(), State::Backup);
    case.tell(heard(1, 0));
    case.now = case.now + SECOND / 2;
    case.tell(heard(1, 0));
    assert_eq!(case.wait_for(State::Active).0, Duration::from_micros(109_375));
}

#[test]
fn somebody_who_is_not_the_owner_may_leave() {
    let mut case = Case::in_state(policy(), State::Backup);
    case.tell(heard(1, 200));
    let until = case.machine.next_deadline();
    case.tell(heard(3, 0));
    assert_eq!((case.machine.next_deadline(), case.machine.owner()), (until, Some(host(1))));
}

#[test]
fn a_stranger_who_answers_keeps_the_address() {
    let mut case = Case::in_state(policy(), State::Backup);
    for _ in 0..5 {
        case.wait_for(State::Probing);
        case.tell(Input::Seen);
        assert_eq!(case.state(), State::Backup);
    }
    assert_eq!(case.machine.obstacle(), Some(Obstacle::Answered));
    case.wait_for(State::Active);
}

#[test]
fn the_kernel_of_a_dead_owner_is_believed_once() {
    let mut case = Case::in_state(policy(), State::Backup);
    case.tell(heard(1, 200));
    let heard_at = case.now;
    case.wait_for(State::Probing);
    case.tell(Input::Seen);
    assert_eq!(case.state(), State::Backup);
    case.wait_for(State::Probing);
    assert_eq!(case.tell(Input::Seen), []);
    case.wait_for(State::Active);
    assert_eq!(case.now.since(heard_at), Duration::from_micros(3_409_375) + SECOND);
    assert_eq!(case.machine.figures().gap, Some(case.now.since(heard_at)));
}

#[test]
fn nothing_is_claimed_while_a_peer_says_that_it_owns_it() {
    let mut case = Case::in_state(policy(), State::Backup);
    case.tell(heard(1, 50));
    for _ in 0..20 {
        case.tell(beat(1, true, Some(50)));
        case.pass(SECOND);
        assert_eq!(case.state(), State::Backup);
    }
    assert_eq!(case.machine.obstacle(), Some(Obstacle::PeerOwns));
    let mut cut = case.clone();
    cut.tell(Input::Silence(host(1)));
    assert_eq!(cut.wait_for(State::Active).0, Duration::from_millis(200));
    assert_eq!(case.wait_for(State::Active).0, SECOND * 2 + Duration::from_millis(200));
}

#[test]
fn an_owner_that_says_over_the_second_path_that_it_is_gone_is_not_waited_for() {
    let mut case = Case::in_state(policy(), State::Backup);
    for _ in 0..10 {
        case.tell(beat(1, true, Some(150)));
        case.pass(SECOND);
    }
    assert_eq!(case.machine.obstacle(), Some(Obstacle::PeerOwns));
    case.tell(beat(1, false, None));
    assert_eq!(case.wait_for(State::Active).0, Duration::from_millis(200));
}

#[test]
fn a_node_without_its_witnesses_never_claims() {
    let preempt = Preempt::After(Duration::ZERO);
    let strict = Policy { has_witnesses: true, preempt, ..policy() };
    let mut case = Case::in_state(strict.clone(), State::Backup);
    case.pass(SECOND * 100);
    case.tell(heard(1, 50));
    case.tell(heard(1, 0));
    case.pass(SECOND * 100);
    assert_eq!((case.state(), case.machine.heartbeat().claim), (State::Backup, None));
    assert_eq!(case.machine.obstacle(), Some(Obstacle::NoWitness));
    case.tell(Input::Witness(true));
    assert_eq!(case.wait_for(State::Active).0, Duration::from_millis(200));
    case.tell(Input::Witness(false));
    case.pass(SECOND * 10);
    assert_eq!(case.state(), State::Active, "who owns it goes on");
    let owner = Policy { priority: 255, ..strict };
    assert_eq!(Case::in_state(owner, State::Backup).state(), State::Backup);
}

#[test]
fn preemption() {
    for (preempt, priority, expected) in [
        (Preempt::Never, 100, None),
        (Preempt::After(Duration::ZERO), 100, Some(0)),
        (Preempt::After(SECOND * 3), 100, Some(3)),
        (Preempt::Never, 255, Some(0)),
    ] {
        let policy = Policy { preempt, ..policy() };
        let mut case = Case::in_state(policy, State::Backup);
        case.tell(heard(1, 200));
        case.tell(Input::Claim(Some(priority)));
        let after = (0..10).find(|_| {
            let actions = case.tell(heard(1, 99));
            case.now = case.now + SECOND;
            actions.contains(&Action::Take)
        });
        assert_eq!(after, expected, "{preempt:?}, {priority}");
        assert_eq!(case.state() == State::Active, expected.is_some());
    }
}

#[test]
fn a_weaker_owner_that_is_heard_on_both_paths_is_asked_first() {
    let preempt = Preempt::After(Duration::ZERO);
    let patient = Policy { preempt, asking: SECOND * 5, ..policy() };
    let asked = || {
        let mut case = Case::in_state(patient.clone(), State::Backup);
        case.tell(beat(1, true, Some(50)));
        case.tell(heard(1, 50));
        assert_eq!((case.state(), case.machine.heartbeat().wants), (State::Backup, true));
        case
    };
    let mut given = asked();
    given.tell(heard(1, 0));
    assert_eq!(given.wait_for(State::Active).0, patient.skew(100, SECOND));
    assert!(!given.machine.heartbeat().wants);
    // One that keeps it is preempted as ever.
    let mut kept = asked();
    let after = (1..10).find(|_| {
        kept.now = kept.now + SECOND;
        kept.tell(beat(1, true, Some(50)));
        kept.tell(heard(1, 50)).contains(&Action::Take)
    });
    assert_eq!(after, Some(5));
    let mut cut_off = asked();
    cut_off.tell(Input::Silence(host(1)));
    cut_off.now = cut_off.now + SECOND * 3;
    assert!(cut_off.tell(heard(1, 50)).contains(&Action::Take), "nobody hears what it wants");
    let mut outdone = asked();
    outdone.tell(heard(1, 200));
    assert!(!outdone.machine.heartbeat().wants);
    // Who could not take it does not want it, and asks anew once it could.
    let mut failed = asked();
    failed.tell(Input::Claim(None));
    assert!(!failed.machine.heartbeat().wants);
    failed.now = failed.now + SECOND * 10;
    failed.tell(Input::Claim(Some(100)));
    failed.tell(beat(1, true, Some(50)));
    assert_eq!(done(&failed.tell(heard(1, 50))), []);
    assert!(failed.machine.heartbeat().wants);
    // Who is not heard on the other path by then cannot be asked.
    let mut alone = Case::in_state(patient.clone(), State::Backup);
    let after = (0..10).find(|_| {
        let takes = alone.tell(heard(1, 50)).contains(&Action::Take);
        alone.now = alone.now + SECOND;
        takes
    });
    assert_eq!(after, Some(3));
}

#[test]
fn what_was_moved_away_is_not_taken_back() {
    let mut case = Case::new(Policy { preempt: Preempt::After(Duration::ZERO), ..policy() });
    case.tell(Input::Start);
    case.wait_for(State::Active);
    case.tell(Input::Move);
    assert_eq!(done(&case.tell(heard(1, 50))), [Action::Release]);
    case.tell(heard(1, 50));
    assert_eq!(case.state(), State::Backup);
    case.tell(Input::Resume);
    assert_eq!(done(&case.tell(heard(1, 50))), TAKEN);
}

#[test]
fn a_planned_move_ends_with_the_successors_advert() {
    let mut case = Case::in_state(policy(), State::Active);
    assert_eq!(done(&case.tell(Input::Move)), [Action::Advertise(0)]);
    assert!(!case.machine.heartbeat().owns && case.state().owns(), "it answers until then");
    assert_eq!(done(&case.pass(SECOND / 2)), [Action::Advertise(0); 2]);
    assert_eq!(case.tell(Input::Seen), []);
    assert_eq!(done(&case.tell(heard(1, 50))), [Action::Release]);
    assert_eq!(case.state(), State::Backup);
}

#[test]
fn what_nobody_takes_stays_here() {
    let mut case = Case::in_state(policy(), State::Active);
    case.tell(Input::Move);
    let actions = case.pass(SECOND * 2);
    assert_eq!(case.state(), State::Active);
    assert!(!actions.contains(&Action::Release) && actions.ends_with(&TAKEN), "{actions:?}");
    case.tell(Input::Stop);
    let actions = case.pass(SECOND * 2);
    assert_eq!((case.state(), done(&actions).last()), (State::Initialize, Some(&Action::Release)));
}

#[test]
fn the_better_one_of_two_owners_stays() {
    for (number, priority, stays) in
        [(3, 99, true), (3, 100, false), (1, 100, true), (1, 101, false), (3, 0, true)]
    {
        let mut case = Case::in_state(policy(), State::Active);
        case.pass(SECOND);
        let actions = done(&case.tell(heard(number, priority)));
        if stays {
            assert_eq!(actions, [Action::Advertise(100), Action::Announce(5)]);
            assert!(case.pass(SECOND * 5).contains(&Action::Announce(5)), "and again");
        } else {
            assert_eq!(actions, [Action::Advertise(100), Action::Release], "the winner hears it");
            assert_eq!(case.machine.owner(), Some(host(number)));
        }
        assert_eq!(case.state() == State::Active, stays, "{number} with {priority}");
        assert_eq!(case.machine.figures().conflicts, 1);
    }
}

#[test]
fn two_owners_meet_on_the_second_path_too() {
    let mut case = Case::in_state(policy(), State::Active);
    case.tell(beat(1, true, Some(200)));
    assert_eq!(case.state(), State::Active, "it may have said so before it heard of this one");
    case.pass(SECOND);
    case.tell(beat(3, true, Some(50)));
    assert_eq!(case.state(), State::Active);
    case.tell(beat(1, true, Some(200)));
    assert_eq!(case.state(), State::Backup);
}

#[test]
fn who_has_missed_another_owner_announces_itself_again() {
    let mut case = Case::in_state(policy(), State::Active);
    case.tell(beat(1, false, Some(50)));
    case.pass(SECOND);
    assert_eq!(done(&case.tell(beat(1, false, Some(50)))), []);
    let Input::Heartbeat(first) = beat(1, false, Some(50)) else { panic!("it is one") };
    let again = Heartbeat { claims: 2, ..first };
    let restarted = Heartbeat { boot: 2, ..again };
    for heartbeat in [again, restarted] {
        let actions = done(&case.tell(Input::Heartbeat(heartbeat)));
        assert_eq!(actions, [Action::Advertise(100), Action::Announce(5)]);
        case.pass(SECOND);
    }
}

#[test]
fn what_is_said_for_nothing_is_answered_ten_times_an_interval() {
    let mut case = Case::in_state(policy(), State::Active);
    case.pass(SECOND / 2);
    let mut announced = 0;
    for _ in 0..1_000 {
        case.now = case.now + SECOND / 1_000;
        let mut actions = case.tell(heard(1, 1));
        actions.extend(case.tell(Input::Seen));
        announced += actions.iter().filter(|it| matches!(it, Action::Announce(_))).count();
    }
    assert_eq!((announced, case.machine.figures().conflicts), (10, 2_000));
}

#[test]
fn who_slept_as_owner_lets_go_before_anything_else() {
    let mut case = Case::in_state(policy(), State::Active);
    case.now = case.now + SECOND * 3;
    let actions = case.tell(beat(1, false, None));
    assert_eq!(done(&actions), [Action::Advertise(0), Action::Release]);
    assert_eq!(actions[2], Action::Tell(Event::Slept(SECOND * 3)));
    assert_eq!(case.wait_for(State::Probing).0, Duration::from_micros(3_409_375));
}

#[test]
fn who_slept_as_backup_listens_before_it_claims() {
    let mut case = Case::in_state(policy(), State::Backup);
    case.now = case.now + SECOND * 10;
    case.tell(Input::Tick);
    assert_eq!(case.wait_for(State::Probing).0, Duration::from_micros(3_409_375));
    // A little late is no sleep, but an answer gets its time all the same.
    let mut case = Case::in_state(policy(), State::Backup);
    case.now = case.machine.next_deadline() + SECOND / 2;
    case.tell(Input::Tick);
    assert_eq!(case.state(), State::Probing);
    assert_eq!(case.wait_for(State::Active).0, Duration::from_millis(200));
}

#[test]
fn a_lost_address_is_put_back_but_not_in_a_fight() {
    let mut case = Case::in_state(policy(), State::Active);
    case.pass(SECOND);
    assert_eq!(done(&case.tell(Input::Lost)), [Action::Take, Action::Announce(1)]);
    assert_eq!(case.tell(Input::Lost), [], "a moment later");
    assert_eq!(done(&case.tick()), [Action::Take, Action::Announce(1), Action::Advertise(100)]);
    assert_eq!(done(&case.tick()), [Action::Advertise(100)]);
}

#[test]
fn an_address_the_kernel_refuses_is_left_to_others() {
    let mut case = Case::in_state(policy(), State::Active);
    let actions = done(&case.tell(Input::Refused));
    assert_eq!(actions, [Action::Advertise(0), Action::Release]);
    assert_eq!(case.state(), State::Backup);
}

#[test]
fn a_weakened_owner_makes_way_for_a_stronger_peer() {
    let mut case = Case::in_state(policy(), State::Active);
    case.pass(SECOND * 10);
    case.tell(beat(1, false, Some(80)));
    assert_eq!(case.tell(Input::Claim(Some(90))), []);
    assert_eq!(case.state(), State::Active, "that one is no stronger");
    case.tell(Input::Claim(Some(70)));
    assert_eq!(case.state(), State::Leaving);
    let mut strong = Case::in_state(policy(), State::Active);
    strong.pass(SECOND * 10);
    strong.tell(beat(1, false, Some(200)));
    assert_eq!(strong.state(), State::Active, "nothing has failed: no preemption");
}

#[test]
fn a_reload_changes_the_rules_and_not_the_state() {
    let mut case = Case::in_state(policy(), State::Active);
    let fast = Arc::new(Policy { interval: SECOND / 10, ..policy() });
    assert_eq!(case.machine.reconfigure(Arc::clone(&fast), case.now), [Action::Advertise(100)]);
    assert_eq!(case.machine.next_deadline(), case.now + SECOND / 10);
    let more = Policy { addresses: vec![host(10), host(11)], ..(*fast).clone() };
    let actions = case.machine.reconfigure(Arc::new(more), case.now);
    assert_eq!(actions, [Action::Take, Action::Announce(5), Action::Advertise(100)]);
    let mut backup = Case::in_state(policy(), State::Backup);
    let until = backup.machine.next_deadline() + policy().probing() - fast.probing();
    assert_eq!(backup.machine.reconfigure(fast, backup.now), []);
    assert_eq!(backup.machine.next_deadline(), until, "the owner's interval is what counts");
}

#[test]
fn peers_are_bounded() {
    let mut case = Case::in_state(policy(), State::Backup);
    for number in 10..40 {
        case.tell(beat(number, true, Some(1)));
    }
    assert_eq!(case.machine.peers.len(), MOST_PEERS);
    assert_eq!(case.machine.peers[0].0.node, host(32));
}
