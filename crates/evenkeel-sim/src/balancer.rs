//! The real program, as its users start it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::address::free_address;
use crate::client::{Answer, Client};
use crate::clock::{self, PATIENCE, wait_until};
use crate::http1::Broken;
use crate::origin::{Origin, servers};
use crate::process::{self, Process, Signal, Stranger};
use crate::scratch::Scratch;

/// Names the program to test.
const BINARY_VARIABLE: &str = "EVENKEEL_BIN";

/// A running node; it ends with this value.
#[derive(Debug)]
pub struct Balancer {
    process: Process,
    /// Those that have taken its place, the newest last.
    heirs: Vec<Stranger>,
    scratch: Scratch,
    admin: SocketAddr,
}

/// How a node is started.
#[derive(Debug)]
pub struct Start {
    config: String,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    stdout: Option<Stdio>,
    files: Vec<(String, String)>,
    await_ready: bool,
}

/// A node with this configuration, to which an admin address is added; it is ready.
#[track_caller]
pub fn balancer(config: &str) -> Balancer {
    Start::with(config).start()
}

/// A configuration: one http listener before one pool, checked often.
pub fn http(listen: SocketAddr, origins: &[&Origin]) -> String {
    single("http", listen, origins)
}

/// A configuration: one tcp listener before one pool, checked often.
pub fn tcp(listen: SocketAddr, origins: &[&Origin]) -> String {
    single("tcp", listen, origins)
}

/// A configuration: one http listener on two workers before a pool with these settings, checked often.
pub fn two_workers(listen: SocketAddr, pool: &str) -> String {
    format!(
        r#"
[node]
workers = 2
[listener.front]
bind = ["{listen}"]
protocol = "http"
pool = "app"
[pool.app]
{pool}
{QUICK_CHECK}"#
    )
}

fn single(protocol: &str, listen: SocketAddr, origins: &[&Origin]) -> String {
    let servers = servers(origins.iter().copied());
    format!(
        r#"
[listener.front]
bind = ["{listen}"]
protocol = "{protocol}"
pool = "app"
[pool.app]
servers = {servers}
{QUICK_CHECK}"#
    )
}

/// A check of `pool.app` that makes up its mind within a second.
pub const QUICK_CHECK: &str = r#"
[pool.app.check]
kind = "tcp"
interval = "500ms"
fast = "100ms"
down = "200ms"
timeout = "500ms"
"#;

impl Start {
    pub fn with(config: &str) -> Self {
        Self {
            config: config.to_owned(),
            environment: Vec::new(),
            wrapper: Vec::new(),
            stdout: None,
            files: Vec::new(),
            await_ready: true,
        }
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Run by another program, which becomes it: `["setpriv", …]`.
    #[must_use]
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper.extend(wrapper.iter().map(|&word| word.to_owned()));
        self
    }

    /// With this file beside its configuration.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// With this stdout instead of one that is collected.
    #[must_use]
    pub fn stdout(mut self, stdout: Stdio) -> Self {
        self.stdout = Some(stdout);
        self
    }

    /// Without waiting for a usable server in each pool.
    #[must_use]
    pub fn not_ready(mut self) -> Self {
        self.await_ready = false;
        self
    }

    /// The node, with its listeners bound and, unless told otherwise, ready.
    #[track_caller]
    pub fn start(self) -> Balancer {
        let scratch = Scratch::new("node");
        let admin = free_address();
        let config = scratch.write("evenkeel.toml", with_admin(&self.config, admin));
        for (name, content) in &self.files {
            scratch.write(name, content);
        }
        let program = scratch.file("evenkeel");
        // A program of its own, which a test may replace, without a copy of so many bytes.
        if fs::hard_link(binary(), &program).is_err() {
            fs::copy(binary(), &program).expect("the scratch directory takes it");
        }
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(&program);
                command
            }
            None => process::bound(&program),
        };
        command.args(["run", "-c"]).arg(&config).current_dir(scratch.path());
        command.envs(self.environment);
        let process = match self.stdout {
            Some(stdout) => {
                command.stdout(stdout);
                Process::start_as_is("evenkeel", command)
            }
            None => Process::start("evenkeel", command),
        };
        let mut balancer = Balancer { process, heirs: Vec::new(), scratch, admin };
        let path = if self.await_ready { "/readyz" } else { "/healthz" };
        wait_until(&format!("evenkeel answers 200 on {path}"), PATIENCE, || {
            let running = balancer.process.is_running();
            assert!(running, "evenkeel has ended:\n{}", balancer.log());
            balancer.try_api("GET", path, "").is_ok_and(|answer| answer.status == 200)
        });
        balancer
    }
}

impl Balancer {
    /// Where its API is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The running program.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Has it replaced by a new process, and waits until nobody stands by any more.
    #[track_caller]
    pub fn upgrade(&mut self) {
        let done = self.cli(&["upgrade"]);
        assert!(done.status.success(), "{done:?}");
        self.adopt();
    }

    /// The process that answers the admin address now, unlike the one that was started; it ends with
    /// this value too.
    pub fn adopt(&mut self) -> &Stranger {
        let pid = self.serving();
        self.heirs.push(Stranger::find(pid));
        self.heirs.last().expect("it was put there")
    }

    /// The process that answers the admin address now.
    #[track_caller]
    pub fn serving(&self) -> u32 {
        let pid = self.status()["process"].as_u64().expect("a number");
        u32::try_from(pid).expect("a process id")
    }

    /// What it wrote to stderr.
    pub fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// A path in its own folder, where its relative paths start.
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.file(name)
    }

    /// A request to its API.
    pub fn try_api(&self, method: &str, path: &str, body: &str) -> Result<Answer, Broken> {
        let mut client = Client::connect(self.admin)?;
        let (host, size) = (self.admin, body.len());
        client.try_send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n{body}"
        ))?;
        client.try_answer(method)
    }

    /// A request to its API that is answered.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        match self.try_api(method, path, body) {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// The status document.
    #[track_caller]
    pub fn status(&self) -> Value {
        let answer = self.api("GET", "/api/v1/status", "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_str(&answer.text()).expect("the status is JSON")
    }

    /// One server of the status document.
    #[track_caller]
    pub fn server(&self, pool: &str, server: &str) -> Value {
        let status = self.status();
        let named = |list: &Value, name: &str| {
            let mut items = list.as_array().into_iter().flatten();
            items.find(|item| item["name"] == name).cloned()
        };
        named(&status["pools"], pool)
            .and_then(|pool| named(&pool["servers"], server))
            .unwrap_or_else(|| panic!("no server {pool}/{server} in {status:#}"))
    }

    /// Waits until a server of `pool` is `up` or `down`.
    #[track_caller]
    pub fn await_health(&self, pool: &str, server: SocketAddr, health: &str) {
        wait_until(&format!("{pool}/{server} is {health}"), PATIENCE, || {
            self.server(pool, &server.to_string())["verdict"]["health"] == health
        });
    }

    /// All samples of `/metrics`, as lines.
    #[track_caller]
    pub fn metrics(&self) -> Vec<String> {
        let text = self.api("GET", "/metrics", "").text();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// The sum of all samples of one metric whose labels contain `label`.
    #[track_caller]
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let samples = self.metrics();
        let of_name = samples.iter().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let ours = labels.is_empty() || labels.starts_with('{');
            (ours && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        });
        of_name.sum()
    }

    /// Puts `config` in the file's place, without a word to the program.
    pub fn write_config(&self, config: &str) {
        self.scratch.write("evenkeel.toml", with_admin(config, self.admin));
    }

    /// Reloads with `config`; the answer of the API.
    #[track_caller]
    pub fn try_reload(&self, config: &str) -> Answer {
        self.write_config(config);
        self.api("POST", "/api/v1/reload", "")
    }

    /// Reloads with `config`, which is good.
    #[track_caller]
    pub fn reload(&self, config: &str) {
        let answer = self.try_reload(config);
        assert!(answer.status < 300, "reload: {} {}", answer.status, answer.text());
    }

    /// SIGHUP with `config`, which is good; waits until it is in force.
    #[track_caller]
    pub fn hang_up(&mut self, config: &str) {
        let before = self.version();
        self.write_config(config);
        self.process.signal(Signal::HUP);
        wait_until("a new configuration is in force", PATIENCE, || self.version() != before);
    }

    /// The number of the configuration in force.
    #[track_caller]
    pub fn version(&self) -> Value {
        self.status()["config"]["version"].clone()
    }

    /// A verb of the command line, spoken to this node.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).env("EVENKEEL_ADMIN", format!("http://{}", self.admin));
        command.stdin(Stdio::null()).current_dir(self.scratch.path());
        command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
    }

    /// What it says that it would do with a request.
    #[track_caller]
    pub fn explained(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[&["explain", "--json"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).expect("the explanation is JSON")
    }

    /// Ends it at once.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait(PATIENCE);
    }

    /// Starts it again where it was, with what it left.
    #[track_caller]
    pub fn revive(&mut self) {
        let mut command = process::bound(&self.scratch.file("evenkeel"));
        command.args(["run", "-c", "evenkeel.toml"]).current_dir(self.scratch.path());
        self.process = Process::start("evenkeel", command);
        wait_until("evenkeel answers again", PATIENCE, || {
            assert!(self.process.is_running(), "evenkeel has ended:\n{}", self.log());
            self.try_api("GET", "/healthz", "").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// SIGTERM.
    pub fn terminate(&mut self) {
        self.process.signal(Signal::TERM);
    }

    /// Its end.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait(limit)
    }
}

/// The program under test: named by the environment, else the newest build beside this test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os(BINARY_VARIABLE) {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().expect("a running program has a path");
    let builds = own.ancestors().take(5).flat_map(|folder| {
        ["fast", "release", "debug"].map(|profile| folder.join(profile).join("evenkeel"))
    });
    let modified = |file: &PathBuf| fs::metadata(file).and_then(|data| data.modified()).ok();
    let newest = builds.filter(|file| file.is_file()).max_by_key(modified);
    newest.unwrap_or_else(|| {
        panic!("no evenkeel is built: `cargo build --profile fast -p evenkeel`, or set {BINARY_VARIABLE}")
    })
}

/// Admin first: a table of its own may stand anywhere, but keys of none only before the first.
fn with_admin(config: &str, admin: SocketAddr) -> String {
    format!("{config}\n[admin]\nbind = \"{admin}\"\n")
}

/// Waits until the kernel has taken what was written to `path`, and returns it.
#[track_caller]
pub fn file_with(path: &PathBuf, lines: usize) -> Vec<String> {
    let read = || fs::read_to_string(path).unwrap_or_default();
    clock::comes_true(PATIENCE, || read().lines().count() >= lines);
    let found: Vec<String> = read().lines().map(str::to_owned).collect();
    assert_eq!(found.len(), lines, "lines of {}: {found:#?}", path.display());
    found
}
