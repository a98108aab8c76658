//! `evenkeel demo` as people use it: it comes up, is broken and mended, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "what a test cannot do has failed it")]
#![expect(clippy::disallowed_methods, reason = "tests read clocks")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Nothing a demo does takes longer, on any machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// The last line of how it begins.
const UP: &str = "up after";

/// A demo with a temporary directory of its own; killed with this value.
struct Demo {
    child: Child,
    lines: Receiver<String>,
    directory: PathBuf,
    /// Where the API of lb0 is.
    page: String,
    site: String,
    /// The same, where TLS ends at the balancer.
    front: String,
}

fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    // The demo's own build of the service is not what these tests are for.
    command
        .args(arguments)
        .env("TMPDIR", directory)
        .env_remove("CARGO")
        .env_remove("EVENKEEL_ADMIN");
    command
}

impl Demo {
    /// Starts it and waits until it is up; `None` where the service it balances is not built.
    fn start(name: &str, arguments: &[&str]) -> Option<Self> {
        let monitor = Path::new(env!("CARGO_BIN_EXE_evenkeel")).with_file_name("monitor");
        if !monitor.is_file() {
            skipped("the program `monitor` is not built: `cargo build -p monitor`");
            return None;
        }
        let own = format!("evenkeel-demo-test-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(own);
        fs::create_dir_all(&directory).unwrap();
        Some(Self::start_in(directory, arguments))
    }

    fn start_in(directory: PathBuf, arguments: &[&str]) -> Self {
        let mut command = program(&directory, &[&["demo"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(1_000);
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let [page, site, front] = std::array::from_fn(|_| String::new());
        let mut demo = Self { child, lines, directory, page, site, front };
        let address = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
        demo.site = address(&demo.line_with("https://"));
        demo.front = address(&demo.line_with("https://"));
        demo.page = address(&demo.line_with("http://"));
        demo.line_with(UP);
        demo
    }

    /// The next line that has `part` in it.
    #[track_caller]
    fn line_with(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(why) => panic!("no line with {part:?} ({why}) in:\n{}", seen.join("\n")),
            }
        }
    }

    /// From another terminal.
    fn order(&self, arguments: &[&str]) -> Output {
        program(&self.directory, &[&["demo"], arguments].concat()).output().unwrap()
    }

    /// A server by the word of lb0.
    fn server(&self, which: &str) -> Value {
        let arguments = ["status", which, "--json", "--admin", &self.page];
        let output = program(&self.directory, &arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The folder of the demo.
    fn folder(&self) -> PathBuf {
        let user = rustix::process::geteuid().as_raw();
        self.directory.join(format!("evenkeel-demo-{user}"))
    }

    /// Its processes: who has its folder for a working directory.
    fn processes(&self) -> Vec<String> {
        let folder = self.folder();
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let inside = entries.filter(|entry| {
            // One that is ending, or is another user's, has none to be read.
            fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at.starts_with(&folder))
        });
        inside.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The network of the demo's own processes.
    fn network(&self) -> PathBuf {
        fs::read_link(format!("/proc/{}/ns/net", self.child.id())).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What is left is in the system's own folder for such.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Whether any process is still in this network.
fn is_inhabited(network: &Path) -> bool {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut homes = entries.filter_map(|entry| fs::read_link(entry.path().join("ns/net")).ok());
    homes.any(|home| home == network)
}

/// Says that a test did not run, in the words that the suite counts.
#[expect(clippy::print_stderr, reason = "the suite reads it")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        // wait: the state is another process's and cannot be waited for
        thread::sleep(Duration::from_millis(20));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_comes_up_is_broken_and_leaves_nothing_behind() {
    let Some(mut demo) = Demo::start("whole", &[]) else { return };
    // Two balancers, four servers, the devices, and now and then somebody who counts.
    assert!(demo.processes().len() >= 7, "{:?}", demo.processes());
    eventually("up", || demo.server("comm/cs0")["verdict"]["health"] == "up");

    let again = program(&demo.directory, &["demo"]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("a demo runs already"), "{}", text(&again.stderr));
    let unknown = demo.order(&["kill", "cs9"]);
    assert_eq!(unknown.status.code(), Some(1));
    let names = "there are: lb0, lb1, cs0, cs1, ws0, ws1, db0, db1, db2";
    assert!(text(&unknown.stderr).contains(names), "{}", text(&unknown.stderr));

    for (url, http) in [(&demo.site, "1.1"), (&demo.front, "2")] {
        let arguments =
            ["bench", url, "--insecure", "--rate", "20", "--duration", "200ms", "--json"];
        let output = program(&demo.directory, &arguments).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["http"], http, "{report}");
        assert_eq!(report["total"]["good"], 4, "{report}");
    }

    let killed = demo.order(&["kill", "cs0"]);
    assert_eq!(text(&killed.stdout), "cs0 is killed; `demo start cs0` brings it back\n");
    demo.line_with("cs0: down");
    eventually("down", || demo.server("comm/cs0")["verdict"]["health"] == "down");
    assert!(demo.order(&["start", "cs0"]).status.success());
    demo.line_with("cs0: up");
    assert!(demo.order(&["stop", "db1"]).status.success());
    demo.line_with("db1: down");

    let network = demo.network();
    demo.signal(Signal::INT);
    assert!(demo.child.wait().unwrap().success());
    assert!(!demo.folder().exists());
    assert_eq!(demo.processes(), Vec::<String>::new());
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    assert!(network == own || !is_inhabited(&network));
}

#[test]
fn what_is_killed_leaves_no_process_and_the_next_start_removes_the_rest() {
    let Some(mut demo) = Demo::start("killed", &["--loopback"]) else { return };
    assert!(demo.site.starts_with("https://127.0.0.1:"), "{}", demo.site);
    assert!(demo.order(&["kill", "lb0"]).status.success());
    demo.line_with("lb0: gone");
    demo.signal(Signal::KILL);
    demo.child.wait().unwrap();
    eventually("its processes have ended", || demo.processes().is_empty());
    fs::write(demo.folder().join("left"), "").unwrap();
    let again = Demo::start_in(demo.directory.clone(), &["--loopback"]);
    assert!(!again.folder().join("left").exists());
    again.signal(Signal::TERM);
    eventually("nothing is left", || !again.folder().exists());
}

#[test]
fn a_node_of_redis_is_killed_and_comes_back() {
    if !Path::new("/usr/bin/redis-server").is_file() {
        skipped("Redis is not installed; `cargo xtask setup` installs it");
        return;
    }
    let Some(mut demo) = Demo::start("redis", &["--redis"]) else { return };
    let unknown = demo.order(&["stop", "rd3"]);
    let names = "db0, db1, db2, rd0, rd1, rd2, rd0r, rd1r, rd2r\n";
    assert!(text(&unknown.stderr).ends_with(names), "{}", text(&unknown.stderr));
    let killed = demo.order(&["kill", "rd0"]);
    assert_eq!(text(&killed.stdout), "rd0 is killed; `demo start rd0` brings it back\n");
    demo.line_with("rd0: gone");
    let started = demo.order(&["start", "rd0"]);
    assert_eq!(text(&started.stdout), "rd0 is started\n", "{}", text(&started.stderr));
    demo.line_with("rd0: up");
    demo.signal(Signal::INT);
    assert!(demo.child.wait().unwrap().success());
    assert!(!demo.folder().exists());
    assert_eq!(demo.processes(), Vec::<String>::new());
}
