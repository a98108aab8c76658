//! What is in `packaging/prometheus` and `packaging/grafana`, asked of a real Prometheus that scrapes
//! a real node, the monitoring service and the host.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel_sim::balancer::binary;
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{Process, bound, find, run};
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::tls::{Certificate, NO_OPENSSL};
use serde_json::Value;

/// Metrics of which this test can have none, each with its reason.
const NOT_HERE: [(&str, &str); 1] =
    [("evenkeel_vip_gap_seconds", "no owner of the address has fallen silent")];

/// The variables of the dashboards.
const VARIABLES: [(&str, &str); 4] =
    [("$__rate_interval", "10s"), ("$instance", ".*"), ("$pool", "app"), ("$vip", "main")];

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(name)
}

/// Each expression of the dashboards, with where it is.
fn expressions_of_dashboards() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(packaging("grafana")).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let text = fs::read_to_string(&path).expect("it is text");
        let dashboard: Value = serde_json::from_str(&text).expect("it is JSON");
        let panels = dashboard["panels"].as_array().expect("it has panels");
        let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), panels.len(), "{}: each panel has an id", path.display());
        for panel in panels {
            for target in panel["targets"].as_array().expect("it shows something") {
                let expression = target["expr"].as_str().expect("it has an expression");
                let expression = VARIABLES
                    .iter()
                    .fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
                assert!(!expression.contains('$'), "{expression}");
                found.push((format!("{}, {}", path.display(), panel["title"]), expression));
            }
        }
    }
    assert!(found.len() > 50, "{}", found.len());
    found
}

/// A real Prometheus and what it scrapes; all of it ends with this value.
struct Scene {
    prometheus: SocketAddr,
    _held: (Balancer, [Process; 4], Certificate, Scratch),
}

impl Scene {
    fn set(
        [prometheus, exporter, monitor]: [&PathBuf; 3],
        certificate: Certificate,
        servers: &[Origin; 2],
    ) -> Self {
        let scratch = Scratch::new("dashboards");
        let listen = [free_address(), free_address()];
        let (chain, key) = (certificate.chain(), certificate.key());
        let (chain, key) = (chain.display(), key.display());
        // The address is one that this node cannot have: nothing is changed on this machine.
        let lb = balancer(&format!(
            "{}[listener.secure]\nbind = [\"{}\"]\nprotocol = \"https\"\npool = \"app\"\n\
             certificates = [{{ chain = \"{chain}\", key = \"{key}\" }}]\n\
             [vip.main]\naddress = \"192.0.2.10/24\"\ninterface = \"none0\"\nrouter_id = 7\n",
            http(listen[0], &servers.each_ref()),
            listen[1]
        ));
        client(listen[0]).get("/");
        drill(&lb, &format!("app/{}", servers[0].address()));
        run(Command::new(monitor).arg("init").current_dir(scratch.path()));
        let of_monitor = |part: &str| {
            let (address, admin) = (free_address(), free_address());
            let mut command = bound(monitor);
            command.arg(part).args(["--bind", &address.to_string()]);
            command.args(["--admin", &admin.to_string()]).current_dir(scratch.path());
            (admin, Process::start(&format!("monitor {part}"), command))
        };
        let ((comm_at, comm), (web_at, web)) = (of_monitor("comm"), of_monitor("web"));
        let host_at = free_address();
        let mut command = bound(exporter);
        command.arg(format!("--web.listen-address={host_at}"));
        let host = Process::start("node_exporter", command);

        let rules = packaging("prometheus/evenkeel.rules.yml");
        scratch.write(
            "prometheus.yml",
            format!(
                "global: {{ scrape_interval: 500ms, evaluation_interval: 500ms }}\n\
                 rule_files: ['{}']\n\
                 scrape_configs:\n\
                 - {{ job_name: evenkeel, static_configs: [{{ targets: ['{}'] }}] }}\n\
                 - {{ job_name: node, static_configs: [{{ targets: ['{host_at}'] }}] }}\n\
                 - {{ job_name: monitor, static_configs: [{{ targets: ['{comm_at}', '{web_at}'] }}] }}\n",
                rules.display(),
                lb.admin()
            ),
        );
        let at = free_address();
        let mut command = bound(prometheus);
        command.arg(format!("--web.listen-address={at}"));
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.current_dir(scratch.path());
        let process = Process::start("prometheus", command);
        Self { prometheus: at, _held: (lb, [comm, web, host, process], certificate, scratch) }
    }

    /// How many series an expression has now; a fault is told in Prometheus's words.
    fn ask(&self, expression: &str) -> Result<usize, String> {
        let mut target = "/api/v1/query?query=".to_owned();
        for byte in expression.bytes() {
            write!(target, "%{byte:02X}").expect("strings grow");
        }
        let Ok(mut client) = Client::connect(self.prometheus) else { return Ok(0) };
        let request = format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n");
        let answer = client.send(request).answer();
        match (answer.status, serde_json::from_str::<Value>(&answer.text())) {
            (200, Ok(found)) => Ok(found["data"]["result"].as_array().map_or(0, Vec::len)),
            (400 | 422, _) => Err(answer.text()),
            // It is still starting.
            _ => Ok(0),
        }
    }

    /// Waits until an expression has data; a fault in it is a failure.
    fn has_data(&self, place: &str, expression: &str) {
        wait_until(&format!("{place}: {expression}"), PATIENCE, || {
            self.ask(expression).unwrap_or_else(|fault| panic!("{place}: {fault}")) > 0
        });
    }
}

/// A drill that passes.
fn drill(lb: &Balancer, server: &str) {
    let begin = format!(
        r#"{{"kind": "server", "object": "{server}", "away_seconds": 60, "lease_seconds": 60, "author": "ann"}}"#
    );
    let mut id = None;
    // It is refused until the other server has passed a check.
    wait_until("the drill begins", PATIENCE, || {
        let begun = lb.api("POST", "/api/v1/drills", &begin).text();
        let begun: Value = serde_json::from_str(&begun).expect("it is JSON");
        id = begun["id"].as_str().map(str::to_owned);
        id.is_some()
    });
    let path = format!("/api/v1/drills/{}", id.expect("it begins"));
    lb.api("DELETE", &path, r#"{"passed": true, "message": "nobody missed it"}"#);
}

/// The names of metrics in an expression: what is followed by a selector, or by nothing that a
/// function or a keyword is.
fn metrics_in(expression: &str) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let prefixes = ["evenkeel", "monitor_", "node_", "process_", "up"];
    let mut unquoted = String::new();
    for (index, part) in expression.split('"').enumerate() {
        unquoted.push_str(if index % 2 == 0 { part } else { "" });
    }
    let words =
        unquoted.split(|c| !word(c)).filter(|it| prefixes.iter().any(|p| it.starts_with(p)));
    words.map(str::to_owned).collect()
}

fn is_not_here(expression: &str) -> bool {
    metrics_in(expression).iter().any(|name| NOT_HERE.iter().any(|(it, _)| name.starts_with(it)))
}

#[test]
fn every_expression_has_data() {
    let prometheus = skip_unless!(find("prometheus"), "prometheus is not installed");
    let exporter = find("prometheus-node-exporter");
    let exporter = skip_unless!(exporter, "prometheus-node-exporter is not installed");
    let monitor = Some(binary().with_file_name("monitor")).filter(|file| file.is_file());
    let monitor = skip_unless!(monitor, "monitor is not built beside evenkeel");
    let certificate = skip_unless!(Certificate::new("shop.example"), NO_OPENSSL);
    let servers = origins();
    let scene = Scene::set([&prometheus, &exporter, &monitor], certificate, &servers);
    for (place, expression) in expressions_of_dashboards() {
        if is_not_here(&expression) {
            scene.ask(&expression).unwrap_or_else(|fault| panic!("{place}: {fault}"));
        } else {
            scene.has_data(&place, &expression);
        }
    }
    // While all is well the alerts themselves have none; what they look at has.
    let rules =
        fs::read_to_string(packaging("prometheus/evenkeel.rules.yml")).expect("it is there");
    let names: BTreeSet<String> = metrics_in(&rules).into_iter().collect();
    let looked_at = names.iter().filter(|name| name.contains('_') && !is_not_here(name));
    let looked_at: Vec<_> = looked_at.filter(|name| !name.starts_with("evenkeel_rules")).collect();
    assert!(looked_at.len() >= 10, "{names:?}");
    for name in looked_at {
        scene.has_data("evenkeel.rules.yml", name);
    }
}

#[test]
fn every_alert_rings_when_it_should() {
    let promtool = skip_unless!(find("promtool"), "promtool (prometheus) is not installed");
    let folder = packaging("prometheus");
    for arguments in [
        &["check", "config", "prometheus.yml"][..],
        &["check", "rules", "evenkeel.rules.yml"],
        &["test", "rules", "evenkeel.rules.test.yml", "evenkeel.rules.days.test.yml"],
    ] {
        run(Command::new(&promtool).args(arguments).current_dir(&folder));
    }
    let tests = ["evenkeel.rules.test.yml", "evenkeel.rules.days.test.yml"];
    let tests = tests.map(|name| fs::read_to_string(folder.join(name)).expect("it is there"));
    let rules = fs::read_to_string(folder.join("evenkeel.rules.yml")).expect("it is there");
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let rung = format!("alertname: {alert}\n");
        assert!(tests.iter().any(|test| test.contains(&rung)), "{alert} has no test");
    }
}
