use std::time::Duration;

use evenkeel_api::Timestamp;
use evenkeel_core::config::Server;

use super::*;
use crate::compile;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn said(expires: Option<u64>) -> api::Said {
    let (author, reason) = ("ann".to_owned(), String::new());
    let expires = expires.map(|seconds| Timestamp(at(seconds)));
    api::Said { author, reason, since: Timestamp(at(0)), expires }
}

fn weight(expires: Option<u64>) -> api::WeightOverride {
    api::WeightOverride { weight: 9, configured: Some(1), said: said(expires) }
}

fn drain() -> api::StateOverride {
    api::StateOverride { state: api::AdminState::Drain, said: said(Some(5)) }
}

fn added(address: &str) -> api::AddedServer {
    api::AddedServer {
        address: address.to_owned(),
        weight: 1,
        backup: false,
        zone: None,
        said: said(None),
    }
}

/// A pool `app` that lists these, and what is dropped because of it.
fn reconcile(overrides: &mut Overrides, listed: &[(&str, u16)]) -> Vec<String> {
    let server = |(written, weight): &(&str, u16)| {
        compile::listed(written).unwrap().map(|it| Server { weight: *weight, ..it })
    };
    let listed: Vec<Listed> = listed.iter().map(server).collect();
    let dropped = overrides.reconcile(&BTreeMap::from([("app", &listed[..])]));
    dropped.into_iter().map(|it| format!("{}: {}", it.server, it.message)).collect()
}

#[test]
fn what_was_said_for_a_time_ends() {
    let mut overrides = Overrides::default();
    overrides.change("app", "a", |over| {
        over.weight = Some(weight(None));
        over.state = Some(drain());
    });
    assert_eq!(overrides.expire(at(4)), []);
    let dropped = overrides.expire(at(5));
    assert!(dropped[0].state && dropped[0].message.starts_with("drain no longer holds"));
    assert!(overrides.of("app", "a").is_some_and(|over| over.weight.is_some()));
}

#[test]
fn a_file_that_says_something_new_wins() {
    let mut overrides = Overrides::default();
    overrides.change("app", "10.0.0.1:80", |over| over.weight = Some(weight(None)));
    overrides.change("app", "10.0.0.2:80", |over| over.removed = Some(said(None)));
    overrides.change("app", "10.0.0.3:80", |over| over.added = Some(added("10.0.0.3:80")));
    let file = [("10.0.0.1:80", 1), ("10.0.0.2:80", 1)];
    assert_eq!(reconcile(&mut overrides, &file), [""; 0]);
    // Another weight for one that is only removed says nothing about its removal.
    assert_eq!(reconcile(&mut overrides, &[("10.0.0.1:80", 1), ("10.0.0.2:80", 5)]), [""; 0]);
    let file = [("10.0.0.1:80", 3), ("10.0.0.3:80", 1)];
    assert_eq!(
        reconcile(&mut overrides, &file),
        [
            "10.0.0.1:80: the weight of 9 no longer holds: the configuration says 3 by now",
            "10.0.0.2:80: the removal no longer holds: the configuration does not list the server any \
         more",
            "10.0.0.3:80: the server that was added no longer holds: the configuration lists the \
         server by now",
        ]
    );
    assert_eq!(overrides, Overrides::default());
}

#[test]
fn what_is_said_of_an_added_server_stays_with_it() {
    let mut overrides = Overrides::default();
    overrides.change("app", "c", |over| {
        over.added = Some(added("10.0.0.3:80"));
        over.weight = Some(weight(Some(9)));
        over.state = Some(drain());
    });
    assert_eq!(reconcile(&mut overrides, &[]), [""; 0]);
    assert_eq!(overrides.reconcile(&BTreeMap::new()).len(), 3);
}

#[test]
fn servers_behind_a_name_are_not_dropped_while_it_is_listed() {
    let mut overrides = Overrides::default();
    overrides.change("app", "b.internal:80/10.0.0.1:80", |over| over.state = Some(drain()));
    assert_eq!(reconcile(&mut overrides, &[("b.internal:80", 1)]), [""; 0]);
    assert_eq!(reconcile(&mut overrides, &[]).len(), 1);
}

#[test]
fn there_are_only_so_many() {
    let mut overrides = Overrides::default();
    for number in 0..MOST_OVERRIDES {
        assert!(overrides.change("app", &number.to_string(), |it| it.weight = Some(weight(None))));
    }
    assert!(!overrides.change("app", "more", |over| over.weight = Some(weight(None))));
    assert!(overrides.change("app", "0", |over| over.weight = None));
    let text = serde_json::to_string(&overrides).unwrap();
    assert_eq!(serde_json::from_str::<Overrides>(&text).unwrap(), overrides);
}
