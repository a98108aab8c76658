//! TLS to servers: who is believed, and what a client hears when nobody is.

use std::net::SocketAddr;

use evenkeel_sim::authority::{Authority, Pair};
use evenkeel_sim::balancer::file_with;
use evenkeel_sim::prelude::*;

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
