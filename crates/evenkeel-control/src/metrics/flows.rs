//! Exchanges of listeners, routes, pools and servers: how many, how they ended, how long they took.

use evenkeel_core::health::Outcome;
use evenkeel_core::latency::{self, COARSE_MILLIS};
use evenkeel_engine::{
    Endings, EngineStatus, FlowStatus, LastCheck, ListenerStatus, PoolStatus, ServerStatus,
};

use super::{CODES, Exposition, Figure, Kind, servers};

/// What a sample is about.
type Labels<'a> = Vec<(&'static str, &'a str)>;

pub(super) fn about_flows(text: &mut Exposition, status: &EngineStatus) {
    of_listeners(text, &status.listeners);
    let routes = status.listeners.iter().flat_map(|listener| {
        listener
            .routes
            .iter()
            .map(|it| (vec![("listener", &*listener.name), ("route", &*it.name)], it))
    });
    let routes: Vec<(Labels<'_>, &FlowStatus)> = routes.collect();
    flows(text, "route", &routes);
    let help = "From the first byte of a request to the last of its answer.";
    let endings = routes.iter().map(|(labels, it)| (&**labels, &it.endings));
    durations(text, "evenkeel_route_request_duration_seconds", help, endings);
    let pools = status.pools.iter().map(|pool| (vec![("pool", &*pool.name)], &pool.flow));
    let pools: Vec<(Labels<'_>, &FlowStatus)> = pools.collect();
    flows(text, "pool", &pools);
    let help = "From a request to the head of its answer; in tcp, to the connection.";
    let endings = pools.iter().map(|(labels, it)| (&**labels, &it.endings));
    durations(text, "evenkeel_pool_response_duration_seconds", help, endings);
    of_servers(text, &status.pools);
}

fn of_listeners(text: &mut Exposition, listeners: &[ListenerStatus]) {
    let all: Vec<_> =
        listeners.iter().map(|it| (vec![("listener", &*it.name)], &it.endings)).collect();
    let endings = || all.iter().map(|(labels, endings)| (&**labels, *endings));
    errors(text, "listener", endings());
    terminations(text, "listener", endings());
    let help = "From the first byte of a request to the last of its answer; in tcp, of the stream.";
    durations(text, "evenkeel_listener_request_duration_seconds", help, endings());
}

/// Routes or pools.
fn flows(text: &mut Exposition, whose: &str, all: &[(Labels<'_>, &FlowStatus)]) {
    type Count = (&'static str, &'static str, fn(&FlowStatus) -> u64);
    let figures: [Count; 3] = [
        ("requests_total", "Requests received; in tcp, connections.", |it| it.requests_total),
        ("received_bytes_total", "Bytes received from clients.", |it| it.bytes_received_total),
        ("sent_bytes_total", "Bytes sent to clients.", |it| it.bytes_sent_total),
    ];
    for (figure, help, value) in figures {
        let name = format!("evenkeel_{whose}_{figure}");
        text.family(&name, Kind::Counter, help);
        for (labels, it) in all {
            text.sample(&name, labels, value(it));
        }
    }
    let name = format!("evenkeel_{whose}_answers_total");
    text.family(&name, Kind::Counter, "Answers to clients by class of status.");
    for (labels, it) in all {
        for (code, value) in CODES.iter().zip(it.answers_total) {
            text.sample(&name, &with(labels, ("code", code)), value);
        }
    }
    let endings = || all.iter().map(|(labels, it)| (&**labels, &it.endings));
    errors(text, whose, endings());
    terminations(text, whose, endings());
}

fn of_servers(text: &mut Exposition, pools: &[PoolStatus]) {
    let counter = Kind::Counter;
    let figures: [Figure<ServerStatus>; 2] = [
        (
            "evenkeel_server_reused_total",
            counter,
            "Requests on a connection that had served another one.",
            |it| it.reused_total,
        ),
        ("evenkeel_server_ejections_total", counter, "Times its traffic has taken it out.", |it| {
            it.ejections_total
        }),
    ];
    let all: Vec<_> = servers(pools)
        .map(|(pool, it)| (vec![("pool", &*pool.name), ("server", &*it.name)], it))
        .collect();
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        for (labels, it) in &all {
            text.sample(name, labels, value(it));
        }
    }
    let name = "evenkeel_server_check_seconds_total";
    text.family(name, counter, "How long its checks took, all together.");
    for (labels, it) in &all {
        text.sample(name, labels, it.check_seconds_total);
    }
    let checked = || {
        let last = |it: &ServerStatus| it.evidence.last_check;
        all.iter().filter_map(move |(labels, it)| Some((labels, last(it)?)))
    };
    let name = "evenkeel_server_last_check_success";
    text.family(name, Kind::Gauge, "1 when its last check has passed.");
    for (labels, LastCheck { outcome, .. }) in checked() {
        text.sample(name, labels, u8::from(!matches!(outcome, Outcome::Failed(_))));
    }
    let name = "evenkeel_server_last_check_duration_seconds";
    text.family(name, Kind::Gauge, "How long its last check took.");
    checked().for_each(|(labels, last)| text.sample(name, labels, last.took.as_secs_f64()));
    let endings = || all.iter().map(|(labels, it)| (&**labels, &it.endings));
    terminations(text, "server", endings());
    let help = "From the moment it was tried to the head of its answer; in tcp, to the connection.";
    durations(text, "evenkeel_server_response_duration_seconds", help, endings());
}

fn errors<'a>(
    text: &mut Exposition,
    whose: &str,
    all: impl Iterator<Item = (&'a [(&'static str, &'a str)], &'a Endings)>,
) {
    let name = format!("evenkeel_{whose}_errors_total");
    let help = "Exchanges answered 5xx, or failed by no fault of the client's.";
    text.family(&name, Kind::Counter, help);
    all.for_each(|(labels, it)| text.shown_sample(&name, labels, it.errors, it.shown.error));
}

fn terminations<'a>(
    text: &mut Exposition,
    whose: &str,
    all: impl Iterator<Item = (&'a [(&'static str, &'a str)], &'a Endings)>,
) {
    let name = format!("evenkeel_{whose}_terminations_total");
    let help = "Exchanges that did not end as they should, by termination code.";
    text.family(&name, Kind::Counter, help);
    for (labels, endings) in all {
        for (code, count) in &endings.codes {
            text.sample(&name, &with(labels, ("termination", code)), count);
        }
    }
}

fn durations<'a>(
    text: &mut Exposition,
    name: &str,
    help: &str,
    all: impl Iterator<Item = (&'a [(&'static str, &'a str)], &'a Endings)>,
) {
    text.family(name, Kind::Histogram, help);
    let (bucket, sum, count) =
        (format!("{name}_bucket"), format!("{name}_sum"), format!("{name}_count"));
    for (labels, endings) in all {
        let total: u64 = endings.durations.iter().sum();
        let shown = |place: usize| endings.shown.durations.get(place).copied().flatten();
        let coarse = COARSE_MILLIS.iter().zip(latency::coarse(&endings.durations));
        for (place, (millis, within)) in coarse.enumerate() {
            let bound = format!("{}.{:03}", millis / 1_000, millis % 1_000);
            let labels = with(labels, ("le", bound.trim_end_matches('0')));
            text.shown_sample(&bucket, &labels, within, shown(place));
        }
        let beyond = shown(COARSE_MILLIS.len());
        text.shown_sample(&bucket, &with(labels, ("le", "+Inf")), total, beyond);
        text.sample(&sum, labels, endings.seconds);
        text.sample(&count, labels, total);
    }
}

fn with<'a>(labels: &[(&'static str, &'a str)], one: (&'static str, &'a str)) -> Labels<'a> {
    labels.iter().copied().chain([one]).collect()
}
