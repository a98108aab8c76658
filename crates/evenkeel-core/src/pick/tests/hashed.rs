//! Where keys belong: rendezvous and Maglev.

use super::*;
use crate::hash::key;

const HASHES: [Balance; 2] = [RENDEZVOUS, MAGLEV];
const KEYS: u32 = 60_000;

fn place(roster: &Roster, key: u64) -> usize {
    let choice = Choice { key: Some(key), ..Choice::default() };
    roster.pick(&choice, &IDLE, &Tried::new()).server().unwrap()
}

fn keys() -> impl Iterator<Item = u64> {
    (0..KEYS).map(|number| key(&number.to_le_bytes()))
}

fn placed(roster: &Roster) -> Vec<usize> {
    keys().map(|key| place(roster, key)).collect()
}

fn shares(places: &[usize], servers: usize) -> Vec<u32> {
    let mut shares = vec![0; servers];
    for &place in places {
        shares[place] += 1;
    }
    shares
}

/// Another letter here sends users of a running installation to another server.
#[test]
fn golden_places() {
    for (balance, golden) in
        [(RENDEZVOUS, "bdbbbbddadcdaaddaaabadda"), (MAGLEV, "bdddcdbdcdacbdddadaddddd")]
    {
        let roster = build(balance, &weighted(&[1, 2, 1, 4]));
        let places =
            (0..24).map(|last| place(&roster, key(format!("203.0.113.{last}").as_bytes())));
        let letters: String =
            places.map(|at| char::from(b'a' + u8::try_from(at).unwrap())).collect();
        assert_eq!(letters, golden, "{balance:?}");
    }
}

#[test]
fn keys_are_spread_by_weight() {
    for balance in HASHES {
        for weights in [&[1, 1, 1][..], &[1, 2, 3], &[200, 100, 1], &[1; 50], &[7], &[3, 0, 1]] {
            let shares = shares(&placed(&build(balance, &weighted(weights))), weights.len());
            let total: u32 = weights.iter().map(|&weight| u32::from(weight)).sum();
            for (&found, &weight) in shares.iter().zip(weights) {
                let exact = f64::from(weight) / f64::from(total) * f64::from(KEYS);
                let most = 5.0 * exact.sqrt() + exact / 50.0;
                assert!(
                    (f64::from(found) - exact).abs() <= most,
                    "{balance:?} {weights:?} {shares:?}"
                );
            }
        }
    }
}

/// Those whose server stayed, and yet were moved.
fn moved_needlessly(before: &[usize], after: &[usize], gone: usize) -> usize {
    before.iter().zip(after).filter(|(before, after)| **before != gone && before != after).count()
}

#[test]
fn a_server_that_leaves_takes_only_its_keys() {
    // Of all keys, in percent: none for rendezvous, a few for Maglev.
    for (balance, most) in [(RENDEZVOUS, 0), (MAGLEV, 4)] {
        for weights in [&[1; 4][..], &[1; 20], &[1, 2, 3, 4]] {
            let mut members = weighted(weights);
            let before = placed(&build(balance, &members));
            members[1].usable = false;
            let after = placed(&build(balance, &members));
            let moved = moved_needlessly(&before, &after, 1);
            assert!(moved * 100 <= before.len() * most, "{balance:?} {weights:?}: {moved}");
            // And when it is back, everything is as it was.
            members[1].usable = true;
            assert_eq!(placed(&build(balance, &members)), before);
        }
    }
}

#[test]
fn keys_of_a_server_that_left_are_spread_over_the_others() {
    for balance in HASHES {
        let mut members = weighted(&[1; 5]);
        let before = placed(&build(balance, &members));
        members[2].usable = false;
        let after = placed(&build(balance, &members));
        let heirs: Vec<_> =
            before.iter().zip(after).filter(|(was, _)| **was == 2).map(|(_, is)| is).collect();
        let shares = shares(&heirs, 5);
        let fair = u32::try_from(heirs.len() / 4).unwrap();
        for heir in [0, 1, 3, 4] {
            assert!(shares[heir].abs_diff(fair) < fair / 5, "{balance:?} {shares:?}");
        }
    }
}

#[test]
fn a_retry_goes_where_the_key_would_go_without_the_server() {
    let mut members = weighted(&[1; 6]);
    let whole = build(RENDEZVOUS, &members);
    members[3].usable = false;
    let without = build(RENDEZVOUS, &members);
    let mut tried = Tried::new();
    tried.insert(3);
    for key in keys().take(2_000).filter(|&key| place(&whole, key) == 3) {
        let choice = Choice { key: Some(key), ..Choice::default() };
        let second = whole.pick(&choice, &IDLE, &tried).server();
        assert_eq!(second, Some(place(&without, key)));
    }
}

/// Two nodes whose files name the servers in another order agree.
#[test]
fn the_order_in_the_file_does_not_matter() {
    for balance in HASHES {
        let forward = weighted(&[1, 2, 3, 4, 5]);
        let backward: Vec<_> = forward.iter().rev().copied().collect();
        let (a, b) = (build(balance, &forward), build(balance, &backward));
        assert!(keys().take(5_000).all(|key| place(&a, key) == 4 - place(&b, key)), "{balance:?}");
    }
}

#[test]
fn a_request_without_a_key_is_placed_by_chance() {
    for balance in HASHES {
        let roster = build(balance, &weighted(&[1; 4]));
        let mut counts = [0_u32; 4];
        for chance in 0..8_000 {
            let choice = Choice { chance, ..Choice::default() };
            counts[roster.pick(&choice, &IDLE, &Tried::new()).server().unwrap()] += 1;
        }
        assert!(counts.iter().all(|&count| count.abs_diff(2_000) < 250), "{balance:?} {counts:?}");
    }
}

#[test]
fn the_largest_pool_has_a_table() {
    let members = weighted(&vec![1; Pool::MOST_SERVERS]);
    let roster = build(MAGLEV, &members);
    let mut seen = vec![false; members.len()];
    for key in (0..400_000).map(|number: u64| key(&number.to_le_bytes())) {
        seen[place(&roster, key)] = true;
    }
    assert!(seen.iter().all(|&seen| seen));
}

/// What is in flight is also the total of it.
struct Counted(Vec<u32>);

impl Loads for Counted {
    fn in_flight(&self, member: usize) -> u32 {
        self.0[member]
    }

    fn failures(&self, _: usize) -> u32 {
        0
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|&load| u64::from(load)).sum()
    }

    fn latency(&self, _: usize) -> f64 {
        0.0
    }
}

#[test]
fn a_popular_key_does_not_drown_its_server() {
    for table in [HashTable::Rendezvous, HashTable::Maglev] {
        let balance = Balance::Hash(Hash { table, bound: Some(125) });
        let roster = build(balance, &weighted(&[1, 1, 2]));
        let mut loads = Counted(vec![0; 3]);
        let popular = Choice { key: Some(key(b"popular")), ..Choice::default() };
        for _ in 0..4_000 {
            let picked = roster.pick(&popular, &loads, &Tried::new()).server().unwrap();
            loads.0[picked] += 1;
        }
        for (load, most) in loads.0.iter().zip([1_251, 1_251, 2_501]) {
            assert!(*load <= most, "{table:?}: {:?}", loads.0);
        }
    }
}

#[test]
fn without_need_the_bound_moves_nobody() {
    for table in [HashTable::Rendezvous, HashTable::Maglev] {
        let members = weighted(&[1; 5]);
        let bound = build(Balance::Hash(Hash { table, bound: Some(150) }), &members);
        let free = build(Balance::Hash(Hash { table, bound: None }), &members);
        let loads = Counted(vec![10; 5]);
        for key in keys().take(2_000) {
            let choice = Choice { key: Some(key), ..Choice::default() };
            let picked = bound.pick(&choice, &loads, &Tried::new()).server();
            assert_eq!(picked, Some(place(&free, key)));
        }
    }
}
