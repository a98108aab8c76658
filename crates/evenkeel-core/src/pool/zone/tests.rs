use super::*;

/// What a node in zone 0 gives to each zone, in parts of a thousand. Zones are given as (usable,
/// all) servers.
fn shares(zones: &[(usize, usize)], balancers: &[u32]) -> Vec<u32> {
    let mut members = Vec::new();
    for (id, &(usable, all)) in (0..).zip(zones) {
        let zone = Some(ZoneId(id));
        members.extend((0..all).map(|at| Member { zone, usable: at < usable, ..Member::READY }));
    }
    let places: Vec<u16> = (0..).zip(&members).map(|(place, _)| place).collect();
    let balancers = (0..).map(ZoneId).zip(balancers.iter().copied()).collect();
    let zoning = Zoning { own: ZoneId(0), balancers };
    let mut shares = vec![0; zones.len()];
    for (zone, parts, _) in divide(Some(&zoning), WHOLE, &places, &members) {
        shares[usize::try_from(zone.unwrap().0).unwrap()] = (parts + 500) / 1_000;
    }
    shares
}

/// (Usable, all) of each zone, nodes in each zone (none: alike), and what each zone gets.
type Row = (&'static [(usize, usize)], &'static [u32], &'static [u32]);

#[test]
fn own_zone_first_and_the_rest_to_who_can_spare() {
    let table: &[Row] = &[
        (&[(3, 3), (3, 3), (3, 3)], &[], &[1_000, 0, 0]),
        (&[(3, 3)], &[], &[1_000]),
        // 1.4: two of seven may go, and one of three just not.
        (&[(5, 7), (7, 7)], &[], &[1_000, 0]),
        (&[(2, 3), (3, 3), (3, 3)], &[], &[955, 23, 23]),
        (&[(1, 3), (3, 3), (3, 3)], &[], &[568, 216, 216]),
        (&[(0, 3), (3, 3), (3, 3)], &[], &[0, 500, 500]),
        // A zone that is lost elsewhere takes nothing, and nobody's own traffic leaves for it.
        (&[(3, 3), (0, 3), (3, 3)], &[], &[1_000, 0, 0]),
        // Unequal zones: the small one keeps what its servers can take at the load of all.
        (&[(1, 1), (3, 3)], &[], &[500, 500]),
        (&[(2, 2), (3, 3), (5, 5)], &[], &[600, 0, 400]),
        (&[(5, 5), (3, 3), (2, 2)], &[], &[1_000, 0, 0]),
        // Half of each zone is gone: nowhere is better.
        (&[(2, 4), (2, 4)], &[], &[1_000, 0]),
        // Nodes in a zone without servers leave the small zone to its own nodes.
        (&[(0, 0), (1, 1), (3, 3)], &[], &[0, 0, 1_000]),
        (&[(0, 0), (1, 1), (3, 3)], &[1], &[0, 250, 750]),
        // All nodes stand in zone 0: each server has the same share of their traffic.
        (&[(2, 2), (2, 2)], &[2], &[500, 500]),
        (&[(2, 2), (2, 2)], &[1, 1], &[1_000, 0]),
        (&[(2, 2), (2, 2)], &[2, 1], &[750, 250]),
        // The operator has forgotten this node's own zone.
        (&[(2, 2), (2, 2)], &[0, 1], &[1_000, 0]),
    ];
    for (zones, balancers, expected) in table {
        assert_eq!(shares(zones, balancers), *expected, "{zones:?} {balancers:?}");
    }
}

#[test]
fn servers_without_a_zone_are_elsewhere() {
    let members = [Member { zone: Some(ZoneId(0)), ..Member::READY }, Member::READY];
    let zoning = Zoning { own: ZoneId(0), balancers: Vec::new() };
    let divided = divide(Some(&zoning), WHOLE, &[0, 1], &members);
    // All traffic comes in here, so each server takes a half.
    let half = WHOLE / 2;
    assert_eq!(divided, [(Some(ZoneId(0)), half, vec![0]), (None, half, vec![1])]);
}

#[test]
fn no_part_is_lost() {
    for own in 0..8 {
        for other in 0..8 {
            let shares = shares(&[(own, 7), (other, 7), (5, 7)], &[]);
            let sum: u32 = shares.iter().sum();
            assert!((999..=1_001).contains(&sum), "{own} {other} {shares:?}");
        }
    }
}

#[test]
fn the_largest_pool_does_not_overflow() {
    let weight = u16::MAX;
    let member = |at: u16| Member { weight, zone: Some(ZoneId((at % 3).into())), ..Member::READY };
    let members: Vec<_> = (0..16_384).map(member).collect();
    let places: Vec<u16> = (0..16_384).collect();
    let balancers = (0..3).map(|id| (ZoneId(id), u32::MAX)).collect();
    let zoning = Zoning { own: ZoneId(0), balancers };
    assert_eq!(divide(Some(&zoning), WHOLE, &places, &members)[0].1, WHOLE);
}
