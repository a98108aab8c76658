//! Certificates ordered from a real authority: pebble, which is made for trying out.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use evenkeel_sim::balancer::binary;
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{self, Process};
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::tls::{self, Certificate};

const NO_PEBBLE: &str = "pebble, openssl or curl is not installed";

/// An authority, and the name server that it asks.
struct Authority {
    directory: SocketAddr,
    management: SocketAddr,
    certificate: Certificate,
    /// Where it looks for proofs.
    http: SocketAddr,
    https: SocketAddr,
    scratch: Scratch,
    _programs: [Process; 2],
}

impl Authority {
    /// One whose certificates are valid for so many seconds. `None` where it is not installed.
    fn start(validity: u64) -> Option<Self> {
        let (pebble, names) = (process::find("pebble")?, process::find("pebble-challtestsrv")?);
        process::find("curl")?;
        let [directory, management, http, https, dns, control] = [(); 6].map(|()| free_address());
        let certificate = Certificate::new(&directory.ip().to_string())?;
        let scratch = Scratch::new("pebble");
        // All it asks for is at one address.
        assert!(http.ip() == https.ip() && directory.ip() == management.ip());
        let config = format!(
            r#"{{"pebble": {{
                "listenAddress": "{directory}", "managementListenAddress": "{management}",
                "certificate": "{}", "privateKey": "{}", "httpPort": {}, "tlsPort": {},
                "certificateValidityPeriod": {validity}
            }}}}"#,
            certificate.chain().display(),
            certificate.key().display(),
            http.port(),
            https.port(),
        );
        let config = scratch.write("pebble.json", config);
        let mut command = process::bound(&names);
        let (dns_text, control) = (dns.to_string(), control.to_string());
        command.args(["-defaultIPv6", "", "-defaultIPv4", &http.ip().to_string()]);
        command.args(["-dns01", &dns_text, "-management", &control]);
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let names = Process::start("challtestsrv", command);
        let mut command = process::bound(&pebble);
        command.args(["-config"]).arg(config).args(["-dnsserver", &dns_text, "-strict", "false"]);
        // It would wait, and forget nonces, to see whether clients bear it.
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        let pebble = Process::start("pebble", command);
        wait_until("pebble listens", PATIENCE, || {
            TcpStream::connect(directory).is_ok() && TcpStream::connect(management).is_ok()
        });
        let programs = [names, pebble];
        Some(Self { directory, management, certificate, http, https, scratch, _programs: programs })
    }

    /// A node that orders for these names, with this list of certificates.
    fn config(&self, challenge: &str, certificates: &str, server: &Origin) -> String {
        let (http, https) = (self.http, self.https);
        let (directory, ca) = (self.directory, self.certificate.chain());
        let (state, server) = (self.scratch.file("state"), server.address());
        format!(
            r#"
[node]
state_dir = "{}"
[acme]
directory = "https://{directory}/dir"
ca = "{}"
contact = ["ops@shop.test"]
challenge = "{challenge}"
agree_to_terms = true
[listener.front]
bind = ["{https}"]
protocol = "https"
certificates = {certificates}
deny = ["10.0.0.0/8"]
[[listener.front.route]]
host = "shop.test"
pool = "app"
[[listener.front.route]]
host = "www.shop.test"
pool = "app"
[listener.plain]
bind = ["{http}"]
protocol = "http"
redirect = {{ to = "/elsewhere" }}
allow = ["192.0.2.1"]
[pool.app]
servers = ["{server}"]
"#,
            state.display(),
            ca.display(),
        )
    }

    /// The certificate at the top of what it signs.
    fn root(&self) -> PathBuf {
        let mut command = Command::new(process::find("curl").expect("found above"));
        let url = format!("https://{}/roots/0", self.management);
        command.args(["--silent", "--noproxy", "*", "--cacert"]).arg(self.certificate.chain());
        self.scratch.write("root.pem", process::run(command.arg(url)))
    }

    /// What a client that trusts the authority is answered.
    fn ask(&self, name: &str) -> String {
        tls::curl(self.https, name, &self.root())
    }

    /// Files of the node, in the folder of this authority.
    fn kept(&self) -> Vec<PathBuf> {
        let folder = self.directory.to_string().replace(':', "_");
        let folder = self.scratch.file("state").join("acme").join(folder);
        let entries = fs::read_dir(folder).expect("made with the first certificate");
        let mut kept: Vec<PathBuf> =
            entries.map(|entry| entry.expect("it can be read").path()).collect();
        kept.sort();
        kept
    }
}

fn arrived(lb: &Balancer) -> f64 {
    lb.metric("evenkeel_acme_orders_total", "result=\"arrived\"")
}

fn failed(lb: &Balancer) -> f64 {
    lb.metric("evenkeel_acme_orders_total", "result=\"failed\"")
}

/// Certificates that listeners were given in place of others.
#[track_caller]
fn await_arrival(lb: &Balancer, count: f64) {
    wait_until("certificates arrive", PATIENCE * 3, || {
        arrived(lb) >= count && lb.metric("evenkeel_certificate_replaced_total", "") >= 1.0
    });
}

#[test]
fn a_certificate_for_each_host_is_ordered_once_and_kept() {
    let authority = skip_unless!(Authority::start(90 * 24 * 60 * 60), NO_PEBBLE);
    let server = origin("app");
    let config = authority.config("http-01", "\"acme\"", &server);
    let lb = balancer(&config);
    await_arrival(&lb, 2.0);
    wait_until("both are shown", PATIENCE, || {
        let shown = |name| tls::certificate_at(authority.https, Some(name));
        !shown("shop.test").contains("arrived") && !shown("www.shop.test").contains("arrived")
    });
    for name in ["shop.test", "www.shop.test"] {
        assert!(!authority.ask(name).is_empty(), "{name}");
    }
    // Nobody finds a proof by guessing, and afterwards there is none.
    let path = "/.well-known/acme-challenge/guessed";
    assert_eq!(get(authority.http, path).status, 403);
    let names: Vec<String> = authority
        .kept()
        .iter()
        .map(|path| {
            let mode = fs::metadata(path).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
            path.file_name().expect("a file").to_string_lossy().into_owned()
        })
        .collect();
    assert_eq!(names, ["account.json", "shop.test.pem", "www.shop.test.pem"]);

    drop(lb);
    let lb = balancer(&config);
    for name in ["shop.test", "www.shop.test"] {
        assert!(!authority.ask(name).is_empty(), "{name} after a restart");
    }
    // Several looks later still nothing was ordered.
    lb.reload(&config);
    assert!(arrived(&lb) < 1.0, "what is still valid is not ordered");
}

#[test]
fn a_proof_in_tls_brings_a_certificate_and_its_successor() {
    // After two thirds of its life time comes another one.
    let authority = skip_unless!(Authority::start(12), NO_PEBBLE);
    let server = origin("app");
    let names = "[{ acme = [\"shop.test\", \"www.shop.test\"] }]";
    let lb = balancer(&authority.config("tls-alpn-01", names, &server));
    await_arrival(&lb, 1.0);
    await_arrival(&lb, 2.0);
    assert!(failed(&lb) < 1.0);
    // Others who ask in that protocol find nothing.
    let shown = tls::certificate_at(authority.https, Some("shop.test"));
    assert!(!shown.contains("arrived"), "{shown}");
}

#[test]
fn an_authority_that_refuses_is_left_alone_for_a_while() {
    let authority = skip_unless!(Authority::start(90 * 24 * 60 * 60), NO_PEBBLE);
    let server = origin("app");
    // It looks for the proof where nobody is.
    let config = authority.config("http-01", "[{ acme = [\"shop.test\"] }]", &server);
    let elsewhere = format!("bind = [\"{}\"]", SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0));
    let config = config.replace(&format!("bind = [\"{}\"]", authority.http), &elsewhere);
    let lb = balancer(&config);
    wait_until("the order fails", PATIENCE * 3, || failed(&lb) >= 1.0);
    let status = lb.status().to_string();
    assert!(status.contains("ordering a certificate has failed 1 times: shop.test"), "{status}");
    assert!(lb.metric("evenkeel_acme_failing", "") > 0.0);
    lb.reload(&config);
    let shown = tls::certificate_at(authority.https, Some("shop.test"));
    assert!(shown.contains("nocertificatehasarrivedyet"), "{shown}");
    assert!(failed(&lb) < 2.0, "no haste");
}

#[test]
fn of_a_pair_one_node_orders_and_both_have_the_certificate() {
    let authority = skip_unless!(Authority::start(90 * 24 * 60 * 60), NO_PEBBLE);
    let server = origin("app");
    // The authority looks at the first node, whichever of them orders.
    let on_a = authority.config("http-01", "[{ acme = [\"shop.test\"] }]", &server);
    let [http, https, link_a, link_b] = [(); 4].map(|()| free_address());
    let on_b = on_a
        .replace(&authority.http.to_string(), &http.to_string())
        .replace(&authority.https.to_string(), &https.to_string())
        .replace("/state\"", "/state-of-b\"");
    let secret = authority.scratch.file("pair.secret");
    process::run(Command::new(binary()).args(["pair", "init", "--out"]).arg(&secret));
    let pair = |own: SocketAddr, peer: SocketAddr| {
        let secret = secret.display();
        format!("[pair]\nbind = \"{own}\"\npeer = \"{peer}\"\nsecret_file = \"{secret}\"\n")
    };
    let on_a = on_a.replace("[node]\n", "[node]\nname = \"a\"\n");
    let a = balancer(&(on_a + &pair(link_a, link_b)));
    let b = balancer(&(on_b + &pair(link_b, link_a)));
    let folder = authority.directory.to_string().replace(':', "_");
    let kept = |state: &str, file: &str| {
        let path = authority.scratch.file(state).join("acme").join(&folder).join(file);
        fs::read_to_string(path).unwrap_or_default()
    };
    let both_have = |file: &str| kept("state", file) == kept("state-of-b", file);
    let replaced = |lb: &Balancer| lb.metric("evenkeel_certificate_replaced_total", "");
    wait_until("both show what has arrived", PATIENCE * 3, || {
        both_have("shop.test.pem") && replaced(&a) >= 1.0 && replaced(&b) >= 1.0
    });
    assert!((arrived(&a) + arrived(&b) - 1.0).abs() < 0.5, "one of them has ordered");
    assert!(failed(&a) + failed(&b) < 1.0, "{}\n{}", a.log(), b.log());
    // Each could go on alone: the account is theirs, too.
    wait_until("the account is kept by both", PATIENCE, || {
        both_have("account.json") && !kept("state", "account.json").is_empty()
    });
}
