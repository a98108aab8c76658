//! Figures of the link to the other node of a pair.

use super::{Exposition, Kind, epoch_seconds};
use crate::node::LinkFigures;
use crate::pair::Refusal;

/// `otherwise`: servers that the other node judges otherwise.
pub(super) fn about_pair(text: &mut Exposition, figures: LinkFigures, otherwise: usize) {
    let LinkFigures { is_up, since, ups_total, refusals_total, words, is_different } = figures;
    for (name, kind, help, value) in [
        (
            "evenkeel_pair_up",
            Kind::Gauge,
            "1 while the other node of the pair is heard.",
            u64::from(is_up),
        ),
        (
            "evenkeel_pair_since_timestamp_seconds",
            Kind::Gauge,
            "Since when that is so, in seconds of the Unix epoch.",
            epoch_seconds(since),
        ),
        (
            "evenkeel_pair_configurations_differ",
            Kind::Gauge,
            "1 while the configurations differ in more than what is each node's own.",
            u64::from(is_different),
        ),
        ("evenkeel_pair_links_total", Kind::Counter, "Times the link has come up.", ups_total),
        (
            "evenkeel_pair_words",
            Kind::Gauge,
            "What operators said of servers that holds on both nodes.",
            u64::try_from(words).unwrap_or(u64::MAX),
        ),
    ] {
        text.single(name, kind, help, value);
    }
    let help = "Servers that the other node judges otherwise.";
    text.single("evenkeel_pair_servers_judged_otherwise", Kind::Gauge, help, otherwise);
    let name = "evenkeel_pair_refusals_total";
    text.family(name, Kind::Counter, "Who was not taken for the other node, by reason.");
    for (refusal, value) in Refusal::ALL.iter().zip(refusals_total) {
        text.sample(name, &[("reason", refusal.label())], value);
    }
}
