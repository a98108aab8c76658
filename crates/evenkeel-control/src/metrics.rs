//! `/metrics`: what the node counts, as text for Prometheus.

mod drills;
mod exports;
mod flows;
mod form;
mod haproxy;
mod nginx;
mod pair;
mod vips;

use std::fmt::{Display, Write as _};
use std::time::SystemTime;

use evenkeel_engine::{
    AdminState, BreakerStatus, CertificateStatus, EngineStatus, Exemplar, Health, ListenerStatus,
    PoolMode, PoolStatus, RateStatus, ServerStatus,
};

pub(crate) use self::form::Form;
pub(crate) use self::nginx::stub_status;
use crate::history::Standing;
use crate::node::{Node, Tally};
use crate::process::Figures;
use crate::{clock, export};

/// By whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Own,
    Nginx,
    Haproxy,
}

/// Labels of [`ListenerStatus::answers_total`] and [`ServerStatus::answers_total`].
const CODES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// What a metric is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The text being written.
#[derive(Debug, Default)]
struct Exposition {
    text: String,
    form: Form,
    /// Names of the gauges so far.
    gauges: Vec<String>,
}

impl Exposition {
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let (name, kind) = match kind {
            Kind::Counter => self.counter(name),
            Kind::Gauge => (name, "gauge"),
            Kind::Histogram => (name, "histogram"),
        };
        if self.form == Form::OpenMetrics && kind == "gauge" {
            self.gauges.push(name.to_owned());
        }
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("strings grow");
    }

    /// In `OpenMetrics` `_total` belongs to a counter's samples, not to its name. Where a gauge has the
    /// name without it, or there is no `_total`, there can be no counter: what kind it is, is then
    /// not said.
    fn counter<'a>(&self, name: &'a str) -> (&'a str, &'static str) {
        if self.form == Form::Prometheus {
            return (name, "counter");
        }
        match name.strip_suffix("_total") {
            Some(family) if !self.gauges.iter().any(|gauge| gauge == family) => (family, "counter"),
            _ => (name, "unknown"),
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.shown_sample(name, labels, value, None);
    }

    /// With one exchange that stands for what is counted, in the form that has a place for it:
    /// `OpenMetrics`, behind a bucket or a counter.
    fn shown_sample(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl Display,
        shown: Option<Exemplar>,
    ) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            self.text.push(before);
            self.text.push_str(label);
            self.text.push_str("=\"");
            if text.contains(['\\', '"', '\n']) {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                self.text.push_str(&text);
            } else {
                self.text.push_str(text);
            }
            self.text.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        write!(self.text, "{end} {value}").expect("strings grow");
        if let Some(Exemplar { trace, took, at }) = shown.filter(|_| self.form == Form::OpenMetrics)
        {
            let digits = trace.digits();
            let trace = String::from_utf8_lossy(&digits);
            let (took, at) = (took.as_secs_f64(), epoch_millis(at));
            let (second, millis) = (at / 1_000, at % 1_000);
            write!(self.text, " # {{trace_id=\"{trace}\"}} {took} {second}.{millis:03}")
                .expect("strings grow");
        }
        self.text.push('\n');
    }

    /// A family of one sample.
    fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

/// Everything, as it is now.
pub(crate) fn metrics(node: &Node, dialect: Dialect, form: Form) -> String {
    let mut text = Exposition { form, ..Exposition::default() };
    let status = node.engine_status();
    match dialect {
        Dialect::Own => own(&mut text, node, &status),
        Dialect::Nginx => nginx::metrics(&mut text, &status),
        Dialect::Haproxy => {
            haproxy::metrics(&mut text, &status, Figures::now().max_fds, clock::now());
        }
    }
    if form == Form::OpenMetrics {
        text.text.push_str("# EOF\n");
    }
    text.text
}

fn own(text: &mut Exposition, node: &Node, status: &EngineStatus) {
    about_node(text, node, status);
    about_config(text, &node.tally(), node.version().applied);
    about_process(text, &Figures::now(), node.started());
    about_listeners(text, &status.listeners);
    about_certificates(text, &status.listeners);
    about_history(text, node.history().standing());
    about_orders(text, node.order_counts());
    exports::about_exports(text, export::counts(node));
    about_rates(text, &status.rates);
    about_pools(text, &status.pools);
    about_limits(text, &status.pools);
    about_servers(text, &status.pools);
    flows::about_flows(text, status);
    vips::about_vips(text, &status.vips);
    if let Some(figures) = node.link_figures() {
        pair::about_pair(text, figures, node.judged_otherwise(&status.pools));
    }
    drills::about_drills(text, &node.drills());
}

fn about_node(text: &mut Exposition, node: &Node, status: &EngineStatus) {
    let name = "evenkeel_build_info";
    text.family(name, Kind::Gauge, "1, with the version of the program and the node's name.");
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("node", &node.settings().name)];
    text.sample(name, &labels, 1);
    for (name, kind, help, value) in [
        ("evenkeel_workers", Kind::Gauge, "Engine threads.", as_u64(status.workers)),
        ("evenkeel_draining", Kind::Gauge, "1 while the node stops.", status.draining.into()),
        (
            "evenkeel_connections",
            Kind::Gauge,
            "Client connections held now.",
            status.connections.into(),
        ),
        (
            "evenkeel_accept_pauses_total",
            Kind::Counter,
            "Times accepting paused because file descriptors ran out.",
            status.accept_pauses_total,
        ),
        (
            "evenkeel_shed_level",
            Kind::Gauge,
            "Requests of routes with a lower priority are answered 503; 0: nothing is shed.",
            status.shed_level.into(),
        ),
        (
            "evenkeel_panics_total",
            Kind::Counter,
            "Connections ended by a defect of this program.",
            status.panics_total,
        ),
        (
            "evenkeel_access_log_dropped_total",
            Kind::Counter,
            "Access log lines that could not be written.",
            status.log_lines_dropped_total,
        ),
        (
            "evenkeel_access_log_left_out_total",
            Kind::Counter,
            "Access log lines that its sample did not take.",
            status.log_lines_left_out_total,
        ),
        (
            "evenkeel_mirror_dropped_total",
            Kind::Counter,
            "Copies of requests not made because too many were under way.",
            status.copies_dropped_total,
        ),
    ] {
        text.single(name, kind, help, value);
    }
    let name = "evenkeel_worker_cpu_seconds_total";
    text.family(name, Kind::Counter, "Processor time an engine thread has used.");
    for (index, used) in status.worker_cpu.iter().enumerate() {
        text.sample(name, &[("worker", &index.to_string())], used.as_secs_f64());
    }
}

fn about_history(text: &mut Exposition, standing: Standing) {
    let Standing { bytes, lost, is_failing } = standing;
    let (gauge, counter) = (Kind::Gauge, Kind::Counter);
    text.single("evenkeel_history_bytes", gauge, "What the history takes.", bytes);
    let help = "Seconds that could not be kept.";
    text.single("evenkeel_history_lost_seconds_total", counter, help, lost);
    let help = "1 while the history cannot be written.";
    text.single("evenkeel_history_failing", gauge, help, u8::from(is_failing));
}

fn about_orders(text: &mut Exposition, (arrived, failed, failing): (u64, u64, usize)) {
    let name = "evenkeel_acme_orders_total";
    text.family(name, Kind::Counter, "Orders of certificates by what became of them.");
    text.sample(name, &[("result", "arrived")], arrived);
    text.sample(name, &[("result", "failed")], failed);
    let help = "Certificates whose last order has failed.";
    text.single("evenkeel_acme_failing", Kind::Gauge, help, failing);
}

fn about_config(text: &mut Exposition, tally: &Tally, applied: SystemTime) {
    let name = "evenkeel_config_changes_total";
    text.family(name, Kind::Counter, "Configurations by what became of them.");
    text.sample(name, &[("result", "applied")], tally.applied_total);
    text.sample(name, &[("result", "refused")], tally.refused_total);
    let good = u8::from(tally.last_refusal.is_none());
    let help = "1 when the last change of the configuration was applied, 0 when it was refused.";
    text.single("evenkeel_config_last_change_success", Kind::Gauge, help, good);
    let help = "When the configuration in force was applied, in seconds of the Unix epoch.";
    text.single(
        "evenkeel_config_applied_timestamp_seconds",
        Kind::Gauge,
        help,
        epoch_seconds(applied),
    );
}

/// By the names that Prometheus's own libraries use.
fn about_process(text: &mut Exposition, figures: &Figures, started: SystemTime) {
    let Figures { cpu_seconds, resident_bytes, virtual_bytes, threads, open_fds, max_fds } =
        figures;
    let help = "CPU time used, in seconds.";
    text.single("process_cpu_seconds_total", Kind::Counter, help, cpu_seconds);
    let help = "When the node was started, in seconds of the Unix epoch.";
    text.single("process_start_time_seconds", Kind::Gauge, help, epoch_seconds(started));
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use.", resident_bytes),
        ("process_virtual_memory_bytes", "Memory asked for.", virtual_bytes),
        ("process_threads", "Threads.", threads),
        ("process_open_fds", "File descriptors in use.", open_fds),
        ("process_max_fds", "File descriptors there may be.", max_fds),
    ] {
        if let Some(value) = value {
            text.single(name, Kind::Gauge, help, value);
        }
    }
}

/// A figure of a listener or a server, with its name and what it says.
type Figure<T> = (&'static str, Kind, &'static str, fn(&T) -> u64);

fn about_listeners(text: &mut Exposition, listeners: &[ListenerStatus]) {
    let figures: [Figure<ListenerStatus>; 5] = [
        ("evenkeel_listener_connections", Kind::Gauge, "Client connections held now.", |it| {
            it.connections.into()
        }),
        (
            "evenkeel_listener_connections_total",
            Kind::Counter,
            "Client connections accepted.",
            |it| it.connections_total,
        ),
        ("evenkeel_listener_requests_total", Kind::Counter, "Requests received.", |it| {
            it.requests_total
        }),
        (
            "evenkeel_listener_received_bytes_total",
            Kind::Counter,
            "Bytes received from clients.",
            |it| it.bytes_received_total,
        ),
        ("evenkeel_listener_sent_bytes_total", Kind::Counter, "Bytes sent to clients.", |it| {
            it.bytes_sent_total
        }),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        for listener in listeners {
            text.sample(name, &[("listener", &listener.name)], value(listener));
        }
    }
    let name = "evenkeel_listener_answers_total";
    text.family(name, Kind::Counter, "Answers to clients by class of status.");
    for listener in listeners {
        for (code, value) in CODES.iter().zip(listener.answers_total) {
            text.sample(name, &[("listener", &listener.name), ("code", code)], value);
        }
    }
    let name = "evenkeel_listener_shed_total";
    text.family(name, Kind::Counter, "Requests shed, by the priority of their routes.");
    for listener in listeners {
        let shed = listener.shed_total.iter().zip(0_u8..).filter(|(value, _)| **value > 0);
        for (value, priority) in shed {
            let labels = [("listener", &*listener.name), ("priority", &priority.to_string())];
            text.sample(name, &labels, value);
        }
    }
    let name = "evenkeel_listener_refusals_total";
    text.family(name, Kind::Counter, "Requests and connections refused, by reason.");
    for listener in listeners {
        for (reason, value) in &listener.refusals_total {
            text.sample(name, &[("listener", &listener.name), ("reason", reason)], value);
        }
    }
}

fn about_certificates(text: &mut Exposition, listeners: &[ListenerStatus]) {
    let name = "evenkeel_listener_handshakes";
    text.family(name, Kind::Gauge, "TLS handshakes under way.");
    for listener in listeners.iter().filter(|it| !it.certificates.is_empty()) {
        text.sample(name, &[("listener", &listener.name)], listener.handshakes);
    }
    let seconds = |time: i64| u64::try_from(time).unwrap_or_default();
    let figures: [Figure<CertificateStatus>; 4] = [
        (
            "evenkeel_certificate_not_after_timestamp_seconds",
            Kind::Gauge,
            "When a certificate ends, in seconds of the Unix epoch.",
            |it| u64::try_from(it.not_after).unwrap_or_default(),
        ),
        (
            "evenkeel_certificate_failing",
            Kind::Gauge,
            "1 while the files of a certificate are of no use, and the one from before is shown.",
            |it| it.failure.is_some().into(),
        ),
        (
            "evenkeel_certificate_replaced_total",
            Kind::Counter,
            "Times another certificate was found in the files of one.",
            |it| it.replaced_total,
        ),
        (
            "evenkeel_certificate_refused_total",
            Kind::Counter,
            "Times the files of a certificate were found to be of no use.",
            |it| it.refused_total,
        ),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        certificate_samples(text, name, listeners, |it| Some(value(it)));
    }
    let name = "evenkeel_certificate_ocsp_until_timestamp_seconds";
    let help = "Until when the OCSP response shown with a certificate holds.";
    text.family(name, Kind::Gauge, help);
    certificate_samples(text, name, listeners, |it| it.ocsp_until.map(seconds));
}

/// Labelled by the place of a certificate in its listener, from 1, and its first name.
fn certificate_samples(
    text: &mut Exposition,
    name: &str,
    listeners: &[ListenerStatus],
    value: impl Fn(&CertificateStatus) -> Option<u64>,
) {
    for listener in listeners {
        for (number, certificate) in (1..).zip(&listener.certificates) {
            let Some(value) = value(certificate) else { continue };
            let (number, host): (String, &str) =
                (u32::to_string(&number), certificate.names.first().map_or("", |name| name));
            let labels = [
                ("listener", &*listener.name),
                ("certificate", &number),
                ("host", host),
                ("key", certificate.key),
            ];
            text.sample(name, &labels, value);
        }
    }
}

fn about_rates(text: &mut Exposition, rates: &[RateStatus]) {
    let name = "evenkeel_rate_exceeded_total";
    text.family(name, Kind::Counter, "Requests and connections beyond a limit, refused or not.");
    for rate in rates {
        let dry_run = if rate.dry_run { "true" } else { "false" };
        text.sample(name, &[("rate", &rate.name), ("dry_run", dry_run)], rate.exceeded_total);
    }
}

fn about_pools(text: &mut Exposition, pools: &[PoolStatus]) {
    let name = "evenkeel_pool_in_flight";
    text.family(name, Kind::Gauge, "Requests or streams under way on its servers.");
    for pool in pools {
        let in_flight: u32 = pool.servers.iter().map(|server| server.in_flight).sum();
        text.sample(name, &[("pool", &pool.name)], in_flight);
    }
    let name = "evenkeel_pool_mode";
    text.family(name, Kind::Gauge, "1 for the mode a pool is in: which of its servers are used.");
    let modes = [
        ("normal", PoolMode::Normal),
        ("backup", PoolMode::Backup),
        ("panic", PoolMode::Panic),
        ("empty", PoolMode::Empty),
    ];
    for pool in pools {
        for (word, mode) in modes {
            let value = u8::from(pool.mode == mode);
            text.sample(name, &[("pool", &pool.name), ("mode", word)], value);
        }
    }
    let name = "evenkeel_pool_degraded";
    text.family(name, Kind::Gauge, "Dependencies that every server of a pool lacks.");
    for pool in pools {
        text.sample(name, &[("pool", &pool.name)], pool.degraded.len());
    }
}

fn about_limits(text: &mut Exposition, pools: &[PoolStatus]) {
    let name = "evenkeel_pool_queue_length";
    text.family(name, Kind::Gauge, "Requests that wait for a server with room.");
    for pool in pools {
        text.sample(name, &[("pool", &pool.name)], pool.waiting);
    }
    let name = "evenkeel_pool_refusals_total";
    let help = "Requests refused because too much was under way, by what refused them.";
    text.family(name, Kind::Counter, help);
    for pool in pools {
        for (reason, value) in pool.refusals_total {
            text.sample(name, &[("pool", &pool.name), ("reason", reason)], value);
        }
    }
    let name = "evenkeel_pool_further_tries_total";
    text.family(name, Kind::Counter, "Further tries that were wanted, by what became of them.");
    for pool in pools {
        for (result, value) in pool.further_tries_total {
            text.sample(name, &[("pool", &pool.name), ("result", result)], value);
        }
    }
    let figures: [Figure<PoolStatus>; 2] = [
        (
            "evenkeel_pool_hedges_total",
            Kind::Counter,
            "Requests sent to a second server because the first one was late.",
            |it| it.hedges_total,
        ),
        ("evenkeel_pool_hedges_won_total", Kind::Counter, "Those the second one answered.", |it| {
            it.hedges_won_total
        }),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        for pool in pools {
            text.sample(name, &[("pool", &pool.name)], value(pool));
        }
    }
    breakers(text, pools, "under_way", "What is under way, where a breaker limits it.", |it| {
        it.under_way
    });
    breakers(text, pools, "limit", "What a breaker lets be under way at once.", |it| it.limit);
}

/// One figure of the breakers of pools and of servers.
fn breakers(
    text: &mut Exposition,
    pools: &[PoolStatus],
    figure: &str,
    help: &str,
    value: fn(&BreakerStatus) -> u32,
) {
    let name = format!("evenkeel_pool_breaker_{figure}");
    text.family(&name, Kind::Gauge, help);
    for pool in pools {
        for it in &pool.breaker {
            text.sample(&name, &[("pool", &pool.name), ("load", it.load)], value(it));
        }
    }
    let name = format!("evenkeel_server_breaker_{figure}");
    text.family(&name, Kind::Gauge, help);
    for (pool, server) in servers(pools) {
        for it in &server.breaker {
            let labels = [("pool", &*pool.name), ("server", &server.name), ("load", it.load)];
            text.sample(&name, &labels, value(it));
        }
    }
}

fn about_servers(text: &mut Exposition, pools: &[PoolStatus]) {
    let counter = Kind::Counter;
    let figures: [Figure<ServerStatus>; 15] = [
        ("evenkeel_server_up", Kind::Gauge, "1 when the server is judged up.", |it| {
            (it.verdict.health == Health::Up).into()
        }),
        ("evenkeel_server_in_use", Kind::Gauge, "1 when it takes new requests.", |it| {
            it.in_use.into()
        }),
        ("evenkeel_server_weight", Kind::Gauge, "Its weight.", |it| it.weight.into()),
        ("evenkeel_server_in_flight", Kind::Gauge, "Requests or streams under way.", |it| {
            it.in_flight.into()
        }),
        ("evenkeel_server_idle_connections", Kind::Gauge, "Connections kept for reuse.", |it| {
            it.idle_connections.into()
        }),
        ("evenkeel_server_connections_total", counter, "Connections made.", |it| {
            it.connections_total
        }),
        ("evenkeel_server_connect_failures_total", counter, "Connections not made.", |it| {
            it.connect_failures_total
        }),
        ("evenkeel_server_requests_total", counter, "Requests sent.", |it| it.requests_total),
        ("evenkeel_server_retries_total", counter, "Requests given to another server.", |it| {
            it.retries_total
        }),
        ("evenkeel_server_failures_total", counter, "Exchanges it failed.", |it| it.failures_total),
        ("evenkeel_server_sent_bytes_total", counter, "Bytes sent to it.", |it| {
            it.bytes_sent_total
        }),
        ("evenkeel_server_received_bytes_total", counter, "Bytes received from it.", |it| {
            it.bytes_received_total
        }),
        ("evenkeel_server_checks_total", counter, "Checks made.", |it| it.checks_total),
        ("evenkeel_server_check_failures_total", counter, "Checks failed.", |it| {
            it.check_failures_total
        }),
        (
            "evenkeel_server_state_since_timestamp_seconds",
            Kind::Gauge,
            "When its health last changed, in seconds of the Unix epoch.",
            |it| epoch_seconds(it.verdict.since),
        ),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        for (pool, server) in servers(pools) {
            text.sample(name, &[("pool", &pool.name), ("server", &server.name)], value(server));
        }
    }
    let name = "evenkeel_server_admin_state";
    text.family(name, Kind::Gauge, "1 for what an operator wants of it.");
    for (pool, server) in servers(pools) {
        for state in [AdminState::Ready, AdminState::Drain, AdminState::Maint] {
            let labels =
                [("pool", &*pool.name), ("server", &server.name), ("state", state.as_str())];
            text.sample(name, &labels, u8::from(server.admin.state == state));
        }
    }
    let name = "evenkeel_server_answers_total";
    text.family(name, counter, "Answers from servers by class of status.");
    for (pool, server) in servers(pools) {
        for (code, value) in CODES.iter().zip(server.answers_total) {
            let labels = [("pool", &*pool.name), ("server", &server.name), ("code", code)];
            text.sample(name, &labels, value);
        }
    }
}

fn servers(pools: &[PoolStatus]) -> impl Iterator<Item = (&PoolStatus, &ServerStatus)> {
    pools.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)))
}

fn epoch_seconds(time: SystemTime) -> u64 {
    epoch_millis(time) / 1_000
}

fn epoch_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
