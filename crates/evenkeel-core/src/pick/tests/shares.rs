//! Tiers, zones and slow start, as requests meet them.

use std::collections::BTreeSet;

use super::*;
use crate::config::{ZoneId, Zoning};
use crate::pool::Admin;

/// `sizes[z]` servers in zone z, of tier 0.
fn zones(sizes: &[usize]) -> Vec<Member> {
    let mut members = weighted(&vec![1; sizes.iter().sum()]);
    let ids = (0..).zip(sizes).flat_map(|(id, &size)| std::iter::repeat_n(ZoneId(id), size));
    for (member, zone) in members.iter_mut().zip(ids) {
        member.zone = Some(zone);
    }
    members
}

fn node(balance: Balance, own: u64, members: &[Member]) -> Roster {
    let zoning = Zoning { own: ZoneId(own), balancers: Vec::new() };
    Roster::build(Rules { balance, sticky: None, zoning: Some(&zoning) }, members)
}

#[test]
fn every_server_has_the_same_load_when_zones_differ() {
    // One node in each zone, each with the same traffic.
    let members = zones(&[2, 3, 5]);
    for balance in [Balance::RoundRobin, Balance::P2c, Balance::Random, RENDEZVOUS, MAGLEV] {
        let mut total = vec![0; members.len()];
        for own in 0..3 {
            let counts = counts(&node(balance, own, &members), members.len(), 20_000);
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        }
        assert!(total.iter().all(|&load| load.abs_diff(6_000) < 400), "{balance:?} {total:?}");
    }
}

#[test]
fn a_zone_that_is_lost_is_not_missed() {
    let mut members = zones(&[3, 3, 3]);
    members[..3].iter_mut().for_each(|member| member.usable = false);
    let load = |own| counts(&node(Balance::RoundRobin, own, &members), 9, 9_000);
    let survivor = |zone: usize| {
        let mut expected = vec![0; 9];
        expected[zone * 3..][..3].fill(3_000);
        expected
    };
    assert_eq!(load(1), survivor(1));
    assert_eq!(load(2), survivor(2));
    // The node in the lost zone spreads its traffic over the others.
    let orphan = load(0);
    assert_eq!(orphan[..3], [0, 0, 0]);
    assert!(orphan[3..].iter().all(|&count| count.abs_diff(1_500) < 150), "{orphan:?}");
}

#[test]
fn a_request_that_fails_in_its_zone_leaves_it() {
    // One try in each zone, then what is left of them.
    let roster = node(Balance::RoundRobin, 1, &zones(&[1, 2, 1]));
    let orders: BTreeSet<_> = (0..100).map(|chance| order(&roster, chance, |_| 0)).collect();
    let turns = |own: [usize; 2]| {
        let [first, last] = own;
        [vec![first, 0, 3, last], vec![first, 3, 0, last]]
    };
    assert_eq!(orders, turns([1, 2]).into_iter().chain(turns([2, 1])).collect());
}

#[test]
fn a_key_stays_where_it_is_while_traffic_spills() {
    let members = zones(&[1, 4]);
    for balance in [RENDEZVOUS, MAGLEV] {
        let roster = node(balance, 0, &members);
        for key in 0..500 {
            let at = |chance| {
                let choice = Choice {
                    key: Some(crate::hash::mix(key, 9)),
                    chance,
                    turn: chance,
                    token: None,
                };
                roster.pick(&choice, &IDLE, &Tried::new())
            };
            assert!((1..20).all(|chance| at(chance) == at(0)), "{balance:?}");
        }
    }
}

#[test]
fn tiers_get_their_shares() {
    let mut members = weighted(&[1; 8]);
    members[4..].iter_mut().for_each(|member| member.priority = 1);
    members[..2].iter_mut().for_each(|member| member.usable = false);
    let counts = counts(&build(Balance::Random, &members), 8, 20_000);
    assert_eq!(counts[..2], [0, 0]);
    assert!(counts[2..4].iter().all(|&count| count.abs_diff(7_000) < 300), "{counts:?}");
    assert!(counts[4..].iter().all(|&count| count.abs_diff(1_500) < 200), "{counts:?}");
}

#[test]
fn a_new_server_takes_its_part() {
    for balance in [Balance::RoundRobin, Balance::Random, Balance::P2c, RENDEZVOUS, MAGLEV] {
        let mut members = weighted(&[1; 4]);
        members[3].ramp = 10;
        let loads = counts(&build(balance, &members), 4, 31_000);
        assert!(
            loads[..3].iter().all(|&load| load.abs_diff(10_000) < 500),
            "{balance:?} {loads:?}"
        );
        assert!(loads[3].abs_diff(1_000) < 200, "{balance:?} {loads:?}");
    }
}

#[test]
fn a_pool_that_is_mostly_new_does_not_wait() {
    let mut members = weighted(&[1; 4]);
    for (new, expected) in [(2, [100, 100, 10, 10]), (3, [55, 55, 55, 55]), (4, [55; 4])] {
        members.iter_mut().rev().take(new).for_each(|member| member.ramp = 10);
        assert_eq!(counts(&build(Balance::RoundRobin, &members), 4, 220), expected, "{new}");
    }
    // A backup is not one of the old ones that could take the traffic.
    let mut members = weighted(&[1; 4]);
    members[3].ramp = 10;
    members[..3].iter_mut().for_each(|member| member.backup = true);
    assert_eq!(counts(&build(Balance::RoundRobin, &members), 4, 10), [0, 0, 0, 10]);
}

#[test]
fn the_next_one_to_be_restarted_does_not_leave_the_last_one_alone() {
    let mut members = weighted(&[1; 3]);
    members[0].ramp = 10;
    assert_eq!(counts(&build(Balance::RoundRobin, &members), 3, 210), [10, 100, 100]);
    members[1].usable = false;
    assert_eq!(counts(&build(Balance::RoundRobin, &members), 3, 210), [105, 0, 105]);
    members[1] = Member { usable: true, admin: Admin::Drain, ..members[1] };
    assert_eq!(counts(&build(Balance::RoundRobin, &members), 3, 210), [105, 0, 105]);
}

#[test]
fn a_server_that_is_back_gets_no_less_than_one_that_is_down() {
    let mut members = weighted(&[1; 5]);
    members[0].ramp = 10;
    members[2..].iter_mut().for_each(|member| member.usable = false);
    let roster = build(Balance::RoundRobin, &members);
    assert_eq!(roster.mode(), Mode::Panic);
    assert_eq!(counts(&roster, 5, 50), [10; 5]);
}

#[test]
fn tiers_start_slowly_each_for_itself() {
    // Half of the traffic of the first tier, which has two of four, goes to the second.
    let mut members = weighted(&[1; 8]);
    members[4..].iter_mut().for_each(|member| member.priority = 1);
    members[..2].iter_mut().for_each(|member| member.usable = false);
    members[2].ramp = 10; // with one that is not new of four, it has no time
    members[7].ramp = 10;
    let counts = counts(&build(Balance::Random, &members), 8, 31_000);
    assert!(counts[2].abs_diff(counts[3]) < 600, "{counts:?}");
    assert!(counts[7].abs_diff(counts[4] / 10) < 120, "{counts:?}");
}
