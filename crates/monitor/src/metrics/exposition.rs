//! The text being written. Labels are words of ours, so that nothing needs an escape.

use std::fmt::{Display, Write as _};

use super::histogram::BOUNDS;
use super::{Counter, Histogram};

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("strings grow");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        writeln!(self.text, "{name}{labels} {value}").expect("strings grow");
    }

    /// A family of one sample.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// A family with a sample for each value of `label`.
    pub(super) fn by<'a>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (&'a str, u64)>,
    ) {
        self.family(name, kind, help);
        for (word, value) in values {
            self.sample(name, &format!("{{{label}=\"{word}\"}}"), value);
        }
    }

    /// Counters by their reason.
    pub(super) fn by_reason<'a>(
        &mut self,
        name: &str,
        help: &str,
        counters: impl Iterator<Item = (&'a str, &'a Counter)>,
    ) {
        let values = counters.map(|(word, counter)| (word, counter.get()));
        self.by(name, Kind::Counter, help, "reason", values);
    }

    /// A histogram for each value of `label`.
    pub(super) fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        histograms: impl Iterator<Item = (&'a str, &'a Histogram)>,
    ) {
        self.family(name, Kind::Histogram, help);
        for (word, histogram) in histograms {
            let (counts, all) = histogram.cumulative();
            let bucket = format!("{name}_bucket");
            for (bound, count) in BOUNDS.iter().zip(counts) {
                self.sample(&bucket, &format!("{{{label}=\"{word}\",le=\"{bound}\"}}"), count);
            }
            self.sample(&bucket, &format!("{{{label}=\"{word}\",le=\"+Inf\"}}"), all);
            let labels = format!("{{{label}=\"{word}\"}}");
            self.sample(&format!("{name}_sum"), &labels, histogram.sum_seconds());
            self.sample(&format!("{name}_count"), &labels, all);
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
