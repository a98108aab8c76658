//! Configurations of the three proxies and of the upstreams: the same features, each in its own
//! words. Forwarded headers, request ids, timeouts, one worker a core, upstream connections kept
//! for all of the load; active checks for the two that have them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::{load, many};

/// What differs between starts of the same proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) workers: usize,
    /// An access log, to a file.
    pub(super) log: bool,
    /// Accept only once there is something to read.
    pub(super) deferred: bool,
    /// What the others offer for bulk beyond their defaults.
    pub(super) tuned: bool,
    /// Of evenkeel only.
    pub(super) scale: Scale,
    /// The same: what it did is kept.
    pub(super) history: bool,
    /// Configurations before this one, from which it differs in a time-out.
    pub(super) changes: u32,
}

/// How large a configuration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Two servers and no route.
    Usual,
    /// Two servers and one route.
    Few,
    /// A thousand servers, all but two of them backups, and ten thousand routes.
    Reserve,
    /// A thousand servers and ten thousand routes.
    Many,
}

/// Where a proxy listens and what it forwards to.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) http: SocketAddr,
    pub(super) tcp: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) grpc: SocketAddr,
    /// Of those that serve files.
    pub(super) files: SocketAddr,
    /// Of evenkeel only.
    pub(super) admin: SocketAddr,
    pub(super) servers: [SocketAddr; 2],
    /// Servers that are called by gRPC.
    pub(super) callees: [SocketAddr; 2],
    /// Configuration, logs, process ids.
    pub(super) folder: PathBuf,
    pub(super) setting: Setting,
}

/// How nginx has its stream module, without which it does not balance tcp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stream {
    BuiltIn,
    Module(PathBuf),
    Missing,
}

/// Idle upstream connections kept: more than the load ever uses at once.
const KEPT: u32 = 1_024;

/// Connections a proxy may have: those of the memory measurement and room. haproxy wants twice as
/// many descriptors, and 20,000 is a usual limit.
const MOST_CONNECTIONS: u32 = 8_000;

/// Pipes haproxy may splice through: one for each direction of the load's connections, and room.
const PIPES: u32 = 4 * load::CONNECTIONS;

/// Requests on one connection: no proxy may be slowed down by reconnecting.
const ENDLESS: u64 = 1_000_000_000;

/// The one cipher of all three: what a server would choose without a word is not the same.
const CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// A chain and its key, in the folder above that of each proxy; haproxy wants both in one file.
const CERTIFICATE: &str = "../site.pem";
const KEY: &str = "../site.key";
const BOTH: &str = "../both.pem";

/// Files that are served, in the folder above that of each proxy.
const FILES: &str = "../files";

/// Checks are on by default, and so is everything else the others are told to do.
pub(super) fn evenkeel(wiring: &Wiring) -> String {
    let Wiring { http, tcp, https, grpc, files, admin, setting, .. } = wiring;
    let Wiring { servers: [one, two], callees: [three, four], .. } = wiring;
    let Setting { workers, log, scale, history, changes, .. } = setting;
    let servers = match scale {
        Scale::Usual | Scale::Few => format!("\"{one}\", \"{two}\""),
        Scale::Reserve => many::servers([*one, *two], true),
        Scale::Many => many::servers([*one, *two], false),
    };
    let (routes, tunnel) = (many::routes(*scale), 3600 + changes);
    let (https, grpc) = (secured("https", *https, "http"), secured("grpc", *grpc, "grpc"));
    let log =
        if *log { "[access_log]\nformat = \"combined\"\npath = \"access.log\"\n" } else { "" };
    let history = if *history { "" } else { "[history]\nsize = \"0B\"\n" };
    format!(
        r#"[node]
name = "bench"
workers = {workers}
state_dir = "state"

[admin]
bind = "{admin}"

{log}
{history}
[listener.http]
bind = ["{http}"]
protocol = "http"
pool = "http"
limits = {{ requests = {ENDLESS} }}

{routes}
{https}
{grpc}
[listener.files]
bind = ["{files}"]
protocol = "http"
static = {{ root = "{FILES}" }}
limits = {{ requests = {ENDLESS} }}

[listener.tcp]
bind = ["{tcp}"]
protocol = "tcp"
pool = "tcp"

[pool.http]
servers = [{servers}]
idle_connections = {KEPT}
timeouts = {{ tunnel = "{tunnel}s" }}

[pool.grpc]
upstream = "h2c"
servers = ["{three}", "{four}"]

[pool.tcp]
servers = ["{one}", "{two}"]
"#
    )
}

/// A listener of evenkeel's in which TLS ends.
fn secured(name: &str, address: SocketAddr, pool: &str) -> String {
    format!(
        r#"[listener.{name}]
bind = ["{address}"]
protocol = "https"
pool = "{pool}"
certificates = [{{ chain = "{CERTIFICATE}", key = "{KEY}" }}]
ciphers = ["{CIPHER}"]
versions = ["1.3"]
limits = {{ requests = {ENDLESS} }}
"#
    )
}

/// The log is buffered, as evenkeel's is. Answers are streamed and not spilled to disk, which makes
/// big ones cheaper than nginx's defaults do.
pub(super) fn nginx(wiring: &Wiring, stream: &Stream) -> String {
    let Wiring { http, https, files, servers: [one, two], folder, setting, .. } = wiring;
    let Setting { workers, log, deferred, tuned, .. } = setting;
    let log = if *log { "access.log combined buffer=64k flush=1s" } else { "off" };
    let option = if *deferred { " deferred" } else { "" };
    let reuseport = if *workers > 1 { " reuseport" } else { "" };
    let header = nginx_header(folder, *workers);
    let module = match stream {
        Stream::Module(path) => format!("load_module {};\n", path.display()),
        Stream::BuiltIn | Stream::Missing => String::new(),
    };
    let stream = if *stream == Stream::Missing { String::new() } else { nginx_stream(wiring) };
    let calls = nginx_calls(wiring);
    let bulk = if *tuned {
        "proxy_buffers 16 256k;\n    proxy_busy_buffers_size 512k;"
    } else {
        "# buffers: nginx's own"
    };
    format!(
        r"{module}{header}
http {{
    access_log {log};
    tcp_nodelay on;
    keepalive_requests {ENDLESS};
    keepalive_timeout 75s;
    client_header_timeout 10s;
    client_body_timeout 60s;
    send_timeout 60s;
    upstream pool {{
        server {one};
        server {two};
        keepalive {KEPT};
        keepalive_requests {ENDLESS};
        keepalive_timeout 60s;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection '';
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Port $server_port;
    proxy_set_header X-Request-Id $request_id;
    proxy_connect_timeout 3s;
    proxy_read_timeout 30s;
    proxy_send_timeout 60s;
    proxy_max_temp_file_size 0;
    {bulk}
    server {{
        listen {http}{option}{reuseport};
        listen {https} ssl http2{option}{reuseport};
        ssl_certificate {CERTIFICATE};
        ssl_certificate_key {KEY};
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites {CIPHER};
        location / {{ proxy_pass http://pool; }}
    }}
{calls}
    server {{
        listen {files}{option}{reuseport};
        sendfile on;
        tcp_nopush on;
        root {FILES};
    }}
}}
{stream}"
    )
}

/// What haproxy tells servers of the client.
const FORWARDED: &str = "    option forwardfor
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request set-header X-Request-Id %[uuid()]";

/// Its log goes line by line to what its stdout is, which is a file here.
pub(super) fn haproxy(wiring: &Wiring) -> String {
    let Wiring { http, tcp, https, grpc, setting, .. } = wiring;
    let Wiring { servers: [one, two], callees: [three, four], .. } = wiring;
    let Setting { workers, log, deferred, tuned, .. } = setting;
    let log = if *log { "    log global\n    option httplog\n" } else { "" };
    let option = if *deferred { " defer-accept" } else { "" };
    let bulk = if *tuned { "    option splice-request\n    option splice-response\n" } else { "" };
    let check = "check inter 2s fastinter 500ms downinter 1s rise 2 fall 3";
    format!(
        r"global
    maxconn {MOST_CONNECTIONS}
    maxpipes {PIPES}
    nbthread {workers}
    log stdout format raw local0

defaults
    mode http
    balance roundrobin
    option http-keep-alive
    http-reuse always
    retries 2
    option redispatch
{bulk}    timeout connect 3s
    timeout http-request 10s
    timeout http-keep-alive 75s
    timeout client 60s
    timeout server 60s
    timeout check 1s
    timeout client-fin 30s
    timeout server-fin 30s
    timeout tunnel 1h

frontend http
    bind {http}{option}
    bind {https}{option} ssl crt {BOTH} alpn h2,http/1.1 ciphersuites {CIPHER} ssl-min-ver TLSv1.3
{log}    default_backend http

backend http
{FORWARDED}
    server one {one} {check}
    server two {two} {check}

frontend grpc
    bind {grpc}{option} ssl crt {BOTH} alpn h2 ciphersuites {CIPHER} ssl-min-ver TLSv1.3
    default_backend grpc

backend grpc
{FORWARDED}
    server three {three} proto h2 {check}
    server four {four} proto h2 {check}

frontend tcp
    mode tcp
    bind {tcp}
    default_backend tcp

backend tcp
    mode tcp
    server one {one} {check}
    server two {two} {check}
"
    )
}

/// A server with a small and a big answer.
pub(super) fn upstream(address: SocketAddr, aliases: &[Ipv4Addr], folder: &Path) -> String {
    let port = address.port();
    let listen = |alias: &Ipv4Addr| format!("listen {alias}:{port} backlog=4096;");
    let aliases = aliases.iter().map(listen).collect::<Vec<_>>().join(" ");
    let header = nginx_header(folder, 1);
    let folder = folder.display();
    let small = "x".repeat(100);
    format!(
        r"master_process off;
{header}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    default_type application/octet-stream;
    keepalive_requests {ENDLESS};
    keepalive_timeout 1h;
    server {{
        listen {address} backlog=4096;
        {aliases}
        location = /small {{ return 200 {small}; }}
        location = /big {{ root {folder}; }}
    }}
}}
"
    )
}

fn nginx_header(folder: &Path, workers: usize) -> String {
    // Started as root, workers would become a user who cannot enter the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let folder = folder.display();
    format!(
        "{user}worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections {MOST_CONNECTIONS}; }}"
    )
}

fn nginx_calls(wiring: &Wiring) -> String {
    let Wiring { grpc, callees: [three, four], setting, .. } = wiring;
    let option = if setting.deferred { " deferred" } else { "" };
    let reuseport = if setting.workers > 1 { " reuseport" } else { "" };
    format!(
        r"    upstream callees {{
        server {three};
        server {four};
        keepalive {KEPT};
        keepalive_requests {ENDLESS};
        keepalive_timeout 60s;
    }}
    server {{
        listen {grpc} ssl http2{option}{reuseport};
        ssl_certificate {CERTIFICATE};
        ssl_certificate_key {KEY};
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites {CIPHER};
        grpc_set_header X-Real-IP $remote_addr;
        grpc_set_header X-Forwarded-For $remote_addr;
        grpc_set_header X-Forwarded-Proto $scheme;
        grpc_set_header X-Forwarded-Host $http_host;
        grpc_set_header X-Forwarded-Port $server_port;
        grpc_set_header X-Request-Id $request_id;
        location / {{ grpc_pass grpc://callees; }}
    }}"
    )
}

fn nginx_stream(wiring: &Wiring) -> String {
    let Wiring { tcp, servers: [one, two], setting, .. } = wiring;
    let Setting { workers, tuned, .. } = setting;
    let reuseport = if *workers > 1 { " reuseport" } else { "" };
    let buffer = if *tuned { "256k" } else { "16k" };
    format!(
        r"stream {{
    upstream pool {{
        server {one};
        server {two};
    }}
    server {{
        listen {tcp}{reuseport};
        proxy_connect_timeout 3s;
        proxy_timeout 1h;
        proxy_buffer_size {buffer};
        tcp_nodelay on;
        proxy_pass pool;
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wiring(deferred: bool) -> Wiring {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Wiring {
            http: at(1001),
            tcp: at(1002),
            https: at(1004),
            grpc: at(1006),
            files: at(1005),
            admin: at(1003),
            servers: [at(1), at(2)],
            callees: [at(3), at(4)],
            folder: PathBuf::from("/scratch"),
            setting: Setting {
                workers: 1,
                log: false,
                deferred,
                tuned: false,
                scale: Scale::Usual,
                history: true,
                changes: 0,
            },
        }
    }

    #[test]
    fn each_listens_at_both_and_knows_both_servers() {
        let wiring = wiring(false);
        for text in [evenkeel(&wiring), nginx(&wiring, &Stream::BuiltIn), haproxy(&wiring)] {
            for port in [":1001", ":1002", ":1004", ":1006", ":1", ":2", ":3", ":4"] {
                assert!(text.contains(&format!("127.0.0.1{port}")), "{port}\n{text}");
            }
        }
    }

    #[test]
    fn waiting_for_data_is_only_asked_for_on_http() {
        let of = |deferred| {
            let wiring = wiring(deferred);
            let nginx = nginx(&wiring, &Stream::BuiltIn).matches(" deferred").count();
            (nginx, haproxy(&wiring).matches(" defer-accept").count())
        };
        assert_eq!(of(false), (0, 0));
        assert_eq!(of(true), (4, 3));
    }

    #[test]
    fn without_its_module_nginx_has_no_tcp() {
        assert!(!nginx(&wiring(false), &Stream::Missing).contains("stream {"));
        let module = Stream::Module(PathBuf::from("/m.so"));
        assert!(nginx(&wiring(false), &module).starts_with("load_module /m.so;\n"));
    }
}
