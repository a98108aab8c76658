//! Debian's nginx as a server behind the balancer, or beside it as a witness.

use std::net::SocketAddr;
use std::path::Path;

use crate::address::free_address;
use crate::client::Client;
use crate::clock::{PATIENCE, wait_until};
use crate::process::{self, Process, Signal};
use crate::scratch::Scratch;
use crate::tls::Certificate;

/// A real nginx; it ends with this value.
#[derive(Debug)]
pub struct NginxOrigin {
    name: String,
    address: SocketAddr,
    scratch: Scratch,
    process: Process,
}

/// Why there is no nginx.
pub const NO_NGINX: &str = "nginx is not installed";

/// An nginx that says `name` in `x-server`; `None` where it is not installed.
pub fn nginx_origin(name: &str) -> Option<NginxOrigin> {
    nginx(name, &answering(name), Speaks::Plain)
}

/// An nginx that shows its `stub_status`; `None` where it is not installed.
pub fn nginx_stub_status() -> Option<NginxOrigin> {
    nginx("stub_status", "stub_status;", Speaks::Plain)
}

/// An nginx that serves the files below `root`; `None` where it is not installed.
pub fn nginx_files(root: &Path) -> Option<NginxOrigin> {
    let root = root.display();
    let location =
        format!("root {root}; if_modified_since before; default_type application/octet-stream;");
    nginx("files", &location, Speaks::Plain)
}

/// The same over TLS, with this certificate.
pub fn nginx_tls_origin(name: &str, certificate: &Certificate) -> Option<NginxOrigin> {
    nginx(name, &answering(name), Speaks::Tls(certificate))
}

/// The same over TLS, in HTTP/2 if the client likes; a connection ends after so many requests.
pub fn nginx_http2(name: &str, certificate: &Certificate, requests: u32) -> Option<NginxOrigin> {
    nginx(name, &answering(name), Speaks::Http2(certificate, requests))
}

/// What is spoken to it.
#[derive(Clone, Copy)]
enum Speaks<'a> {
    Plain,
    Tls(&'a Certificate),
    Http2(&'a Certificate, u32),
}

fn answering(name: &str) -> String {
    format!("add_header x-server \"{name}\"; return 200 \"{name}\\n\";")
}

/// `location` says what it does with requests.
fn nginx(name: &str, location: &str, speaks: Speaks<'_>) -> Option<NginxOrigin> {
    process::find("nginx")?;
    let address = free_address();
    let scratch = Scratch::new("nginx");
    scratch.write("nginx.conf", config(location, address, speaks));
    let process = start(name, &scratch, address);
    Some(NginxOrigin { name: name.to_owned(), address, scratch, process })
}

impl NginxOrigin {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests in its access log so far.
    pub fn served(&self) -> usize {
        let log = std::fs::read_to_string(self.scratch.file("access.log")).unwrap_or_default();
        log.lines().count()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait(PATIENCE);
    }

    /// The same again after [`NginxOrigin::kill`], at the same address.
    pub fn restart(&mut self) {
        self.process = start(&self.name, &self.scratch, self.address);
    }
}

fn start(name: &str, scratch: &Scratch, address: SocketAddr) -> Process {
    let program = process::find("nginx").expect("looked for before");
    let mut command = process::bound(&program);
    command.arg("-p").arg(scratch.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
    let mut process = Process::start(&format!("nginx {name}"), command);
    wait_until(&format!("nginx {name} listens"), PATIENCE, || {
        assert!(process.is_running(), "nginx ends:\n{}", process.stderr.text());
        Client::connect(address).is_ok()
    });
    process
}

/// One process, so that a kill is the end of all of it.
fn config(location: &str, address: SocketAddr, speaks: Speaks<'_>) -> String {
    let (listens, certificate, requests) = match speaks {
        Speaks::Plain => ("", None, 100_000),
        Speaks::Tls(certificate) => (" ssl", Some(certificate), 100_000),
        Speaks::Http2(certificate, requests) => (" ssl http2", Some(certificate), requests),
    };
    let certificate = certificate.map_or_else(String::new, |certificate| {
        let (chain, key) = (certificate.chain(), certificate.key());
        let (chain, key) = (chain.display(), key.display());
        format!("ssl_certificate {chain}; ssl_certificate_key {key};")
    });
    format!(
        r"
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log access.log;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    keepalive_requests {requests};
    server {{
        listen {address}{listens};
        {certificate}
        location / {{ {location} }}
    }}
}}
"
    )
}
