//! PROXY protocol at both ends: hearing who the client is, and telling the server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::proxy_protocol::{self, Addresses};
use evenkeel_sim::authority::{Authority, Secured};
use evenkeel_sim::clock;
use evenkeel_sim::haproxy::{NO_HAPROXY, haproxy};
use evenkeel_sim::peer::{Peer, peer};
use evenkeel_sim::prelude::*;
use evenkeel_sim::process;
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::tls::{Certificate, NO_OPENSSL, client_hello};
use rustls::version::{TLS12, TLS13};

/// A header as a proxy writes it.
const V1: &str = "PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A listener that trusts proxies in `from`, before one server.
fn config(
    listen: SocketAddr,
    protocol: &str,
    from: &str,
    server: SocketAddr,
    pool: &str,
) -> String {
    format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"{protocol}\"\npool = \"app\"\n{from}\n\
         [pool.app]\nservers = [\"{server}\"]\ncheck = false\n{pool}\n"
    )
}

const TRUSTING: &str = "proxy_protocol = { from = [\"127.0.0.0/8\"] }";

/// A version 2 header of these extensions, by hand.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

/// The addresses of [`V1`], as version 2 has them.
const ADDRESSES: [u8; 12] = [203, 0, 113, 9, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb];

#[test]
fn whom_a_trusted_proxy_names_is_the_client() {
    let [server] = &origins();
    let listen = free_address();
    let _lb = balancer(&config(listen, "http", TRUSTING, server.address(), ""));
    let own = "127.0.0.1";
    let v6 = "PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n";
    let mut extended = ADDRESSES.to_vec();
    // An extension of no known type, and one of padding.
    extended.extend([0xee, 0, 2, 1, 2, 0x04, 0, 3, 0, 0, 0]);
    let cases: [(Vec<u8>, &str); 8] = [
        (V1.into(), "203.0.113.9"),
        (v6.into(), "2001:db8::9"),
        ("PROXY UNKNOWN\r\n".into(), own),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".into(), own),
        (v2(1, 0x11, &ADDRESSES), "203.0.113.9"),
        (v2(1, 0x11, &extended), "203.0.113.9"),
        // LOCAL: whatever else it says is not for us.
        (v2(0, 0x11, &ADDRESSES), own),
        (v2(0, 0x00, &[]), own),
    ];
    for (header, from) in cases {
        let mut client = client(listen);
        // In two pieces, the second with the request behind it.
        let (first, second) = header.split_at(header.len() / 2);
        client.send(first);
        let answer = client.send([second, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"].concat());
        assert_eq!(answer.answer().status, 200, "{header:?}");
        // What follows on the same connection is the same client's.
        client.get("/again");
        for seen in server.seen() {
            assert_eq!(seen.head.header("x-forwarded-for"), Some(from), "{header:?}");
            assert_eq!(seen.head.header("x-real-ip"), Some(from), "{header:?}");
        }
        server.forget();
    }
}

#[test]
fn strangers_and_what_is_no_header_are_closed_and_no_server_hears_of_them() {
    let server = stream_origin("0");
    let (listen, wary, http, tls) =
        (free_address(), free_address(), free_address(), free_address());
    let more = |name: &str, listen: SocketAddr, protocol: &str, from: &str| {
        format!(
            "[listener.{name}]\nbind = [\"{listen}\"]\nprotocol = \"{protocol}\"\npool = \"app\"\n{from}\n"
        )
    };
    let lb = balancer(
        &(config(listen, "tcp", TRUSTING, server.address(), "")
            + &more("wary", wary, "tcp", "proxy_protocol = { from = [\"192.0.2.0/24\"] }")
            + &more("http", http, "http", TRUSTING)
            + &more("tls", tls, "tls", TRUSTING)),
    );
    let long = format!("PROXY TCP4 {} 1 2\r\n", "1".repeat(120));
    let mut bad_sum = ADDRESSES.to_vec();
    bad_sum.extend([0x03, 0, 4, 1, 2, 3, 4]);
    let mut beyond = ADDRESSES.to_vec();
    beyond.extend([0x01, 0, 9, b'h', b'2']);
    let mut too_large = v2(1, 0x11, &[]);
    too_large[14..16].copy_from_slice(&5000_u16.to_be_bytes());
    let mut version3 = v2(1, 0x11, &ADDRESSES);
    version3[12] = 0x31;
    let cases: [(&str, &str, Vec<u8>); 16] = [
        ("wary", "proxy-untrusted", V1.into()),
        ("wary", "proxy-untrusted", v2(1, 0x11, &ADDRESSES)),
        ("front", "not-proxy", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("http", "not-proxy", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("tls", "not-proxy", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec()),
        ("front", "bad-line", "PROXY TCP4 203.0.113.9 198.51.100.1 4711\r\n".into()),
        ("http", "bad-line", "PROXY TCP4 203.0.113.9 198.51.100.1 04711 443\r\n".into()),
        ("front", "bad-line", "PROXY TCP4 2001:db8::9 2001:db8::1 4711 443\r\n".into()),
        ("front", "bad-line", "PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\n".into()),
        ("front", "line-too-long", long.into()),
        ("http", "bad-version", version3),
        ("http", "bad-command", v2(2, 0x11, &ADDRESSES)),
        ("tls", "bad-family", v2(1, 0x12, &ADDRESSES)),
        ("front", "too-short", v2(1, 0x21, &ADDRESSES)),
        ("front", "too-large", too_large),
        ("front", "bad-checksum", v2(1, 0x11, &bad_sum)),
    ];
    let at = |name: &str| match name {
        "wary" => wary,
        "http" => http,
        "tls" => tls,
        _ => listen,
    };
    let refused = |name: &str, reason: &str| -> f64 {
        let samples = lb.metrics();
        let ours = samples.iter().filter(|line| {
            line.starts_with("evenkeel_listener_refusals_total{")
                && line.contains(&format!("listener=\"{name}\""))
                && line.contains(&format!("reason=\"{reason}\""))
        });
        ours.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    for (name, reason, bytes) in &cases {
        let before = refused(name, reason);
        client(at(name)).send(bytes).expect_closed();
        wait_until(&format!("{name}: {reason} is counted"), PATIENCE, || {
            refused(name, reason) > before
        });
    }
    client(listen).send(v2(1, 0x11, &beyond)).expect_closed();
    // One that leaves in the middle of its header.
    let mut gone = client(listen);
    gone.send(&V1[..20]).finish();
    gone.expect_closed();
    assert_eq!(server.accepted(), 0);
    // A good one is still served.
    assert_eq!(client(listen).send(V1.to_owned() + "hello").receive(7), b"0\nhello");
}

#[test]
fn a_header_in_drops_is_closed_after_five_seconds() {
    let server = stream_origin("0");
    let listen = free_address();
    let _lb = balancer(&config(listen, "tcp", TRUSTING, server.address(), ""));
    let begun = clock::now();
    let mut silent = client(listen);
    let mut dribbling = client(listen);
    let mut sent = V1.bytes();
    let closes = clock::comes_true(PATIENCE, || {
        clock::pause_until(clock::now() + Duration::from_millis(250));
        // A total: that something still comes does not help.
        let byte = sent.next().expect("it has more bytes than there is time for");
        dribbling.try_send([byte]).is_err()
    });
    let lasted = clock::now() - begun;
    assert!(closes && lasted >= Duration::from_millis(4_900), "{lasted:?}");
    silent.expect_closed();
    assert_eq!(server.accepted(), 0);
}

/// A server that keeps what the first connection on which something comes has said, up to the
/// end of `awaited`.
fn witness(awaited: Vec<u8>) -> (Peer, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let noted = Arc::clone(&heard);
    let witness = peer(move |mut stream: TcpStream| {
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(size @ 1..) = stream.read(&mut piece) {
            bytes.extend_from_slice(&piece[..size]);
            if bytes.ends_with(&awaited) {
                noted.lock().expect("no holder panics").clone_from(&bytes);
                // The client sees what comes of it.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    (witness, heard)
}

#[test]
fn each_protocol_tells_its_server_who_the_client_is() {
    let hello = process::find("openssl").map(|_| client_hello(Some("shop.example")));
    let hello = skip_unless!(hello, NO_OPENSSL);
    let request = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec();
    for version in ["v1", "v2"] {
        for (protocol, words, ends) in [
            ("tcp", request.clone(), request.clone()),
            ("http", request.clone(), b"\r\n\r\n".to_vec()),
            ("tls", hello.clone(), hello.clone()),
        ] {
            let (server, heard) = witness(ends);
            let listen = free_address();
            let pool = format!("proxy_protocol = \"{version}\"");
            let _lb = balancer(&config(listen, protocol, "", server.address(), &pool));
            let mut client = client(listen);
            let own = client.stream().local_addr().expect("connected");
            client.send(&words).answer();
            let heard = heard.lock().expect("no holder panics").clone();
            let context = format!("{version} {protocol}: {}", String::from_utf8_lossy(&heard));
            let (header, length) = proxy_protocol::parse(&heard).expect(&context).expect("whole");
            assert_eq!(header.addresses, Some(Addresses::new(own, listen)), "{context}");
            assert_eq!(header.unique_id.is_some(), version == "v2", "{context}");
            let named = version == "v2" && protocol == "tls";
            assert_eq!(header.authority, named.then_some("shop.example"), "{context}");
            assert_eq!(header.alpn, named.then_some(&b"h2"[..]), "{context}");
            // Nobody has ended the client's TLS here.
            assert_eq!(header.tls, None, "{context}");
            if protocol == "http" {
                assert!(heard[length..].starts_with(b"GET / HTTP/1.1\r\n"), "{context}");
            } else {
                assert_eq!(heard[length..], words, "{context}");
            }
        }
    }
}

#[test]
fn a_server_hears_of_the_tls_that_ends_here() {
    let authority = Authority::new();
    let (site, own) = (authority.issue("site", &["shop.example"]), authority.issue("me", &["ann"]));
    let ca = authority.file();
    let more = format!(
        "certificates = [{}]\nclient_auth = {{ mode = \"request\", ca = \"{}\" }}\n",
        site.toml(),
        ca.display()
    );
    let versions = [(&TLS12, "TLSv1.2", "TLS_ECDHE_"), (&TLS13, "TLSv1.3", "TLS_")];
    for (protocol, version, cipher) in versions {
        for shown in [None, Some(&own)] {
            let (server, heard) = witness(b"\r\n\r\n".to_vec());
            let listen = free_address();
            let pool = "proxy_protocol = \"v2\"";
            let _lb = balancer(&config(listen, "https", &more, server.address(), pool));
            let clients = authority.clients(&[protocol], shown);
            let secured = Secured::connect(listen, "shop.example", &clients).expect("a handshake");
            let answer = secured.ask("shop.example", "").expect("it is served");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            let heard = heard.lock().expect("no holder panics").clone();
            let (header, _) = proxy_protocol::parse(&heard).expect("a header").expect("whole");
            assert_eq!(header.authority, Some("shop.example"));
            let tls = header.tls.expect("it ended here");
            assert_eq!((tls.encrypted, tls.version), (true, Some(version)));
            assert!(tls.cipher.is_some_and(|it| it.starts_with(cipher)), "{tls:?}");
            assert!(tls.group.is_some_and(|it| it.contains("25519")), "{tls:?}");
            assert_eq!([tls.verified, tls.certificate_on_connection], [shown.is_some(); 2]);
            assert_eq!(tls.common_name, shown.map(|_| "ann"));
        }
    }
}

#[test]
fn haproxy_in_front_is_understood() {
    let [server] = &origins();
    for send in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"] {
        let (outside, listen) = (free_address(), free_address());
        let lb = balancer(&config(listen, "http", TRUSTING, server.address(), ""));
        // Its checks come with LOCAL or UNKNOWN.
        let config = format!(
            "listen front\n mode tcp\n bind {outside}\n unique-id-format id-%pid\n \
             server us {listen} {send} check check-send-proxy inter 100ms\n"
        );
        let running = skip_unless!(haproxy(&config, outside), NO_HAPROXY);
        // From an address that no proxy of this machine uses by itself.
        let mut client = Client::over(from("127.0.0.77", outside));
        assert_eq!(client.get("/").status, 200, "{send}");
        let seen = server.seen();
        assert_eq!(seen[0].head.header("x-forwarded-for"), Some("127.0.0.77"), "{send}");
        server.forget();
        let refusals = lb.metric("evenkeel_listener_refusals_total", "front");
        assert!(refusals.abs() < 0.5, "{send}: {:?}", lb.metrics());
        drop(running);
    }
}

fn from(source: &str, to: SocketAddr) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("descriptors left");
    let source: SocketAddr = format!("{source}:0").parse().expect("an address");
    socket.bind(&source.into()).expect("all of 127.0.0.0/8 is ours");
    socket.connect(&to.into()).expect("it listens");
    socket.into()
}

#[test]
fn haproxy_behind_understands_us() {
    let certificate = skip_unless!(Certificate::new("shop.example"), NO_OPENSSL);
    let scratch = Scratch::new("pem");
    let read = |path| std::fs::read_to_string(path).expect("made just now");
    let pem = scratch.write("both.pem", read(certificate.chain()) + &read(certificate.key()));
    let (plain, secure) = (free_address(), free_address());
    let says = "http-request return status 200 content-type text/plain lf-string \
                \"%[src] %[fc_pp_authority,length] %[fc_pp_authority] %[fc_pp_unique_id,length]\"";
    let config_of_peer = format!(
        "frontend plain\n mode http\n bind {plain} accept-proxy\n {says}\n\
         frontend secure\n mode http\n bind {secure} accept-proxy ssl crt {}\n {says}\n",
        pem.display()
    );
    let _peer = skip_unless!(haproxy(&config_of_peer, plain), NO_HAPROXY);
    for version in ["v1", "v2"] {
        let pool = format!("proxy_protocol = \"{version}\"");
        let unique = if version == "v2" { "32" } else { "" };
        for protocol in ["tcp", "http"] {
            let listen = free_address();
            let _lb = balancer(&config(listen, protocol, "", plain, &pool));
            let mut client = Client::over(from("127.0.0.78", listen));
            let text = client.get("/").text();
            assert_eq!(text.split_whitespace().next(), Some("127.0.0.78"), "{version} {protocol}");
            assert!(text.trim_end().ends_with(unique), "{version} {protocol}: {text}");
        }
        let listen = free_address();
        let _lb = balancer(&config(listen, "tls", "", secure, &pool));
        let text = evenkeel_sim::tls::curl(listen, "shop.example", &certificate.chain());
        let named = text.contains(" 12 shop.example ");
        assert_eq!((named, text.starts_with("127.0.0.1 ")), (version == "v2", true), "{text}");
    }
}
