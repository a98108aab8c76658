//! TLS to servers: who is believed, and what a client hears when nobody is.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use evenkeel_sim::authority::{Authority, Pair};
use evenkeel_sim::balancer::file_with;
use evenkeel_sim::body::Hasher;
use evenkeel_sim::peer::peer;
use evenkeel_sim::prelude::*;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A server within TLS, which is a listener of the same node, behind one in the clear.
struct Chain {
    near: SocketAddr,
    far: SocketAddr,
    server: Origin,
}

impl Chain {
    fn new() -> Self {
        Self { near: free_address(), far: free_address(), server: origin("0") }
    }

    /// The far listener shows `shown`, and the near one's pool has `tls`.
    fn config(&self, shown: &Pair, client_auth: &str, tls: &str) -> String {
        let Self { near, far, server } = self;
        format!(
            r#"
[listener.near]
bind = ["{near}"]
protocol = "http"
pool = "far"
[pool.far]
servers = ["{far}"]
upstream = "https"
tls = {{ {tls} }}
[listener.far]
bind = ["{far}"]
protocol = "https"
certificates = [{shown}]
{client_auth}
pool = "app"
[pool.app]
servers = ["{server}"]
[access_log]
path = "access.log"
format = "{{listener}} {{status}} {{termination}}"
"#,
            shown = shown.toml(),
            server = server.address(),
        )
    }
}

#[test]
fn only_the_server_that_was_meant_is_believed() {
    let (authority, others) = (Authority::new(), Authority::new());
    let good = authority.issue("good", &["app.internal"]);
    let wrong = authority.issue("wrong", &["other.internal"]);
    let expired = authority.issue_expired("expired", &["app.internal"]);
    let foreign = others.issue("foreign", &["app.internal"]);
    let of_address = |chain: &Chain| authority.issue("address", &[&chain.far.ip().to_string()]);
    let ca = format!("ca = \"{}\"", authority.file().display());
    let named = format!("{ca}, name = \"app.internal\"");
    let chain = Chain::new();
    let address = of_address(&chain);
    for (what, shown, tls, is_believed) in [
        ("the right one", &good, &*named, true),
        ("another name", &wrong, &named, false),
        ("one that has ended", &expired, &named, false),
        ("an authority nobody knows", &foreign, &named, false),
        ("no authority but the system's", &good, "name = \"app.internal\"", false),
        ("for its address", &address, &ca, true),
        ("not for its address", &good, &ca, false),
        ("anybody, as was asked for", &foreign, "verify = false", true),
    ] {
        let lb = balancer(&chain.config(shown, "", tls));
        chain.server.forget();
        let answer = get(chain.near, "/");
        let wanted = if is_believed { 200 } else { 503 };
        assert_eq!(answer.status, wanted, "{what}: {answer:?}");
        if is_believed {
            assert!(answer.is_intact(), "{what}");
            continue;
        }
        assert_eq!(file_with(&lb.file("access.log"), 1), ["near 503 SC"], "{what}");
        assert_eq!(chain.server.served(), 0, "{what}");
    }
}

#[test]
fn servers_are_shown_a_certificate() {
    let authority = Authority::new();
    let shown = authority.issue("good", &["app.internal"]);
    let own = authority.issue("node", &["node"]);
    let ca = format!("ca = \"{}\"", authority.file().display());
    let asks = format!("client_auth = {{ mode = \"require\", {ca}, header = \"x-subject\" }}");
    let chain = Chain::new();
    let without = format!("{ca}, name = \"app.internal\"");
    let with = format!("{without}, certificate = {}", own.toml());
    // In TLS 1.3 the far side says so after the handshake: a server that resets (502).
    for (tls, status) in [(&with, 200), (&without, 502)] {
        chain.server.forget();
        let _lb = balancer(&chain.config(&shown, &asks, tls));
        let forged = "GET / HTTP/1.1\r\nHost: a\r\nX-Subject: CN=admin\r\n\r\n";
        let answer = client(chain.near).send(forged).answer();
        assert_eq!(answer.status, status, "{tls}");
        let seen = chain.server.seen();
        let subjects: Vec<&str> = seen.iter().flat_map(|it| it.head.all("x-subject")).collect();
        assert_eq!(subjects, if status == 200 { vec!["CN=node"] } else { vec![] });
    }
}

#[test]
fn the_last_of_an_upload_reaches_a_server_that_takes_its_time() {
    /// Far more than what the system keeps for a connection.
    const LENGTH: usize = 16 * 1024 * 1024;
    let authority = Authority::new();
    let tls = authority.issue("good", &["app.internal"]).servers();
    let server = peer(move |stream| {
        // A check says nothing and leaves.
        let _ = take_slowly(stream, &tls);
    });
    let listen = free_address();
    let pool = format!(
        "servers = [\"{}\"]\nupstream = \"https\"\ntls = {{ ca = \"{}\", name = \"app.internal\" }}",
        server.address(),
        authority.file().display(),
    );
    let _lb = balancer(&two_workers(listen, &pool));
    let mut client = client(listen);
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
    client.send(vec![b'x'; LENGTH]);
    let answer = client.answer();
    assert_eq!(answer.header("x-taken"), Some(LENGTH.to_string().as_str()), "{answer:?}");
}

/// Answers how long the body was, which it takes more slowly than it is sent.
fn take_slowly(stream: TcpStream, tls: &Arc<ServerConfig>) -> io::Result<()> {
    let tls = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(tls, stream);
    let (mut read, mut piece) = (Vec::new(), [0; 16 * 1024]);
    let head = loop {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            count => read.extend_from_slice(&piece[..count]),
        }
        if let Some(at) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            break String::from_utf8_lossy(&read[..at + 4]).to_lowercase();
        }
    };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
    let length: usize = length.and_then(|it| it.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let (mut taken, mut hasher) = (read.len() - head.len(), Hasher::default());
    while taken < length {
        match stream.read(&mut piece)? {
            0 => break,
            count => taken += count,
        }
        (0..16).for_each(|_| hasher.write(&piece));
    }
    write!(stream, "HTTP/1.1 200 OK\r\nX-Taken: {taken}\r\nX-Hash: {}\r\n", hasher.finish())?;
    write!(stream, "Content-Length: 0\r\n\r\n")?;
    stream.conn.send_close_notify();
    stream.flush()
}
