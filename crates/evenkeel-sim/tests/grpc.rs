//! gRPC between peers that are not ours: calls of every kind, deadlines, and how a service is.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{self, Process};
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::tls::Certificate;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grpc/peer.py");
const NO_GRPC: &str = "python3-grpcio is not installed";

/// Numbers of `ServingStatus`.
const SERVING: &str = "1";
const NOT_SERVING: &str = "2";

/// A server by grpcio.
struct Server {
    address: SocketAddr,
    scratch: Scratch,
    _process: Process,
}

/// Debian's own Python: that is where its packages are.
fn python() -> Option<Command> {
    let python = PathBuf::from("/usr/bin/python3");
    let imports = Command::new(&python).args(["-c", "import grpc"]).output().ok()?;
    imports.status.success().then(|| process::bound(&python))
}

impl Server {
    /// `None` where grpcio is not installed.
    fn start(certificate: Option<&Certificate>) -> Option<Self> {
        let (address, scratch) = (free_address(), Scratch::new("grpc"));
        scratch.write("state", SERVING);
        let mut command = python()?;
        command.args([SCRIPT, "serve", &address.to_string()]).arg(scratch.file("state"));
        if let Some(certificate) = certificate {
            command.arg(certificate.chain()).arg(certificate.key());
        }
        let process = Process::start("grpcio", command);
        wait_until("grpcio listens", PATIENCE, || TcpStream::connect(address).is_ok());
        Some(Self { address, scratch, _process: process })
    }

    fn says(&self, state: &str) {
        self.scratch.write("state", state);
    }
}

/// `keys` belong to the pool, `check` to its check.
fn config(listen: SocketAddr, server: &Server, keys: &str, check: &str) -> String {
    let server = server.address;
    format!(
        "[listener.calls]\nbind = [\"{listen}\"]\nprotocol = \"http\"\nh2c = true\npool = \"calls\"\n\
         [pool.calls]\nservers = [\"{server}\"]\n{keys}\n[pool.calls.check]\nkind = \"grpc\"\n\
         interval = \"50ms\"\nfast = \"50ms\"\ndown = \"50ms\"\ntimeout = \"5s\"\ninitial = \"down\"\n{check}\n",
    )
}

/// What grpcio's client has to say of all kinds of calls.
fn calls(listen: SocketAddr) -> String {
    let mut command = python().expect("there is a server by it");
    process::run(command.args([SCRIPT, "call", &listen.to_string()]))
}

const EVERY_CALL: &str = "\
Unary b'hello' told unary
Long True
Split [b'a', b'b', b'c']
Join b'abc'
Chat [b'ONE', b'TWO', b'THREE']
Fail FAILED_PRECONDITION not now
Nothing UNIMPLEMENTED Method not found!
";

#[test]
fn calls_of_every_kind_pass_in_the_clear_and_in_tls() {
    let server = skip_unless!(Server::start(None), NO_GRPC);
    let listen = free_address();
    let lb = balancer(&config(listen, &server, "upstream = \"h2c\"", ""));
    assert_eq!(calls(listen), EVERY_CALL);
    drop(lb);

    let certificate = skip_unless!(Certificate::new("calls.test"), evenkeel_sim::tls::NO_OPENSSL);
    let server = skip_unless!(Server::start(Some(&certificate)), NO_GRPC);
    let tls =
        format!("tls = {{ ca = \"{}\", name = \"calls.test\" }}", certificate.chain().display());
    let listen = free_address();
    // Its check, which has to pass first, is made in TLS as well.
    let _lb = balancer(&config(listen, &server, &format!("upstream = \"h2\"\n{tls}"), ""));
    assert_eq!(calls(listen), EVERY_CALL);
}

#[test]
fn a_service_is_used_while_it_says_that_it_serves() {
    let server = skip_unless!(Server::start(None), NO_GRPC);
    let listen = free_address();
    let config = config(listen, &server, "upstream = \"h2c\"", "service = \"sim.Echo\"");
    let lb = balancer(&config);
    let is = |health: &str, reason: &str| {
        let verdict = &lb.server("calls", &server.address.to_string())["verdict"];
        let said = verdict["reason"].as_str().unwrap_or_default();
        verdict["health"] == health && said.contains(reason)
    };
    wait_until("it is up at first", PATIENCE, || is("up", ""));
    server.says(NOT_SERVING);
    wait_until("it is down", PATIENCE, || is("down", "NOT_SERVING"));
    server.says(SERVING);
    wait_until("it is up", PATIENCE, || is("up", ""));
}

#[test]
fn a_service_that_nobody_knows_is_down() {
    let server = skip_unless!(Server::start(None), NO_GRPC);
    let listen = free_address();
    let config = config(listen, &server, "upstream = \"h2c\"", "service = \"sim.Nobody\"");
    let lb = Start::with(&config).not_ready().start();
    wait_until("it is known why", PATIENCE, || {
        let verdict = &lb.server("calls", &server.address.to_string())["verdict"];
        let reason = verdict["reason"].as_str().unwrap_or_default();
        reason.contains("grpc-status 5 unknown service")
    });
}

#[test]
fn a_call_ends_with_the_deadline_of_who_calls() {
    let server = skip_unless!(Server::start(None), NO_GRPC);
    let listen = free_address();
    let lb = balancer(&config(listen, &server, "upstream = \"h2c\"", ""));
    let ask = |method: &str, timeout: &str| {
        let timeout = format!("grpc-timeout: {timeout}");
        let url = format!("http://{listen}/sim.Echo/{method}");
        let output = Command::new("curl")
            .args(["--silent", "--include", "--http2-prior-knowledge", "--max-time", "30"])
            .args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-H", &timeout])
            .args(["--data-binary", "@-", &url])
            .stdin(std::fs::File::open(server.scratch.file("empty")).expect("written below"))
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).to_lowercase())
    };
    server.scratch.write("empty", "\0\0\0\0\0");
    // More than it takes to put a server out: none of them is its failure.
    for _ in 0..8 {
        let answer = skip_unless!(ask("Hang", "100m"), "curl is not installed");
        assert!(answer.starts_with("http/2 200"), "{answer}");
        assert!(answer.contains("grpc-status: 4\r\n"), "{answer}");
    }
    let answer = ask("Unary", "30S").unwrap_or_default();
    assert!(answer.starts_with("http/2 200") && answer.contains("x-after: unary"), "{answer}");
    let shown = lb.server("calls", &server.address.to_string());
    assert_eq!(shown["verdict"]["health"], "up", "{shown}");
}
