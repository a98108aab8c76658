//! `/metrics?compat=haproxy`: what has a counterpart in `HAProxy`, by the names and labels of its
//! built-in exporter. What has none is left out; nothing is made up to fill a place.

use std::time::SystemTime;

use evenkeel_engine::{
    AdminState, EngineStatus, Health, ListenerStatus, PoolMode, PoolStatus, ServerStatus,
};

use super::{Exposition, Figure, Kind, as_u64, servers};

/// Classes of status, as in [`ListenerStatus::answers_total`]; what was closed without an answer is
/// nothing that `HAProxy` counts as one.
const CODES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const GAUGE: Kind = Kind::Gauge;
const COUNTER: Kind = Kind::Counter;

pub(super) fn metrics(
    text: &mut Exposition,
    status: &EngineStatus,
    max_fds: Option<u64>,
    now: SystemTime,
) {
    about_process(text, status, max_fds);
    about_frontends(text, status);
    about_backends(text, &status.pools);
    about_servers(text, &status.pools, now);
}

fn about_process(text: &mut Exposition, status: &EngineStatus, max_fds: Option<u64>) {
    let sum = |of: fn(&ListenerStatus) -> u64| status.listeners.iter().map(of).sum::<u64>();
    let figures = [
        ("haproxy_process_nbthread", GAUGE, "Engine threads.", as_u64(status.workers)),
        (
            "haproxy_process_current_connections",
            GAUGE,
            "Client connections held now.",
            status.connections.into(),
        ),
        (
            "haproxy_process_connections_total",
            COUNTER,
            "Client connections accepted.",
            sum(|it| it.connections_total),
        ),
        (
            "haproxy_process_requests_total",
            COUNTER,
            "Requests received.",
            sum(|it| it.requests_total),
        ),
        ("haproxy_process_stopping", GAUGE, "1 while the node stops.", status.draining.into()),
        (
            "haproxy_process_listeners",
            GAUGE,
            "Addresses listened on.",
            sum(|it| as_u64(it.addresses.len())),
        ),
        (
            "haproxy_process_dropped_logs_total",
            COUNTER,
            "Access log lines that could not be written.",
            status.log_lines_dropped_total,
        ),
        (
            "haproxy_process_bytes_out_total",
            COUNTER,
            "Bytes sent to clients.",
            sum(|it| it.bytes_sent_total),
        ),
    ];
    for (name, kind, help, value) in figures {
        text.single(name, kind, help, value);
    }
    if let Some(most) = max_fds {
        let help = "File descriptors there may be.";
        text.single("haproxy_process_max_fds", GAUGE, help, most);
    }
    let name = "haproxy_process_build_info";
    text.family(name, GAUGE, "1, with the version of this program, which is not HAProxy.");
    text.sample(name, &[("version", concat!("evenkeel-", env!("CARGO_PKG_VERSION")))], 1);
}

fn about_frontends(text: &mut Exposition, status: &EngineStatus) {
    let listeners = &status.listeners;
    let figures: [Figure<ListenerStatus>; 5] = [
        ("haproxy_frontend_current_sessions", GAUGE, "Client connections held now.", |it| {
            it.connections.into()
        }),
        ("haproxy_frontend_sessions_total", COUNTER, "Client connections accepted.", |it| {
            it.connections_total
        }),
        ("haproxy_frontend_connections_total", COUNTER, "Client connections accepted.", |it| {
            it.connections_total
        }),
        ("haproxy_frontend_bytes_in_total", COUNTER, "Bytes received from clients.", |it| {
            it.bytes_received_total
        }),
        ("haproxy_frontend_bytes_out_total", COUNTER, "Bytes sent to clients.", |it| {
            it.bytes_sent_total
        }),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        for listener in listeners {
            text.sample(name, &[("proxy", &listener.name)], value(listener));
        }
    }
    let name = "haproxy_frontend_status";
    text.family(name, GAUGE, "1 for the state it is in.");
    for listener in listeners {
        for (state, value) in [("DOWN", status.draining), ("UP", !status.draining)] {
            let labels = [("proxy", &*listener.name), ("state", state)];
            text.sample(name, &labels, u8::from(value));
        }
    }
    let of_http = || listeners.iter().filter(|it| it.protocol.starts_with("http"));
    let name = "haproxy_frontend_http_requests_total";
    text.family(name, COUNTER, "Requests received.");
    for listener in of_http() {
        text.sample(name, &[("proxy", &listener.name)], listener.requests_total);
    }
    let name = "haproxy_frontend_http_responses_total";
    text.family(name, COUNTER, "Answers to clients by class of status.");
    for listener in of_http() {
        for (code, value) in CODES.iter().zip(listener.answers_total) {
            text.sample(name, &[("proxy", &listener.name), ("code", code)], value);
        }
    }
}

fn about_backends(text: &mut Exposition, pools: &[PoolStatus]) {
    let figures: [Figure<PoolStatus>; 11] = [
        ("haproxy_backend_current_queue", GAUGE, "Requests that wait for a server.", |it| {
            it.waiting.into()
        }),
        ("haproxy_backend_current_sessions", GAUGE, "Requests or streams under way.", |it| {
            sum(it, |it| it.in_flight.into())
        }),
        ("haproxy_backend_bytes_in_total", COUNTER, "Bytes sent to servers.", |it| {
            sum(it, |it| it.bytes_sent_total)
        }),
        ("haproxy_backend_bytes_out_total", COUNTER, "Bytes received from servers.", |it| {
            sum(it, |it| it.bytes_received_total)
        }),
        ("haproxy_backend_connection_errors_total", COUNTER, "Connections not made.", |it| {
            sum(it, |it| it.connect_failures_total)
        }),
        ("haproxy_backend_retry_warnings_total", COUNTER, "Further tries.", |it| {
            sum(it, |it| it.retries_total)
        }),
        ("haproxy_backend_redispatch_warnings_total", COUNTER, "Those on another server.", |it| {
            sum(it, |it| it.retries_total)
        }),
        ("haproxy_backend_connection_attempts_total", COUNTER, "Connections begun.", |it| {
            sum(it, attempts)
        }),
        ("haproxy_backend_weight", GAUGE, "Weights of its servers in use, together.", |it| {
            it.servers.iter().filter(|it| it.in_use).map(|it| u64::from(it.weight)).sum()
        }),
        ("haproxy_backend_active_servers", GAUGE, "Servers in use that are no backup.", |it| {
            as_u64(in_use(it, false))
        }),
        ("haproxy_backend_backup_servers", GAUGE, "Backup servers that are usable.", |it| {
            as_u64(in_use(it, true))
        }),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        for pool in pools {
            text.sample(name, &[("proxy", &pool.name)], value(pool));
        }
    }
    let name = "haproxy_backend_status";
    text.family(name, GAUGE, "1 for the state it is in.");
    for pool in pools {
        let is_up = pool.mode != PoolMode::Empty;
        for (state, value) in [("DOWN", !is_up), ("UP", is_up)] {
            text.sample(name, &[("proxy", &pool.name), ("state", state)], u8::from(value));
        }
    }
    let name = "haproxy_backend_agg_server_status";
    text.family(name, GAUGE, "How many of its servers are in each state.");
    for pool in pools {
        for state in STATES {
            let count = pool.servers.iter().filter(|server| state_of(server) == state).count();
            text.sample(name, &[("proxy", &pool.name), ("state", state)], count);
        }
    }
    let name = "haproxy_backend_http_responses_total";
    text.family(name, COUNTER, "Answers of its servers by class of status.");
    for pool in pools {
        for (index, code) in CODES.iter().enumerate() {
            let value: u64 = pool.servers.iter().map(|server| server.answers_total[index]).sum();
            text.sample(name, &[("proxy", &pool.name), ("code", code)], value);
        }
    }
}

fn about_servers(text: &mut Exposition, pools: &[PoolStatus], now: SystemTime) {
    let figures: [Figure<ServerStatus>; 10] = [
        ("haproxy_server_current_sessions", GAUGE, "Requests or streams under way.", |it| {
            it.in_flight.into()
        }),
        ("haproxy_server_sessions_total", COUNTER, "Requests or streams given to it.", |it| {
            it.requests_total
        }),
        ("haproxy_server_loadbalanced_total", COUNTER, "Requests or streams given to it.", |it| {
            it.requests_total
        }),
        ("haproxy_server_bytes_in_total", COUNTER, "Bytes sent to it.", |it| it.bytes_sent_total),
        ("haproxy_server_bytes_out_total", COUNTER, "Bytes received from it.", |it| {
            it.bytes_received_total
        }),
        ("haproxy_server_connection_errors_total", COUNTER, "Connections not made.", |it| {
            it.connect_failures_total
        }),
        ("haproxy_server_connection_attempts_total", COUNTER, "Connections begun.", attempts),
        ("haproxy_server_check_failures_total", COUNTER, "Checks failed.", |it| {
            it.check_failures_total
        }),
        ("haproxy_server_idle_connections_current", GAUGE, "Connections kept for reuse.", |it| {
            it.idle_connections.into()
        }),
        ("haproxy_server_weight", GAUGE, "Its weight.", |it| it.weight.into()),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        for (pool, server) in servers(pools) {
            text.sample(name, &[("proxy", &pool.name), ("server", &server.name)], value(server));
        }
    }
    let name = "haproxy_server_status";
    text.family(name, GAUGE, "1 for the state it is in.");
    for (pool, server) in servers(pools) {
        for state in STATES {
            let labels = [("proxy", &*pool.name), ("server", &server.name), ("state", state)];
            text.sample(name, &labels, u8::from(state_of(server) == state));
        }
    }
    let name = "haproxy_server_check_last_change_seconds";
    text.family(name, GAUGE, "How long ago its health last changed.");
    for (pool, server) in servers(pools) {
        let since = now.duration_since(server.verdict.since).unwrap_or_default().as_secs();
        text.sample(name, &[("proxy", &pool.name), ("server", &server.name)], since);
    }
    let name = "haproxy_server_http_responses_total";
    text.family(name, COUNTER, "Answers from it by class of status.");
    for (pool, server) in servers(pools) {
        for (code, value) in CODES.iter().zip(server.answers_total) {
            let labels = [("proxy", &*pool.name), ("server", &server.name), ("code", code)];
            text.sample(name, &labels, value);
        }
    }
}

const STATES: [&str; 5] = ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];

/// As `HAProxy` calls the state of a server. It knows no state but up and down of one that has not
/// been judged yet, and takes it for up.
fn state_of(server: &ServerStatus) -> &'static str {
    match (server.admin.state, server.verdict.health) {
        (AdminState::Maint, _) => "MAINT",
        (_, Health::Down) => "DOWN",
        (AdminState::Drain, _) => "DRAIN",
        (AdminState::Ready, Health::Up | Health::Checking) => "UP",
    }
}

fn sum(pool: &PoolStatus, of: fn(&ServerStatus) -> u64) -> u64 {
    pool.servers.iter().map(of).sum()
}

fn attempts(server: &ServerStatus) -> u64 {
    server.connections_total + server.connect_failures_total
}

fn in_use(pool: &PoolStatus, backup: bool) -> usize {
    // A backup that is ready to take over counts, whether or not it has to.
    let is_ready =
        |it: &ServerStatus| it.verdict.health == Health::Up && it.admin.state == AdminState::Ready;
    let usable = |it: &&ServerStatus| if it.backup { is_ready(it) } else { it.in_use };
    pool.servers.iter().filter(|it| it.backup == backup && it.weight > 0).filter(usable).count()
}
