use std::time::Duration;

use super::{Grant, Limiter, Rate, Shares};
use crate::hash::Seed;
use crate::moment::Moment;

const SECOND: Duration = Duration::from_secs(1);

fn limiter() -> Limiter {
    Limiter::new(Seed::new(*b"nobody knows it!"))
}

fn at(millis: u64) -> Moment {
    Moment::from_micros(1_000_000 + millis * 1_000)
}

#[test]
fn a_burst_then_the_rate() {
    let rate = Rate::new(10, SECOND, 3).unwrap();
    let limiter = limiter();
    let mut said = Vec::new();
    for millis in [0, 0, 0, 0, 99, 100, 100, 200, 1_000, 1_000, 1_000, 1_000] {
        said.push(match limiter.ask(b"key", &rate, at(millis)) {
            Grant::Yes { left } => format!("{millis}: {left} left"),
            Grant::No { wait } => format!("{millis}: wait {wait:?}"),
        });
    }
    let expected = [
        "0: 2 left",
        "0: 1 left",
        "0: 0 left",
        "0: wait 100ms",
        "99: wait 1ms",
        "100: 0 left",
        "100: wait 100ms",
        "200: 0 left",
        "1000: 2 left",
        "1000: 1 left",
        "1000: 0 left",
        "1000: wait 100ms",
    ];
    assert_eq!(said, expected);
    assert_eq!((rate.burst(), rate.window()), (3, Duration::from_millis(300)));
}

#[test]
fn what_is_asked_all_the_time_is_granted_at_the_rate() {
    for per_second in [1, 7, 300, 33_333, 1_000_000] {
        let rate = Rate::new(per_second, SECOND, 1).unwrap();
        let limiter = limiter();
        let ask = |micros: u64| limiter.ask(b"key", &rate, Moment::from_micros(1_000_000 + micros));
        let granted: u32 =
            (0..1_000_000).map(|micros| u32::from(matches!(ask(micros), Grant::Yes { .. }))).sum();
        let off = (f64::from(granted) / f64::from(per_second) - 1.0).abs();
        // The clock has microseconds: 33,333 a second come every 31 of them instead of 30.
        assert!(off <= 0.035, "{granted} of {per_second}");
    }
}

#[test]
fn keys_do_not_pay_for_each_other() {
    let rate = Rate::new(1, SECOND, 1).unwrap();
    let limiter = limiter();
    for key in 0..10_000_u32 {
        let granted = limiter.ask(&key.to_be_bytes(), &rate, at(0));
        assert_eq!(granted, Grant::Yes { left: 0 }, "{key}");
    }
}

#[test]
fn who_has_reached_a_limit_is_not_forgotten_in_a_flood_of_others() {
    let rate = Rate::new(1, SECOND, 100).unwrap();
    let limiter = limiter();
    while let Grant::Yes { .. } = limiter.ask(b"greedy", &rate, at(0)) {}
    // Ten times as many as there are places.
    for other in 0..655_360_u32 {
        limiter.ask(&other.to_be_bytes(), &rate, at(1));
    }
    assert!(matches!(limiter.ask(b"greedy", &rate, at(2)), Grant::No { .. }));
}

#[test]
fn a_rate_has_its_bounds() {
    assert!(Rate::new(1_000_000, SECOND, 1).is_some());
    assert!(Rate::new(1_000_001, SECOND, 1).is_none());
    assert!(Rate::new(1, Duration::from_hours(24 * 30), u32::MAX).is_some());
    let slow = Rate::new(1, Duration::from_hours(24 * 30), 1).unwrap();
    let limiter = limiter();
    assert!(matches!(limiter.ask(b"key", &slow, Moment::NEVER), Grant::Yes { .. }), "no overflow");
}

#[test]
fn an_ipv6_client_is_its_network() {
    let key = |text: &str| Shares::default().of(text.parse().unwrap());
    assert_eq!(key("2001:db8::1"), key("2001:db8::2:3:4:5"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    assert_eq!(key("10.0.0.1"), key("::ffff:10.0.0.1"));
    // Never taken for the other family.
    assert_ne!(key("10.0.0.1"), key("a00:1::"));
    let wide = Shares { v4: 24, v6: 48 };
    assert_eq!(wide.of("10.0.0.1".parse().unwrap()), wide.of("10.0.0.2".parse().unwrap()));
}
