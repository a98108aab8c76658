use std::time::Duration;

use proptest::prelude::*;

use super::{Component, MOST_COMPONENTS, Name, NotHealth, Status, Testimony};
use crate::verdict::Value;
use Status::{Degraded, Down, Up};

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn status(word: &str) -> Value {
    table([("status", text(word))])
}

fn component(name: &str, status: Status, critical: bool, millis: Option<u64>) -> Component {
    let latency = millis.map(Duration::from_millis);
    Component { name: Name::new(name), status, critical, latency }
}

#[track_caller]
fn check(document: &Value, status: Status, components: &[Component]) {
    let found = Testimony::read(document);
    assert_eq!(found, Ok(Testimony { status, components: components.to_vec() }));
}

#[test]
fn our_own() {
    let database = table([
        ("name", text("db")),
        ("status", text("down")),
        ("critical", Value::Boolean(true)),
        ("latency_ms", Value::Number(12.0)),
    ]);
    let mail = table([
        ("name", text("mail")),
        ("status", text("down")),
        ("critical", Value::Boolean(false)),
        ("latency_ms", Value::Number(-1.0)),
    ]);
    let nameless = status("down");
    let list = Value::List(vec![database, mail, nameless, Value::Null, text("x")]);
    check(
        &table([("status", text("down")), ("components", list)]),
        Down,
        &[component("db", Down, true, Some(12)), component("mail", Down, false, None)],
    );
}

#[test]
fn spring_actuator() {
    let inner = table([("primary", status("UP")), ("replica", status("DOWN"))]);
    let components = table([
        ("db", table([("status", text("DOWN")), ("components", inner)])),
        (
            "diskSpace",
            table([("status", text("UP")), ("details", table([("free", Value::Number(9.0))]))]),
        ),
        ("mail", status("OUT_OF_SERVICE")),
        ("ping", status("UNKNOWN")),
    ]);
    let found = [
        component("db/primary", Up, true, None),
        component("db/replica", Down, true, None),
        component("diskSpace", Up, true, None),
        component("mail", Down, true, None),
        component("ping", Degraded, true, None),
    ];
    check(&table([("status", text("DOWN")), ("components", components.clone())]), Down, &found);
    check(&table([("status", text("DOWN")), ("details", components)]), Down, &found);
}

#[test]
fn health_json() {
    let check_of = |status, value| {
        table([
            ("status", text(status)),
            ("observedValue", Value::Number(value)),
            ("observedUnit", text("ms")),
        ])
    };
    let percent = table([
        ("status", text("warn")),
        ("observedValue", Value::Number(85.0)),
        ("observedUnit", text("percent")),
    ]);
    let checks = table([
        ("db:responseTime", Value::List(vec![check_of("pass", 5.0), check_of("fail", 250.0)])),
        ("db:connections", Value::List(vec![check_of("pass", 1.0)])),
        ("cpu:utilization", Value::List(vec![percent])),
        ("cache", status("fail")),
    ]);
    check(
        &table([("status", text("warn")), ("checks", checks)]),
        Degraded,
        &[
            component("db", Down, false, Some(250)),
            component("cpu", Degraded, false, None),
            component("cache", Down, false, None),
        ],
    );
}

#[test]
fn asp_net() {
    let entries = table([
        ("sql", table([("status", text("Unhealthy")), ("duration", text("00:00:01.5000000"))])),
        ("redis", table([("status", text("Healthy")), ("duration", text("soon"))])),
    ]);
    let found = [component("sql", Down, true, Some(1_500)), component("redis", Up, true, None)];
    for name in ["entries", "results"] {
        let document = table([("status", text("Unhealthy")), (name, entries.clone())]);
        check(&document, Down, &found);
    }
    check(&text("Healthy"), Up, &[]);
    check(&text("Degraded\n"), Degraded, &[]);
}

#[test]
fn no_state_of_health() {
    let cases = [
        (Value::Null, NotHealth::NoStatus),
        (Value::List(vec![status("up")]), NotHealth::NoStatus),
        (table([("status", Value::Number(200.0))]), NotHealth::NoStatus),
        (table([("state", text("up"))]), NotHealth::NoStatus),
        (text("<html>"), NotHealth::UnknownStatus),
        (status("splendid"), NotHealth::UnknownStatus),
    ];
    for (document, fault) in cases {
        assert_eq!(Testimony::read(&document), Err(fault), "{document:?}");
    }
}

#[test]
fn what_a_server_lacks() {
    let lacks = |status, components: &[Component]| {
        let testimony = Testimony { status, components: components.to_vec() };
        testimony.lacks().map(|(name, critical)| (name.to_string(), critical)).collect::<Vec<_>>()
    };
    let mail = component("mail", Down, false, None);
    let database = component("db", Down, true, None);
    let slow = component("disk", Degraded, true, None);
    assert_eq!(lacks(Up, &[slow]), []);
    assert_eq!(lacks(Up, &[mail]), [("mail".into(), false)]);
    assert_eq!(lacks(Up, &[database]), [("db".into(), true)]);
    assert_eq!(lacks(Down, &[database]), [("db".into(), true)]);
    assert_eq!(lacks(Down, &[]), [("itself".into(), true)]);
    assert_eq!(lacks(Down, &[mail]), [("mail".into(), false), ("itself".into(), true)]);
}

#[test]
fn names_are_short_and_printable() {
    assert_eq!(Name::new("a\x1b[31m").as_str(), "a?[31m");
    assert_eq!(Name::new(&"ä".repeat(40)).as_str(), "ä".repeat(15));
    assert_eq!(Name::new("itself"), Name::ITSELF);
}

#[test]
fn an_endless_document_is_cut() {
    let many = (0..1_000).map(|n| (format!("c{n}"), status("down"))).collect();
    let document = table([("status", text("down")), ("components", Value::Table(many))]);
    assert_eq!(Testimony::read(&document).unwrap().components.len(), MOST_COMPONENTS);
    let deep = (0..100).fold(status("up"), |inner, _| {
        table([("status", text("up")), ("components", table([("x", inner)]))])
    });
    assert_eq!(Testimony::read(&deep).unwrap().components.len(), 1);
}

proptest! {
    #[test]
    fn any_name(name in any::<String>()) {
        let cut = Name::new(&name);
        prop_assert!(cut.as_str().len() <= Name::MOST_BYTES);
        prop_assert!(!cut.as_str().contains(char::is_control));
    }
}
