//! Figures of spans that are exported.

use super::{Exposition, Kind};
use crate::export::ExportCounts;

pub(super) fn about_exports(text: &mut Exposition, counts: ExportCounts) {
    let ExportCounts { sent, refused, dropped, is_failing } = counts;
    let name = "evenkeel_trace_spans_total";
    text.family(name, Kind::Counter, "Spans that were to be exported, by what became of them.");
    for (result, count) in [("sent", sent), ("refused", refused), ("dropped", dropped)] {
        text.sample(name, &[("result", result)], count);
    }
    let help = "1 while the receiver of spans does not take what it is sent.";
    text.single("evenkeel_trace_export_failing", Kind::Gauge, help, u8::from(is_failing));
}
