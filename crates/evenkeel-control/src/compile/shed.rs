//! `[shed]`, and how important a route is.

use evenkeel_core::config::{Priority, Shed};

use super::table::Reader;
use super::value::{duration, integer, percent};

/// `queue_wait = "1s"` and `cpu = "90%"`
pub(super) fn shed(root: &mut Reader<'_>) -> Option<Shed> {
    let mut reader = root.table("shed")?;
    let default = Shed::default();
    let shed = Shed {
        queue_wait: reader.read("queue_wait", duration).or(default.queue_wait),
        cpu_percent: reader.read("cpu", percent(1..=100)).or(default.cpu_percent),
    };
    reader.finish();
    Some(shed)
}

/// `priority = 5`
pub(super) fn priority(route: &mut Reader<'_>) -> Priority {
    let written = route.read("priority", integer(0..=Priority::MOST.get()));
    written.and_then(Priority::new).unwrap_or_default()
}
