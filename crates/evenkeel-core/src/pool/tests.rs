use proptest::prelude::*;

use super::{Admin, Member, Mode, Roster, Rules};
use crate::config::{Pool, ZoneId, Zoning};

const UP: Member = Member::READY;
const DOWN: Member = Member { usable: false, ..UP };
const SPARE: Member = Member { backup: true, ..UP };
const SPARE_DOWN: Member = Member { backup: true, ..DOWN };
const DRAIN: Member = Member { admin: Admin::Drain, ..UP };
const MAINT: Member = Member { admin: Admin::Maint, ..UP };
const WEIGHTLESS: Member = Member { weight: 0, ..UP };

#[test]
fn modes() {
    let table: &[(&[Member], Mode, &[usize])] = &[
        (&[], Mode::Empty, &[]),
        (&[DRAIN, MAINT, WEIGHTLESS], Mode::Empty, &[]),
        (&[UP], Mode::Normal, &[0]),
        (&[UP, UP, UP], Mode::Normal, &[0, 1, 2]),
        (&[UP, DRAIN, UP, MAINT, WEIGHTLESS], Mode::Normal, &[0, 2]),
        // The last server is never lost, be it the only one or the only one left in service.
        (&[DOWN], Mode::Panic, &[0]),
        (&[MAINT, DOWN, DRAIN], Mode::Panic, &[1]),
        (&[SPARE_DOWN], Mode::Panic, &[0]),
        // Half of a pool is enough, less is not.
        (&[UP, DOWN], Mode::Normal, &[0]),
        (&[UP, DOWN, UP], Mode::Normal, &[0, 2]),
        (&[UP, DOWN, DOWN], Mode::Panic, &[0, 1, 2]),
        (&[UP, UP, DOWN, DOWN], Mode::Normal, &[0, 1]),
        (&[UP, UP, DOWN, DOWN, DOWN], Mode::Panic, &[0, 1, 2, 3, 4]),
        // Those out of service are not part of the whole of which half must be left.
        (&[UP, DOWN, MAINT, DRAIN, WEIGHTLESS], Mode::Normal, &[0]),
        (&[DOWN, DOWN], Mode::Panic, &[0, 1]),
        // Backups.
        (&[UP, SPARE], Mode::Normal, &[0]),
        (&[DOWN, SPARE], Mode::Backup, &[1]),
        (&[DRAIN, SPARE], Mode::Backup, &[1]),
        (&[SPARE, SPARE], Mode::Backup, &[0, 1]),
        (&[DOWN, DOWN, SPARE, SPARE_DOWN], Mode::Backup, &[2]),
        (&[UP, DOWN, DOWN, SPARE], Mode::Panic, &[0, 1, 2]),
        (&[DOWN, SPARE_DOWN], Mode::Panic, &[0, 1]),
        (&[DOWN, Member { admin: Admin::Drain, ..SPARE }], Mode::Panic, &[0]),
    ];
    for (members, mode, used) in table {
        let roster = Roster::build(Rules::default(), members);
        let found: Vec<usize> = (0..members.len()).filter(|&one| roster.uses(one)).collect();
        assert_eq!((roster.mode(), &*found), (*mode, *used), "{members:?}");
    }
}

/// A tier of so many servers of which so many are usable.
fn tier(priority: u8, usable: usize, total: usize) -> impl Iterator<Item = Member> {
    (0..total).map(move |at| Member { priority, usable: at < usable, ..UP })
}

#[test]
fn tiers_spill_as_they_grow_short() {
    // Usable of 100 in each tier, and what each tier gets in percent. The first rows are Envoy's.
    let table: &[(&[usize], Mode, &[u32])] = &[
        (&[100, 100], Mode::Normal, &[100]),
        (&[72, 100], Mode::Normal, &[100]),
        (&[71, 100], Mode::Normal, &[99, 1]),
        (&[50, 100], Mode::Normal, &[70, 30]),
        (&[25, 100], Mode::Normal, &[35, 65]),
        (&[0, 100], Mode::Normal, &[100]),
        (&[25, 25, 100], Mode::Normal, &[35, 35, 30]),
        // Together they can take it all, so nobody is doubted.
        (&[40, 40], Mode::Normal, &[56, 44]),
        // They cannot: 35 and 35 of 70.
        (&[25, 25], Mode::Panic, &[50, 50]),
        (&[60, 5], Mode::Panic, &[93, 7]),
        (&[1, 0], Mode::Panic, &[100]),
    ];
    for (usable, mode, percent) in table {
        let tiers = (0..).zip(*usable);
        let members: Vec<_> = tiers.flat_map(|(at, &usable)| tier(at, usable, 100)).collect();
        let roster = Roster::build(Rules::default(), &members);
        let found: Vec<_> = roster.shares().map(|share| share.parts_per_million / 10_000).collect();
        assert_eq!((roster.mode(), &*found), (*mode, *percent), "{usable:?}");
    }
}

#[test]
fn in_a_panic_only_the_doubtful_tier_is_used_whole() {
    let members: Vec<_> = tier(0, 6, 10).chain(tier(1, 0, 5)).chain(tier(2, 1, 10)).collect();
    let roster = Roster::build(Rules::default(), &members);
    let used: Vec<_> = (0..members.len()).filter(|&one| roster.uses(one)).collect();
    let expected: Vec<_> = (0..6).chain(15..25).collect();
    assert_eq!((roster.mode(), used), (Mode::Panic, expected));
}

#[test]
fn backups_have_tiers_of_their_own() {
    let backups = tier(7, 2, 4).chain(tier(3, 1, 2));
    let mut members: Vec<_> =
        backups.map(|member| Member { backup: true, ..member }).chain([DOWN]).collect();
    let roster = Roster::build(Rules::default(), &members);
    let shares: Vec<_> =
        roster.shares().map(|share| (share.priority, share.parts_per_million)).collect();
    assert_eq!((roster.mode(), shares), (Mode::Backup, vec![(3, 700_000), (7, 300_000)]));
    members[6].usable = true;
    assert_eq!(Roster::build(Rules::default(), &members).mode(), Mode::Normal);
}

#[test]
fn members_beyond_the_limit_are_not_used() {
    let roster = Roster::build(Rules::default(), &vec![UP; Pool::MOST_SERVERS + 1]);
    assert!(roster.uses(Pool::MOST_SERVERS - 1));
    assert!(!roster.uses(Pool::MOST_SERVERS));
}

pub(crate) fn members() -> impl Strategy<Value = Vec<Member>> {
    let admin =
        prop_oneof![4 => Just(Admin::Ready), 1 => Just(Admin::Drain), 1 => Just(Admin::Maint)];
    let weight = prop_oneof![1 => Just(0_u16), 4 => Just(1), 4 => 1..=256_u16];
    let priority = prop_oneof![4 => Just(0_u8), 1 => 1..3_u8];
    let zone = prop::option::weighted(0.8, (0..3_u64).prop_map(ZoneId));
    let place = (any::<u64>(), priority, zone);
    let member = (weight, prop::bool::weighted(0.2), admin, any::<bool>(), place).prop_map(
        |(weight, backup, admin, usable, (identity, priority, zone))| Member {
            identity,
            weight,
            backup,
            priority,
            zone,
            admin,
            usable,
            ..UP
        },
    );
    prop::collection::vec(member, 0..12)
}

proptest! {
    /// Somebody is used as soon as anybody could be, and nobody an operator has taken out.
    #[test]
    fn nobody_is_used_against_the_operator(members in members()) {
        let roster = Roster::build(Rules::default(), &members);
        let in_service = |member: &Member| member.admin == Admin::Ready && member.weight > 0;
        prop_assert_eq!(roster.mode() == Mode::Empty, !members.iter().any(in_service));
        let used: Vec<_> = members.iter().enumerate().filter(|(one, _)| roster.uses(*one)).collect();
        prop_assert_eq!(used.is_empty(), roster.mode() == Mode::Empty);
        for (one, member) in used {
            prop_assert!(in_service(member), "{one}");
            prop_assert!(member.usable || roster.mode() == Mode::Panic, "{one}");
        }
    }

    /// All of the traffic goes somewhere.
    #[test]
    fn no_share_is_lost(members in members(), own in 0..4_u64) {
        let zoning = Zoning { own: ZoneId(own), balancers: Vec::new() };
        let rules = Rules { zoning: Some(&zoning), ..Rules::default() };
        let roster = Roster::build(rules, &members);
        let parts: u32 = roster.shares().map(|share| share.parts_per_million).sum();
        let empty = roster.mode() == Mode::Empty;
        prop_assert!(if empty { parts == 0 } else { (999_980..=1_000_000).contains(&parts) }, "{parts}");
    }
}
