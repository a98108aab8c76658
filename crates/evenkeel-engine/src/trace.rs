//! An exchange's place in a trace. Each try is a span of its own, by which a server knows who has
//! asked it.

use evenkeel_core::config::Traces;
use evenkeel_core::dice::Dice;
use evenkeel_core::message::request::RequestHead;
use evenkeel_core::trace::{Onward, SpanId, Trace, Tracing};

use crate::worker::Worker;

/// The place of one exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traced {
    pub(crate) trace: Trace,
    /// The span of the exchange with the client; `None`: nobody is told of this node's spans.
    pub(crate) exported: Option<SpanId>,
    /// The span of the try that was made last.
    pub(crate) attempt: SpanId,
}

impl Traced {
    /// `None`: it belongs to no trace.
    pub(crate) fn of(
        head: &RequestHead<'_, '_>,
        (tracing, trusted): (Tracing, bool),
        traces: Traces,
        worker: &Worker,
    ) -> Option<Self> {
        if tracing == Tracing::Off {
            return None;
        }
        let mut dice = Dice::new(worker.chance());
        let trace = Trace::of(&head.fields, (tracing, trusted), traces.sample, &mut dice)?;
        let is_exported = traces.are_exported && trace.is_sampled();
        let exported = is_exported.then(|| SpanId::new(&mut dice));
        let attempt = match trace.parent {
            Some(parent) if !is_exported => parent,
            _ => SpanId::new(&mut dice),
        };
        Some(Self { trace, exported, attempt })
    }

    /// What a server is told of it.
    pub(crate) fn onward(traced: Option<&Self>, tracing: Tracing) -> Onward {
        match traced {
            Some(it) => it.trace.onward(it.attempt),
            None if tracing == Tracing::Off => Onward::AsSent,
            None => Onward::Dropped,
        }
    }

    /// A further try begins.
    pub(crate) fn tries_again(&mut self, worker: &Worker) -> Option<SpanId> {
        let span = self.new_span(worker)?;
        self.attempt = span;
        Some(span)
    }

    /// Of a further try. `None`: tries have no spans. Where nobody is told of them, a server in a
    /// trace that began elsewhere is better told of the span that somebody knows.
    pub(crate) fn new_span(&self, worker: &Worker) -> Option<SpanId> {
        let has_spans = self.exported.is_some() || self.trace.parent.is_none();
        has_spans.then(|| SpanId::new(&mut Dice::new(worker.chance())))
    }
}

/// Has the head of a request name `span`, at the place where another one was written.
pub(crate) fn rename(head: &mut [u8], at: Option<usize>, span: Option<SpanId>) {
    if let (Some(at), Some(span)) = (at, span) {
        let digits = span.digits();
        head[at..at + digits.len()].copy_from_slice(&digits);
    }
}
