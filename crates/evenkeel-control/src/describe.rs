//! The engine's values as documents of the API.

use std::error::Error;
use std::time::{Duration, SystemTime};

use evenkeel_api as api;
use evenkeel_core::health::Outcome;
use evenkeel_core::verdict::{Component, Status};
use evenkeel_core::vrrp::machine::State;
use evenkeel_engine::{
    AdminState, AgentWord, BreakerStatus, CertificateStatus, Degraded, EngineStatus, Event,
    Evidence, Health, LastCheck, ListenerStatus, PoolMode, PoolStatus, ServerStatus, TimeLineEntry,
    VipStatus,
};

use crate::finding::{Described, Findings, Severity};
use crate::node::{LoadError, Membership, Node};

pub(crate) fn node(node: &Node) -> api::Status {
    let EngineStatus { listeners, pools, vips, workers, connections, shed_level, draining, .. } =
        node.engine_status();
    let mut membership = node.membership();
    let mut destinations = node.destinations();
    let state = if draining { api::NodeState::Draining } else { api::NodeState::Running };
    api::Status {
        node: node.settings().name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state,
        started: api::Timestamp(node.started()),
        process: std::process::id(),
        workers,
        connections,
        shed_level,
        config: node.config_status(),
        listeners: listeners
            .iter()
            .map(|it| listener(it, destinations.remove(&it.name).unwrap_or_default()))
            .collect(),
        pools: node.with_views(
            pools.iter().map(|it| pool(it, membership.remove(&it.name).unwrap_or_default())),
        ),
        vips: node.with_peer(vips.iter().map(vip)),
        pair: node.pair_status(),
        drills: node.drills(),
        problems: node.problems(),
    }
}

fn listener(listener: &ListenerStatus, pools: Vec<String>) -> api::Listener {
    api::Listener {
        pools,
        name: listener.name.to_string(),
        protocol: listener.protocol.to_owned(),
        addresses: listener.addresses.iter().map(ToString::to_string).collect(),
        connections: listener.connections,
        connections_total: listener.connections_total,
        requests_total: listener.requests_total,
        certificates: listener.certificates.iter().map(certificate).collect(),
    }
}

fn certificate(certificate: &CertificateStatus) -> api::Certificate {
    let time = |seconds: i64| {
        let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        api::Timestamp(SystemTime::UNIX_EPOCH + since)
    };
    api::Certificate {
        file: certificate.source.display().to_string(),
        names: certificate.names.iter().map(ToString::to_string).collect(),
        key: certificate.key.to_owned(),
        fingerprint: certificate.fingerprint.clone(),
        not_before: time(certificate.not_before),
        not_after: time(certificate.not_after),
        ocsp_until: certificate.ocsp_until.map(time),
        failure: certificate.failure.clone(),
    }
}

/// Every pool.
pub(crate) fn pools(node: &Node) -> Vec<api::Pool> {
    self::node(node).pools
}

fn pool(pool: &PoolStatus, membership: Membership) -> api::Pool {
    let Membership { mut servers, removed, names } = membership;
    let layered = |it: &ServerStatus| {
        let (configured, overridden) = servers.remove(&it.name).unwrap_or_default();
        api::Server { configured, overridden, ..server(it) }
    };
    api::Pool {
        removed,
        names,
        name: pool.name.to_string(),
        balance: pool.balance.to_owned(),
        mode: pool_mode(pool.mode),
        degraded: pool.degraded.iter().map(degraded).collect(),
        waiting: pool.waiting,
        breaker: pool.breaker.iter().map(breaker).collect(),
        servers: pool.servers.iter().map(layered).collect(),
    }
}

pub(crate) fn pool_mode(mode: PoolMode) -> api::PoolMode {
    match mode {
        PoolMode::Normal => api::PoolMode::Normal,
        PoolMode::Backup => api::PoolMode::Backup,
        PoolMode::Panic => api::PoolMode::Panic,
        PoolMode::Empty => api::PoolMode::Empty,
    }
}

/// Every virtual address.
pub(crate) fn vips(node: &Node) -> Vec<api::Vip> {
    node.with_peer(node.engine_status().vips.iter().map(vip))
}

fn vip(vip: &VipStatus) -> api::Vip {
    let addresses = vip.addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}"));
    api::Vip {
        name: vip.name.to_string(),
        interface: vip.interface.to_string(),
        router_id: vip.router_id,
        addresses: addresses.collect(),
        state: vip_state(vip.state),
        reason: vip.reason.to_string(),
        since: api::Timestamp(vip.since),
        source: vip.source.map(|it| it.to_string()),
        owner: vip.owner.map(|it| it.to_string()),
        priority: vip.priority,
        claim: vip.claim,
        failed: vip.failed.iter().map(ToString::to_string).collect(),
        moved: vip.is_moved,
        obstacle: vip.obstacle.map(str::to_owned),
        claims_total: vip.claims_total,
        conflicts_total: vip.conflicts_total,
        gap_seconds: vip.gap.map(|gap| gap.as_secs_f64()),
        peer: None,
    }
}

pub(crate) fn vip_state(state: State) -> api::VipState {
    match state {
        State::Initialize => api::VipState::Initialize,
        State::Backup => api::VipState::Backup,
        State::Probing => api::VipState::Probing,
        State::Active => api::VipState::Active,
        State::Leaving => api::VipState::Leaving,
        State::Fault => api::VipState::Fault,
    }
}

fn breaker(breaker: &BreakerStatus) -> api::BreakerLoad {
    let BreakerStatus { load, under_way, limit } = *breaker;
    api::BreakerLoad { load: load.to_owned(), under_way, limit }
}

/// What is observed of a server.
fn server(server: &ServerStatus) -> api::Server {
    api::Server {
        name: server.name.to_string(),
        configured: None,
        overridden: None,
        address: server.address.to_string(),
        weight: server.weight,
        backup: server.backup,
        zone: server.zone.as_ref().map(ToString::to_string),
        admin: api::ServerAdmin {
            state: admin_state(server.admin.state),
            author: server.admin.author.to_string(),
            reason: server.admin.reason.to_string(),
            since: api::Timestamp(server.admin.since),
        },
        verdict: api::ServerVerdict {
            health: health(server.verdict.health),
            reason: server.verdict.reason.to_string(),
            since: api::Timestamp(server.verdict.since),
            evidence: evidence(&server.evidence),
            time_line: time_line(&server.time_line),
        },
        peer: None,
        in_use: server.in_use,
        in_flight: server.in_flight,
        breaker: server.breaker.iter().map(breaker).collect(),
        idle_connections: server.idle_connections,
        connections_total: server.connections_total,
        requests_total: server.requests_total,
        failures_total: server.failures_total,
        retries_total: server.retries_total,
        checks_total: server.checks_total,
        check_failures_total: server.check_failures_total,
    }
}

pub(crate) fn admin_state(state: AdminState) -> api::AdminState {
    match state {
        AdminState::Ready => api::AdminState::Ready,
        AdminState::Drain => api::AdminState::Drain,
        AdminState::Maint => api::AdminState::Maint,
    }
}

pub(crate) fn health(health: Health) -> api::Health {
    match health {
        Health::Up => api::Health::Up,
        Health::Down => api::Health::Down,
        Health::Checking => api::Health::Checking,
    }
}

fn degraded(Degraded { dependency, since }: &Degraded) -> api::Degraded {
    api::Degraded { dependency: dependency.to_string(), since: api::Timestamp(*since) }
}

fn evidence(evidence: &Evidence) -> api::Evidence {
    let Evidence { last_check, components, agent } = evidence;
    api::Evidence {
        last_check: last_check.as_ref().map(self::last_check),
        components: components.iter().map(component).collect(),
        agent: agent.as_ref().map(agent_word),
    }
}

fn agent_word(&AgentWord { said, silent }: &AgentWord) -> api::AgentWord {
    api::AgentWord {
        said: said.map(|(_, words)| words.to_string()),
        at: said.map(|(at, _)| api::Timestamp(at)),
        silent_since: silent.map(|(since, _)| api::Timestamp(since)),
        silent_because: silent.map(|(_, failure)| failure.to_string()),
    }
}

fn last_check(&LastCheck { at, took, outcome }: &LastCheck) -> api::LastCheck {
    let (outcome, found) = match outcome {
        Outcome::Passed => (api::CheckOutcome::Passed, None),
        Outcome::Failed(failure) => (api::CheckOutcome::Failed, Some(failure.to_string())),
        Outcome::Undecided => (api::CheckOutcome::Undecided, None),
    };
    api::LastCheck { at: api::Timestamp(at), took_ms: millis(took), outcome, found }
}

fn component(component: &Component) -> api::Component {
    let Component { name, status, critical, latency } = component;
    let status = match status {
        Status::Up => api::ComponentStatus::Up,
        Status::Degraded => api::ComponentStatus::Degraded,
        Status::Down => api::ComponentStatus::Down,
    };
    let (name, latency_ms) = (name.to_string(), latency.map(millis));
    api::Component { name, status, critical: *critical, latency_ms }
}

/// To the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn time_line(entries: &[TimeLineEntry]) -> Vec<api::TimeLineEntry> {
    let mut before = None;
    let entry = |&TimeLineEntry { at, health: now, usable, reason }: &TimeLineEntry| {
        let to = health(now);
        let from = before.replace(to);
        let (at, reason) = (api::Timestamp(at), reason.to_string());
        api::TimeLineEntry { at, from, to, usable, reason }
    };
    entries.iter().map(entry).collect()
}

pub(crate) fn event(event: &Event) -> api::Event {
    api::Event {
        at: api::Timestamp(event.at),
        kind: event.kind.to_owned(),
        subject: event.subject.clone(),
        message: event.message.clone(),
    }
}

pub(crate) fn findings(findings: &Findings) -> Vec<api::Found> {
    findings.describe().into_iter().map(found).collect()
}

fn found(described: Described) -> api::Found {
    let Described { severity, file, line, column, reason, help } = described;
    let severity = match severity {
        Severity::Fault => api::Severity::Fault,
        Severity::Warning => api::Severity::Warning,
    };
    api::Found { severity, file, line, column, reason, help }
}

/// An error with its causes.
pub(crate) fn in_one_line(error: &LoadError) -> String {
    if let LoadError::Faults(findings) = error {
        return findings.to_string().replace('\n', " · ");
    }
    with_causes(error)
}

/// The same of any error.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
