use std::time::{Duration, SystemTime};

use evenkeel_core::latency::{BUCKETS, bucket};
use evenkeel_engine::{Admin, AdminState, Evidence, Health, PoolMode, Verdict};

use super::*;

fn flow(name: &str, requests: u64, errors: u64, fast: u64) -> FlowStatus {
    FlowStatus {
        name: name.into(),
        requests_total: requests,
        answers_total: [0; 6],
        bytes_received_total: 0,
        bytes_sent_total: 0,
        endings: endings(errors, fast),
    }
}

fn endings(errors: u64, fast: u64) -> Endings {
    let mut durations = vec![0; BUCKETS];
    durations[bucket(Duration::from_millis(1))] = fast;
    Endings { durations, seconds: 0.0, errors, codes: Vec::new(), ..Endings::default() }
}

fn server(name: &str, port: u16, requests: u64) -> ServerStatus {
    let since = SystemTime::UNIX_EPOCH;
    let admin = Admin { state: AdminState::Drain, author: "".into(), reason: "".into(), since };
    ServerStatus {
        name: name.into(),
        address: ([127, 0, 0, 1], port).into(),
        weight: 1,
        backup: false,
        zone: None,
        admin,
        verdict: Verdict { health: Health::Up, reason: "2 of 2 checks passed".into(), since },
        evidence: Evidence::default(),
        time_line: Arc::default(),
        in_use: true,
        in_flight: 3,
        breaker: Vec::new(),
        idle_connections: 0,
        connections_total: 0,
        reused_total: 0,
        connect_failures_total: 0,
        requests_total: requests,
        answers_total: [0, 0, 0, 0, 4, 0],
        retries_total: requests / 10,
        failures_total: 1,
        bytes_sent_total: 0,
        bytes_received_total: 0,
        checks_total: 0,
        check_failures_total: 0,
        check_seconds_total: 0.0,
        ejections_total: 0,
        endings: Endings::default(),
    }
}

fn pool(flow: FlowStatus, servers: Vec<ServerStatus>) -> PoolStatus {
    PoolStatus {
        name: Arc::clone(&flow.name),
        balance: "round-robin",
        mode: PoolMode::Normal,
        degraded: Vec::new(),
        waiting: 2,
        breaker: Vec::new(),
        refusals_total: [("", 0); 4],
        further_tries_total: [("", 0); 3],
        hedges_total: 0,
        hedges_won_total: 0,
        flow,
        servers,
    }
}

fn sample(at: u64, pools: Vec<PoolStatus>) -> Sample {
    let status = EngineStatus {
        listeners: Vec::new(),
        pools,
        rates: Vec::new(),
        vips: Vec::new(),
        workers: 1,
        worker_cpu: vec![Duration::from_millis(at * 500)],
        connections: 0,
        accept_pauses_total: 0,
        panics_total: 0,
        log_lines_dropped_total: 0,
        log_lines_left_out_total: 0,
        shed_level: 0,
        copies_dropped_total: 0,
        draining: false,
    };
    let process = Figures {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        cpu_seconds: at as f64,
        resident_bytes: Some(1 << 20),
        virtual_bytes: None,
        threads: None,
        open_fds: Some(20),
        max_fds: None,
    };
    let at = Duration::from_secs(at);
    Sample { at: SystemTime::UNIX_EPOCH + at, moment: at, status, process, processors: 4 }
}

#[test]
fn what_grew_is_told_by_the_second() {
    let mut few = pool(flow("app", 100, 1, 100), vec![server("a", 1, 100)]);
    few.flow.endings.codes = vec![("SH", 1)];
    let before = sample(10, vec![few]);
    let mut grown = pool(flow("app", 300, 5, 300), vec![server("a", 1, 300)]);
    grown.flow.endings.codes = vec![("SC", 4), ("SH", 1)];
    grown.flow.answers_total = [0, 0, 0, 8, 4, 0];
    let after = sample(12, vec![grown]);
    let tick = tick(&before, &after);
    assert_eq!(tick.at, 12_000);
    assert_eq!(tick.node.workers, [0.5]);
    assert!((tick.node.cpu - 0.25).abs() < 1e-9);
    let app = &tick.pools["app"];
    assert_eq!((app.rate, app.errors, app.retries), (100.0, 2.0, 10.0));
    assert_eq!((app.answered_4xx, app.answered_5xx), (4.0, 2.0));
    assert_eq!(app.ended, [("SC".to_owned(), 2.0), ("SH".to_owned(), 0.0)].into());
    assert_eq!((app.in_flight, app.queue), (3, 2));
    assert!(app.p99.is_some_and(|p99| p99 <= 0.001), "{:?}", app.p99);
    let a = &tick.servers["app/a"];
    assert_eq!((a.rate, a.errors, a.p50), (100.0, 0.0, None));
    assert_eq!((a.state, a.admin), (api::Health::Up, api::AdminState::Drain));
}

#[test]
fn what_is_new_began_at_nothing_and_what_is_gone_is_not_told() {
    let before = sample(
        10,
        vec![
            pool(flow("app", 100, 0, 0), vec![server("a", 1, 100)]),
            pool(flow("old", 1, 0, 0), Vec::new()),
        ],
    );
    let after = sample(
        11,
        vec![
            pool(flow("app", 150, 0, 0), vec![server("a", 2, 7)]),
            pool(flow("new", 20, 0, 0), Vec::new()),
        ],
    );
    let tick = tick(&before, &after);
    let is = |rate: f64, expected: f64| (rate - expected).abs() < 1e-9;
    assert!(is(tick.servers["app/a"].rate, 7.0), "another address is another server");
    assert!(is(tick.pools["new"].rate, 20.0));
    assert!(!tick.pools.contains_key("old"));
}
