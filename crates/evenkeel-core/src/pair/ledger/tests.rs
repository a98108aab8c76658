use proptest::prelude::*;

use super::super::NodeId;
use super::*;

fn entry(millis: u64, node: u64, value: Option<u8>) -> Entry<u8> {
    let stamp = Stamp { millis, count: 0, node: NodeId(node) };
    Entry { stamp, author: "ann".into(), reason: "".into(), value }
}

/// What there is to see from outside.
fn seen(ledger: &Ledger<u8, u8>) -> Vec<(u8, Entry<u8>)> {
    ledger.iter().map(|(key, entry)| (*key, entry.clone())).collect()
}

fn merge(into: &mut Ledger<u8, u8>, from: &Ledger<u8, u8>) {
    for (key, entry) in from.iter() {
        into.take(*key, entry.clone());
    }
}

#[test]
fn the_last_word_stays() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.take("app/a", entry(5, 1, Some(1))), Taken::New);
    assert_eq!(ledger.take("app/a", entry(5, 1, Some(1))), Taken::Known, "again");
    assert_eq!(ledger.take("app/a", entry(4, 9, Some(2))), Taken::Known, "said before");
    assert_eq!(ledger.take("app/a", entry(5, 2, Some(3))), Taken::New, "the same moment");
    assert_eq!(ledger.get(&"app/a"), Some(&entry(5, 2, Some(3))));
    assert_eq!(ledger.take("app/a", entry(6, 1, None)), Taken::New);
    assert_eq!(ledger.take("app/a", entry(5, 7, Some(4))), Taken::Known, "taken back since");
    assert!(ledger.is_empty());
}

#[test]
fn what_is_new_is_told_once() {
    let mut ledger = Ledger::default();
    ledger.take(1, entry(1, 1, Some(1)));
    ledger.take(2, entry(1, 1, Some(1)));
    let told = ledger.number();
    assert_eq!(ledger.since(0).count(), 2);
    ledger.take(1, entry(2, 1, None));
    ledger.take(2, entry(1, 1, Some(1)));
    assert_eq!(ledger.since(told).map(|(key, _)| *key).collect::<Vec<_>>(), [1]);
    assert_eq!(ledger.since(ledger.number()).count(), 0);
}

#[test]
fn what_a_clock_dated_too_late_is_dated_back_and_told_again() {
    let mut ledger = Ledger::default();
    ledger.take(1, entry(50, 1, Some(1)));
    ledger.take(2, entry(170, 1, Some(2)));
    ledger.take(3, entry(900, 1, None));
    let told = ledger.number();
    ledger.set_back(100, 120);
    let dates: Vec<u64> = ledger.iter().map(|(_, entry)| entry.stamp.millis).collect();
    assert_eq!(dates, [50, 50, 100], "none is later than now");
    assert_eq!(ledger.since(told).count(), 0);
    ledger.renew();
    assert_eq!(ledger.since(told).count(), 3);
    assert_eq!(ledger.since(ledger.number()).count(), 0);
}

#[test]
fn both_nodes_end_a_word_alike_and_a_later_one_stands() {
    let said = entry(5, 1, Some(1));
    let (mut a, mut b) = (Ledger::default(), Ledger::default());
    a.take(1, said.clone());
    b.take(1, said);
    let later = entry(6, 2, Some(2));
    a.end(&1);
    b.end(&1);
    assert_eq!((a.is_empty(), seen(&a)), (true, seen(&b)));
    assert_eq!(a.take(1, later.clone()), Taken::New);
    merge(&mut a, &b);
    assert_eq!(a.get(&1), Some(&later));
    let told = b.number();
    b.end(&1);
    assert_eq!(b.number(), told, "there is nothing to end");
}

#[test]
fn gaps_are_forgotten_in_the_end_and_what_holds_is_not() {
    let mut ledger = Ledger::default();
    ledger.take(1, entry(1_000, 1, None));
    ledger.take(2, entry(1_000, 1, Some(1)));
    let life = u64::try_from(GAP_LIFE.as_millis()).unwrap();
    ledger.forget(999 + life);
    assert_eq!(ledger.iter().count(), 2);
    ledger.forget(1_000 + life);
    assert_eq!(ledger.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [2]);
}

#[test]
fn there_is_room_for_so_many() {
    let mut ledger = Ledger::default();
    for key in 0..MOST_ENTRIES {
        assert_eq!(ledger.take(key, entry(1, 1, Some(1))), Taken::New);
    }
    assert_eq!(ledger.take(MOST_ENTRIES, entry(2, 1, Some(1))), Taken::Full);
    assert_eq!(ledger.take(7, entry(2, 1, Some(2))), Taken::New, "what is known can change");
}

prop_compose! {
    fn ledgers()(words in prop::collection::vec(
        (0_u8..6, 0_u64..4, 0_u64..3, prop::option::of(0_u8..3)), 0..20,
    )) -> Ledger<u8, u8> {
        let mut ledger = Ledger::default();
        for (key, millis, node, value) in words {
            ledger.take(key, entry(millis, node, value));
        }
        ledger
    }
}

proptest! {
    #[test]
    fn the_order_of_merging_makes_no_difference(a in ledgers(), b in ledgers(), c in ledgers()) {
        let (mut one, mut two) = (a.clone(), b.clone());
        merge(&mut one, &b);
        merge(&mut two, &a);
        prop_assert_eq!(seen(&one), seen(&two), "commutative");
        merge(&mut one, &c);
        let mut three = b.clone();
        merge(&mut three, &c);
        let mut four = a.clone();
        merge(&mut four, &three);
        prop_assert_eq!(seen(&one), seen(&four), "associative");
    }

    #[test]
    fn merging_again_changes_nothing(a in ledgers(), b in ledgers()) {
        let mut one = a.clone();
        merge(&mut one, &b);
        let (before, number) = (seen(&one), one.number());
        merge(&mut one, &b);
        merge(&mut one, &a);
        prop_assert_eq!(seen(&one), before);
        prop_assert_eq!(one.number(), number, "and is not told again");
    }
}
