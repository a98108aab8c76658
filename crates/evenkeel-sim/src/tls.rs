//! Both ends of TLS, from the `openssl` program: certificates, servers, clients.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process;
use crate::scratch::Scratch;

/// Why there are no certificates.
pub const NO_OPENSSL: &str = "openssl is not installed";

/// A self-signed certificate for one name or address.
#[derive(Debug)]
pub struct Certificate {
    name: String,
    scratch: Scratch,
}

impl Certificate {
    /// Valid for two days. `None` where `openssl` is not installed.
    pub fn new(name: &str) -> Option<Self> {
        let openssl = process::find("openssl")?;
        Some(Self::made_by(Command::new(openssl), name))
    }

    /// One whose two days were over eight days ago. `None` where `openssl` or `faketime` is not
    /// installed.
    pub fn expired(name: &str) -> Option<Self> {
        let mut command = Command::new(process::find("faketime")?);
        command.args(["-f", "-10d"]).arg(process::find("openssl")?);
        Some(Self::made_by(command, name))
    }

    fn made_by(mut command: Command, name: &str) -> Self {
        let certificate = Self { name: name.to_owned(), scratch: Scratch::new("certificate") };
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        command.args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")]);
        let kind = if name.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
        command.args(["-addext", &format!("subjectAltName={kind}:{name}")]);
        // A server's, not an authority's: no strict client takes one for the other.
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-keyout").arg(certificate.key()).arg("-out").arg(certificate.chain());
        process::run(&mut command);
        certificate
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn chain(&self) -> PathBuf {
        self.scratch.file("chain.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.scratch.file("key.pem")
    }
}

/// What `openssl s_client` is shown: the subject of the certificate at `address`. Without `name`
/// the `ClientHello` names nobody.
pub fn certificate_at(address: SocketAddr, name: Option<&str>) -> String {
    let mut command = Command::new(process::find("openssl").expect(NO_OPENSSL));
    command.args(["s_client", "-connect", &address.to_string()]);
    match name {
        Some(name) => command.args(["-servername", name]),
        None => command.arg("-noservername"),
    };
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let shown = String::from_utf8_lossy(&output.stdout);
    let subject = shown.lines().find_map(|line| line.strip_prefix("subject="));
    subject.unwrap_or_default().replace(' ', "")
}

/// What curl is answered at `https://NAME/`, trusting only the certificate in `authority`.
pub fn curl(address: SocketAddr, name: &str, authority: &Path) -> String {
    let mut command = Command::new(process::find("curl").expect("curl is installed"));
    let url = format!("https://{name}:{}/", address.port());
    command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "10"]);
    command.arg("--resolve").arg(format!("{name}:{}:{}", address.port(), address.ip()));
    command.arg("--cacert").arg(authority).arg(url);
    process::run(&mut command)
}

/// The first flight of a client that speaks `h2`: a `ClientHello` for `name`, as `openssl` writes it.
pub fn client_hello(name: Option<&str>) -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("bound");
    let mut command = Command::new(process::find("openssl").expect(NO_OPENSSL));
    command.args(["s_client", "-alpn", "h2", "-connect", &address.to_string()]);
    match name {
        Some(name) => command.args(["-servername", name]),
        None => command.arg("-noservername"),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stream, _) = listener.accept().expect("openssl connects");
    let mut reader = crate::client::Client::over(stream);
    // One record: type, version, length.
    let mut hello = reader.receive(5);
    let length = u16::from_be_bytes([hello[3], hello[4]]);
    hello.extend(reader.receive(length.into()));
    drop(reader);
    if let Some(mut stdin) = child.stdin.take() {
        // Its connection is gone, and with that it ends.
        let _ = stdin.write_all(b"Q\n");
    }
    child.wait().expect("a child of ours");
    hello
}
