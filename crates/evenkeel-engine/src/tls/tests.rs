//! A front and its clients, in memory.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_core::config::{
    self, CertificateFiles, CertificateSource, CipherSuite, ClientAuth, TlsVersion,
};
use evenkeel_core::ticket_key::TicketKey;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Error, HandshakeKind, NamedGroup, ServerConnection,
    SupportedProtocolVersion, version,
};

use super::front::{Front, farewell, label, subject};
use super::*;

/// A folder of files for one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("evenkeel-tls-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An authority of tests.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn pem(&self) -> Arc<[u8]> {
        self.issuer.pem().into_bytes().into()
    }

    fn params(names: &[&str]) -> CertificateParams {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "app, \"one\"");
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &self.issuer).unwrap()
    }

    /// Files with a certificate for `names`, signed with a key of this kind.
    fn files(&self, folder: &Folder, at: &str, names: &[&str], key: &KeyPair) -> CertificateFiles {
        let certificate = self.sign(&Self::params(names), key);
        CertificateFiles {
            chain: folder.write(&format!("{at}.pem"), certificate.pem() + &self.issuer.pem()),
            key: folder.write(&format!("{at}.key"), key.serialize_pem()),
            ocsp: None,
        }
    }
}

fn ecdsa() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn front_of(files: &[&CertificateFiles]) -> config::Front {
    config::Front {
        certificates: files.iter().map(|it| CertificateSource::File((*it).clone())).collect(),
        default_certificate: None,
        strict_sni: false,
        versions: vec![TlsVersion::V12, TlsVersion::V13],
        ciphers: Vec::new(),
        alpn: vec!["http/1.1".into()],
        client_auth: None,
        max_handshakes: 2,
    }
}

fn open(config: &config::Front) -> Front {
    Front::open("front", config, &Arc::default()).unwrap()
}

fn client_of(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(versions).unwrap();
    let mut client =
        builder.with_root_certificates(roots(&authority.pem()).unwrap()).with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    client
}

const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// Both ends after a handshake and all that follows it; the error is the server's, else the
/// client's.
fn shake(
    front: &Front,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(front.showing().config.clone()).unwrap();
    // A handshake has three flights; sessions follow.
    for _ in 0..4 {
        carry(&mut client, &mut server);
        server.process_new_packets()?;
        carry(&mut server, &mut client);
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

fn carry<A, B, C, D>(from: &mut A, to: &mut B)
where
    A: std::ops::DerefMut<Target = rustls::ConnectionCommon<C>>,
    B: std::ops::DerefMut<Target = rustls::ConnectionCommon<D>>,
    C: rustls::SideData,
    D: rustls::SideData,
{
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut unread = &wire[..];
    while !unread.is_empty() {
        to.read_tls(&mut unread).unwrap();
    }
}

#[test]
fn a_certificate_is_shown_by_name_and_kind() {
    let folder = Folder::new("name-kind");
    let authority = Authority::new();
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let (shop, other) = (ecdsa(), KeyPair::generate_for(&PKCS_ED25519).unwrap());
    let files = [
        authority.files(&folder, "rsa", &["shop.example"], &rsa),
        authority.files(&folder, "ecdsa", &["shop.example"], &shop),
        authority.files(&folder, "other", &["*.other.example"], &other),
    ];
    let front = open(&front_of(&files.each_ref()));
    let kinds: Vec<_> = front.certificates().iter().map(|it| it.key).collect();
    assert_eq!(kinds, ["rsa", "ecdsa", "ed25519"]);
    let suite = |client: &ClientConfig, name| {
        let (client, _) = shake(&front, &Arc::new(client.clone()), name).unwrap();
        let shown = client.peer_certificates().unwrap()[0].clone();
        evenkeel_core::certificate::Facts::read(&shown).unwrap().key.as_str()
    };
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let client = client_of(&authority, versions);
        assert_eq!(suite(&client, "shop.example"), "ecdsa");
        assert_eq!(suite(&client, "a.other.example"), "ed25519");
    }
}

#[test]
fn post_quantum_first_and_no_early_data() {
    let folder = Folder::new("quantum");
    let authority = Authority::new();
    let front = open(&front_of(&[&authority.files(&folder, "a", &["shop.example"], &ecdsa())]));
    let client = Arc::new(client_of(&authority, &BOTH));
    let (client, server) = shake(&front, &client, "shop.example").unwrap();
    let group = server.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    assert_eq!(client.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(front.showing().config.clone().max_early_data_size, 0);
}

#[test]
fn strict_means_strict() {
    let folder = Folder::new("strict");
    let authority = Authority::new();
    let mut config = front_of(&[&authority.files(&folder, "a", &["shop.example"], &ecdsa())]);
    config.strict_sni = true;
    let front = open(&config);
    let client = Arc::new(client_of(&authority, &BOTH));
    shake(&front, &client, "shop.example").unwrap();
    for unknown in ["other.example", "127.0.0.1"] {
        let error = shake(&front, &client, unknown).unwrap_err();
        assert_eq!(label(&error), "unknown-name", "{error}");
        assert_eq!(farewell(&error).unwrap(), [21, 3, 3, 0, 2, 2, 112]);
    }
}

#[test]
fn versions_and_ciphers_are_what_was_asked_for() {
    let folder = Folder::new("ciphers");
    let authority = Authority::new();
    let mut config = front_of(&[&authority.files(&folder, "a", &["shop.example"], &ecdsa())]);
    config.versions = vec![TlsVersion::V12];
    config.ciphers = vec![CipherSuite(0xc02b)];
    let front = open(&config);
    let (_, server) =
        shake(&front, &Arc::new(client_of(&authority, &BOTH)), "shop.example").unwrap();
    assert_eq!(u16::from(server.negotiated_cipher_suite().unwrap().suite()), 0xc02b);
    let new = Arc::new(client_of(&authority, &BOTH[..1]));
    assert_eq!(label(&shake(&front, &new, "shop.example").unwrap_err()), "incompatible");
    for (number, suite) in CipherSuite::NAMES.map(|(_, suite)| (suite.0, suite)) {
        let known = provider().cipher_suites.iter().any(|it| u16::from(it.suite()) == suite.0);
        assert!(known, "{number:x}");
    }
}

#[test]
fn sessions_are_resumed_with_the_same_keys_only() {
    let folder = Folder::new("resume");
    let authority = Authority::new();
    let config = front_of(&[&authority.files(&folder, "a", &["shop.example"], &ecdsa())]);
    let key: TicketKey = fresh_ticket_key(0).unwrap();
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let client = Arc::new(client_of(&authority, versions));
        let kind = |front: &Front| {
            let (client, _) = shake(front, &client, "shop.example").unwrap();
            client.handshake_kind().unwrap()
        };
        let keys = Arc::new(TicketKeys::default());
        let front = Front::open("front", &config, &keys).unwrap();
        assert_eq!(kind(&front), HandshakeKind::Full);
        assert_eq!(kind(&front), HandshakeKind::Full, "there was no key to seal a session with");
        keys.replace(std::slice::from_ref(&key));
        assert_eq!(kind(&front), HandshakeKind::Full);
        assert_eq!(kind(&front), HandshakeKind::Resumed);
        // Another process, with the same state directory.
        let keys = Arc::new(TicketKeys::default());
        keys.replace(&[fresh_ticket_key(1).unwrap(), key.clone()]);
        let again = Front::open("front", &config, &keys).unwrap();
        assert_eq!(kind(&again), HandshakeKind::Resumed);
        let other = Front::open("other", &config, &keys).unwrap();
        assert_ne!(kind(&other), HandshakeKind::Resumed, "another listener");
    }
}

#[test]
fn clients_are_asked_for_certificates() {
    let folder = Folder::new("clients");
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let mut config = front_of(&[&authority.files(&folder, "a", &["shop.example"], &ecdsa())]);
    let with = |issuer: &Authority, year: i32| {
        let key = ecdsa();
        let mut params = Authority::params(&["client.example"]);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = issuer.sign(&params, &key);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&BOTH[..1]).unwrap();
        let builder = builder.with_root_certificates(roots(&authority.pem()).unwrap());
        let chain = vec![certificate.der().clone()];
        let mut client = builder.with_client_auth_cert(chain, key).unwrap();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(client)
    };
    let nobody = Arc::new(client_of(&authority, &BOTH));
    for required in [true, false] {
        config.client_auth = Some(ClientAuth { required, trusted: clients.pem() });
        let keys = Arc::new(TicketKeys::default());
        keys.replace(&[fresh_ticket_key(0).unwrap()]);
        let front = Front::open("front", &config, &keys).unwrap();
        let known = with(&clients, 4000);
        for _ in 0..2 {
            let (client, server) = shake(&front, &known, "shop.example").unwrap();
            assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full), "asked each time");
            let shown = server.peer_certificates().unwrap();
            let told = subject(&shown[0]).unwrap();
            assert_eq!(told, "O=Example,CN=app\\2C \\22one\\22");
        }
        let refusal =
            |client: Arc<ClientConfig>| label(&shake(&front, &client, "shop.example").unwrap_err());
        assert_eq!(refusal(with(&strangers, 4000)), "client-certificate");
        assert_eq!(refusal(with(&clients, 2010)), "client-certificate-expired");
        match shake(&front, &nobody, "shop.example") {
            Ok((_, server)) => assert!(!required && server.peer_certificates().is_none()),
            Err(error) => assert!(required && label(&error) == "no-client-certificate", "{error}"),
        }
    }
}

/// Looks until what was written must have been seen: once to see it, once to find it settled.
fn look(front: &Front) -> Vec<&'static str> {
    let first = front.look();
    let second = front.look();
    first.iter().chain(&second).map(|news| news.kind).collect()
}

#[test]
fn certificates_are_replaced_and_bad_ones_are_not_taken() {
    let folder = Folder::new("replace");
    let authority = Authority::new();
    let (old, new) = (ecdsa(), ecdsa());
    let front = open(&front_of(&[&authority.files(&folder, "a", &["shop.example"], &old)]));
    let client = Arc::new(client_of(&authority, &BOTH));
    let fingerprint = || front.certificates()[0].fingerprint.clone();
    let before = fingerprint();
    assert!(look(&front).is_empty());

    // Half of the two files.
    folder.write("a.key", new.serialize_pem());
    assert_eq!(look(&front), ["certificate-refused"]);
    assert_eq!(fingerprint(), before);
    let failure = front.certificates()[0].failure.clone().unwrap();
    assert!(failure.ends_with("a.key holds the private key of another certificate"), "{failure}");
    shake(&front, &client, "shop.example").unwrap();
    assert!(look(&front).is_empty(), "said once");

    // The other half.
    authority.files(&folder, "a", &["shop.example", "new.example"], &new);
    assert_eq!(look(&front), ["certificate-replaced"]);
    assert_ne!(fingerprint(), before);
    assert_eq!(front.certificates()[0].failure, None);
    shake(&front, &client, "new.example").unwrap();

    for broken in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n", "nonsense"] {
        folder.write("a.pem", broken);
        assert_eq!(look(&front), ["certificate-refused"], "{broken}");
        shake(&front, &client, "new.example").unwrap();
    }
    fs::remove_file(folder.0.join("a.pem")).unwrap();
    assert_eq!(look(&front), ["certificate-refused"]);
    shake(&front, &client, "new.example").unwrap();
    let status = &front.certificates()[0];
    assert_eq!((status.replaced_total, status.refused_total), (1, 5));
}

#[test]
fn handshakes_are_counted() {
    let folder = Folder::new("count");
    let authority = Authority::new();
    let front = open(&front_of(&[&authority.files(&folder, "a", &["shop.example"], &ecdsa())]));
    let front = Arc::new(front);
    let (one, two) = (front.enter(), front.enter());
    assert!(one.is_some() && two.is_some() && front.enter().is_none());
    drop(one);
    assert_eq!(front.handshakes(), 1);
    assert!(front.enter().is_some());
}

#[test]
fn what_is_wrong_with_a_pair_is_said() {
    let (authority, folder) = (Authority::new(), Folder::new("wrong"));
    let (key, other) = (ecdsa(), ecdsa());
    let leaf = authority.sign(&Authority::params(&["shop.example"]), &key).pem();
    let root = authority.issuer.pem();
    let stranger = Authority::new().sign(&Authority::params(&["x.example"]), &other).pem();
    let pem = key.serialize_pem();
    let check = |chain: &str, key: &str| {
        examine(chain.as_bytes(), key.as_bytes()).map(|facts| facts.names.len())
    };
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (chain, key, expected) in [
        (leaf.clone() + &root, pem.as_str(), Ok(1)),
        (leaf.clone(), &pem, Ok(1)),
        (root.clone() + &leaf, &pem, Err(PairError::LeafNotFirst { number: 2 })),
        (leaf.clone() + &stranger, &pem, Err(PairError::Order { number: 2 })),
        (String::new(), &pem, Err(PairError::NoCertificate)),
        (leaf.clone(), "", Err(PairError::NoKey)),
        (leaf.clone(), encrypted, Err(PairError::EncryptedKey)),
        (leaf.repeat(17), &pem, Err(PairError::TooLong)),
        (leaf.clone(), &other.serialize_pem(), Err(PairError::Mismatch)),
    ] {
        assert_eq!(check(&chain, key), expected);
    }
    drop(folder);
}

#[test]
fn servers_are_verified_unless_that_is_switched_off() {
    use evenkeel_core::config::{Pool, Server, UpstreamTls};

    let folder = Folder::new("servers");
    let (authority, other) = (Authority::new(), Authority::new());
    let mut config = front_of(&[&authority.files(&folder, "a", &["app.internal"], &ecdsa())]);
    config.client_auth = Some(ClientAuth { required: true, trusted: authority.pem() });
    let server = open(&config);
    let own = authority.files(&folder, "own", &["node.example"], &ecdsa());
    let address = "127.0.0.1:1".parse().unwrap();
    let by_host = Server { host: Some("app.internal".into()), ..Server::new("a".into(), address) };
    let by_address = Server::new("b".into(), address);
    for (trusted, name, reached, is_fine) in [
        (Some(authority.pem()), None, &by_host, true),
        (Some(authority.pem()), None, &by_address, false),
        (Some(authority.pem()), Some("app.internal"), &by_address, true),
        (Some(authority.pem()), Some("else.internal"), &by_host, false),
        (Some(other.pem()), None, &by_host, false),
        (None, None, &by_address, true),
    ] {
        let certificate = Some(own.clone());
        let name = name.map(Arc::from);
        let tls = Some(Arc::new(UpstreamTls { trusted, name, certificate }));
        let pool = Pool { tls, ..Pool::new("app".into()) };
        let to_servers = ToServers::of(&pool, None).unwrap().unwrap();
        let kept = ToServers::of(&pool, Some(&to_servers)).unwrap().unwrap();
        assert!(Arc::ptr_eq(&kept, &to_servers));
        let name = to_servers.name(reached);
        let shown = shake(&server, &to_servers.config, &name.to_str());
        assert_eq!(shown.is_ok(), is_fine, "{name:?}");
    }
}

#[test]
fn what_the_authority_says_is_shown_while_it_is_good() {
    macro_rules! file {
        ($name:literal) => {
            include_bytes!(concat!("../../../evenkeel/tests/check/tls/", $name))
        };
    }
    let folder = Folder::new("ocsp");
    let files = CertificateFiles {
        chain: folder.write("a.pem", file!("site.pem")),
        key: folder.write("a.key", file!("site.key")),
        ocsp: Some(folder.write("a.ocsp", file!("site.ocsp"))),
    };
    let front = open(&front_of(&[&files]));
    let shown = || {
        let status = front.certificates().remove(0);
        (status.ocsp_until.is_some(), status.failure)
    };
    assert_eq!(shown(), (true, None));
    for (content, why) in [
        (&file!("again.ocsp")[..], "is about another certificate"),
        (b"nonsense", "is no OCSP response (DER) that gives an answer"),
    ] {
        folder.write("a.ocsp", content);
        assert_eq!(look(&front), ["certificate-refused"]);
        let (is_shown, failure) = shown();
        assert!(!is_shown && failure.is_some_and(|failure| failure.ends_with(why)), "{why}");
    }
    folder.write("a.pem", file!("again.pem"));
    folder.write("a.key", file!("again.key"));
    folder.write("a.ocsp", file!("again.ocsp"));
    assert_eq!(look(&front), ["certificate-refused", "certificate-replaced"]);
    let (is_shown, failure) = shown();
    assert!(!is_shown && failure.is_some_and(|failure| failure.ends_with("it may be revoked")));
    folder.write("a.pem", file!("site.pem"));
    folder.write("a.key", file!("site.key"));
    folder.write("a.ocsp", file!("site.ocsp"));
    assert_eq!(look(&front), ["certificate-replaced"]);
    assert_eq!(shown(), (true, None));
}

#[test]
fn a_name_of_others_is_unrecognized() {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    let folder = Folder::new("unrecognized");
    let authority = Authority::new();
    let mut config = front_of(&[&authority.files(&folder, "a", &["shop.example"], &ecdsa())]);
    config.strict_sni = true;
    let showing = open(&config).showing();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (name, recognized) in [("shop.example", true), ("other.example", false)] {
        let name = ServerName::try_from(name).unwrap();
        let client = Arc::new(client_of(&authority, &BOTH));
        let mut client = ClientConnection::new(client, name).unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_tls(&mut socket).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = tokio::net::TcpStream::from_std(server).unwrap();
        let Err((error, server)) =
            runtime.block_on(accept(&showing, &Challenges::default(), server))
        else {
            panic!("a client that says no more");
        };
        let said = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
        assert_eq!(said.is_some_and(|error| label(error) == "unknown-name"), !recognized);
        let mut server = server.into_std().unwrap();
        server.set_nonblocking(false).unwrap();
        if let Some(farewell) = said.and_then(farewell) {
            server.write_all(farewell).unwrap();
        }
        drop(server);
        let mut heard = Vec::new();
        let _ = socket.read_to_end(&mut heard); // reset, where not all was read
        let alert = [21, 3, 3, 0, 2, 2, 112];
        assert_eq!(heard == alert, !recognized, "{heard:?}");
    }
}
