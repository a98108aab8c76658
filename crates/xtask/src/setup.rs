//! What the tests and the benchmark need besides a Rust toolchain.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{command, out, suite};

/// A Debian package, how to tell that it is there, and why it is wanted.
struct Need {
    package: &'static str,
    sign: Sign,
    reason: &'static str,
}

/// What shows that a need is met, however it got here.
enum Sign {
    Program(&'static str),
    File(&'static str),
}

/// nginx loads its stream module from here.
pub(crate) const NGINX_STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

#[rustfmt::skip]
const NEEDS: &[Need] = &[
    Need { package: "nginx", sign: Sign::Program("nginx"), reason: "real servers behind the balancer; a peer in the benchmark" },
    Need { package: "libnginx-mod-stream", sign: Sign::File(NGINX_STREAM_MODULE), reason: "nginx as a peer for tcp" },
    Need { package: "haproxy", sign: Sign::Program("haproxy"), reason: "a peer in the benchmark" },
    Need { package: "nghttp2-client", sign: Sign::Program("h2load"), reason: "load over HTTP/2" },
    Need { package: "nghttp2-server", sign: Sign::Program("nghttpd"), reason: "servers of gRPC in the benchmark" },
    Need { package: "wrk", sign: Sign::Program("wrk"), reason: "load" },
    Need { package: "curl", sign: Sign::Program("curl"), reason: "a client that is not ours" },
    Need { package: "openssl", sign: Sign::Program("openssl"), reason: "certificates and TLS ends for pass-through" },
    Need { package: "dnsmasq-base", sign: Sign::Program("dnsmasq"), reason: "a DNS server that is not ours" },
    Need { package: "python3-grpcio", sign: Sign::File("/usr/lib/python3/dist-packages/grpc/__init__.py"), reason: "gRPC's own client and server" },
    Need { package: "python3-websockets", sign: Sign::File("/usr/lib/python3/dist-packages/websockets/__init__.py"), reason: "a client and a server of WebSocket that are not ours" },
    Need { package: "keepalived", sign: Sign::Program("keepalived"), reason: "a node of a virtual address that is not ours" },
    Need { package: "tcpdump", sign: Sign::Program("tcpdump"), reason: "whether others can read what the nodes of a virtual address say" },
    Need { package: "pebble", sign: Sign::Program("pebble"), reason: "an authority that certificates are ordered from" },
    Need { package: "nftables", sign: Sign::Program("nft"), reason: "faults: packets that vanish" },
    Need { package: "iproute2", sign: Sign::Program("ip"), reason: "faults: a network namespace of their own" },
    Need { package: "faketime", sign: Sign::Program("faketime"), reason: "faults: a clock that jumps" },
    Need { package: "rsyslog", sign: Sign::Program("rsyslogd"), reason: "a receiver of access log lines that is not ours" },
    Need { package: "prometheus", sign: Sign::Program("promtool"), reason: "what it says of our metrics" },
    Need { package: "nodejs", sign: Sign::Program("node"), reason: "the page: its tests, and whether it is the one its sources build" },
    Need { package: "npm", sign: Sign::Program("npm"), reason: "what the page is built with" },
    Need { package: "chromium", sign: Sign::Program("chromium"), reason: "the page in a browser" },
    Need { package: "prometheus-node-exporter", sign: Sign::Program("prometheus-node-exporter"), reason: "dashboards of hosts" },
    Need { package: "python3-prometheus-client", sign: Sign::File("/usr/lib/python3/dist-packages/prometheus_client/__init__.py"), reason: "reads OpenMetrics" },
    Need { package: "mariadb-server", sign: Sign::Program("mariadbd"), reason: "monitor: shards with replicas" },
    Need { package: "redis-server", sign: Sign::Program("redis-server"), reason: "monitor: shared sessions" },
    Need { package: "tmux", sign: Sign::Program("tmux"), reason: "a terminal for `top` that can be read" },
    Need { package: "util-linux", sign: Sign::Program("taskset"), reason: "pinning in the benchmark; unshare" },
];

/// What Debian has not: OpenTelemetry's own definitions in the form for Python, with what reads
/// them, and a collector.
const FROM_PYPI: [&str; 3] = ["opentelemetry-proto==1.45.2", "protobuf==6.33.5", "rotel==0.0.1a15"];

/// Where tests look for them, below the directory in which cargo builds.
const PYPI_FOLDER: &str = "tmp/otlp";

/// Installs what is missing where that is possible, else says what to type. Missing things are
/// not an error: the tests that want them report themselves as skipped.
pub(crate) fn run(root: &Path) -> Result<()> {
    debian()?;
    pypi(&suite::target_directory(root)?.join(PYPI_FOLDER))
}

/// Into a folder of the tests' own: nothing of the system's Python changes.
fn pypi(folder: &Path) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--root-user-action", "ignore", "--only-binary", ":all:", "--no-deps"]);
    // Beside its place until it is whole.
    let unfinished = folder.with_extension("unfinished");
    pip.arg("--target").arg(&unfinished).args(FROM_PYPI);
    if !command::succeeds(&mut pip).unwrap_or(false) {
        out::say(&format!("setup: missing from PyPI: {}", FROM_PYPI.join(", ")));
        return Ok(());
    }
    fs::rename(&unfinished, folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn debian() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !need.sign.is_there()).collect();
    if missing.is_empty() {
        out::say("setup: every package of Debian the tests need is there");
        return Ok(());
    }
    for Need { package, sign: _, reason } in &missing {
        out::say(&format!("setup: missing {package}: {reason}"));
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if rustix::process::geteuid().is_root() && command::find("apt-get").is_some() {
        return install(&packages);
    }
    out::say(&format!(
        "setup: as root on Debian: apt-get install --no-install-recommends {}",
        packages.join(" ")
    ));
    Ok(())
}

impl Sign {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(name) => command::find(name).is_some(),
            Self::File(path) => Path::new(path).exists(),
        }
    }
}

fn install(packages: &[&str]) -> Result<()> {
    let _no_services = NoServices::hold()?;
    apt_get(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut apt = Command::new("apt-get");
    apt.arg("--quiet").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    if !command::succeeds(&mut apt)? {
        bail!("apt-get {} failed; its own words are above", arguments.join(" "));
    }
    Ok(())
}

/// While held, packages being installed do not start their services. A policy the machine already
/// has stays in force instead.
struct NoServices {
    ours: bool,
}

impl NoServices {
    /// Asked by Debian's invoke-rc.d before it starts anything; 101 means "not allowed".
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn hold() -> Result<Self> {
        match File::options().write(true).create_new(true).mode(0o755).open(Self::POLICY) {
            Ok(mut file) => {
                let held = Self { ours: true };
                file.write_all(b"#!/bin/sh\nexit 101\n")
                    .with_context(|| format!("cannot write {}", Self::POLICY))?;
                Ok(held)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Ok(Self { ours: false })
            }
            Err(error) => Err(error).with_context(|| format!("cannot create {}", Self::POLICY)),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(Self::POLICY)
        {
            out::complain(&format!("setup: remove {} by hand: {error}", Self::POLICY));
        }
    }
}
