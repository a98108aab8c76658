//! Machines on one Ethernet link, each a network namespace: what tests of virtual addresses stand
//! on. Needs root, and `ip`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use evenkeel_core::neighbour::{Mac, arp};
use evenkeel_sys::link::{FrameSocket, Interfaces};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::balancer::binary;
use crate::client::Client;
use crate::clock::{self, PATIENCE, wait_until};
use crate::process::{self, Process, Signal};
use crate::scratch::Scratch;

/// Why there is no link.
pub const NO_LINK: &str = "network namespaces need root and `ip`";

/// Where nodes listen for clients.
const PORT: u16 = 8080;
/// Where a node's API is, in its own namespace.
const ADMIN: &str = "127.0.0.1:7070";

/// A bridge with machines on it; gone with this value.
#[derive(Debug)]
pub struct Link {
    /// Of the namespaces, before the names of machines.
    prefix: String,
    machines: Vec<String>,
}

impl Link {
    /// A link with these machines, which have 192.0.2.1 and `fd00::1`, 192.0.2.2 and `fd00::2`, and
    /// so on, on `eth0`. `None` where namespaces cannot be had.
    pub fn with(machines: &[&str]) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let ip = process::find("ip")?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("ek{}-{number}-", std::process::id());
        let mut probe = Command::new(ip);
        let switch = format!("{prefix}switch");
        let made = probe.args(["netns", "add", &switch]).output();
        made.ok().filter(|output| output.status.success())?;
        let machines = machines.iter().map(|&name| name.to_owned()).collect();
        let link = Self { prefix, machines };
        link.ip("switch", "link add br0 type bridge mcast_snooping 0 forward_delay 0");
        link.ip("switch", "link set br0 up");
        for (name, number) in link.machines.iter().zip(1..) {
            run_ip(&format!("netns add {}", link.namespace(name)));
            // Addresses are there at once, not after a second of asking for them.
            link.enter(name, || {
                fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").expect("root may");
            });
            let namespace = link.namespace(name);
            let pair = format!("link add port-{name} type veth peer name eth0 netns {namespace}");
            link.ip("switch", &pair);
            link.ip("switch", &format!("link set port-{name} master br0 up"));
            link.ip(name, "link set lo up");
            link.ip(name, "link set eth0 up");
            link.ip(name, &format!("addr add 192.0.2.{number}/24 dev eth0"));
            link.ip(name, &format!("addr add fd00::{number}/64 dev eth0"));
        }
        for name in &link.machines {
            wait_until(&format!("{name} has a link-local address"), PATIENCE, || {
                link.addresses(name).contains("inet6 fe80:")
            });
        }
        Some(link)
    }

    fn namespace(&self, machine: &str) -> String {
        format!("{}{machine}", self.prefix)
    }

    /// Runs `ip` in a machine, or in the `switch`; its stdout.
    #[track_caller]
    pub fn ip(&self, machine: &str, arguments: &str) -> String {
        run_ip(&format!("-n {} {arguments}", self.namespace(machine)))
    }

    /// The addresses on a machine's interface, as `ip` shows them.
    pub fn addresses(&self, machine: &str) -> String {
        self.ip(machine, "addr show dev eth0")
    }

    /// Whether `address` is on the interface of `machine`.
    pub fn has(&self, machine: &str, address: &str) -> bool {
        let (v4, v6) = (format!("inet {address}/"), format!("inet6 {address}/"));
        let all = self.addresses(machine);
        all.contains(&v4) || all.contains(&v6)
    }

    /// The link-local address of a machine.
    pub fn link_local(&self, machine: &str) -> String {
        let all = self.addresses(machine);
        let found = all.split_whitespace().find(|word| word.starts_with("fe80:"));
        let found = found.and_then(|word| word.split_once('/')).expect("each has one");
        found.0.to_owned()
    }

    /// Pulls the plug of a machine, or puts it in again.
    pub fn plug(&self, machine: &str, is_in: bool) {
        let word = if is_in { "up" } else { "down" };
        self.ip("switch", &format!("link set port-{machine} {word}"));
    }

    /// Does something in the network of a machine.
    pub fn enter<T: Send>(&self, machine: &str, what: impl FnOnce() -> T + Send) -> T {
        let namespace = self.namespace(machine);
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into(&namespace);
                what()
            });
            inside.join().expect("what is done there does not panic")
        })
    }

    /// A command to be started in the network of a machine, which ends with this thread.
    pub fn command(&self, machine: &str, program: &str) -> Command {
        let ip = process::find("ip").expect("looked for before");
        let mut command = process::bound(&ip);
        command.args(["netns", "exec", &self.namespace(machine), program]);
        command
    }

    /// An Evenkeel on a machine, with an http listener that answers with a redirect to the
    /// machine's name; `vip` is what its configuration has besides.
    #[track_caller]
    pub fn node(&self, machine: &str, vip: &str) -> Node<'_> {
        self.node_with(machine, vip, &[])
    }

    /// Node `a` with priority 150, which owns the address, and `b` with 100, which has heard it.
    #[track_caller]
    pub fn pair(&self, vip: impl Fn(u8) -> String) -> (Node<'_>, Node<'_>) {
        let a = self.node("a", &vip(150));
        a.await_state("main", "active");
        let b = self.node("b", &vip(100));
        b.await_state("main", "backup");
        let owner = a.vip("main")["owner"].clone();
        wait_until("b knows the owner", PATIENCE, || b.vip("main")["owner"] == owner);
        (a, b)
    }

    /// The same with these files beside its configuration.
    #[track_caller]
    pub fn node_with(&self, machine: &str, vip: &str, files: &[(&str, &str)]) -> Node<'_> {
        let scratch = Scratch::new("vip");
        for (name, content) in files {
            let path = scratch.write(name, content);
            // Some are secrets.
            let mine = fs::Permissions::from_mode(0o600);
            fs::set_permissions(path, mine).expect("it was just written");
        }
        let mut node = Node { link: self, machine: machine.to_owned(), scratch, process: None };
        node.start(vip);
        node
    }

    /// Whom clients reach at `address`, asked every 10 ms by `machine`; it has been answered once.
    #[track_caller]
    pub fn watch(&self, machine: &str, address: &str) -> Watcher {
        let address = SocketAddr::new(address.parse().expect("an address"), PORT);
        let watcher = Watcher::start(self.namespace(machine), address);
        wait_until(&format!("{address} answers"), PATIENCE, || watcher.seen().answered > 0);
        watcher
    }
}

impl Link {
    /// Asks the link by ARP, every 20 ms from `machine`, who has `address`.
    pub fn ask(&self, machine: &str, address: &str) -> Asker {
        let address = address.parse().expect("an IPv4 address");
        Asker::start(self.namespace(machine), address)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for name in self.machines.iter().map(String::as_str).chain(["switch"]) {
            let namespace = self.namespace(name);
            // One that is gone already is what was wanted.
            let _ = Command::new("ip").args(["netns", "del", &namespace]).output();
        }
    }
}

#[track_caller]
fn run_ip(arguments: &str) -> String {
    process::run(Command::new("ip").args(arguments.split_whitespace()))
}

fn move_into(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).expect("it was made before");
    let kind = Some(LinkNameSpaceType::Network);
    move_into_link_name_space(file.as_fd(), kind).expect("root may");
}

/// An Evenkeel on a machine; it is killed with this value.
#[derive(Debug)]
pub struct Node<'l> {
    link: &'l Link,
    machine: String,
    scratch: Scratch,
    process: Option<Process>,
}

impl Node<'_> {
    /// Starts it, anew if it ran before.
    #[track_caller]
    pub fn start(&mut self, vip: &str) {
        self.write(vip);
        let program = binary();
        let program = program.to_str().expect("paths here are UTF-8");
        let mut command = self.link.command(&self.machine, program);
        command.args(["run", "-c"]).arg(self.scratch.file("evenkeel.toml"));
        command.current_dir(self.scratch.path());
        self.process = Some(Process::start(&self.machine, command));
        wait_until(&format!("{} answers", self.machine), PATIENCE * 2, || {
            let running = self.process().is_running();
            assert!(running, "{} has ended:\n{}", self.machine, self.log());
            self.api("GET", "/healthz", "").is_some()
        });
    }

    /// Writes its configuration, which it does not read by itself.
    pub fn write(&self, vip: &str) {
        let name = &self.machine;
        let config = format!(
            "[node]\nname = \"{name}\"\nworkers = 1\n[listener.front]\n\
             bind = [\"0.0.0.0:{PORT}\", \"[::]:{PORT}\"]\nprotocol = \"http\"\n\
             [[listener.front.route]]\npath = \"/\"\n\
             redirect = {{ to = \"http://{name}.example/\", status = 302 }}\n{vip}"
        );
        self.scratch.write("evenkeel.toml", config);
    }

    /// Puts a file beside its configuration.
    pub fn file(&self, name: &str, content: &str) {
        self.scratch.write(name, content);
    }

    /// What is in a file beside its configuration.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.scratch.file(name)).expect("it is there")
    }

    /// Removes such a file.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.scratch.file(name)).expect("it was put there");
    }

    /// Reads its configuration again, with this in it.
    #[track_caller]
    pub fn reload(&self, vip: &str) {
        self.write(vip);
        let answer = self.api("POST", "/api/v1/reload", "{}").expect("it runs");
        assert!(answer.contains("version"), "{answer}");
    }

    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }

    /// SIGKILL, and nothing is left of it.
    pub fn kill(&mut self) {
        self.process().signal(Signal::KILL);
        self.process().wait(PATIENCE);
    }

    /// What it wrote to stderr.
    pub fn log(&self) -> String {
        self.process.as_ref().map_or_else(String::new, |process| process.stderr.text())
    }

    /// The body of an answer of its API.
    pub fn api(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {ADMIN}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.link.enter(&self.machine, move || {
            let mut client = Client::connect(ADMIN.parse().expect("an address")).ok()?;
            client.try_send(request).ok()?;
            client.try_answer(method).ok().map(|answer| answer.text())
        })
    }

    /// A virtual address, as its API tells of it.
    pub fn vip(&self, name: &str) -> Value {
        let text = self.api("GET", &format!("/api/v1/vips/{name}"), "").unwrap_or_default();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Waits until a virtual address is `active`, `backup` and so on.
    #[track_caller]
    pub fn await_state(&self, name: &str, state: &str) {
        wait_until(&format!("{} is {state}", self.machine), PATIENCE * 2, || {
            self.vip(name)["state"] == state
        });
    }

    /// A sample of `/metrics` whose labels contain `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.api("GET", "/metrics", "").unwrap_or_default();
        let of_name = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let line = of_name.filter(|line| line.contains(label)).find_map(|it| it.rsplit_once(' '));
        line.and_then(|(_, value)| value.parse().ok()).unwrap_or(0.0)
    }
}

/// What a client has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub answered: u64,
    pub failed: u64,
    /// The longest time between two answers.
    pub gap: Duration,
    /// Who has answered, one after the other.
    pub servers: Vec<String>,
}

/// For whoever reads along: on a machine with nothing else to do a gap is as long as an owner may
/// be silent.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, failed, gap, servers } = self;
        let servers = servers.join(", ");
        write!(f, "{answered} answered, {failed} failed, gap {gap:?}, by {servers}")
    }
}

/// A client that asks all the time.
#[derive(Debug)]
pub struct Watcher {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

impl Watcher {
    fn start(namespace: String, address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let told = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            move_into(&namespace);
            let mut last: Option<Instant> = None;
            while !stopped.load(Ordering::Acquire) {
                let began = clock::now();
                let answer = ask(address);
                let mut seen = told.lock().expect("no holder panics");
                match answer {
                    Some(server) => {
                        seen.answered += 1;
                        let now = clock::now();
                        let gap = last.map_or(Duration::ZERO, |last| now.duration_since(last));
                        (seen.gap, last) = (seen.gap.max(gap), Some(now));
                        if seen.servers.last() != Some(&server) {
                            seen.servers.push(server);
                        }
                    }
                    None => seen.failed += 1,
                }
                drop(seen);
                clock::pause_until(began + Duration::from_millis(10));
            }
        });
        Self { stop, seen, thread }
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().expect("no holder panics").clone()
    }

    /// Waits until a machine answers.
    #[track_caller]
    pub fn await_server(&self, machine: &str) {
        wait_until(&format!("{machine} answers"), PATIENCE, || {
            self.seen().servers.last().is_some_and(|last| last == machine)
        });
    }

    /// What it has seen by now, which is its end.
    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Release);
        let seen = Arc::clone(&self.seen);
        self.thread.join().expect("it does not panic");
        seen.lock().expect("no holder panics").clone()
    }
}

/// A request on a connection of its own; the name of the machine that answers.
fn ask(address: SocketAddr) -> Option<String> {
    /// Long for a link without loss; whoever is silent longer does not answer.
    const LIMIT: Duration = Duration::from_millis(100);
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, rest) = answer.split_once("http://")?;
    rest.split_once(".example").map(|(server, _)| server.to_owned())
}

/// Asks who has an address, and keeps the answers.
#[derive(Debug)]
pub struct Asker {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<Mac, (Instant, Instant)>>,
}

impl Asker {
    fn start(namespace: String, address: Ipv4Addr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            move_into(&namespace);
            let interface = Interfaces::open().and_then(|mut all| all.find("eth0"));
            let interface = interface.expect("root may look").expect("each machine has one");
            let socket = FrameSocket::open(interface.index, arp::ETHER_TYPE).expect("root may");
            let own = Mac(interface.mac.expect("it is Ethernet"));
            let question = arp::Message::probe(own, address).write();
            let mut answers: BTreeMap<Mac, (Instant, Instant)> = BTreeMap::new();
            while !stopped.load(Ordering::Acquire) {
                let began = clock::now();
                socket.send(&question, Mac::BROADCAST.0).expect("its interface is up");
                clock::pause_until(began + Duration::from_millis(20));
                while let Ok(Some(bytes)) = socket.receive(&mut [0; 64]) {
                    let reply = arp::Message::parse(bytes);
                    let reply = reply.filter(|it| it.operation == arp::Operation::Reply);
                    if let Some(message) = reply.filter(|it| it.claims(own, address)) {
                        let known = answers.entry(message.sender.0).or_insert((began, began));
                        known.1 = began;
                    }
                }
            }
            answers
        });
        Self { stop, thread }
    }

    /// For how long two machines have answered; zero if one began after the other had ended.
    pub fn end(self) -> Duration {
        self.stop.store(true, Ordering::Release);
        let answers = self.thread.join().expect("it does not panic");
        let mut spans: Vec<(Instant, Instant)> = answers.into_values().collect();
        spans.sort_unstable();
        let overlaps = spans.windows(2).map(|two| two[0].1.saturating_duration_since(two[1].0));
        overlaps.max().unwrap_or_default()
    }
}
