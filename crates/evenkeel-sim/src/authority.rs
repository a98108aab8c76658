//! An authority that signs certificates, and clients of TLS that trust it.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, StreamOwned,
    SupportedProtocolVersion,
};

use crate::clock::PATIENCE;
use crate::scratch::Scratch;

/// Signs certificates, which are in files of its own.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    scratch: Scratch,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Secured {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("these go together");
        let scratch = Scratch::new("authority");
        scratch.write("ca.pem", issuer.pem());
        Self { issuer, scratch }
    }

    /// Its own certificate, for those who trust it.
    pub fn file(&self) -> PathBuf {
        self.scratch.file("ca.pem")
    }

    /// A certificate for these names, the first of which is its subject, in files called `at`.
    pub fn issue(&self, at: &str, names: &[&str]) -> Pair {
        self.sign(at, names, |_| ())
    }

    /// One that ended years ago.
    pub fn issue_expired(&self, at: &str, names: &[&str]) -> Pair {
        self.sign(at, names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    fn sign(&self, at: &str, names: &[&str], edit: impl FnOnce(&mut CertificateParams)) -> Pair {
        let listed: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(listed).expect("names");
        params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or(at));
        edit(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("these go together");
        Pair {
            chain: self.scratch.write(&format!("{at}.pem"), certificate.pem()),
            key: self.scratch.write(&format!("{at}.key"), key.serialize_pem()),
        }
    }

    /// Clients that trust it and speak these versions; with a certificate of their own if given.
    pub fn clients(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Pair>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
        let builder = builder.with_protocol_versions(versions).expect("versions of the provider");
        let builder = builder.with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let (chain, key) = own.read();
                builder.with_client_auth_cert(chain, key).expect("these go together")
            }
        })
    }
}

impl Pair {
    /// As a value of `certificates`.
    pub fn toml(&self) -> String {
        format!("{{ chain = \"{}\", key = \"{}\" }}", self.chain.display(), self.key.display())
    }

    /// Puts the files of `other` in place of its own.
    pub fn replace_by(&self, other: &Self) {
        for (old, new) in [(&self.chain, &other.chain), (&self.key, &other.key)] {
            std::fs::copy(new, old).expect("files of ours");
        }
    }

    /// Servers that show it.
    pub fn servers(&self) -> Arc<ServerConfig> {
        let (chain, key) = self.read();
        let builder = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().expect("of the provider");
        let builder = builder.with_no_client_auth().with_single_cert(chain, key);
        Arc::new(builder.expect("these go together"))
    }

    fn read(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_file_iter(&self.chain).expect("a file of ours");
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("a file of ours");
        (chain.collect::<Result<_, _>>().expect("a file of ours"), key)
    }
}

impl Secured {
    /// Connects and asks for `name`; the error is what went wrong with it.
    pub fn connect(
        address: SocketAddr,
        name: &str,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let client = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(client, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    /// The server's own certificate.
    pub fn certificate(&self) -> Vec<u8> {
        let chain = self.stream.conn.peer_certificates().unwrap_or_default();
        chain.first().map(|certificate| certificate.to_vec()).unwrap_or_default()
    }

    /// The handshake took up an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends this again and again and reads nothing until the connection is over: how it ended.
    pub fn push(mut self, bytes: &[u8]) -> io::ErrorKind {
        loop {
            if let Err(error) = self.stream.write_all(bytes) {
                return error.kind();
            }
        }
    }

    /// Asks for `/` of this host with these further lines, as the last request of the connection;
    /// all that comes back.
    pub fn ask(mut self, host: &str, lines: &str) -> io::Result<String> {
        let mut request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        write!(request, "{lines}\r\n").map_err(io::Error::other)?;
        self.stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// The DER of the first certificate in a file.
pub fn certificate_in(pair: &Pair) -> Vec<u8> {
    pair.read().0.first().map(|certificate| certificate.to_vec()).unwrap_or_default()
}
