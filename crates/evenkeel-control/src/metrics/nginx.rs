//! The figures of nginx's `stub_status`, in its own form and by the names of
//! nginx-prometheus-exporter.

use evenkeel_engine::{EngineStatus, ListenerStatus};

use super::{Exposition, Kind};

/// What nginx says of itself.
struct Stub {
    active: u64,
    accepted: u64,
    requests: u64,
    writing: u64,
    waiting: u64,
}

impl Stub {
    fn of(status: &EngineStatus) -> Self {
        let sum = |of: fn(&ListenerStatus) -> u64| status.listeners.iter().map(of).sum::<u64>();
        let active = u64::from(status.connections);
        let servers = status.pools.iter().flat_map(|pool| &pool.servers);
        let writing: u64 = servers.map(|server| u64::from(server.in_flight)).sum();
        Self {
            active,
            accepted: sum(|listener| listener.connections_total),
            requests: sum(|listener| listener.requests_total),
            writing: writing.min(active),
            waiting: active.saturating_sub(writing),
        }
    }
}

/// `/stub_status`: the figures existing exporters read, trailing spaces and all. Every connection that
/// is accepted is handled; reading a head is part of waiting for one.
pub(crate) fn stub_status(status: &EngineStatus) -> String {
    let Stub { active, accepted, requests, writing, waiting } = Stub::of(status);
    format!(
        "Active connections: {active} \n\
         server accepts handled requests\n \
         {accepted} {accepted} {requests} \n\
         Reading: 0 Writing: {writing} Waiting: {waiting} \n"
    )
}

/// `/metrics?compat=nginx`: names, kinds and order as nginx-prometheus-exporter has them.
pub(super) fn metrics(text: &mut Exposition, status: &EngineStatus) {
    let Stub { active, accepted, requests, writing, waiting } = Stub::of(status);
    let (counter, gauge) = (Kind::Counter, Kind::Gauge);
    for (name, kind, help, value) in [
        ("nginx_connections_accepted", counter, "Client connections accepted.", accepted),
        ("nginx_connections_active", gauge, "Client connections held now.", active),
        ("nginx_connections_handled", counter, "The same as those accepted.", accepted),
        ("nginx_connections_reading", gauge, "Part of those waiting: always 0.", 0),
        ("nginx_connections_waiting", gauge, "Connections without a request.", waiting),
        ("nginx_connections_writing", gauge, "Requests and streams under way.", writing),
        ("nginx_http_requests_total", counter, "Requests received.", requests),
        ("nginx_up", gauge, "1: this node answers.", 1),
    ] {
        text.single(name, kind, help, value);
    }
}
