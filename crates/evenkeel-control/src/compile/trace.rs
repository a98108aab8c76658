//! `[trace]`

use std::io;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::{Listener, Traces};
use evenkeel_core::trace::Tracing;
use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::edit::editable;
use super::table::{Reader, Wrong, wrong};
use super::value::{duration, share, text};
use super::{Bench, trust, word};
use crate::document::{Entry, Value};
use crate::finding::{Finding, Notes};

/// Where a receiver takes traces unless its URL says otherwise (OTLP 1.10, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// Where a receiver speaks gRPC, which is not spoken here.
const GRPC_PORT: u16 = 4317;

/// The time that OpenTelemetry's own exporters give a receiver.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Below it, a receiver on a busy machine would be sent everything twice.
const LEAST_TIMEOUT: Duration = Duration::from_millis(100);
/// Beyond it, a receiver that hangs would cost more than one that is away.
const MOST_TIMEOUT: Duration = Duration::from_mins(1);

/// What is sent as `service.name`.
const SERVICE_NAME: &str = "evenkeel";

/// A file of headers holds a token or two.
const MOST_FILE_BYTES: usize = 16 << 10;

/// What is known of the body, and what is a secret wherever it occurs.
const OWN_HEADERS: [&str; 2] = ["content-type", "content-encoding"];
const SECRET_HEADERS: [&str; 2] = ["authorization", "cookie"];

/// A receiver of spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSettings {
    endpoint: Uri,
    /// Whose signature is believed (PEM). `None`: it is spoken to in the clear.
    pub trusted: Option<Arc<[u8]>>,
    /// Sent with each batch; their values are not shown by `Debug`.
    pub headers: HeaderMap,
    /// How long one try of a batch may take.
    pub timeout: Duration,
    pub service_name: String,
}

impl ReceiverSettings {
    /// As the field `Host` has it.
    pub fn authority(&self) -> &str {
        self.endpoint.authority().map_or("", |authority| authority.as_str())
    }

    /// A name, or an address without brackets.
    pub fn host(&self) -> &str {
        self.endpoint.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    pub fn port(&self) -> u16 {
        let default = if self.endpoint.scheme_str() == Some("https") { 443 } else { 80 };
        self.endpoint.port_u16().unwrap_or(default)
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        match self.endpoint.path_and_query().map_or("/", |it| it.as_str()) {
            "/" => PATH,
            target => target,
        }
    }
}

/// What is done about traces on all of `listeners`, and who is told of their spans.
pub(super) fn traces(
    root: &mut Reader<'_>,
    listeners: &[Listener],
    bench: Bench<'_>,
) -> (Traces, Option<ReceiverSettings>) {
    let mut traces = Traces::default();
    let Some(mut reader) = root.table("trace") else { return (traces, None) };
    let tracing = |it: &Listener| it.protocol.http().map_or(Tracing::Off, |it| it.forwarding.trace);
    if listeners.iter().all(|listener| tracing(listener) == Tracing::Off) {
        let reason = "no listener looks at traces: this has no effect";
        let help = "say `forwarding = { trace = \"start\" }` in a listener";
        bench.notes.add(Finding::warning(reader.place, reason).help(help));
    }
    traces.sample = reader.read("sample", share).unwrap_or(traces.sample);
    let receiver = receiver(&mut reader, bench);
    traces.are_exported = receiver.is_some();
    reader.finish();
    (traces, receiver)
}

fn receiver(reader: &mut Reader<'_>, bench: Bench<'_>) -> Option<ReceiverSettings> {
    let Some(entry) = reader.entry("endpoint") else {
        let others = ["headers", "headers_file", "ca", "timeout", "service_name"];
        reader.misplaced(&others, "says nothing without an `endpoint`");
        return None;
    };
    let endpoint = reader.read("endpoint", |value| endpoint(value, bench));
    let is_secure = endpoint.as_ref().is_none_or(|it| it.scheme_str() == Some("https"));
    if endpoint.as_ref().is_some_and(|it| it.port_u16() == Some(GRPC_PORT)) {
        warn_of_grpc(entry, bench.notes);
    }
    let ca = reader.read("ca", |value| {
        let path = bench.surroundings.base.join(text(value)?);
        if is_secure {
            return trust::trusted(&path, "ca", bench);
        }
        Err(wrong("nobody signs anything for an endpoint that is spoken to in the clear")
            .help("say `https://` in `endpoint`, or remove `ca`"))
    });
    let trusted = match ca {
        None if is_secure && endpoint.is_some() => {
            trust::system(bench).map_err(|wrong| reader.fault(entry.value.place, wrong)).ok()
        }
        ca => ca,
    };
    let mut headers = HeaderMap::new();
    plain_headers(reader, &mut headers);
    let secrets = reader.read("headers_file", |value| secret_headers(value, bench));
    headers.extend(secrets.unwrap_or_default());
    let timeout = reader.read("timeout", |value| match duration(value)? {
        fits if (LEAST_TIMEOUT..=MOST_TIMEOUT).contains(&fits) => Ok(fits),
        _ => Err(wrong("out of range: 100 ms to 60 s")),
    });
    let name = reader.read("service_name", |value| match text(value)? {
        "" => Err(wrong("a service has a name").help("such as \"edge\"")),
        name => Ok(name.to_owned()),
    });
    Some(ReceiverSettings {
        endpoint: endpoint?,
        trusted,
        headers,
        timeout: timeout.unwrap_or(TIMEOUT),
        service_name: name.unwrap_or_else(|| SERVICE_NAME.to_owned()),
    })
}

fn endpoint(value: &Value, bench: Bench<'_>) -> Result<Uri, Wrong> {
    let written = text(value)?;
    if !bench.surroundings.exports_traces {
        return Err(wrong("this program was built without the export of traces")
            .help("remove `endpoint`, or build the program with `--features otel`"));
    }
    let help = "such as \"http://127.0.0.1:4318\" or \"https://collector.example/v1/traces\"";
    let reason = || wrong(format!("\"{written}\" is not the URL of a receiver")).help(help);
    let url: Uri = written.parse().map_err(|_not_a_url| reason())?;
    let is_known = matches!(url.scheme_str(), Some("http" | "https"));
    if !is_known || url.host().is_none_or(str::is_empty) || written.contains('#') {
        return Err(reason());
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        // It is not repeated: it may be a password.
        return Err(wrong("a user in the URL would be shown to whoever sees the configuration")
            .help("name a file with `authorization: Basic …` in `headers_file`"));
    }
    Ok(url)
}

fn warn_of_grpc(entry: &Entry, notes: &Notes) {
    let reason = format!("{GRPC_PORT} is the port of OTLP over gRPC: this program speaks HTTP");
    let help = "receivers take that on port 4318, unless they are told otherwise";
    notes.add(Finding::warning(entry.value.place, reason).help(help));
}

/// `{ x-scope-orgid = "shop" }`
fn plain_headers(reader: &mut Reader<'_>, headers: &mut HeaderMap) {
    let Some(table) = reader.table("headers") else { return };
    for entry in table.entries() {
        let name = header_name(&entry.key).and_then(|name| {
            if SECRET_HEADERS.contains(&name.as_str()) {
                return Err(wrong(format!(
                    "`{name}` is a secret, and this file is shown to others"
                ))
                .help("write it to a file that only this user may read, named by `headers_file`"));
            }
            Ok(name)
        });
        let name = name.map_err(|wrong| table.fault(entry.key_place, wrong));
        let value = word::header_value(&entry.value).and_then(|text| header_value(&text));
        let value = value.map_err(|wrong| table.fault(entry.value.place, wrong));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
}

/// A file with a header in each line, for this user's eyes only.
fn secret_headers(value: &Value, bench: Bench<'_>) -> Result<HeaderMap, Wrong> {
    let path = bench.surroundings.base.join(text(value)?);
    let shown = path.display();
    let content = (bench.surroundings.read_secret)(&path, MOST_FILE_BYTES).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("`chmod 600 {shown}`, and see that it is this user's")
            }
            _ => "a file with lines such as `authorization: Bearer …`".to_owned(),
        };
        wrong(format!("cannot read {shown}: {error}")).help(help)
    })?;
    let content = String::from_utf8_lossy(&content);
    let lines = (1..).zip(content.lines().map(str::trim));
    let mut headers = HeaderMap::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        // What stands in the line is not repeated: it is a secret.
        let header = line.split_once(':').ok_or_else(|| wrong("no `:` behind a name"));
        let header = header
            .and_then(|(name, value)| Ok((header_name(name.trim())?, header_value(value.trim())?)));
        let (name, value) = header.map_err(|it| {
            wrong(format!("{shown}, line {number}: {}", it.reason))
                .help("one header a line, such as `authorization: Bearer …`")
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn header_name(written: &str) -> Result<HeaderName, Wrong> {
    let name = editable(written)?;
    if OWN_HEADERS.contains(&&*name) {
        return Err(wrong(format!("`{name}` follows from what is sent")).help("remove it"));
    }
    HeaderName::try_from(&*name).map_err(|_long| wrong("the name of a header is too long"))
}

fn header_value(written: &str) -> Result<HeaderValue, Wrong> {
    let mut value =
        HeaderValue::from_str(written).map_err(|_odd| wrong("a header cannot have this value"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
