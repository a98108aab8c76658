use proptest::prelude::*;

use super::{Admin, Member, Mode, Roster};
use crate::config::{Balance, Pool};

const UP: Member = Member { weight: 1, backup: false, admin: Admin::Ready, usable: true };
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
        let roster = Roster::build(Balance::RoundRobin, members);
        let found: Vec<usize> = (0..members.len()).filter(|&one| roster.uses(one)).collect();
        assert_eq!((roster.mode(), &*found), (*mode, *used), "{members:?}");
    }
}

#[test]
fn members_beyond_the_limit_are_not_used() {
    let roster = Roster::build(Balance::RoundRobin, &vec![UP; Pool::MOST_SERVERS + 1]);
    assert!(roster.uses(Pool::MOST_SERVERS - 1));
    assert!(!roster.uses(Pool::MOST_SERVERS));
}

pub(crate) fn members() -> impl Strategy<Value = Vec<Member>> {
    let admin =
        prop_oneof![4 => Just(Admin::Ready), 1 => Just(Admin::Drain), 1 => Just(Admin::Maint)];
    let weight = prop_oneof![1 => Just(0_u16), 4 => Just(1), 4 => 1..=256_u16];
    let member = (weight, prop::bool::weighted(0.2), admin, any::<bool>())
        .prop_map(|(weight, backup, admin, usable)| Member { weight, backup, admin, usable });
    prop::collection::vec(member, 0..12)
}

proptest! {
    /// Somebody is used as soon as anybody could be, and nobody an operator has taken out.
    #[test]
    fn nobody_is_used_against_the_operator(members in members()) {
        let roster = Roster::build(Balance::RoundRobin, &members);
        let in_service = |member: &Member| member.admin == Admin::Ready && member.weight > 0;
        prop_assert_eq!(roster.mode() == Mode::Empty, !members.iter().any(in_service));
        let used: Vec<_> = members.iter().enumerate().filter(|(one, _)| roster.uses(*one)).collect();
        prop_assert_eq!(used.is_empty(), roster.mode() == Mode::Empty);
        for (one, member) in used {
            prop_assert!(in_service(member), "{one}");
            prop_assert!(member.usable || roster.mode() == Mode::Panic, "{one}");
        }
    }
}
