use std::time::SystemTime;

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn question() -> Question {
    Question { host: "app.internal".to_owned(), records: Records::Address }
}

fn answer(ips: &[&str], unanswered: Option<Family>) -> Answer {
    let endpoint =
        |ip: &&str| Endpoint { priority: 0, ip: ip.parse().unwrap(), port: 0, weight: 0 };
    let endpoints = ips.iter().map(endpoint).collect();
    Answer { endpoints, ttl: Duration::from_mins(1), unanswered }
}

fn ips(resolved: &Resolved) -> Vec<String> {
    let known = resolved.of(&question()).unwrap();
    known.endpoints.iter().map(|endpoint| endpoint.ip.to_string()).collect()
}

#[test]
fn a_failure_never_takes_an_address_away() {
    let mut resolved = Resolved::default();
    assert!(resolved.note(&question(), &Ok(answer(&["10.0.0.1"], None)), at(0)));
    for seconds in [1, 2] {
        assert!(!resolved.note(&question(), &Err("gone".to_owned()), at(seconds)));
    }
    let known = resolved.of(&question()).unwrap();
    assert_eq!((known.failures(), known.last.as_ref().unwrap().since), (2, at(1)));
    assert_eq!(ips(&resolved), ["10.0.0.1"]);
    assert!(!resolved.note(&question(), &Ok(answer(&["10.0.0.1"], None)), at(3)));
    assert_eq!(resolved.of(&question()).unwrap().failures(), 0);
}

#[test]
fn rotated_answers_change_nothing() {
    let mut resolved = Resolved::default();
    resolved.note(&question(), &Ok(answer(&["10.0.0.2", "10.0.0.1"], None)), at(0));
    assert!(!resolved.note(&question(), &Ok(answer(&["10.0.0.1", "10.0.0.2"], None)), at(1)));
    let chosen =
        |resolved: &Resolved| resolved.of(&question()).unwrap().chosen.unwrap().to_string();
    assert_eq!(chosen(&resolved), "10.0.0.1");
    // A new one that sorts before it does not move the traffic; that it has gone does.
    assert!(resolved.note(&question(), &Ok(answer(&["10.0.0.0", "10.0.0.1"], None)), at(2)));
    assert_eq!(chosen(&resolved), "10.0.0.1");
    assert!(resolved.note(&question(), &Ok(answer(&["10.0.0.0"], None)), at(3)));
    assert_eq!(chosen(&resolved), "10.0.0.0");
}

#[test]
fn a_family_that_was_not_answered_keeps_its_addresses() {
    let mut resolved = Resolved::default();
    resolved.note(&question(), &Ok(answer(&["10.0.0.1", "fd00::1"], None)), at(0));
    resolved.note(&question(), &Ok(answer(&["10.0.0.2"], Some(Family::V6))), at(1));
    assert_eq!(ips(&resolved), ["10.0.0.2", "fd00::1"]);
    resolved.note(&question(), &Ok(answer(&["10.0.0.2"], None)), at(2));
    assert_eq!(ips(&resolved), ["10.0.0.2"]);
}

#[test]
fn addresses_are_kept_between_runs() {
    let mut resolved = Resolved::default();
    resolved.note(&question(), &Ok(answer(&["10.0.0.1", "10.0.0.2"], None)), at(0));
    let text = serde_json::to_string(&resolved.to_keep()).unwrap();
    let again = Resolved::from_kept(serde_json::from_str(&text).unwrap());
    assert_eq!(ips(&again), ips(&resolved));
    assert_eq!(again.of(&question()).unwrap().last, None);
    let mut again = again;
    again.keep_only(&BTreeSet::new());
    assert_eq!(again, Resolved::default());
}

#[test]
fn a_ttl_has_a_floor_and_a_ceiling() {
    for (ttl, least, most) in [(0, 1_000, 1_100), (60, 60_000, 66_000), (86_400, 300_000, 330_000)]
    {
        for random in [0, 500, 999, u64::MAX] {
            let millis = good_for(Duration::from_secs(ttl), random).as_millis();
            assert!((least..=most).contains(&millis), "{ttl}: {millis}");
        }
    }
}

#[test]
fn retries_grow_to_half_a_minute() {
    for (failures, least, most) in
        [(1, 500, 1_000), (2, 1_000, 2_000), (5, 8_000, 16_000), (u32::MAX, 15_000, 30_000)]
    {
        for random in [0, 500, 999, u64::MAX] {
            let millis = retry_after(failures, random).as_millis();
            assert!((least..=most).contains(&millis), "{failures}: {millis}");
        }
    }
}

#[test]
fn nobody_serves_there() {
    for ip in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
        assert!(!is_usable(ip.parse().unwrap()), "{ip}");
    }
    assert!(is_usable("127.0.0.1".parse().unwrap()));
}
