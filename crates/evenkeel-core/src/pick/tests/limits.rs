//! `max_connections`, the order of `first`, and clients that stick to their server.

use super::*;
use crate::hash::Seed;
use crate::pool::Admin;
use crate::sticky::Token;

fn limited(limits: &[u32]) -> Vec<Member> {
    let members = weighted(&vec![1; limits.len()]);
    members.into_iter().zip(limits).map(|(member, &limit)| Member { limit, ..member }).collect()
}

#[test]
fn nobody_gets_more_than_its_limit() {
    let limits = [3, 0, 7, 1, 20];
    for balance in BALANCES {
        let roster = build(balance, &limited(&limits));
        let mut in_flight = [0_u32; 5];
        for turn in 0..31 {
            let picked = first_with(&roster, turn, &Busy(|member| in_flight[member]));
            in_flight[picked] += 1;
        }
        assert_eq!(in_flight, limits, "{balance:?}");
        let loads = Busy(|member| in_flight[member]);
        let choice = Choice::default();
        assert_eq!(roster.pick(&choice, &loads, &Tried::new()), Pick::Full, "{balance:?}");
        let mut tried = Tried::new();
        (0..5).for_each(|member| tried.insert(member));
        assert_eq!(roster.pick(&choice, &loads, &tried), Pick::Nobody, "{balance:?}");
    }
}

#[test]
fn first_fills_one_after_the_other() {
    let roster = build(Balance::First, &limited(&[2, 2, Member::NO_LIMIT]));
    let mut in_flight = [0_u32; 3];
    let mut order = Vec::new();
    for turn in 0..6 {
        let picked = first_with(&roster, turn, &Busy(|member| in_flight[member]));
        in_flight[picked] += 1;
        order.push(picked);
    }
    assert_eq!(order, [0, 0, 1, 1, 2, 2]);
    in_flight[0] -= 1;
    assert_eq!(first_with(&roster, 6, &Busy(|member| in_flight[member])), 0);
}

const SEED: Seed = Seed::new([7; 16]);

fn sticky(members: &[Member]) -> Roster {
    Roster::build(Rules { sticky: Some(SEED), ..Rules::default() }, members)
}

fn token(members: &[Member], member: usize) -> Token {
    Token::new(SEED, members[member].identity)
}

/// What is done to a server.
type Change = fn(&mut Member);

#[test]
fn a_cookie_leads_home_while_there_is_one() {
    let mut members = weighted(&[1; 4]);
    let given = token(&members, 2);
    let choice = Choice { token: Some(given), ..Choice::default() };
    // And whether its clients still come.
    let table: &[(&str, Change, bool)] = &[
        ("ready", |_| (), true),
        ("drained", |member| member.admin = Admin::Drain, true),
        ("without weight", |member| member.weight = 0, true),
        ("backup", |member| member.backup = true, true),
        ("in maintenance", |member| member.admin = Admin::Maint, false),
        ("down", |member| member.usable = false, false),
        ("renamed", |member| member.identity = 1, false),
    ];
    for (what, change, comes) in table {
        let before = members[2];
        change(&mut members[2]);
        let roster = sticky(&members);
        members[2] = before;
        let picked = roster.pick(&choice, &IDLE, &Tried::new()).server().unwrap();
        assert_eq!(picked == 2, *comes, "{what}");
        // Another cookie only when its own means nothing any more.
        let issued = roster.token_to_issue(Some(given), picked);
        assert_eq!(issued, (!comes).then(|| token(&members, picked)), "{what}");
    }
}

#[test]
fn a_request_that_has_failed_does_not_go_home_to_a_server_that_is_down() {
    let mut members = weighted(&[1; 4]);
    members[..3].iter_mut().for_each(|member| member.usable = false);
    let roster = sticky(&members);
    let choice = Choice { token: Some(token(&members, 0)), ..Choice::default() };
    assert_eq!(roster.pick(&choice, &IDLE, &Tried::new()), Pick::Server(0), "in a panic");
    let mut tried = Tried::new();
    tried.insert(1);
    assert_eq!(roster.pick(&choice, &IDLE, &tried), Pick::Server(3), "the one that is up");
}

#[test]
fn new_clients_get_a_cookie_and_others_keep_theirs() {
    let mut members = weighted(&[1; 3]);
    members[0].limit = 1;
    let roster = sticky(&members);
    let home = token(&members, 0);
    assert_eq!(roster.token_to_issue(None, 1), Some(token(&members, 1)));
    // Its server is full, or has failed this one request: another one this time, and no new home.
    let choice = Choice { token: Some(home), turn: 1, ..Choice::default() };
    assert_eq!(roster.pick(&choice, &Busy(|_| 1), &Tried::new()), Pick::Server(1));
    let mut tried = Tried::new();
    tried.insert(0);
    assert_eq!(roster.pick(&choice, &IDLE, &tried), Pick::Server(1));
    assert_eq!(roster.token_to_issue(Some(home), 1), None);
    // A pool without a cookie knows nothing of them.
    let plain = build(Balance::RoundRobin, &members);
    assert_eq!(plain.token_to_issue(None, 1), None);
    assert_eq!(plain.pick(&choice, &IDLE, &Tried::new()), Pick::Server(1));
}

#[test]
fn a_panicking_pool_keeps_its_clients() {
    let mut members = weighted(&[1; 3]);
    members[0].usable = false;
    members[1].usable = false;
    let choice = Choice { token: Some(token(&members, 1)), ..Choice::default() };
    let roster = sticky(&members);
    assert_eq!(roster.mode(), Mode::Panic);
    assert_eq!(roster.pick(&choice, &IDLE, &Tried::new()), Pick::Server(1));
}

/// Servers without a limit, some of whose breakers are full.
struct Broken<'a>(&'a [usize]);

impl Loads for Broken<'_> {
    fn in_flight(&self, _: usize) -> u32 {
        1
    }

    fn failures(&self, _: usize) -> u32 {
        0
    }

    fn total(&self) -> u64 {
        0
    }

    fn latency(&self, _: usize) -> f64 {
        0.0
    }

    fn admits(&self, member: usize) -> bool {
        !self.0.contains(&member)
    }
}

#[test]
fn a_full_breaker_leaves_its_server_out_and_only_all_of_them_refuse() {
    let none = Tried::new();
    for balance in BALANCES {
        let roster = build(balance, &weighted(&[1; 3]));
        for turn in 0..30 {
            assert_eq!(first_with(&roster, turn, &Broken(&[0, 2])), 1, "{balance:?}");
        }
        let choice = Choice::default();
        assert_eq!(roster.pick(&choice, &Broken(&[0, 1, 2]), &none), Pick::Refused, "{balance:?}");
        // One that only has its limit under way may have room soon.
        let roster = build(balance, &limited(&[0, 1, Member::NO_LIMIT]));
        assert_eq!(roster.pick(&choice, &Broken(&[0, 2]), &none), Pick::Full, "{balance:?}");
    }
}

#[test]
fn a_full_breaker_sends_even_those_who_stick_elsewhere() {
    let members = weighted(&[1; 3]);
    let choice = Choice { token: Some(token(&members, 2)), ..Choice::default() };
    let picked = sticky(&members).pick(&choice, &Broken(&[0, 2]), &Tried::new());
    assert_eq!(picked, Pick::Server(1));
}
