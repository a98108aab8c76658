//! Figures of virtual addresses.

use evenkeel_core::vrrp::Reason;
use evenkeel_core::vrrp::machine::State;
use evenkeel_engine::VipStatus;

use super::{Exposition, Figure, Kind, epoch_seconds};

const STATES: [State; 6] =
    [State::Initialize, State::Backup, State::Probing, State::Active, State::Leaving, State::Fault];

pub(super) fn about_vips(text: &mut Exposition, vips: &[VipStatus]) {
    if vips.is_empty() {
        return;
    }
    let name = "evenkeel_vip_state";
    text.family(name, Kind::Gauge, "1 for the state this node is in.");
    for vip in vips {
        for state in STATES {
            let value = u8::from(vip.state == state);
            text.sample(name, &[("vip", &vip.name), ("state", state.label())], value);
        }
    }
    let figures: [Figure<VipStatus>; 6] = [
        ("evenkeel_vip_owner", Kind::Gauge, "1 while this node owns the address.", |it| {
            (it.state == State::Active).into()
        }),
        (
            "evenkeel_vip_claim",
            Kind::Gauge,
            "The priority with which this node claims it now; 0: it may not.",
            |it| it.claim.unwrap_or(0).into(),
        ),
        ("evenkeel_vip_claims_total", Kind::Counter, "Times this node has become owner.", |it| {
            it.claims_total
        }),
        (
            "evenkeel_vip_conflicts_total",
            Kind::Counter,
            "Sightings of a second owner while this node was one.",
            |it| it.conflicts_total,
        ),
        (
            "evenkeel_vip_send_failures_total",
            Kind::Counter,
            "Adverts that could not be sent.",
            |it| it.send_failures_total,
        ),
        (
            "evenkeel_vip_state_since_timestamp_seconds",
            Kind::Gauge,
            "When its state last changed, in seconds of the Unix epoch.",
            |it| epoch_seconds(it.since),
        ),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        for vip in vips {
            text.sample(name, &[("vip", &vip.name)], value(vip));
        }
    }
    adverts(text, vips);
    let name = "evenkeel_vip_gap_seconds";
    let help = "From the last advert of a silent owner to the last claim of this node.";
    text.family(name, Kind::Gauge, help);
    for vip in vips {
        if let Some(gap) = vip.gap {
            text.sample(name, &[("vip", &vip.name)], gap.as_secs_f64());
        }
    }
}

fn adverts(text: &mut Exposition, vips: &[VipStatus]) {
    let name = "evenkeel_vip_adverts_total";
    text.family(
        name,
        Kind::Counter,
        "Adverts that were sent, and those of others that were heeded.",
    );
    for vip in vips {
        text.sample(name, &[("vip", &vip.name), ("way", "sent")], vip.adverts_sent_total);
        text.sample(name, &[("vip", &vip.name), ("way", "heard")], vip.adverts_heard_total);
    }
    let name = "evenkeel_vip_refusals_total";
    text.family(name, Kind::Counter, "Adverts that were not heeded, by reason.");
    for vip in vips {
        for (reason, value) in Reason::ALL.iter().zip(vip.refusals_total) {
            text.sample(name, &[("vip", &vip.name), ("reason", reason.label())], value);
        }
    }
}
