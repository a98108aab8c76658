//! Spans on their way to receivers of OpenTelemetry that are not ours: one that takes nothing but
//! what the official definitions know, and a collector.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel_sim::authority::Authority;
use evenkeel_sim::balancer::binary;
use evenkeel_sim::http1::Head;
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{self, Process};
use evenkeel_sim::scratch::Scratch;
use serde_json::Value;

/// Where `cargo xtask setup` puts what Debian has not.
const PACKAGES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/otlp");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/export/receiver.py");

const NO_RECEIVER: &str = "opentelemetry-proto and rotel are not installed: `cargo xtask setup`";
const NO_EXPORT: &str = "this evenkeel was built without `--features otel`";

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A receiver by OpenTelemetry's own library.
struct Receiver {
    address: SocketAddr,
    scratch: Scratch,
    process: Process,
}

impl Receiver {
    /// In TLS, if there is an authority to sign for it.
    fn start(address: SocketAddr, authority: Option<&Authority>) -> Self {
        let scratch = Scratch::new("receiver");
        let mut command = process::bound(&process::find("python3").expect("it was asked before"));
        command.arg(SCRIPT).args([&address.ip().to_string(), &address.port().to_string()]);
        command.arg(scratch.write("state", "200")).env("PYTHONPATH", PACKAGES);
        if let Some(authority) = authority {
            let pair = authority.issue("receiver", &[&address.ip().to_string()]);
            command.arg(pair.chain).arg(pair.key);
        }
        let process = Process::start("receiver", command);
        wait_until("the receiver listens", PATIENCE, || TcpStream::connect(address).is_ok());
        Self { address, scratch, process }
    }

    fn answers(&self, status: &str) {
        self.scratch.write("state", status);
    }

    /// Requests so far, those answered 503 excepted.
    fn requests(&self) -> Vec<Value> {
        let lines = self.process.stdout.lines();
        let requests: Vec<Value> =
            lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(requests.iter().all(|it| it["wrong"].is_null()), "{requests:#?}");
        requests
    }

    fn spans(&self) -> Vec<Value> {
        let of = |request: &Value| request["spans"].as_array().cloned().unwrap_or_default();
        self.requests().iter().flat_map(of).collect()
    }

    /// The first `count` spans of a trace: that of the exchange, then its tries.
    #[track_caller]
    fn await_spans(&self, trace: &str, count: usize) -> Vec<Value> {
        let of_trace = || -> Vec<Value> {
            self.spans().into_iter().filter(|span| span["trace"] == trace).collect()
        };
        wait_until(&format!("{count} spans of {trace} arrive"), PATIENCE, || {
            of_trace().len() >= count
        });
        of_trace()
    }
}

/// `None` where there is nothing to receive with.
fn python() -> Option<PathBuf> {
    let python = process::find("python3")?;
    let mut imports = Command::new(&python);
    imports.args(["-c", "import opentelemetry.proto.trace.v1.trace_pb2"]);
    let imported = imports.env("PYTHONPATH", PACKAGES).output().ok()?;
    imported.status.success().then_some(python)
}

/// `None`: the program under test cannot export.
fn exports() -> Option<()> {
    let scratch = Scratch::new("exports");
    let config = scratch.write("file.toml", "[trace]\nendpoint = \"http://127.0.0.1:4318\"\n");
    let mut check = Command::new(binary());
    let said = check.args(["check", "-c"]).arg(config).output().expect("the program starts");
    let said = String::from_utf8_lossy(&said.stderr);
    (!said.contains("without the export of traces")).then_some(())
}

/// A listener that begins traces before `pool`, and `trace` in the table of that name.
fn config(listen: SocketAddr, pool: &str, trace: &str) -> String {
    let start = "protocol = \"http\"\nforwarding = { trace = \"start\" }";
    let config = two_workers(listen, pool).replacen("protocol = \"http\"", start, 1);
    format!("{config}\n[trace]\n{trace}\n")
}

/// A request in the trace of a caller, which has it sampled or not.
fn asks(listen: SocketAddr, target: &str, flags: &str) -> Answer {
    let field = format!("traceparent: 00-{TRACE}-{CALLER}-{flags}");
    let agent = "User-Agent: test/1";
    client(listen)
        .send(format!(
            "GET {target} HTTP/1.1\r\nHost: shop.example:81\r\n{agent}\r\n{field}\r\n\r\n"
        ))
        .answer()
}

/// Trace and span of the one `traceparent` a server was told of.
#[track_caller]
fn told(head: &Head) -> (String, String) {
    let line = head.header("traceparent").expect("it is there");
    let parts: Vec<&str> = line.split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned())
}

#[test]
fn an_exchange_with_a_retry_is_a_span_with_two_below_it() {
    skip_unless!(python(), NO_RECEIVER);
    skip_unless!(exports(), NO_EXPORT);
    let authority = Authority::new();
    let receiver = Receiver::start(free_address(), Some(&authority));
    let [broken, good] = &origins();
    broken.set(Mode::ResetBeforeAnswer);
    let listen = free_address();
    let pool = format!("balance = \"first\"\nservers = {}", servers([broken, good]));
    let trace = format!(
        "endpoint = \"https://{}\"\nca = \"{}\"\nservice_name = \"edge\"\n\
         headers = {{ x-scope-orgid = \"shop\" }}\nheaders_file = \"secret\"",
        receiver.address,
        authority.file().display()
    );
    let mut lb = Start::with(&config(listen, &pool, &trace))
        .file("secret", "authorization: Bearer s3cret\n")
        .under(&["sh", "-c", "chmod 600 secret && exec \"$0\" \"$@\""])
        .start();
    assert_eq!(asks(listen, "/a?b=c", "01").server(), "1");

    let spans = receiver.await_spans(TRACE, 3);
    let [server, first, second] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!(server["parent"], CALLER);
    assert_eq!((&server["kind"], &server["name"]), (&"SPAN_KIND_SERVER".into(), &"GET".into()));
    assert_eq!(server["status"], "STATUS_CODE_UNSET");
    assert_eq!(server["flags"], 0x301);
    let of = |key: &str| server["attributes"][key].clone();
    assert_eq!(of("http.request.method"), "GET");
    assert_eq!((of("url.path"), of("url.query")), ("/a".into(), "b=c".into()));
    assert_eq!((of("server.address"), of("server.port")), ("shop.example".into(), 81.into()));
    assert_eq!(of("http.response.status_code"), 200);
    assert_eq!(of("network.protocol.version"), "1.1");
    assert_eq!(of("user_agent.original"), "test/1");
    assert_eq!(of("evenkeel.listener"), "front");
    for (span, origin) in [(first, broken), (second, good)] {
        assert_eq!(span["kind"], "SPAN_KIND_CLIENT");
        assert_eq!(span["parent"], server["span"]);
        assert_eq!(span["attributes"]["server.port"], origin.address().port());
        assert_eq!(span["attributes"]["server.address"], origin.address().ip().to_string());
        // Each server was told of the span of its own try.
        let named = told(&origin.seen()[0].head);
        assert_eq!(named, (TRACE.to_owned(), span["span"].as_str().expect("text").to_owned()));
        let time = |span: &Value, key| span[key].as_u64().expect("a time");
        assert!(time(server, "began") <= time(span, "began"));
        assert!(time(span, "ended") <= time(server, "ended"));
    }
    assert_eq!(first["attributes"]["error.type"], "server-reset");
    assert_eq!(first["status"], "STATUS_CODE_ERROR");
    assert_eq!(second["status"], "STATUS_CODE_UNSET");
    assert_eq!(second["attributes"]["http.request.resend_count"], 1);
    assert_eq!(server["resource"]["service.name"], "edge");
    assert!(server["resource"]["service.instance.id"].is_string());
    let request = &receiver.requests()[0];
    let header = |name: &str| request["headers"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(request["path"], "/v1/traces");
    assert_eq!(header("authorization"), "Bearer s3cret");
    assert_eq!(header("x-scope-orgid"), "shop");

    // Nobody is told of a trace that is not sampled: its servers know the caller's span.
    good.forget();
    assert_eq!(asks(listen, "/unsampled", "00").status, 200);
    assert_eq!(told(&good.seen()[0].head), (TRACE.to_owned(), CALLER.to_owned()));
    // What is not sent yet at the end is sent before it.
    assert_eq!(asks(listen, "/last", "01").status, 200);
    lb.terminate();
    assert!(lb.wait(PATIENCE).success());
    let last = receiver.await_spans(TRACE, 6);
    assert_eq!((last.len(), &last[3]["attributes"]["url.path"]), (6, &"/last".into()));
}

#[test]
fn the_server_that_was_too_late_is_seen_to_be_given_up() {
    skip_unless!(python(), NO_RECEIVER);
    skip_unless!(exports(), NO_EXPORT);
    let receiver = Receiver::start(free_address(), None);
    let pool: [Origin; 2] = origins();
    let listen = free_address();
    let settings = format!(
        "balance = \"first\"\nservers = {}\n[[listener.front.route]]\nname = \"all\"\n\
         path = \"/\"\npool = \"app\"\nhedge = true\n",
        servers(&pool)
    );
    let trace = format!("endpoint = \"http://{}\"", receiver.address);
    let config = config(listen, &settings, &trace).replace("workers = 2", "workers = 1");
    let _lb = balancer(&config);
    let mut client = client(listen);
    for _ in 0..evenkeel_core::hedge::LEAST_ANSWERS {
        assert_eq!(client.get("/").status, 200);
    }
    pool[0].set(Mode::Hang);
    assert_eq!(asks(listen, "/late", "01").server(), "1");
    let spans = receiver.await_spans(TRACE, 3);
    let [server, late, second] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!(
        (&server["name"], &server["attributes"]["http.route"]),
        (&"GET all".into(), &"all".into())
    );
    assert_eq!((&late["parent"], &second["parent"]), (&server["span"], &server["span"]));
    assert_eq!(late["attributes"]["evenkeel.given_up"], true);
    assert_eq!(late["status"], "STATUS_CODE_UNSET");
    assert_eq!(second["attributes"]["http.response.status_code"], 200);
    for (span, origin) in [(late, &pool[0]), (second, &pool[1])] {
        let seen = origin.seen();
        let asked = seen.iter().find(|seen| seen.target == "/late").expect("it was asked");
        assert_eq!(told(&asked.head).1, *span["span"].as_str().expect("text"));
    }
}

/// More than may be unread.
const MANY: u32 = 3_000;

#[test]
fn a_receiver_that_is_away_or_busy_slows_nothing_and_is_told_again_when_it_is_back() {
    skip_unless!(python(), NO_RECEIVER);
    skip_unless!(exports(), NO_EXPORT);
    let server = origin("0");
    let (listen, away) = (free_address(), free_address());
    let pool = format!("servers = [\"{}\"]", server.address());
    let lb = balancer(&config(listen, &pool, &format!("endpoint = \"http://{away}\"")));
    let report = Load::start(Plan::rush(listen, 8, MANY.into())).finish();
    assert!(report.is_clean(), "{report:?}");
    let count = |what: &str| lb.metric("evenkeel_trace_spans_total", &format!("\"{what}\""));
    wait_until("what finds no room is counted", PATIENCE, || count("dropped") > 0.0);
    wait_until("it is said", PATIENCE, || lb.metric("evenkeel_trace_export_failing", "") > 0.0);
    assert!(count("sent") < 1.0);
    let problems = || lb.status()["problems"].to_string();
    let told = format!("spans are not exported to {away}: cannot connect: ");
    assert!(
        problems().contains(&told) && problems().contains("correct `endpoint`"),
        "{}",
        problems()
    );

    let receiver = Receiver::start(away, None);
    // It is asked again after about as long as it has been away.
    wait_until("what was kept arrives", 3 * PATIENCE, || {
        count("sent") + count("dropped") >= f64::from(2 * MANY)
    });
    assert!(count("sent") > 0.0 && !receiver.spans().is_empty());
    assert!(lb.metric("evenkeel_trace_export_failing", "") < 1.0);
    assert_eq!(problems(), "[]");
    assert!(lb.log().contains("export-failing") && lb.log().contains("export-recovered"));

    // One that is busy is asked again, one that does not want it is not.
    let before = count("sent");
    receiver.answers("503");
    get(listen, "/");
    wait_until("it is busy", PATIENCE, || problems().contains("it answered 503; it has too much"));
    receiver.answers("200");
    wait_until("it was asked again", PATIENCE, || count("sent") > before + 1.0);
    receiver.answers("400");
    get(listen, "/");
    wait_until("it refuses", PATIENCE, || count("refused") > 1.0);
}

#[test]
fn a_receiver_that_is_only_slow_is_told_apart_from_one_that_fails() {
    skip_unless!(python(), NO_RECEIVER);
    skip_unless!(exports(), NO_EXPORT);
    let receiver = Receiver::start(free_address(), None);
    let server = origin("0");
    let listen = free_address();
    let pool = format!("servers = [\"{}\"]", server.address());
    let trace = format!("endpoint = \"http://{}\"\ntimeout = \"1m\"", receiver.address);
    let lb = balancer(&config(listen, &pool, &trace));
    let count = |what: &str| lb.metric("evenkeel_trace_spans_total", &format!("\"{what}\""));
    receiver.answers("");
    let report = Load::start(Plan::rush(listen, 8, MANY.into())).finish();
    assert!(report.is_clean(), "{report:?}");
    wait_until("what finds no room is counted", PATIENCE, || count("dropped") > 0.0);
    receiver.answers("200");
    let problems = || lb.status()["problems"].to_string();
    let told = format!("spans come faster than {} takes them: ", receiver.address);
    wait_until("it is said", PATIENCE, || problems().contains(&told));
    assert!(problems().contains("lower `sample` of [trace]"), "{}", problems());
    assert!(!lb.log().contains("export-failing"), "{}", lb.log());
    assert!(lb.metric("evenkeel_trace_export_failing", "") < 1.0);
}

#[test]
fn a_collector_takes_the_spans() {
    let collector = Path::new(PACKAGES).join("rotel/rotel-agent");
    skip_unless!(collector.exists().then_some(()), NO_RECEIVER);
    skip_unless!(exports(), NO_EXPORT);
    let (http, grpc, scratch) = (free_address(), free_address(), Scratch::new("rotel"));
    let mut command = process::bound(&collector);
    command.args(["start", "--otlp-http-endpoint", &http.to_string()]);
    command.args(["--otlp-grpc-endpoint", &grpc.to_string(), "--exporter", "blackhole"]);
    command.args(["--debug-log", "traces", "--debug-log-verbosity", "detailed"]);
    command.arg("--pid-file").arg(scratch.file("pid")).arg("--log-file").arg(scratch.file("log"));
    let collector = Process::start("rotel", command);
    wait_until("the collector listens", PATIENCE, || TcpStream::connect(http).is_ok());
    let server = origin("0");
    let listen = free_address();
    let pool = format!("servers = [\"{}\"]", server.address());
    let lb = balancer(&config(listen, &pool, &format!("endpoint = \"http://{http}\"")));
    assert_eq!(asks(listen, "/collected", "01").status, 200);
    wait_until("they are taken", PATIENCE, || {
        lb.metric("evenkeel_trace_spans_total", "\"sent\"") > 1.0
    });
    wait_until("the collector shows them", PATIENCE, || {
        let shown = collector.stdout.text();
        [TRACE, CALLER, "/collected", "evenkeel.server"].iter().all(|it| shown.contains(it))
    });
}
