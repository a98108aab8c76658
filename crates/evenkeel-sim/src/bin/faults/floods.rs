//! Floods of HTTP/2 beside the usual load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use evenkeel_sim::clock;
use evenkeel_sim::floods::{self, Flood};

use crate::ground::Ground;
use crate::matrix::{NOTHING, Row, When};
use crate::subject::Setup;

/// Memory that a flood may cost, in KiB.
const MOST_KIB: u64 = 4 * 1024;
/// How often the memory is looked at.
const LOOK_EACH: Duration = Duration::from_millis(50);

const FLOODED: Row = Row {
    promise: "0 failed, p99 < 50 ms, < 4 MiB of memory",
    setup: Setup::Http2,
    p99: Some(Duration::from_millis(50)),
    when: When::InFull,
    ..NOTHING
};

macro_rules! row {
    ($flood:ident) => {
        Row {
            name: floods::$flood.name,
            fault: floods::$flood.what,
            inject: |ground| rage(ground, &floods::$flood),
            ..FLOODED
        }
    };
}

/// Every flood.
pub(crate) const FLOOD_ROWS: &[Row] = &[
    row!(PINGS),
    row!(UNREAD_PINGS),
    row!(SETTINGS),
    row!(PRIORITIES),
    row!(UNKNOWN),
    row!(EMPTY_DATA),
    row!(RESETS),
    row!(PROVOKED_RESETS),
    row!(CONTINUATIONS),
    row!(ENDLESS_HEAD),
    row!(UNPACKED),
    row!(TOO_MANY),
    row!(WINDOWS),
    row!(GOODBYES),
    row!(CLOSED_WINDOWS),
    row!(UNREAD_ANSWERS),
];

/// For a period a client floods, and what that costs others and in memory is looked at.
fn rage(ground: &mut Ground, flood: &Flood) {
    let (address, end) = (ground.subject.address(), clock::now() + ground.period);
    let stop = AtomicBool::new(false);
    let before = ground.subject.resident_kib();
    let (mut most, mut connections) = (before, 0);
    thread::scope(|scope| {
        let raging = scope.spawn(|| flood.rage(address, &stop));
        while clock::now() < end {
            clock::pause_until(clock::now() + LOOK_EACH);
            most = most.max(ground.subject.resident_kib());
        }
        stop.store(true, Ordering::Relaxed);
        connections = raging.join().expect("a flood does not panic");
    });
    if connections == 0 {
        ground.broken.push("nobody could flood".to_owned());
    }
    let more = most.saturating_sub(before);
    if more >= MOST_KIB {
        ground.broken.push(format!("{more} KiB more memory, at most {MOST_KIB}"));
    }
}
