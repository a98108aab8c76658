//! Figures of drills.

use evenkeel_api::{DrillKind, Drills};

use super::{Exposition, Kind, epoch_seconds};

pub(super) fn about_drills(text: &mut Exposition, drills: &Drills) {
    let help = "1 while a drill is under way.";
    let under_way = u8::from(drills.under_way.is_some());
    text.single("evenkeel_drill_under_way", Kind::Gauge, help, under_way);
    let name = "evenkeel_drill_last_success_timestamp_seconds";
    let help = "When a drill last passed, in seconds of the Unix epoch.";
    text.family(name, Kind::Gauge, help);
    for record in &drills.records {
        let Some(passed) = record.last_success else { continue };
        let kind = match record.kind {
            DrillKind::Server => "server",
            DrillKind::Vip => "vip",
        };
        text.sample(name, &[("kind", kind), ("object", &record.object)], epoch_seconds(passed.0));
    }
}
