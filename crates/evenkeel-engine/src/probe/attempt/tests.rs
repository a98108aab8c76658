use std::future::Future;

use evenkeel_core::config::{
    AgentCheck, ExecCheck, HttpCheck, Pool, Server as ServerConfig, Talk, TlsCheck,
};
use evenkeel_core::verdict::Status;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::*;
use crate::clock;
use crate::status::{Health, Verdict};

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time-out of checks that are meant to reach it.
const SHORT: Duration = Duration::from_millis(50);

/// What a server does with the one connection it is given.
enum Play {
    /// Says this at once, then reads to the end.
    Greets(&'static str),
    /// Reads a request head, answers with this, closes.
    Answers(&'static str),
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, test).await.expect("in time") })
}

fn http(expect: &[(u16, u16)]) -> CheckKind {
    let expect = expect.to_vec();
    CheckKind::Http(HttpCheck { path: "/health".into(), expect, ..HttpCheck::default() })
}

/// What a check makes of a server, and what the server has read.
fn check(server: &Play, kind: CheckKind) -> (Found, io::Result<String>) {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let check = Check { kind, timeout: PATIENCE, ..Check::default() };
        tokio::join!(attempt(address, &check), serve(listener, server))
    })
}

async fn attempt(address: SocketAddr, check: &Check) -> Found {
    let pool = Pool { check: Some(check.clone()), ..Pool::new("web".into()) };
    Method::new(&pool, None).attempt(&server(address)).await.0
}

fn server(address: SocketAddr) -> Server {
    let config = ServerConfig::new("a".into(), address);
    let verdict = Verdict { health: Health::Up, reason: "".into(), since: clock::wall() };
    Server::new(&Pool::new("web".into()), &config, verdict, false, 1)
}

/// A server that says this and not what is expected.
fn lacks(says: &str) -> Found {
    Found::Fault(CheckFailure::Unexpected(Words::new(says)))
}

async fn serve(listener: TcpListener, server: &Play) -> io::Result<String> {
    let mut heard = String::new();
    match server {
        Play::Greets(greeting) => {
            let (mut client, _) = listener.accept().await?;
            client.write_all(greeting.as_bytes()).await?;
            client.read_to_string(&mut heard).await?;
        }
        Play::Answers(answer) => {
            let (mut client, _) = listener.accept().await?;
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                assert!(client.read_buf(&mut bytes).await? > 0, "no whole request");
            }
            heard = String::from_utf8(bytes).expect("a request is text");
            client.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(heard)
}

#[test]
fn a_tcp_check_connects_and_leaves_without_a_word_or_a_reset() {
    for greeting in ["", "220 mail.example ESMTP\r\n"] {
        let (found, heard) = check(&Play::Greets(greeting), CheckKind::Tcp);
        assert_eq!(found, Found::Fine);
        assert_eq!(heard.expect("an orderly end"), "");
    }
}

#[test]
fn a_server_that_is_not_there_is_refused_whatever_the_check() {
    let tls = CheckKind::Tls(TlsCheck::default());
    for kind in [CheckKind::Tcp, http(&[(200, 399)]), tls, CheckKind::Talk(Talk::default())] {
        let found = run(async {
            // Bound, so that nobody else listens there, and not listening either.
            let taken = TcpSocket::new_v4().unwrap();
            taken.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            let address = taken.local_addr().unwrap();
            let check = Check { kind, timeout: PATIENCE, ..Check::default() };
            attempt(address, &check).await
        });
        assert_eq!(found, Found::Fault(CheckFailure::Refused));
    }
}

#[test]
fn an_http_check_asks_for_its_path_and_goes_by_the_status() {
    let (found, heard) = check(
        &Play::Answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        http(&[(200, 399)]),
    );
    assert_eq!(found, Found::Fine);
    let heard = heard.unwrap();
    assert!(heard.starts_with("GET /health HTTP/1.1\r\nHost: 127.0.0.1:"), "{heard}");
    let rest = "\r\nUser-Agent: evenkeel-check\r\nConnection: close\r\n\r\n";
    assert!(heard.ends_with(rest), "{heard}");
}

#[test]
fn answers_and_what_is_made_of_them() {
    let failed = Found::Fault;
    let cases = [
        ("HTTP/1.1 204 No Content\r\n\r\n", Found::Fine),
        ("HTTP/1.0 399 x\r\n\r\n", Found::Fine),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Found::Fine),
        ("HTTP/1.1 100 Continue\r\n\r\n", failed(CheckFailure::Reset)),
        ("HTTP/1.1 401 x\r\n\r\n", Found::Fine),
        ("HTTP/1.1 400 x\r\n\r\n", failed(CheckFailure::Status(400))),
        ("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", failed(CheckFailure::Status(503))),
        ("SSH-2.0-OpenSSH_9.2\r\n", failed(CheckFailure::NotHttp)),
        ("HTTP/1.1 200 OK\r\nbad header\r\n\r\n", failed(CheckFailure::NotHttp)),
        ("HTTP/1.1 200 OK\r\nContent-Le", failed(CheckFailure::Reset)),
        ("", failed(CheckFailure::Reset)),
    ];
    for (answer, expected) in cases {
        let (found, _) = check(&Play::Answers(answer), http(&[(200, 399), (401, 401)]));
        assert_eq!(found, expected, "{answer:?}");
    }
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let head: &'static str = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(80_000)).leak();
    let (found, _) = check(&Play::Answers(head), http(&[(200, 399)]));
    assert_eq!(found, Found::Fault(CheckFailure::NotHttp));
}

#[test]
fn a_server_that_hangs_fails_an_http_check_by_its_timeout() {
    let (found, _listener) = run(async {
        // Nobody accepts: the system does, on the server's behalf.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let check = Check { kind: http(&[(200, 399)]), timeout: SHORT, ..Check::default() };
        (attempt(address, &check).await, listener)
    });
    assert_eq!(found, Found::Fault(CheckFailure::Timeout));
}

#[test]
fn a_check_goes_to_its_own_port() {
    let found = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let check = Check { port: Some(port), timeout: PATIENCE, ..Check::default() };
        attempt(SocketAddr::from(([127, 0, 0, 1], 1)), &check).await
    });
    assert_eq!(found, Found::Fine);
}

#[test]
fn what_this_node_lacks_is_not_the_servers_fault() {
    // EMFILE
    assert_eq!(failure(&io::Error::from_raw_os_error(24)), CheckFailure::Exhausted);
    assert_eq!(failure(&io::ErrorKind::HostUnreachable.into()), CheckFailure::Unreachable);
    assert_eq!(failure(&io::ErrorKind::ConnectionReset.into()), CheckFailure::Reset);
}

#[test]
fn a_talk_sends_and_looks_for_the_answer() {
    let talk = |send: Option<&str>, expect: Option<&str>| {
        CheckKind::Talk(Talk { send: send.map(Into::into), expect: expect.map(Into::into) })
    };
    let cases = [
        (talk(None, Some("220 ")), Found::Fine, ""),
        (talk(Some("EHLO x\r\n"), Some("ESMTP")), Found::Fine, "EHLO x\r\n"),
        (talk(Some("PING\r\n"), None), Found::Fine, "PING\r\n"),
    ];
    for (kind, expected, said) in cases {
        let (found, heard) = check(&Play::Greets("220 mail.example ESMTP\r\n"), kind);
        assert_eq!((found, &*heard.expect("an orderly end")), (expected, said));
    }
    let asks = |answer| check(&Play::Answers(answer), talk(Some("x\r\n\r\n"), Some("PONG"))).0;
    assert_eq!(asks("+PONG\r\n"), Found::Fine);
    assert_eq!(asks("-LOADING\r\n"), lacks("-LOADING"));
    assert_eq!(asks(""), Found::Fault(CheckFailure::Reset));
    let long: &'static str = "y".repeat(80_000).leak();
    assert_eq!(asks(long), lacks(long));
}

#[test]
fn an_http_check_sends_headers_and_looks_into_the_body() {
    let kind = |body: &str| {
        let headers = vec![("authorization".into(), "Bearer x".into())];
        CheckKind::Http(HttpCheck { headers, body: Some(body.into()), ..HttpCheck::default() })
    };
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nready: true",
        "HTTP/1.1 200 OK\r\n\r\nready: true",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n8\r\ndy: true\r\n0\r\n\r\n",
    ];
    for answer in answers {
        let (found, heard) = check(&Play::Answers(answer), kind("ready: true"));
        assert_eq!(found, Found::Fine, "{answer:?}");
        assert!(heard.unwrap().contains("\r\nauthorization: Bearer x\r\n"));
        let (found, _) = check(&Play::Answers(answer), kind("ready: false"));
        assert_eq!(found, lacks("ready: true"), "{answer:?}");
    }
    let beyond = format!("HTTP/1.1 200 OK\r\n\r\n{}ready", "y".repeat(HttpCheck::MOST_BODY_BYTES));
    let (found, _) = check(&Play::Answers(beyond.leak()), kind("ready"));
    assert_eq!(found, lacks(&"y".repeat(100)));
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nrea";
    assert_eq!(check(&Play::Answers(cut), kind("ready")).0, Found::Fault(CheckFailure::Reset));
}

#[test]
fn a_deep_check_brings_back_what_the_server_says() {
    let ask = |answer| check(&Play::Answers(answer), CheckKind::Deep(HttpCheck::default())).0;
    let found = ask("HTTP/1.1 503 x\r\n\r\n{\"status\": \"down\", \"components\": \
        [{\"name\": \"db\", \"status\": \"down\", \"critical\": true}]}");
    let Found::Testimony(testimony) = found else { panic!("{found:?}") };
    assert_eq!((testimony.status, testimony.components.len()), (Status::Down, 1));
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\n\r\nHealthy", Status::Up),
        ("HTTP/1.1 204 x\r\n\r\n", Status::Up),
        ("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", Status::Down),
    ] {
        assert_eq!(ask(answer), Found::Testimony(Testimony::bare(status)), "{answer:?}");
    }
    let page = "HTTP/1.1 502 x\r\n\r\n<html>";
    assert_eq!(ask(page), Found::Fault(CheckFailure::Status(502)));
    let page = "HTTP/1.1 200 x\r\n\r\n<html>";
    assert_eq!(ask(page), Found::Fault(CheckFailure::NotHealth));
}

#[test]
fn an_agent_is_heard_with_and_without_being_asked() {
    let agent = |send: Option<&str>| CheckKind::Agent(AgentCheck { send: send.map(Into::into) });
    let (found, _) = check(&Play::Greets("drain 50%\nmore"), agent(None));
    let Found::Advice(Heard { advice, .. }) = found else { panic!("{found:?}") };
    assert!(advice.admin.is_some() && advice.weight.is_some());
    let (found, heard) = check(&Play::Answers("up"), agent(Some("web\r\n\r\n")));
    assert!(matches!(found, Found::Advice(_)), "{found:?}");
    assert_eq!(heard.unwrap(), "web\r\n\r\n");
}

#[test]
fn a_program_is_asked_and_what_it_says_is_the_reason() {
    let ask = |script: &str, limit| {
        let arguments = vec!["-c".into(), script.into()];
        let kind = CheckKind::Exec(ExecCheck { program: "/bin/sh".into(), arguments });
        let check = Check { kind, timeout: limit, ..Check::default() };
        run(async { attempt(SocketAddr::from(([127, 0, 0, 1], 7)), &check).await })
    };
    let said = |words: &str| Found::Fault(CheckFailure::Said(Words::new(words)));
    assert_eq!(ask("exit 0", PATIENCE), Found::Fine);
    assert_eq!(ask("echo disk is full; echo more; exit 1", PATIENCE), said("disk is full"));
    assert_eq!(ask("exit 3", PATIENCE), said("exit status: 3"));
    let question = r#"{"address":"127.0.0.1","pool":"web","port":7,"server":"a"}"#;
    assert_eq!(ask("cat; exit 1", PATIENCE), said(question));
    assert_eq!(ask("yes; exit 1", PATIENCE), said("y"));
    assert_eq!(ask("exec sleep 1000", SHORT), Found::Fault(CheckFailure::Timeout));
    let missing = ExecCheck { program: "/does/not/exist".into(), arguments: Vec::new() };
    let check = Check { kind: CheckKind::Exec(missing), ..Check::default() };
    let found = run(async { attempt(SocketAddr::from(([127, 0, 0, 1], 7)), &check).await });
    assert!(matches!(found, Found::Fault(CheckFailure::NotRun(_))), "{found:?}");
}

#[test]
fn a_check_says_whom_it_is_for_where_traffic_does() {
    let hear = |version, port: bool| {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let own = port.then(|| address.port());
            let check = Check { port: own, timeout: PATIENCE, ..Check::default() };
            let proxy_protocol = Some(version);
            let pool = Pool { check: Some(check), proxy_protocol, ..Pool::new("web".into()) };
            let method = Method::new(&pool, None);
            let server = server(address);
            let heard = async {
                let mut heard = Vec::new();
                listener.accept().await.unwrap().0.read_to_end(&mut heard).await.unwrap();
                heard
            };
            let ((found, _), heard) = tokio::join!(method.attempt(&server), heard);
            assert_eq!(found, Found::Fine);
            heard
        })
    };
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let heard = hear(version, false);
        let (header, length) = proxy_protocol::parse(&heard).unwrap().expect("it is whole");
        assert_eq!((header.addresses, length), (None, heard.len()), "{version:?}");
        assert_eq!(hear(version, true), b"", "another port is another thing");
    }
}
