//! WebSocket between peers that are not ours: Python's `websockets` on both sides.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{self, Process};
use evenkeel_sim::tls::{Certificate, NO_OPENSSL};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websockets/peer.py");
const NO_WEBSOCKETS: &str = "python3-websockets is not installed";

/// Debian's own Python: that is where its packages are.
fn python() -> Option<Command> {
    let python = PathBuf::from("/usr/bin/python3");
    let imports = Command::new(&python).args(["-c", "import websockets"]).output().ok()?;
    imports.status.success().then(|| process::bound(&python))
}

/// `None` where the library is not installed.
fn server() -> Option<(SocketAddr, Process)> {
    let (address, mut command) = (free_address(), python()?);
    command.args([SCRIPT, "serve", &address.to_string()]);
    let process = Process::start("websockets", command);
    wait_until("the server listens", PATIENCE, || TcpStream::connect(address).is_ok());
    Some((address, process))
}

/// What the library's client has to say of all kinds of messages.
fn talk(arguments: &[&str]) -> String {
    let mut command = python().expect("there is a server by it");
    process::run(command.args([SCRIPT, "talk"]).args(arguments))
}

const EVERY_MESSAGE: &str = "\
Subprotocol echo
Text True
Binary True
Fragments abc
Ping
Closed 4001 goodbye
";

#[test]
fn messages_of_every_kind_pass_in_the_clear_and_in_tls() {
    let (server, _process) = skip_unless!(server(), NO_WEBSOCKETS);
    let (plain, secure) = (free_address(), free_address());
    let certificate = skip_unless!(Certificate::new(&secure.ip().to_string()), NO_OPENSSL);
    let (chain, key) = (certificate.chain(), certificate.key());
    let _lb = balancer(&format!(
        "[listener.plain]\nbind = [\"{plain}\"]\nprotocol = \"http\"\npool = \"talk\"\n\
         [listener.secure]\nbind = [\"{secure}\"]\nprotocol = \"https\"\npool = \"talk\"\n\
         certificates = [{{ chain = \"{}\", key = \"{}\" }}]\n\
         [pool.talk]\nservers = [\"{server}\"]\n",
        chain.display(),
        key.display()
    ));
    assert_eq!(talk(&[&format!("ws://{plain}/")]), EVERY_MESSAGE);
    let secure = format!("wss://{secure}/");
    assert_eq!(talk(&[&secure, &chain.display().to_string()]), EVERY_MESSAGE);
}
