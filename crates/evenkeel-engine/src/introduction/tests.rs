//! Both ends over real sockets.

use std::net::SocketAddr;

use evenkeel_core::config::{
    Action, ClientTimeouts, Config, Forwarding, Guard, Http, HttpLimits, Listener, Network, Pool,
    PoolId, Protocol, Server, Tls,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::*;
use crate::engine::{Engine, Options};

/// How long a state is waited for before the test fails.
const LONGEST: Duration = Duration::from_secs(20);
const CLIENT: &str = "PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n";

fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(LONGEST, test).await.expect("in time") });
}

/// An engine with one listener that trusts `from`, and its server.
async fn start(
    protocol: Protocol,
    from: Option<&str>,
    out: Option<ProxyVersion>,
) -> (Engine, TcpListener) {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let network = |from: &str| vec![Network::new(from.parse().unwrap(), 32).unwrap()];
    let listener = Listener {
        name: "in".into(),
        bind: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        protocol,
        max_connections: 100,
        timeouts: ClientTimeouts::default(),
        proxy_protocol: from.map(network),
        guard: Guard::default(),
        connections_per_source: None,
    };
    let pool = Pool {
        servers: vec![Server::new("a".into(), origin.local_addr().unwrap())],
        proxy_protocol: out,
        ..Pool::new("web".into())
    };
    let config = Config { listeners: vec![listener], pools: vec![pool], ..Config::default() };
    let engine = Engine::start(&Options { workers: 1, boot: 1 }).unwrap();
    engine.apply(config).await.unwrap();
    (engine, origin)
}

async fn connect(engine: &Engine) -> TcpStream {
    TcpStream::connect(engine.status().listeners[0].addresses[0]).await.unwrap()
}

/// Reads until `enough`.
async fn read(stream: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !enough(&bytes) {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "ended early: {bytes:?}");
    }
    bytes
}

fn tcp() -> Protocol {
    Protocol::Tcp { pool: PoolId(0) }
}

#[test]
fn who_the_proxy_names_is_whom_the_server_hears_of() {
    run(async {
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let (engine, origin) = start(tcp(), Some("127.0.0.1"), Some(version)).await;
            let mut client = connect(&engine).await;
            // In pieces, the last with the client's own words behind it.
            for piece in ["PROXY TCP4 203.0.113.9 198.", "51.100.1 4711 443\r\nhel"] {
                client.write_all(piece.as_bytes()).await.unwrap();
                client.flush().await.unwrap();
            }
            client.write_all(b"lo").await.unwrap();
            let (mut server, _) = origin.accept().await.unwrap();
            let heard = read(&mut server, |bytes| bytes.ends_with(b"hello")).await;
            let (header, length) = proxy_protocol::parse(&heard).unwrap().expect("it is whole");
            let addresses = header.addresses.expect("they are known");
            assert_eq!(addresses.client(), "203.0.113.9:4711".parse().unwrap());
            assert_eq!(addresses.destination(), "198.51.100.1:443".parse().unwrap());
            assert_eq!(header.unique_id.is_some(), version == ProxyVersion::V2);
            assert_eq!(&heard[length..], b"hello");
            engine.drain(Duration::ZERO).await;
        }
    });
}

#[test]
fn strangers_and_gibberish_are_closed_and_counted_and_no_server_hears_of_them() {
    run(async {
        for (from, words, label) in [
            ("10.0.0.1", CLIENT, "proxy-untrusted"),
            ("127.0.0.1", "GET / HTTP/1.1\r\n\r\n", "not-proxy"),
            ("127.0.0.1", "PROXY TCP4 nonsense\r\n", "bad-line"),
        ] {
            let (engine, origin) = start(tcp(), Some(from), None).await;
            let mut client = connect(&engine).await;
            client.write_all(words.as_bytes()).await.unwrap();
            // Closed on unread bytes, it may be reset.
            assert!(!matches!(client.read(&mut [0]).await, Ok(1..)), "{label}");
            while engine.status().listeners[0].refusals_total != [(label, 1)] {
                tokio::task::yield_now().await;
            }
            // The pool has no check: whoever comes would come because of that client.
            let mut server = std::pin::pin!(origin.accept());
            let came = std::future::poll_fn(|cx| std::task::Poll::Ready(server.as_mut().poll(cx)));
            assert!(came.await.is_pending(), "{label}");
            engine.drain(Duration::ZERO).await;
        }
    });
}

fn http() -> Protocol {
    Protocol::Http(Box::new(Http {
        routes: [].into(),
        default: Some(Action::Pool(PoolId(0))),
        methods: None,
        compress: None,
        trusted_proxies: Vec::new(),
        forwarding: Forwarding::default(),
        limits: HttpLimits::default(),
        body_bytes: None,
        error_pages: Vec::new(),
        hsts: None,
        client_subject: None,
        reserved: Vec::new(),
        h2c: false,
    }))
}

#[test]
fn an_http_server_hears_of_each_client_on_a_connection_of_its_own() {
    run(async {
        let (engine, origin) = start(http(), Some("127.0.0.1"), Some(ProxyVersion::V2)).await;
        let mut client = connect(&engine).await;
        client.write_all(CLIENT.as_bytes()).await.unwrap();
        for _ in 0..2 {
            client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let (mut server, _) = origin.accept().await.unwrap();
            let heard = read(&mut server, |bytes| bytes.ends_with(b"\r\n\r\n")).await;
            let (header, length) = proxy_protocol::parse(&heard).unwrap().expect("it is whole");
            assert_eq!(header.addresses.unwrap().client(), "203.0.113.9:4711".parse().unwrap());
            let request = String::from_utf8_lossy(&heard[length..]).to_ascii_lowercase();
            assert!(request.contains("\r\nx-forwarded-for: 203.0.113.9\r\n"), "{request}");
            assert!(request.contains("\r\nx-forwarded-port: 443\r\n"), "{request}");
            server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            read(&mut client, |bytes| bytes.ends_with(b"\r\n\r\nok")).await;
        }
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn a_tls_server_hears_which_name_and_protocol_were_asked_for() {
    use rustls::pki_types::ServerName;
    run(async {
        let tls = Protocol::Tls(Tls { default: Some(PoolId(0)), rules: Vec::new() });
        let (engine, origin) = start(tls, None, Some(ProxyVersion::V2)).await;
        let config = rustls::ClientConfig::builder_with_provider(crate::tls::provider());
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(rustls::RootCertStore::empty());
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("shop.example").unwrap();
        let mut session = rustls::ClientConnection::new(config.into(), name).unwrap();
        let mut hello = Vec::new();
        session.write_tls(&mut hello).unwrap();
        let mut client = connect(&engine).await;
        client.write_all(&hello).await.unwrap();
        let (mut server, _) = origin.accept().await.unwrap();
        let heard = read(&mut server, |bytes| bytes.ends_with(&hello)).await;
        let (header, length) = proxy_protocol::parse(&heard).unwrap().expect("it is whole");
        assert_eq!(header.authority, Some("shop.example"));
        assert_eq!(header.alpn, Some(&b"h2"[..]));
        assert_eq!(header.addresses.unwrap().client(), client.local_addr().unwrap());
        assert_eq!(&heard[length..], hello);
        engine.drain(Duration::ZERO).await;
    });
}
