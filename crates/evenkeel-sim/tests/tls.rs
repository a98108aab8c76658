//! TLS that is passed through unopened.

use std::net::SocketAddr;

use evenkeel_sim::nginx::{NO_NGINX, nginx_tls_origin};
use evenkeel_sim::prelude::*;
use evenkeel_sim::stream::StreamOrigin;
use evenkeel_sim::tls::{Certificate, NO_OPENSSL, certificate_at, client_hello, curl};

/// A tls listener with a default pool and one for `shop.example`.
fn config(listen: SocketAddr, web: SocketAddr, shop: SocketAddr) -> String {
    format!(
        r#"
[listener.bridge]
bind = ["{listen}"]
protocol = "tls"
pool = "web"
sni = {{ "shop.example" = "shop", "*.shop.example" = "shop" }}
timeouts = {{ header = "500ms" }}
[pool.web]
servers = ["{web}"]
[pool.shop]
servers = ["{shop}"]
"#
    )
}

#[test]
fn clients_see_the_servers_own_certificates() {
    let web = skip_unless!(Certificate::new("web.example"), NO_OPENSSL);
    let shop = skip_unless!(Certificate::new("shop.example"), NO_OPENSSL);
    let web_server = skip_unless!(nginx_tls_origin("web", &web), NO_NGINX);
    let shop_server = skip_unless!(nginx_tls_origin("shop", &shop), NO_NGINX);
    let listen = free_address();
    let _lb = balancer(&config(listen, web_server.address(), shop_server.address()));

    assert_eq!(certificate_at(listen, Some("shop.example")), "CN=shop.example");
    assert_eq!(certificate_at(listen, Some("SHOP.example")), "CN=shop.example");
    assert_eq!(certificate_at(listen, Some("a.shop.example")), "CN=shop.example");
    assert_eq!(certificate_at(listen, Some("web.example")), "CN=web.example");
    assert_eq!(certificate_at(listen, Some("other.example")), "CN=web.example");
    assert_eq!(certificate_at(listen, None), "CN=web.example");

    assert_eq!(curl(listen, "shop.example", &shop.chain()), "shop\n");
    assert_eq!(curl(listen, "web.example", &web.chain()), "web\n");
}

/// Two servers that say their name to whatever they are sent.
fn two_pools() -> (SocketAddr, [StreamOrigin; 2], Balancer) {
    let servers = ["web", "shop"].map(stream_origin);
    let listen = free_address();
    let lb = balancer(&config(listen, servers[0].address(), servers[1].address()));
    (listen, servers, lb)
}

#[test]
fn a_client_hello_in_single_bytes_is_routed() {
    let hello = skip_unless!(skip_without_openssl(Some("shop.example")), NO_OPENSSL);
    let (listen, _servers, _lb) = two_pools();
    let mut client = client(listen);
    for byte in &hello {
        client.send([*byte]);
    }
    assert_eq!(client.receive(5 + hello.len()), [b"shop\n", hello.as_slice()].concat());
}

#[test]
fn a_client_hello_over_many_records_is_routed() {
    let hello = skip_unless!(skip_without_openssl(Some("shop.example")), NO_OPENSSL);
    let (listen, _servers, _lb) = two_pools();
    // RFC 8446 §5.1: handshake messages may be split over records.
    let records: Vec<u8> = hello[5..]
        .chunks(20)
        .flat_map(|part| [&[22, 3, 1, 0, u8::try_from(part.len()).expect("20")], part].concat())
        .collect();
    let answer = client(listen).send(&records).receive(5 + records.len());
    assert_eq!(answer, [b"shop\n", records.as_slice()].concat());
}

#[test]
fn without_a_name_the_default_pool_is_taken() {
    let hello = skip_unless!(skip_without_openssl(None), NO_OPENSSL);
    let (listen, _servers, _lb) = two_pools();
    assert_eq!(client(listen).send(&hello).receive(4), b"web\n");
}

#[test]
fn what_is_not_tls_is_closed_and_counted() {
    let (listen, servers, lb) = two_pools();
    for bytes in
        ["GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "SSH-2.0-x\r\n", "\x16\x02\x01\0\x05hello"]
    {
        client(listen).send(bytes).expect_closed();
    }
    assert_eq!(servers.each_ref().map(StreamOrigin::spoken), [0, 0]);
    wait_until("the refusals are counted", PATIENCE, || {
        lb.metric("evenkeel_listener_refusals_total", "listener=\"bridge\"") >= 3.0
    });
}

#[test]
fn a_client_hello_that_never_ends_is_closed_at_the_deadline() {
    let hello = skip_unless!(skip_without_openssl(Some("shop.example")), NO_OPENSSL);
    let (listen, servers, _lb) = two_pools();
    client(listen).send(&hello[..hello.len() - 1]).expect_closed();
    assert_eq!(servers[1].spoken(), 0);
}

fn skip_without_openssl(name: Option<&str>) -> Option<Vec<u8>> {
    evenkeel_sim::process::find("openssl").map(|_| client_hello(name))
}
