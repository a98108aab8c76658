//! `[trace]`

use evenkeel_core::config::{Listener, Traces};
use evenkeel_core::trace::Tracing;

use super::table::Reader;
use super::value::share;
use crate::finding::{Finding, Notes};

/// What is done about traces on all of `listeners`.
pub(super) fn traces(root: &mut Reader<'_>, listeners: &[Listener], notes: &Notes) -> Traces {
    let mut traces = Traces::default();
    let Some(mut reader) = root.table("trace") else { return traces };
    let tracing = |it: &Listener| it.protocol.http().map_or(Tracing::Off, |it| it.forwarding.trace);
    if listeners.iter().all(|listener| tracing(listener) == Tracing::Off) {
        let reason = "no listener looks at traces: this has no effect";
        let help = "say `forwarding = { trace = \"start\" }` in a listener";
        notes.add(Finding::warning(reader.place, reason).help(help));
    }
    traces.sample = reader.read("sample", share).unwrap_or(traces.sample);
    reader.finish();
    traces
}
