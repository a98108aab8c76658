//! A service in a folder of its own, and what tests do with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Whatever is awaited comes long before, on any machine.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// A folder with settings; gone with the test.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
}

impl Place {
    /// A folder with `shards` shards in files, and more lines for `[comm]`.
    pub(crate) fn new(shards: usize, comm: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("monitor").join(name);
        fs::create_dir_all(&folder).unwrap();
        let place = Self { folder };
        place.write_settings(shards, comm);
        place
    }

    pub(crate) fn write_settings(&self, shards: usize, comm: &str) {
        let shards: Vec<_> = (0..shards).map(|n| format!("sqlite:shard{n}.db")).collect();
        self.write_shards(&shards, comm);
    }

    /// The same with the shards where they are, and any more lines.
    pub(crate) fn write_shards(&self, shards: &[String], comm: &str) {
        let shards: Vec<_> = shards.iter().map(|shard| format!("\"{shard}\"")).collect();
        let shards = shards.join(", ");
        let text = format!(
            "[store]\nshards = [{shards}]\n\
             [web]\nbind = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [comm]\nbind = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n{comm}\n"
        );
        fs::write(self.folder.join("monitor.toml"), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_monitor"));
        command.current_dir(&self.folder).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Registers devices, keeps their keys in `devices.txt`, gives names with keys.
    pub(crate) fn register(&self, count: usize) -> Vec<(String, String)> {
        let output = self.run(&["register", "--count", &count.to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        fs::write(self.folder.join("devices.txt"), &text).unwrap();
        let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
        pairs.map(|(name, key)| (name.to_owned(), key.to_owned())).collect()
    }

    /// What `monitor shards --json` says.
    pub(crate) fn shards(&self) -> Vec<Value> {
        let output = self.run(&["shards", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Records of all shards.
    pub(crate) fn records(&self) -> u64 {
        self.shards().iter().map(|shard| shard["records"].as_u64().unwrap()).sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What could not be removed is in the build's own folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A running server; killed with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A server for devices.
pub(crate) struct Comm;

impl Comm {
    pub(crate) fn start(place: &Place) -> Server {
        Self::start_on(place, "127.0.0.1:0")
    }

    pub(crate) fn start_on(place: &Place, bind: &str) -> Server {
        Server::start(place, &["comm", "--bind", bind])
    }
}

impl Server {
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command(arguments);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let stderr = child.stderr.take().unwrap();
        let line = line_with(stderr, " listens on ");
        let (_, addresses) = line.split_once(" listens on ").unwrap();
        let (address, admin) = addresses.split_once(", admin on ").unwrap();
        Self { child, address: address.parse().unwrap(), admin: admin.parse().unwrap() }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Client { lines: BufReader::new(stream) }
    }

    /// Status and body of a plain GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The value of a metric, with its labels as written.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A device played by a test.
pub(crate) struct Client {
    lines: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn say(&mut self, text: &str) {
        self.lines.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The next line; empty at the end of the connection.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        // A reset is an end too.
        let _ = self.lines.read_line(&mut line);
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, text: &str) -> String {
        self.say(&format!("{text}\n"));
        self.hear()
    }
}

/// Reads until a line holds `text`; the rest is read and forgotten, so that nobody is blocked.
fn line_with(stderr: ChildStderr, text: &str) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut said = Vec::new();
    while let Some(Ok(line)) = lines.next() {
        if line.contains(text) {
            thread::spawn(move || lines.for_each(drop));
            return line;
        }
        said.push(line);
    }
    panic!("it ended without `{text}`:\n{}", said.join("\n"));
}

/// Says that a test did not run, in the words that the suite counts.
#[expect(clippy::print_stderr, reason = "the suite reads it")]
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Waits until `is_so`.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        // wait: the state is another process's and cannot be waited for
        thread::sleep(Duration::from_millis(20));
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}
