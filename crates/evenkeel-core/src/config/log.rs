//! The access log: one line an exchange.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::share::Share;

/// One line per exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    pub format: LogFormat,
    pub to: LogTarget,
    /// Of the exchanges that neither failed nor were slow, those that are written. `None`: all.
    pub sample: Option<Share>,
}

impl AccessLog {
    /// Whether the line of an exchange is written that neither failed nor was slow.
    pub fn keeps(&self, chance: impl FnOnce() -> u64) -> bool {
        self.sample.is_none_or(|share| share.takes(chance()))
    }
}

/// Where access log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    Stdout,
    /// Appended to; opened anew on every reload, so that it can be rotated.
    File(PathBuf),
    Syslog(SyslogTarget),
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
            Self::Syslog(SyslogTarget { to: SyslogAddress::Unix(path), .. }) => {
                write!(f, "syslog at {}", path.display())
            }
            Self::Syslog(SyslogTarget { to: SyslogAddress::Udp(to), .. }) => {
                write!(f, "syslog at udp:{to}")
            }
            Self::Syslog(SyslogTarget { to: SyslogAddress::Tcp(to), .. }) => {
                write!(f, "syslog at tcp:{to}")
            }
        }
    }
}

/// Who gets lines as messages of syslog (RFC 5424), and what they say of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogTarget {
    pub to: SyslogAddress,
    /// 0 to 23 (RFC 5424 §6.2.1). Default 16, called `local0`.
    pub facility: u8,
    /// `HOSTNAME`, and `APP-NAME`: visible ASCII.
    pub host: Arc<str>,
    pub tag: Arc<str>,
    pub form: SyslogForm,
}

/// How a message of syslog begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogForm {
    /// With version, full time and all of its parts. Default over UDP and TCP.
    Rfc5424,
    /// As the C library writes it, which is all that most receivers read at a socket of their
    /// machine. Default there.
    Rfc3164,
}

/// Where a receiver of syslog is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A socket of datagrams on this machine.
    Unix(PathBuf),
    /// RFC 5426.
    Udp(SocketAddr),
    /// Messages after their lengths (RFC 6587 §3.4.1).
    Tcp(SocketAddr),
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
