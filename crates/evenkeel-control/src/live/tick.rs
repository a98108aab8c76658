//! Two looks at the counters become what happened between them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_api as api;
use evenkeel_core::latency;
use evenkeel_engine::{
    CodeClass, Endings, EngineStatus, FlowStatus, ListenerStatus, PoolStatus, ServerStatus,
};

use crate::node::Node;
use crate::process::Figures;
use crate::{clock, describe};

/// Everything at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    at: SystemTime,
    /// On a clock that nobody sets.
    moment: Duration,
    status: EngineStatus,
    process: Figures,
    processors: usize,
}

impl Sample {
    pub(super) fn take(node: &Node) -> Self {
        Self {
            at: clock::now(),
            moment: clock::monotonic(),
            status: node.engine_status(),
            process: Figures::now(),
            processors: std::thread::available_parallelism().map_or(1, Into::into),
        }
    }
}

/// How long there was between two samples, and what grew in it.
#[derive(Clone, Copy, Debug)]
struct Between {
    seconds: f64,
}

impl Between {
    /// A second's part. What is smaller than before has begun anew.
    #[expect(clippy::cast_precision_loss, reason = "what is counted in a second is far below 2^52")]
    fn rate(self, before: Option<u64>, now: u64) -> f64 {
        let more = now.checked_sub(before.unwrap_or_default()).unwrap_or(now);
        more as f64 / self.seconds
    }
}

/// What happened from one sample to the next.
pub(super) fn tick(before: &Sample, now: &Sample) -> api::Tick {
    let seconds = now.moment.saturating_sub(before.moment).as_secs_f64().max(0.001);
    let between = Between { seconds };
    let (old, new) = (&before.status, &now.status);
    let since = now.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let old_listeners = by_name(&old.listeners, |it| &it.name);
    let old_pools = by_name(&old.pools, |it| &it.name);
    let mut tick = api::Tick {
        at: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        node: node(before, now, seconds),
        listeners: BTreeMap::new(),
        routes: BTreeMap::new(),
        pools: BTreeMap::new(),
        servers: BTreeMap::new(),
        vips: BTreeMap::new(),
    };
    for it in &new.listeners {
        let before = old_listeners.get(&*it.name).copied();
        tick.listeners.insert(it.name.to_string(), listener(between, before, it));
        let old_routes = by_name(before.map_or(&[][..], |before| &before.routes), |it| &it.name);
        for route in &it.routes {
            let before = old_routes.get(&*route.name).copied();
            let name = format!("{}/{}", it.name, route.name);
            tick.routes.insert(name, self::route(between, before, route));
        }
    }
    for it in &new.pools {
        let before = old_pools.get(&*it.name).copied();
        tick.pools.insert(it.name.to_string(), pool(between, before, it));
        let old_servers = by_name(before.map_or(&[][..], |before| &before.servers), |it| &it.name);
        for server in &it.servers {
            // Another address under the name is another server.
            let before = old_servers.get(&*server.name).copied();
            let before = before.filter(|before| before.address == server.address);
            let name = format!("{}/{}", it.name, server.name);
            tick.servers.insert(name, self::server(between, before, server));
        }
    }
    tick.vips.extend(new.vips.iter().map(|vip| {
        let owner = vip.owner.map(|owner| owner.to_string());
        (vip.name.to_string(), api::VipFigures { state: describe::vip_state(vip.state), owner })
    }));
    tick
}

fn by_name<T>(all: &[T], name: impl Fn(&T) -> &Arc<str>) -> HashMap<&str, &T> {
    all.iter().map(|it| (&**name(it), it)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a machine has far fewer than 2^52 processors")]
fn node(before: &Sample, now: &Sample, seconds: f64) -> api::NodeFigures {
    let cpu = (now.process.cpu_seconds - before.process.cpu_seconds) / seconds;
    let workers = now.status.worker_cpu.iter().enumerate().map(|(index, used)| {
        let before = before.status.worker_cpu.get(index).copied().unwrap_or_default();
        (used.saturating_sub(before).as_secs_f64() / seconds).clamp(0.0, 1.0)
    });
    api::NodeFigures {
        cpu: (cpu / now.processors as f64).clamp(0.0, 1.0),
        memory_bytes: now.process.resident_bytes,
        descriptors: now.process.open_fds,
        workers: workers.collect(),
    }
}

fn listener(
    between: Between,
    before: Option<&ListenerStatus>,
    now: &ListenerStatus,
) -> api::ListenerFigures {
    let rate = |of: fn(&ListenerStatus) -> u64| between.rate(before.map(of), of(now));
    let is_http = now.protocol.starts_with("http");
    let [p50, p99] = quantiles(before.map(|it| &it.endings), &now.endings);
    api::ListenerFigures {
        rate: if is_http { rate(|it| it.requests_total) } else { rate(|it| it.connections_total) },
        errors: rate(|it| it.endings.errors),
        answered_4xx: rate(|it| it.answers_total[CodeClass::ClientError as usize]),
        answered_5xx: rate(|it| it.answers_total[CodeClass::ServerError as usize]),
        connections: now.connections,
        bytes_in: rate(|it| it.bytes_received_total),
        bytes_out: rate(|it| it.bytes_sent_total),
        ended: ended(between, before.map(|it| &it.endings), &now.endings),
        p50,
        p99,
    }
}

fn route(between: Between, before: Option<&FlowStatus>, now: &FlowStatus) -> api::RouteFigures {
    let rate = |of: fn(&FlowStatus) -> u64| between.rate(before.map(of), of(now));
    let [p50, p99] = quantiles(before.map(|it| &it.endings), &now.endings);
    api::RouteFigures {
        rate: rate(|it| it.requests_total),
        errors: rate(|it| it.endings.errors),
        answered_4xx: rate(|it| it.answers_total[CodeClass::ClientError as usize]),
        answered_5xx: rate(|it| it.answers_total[CodeClass::ServerError as usize]),
        ended: ended(between, before.map(|it| &it.endings), &now.endings),
        p50,
        p99,
    }
}

fn pool(between: Between, before: Option<&PoolStatus>, now: &PoolStatus) -> api::PoolFigures {
    let rate = |of: fn(&PoolStatus) -> u64| between.rate(before.map(of), of(now));
    let [p50, p99] = quantiles(before.map(|it| &it.flow.endings), &now.flow.endings);
    api::PoolFigures {
        rate: rate(|it| it.flow.requests_total),
        errors: rate(|it| it.flow.endings.errors),
        answered_4xx: rate(|it| it.flow.answers_total[CodeClass::ClientError as usize]),
        answered_5xx: rate(|it| it.flow.answers_total[CodeClass::ServerError as usize]),
        ended: ended(between, before.map(|it| &it.flow.endings), &now.flow.endings),
        p50,
        p99,
        in_flight: now.servers.iter().map(|server| server.in_flight).sum(),
        queue: now.waiting,
        retries: rate(|it| it.servers.iter().map(|server| server.retries_total).sum()),
    }
}

fn server(
    between: Between,
    before: Option<&ServerStatus>,
    now: &ServerStatus,
) -> api::ServerFigures {
    let rate = |of: fn(&ServerStatus) -> u64| between.rate(before.map(of), of(now));
    let [p50, p99] = quantiles(before.map(|it| &it.endings), &now.endings);
    api::ServerFigures {
        rate: rate(|it| it.requests_total),
        errors: rate(|it| it.failures_total + it.answers_total[CodeClass::ServerError as usize]),
        answered_4xx: rate(|it| it.answers_total[CodeClass::ClientError as usize]),
        answered_5xx: rate(|it| it.answers_total[CodeClass::ServerError as usize]),
        ended: ended(between, before.map(|it| &it.endings), &now.endings),
        p50,
        p99,
        in_flight: now.in_flight,
        state: describe::health(now.verdict.health),
        admin: describe::admin_state(now.admin.state),
        reason: now.verdict.reason.to_string(),
    }
}

/// What ended by each termination code, of those that have occurred.
fn ended(between: Between, before: Option<&Endings>, now: &Endings) -> BTreeMap<String, f64> {
    let before = before.map_or(&[][..], |before| &before.codes);
    let of_code = |&(code, count): &(&'static str, u64)| {
        let before = before.iter().find(|(known, _)| *known == code).map(|(_, count)| *count);
        (code.to_owned(), between.rate(before, count))
    };
    now.codes.iter().map(of_code).collect()
}

/// The median and the 99th part of a hundred of what ended in between.
fn quantiles(before: Option<&Endings>, now: &Endings) -> [Option<f64>; 2] {
    let before = before.map_or(&[][..], |before| &before.durations);
    let fewer = |(place, count): (usize, &u64)| {
        let before = before.get(place).copied().unwrap_or_default();
        count.checked_sub(before).unwrap_or(*count)
    };
    let counts: Vec<u64> = now.durations.iter().enumerate().map(fewer).collect();
    [0.5, 0.99].map(|part| latency::quantile(&counts, part))
}

#[cfg(test)]
mod tests;
