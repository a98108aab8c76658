//! The three proxies: which programs, how they are started, where they listen.

use std::fmt;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use super::child::Child;
use super::config::{self, Setting, Stream, Wiring};
use super::scenario::{Listener, Scenario};
use super::scratch::{self, Scratch};
use super::upstream::{self, Upstreams};
use super::{LOAD_CORE, PROXY_CORE};

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Evenkeel,
    Nginx,
    Haproxy,
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) evenkeel: PathBuf,
    pub(super) nginx: PathBuf,
    pub(super) haproxy: PathBuf,
}

/// A running proxy; it ends with this.
#[derive(Debug)]
pub(super) struct Proxy {
    kind: Kind,
    child: Child,
    wiring: Wiring,
    /// Whether it balances tcp at all.
    tcp: bool,
}

impl Proxy {
    /// Starts it and waits until it answers.
    pub(super) fn start(
        kind: Kind,
        programs: &Programs,
        setting: Setting,
        upstreams: &Upstreams,
        scratch: &Scratch,
    ) -> Result<Self> {
        let [http, tcp, https, grpc, files, admin] = upstream::free_addresses()?;
        let wiring = Wiring {
            http,
            tcp,
            https,
            grpc,
            files,
            admin,
            servers: upstreams.addresses,
            callees: upstreams.callees,
            folder: scratch.folder(&format!("{kind}-{}", http.port()))?,
            setting,
        };
        let stream = programs.stream()?;
        let child = spawn(kind, programs.path(kind), &wiring, &stream)?;
        let mut proxy =
            Self { kind, child, wiring, tcp: kind != Kind::Nginx || stream != Stream::Missing };
        upstream::await_answer(http, &mut proxy.child)
            .with_context(|| format!("{kind} does not start; {}", proxy.words()))?;
        Ok(proxy)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Of the first process.
    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it can take part.
    pub(super) fn serves(&self, scenario: &Scenario) -> bool {
        match scenario.listener {
            Listener::Tcp => self.tcp,
            Listener::Files => self.kind != Kind::Haproxy,
            Listener::Http
            | Listener::Https
            | Listener::Resumed
            | Listener::Http2
            | Listener::Grpc => true,
        }
    }

    /// Where load goes.
    pub(super) fn address(&self, listener: Listener) -> SocketAddr {
        match listener {
            Listener::Http => self.wiring.http,
            Listener::Tcp => self.wiring.tcp,
            Listener::Files => self.wiring.files,
            Listener::Https | Listener::Resumed | Listener::Http2 => self.wiring.https,
            Listener::Grpc => self.wiring.grpc,
        }
    }

    /// Writes a configuration that differs from the one in force; where to say so.
    pub(super) fn change(&mut self) -> Result<SocketAddr> {
        self.wiring.setting.changes += 1;
        scratch::write(&self.wiring.folder, CONFIG, config::evenkeel(&self.wiring))?;
        Ok(self.wiring.admin)
    }

    /// What it wrote to stderr.
    fn words(&self) -> String {
        let text = fs::read_to_string(self.wiring.folder.join(STDERR)).unwrap_or_default();
        if text.is_empty() { "it said nothing".to_owned() } else { format!("it said:\n{text}") }
    }
}

impl Programs {
    /// As the program itself tells it.
    pub(super) fn version(&self, kind: Kind) -> Result<String> {
        let option = if kind == Kind::Evenkeel { "--version" } else { "-v" };
        let text = self.ask(kind, option)?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    fn path(&self, kind: Kind) -> &Path {
        match kind {
            Kind::Evenkeel => &self.evenkeel,
            Kind::Nginx => &self.nginx,
            Kind::Haproxy => &self.haproxy,
        }
    }

    fn stream(&self) -> Result<Stream> {
        let module = |path: &Path| path.exists();
        Ok(stream_of(&self.ask(Kind::Nginx, "-V")?, module))
    }

    fn ask(&self, kind: Kind, option: &str) -> Result<String> {
        let path = self.path(kind);
        let output = Command::new(path).arg(option).output();
        let output = output.with_context(|| format!("cannot start {}", path.display()))?;
        // nginx answers on stderr.
        let text = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Evenkeel => "evenkeel",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        })
    }
}

const STDERR: &str = "stderr";
const CONFIG: &str = "config";

fn spawn(kind: Kind, program: &Path, wiring: &Wiring, stream: &Stream) -> Result<Child> {
    let folder = &wiring.folder;
    let text = match kind {
        Kind::Evenkeel => config::evenkeel(wiring),
        Kind::Nginx => config::nginx(wiring, stream),
        Kind::Haproxy => config::haproxy(wiring),
    };
    let config = scratch::write(folder, CONFIG, text)?;
    let cores = match wiring.setting.workers {
        1 => PROXY_CORE.to_string(),
        _ => format!("{PROXY_CORE},{LOAD_CORE}"),
    };
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(cores).arg(program);
    match kind {
        Kind::Evenkeel => command.arg("run").arg("-c").arg(config),
        Kind::Nginx => {
            let log = folder.join("error.log");
            command.arg("-p").arg(folder).arg("-e").arg(log).arg("-c").arg(config)
        }
        Kind::Haproxy => command.arg("-db").arg("-f").arg(config),
    };
    command.current_dir(folder);
    let file = |name: &str| {
        let path = folder.join(name);
        File::create(&path).with_context(|| format!("cannot create {}", path.display()))
    };
    command.stdin(Stdio::null()).stdout(file("stdout")?).stderr(file(STDERR)?);
    Child::spawn(&mut command)
}

/// From what `nginx -V` prints.
fn stream_of(build: &str, is_there: impl Fn(&Path) -> bool) -> Stream {
    let mut options = build.split_whitespace();
    if options.clone().any(|option| option == "--with-stream") {
        return Stream::BuiltIn;
    }
    let folder = options.find_map(|option| option.strip_prefix("--modules-path="));
    let module = folder.map(|folder| Path::new(folder).join("ngx_stream_module.so"));
    module.filter(|path| is_there(path)).map_or(Stream::Missing, Stream::Module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_tells_how_it_has_its_stream_module() {
        let debian = "configure arguments: --modules-path=/m --with-stream=dynamic";
        let module = PathBuf::from("/m/ngx_stream_module.so");
        assert_eq!(stream_of(debian, |path| path == module), Stream::Module(module.clone()));
        assert_eq!(stream_of(debian, |_| false), Stream::Missing);
        assert_eq!(stream_of("--with-threads --with-stream", |_| false), Stream::BuiltIn);
    }
}
