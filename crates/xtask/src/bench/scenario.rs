//! What is measured, and what is aimed at.

use clap::builder::PossibleValuesParser;

/// One row of the table.
#[derive(Debug)]
pub(super) struct Scenario {
    /// For `--only`.
    pub(super) name: &'static str,
    /// For people.
    pub(super) title: &'static str,
    pub(super) listener: Listener,
    /// What is asked for.
    pub(super) path: &'static str,
    /// Of which host, where it is not the address.
    pub(super) host: Option<&'static str>,
    /// `Connection: close`, so that each request comes on a connection of its own.
    pub(super) close: bool,
    /// The access log is on.
    pub(super) log: bool,
    /// Highest CPU time per request as a part of nginx's and of haproxy's.
    pub(super) targets: Option<(f64, f64)>,
}

/// Which of a proxy's listeners the load goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listener {
    Http,
    Tcp,
    /// HTTP/1.1 within TLS.
    Https,
    /// A TLS session resumed for each request.
    Resumed,
    /// HTTP/2 within TLS.
    Http2,
    /// HTTP/2 within TLS, and HTTP/2 without it to the servers: a unary call of gRPC.
    Grpc,
    /// Files of a folder, by those that have them.
    Files,
}

/// A hundred bytes.
pub(super) const SMALL: &str = "/small";

/// A method of gRPC.
pub(super) const CALL: &str = "/bench.Echo/Say";

/// Files by name, with their KiB.
pub(super) const FILES: [(&str, usize); 3] = [("1k", 1), ("10k", 10), ("100k", 100)];

/// A mebibyte.
pub(super) const BIG: &str = "/big";

#[rustfmt::skip]
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "keep-alive", title: "http, keep-alive, 100 B", listener: Listener::Http, path: SMALL, host: None, close: false, log: false, targets: Some((0.88, 0.75)) },
    Scenario { name: "new-connection", title: "http, a connection per request, 100 B", listener: Listener::Http, path: SMALL, host: None, close: true, log: false, targets: Some((0.90, 0.80)) },
    Scenario { name: "tcp", title: "tcp, the keep-alive requests", listener: Listener::Tcp, path: SMALL, host: None, close: false, log: false, targets: Some((0.92, 0.82)) },
    Scenario { name: "tcp-bulk", title: "tcp, 1 MiB answers", listener: Listener::Tcp, path: BIG, host: None, close: false, log: false, targets: Some((0.50, 1.00)) },
    Scenario { name: "http-bulk", title: "http, 1 MiB answers", listener: Listener::Http, path: BIG, host: None, close: false, log: false, targets: Some((0.50, 0.70)) },
    Scenario { name: "https", title: "https, keep-alive, 100 B", listener: Listener::Https, path: SMALL, host: None, close: false, log: false, targets: Some((0.80, 0.68)) },
    Scenario { name: "handshake", title: "https, a full handshake per request, 100 B", listener: Listener::Https, path: SMALL, host: None, close: true, log: false, targets: Some((0.80, 0.70)) },
    Scenario { name: "resumed", title: "https, a resumed handshake per request, 100 B", listener: Listener::Resumed, path: SMALL, host: None, close: true, log: false, targets: Some((0.85, 0.75)) },
    Scenario { name: "https-bulk", title: "https, 1 MiB answers", listener: Listener::Https, path: BIG, host: None, close: false, log: false, targets: Some((0.90, 0.90)) },
    Scenario { name: "h2", title: "HTTP/2 over TLS, 16 connections of 32 streams, 100 B", listener: Listener::Http2, path: SMALL, host: None, close: false, log: false, targets: Some((0.65, 0.52)) },
    Scenario { name: "grpc", title: "gRPC, unary, 100 B (h2 to h2c), 16 connections of 32 streams", listener: Listener::Grpc, path: CALL, host: None, close: false, log: false, targets: Some((0.70, 0.60)) },
    Scenario { name: "file-1k", title: "http, keep-alive, a file of 1 KiB", listener: Listener::Files, path: "/1k", host: None, close: false, log: false, targets: None },
    Scenario { name: "file-10k", title: "http, keep-alive, a file of 10 KiB", listener: Listener::Files, path: "/10k", host: None, close: false, log: false, targets: Some((0.90, 0.90)) },
    Scenario { name: "file-100k", title: "http, keep-alive, a file of 100 KiB", listener: Listener::Files, path: "/100k", host: None, close: false, log: false, targets: None },
    Scenario { name: "access-log", title: "http, keep-alive, 100 B, access log on", listener: Listener::Http, path: SMALL, host: None, close: false, log: true, targets: None },
];

/// What `--only` knows: the rows, and the parts that are no rows.
pub(super) fn names() -> PossibleValuesParser {
    let rows = SCENARIOS.iter().map(|scenario| scenario.name);
    PossibleValuesParser::new(rows.chain([
        "two-workers",
        "memory",
        "memory-tls",
        "latency",
        "many",
        "records",
    ]))
}
