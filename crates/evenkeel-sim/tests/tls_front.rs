//! TLS that ends here, over real sockets: replaced certificates, sessions, names, clients with
//! certificates, and what `openssl` sees.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use evenkeel_sim::authority::{Authority, Pair, Secured, certificate_in};
use evenkeel_sim::clock::now;
use evenkeel_sim::prelude::*;
use evenkeel_sim::process;
use evenkeel_sim::scratch::Scratch;
use evenkeel_sim::tls::NO_OPENSSL;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};

const BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// A listener on two workers with these certificates and further keys, before this server.
fn config(listen: SocketAddr, pairs: &[&Pair], keys: &str, server: SocketAddr) -> String {
    let pairs: Vec<String> = pairs.iter().map(|pair| pair.toml()).collect();
    format!(
        r#"
[node]
workers = 2
[listener.front]
bind = ["{listen}"]
protocol = "https"
certificates = [{}]
pool = "app"
{keys}
[pool.app]
servers = ["{server}"]
"#,
        pairs.join(", ")
    )
}

/// Clients that make one handshake after the other until they are told to stop.
struct Crowd {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    new: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<Vec<String>>>,
}

impl Crowd {
    /// So many of them; what they see must be `old`, and from some handshake on `new`.
    fn start(
        count: usize,
        listen: SocketAddr,
        clients: &Arc<ClientConfig>,
        seen: &[Vec<u8>; 2],
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (made, new) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let threads = (0..count).map(|_| {
            let (stop, clients, seen) = (Arc::clone(&stop), Arc::clone(clients), seen.clone());
            let (made, new) = (Arc::clone(&made), Arc::clone(&new));
            thread::spawn(move || {
                let mut failures = Vec::new();
                let mut is_new = false;
                while !stop.load(Ordering::Relaxed) {
                    match Secured::connect(listen, "site.example", &clients) {
                        Ok(secured) if secured.certificate() == seen[1] => {
                            is_new = true;
                            new.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(secured) if secured.certificate() != seen[0] => {
                            failures.push("neither certificate".to_owned());
                        }
                        Ok(_) if is_new => failures.push("the old one again".to_owned()),
                        Ok(_) => {}
                        Err(error) => failures.push(error.to_string()),
                    }
                    made.fetch_add(1, Ordering::Relaxed);
                }
                failures
            })
        });
        let threads = threads.collect();
        Self { stop, made, new, threads }
    }

    /// Waits for so many more handshakes.
    fn await_more(&self, count: u64) {
        let from = self.made.load(Ordering::Relaxed);
        wait_until("handshakes go on", PATIENCE * 6, || {
            self.made.load(Ordering::Relaxed) >= from + count
        });
    }

    fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.threads.into_iter().flat_map(|it| it.join().expect("no panic"));
        (self.made.load(Ordering::Relaxed), failures.collect())
    }
}

/// Clients without sessions: each handshake is a full one.
fn without_sessions(authority: &Authority) -> Arc<ClientConfig> {
    let mut clients = (*authority.clients(&BOTH, None)).clone();
    clients.resumption = rustls::client::Resumption::disabled();
    Arc::new(clients)
}

#[test]
fn a_certificate_is_replaced_while_clients_keep_coming() {
    let authority = Authority::new();
    let shown = authority.issue("shown", &["site.example"]);
    let [old, new] = ["old", "new"].map(|at| authority.issue(at, &["site.example"]));
    shown.replace_by(&old);
    let (listen, server) = (free_address(), origin("0"));
    let lb = balancer(&config(listen, &[&shown], "", server.address()));

    let seen = [&old, &new].map(certificate_in);
    let crowd = Crowd::start(4, listen, &without_sessions(&authority), &seen);
    let begun = now();
    crowd.await_more(100);
    shown.replace_by(&new);
    let replaced = now();
    wait_until("the new one is shown", PATIENCE, || crowd.new.load(Ordering::Relaxed) > 0);
    let until_seen = now() - replaced;
    crowd.await_more(100);

    // A key of another certificate, half a file, nothing: the one that is good stays.
    std::fs::copy(&old.key, &shown.key).expect("files of ours");
    let refused = || lb.metric("evenkeel_certificate_refused_total", "") >= 1.0;
    wait_until("a bad pair is refused", PATIENCE, refused);
    crowd.await_more(100);
    std::fs::write(&shown.chain, "-----BEGIN CERTIFICATE-----\nMIIB").expect("a file of ours");
    crowd.await_more(100);
    std::fs::remove_file(&shown.chain).expect("a file of ours");
    wait_until("it is said", PATIENCE, || {
        lb.log().contains("certificate-refused")
            && lb.metric("evenkeel_certificate_failing", "") > 0.0
    });
    crowd.await_more(100);
    let (made, failures) = crowd.end();
    assert!(failures.is_empty(), "{} of {made}: {:?}", failures.len(), failures.first());
    let took = now() - begun;
    eprintln!("{made} handshakes in {took:?}; the new one was seen after {until_seen:?}");

    shown.replace_by(&old);
    wait_until("a good pair is shown again", PATIENCE, || {
        let secured = Secured::connect(listen, "site.example", &without_sessions(&authority));
        secured.expect("a handshake").certificate() == certificate_in(&old)
    });
    wait_until("it does not fail any more", PATIENCE, || {
        lb.metric("evenkeel_certificate_failing", "") < 1.0
    });
}

#[test]
fn sessions_are_resumed_on_either_worker_and_over_a_reload() {
    let authority = Authority::new();
    let pair = authority.issue("site", &["site.example"]);
    let (listen, server) = (free_address(), origin("0"));
    let config = config(listen, &[&pair], "", server.address());
    let lb = balancer(&config);
    for version in [&TLS12, &TLS13] {
        let clients = authority.clients(&[version], None);
        let resumed = || {
            let secured = Secured::connect(listen, "site.example", &clients).expect("a handshake");
            let is_resumed = secured.is_resumed();
            let answer = secured.ask("site.example", "").expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            is_resumed
        };
        assert!(!resumed(), "{version:?}: nobody has a session yet");
        // The kernel gives connections to both workers.
        for number in 0..20 {
            assert!(resumed(), "{version:?}: {number}");
        }
        lb.reload(&format!("{config}[pool.other]\nservers = [\"{}\"]\n", server.address()));
        lb.reload(&config);
        for number in 0..4 {
            assert!(resumed(), "{version:?}, after reloads: {number}");
        }
    }
}

#[test]
fn clients_show_certificates_and_nobody_says_so_for_them() {
    let (authority, others) = (Authority::new(), Authority::new());
    let pair = authority.issue("site", &["site.example"]);
    let (own, foreign) = (authority.issue("app", &["app"]), others.issue("app", &["app"]));
    let expired = authority.issue_expired("gone", &["gone"]);
    let server = origin("0");
    let [required, requested] = [free_address(), free_address()];
    let client_auth = |mode: &str| {
        let ca = authority.file();
        let ca = ca.display();
        format!("client_auth = {{ mode = \"{mode}\", ca = \"{ca}\", header = \"x-subject\" }}")
    };
    let config = format!(
        "{}[listener.asks]\nbind = [\"{requested}\"]\nprotocol = \"https\"\ncertificates = [{}]\n\
         pool = \"app\"\n{}\n",
        config(required, &[&pair], &client_auth("require"), server.address()),
        pair.toml(),
        client_auth("request"),
    );
    let _lb = balancer(&config);
    let forged = "X-Subject: CN=admin\r\nx-SUBJECT: CN=root\r\nX_Subject: CN=root\r\n";
    for version in [&TLS12, &TLS13] {
        for (listen, shown, subject) in [
            (required, None, Err(())),
            (required, Some(&foreign), Err(())),
            (required, Some(&expired), Err(())),
            (required, Some(&own), Ok(Some("CN=app"))),
            (requested, None, Ok(None)),
            (requested, Some(&foreign), Err(())),
            (requested, Some(&own), Ok(Some("CN=app"))),
        ] {
            server.forget();
            let clients = authority.clients(&[version], shown);
            // In TLS 1.3 the client's part comes last: the refusal is heard behind it.
            let answer = Secured::connect(listen, "site.example", &clients)
                .and_then(|secured| secured.ask("site.example", forged));
            let is_served = answer.as_ref().is_ok_and(|text| text.starts_with("HTTP/1.1 200 "));
            let what = format!("{version:?} {listen} {shown:?}: {answer:?}");
            assert_eq!(is_served, subject.is_ok(), "{what}");
            let seen = server.seen();
            let heard: Vec<&str> = seen.iter().flat_map(|it| it.head.all("x-subject")).collect();
            assert_eq!(heard, Vec::from_iter(subject.ok().flatten()), "{what}");
            assert!(seen.iter().all(|it| it.head.header("x_subject").is_none()), "{what}");
        }
    }
}

#[test]
fn a_request_for_another_certificates_host_is_misdirected() {
    let authority = Authority::new();
    let one = authority.issue("one", &["one.example", "uno.example"]);
    let two = authority.issue("two", &["two.example"]);
    let (listen, server) = (free_address(), origin("0"));
    let lb = balancer(&config(listen, &[&one, &two], "", server.address()));
    let clients = authority.clients(&BOTH, None);
    for (name, host, status) in [
        ("one.example", "one.example", 200),
        ("one.example", "ONE.example.", 200),
        ("one.example", "one.example:8443", 200),
        ("one.example", "uno.example", 200),
        ("one.example", "two.example", 421),
        ("two.example", "one.example", 421),
    ] {
        let secured = Secured::connect(listen, name, &clients).expect("a handshake");
        let answer = secured.ask(host, "").expect("an answer");
        let begins = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begins), "{name} {host}: {answer}");
        let url = format!("https://{name}:{}/", listen.port());
        let told = &lb.explained(&[&url, "-H", &format!("Host: {host}")])["outcome"];
        assert_eq!(told["status"] == 421, status == 421, "{name} {host}: {told}");
    }
    assert!(server.seen().iter().all(|it| it.head.header("host") != Some("two.example")));
}

#[test]
fn who_comes_in_the_clear_is_sent_to_tls_and_told_to_remember_that() {
    let authority = Authority::new();
    let pair = authority.issue("site", &["site.example"]);
    let (listen, plain, server) = (free_address(), free_address(), origin("0"));
    let keys = format!("redirect_http = \"{plain}\"\nhsts = true\n");
    let lb = balancer(&config(listen, &[&pair], &keys, server.address()));
    let mut client = client(plain);
    client.send("GET /x?y HTTP/1.1\r\nHost: site.example:80\r\n\r\n");
    let answer = client.answer();
    let there = format!("https://site.example:{}/x?y", listen.port());
    assert_eq!((answer.status, answer.header("location")), (308, Some(&*there)));
    let asked = [&*format!("http://{plain}/x?y"), "-H", "Host: site.example:80"];
    assert_eq!(lb.explained(&asked)["outcome"]["location"], there);
    assert_eq!(
        answer.header("strict-transport-security"),
        None,
        "not in the clear (RFC 6797 §7.2)"
    );
    let clients = authority.clients(&BOTH, None);
    let secured = Secured::connect(listen, "site.example", &clients).expect("a handshake");
    let answer = secured.ask("site.example", "").expect("an answer").to_ascii_lowercase();
    assert!(answer.contains("\r\nstrict-transport-security: max-age=31536000\r\n"), "{answer}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn who_does_not_shake_hands_is_let_go_and_only_so_many_may_be_at_it() {
    let authority = Authority::new();
    let pair = authority.issue("site", &["site.example"]);
    let (listen, server) = (free_address(), origin("0"));
    let keys = "max_handshakes = 2\ntimeouts = { handshake = \"2s\" }\n";
    let lb = balancer(&config(listen, &[&pair], keys, server.address()));
    let refused = |reason: &str| {
        lb.metric("evenkeel_listener_refusals_total", &format!("reason=\"{reason}\""))
    };
    let silent: Vec<_> = (0..3).map(|_| client(listen)).collect();
    wait_until("the third is refused", PATIENCE, || refused("handshakes") >= 1.0);
    wait_until("the others are let go", PATIENCE, || refused("handshake-timeout") >= 2.0);
    drop(silent);
    let clients = authority.clients(&BOTH, None);
    wait_until("there is room again", PATIENCE, || {
        Secured::connect(listen, "site.example", &clients).is_ok()
    });
}

#[test]
fn who_asks_within_tls_and_reads_nothing_is_let_go() {
    let authority = Authority::new();
    let pair = authority.issue("site", &["site.example"]);
    let (listen, server) = (free_address(), origin("0"));
    // The node answers by itself.
    let keys = "methods = [\"GET\"]\n[[listener.front.route]]\npath = \"/\"\nredirect = { to = \"/there\" }\n";
    let _lb = balancer(&config(listen, &[&pair], keys, server.address()));
    let clients = authority.clients(&BOTH, None);
    let secured = Secured::connect(listen, "site.example", &clients).expect("it listens");
    let end = secured.push(b"GET / HTTP/1.1\r\nHost: site.example\r\n\r\n");
    let ends = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    assert!(ends.contains(&end), "{end:?}: the client gave up, not the node");
}

/// What `openssl s_client` prints, which is told `said` once it is connected.
fn openssl(listen: SocketAddr, arguments: &[&str], said: &str) -> Option<String> {
    use std::io::Write as _;
    let mut command = Command::new(process::find("openssl")?);
    command.args(["s_client", "-connect", &listen.to_string()]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    // It may have been refused and gone.
    let _ = stdin.write_all(said.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().ok()?;
    let printed = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&printed).into_owned())
}

#[test]
fn openssl_finds_only_what_is_safe() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evenkeel/tests/check/tls");
    let file = |name: &str| folder.join(name).display().to_string();
    let (listen, server) = (free_address(), origin("0"));
    let lb = balancer(&format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"https\"\npool = \"app\"\n\
         certificates = [{{ chain = {:?}, key = {:?}, ocsp = {:?} }}]\n\
         [pool.app]\nservers = [\"{}\"]\n",
        file("site.pem"),
        file("site.key"),
        file("site.ocsp"),
        server.address(),
    ));
    let old = ["-cipher", "ALL:@SECLEVEL=0"];
    let weak = ["-tls1_2", "-cipher", "AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0"];
    for (arguments, wanted, unwanted) in [
        (&["-tls1_3", "-alpn", "h2,http/1.1"][..], &["TLSv1.3", "ALPN protocol: h2"][..], "alert"),
        (&["-tls1_2", "-alpn", "http/1.1"], &["TLSv1.2", "ALPN protocol: http/1.1"], "alert"),
        (&["-tls1_2"], &["Compression: NONE", "ECDHE"], "alert"),
        (&["-tls1_3", "-alpn", "spdy/1"], &["alert no application protocol"], "ALPN protocol"),
        (&[&["-tls1_1"][..], &old].concat(), &["alert"], "Cipher is ECDHE"),
        (&[&["-tls1"][..], &old].concat(), &["alert"], "Cipher is ECDHE"),
        (&weak, &["alert handshake failure"], "Cipher is AES"),
        (
            &["-status"],
            &["OCSP Response Status: successful", "Cert Status: good"],
            "no response sent",
        ),
    ] {
        let printed = skip_unless!(openssl(listen, arguments, ""), NO_OPENSSL);
        for wanted in wanted {
            assert!(printed.contains(wanted), "{arguments:?}: {wanted}: {printed}");
        }
        assert!(!printed.contains(unwanted), "{arguments:?}: {unwanted}: {printed}");
    }
    // `R` asks for a renegotiation.
    let printed = skip_unless!(openssl(listen, &["-tls1_2"], "R\n"), NO_OPENSSL);
    assert!(printed.contains("RENEGOTIATING"), "{printed}");
    assert!(printed.contains("no renegotiation") || printed.contains("error"), "{printed}");
    assert_eq!(server.served(), 0);
    drop(lb);
}

#[test]
fn names_in_every_form_lead_to_one_certificate_or_to_none() {
    let authority = Authority::new();
    let default = authority.issue("default", &["default.example"]);
    let site = authority.issue("site", &["site.example"]);
    let wild = authority.issue("wild", &["*.wild.example"]);
    let server = origin("0");
    let [lax, strict] = [free_address(), free_address()];
    let pairs = [&default, &site, &wild];
    let again = config(strict, &pairs, "strict_sni = true", server.address());
    let again = again.replacen("listener.front", "listener.strict", 1);
    let again = again.split("[pool.app]").next().unwrap_or_default();
    let again = again.replacen("[node]\nworkers = 2\n", "", 1);
    let _lb = balancer(&format!("{}{again}", config(lax, &pairs, "", server.address())));
    let long = format!("{}.example", "a".repeat(240));
    let label = format!("{}.wild.example", "a".repeat(64));
    // Name; subject where nobody is refused; whether a strict listener shows it too.
    for (name, subject, is_named) in [
        (Some("site.example"), "site.example", true),
        (Some("SITE.Example"), "site.example", true),
        (Some("site.example."), "site.example", true),
        (Some("a.wild.example"), "*.wild.example", true),
        (Some("A.WILD.EXAMPLE"), "*.wild.example", true),
        (Some("a.b.wild.example"), "default.example", false),
        (Some("wild.example"), "default.example", false),
        (Some(".wild.example"), "default.example", false),
        (Some("*.wild.example"), "default.example", false),
        (Some("other.example"), "default.example", false),
        (Some("site.example.evil"), "default.example", false),
        (Some("xsite.example"), "default.example", false),
        (Some(&long), "default.example", false),
        (Some(&label), "default.example", false),
        (Some("127.0.0.1"), "default.example", false),
        (None, "default.example", false),
    ] {
        let names = name.map_or_else(|| vec!["-noservername"], |name| vec!["-servername", name]);
        let shown = |listen| {
            let printed = openssl(listen, &names, "")?;
            let subject = printed.lines().find_map(|line| line.strip_prefix("subject="));
            let subject = subject.map(|subject| subject.replace(' ', ""));
            Some((subject.unwrap_or_default(), printed))
        };
        let (lax_shows, printed) = skip_unless!(shown(lax), NO_OPENSSL);
        let wanted = format!("CN={subject}");
        // What is no name is refused, never another's.
        let is_refused = lax_shows.is_empty() && printed.contains("alert");
        assert!(lax_shows == wanted || is_refused && !is_named, "{name:?}: {printed}");
        let (strict_shows, printed) = skip_unless!(shown(strict), NO_OPENSSL);
        if is_named {
            assert_eq!(strict_shows, wanted, "{name:?}, strict: {printed}");
        } else {
            assert!(printed.contains("alert"), "{name:?}, strict: {printed}");
        }
    }
    let secured = Secured::connect(lax, "site.example", &authority.clients(&BOTH, None));
    assert!(secured.is_ok(), "it still serves");
}

/// What it finds out is asked for as a path.
const PAGE: &str = r#"<!doctype html><title>a page</title><script>
const found = (what) =>
  fetch(`/found/${performance.getEntriesByType("navigation")[0].nextHopProtocol}/${what}`);
const socket = new WebSocket(`wss://${location.host}/chat`);
socket.onopen = () => socket.send("hello");
socket.onmessage = ({ data }) => { socket.close(); found(data); };
socket.onerror = () => found("error");
</script>"#;

#[test]
fn a_browser_speaks_http2_and_has_its_websocket_on_a_stream() {
    let chromium = skip_unless!(process::find("chromium"), "chromium is not installed");
    let (authority, server, listen) = (Authority::new(), origin("0"), free_address());
    let (site, scratch) = (authority.issue("site", &["localhost"]), Scratch::new("page"));
    scratch.write("index.html", PAGE);
    let root = scratch.path().display();
    let route = format!(
        "[[listener.front.route]]\npath = \"/page/\"\nstatic = {{ root = \"{root}\" }}\n\
         rewrite = {{ strip_prefix = \"/page\" }}\n\
         [access_log]\nformat = \"{{version}} {{path}} {{status}}\"\npath = \"access.log\""
    );
    let config = config(listen, &[&site], "", server.address()) + &route;
    let lb = balancer(&config);
    let mut command = process::bound(&chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"]);
    command.arg(format!("--user-data-dir={}", scratch.file("profile").display()));
    command.arg(format!("https://{listen}/page/"));
    let _browser = process::Process::start("chromium", command);
    // A browser takes its time to start.
    wait_until("the page has its echo", PATIENCE * 3, || {
        server.seen().iter().any(|seen| seen.target == "/found/h2/hello")
    });
    let is_logged = |log: String| log.lines().any(|line| line == "HTTP/2.0 /chat 101");
    wait_until("the tunnel of a stream is logged", PATIENCE, || {
        std::fs::read_to_string(lb.file("access.log")).is_ok_and(is_logged)
    });
}

#[test]
fn h2load_is_served_every_request() {
    let h2load = skip_unless!(process::find("h2load"), "h2load is not installed");
    let (authority, server, listen) = (Authority::new(), origin("0"), free_address());
    let site = authority.issue("site", &["localhost"]);
    let _lb = balancer(&config(listen, &[&site], "", server.address()));
    let mut command = process::bound(&h2load);
    command.args(["-n", "2000", "-c", "8", "-m", "32"]).arg(format!("https://{listen}/?size=100"));
    let said = process::run(&mut command);
    assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert!(said.contains("Application protocol: h2"), "{said}");
}
