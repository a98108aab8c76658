//! The balancer that things go wrong for.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use evenkeel_sim::address::free_address;
use evenkeel_sim::balancer::{Balancer, Start};
use evenkeel_sim::client::Client;
use evenkeel_sim::clock::{self, PATIENCE};
use evenkeel_sim::fake_clock::FakeClock;
use evenkeel_sim::floods::SLOW;
use evenkeel_sim::name_server::{NameServer, Say, name_server};
use evenkeel_sim::peer::{self, Peer};
use evenkeel_sim::process::{self, Process, Signal};
use evenkeel_sim::scratch::Scratch;
use rustix::process::{Pid, kill_process};

/// Whose balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Evenkeel,
    Nginx,
    Haproxy,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "evenkeel" => Ok(Self::Evenkeel),
            "nginx" => Ok(Self::Nginx),
            "haproxy" => Ok(Self::Haproxy),
            _ => Err(format!("no balancer is called {name}")),
        }
    }
}

/// What is special about how it is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Setup {
    #[default]
    Plain,
    /// At most so many file descriptors.
    Descriptors(u32),
    /// The lowest priority.
    Nice,
    /// An access log on a disk that is full.
    FullDisk,
    /// An access log that nobody takes.
    StuckLog,
    /// A path whose request panics.
    PanicPath,
    /// A wall clock that can be set.
    FakeClock,
    /// A connection to a server serves one request.
    NothingKept,
    /// Servers known by names, of a DNS server that can lie.
    Names,
    /// Clients may speak HTTP/2, and for what takes long there is a server that never answers: a
    /// flood is to cost the servers nothing that the usual load would feel.
    Http2,
}

/// The path of [`Setup::PanicPath`].
pub(crate) const PANIC_PATH: &str = "/__panic";

/// A running balancer.
#[derive(Debug)]
pub(crate) struct Subject {
    kind: Kind,
    address: SocketAddr,
    servers: Vec<SocketAddr>,
    running: Running,
    reloads: u32,
}

#[derive(Debug)]
enum Running {
    Evenkeel {
        balancer: Box<Balancer>,
        clock: Option<FakeClock>,
        names: Option<NameServer>,
        /// Where requests go that nobody is to answer.
        _silent: Option<Peer>,
    },
    Peer {
        process: Process,
        scratch: Scratch,
    },
}

impl Subject {
    /// In front of `servers`, and answering.
    pub(crate) fn start(kind: Kind, setup: Setup, servers: &[SocketAddr]) -> Result<Self, String> {
        let address = free_address();
        let wrapper = wrapper(setup);
        let running = match kind {
            Kind::Evenkeel => {
                let names = (setup == Setup::Names).then(|| names_of(servers));
                let mut config = evenkeel(address, servers, 0) + access_log(setup);
                if let Some(names) = &names {
                    config = by_name(&config, servers, names);
                }
                if setup == Setup::NothingKept {
                    config = config.replace("[pool.app]\n", "[pool.app]\nidle_connections = 0\n");
                }
                let silent = (setup == Setup::Http2).then(|| peer::peer(listen_only));
                if let Some(silent) = &silent {
                    config = with_http2(&config, silent);
                }
                let clock = (setup == Setup::FakeClock).then(|| {
                    FakeClock::new().ok_or_else(|| "libfaketime is not installed".to_owned())
                });
                let clock = clock.transpose()?;
                let mut start = Start::with(&config).under(&words(&wrapper));
                if setup == Setup::StuckLog {
                    start = start.stdout(stuck_pipe());
                }
                if setup == Setup::PanicPath {
                    start = start.variable("EVENKEEL_FAULT_PANIC_PATH", PANIC_PATH);
                }
                if let Some(clock) = &clock {
                    start = clock.show(start);
                }
                Running::Evenkeel {
                    balancer: Box::new(start.start()),
                    clock,
                    names,
                    _silent: silent,
                }
            }
            _ if matches!(
                setup,
                Setup::FullDisk
                    | Setup::StuckLog
                    | Setup::PanicPath
                    | Setup::FakeClock
                    | Setup::NothingKept
                    | Setup::Names
                    | Setup::Http2
            ) =>
            {
                return Err("tried with evenkeel only".to_owned());
            }
            Kind::Nginx => peer("nginx", &wrapper, &nginx(address, servers, 0))?,
            Kind::Haproxy => peer("haproxy", &wrapper, &haproxy(address, servers, 0))?,
        };
        let answers = clock::comes_true(PATIENCE, || Client::connect(address).is_ok());
        let servers = servers.to_vec();
        let subject = Self { kind, address, servers, running, reloads: 0 };
        if answers { Ok(subject) } else { Err("the balancer does not start".to_owned()) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process().is_running()
    }

    /// Memory of all of it, in KiB.
    pub(crate) fn resident_kib(&mut self) -> u64 {
        self.process().resident_kib()
    }

    /// SIGSTOP or SIGCONT to all of it.
    pub(crate) fn signal_all(&mut self, signal: Signal) {
        let process = self.process();
        for child in process.children() {
            let pid = i32::try_from(child).ok().and_then(Pid::from_raw).expect("a process id");
            // One that has just ended needs no signal.
            let _ = kill_process(pid, signal);
        }
        process.signal(signal);
    }

    /// A good configuration that differs from the one in force.
    pub(crate) fn reload(&mut self) {
        self.reloads += 1;
        let config = self.config();
        match &mut self.running {
            Running::Evenkeel { balancer, .. } => balancer.hang_up(&config),
            Running::Peer { .. } => self.reload_peer(&config),
        }
    }

    /// A broken configuration; a promise that was broken with it.
    pub(crate) fn reload_broken(&mut self) -> Option<String> {
        let config = format!("{}\nthis is = {{ not a line\n", self.config());
        match &mut self.running {
            Running::Evenkeel { balancer, .. } => {
                let answer = balancer.try_reload(&config);
                let text = answer.text();
                let line = config.lines().position(|line| line.starts_with("this is"));
                let place = format!(":{}", line.expect("it is there") + 1);
                let told = answer.status >= 400 && text.contains(&place);
                (!told)
                    .then(|| format!("reload answered {} without {place}: {text}", answer.status))
            }
            Running::Peer { .. } => {
                self.reload_peer(&config);
                None
            }
        }
    }

    /// Moves the wall clock it sees, as `+1d`.
    pub(crate) fn set_clock(&mut self, offset: &str) {
        if let Running::Evenkeel { clock: Some(clock), .. } = &self.running {
            clock.set(offset);
        }
    }

    /// How the servers' names are lied about from now on, each in a way of its own.
    pub(crate) fn lie(&mut self, lies: &[Say]) {
        if let Running::Evenkeel { names: Some(names), .. } = &self.running {
            for server in 0..self.servers.len() {
                names.say(&name_of(server), lies[server % lies.len()]);
            }
        }
    }

    /// Nobody answers for the servers' names any more.
    pub(crate) fn silence_names(&mut self) {
        if let Running::Evenkeel { names, .. } = &mut self.running {
            *names = None;
        }
    }

    /// Which servers of the pool it uses, in its own word.
    pub(crate) fn pool_mode(&self) -> Option<String> {
        let Running::Evenkeel { balancer, .. } = &self.running else { return None };
        balancer.status()["pools"][0]["mode"].as_str().map(str::to_owned)
    }

    /// Requests it has given to another server so far.
    pub(crate) fn retries(&self) -> Option<u64> {
        let Running::Evenkeel { balancer, .. } = &self.running else { return None };
        let status = balancer.status();
        let servers = status["pools"][0]["servers"].as_array()?.iter();
        servers.map(|server| server["retries_total"].as_u64()).sum()
    }

    fn config(&self) -> String {
        let write = match self.kind {
            Kind::Evenkeel => evenkeel,
            Kind::Nginx => nginx,
            Kind::Haproxy => haproxy,
        };
        write(self.address, &self.servers, self.reloads)
    }

    fn reload_peer(&mut self, config: &str) {
        let signal = if self.kind == Kind::Nginx { Signal::HUP } else { Signal::USR2 };
        if let Running::Peer { process, scratch } = &mut self.running {
            scratch.write("config", config);
            process.signal(signal);
        }
    }

    fn process(&mut self) -> &mut Process {
        match &mut self.running {
            Running::Evenkeel { balancer, .. } => balancer.process(),
            Running::Peer { process, .. } => process,
        }
    }
}

/// The program that starts it in the wanted way.
fn wrapper(setup: Setup) -> Vec<String> {
    match setup {
        Setup::Descriptors(most) => vec!["prlimit".to_owned(), format!("--nofile={most}:{most}")],
        Setup::Nice => vec!["nice".to_owned(), "-n".to_owned(), "19".to_owned()],
        _ => Vec::new(),
    }
}

fn words(wrapper: &[String]) -> Vec<&str> {
    wrapper.iter().map(String::as_str).collect()
}

/// A pipe whose reader never reads.
fn stuck_pipe() -> Stdio {
    let mut sleeper = Command::new("sleep");
    sleeper.arg("60").stdin(Stdio::piped());
    let mut child = sleeper.spawn().expect("sleep is everywhere");
    let pipe = child.stdin.take().expect("it is piped");
    // It ends by itself; meanwhile it holds the end that is never read.
    std::thread::spawn(move || child.wait());
    pipe.into()
}

fn access_log(setup: Setup) -> &'static str {
    match setup {
        Setup::FullDisk => "\n[access_log]\nformat = \"json\"\npath = \"/dev/full\"\n",
        Setup::StuckLog => "\n[access_log]\nformat = \"json\"\n",
        _ => "",
    }
}

fn peer(program: &str, wrapper: &[String], config: &str) -> Result<Running, String> {
    let path = process::find(program).ok_or_else(|| format!("{program} is not installed"))?;
    let scratch = Scratch::new(program);
    let file = scratch.write("config", config);
    let mut command = match wrapper.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(path);
            command
        }
        None => process::bound(&path),
    };
    match program {
        "nginx" => command.arg("-p").arg(scratch.path()).args(["-e", "stderr", "-c", "config"]),
        _ => command.args(["-W", "-db", "-f"]).arg(Path::new(&file)),
    };
    Ok(Running::Peer { process: Process::start(program, command), scratch })
}

fn list(servers: &[SocketAddr], line: impl Fn(usize, &SocketAddr) -> String) -> String {
    servers.iter().enumerate().map(|(index, server)| line(index, server)).collect()
}

fn evenkeel(address: SocketAddr, servers: &[SocketAddr], reloads: u32) -> String {
    let servers = list(servers, |_, server| format!("\"{server}\", "));
    // A setting that changes nothing here, so that each reload has something to do.
    let tunnel = 100 + reloads;
    format!(
        r#"
[listener.front]
bind = ["{address}"]
protocol = "http"
pool = "app"
[pool.app]
servers = [{servers}]
timeouts = {{ connect = "1s", first_byte = "2s", tunnel = "{tunnel}s" }}
[pool.app.check]
kind = "http"
path = "/health"
interval = "1s"
fast = "250ms"
down = "500ms"
timeout = "500ms"
"#
    )
}

/// The name of a server, by its place.
fn name_of(server: usize) -> String {
    format!("s{server}.internal")
}

/// A DNS server that knows them, each second anew.
fn names_of(servers: &[SocketAddr]) -> NameServer {
    let names = name_server();
    for (place, server) in servers.iter().enumerate() {
        names.know(&name_of(place), &[server.ip()], 1);
    }
    names
}

/// The configuration with its servers by their names.
fn by_name(config: &str, servers: &[SocketAddr], names: &NameServer) -> String {
    let mut config = config.to_owned();
    for (place, server) in servers.iter().enumerate() {
        config =
            config.replace(&server.to_string(), &format!("{}:{}", name_of(place), server.port()));
    }
    config + &format!("[resolver]\nservers = [\"{}\"]\ntimeout = \"200ms\"\n", names.address())
}

/// The configuration with HTTP/2, and with a server for [`SLOW`].
fn with_http2(config: &str, silent: &Peer) -> String {
    let (path, _query) = SLOW.split_once('?').expect("it has one");
    let (protocol, server) = ("protocol = \"http\"\n", silent.address());
    config.replacen(protocol, &format!("{protocol}h2c = true\n"), 1)
        + &format!(
            "[[listener.front.route]]\npath = \"{path}\"\npool = \"silent\"\n\
             [pool.silent]\nservers = [\"{server}\"]\n"
        )
}

/// Reads what comes until nothing does any more.
fn listen_only(mut client: TcpStream) {
    let mut unheard = [0; 4096];
    while matches!(client.read(&mut unheard), Ok(1..)) {}
}

fn nginx(address: SocketAddr, servers: &[SocketAddr], reloads: u32) -> String {
    let servers = list(servers, |_, server| format!("server {server};"));
    format!(
        r#"
daemon off; pid pid; error_log stderr crit; worker_processes 2;
events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_requests {};
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream app {{ {servers} keepalive 64; }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_connect_timeout 1s; proxy_read_timeout 2s;
        }}
    }}
}}
"#,
        100_000 + reloads
    )
}

fn haproxy(address: SocketAddr, servers: &[SocketAddr], reloads: u32) -> String {
    let servers = list(servers, |index, server| format!("    server s{index} {server} check\n"));
    let tunnel = 100 + reloads;
    format!(
        r"
global
    nbthread 2
defaults
    mode http
    timeout connect 1s
    timeout client 75s
    timeout server 2s
    timeout check 500ms
    timeout tunnel {tunnel}s
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response response-timeout
    option httpchk GET /health
    default-server inter 1s fastinter 250ms downinter 500ms fall 3 rise 2
listen front
    bind {address} backlog 4096
    balance roundrobin
    http-request disable-l7-retry if METH_POST
{servers}
"
    )
}
