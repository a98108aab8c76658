//! The pool of a run.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::breaker::Breaker;
use evenkeel_core::budget::Budget;
use evenkeel_core::config::{
    Balance, Check, CheckKind, Hash, HttpCheck, Limits, Pool, RetryBudget, SameSite, Sticky,
    ZoneId, Zoning,
};
use evenkeel_core::dice::Dice;
use evenkeel_core::ewma::{Ewma, Failures};
use evenkeel_core::hash::Seed;
use evenkeel_core::health::{Health, Policy};
use evenkeel_core::moment::Moment;
use evenkeel_core::outlier::{Cap, Tally, Window};
use evenkeel_core::pool::{Member, Roster};
use evenkeel_core::verdict::Hearing;

use super::{Ledger, RECOVERY, Server, Story, TROUBLE, World};
use crate::virtual_time::agenda::Agenda;
use crate::virtual_time::nature::Nature;

/// One run in so many has no trouble but with what all servers share.
const CALM: u64 = 8;

impl World {
    pub(in crate::virtual_time) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let agenda = Agenda::new();
        let now = agenda.now();
        let calm = seed.is_multiple_of(CALM);
        let pool = pool(&mut dice, calm);
        let members: Vec<_> = members(&mut dice);
        let policy = Policy { check: pool.check.clone(), outlier: pool.outlier.clone() };
        let policy = Arc::new(policy);
        let servers = members.iter().map(|_| server(&policy, dice.roll(), now)).collect();
        let patience = pool.check.as_ref().map_or(Duration::ZERO, |check| check.interval * 3);
        let cap = Cap::new(pool.outlier.cap_percent);
        Self {
            seed,
            roster: Roster::build(&pool, &members),
            hearing: Hearing::new(cap, 0..members.len(), patience, now),
            pool,
            members,
            servers,
            budget: Budget::new(),
            breaker: Breaker::new(),
            ledger: Ledger::default(),
            requests: std::collections::BTreeMap::new(),
            calm,
            outages: 0,
            trouble_ends: now + TROUBLE,
            ends: now + TROUBLE + RECOVERY,
            story: Story::default(),
            dice,
            agenda,
            step: None,
        }
    }
}

fn pool(dice: &mut Dice, calm: bool) -> Pool {
    let mut pool = Pool::new("simulated".into());
    pool.balance = match dice.below(6) {
        0 => Balance::RoundRobin,
        1 => Balance::LeastConnections,
        2 => Balance::P2c,
        3 => Balance::PeakEwma,
        4 => Balance::Random,
        _ => Balance::Hash(Hash::default()),
    };
    let http = || HttpCheck::default();
    let kind = match dice.below(6) {
        _ if calm => Some(CheckKind::Deep(http())),
        0 => None,
        1 => Some(CheckKind::Tcp),
        2 => Some(CheckKind::Http(http())),
        _ => Some(CheckKind::Deep(http())),
    };
    pool.check = kind.map(|kind| Check { kind, ..Check::default() });
    let floor = [0, 1, 10][dice.below(3)];
    pool.retry.budget = RetryBudget { floor, ..RetryBudget::default() };
    pool.outlier.cap_percent = [0, 33, 33, 50][dice.below(4)];
    let requests = [None, Some(20)][dice.below(2)];
    pool.breaker.pool = Limits { requests, ..Limits::default() };
    pool.slow_start = (dice.below(3) == 0).then(|| Duration::from_secs(20));
    pool.sticky = (dice.below(3) == 0).then(|| Sticky {
        cookie: "srv".into(),
        seed: Seed::from_secret(b"simulated"),
        same_site: SameSite::default(),
        max_age: None,
    });
    pool.zoning = (dice.below(2) == 0).then(|| Zoning { own: ZoneId(0), balancers: Vec::new() });
    pool
}

/// Two to nine servers in three zones; a backup or two in one pool of three.
fn members(dice: &mut Dice) -> Vec<Member> {
    let servers = 2 + dice.below(8);
    let backups = if dice.below(3) == 0 { 1 + dice.below(2) } else { 0 };
    let member = |place: usize| Member {
        identity: evenkeel_core::hash::identity(&place.to_string()),
        weight: 1 + u16::try_from(dice.below(4)).expect("below 4"),
        backup: place > 0 && place + backups >= servers,
        zone: Some(ZoneId(place as u64 % 3)),
        ..Member::READY
    };
    (0..servers).map(member).collect()
}

fn server(policy: &Arc<Policy>, chance: u64, now: Moment) -> Server {
    Server {
        nature: Nature::WELL,
        untouched: true,
        health: Health::new(Arc::clone(policy), now),
        came: Moment::START,
        in_flight: 0,
        ewma: Ewma::new(now),
        failures: Failures::new(now),
        traffic: Tally::default(),
        window: Window::new(Tally::default(), now),
        checking: false,
        due: None,
        chance,
    }
}
