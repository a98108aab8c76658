//! The access log: one line an exchange.

use std::path::PathBuf;
use std::sync::Arc;

/// One line per exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    pub format: LogFormat,
    pub to: LogTarget,
}

/// Where access log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    Stdout,
    /// Appended to; opened anew on every reload, so that it can be rotated.
    File(PathBuf),
}

/// How an access log line is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The combined format of Apache and nginx.
    Combined,
    /// One JSON object a line, with every [`LogField`].
    Json,
    /// `{client} {method} {path} {status}`, split at its placeholders.
    Template(Vec<LogPart>),
}

/// A piece of a log template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    Text(Arc<str>),
    Field(LogField),
}

/// What a log line can tell of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogField {
    /// Address of the client, as believed from trusted proxies.
    Client,
    /// Its port on the connection.
    ClientPort,
    /// When the request began, in UTC, RFC 3339 with milliseconds.
    Time,
    Listener,
    Route,
    Pool,
    Server,
    Method,
    Host,
    /// Target as the client sent it, escaped.
    Path,
    Version,
    Status,
    /// Bytes of the answer's body sent to the client.
    Bytes,
    Referer,
    UserAgent,
    RequestId,
    /// From an incoming `traceparent`, if there was one.
    TraceId,
    /// Milliseconds: receiving the request head.
    TimeRequest,
    /// Milliseconds: waiting in a queue.
    TimeWait,
    /// Milliseconds: connecting to the server.
    TimeConnect,
    /// Milliseconds: from the request sent to the head of the answer.
    TimeResponse,
    /// Milliseconds: all of it.
    TimeActive,
    /// `HAProxy`'s two letters; `--` for a good end.
    Termination,
    /// Further tries after the first.
    Retries,
}

impl LogField {
    /// Every field with its name in templates and JSON.
    pub const NAMES: [(&'static str, Self); 24] = [
        ("time", Self::Time),
        ("client", Self::Client),
        ("client_port", Self::ClientPort),
        ("listener", Self::Listener),
        ("route", Self::Route),
        ("pool", Self::Pool),
        ("server", Self::Server),
        ("method", Self::Method),
        ("host", Self::Host),
        ("path", Self::Path),
        ("version", Self::Version),
        ("status", Self::Status),
        ("bytes", Self::Bytes),
        ("referer", Self::Referer),
        ("user_agent", Self::UserAgent),
        ("request_id", Self::RequestId),
        ("trace_id", Self::TraceId),
        ("TR", Self::TimeRequest),
        ("Tw", Self::TimeWait),
        ("Tc", Self::TimeConnect),
        ("Tr", Self::TimeResponse),
        ("Ta", Self::TimeActive),
        ("termination", Self::Termination),
        ("retries", Self::Retries),
    ];
}
