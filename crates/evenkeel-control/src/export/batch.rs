//! Exchanges as the spans of OpenTelemetry: one of this node as a server, and one as a client for
//! each try. A batch of them is the body of a request.
//!
//! The attributes are those of OpenTelemetry's conventions for HTTP (1.43); what these have no name
//! for begins with `evenkeel.`. The numbers of fields are those of `opentelemetry-proto` 1.10.

use std::time::{Duration, SystemTime};

use evenkeel_core::fault::{Blame, Fault};
use evenkeel_engine::{TracedExchange, TracedTry, TryEnd};

use super::protobuf::Message;

/// Spans after which a batch is sent: what OpenTelemetry's own exporters put in one.
const MOST_SPANS: u64 = 512;

/// Bytes after which it is sent, whatever clients had to say: far below the 20 MiB that the
/// collector takes.
const MOST_BYTES: usize = 1 << 20;

/// The methods that the conventions know; any other one is `_OTHER` to them.
const METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// Of `Span.flags`, beside those of the trace: it is known whether the parent is in another
/// program, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// `SpanKind`
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// `Status.code`
const ERROR: u64 = 2;

/// Spans that wait for others.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The field `spans` of a `ScopeSpans`, many times.
    spans: Message,
    count: u64,
}

impl Batch {
    pub(super) fn add(&mut self, exchange: &TracedExchange) {
        self.spans.message(2, |span| of_exchange(span, exchange));
        for one in &exchange.tries {
            self.spans.message(2, |span| of_try(span, exchange, one));
        }
        self.count += 1 + exchange.tries.len() as u64;
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= MOST_SPANS || self.spans.0.len() >= MOST_BYTES
    }

    /// Spans in it.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn clear(&mut self) {
        self.spans.0.clear();
        self.count = 0;
    }

    /// An `ExportTraceServiceRequest` by the node of this name.
    pub(super) fn request(&self, service: &str, node: &str) -> Vec<u8> {
        let version = env!("CARGO_PKG_VERSION");
        let mut request = Message::default();
        request.message(1, |all| {
            all.message(1, |resource| {
                let mut attributes = Attributes { of: resource, field: 1 };
                attributes.text("service.name", service);
                attributes.text("service.version", version);
                attributes.text("service.instance.id", node);
            });
            all.message(2, |scoped| {
                scoped.message(1, |scope| {
                    scope.bytes(1, b"evenkeel");
                    scope.bytes(2, version.as_bytes());
                });
                scoped.0.extend_from_slice(&self.spans.0);
            });
        });
        request.0
    }
}

fn of_exchange(span: &mut Message, it: &TracedExchange) {
    span.bytes(1, &it.trace.id.bytes());
    span.bytes(2, &it.span.bytes());
    if let Some(parent) = it.trace.parent {
        span.bytes(4, &parent.bytes());
    }
    let method = known(&it.method).unwrap_or("HTTP");
    let name = format!("{method} {}", it.route);
    span.bytes(5, name.trim_end().as_bytes());
    span.number(6, SERVER);
    times(span, (it.began, it.took));
    let mut attributes = Attributes { of: span, field: 9 };
    attributes.method(&it.method);
    attributes.text("url.scheme", it.scheme);
    let (path, query) = it.target.split_once('?').unwrap_or((&it.target, ""));
    attributes.text("url.path", path);
    attributes.text("url.query", query);
    let (host, port) = authority(&it.host);
    attributes.text("server.address", host);
    attributes.number("server.port", port);
    attributes.text("client.address", &it.client.to_string());
    attributes.number("client.port", Some(it.client_port));
    attributes.text("network.protocol.version", protocol_version(it.version));
    attributes.text("user_agent.original", &it.user_agent);
    attributes.text("http.route", &it.route);
    attributes.text("evenkeel.listener", &it.listener);
    let errors = (it.status.filter(|it| *it >= 500), it.fault.filter(|it| it.is_error()));
    attributes.outcome((it.status, it.fault), errors);
    let remote = if it.trace.parent.is_some() { IS_REMOTE } else { 0 };
    span.fixed32(16, u32::from(it.trace.flags) | HAS_IS_REMOTE | remote);
}

fn of_try(span: &mut Message, it: &TracedExchange, one: &TracedTry) {
    span.bytes(1, &it.trace.id.bytes());
    span.bytes(2, &one.span.bytes());
    span.bytes(4, &it.span.bytes());
    span.bytes(5, known(&one.method).unwrap_or("HTTP").as_bytes());
    span.number(6, CLIENT);
    times(span, (one.began, one.took));
    let mut attributes = Attributes { of: span, field: 9 };
    attributes.method(&one.method);
    attributes.text("url.full", &format!("{}://{}{}", one.scheme, one.address, one.target));
    attributes.text("server.address", &one.address.ip().to_string());
    attributes.number("server.port", Some(one.address.port()));
    if one.before > 0 {
        attributes.number("http.request.resend_count", Some(one.before.into()));
    }
    attributes.text("evenkeel.pool", &one.pool);
    attributes.text("evenkeel.server", &one.server);
    let fault = match one.end {
        TryEnd::Answered => None,
        TryEnd::Failed(fault) => Some(fault),
        TryEnd::GivenUp => {
            attributes.flag("evenkeel.given_up");
            None
        }
    };
    let is_failure = |fault: &Fault| fault.verdict().blame != Blame::Client;
    let errors = (one.status.filter(|it| *it >= 400), fault.filter(is_failure));
    attributes.outcome((one.status, fault), errors);
    span.fixed32(16, u32::from(it.trace.flags) | HAS_IS_REMOTE);
}

fn times(span: &mut Message, (began, took): (SystemTime, Duration)) {
    let nanos = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    };
    span.fixed64(7, nanos(began));
    span.fixed64(8, nanos(began + took));
}

fn known(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method)
}

/// `1.1` of `HTTP/1.1`; the second has no point.
fn protocol_version(written: &str) -> &str {
    match written.strip_prefix("HTTP/") {
        Some("2.0") => "2",
        Some(version) => version,
        None => "",
    }
}

/// Host and port of `shop.example:8080`.
fn authority(written: &str) -> (&str, Option<u16>) {
    let (host, port) = match written.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
        _ => (written, None),
    };
    (host.trim_matches(['[', ']']), port)
}

/// The field `attributes` of a message: a list of `KeyValue`.
struct Attributes<'m> {
    of: &'m mut Message,
    field: u64,
}

impl Attributes<'_> {
    /// Nothing, if `value` is empty.
    fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.put(key, |any| any.bytes(1, value.as_bytes()));
        }
    }

    /// Nothing, if `value` is 0.
    fn number(&mut self, key: &str, value: Option<u16>) {
        if let Some(value) = value.filter(|value| *value > 0) {
            self.put(key, |any| any.number(3, value.into()));
        }
    }

    fn flag(&mut self, key: &str) {
        self.put(key, |any| any.number(2, 1));
    }

    fn put(&mut self, key: &str, write: impl FnOnce(&mut Message)) {
        self.of.message(self.field, |attribute| {
            attribute.bytes(1, key.as_bytes());
            attribute.message(2, write);
        });
    }

    fn method(&mut self, method: &str) {
        let key = "http.request.method";
        if let Some(known) = known(method) {
            self.text(key, known);
        } else {
            self.text(key, "_OTHER");
            self.text("http.request.method_original", method);
        }
    }

    /// Status and fault, and the span's own status where one of them is an error: of what went well,
    /// or failed by the client's own doing, it says nothing.
    fn outcome(
        &mut self,
        (status, fault): (Option<u16>, Option<Fault>),
        errors: (Option<u16>, Option<Fault>),
    ) {
        self.number("http.response.status_code", status);
        if let Some(fault) = fault {
            self.text("evenkeel.termination", fault.verdict().code);
        }
        match errors {
            (_, Some(fault)) => self.text("error.type", fault.label()),
            (Some(status), None) => self.text("error.type", &status.to_string()),
            (None, None) => return,
        }
        self.of.message(15, |status| {
            let words = errors.1.map(|fault| fault.to_string()).unwrap_or_default();
            status.bytes(2, words.as_bytes());
            status.number(3, ERROR);
        });
    }
}

#[cfg(test)]
mod tests;
