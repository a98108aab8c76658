use std::future::Future;

use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::*;

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time-out of checks that are meant to reach it.
const SHORT: Duration = Duration::from_millis(50);

/// What a server does with the one connection it is given.
enum Server {
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
    CheckKind::Http(HttpCheck { method: "GET".into(), path: "/health".into(), host: None, expect })
}

/// What a check makes of a server, and what the server has read.
fn check(server: &Server, kind: CheckKind) -> (Outcome, io::Result<String>) {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let check = Check { kind, timeout: PATIENCE, ..Check::default() };
        tokio::join!(attempt(address, Some(&check)), serve(listener, server))
    })
}

async fn serve(listener: TcpListener, server: &Server) -> io::Result<String> {
    let mut heard = String::new();
    match server {
        Server::Greets(greeting) => {
            let (mut client, _) = listener.accept().await?;
            client.write_all(greeting.as_bytes()).await?;
            client.read_to_string(&mut heard).await?;
        }
        Server::Answers(answer) => {
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
        let (outcome, heard) = check(&Server::Greets(greeting), CheckKind::Tcp);
        assert_eq!(outcome, Outcome::Passed);
        assert_eq!(heard.expect("an orderly end"), "");
    }
}

#[test]
fn a_server_that_is_not_there_is_refused_whatever_the_check() {
    for kind in [CheckKind::Tcp, http(&[(200, 399)])] {
        let outcome = run(async {
            // Bound, so that nobody else listens there, and not listening either.
            let taken = TcpSocket::new_v4().unwrap();
            taken.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            let address = taken.local_addr().unwrap();
            let check = Check { kind, timeout: PATIENCE, ..Check::default() };
            attempt(address, Some(&check)).await
        });
        assert_eq!(outcome, Outcome::Failed(CheckFailure::Refused));
    }
}

#[test]
fn an_http_check_asks_for_its_path_and_goes_by_the_status() {
    let (outcome, heard) = check(
        &Server::Answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        http(&[(200, 399)]),
    );
    assert_eq!(outcome, Outcome::Passed);
    let heard = heard.unwrap();
    assert!(heard.starts_with("GET /health HTTP/1.1\r\nHost: 127.0.0.1:"), "{heard}");
    let rest = "\r\nUser-Agent: evenkeel-check\r\nConnection: close\r\n\r\n";
    assert!(heard.ends_with(rest), "{heard}");
}

#[test]
fn answers_and_what_is_made_of_them() {
    let failed = |failure| Outcome::Failed(failure);
    let cases = [
        ("HTTP/1.1 204 No Content\r\n\r\n", Outcome::Passed),
        ("HTTP/1.0 399 x\r\n\r\n", Outcome::Passed),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Outcome::Passed),
        ("HTTP/1.1 100 Continue\r\n\r\n", failed(CheckFailure::Reset)),
        ("HTTP/1.1 401 x\r\n\r\n", Outcome::Passed),
        ("HTTP/1.1 400 x\r\n\r\n", failed(CheckFailure::Status(400))),
        ("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", failed(CheckFailure::Status(503))),
        ("SSH-2.0-OpenSSH_9.2\r\n", failed(CheckFailure::NotHttp)),
        ("HTTP/1.1 200 OK\r\nbad header\r\n\r\n", failed(CheckFailure::NotHttp)),
        ("HTTP/1.1 200 OK\r\nContent-Le", failed(CheckFailure::Reset)),
        ("", failed(CheckFailure::Reset)),
    ];
    for (answer, expected) in cases {
        let (outcome, _) = check(&Server::Answers(answer), http(&[(200, 399), (401, 401)]));
        assert_eq!(outcome, expected, "{answer:?}");
    }
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let head: &'static str = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(80_000)).leak();
    let (outcome, _) = check(&Server::Answers(head), http(&[(200, 399)]));
    assert_eq!(outcome, Outcome::Failed(CheckFailure::NotHttp));
}

#[test]
fn a_server_that_hangs_fails_an_http_check_by_its_timeout() {
    let (outcome, _listener) = run(async {
        // Nobody accepts: the system does, on the server's behalf.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let check = Check { kind: http(&[(200, 399)]), timeout: SHORT, ..Check::default() };
        (attempt(address, Some(&check)).await, listener)
    });
    assert_eq!(outcome, Outcome::Failed(CheckFailure::Timeout));
}

#[test]
fn a_check_goes_to_its_own_port() {
    let outcome = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let check = Check { port: Some(port), timeout: PATIENCE, ..Check::default() };
        attempt(SocketAddr::from(([127, 0, 0, 1], 1)), Some(&check)).await
    });
    assert_eq!(outcome, Outcome::Passed);
}

#[test]
fn what_this_node_lacks_is_not_the_servers_fault() {
    // EMFILE
    assert_eq!(failure(&io::Error::from_raw_os_error(24)), CheckFailure::Exhausted);
    assert_eq!(failure(&io::ErrorKind::HostUnreachable.into()), CheckFailure::Unreachable);
    assert_eq!(failure(&io::ErrorKind::ConnectionReset.into()), CheckFailure::Reset);
}
