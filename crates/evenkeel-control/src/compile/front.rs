//! What an https listener adds: certificates, whom they are shown to, and who is asked for one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_core::certificate::{Facts, KeyKind, expiry};
use evenkeel_core::config::{
    Action, CertificateFiles, CertificateSource, CipherSuite, ClientAuth, Forwarding, Front,
    HostPattern, Http, HttpLimits, Listener, Protocol, Redirect, TlsVersion,
};
use evenkeel_core::message::header::Name;
use evenkeel_core::template::{Fact, Part, Template};
use evenkeel_engine::PairError;

use super::listener::routes;
use super::table::{Reader, Wrong, note, wrong};
use super::value::{Choice, age, boolean, expected, integer, text};
use super::{Bench, acme, trust, word};
use crate::document::{Kind, Value};
use crate::finding::{Finding, Place};

/// A certificate or key is far smaller; a file beyond this is another one.
const MOST_BYTES: usize = 256 * 1024;

/// What browsers are told when nobody says for how long: a year, what preload lists ask for.
const HSTS_AGE: Duration = Duration::from_hours(365 * 24);

const VERSION: Choice<TlsVersion> =
    Choice { words: &[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)], later: &[] };

const ALPN: Choice<&str> =
    Choice { words: &[("h2", "h2"), ("http/1.1", "http/1.1")], later: &["h3"] };

/// `true`: who has none is refused.
const MODE: Choice<bool> = Choice { words: &[("require", true), ("request", false)], later: &[] };

/// Keys that only an https listener has.
pub(super) const KEYS: [&str; 10] = [
    "certificates",
    "default_certificate",
    "strict_sni",
    "versions",
    "ciphers",
    "alpn",
    "client_auth",
    "max_handshakes",
    "redirect_http",
    "hsts",
];

/// A certificate with what it says, and where it was named.
#[derive(Debug)]
struct Named {
    source: CertificateSource,
    facts: Facts,
    place: Place,
}

/// How the listener shows itself; `None` when it has no certificate that can be used.
pub(super) fn front(
    reader: &mut Reader<'_>,
    bench: Bench<'_>,
) -> Option<(Front, Option<Arc<str>>)> {
    let named = certificates(reader, bench);
    let default_certificate = default_certificate(reader, &named);
    warn_of_uncovered(reader, bench, &named);
    let versions = versions(reader);
    let ciphers = ciphers(reader, &versions);
    let (client_auth, subject) = client_auth(reader, bench);
    let max_handshakes = reader.read("max_handshakes", integer(1..=1_000_000_u32));
    let front = Front {
        default_certificate,
        strict_sni: reader.read("strict_sni", boolean).unwrap_or(false),
        versions,
        ciphers,
        alpn: alpn(reader),
        client_auth,
        max_handshakes: max_handshakes.unwrap_or(Front::MAX_HANDSHAKES),
        certificates: named.into_iter().map(|it| it.source).collect(),
    };
    (!front.certificates.is_empty()).then_some((front, subject))
}

fn certificates(reader: &mut Reader<'_>, bench: Bench<'_>) -> Vec<Named> {
    let help = "such as `certificates = [{ chain = \"site.pem\", key = \"site.key\" }]`";
    reader.need("certificates", help, |_| Ok(()));
    if let Some(entry) = reader.entry("certificates")
        && acme::is_short(&entry.value)
    {
        let place = entry.value.place;
        let hosts = acme::hosts(reader, place);
        let ordered = hosts.into_iter().filter_map(|it| ordered(reader, place, vec![it], bench));
        return ordered.collect();
    }
    let listed = reader.filled("certificates", help, Ok);
    let mut named: Vec<Named> = Vec::new();
    for (place, value) in listed.into_iter().flatten() {
        if named.len() == Front::MOST_CERTIFICATES {
            let most = Front::MOST_CERTIFICATES;
            reader.fault(place, wrong(format!("at most {most} certificates in a listener")));
            break;
        }
        let Some(mut one) = reader.item(value, "certificates") else { continue };
        if one.entry("acme").is_some() {
            let names = acme::names(&mut one);
            named.extend(names.and_then(|names| ordered(&one, place, names, bench)));
            one.finish();
            continue;
        }
        let read = files(&mut one, bench);
        one.finish();
        let Some((files, facts)) = read else { continue };
        let twin = named
            .iter()
            .find(|other| other.facts.key == facts.key && other.facts.names == facts.names);
        if let Some(twin) = twin {
            let reason = "another certificate has the same names and the same kind of key: this one \
                          is never shown";
            bench.notes.add(Finding::fault(place, reason).also(twin.place, "shown instead"));
        }
        warn_of_use(place, &facts, bench);
        named.push(Named { source: CertificateSource::File(files), facts, place });
    }
    named
}

/// One that comes from an authority. What it will say is known before it is there.
fn ordered(
    reader: &Reader<'_>,
    place: Place,
    names: Vec<Arc<str>>,
    bench: Bench<'_>,
) -> Option<Named> {
    let Some(folder) = bench.acme else {
        let help = "add `[acme]` with `agree_to_terms = true`";
        reader.fault(place, wrong("nothing says from whom certificates are ordered").help(help));
        return None;
    };
    let files = acme::files(folder, names.first()?);
    let facts = Facts {
        names: names.clone(),
        addresses: Vec::new(),
        not_before: 0,
        not_after: i64::MAX,
        key: KeyKind::Ecdsa,
        subject: Box::default(),
        issuer: Box::default(),
        serial: Box::default(),
    };
    Some(Named { source: CertificateSource::Acme { names, files }, facts, place })
}

pub(super) fn files(one: &mut Reader<'_>, bench: Bench<'_>) -> Option<(CertificateFiles, Facts)> {
    let path = |value: &Value| text(value).map(|path| bench.surroundings.base.join(path));
    let chain_place = one.entry("chain").map_or(one.place, |entry| entry.value.place);
    let key_place = one.entry("key").map_or(one.place, |entry| entry.value.place);
    let help = "the certificate and those that lead up to an authority: `chain = \"site.pem\"`";
    let chain = one.need("chain", help, path);
    let key = one.need("key", "its private key: `key = \"site.key\"`", path);
    let ocsp_place = one.entry("ocsp").map_or(one.place, |entry| entry.value.place);
    let ocsp = one.read("ocsp", path);
    let (chain, key) = (chain?, key?);
    let chain_bytes = note(bench.notes, chain_place, read(&chain, bench));
    let key_bytes = note(bench.notes, key_place, read(&key, bench));
    if let Some(ocsp) = &ocsp {
        note(bench.notes, ocsp_place, read(ocsp, bench));
    }
    match evenkeel_engine::examine(&chain_bytes?, &key_bytes?) {
        Ok(facts) => Some((CertificateFiles { chain, key, ocsp }, facts)),
        Err(error) => {
            let (place, path) =
                if error.is_in_key() { (key_place, &key) } else { (chain_place, &chain) };
            one.fault(place, useless(&error, path));
            None
        }
    }
}

fn read(path: &Path, bench: Bench<'_>) -> Result<Vec<u8>, Wrong> {
    let read = (bench.surroundings.read)(path, MOST_BYTES);
    read.map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))
}

fn useless(error: &PairError, path: &Path) -> Wrong {
    let shown = path.display();
    let wrong = wrong(format!("{shown} {error}"));
    match error {
        PairError::Mismatch => wrong.help("name the key that the certificate was made for"),
        PairError::Order { .. } | PairError::LeafNotFirst { .. } => wrong.help(
            "put the certificate of the server first, then each one that signed the one before",
        ),
        PairError::EncryptedKey => {
            wrong.help(format!("decrypt it: `openssl pkey -in {shown} -out FILE`, mode 0600"))
        }
        _ => wrong,
    }
}

fn warn_of_use(place: Place, facts: &Facts, bench: Bench<'_>) {
    let now = (bench.surroundings.now)().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let warn = |reason: String, help: &str| {
        bench.notes.add(Finding::warning(place, reason).help(help));
    };
    if facts.not_after < now {
        let days = expiry::days(facts.not_after, now);
        warn(format!("this certificate expired {days} days ago"), "clients refuse it: renew it");
    } else if facts.not_before > now {
        let days = expiry::days(facts.not_before, now);
        let reason = format!("this certificate is valid only in {days} days");
        warn(reason, "clients refuse it until then; is the clock of this machine right?");
    }
    if facts.names.is_empty() && facts.addresses.is_empty() {
        let reason = "this certificate has no alternative names: clients accept it for no host";
        warn(reason.to_owned(), "make one with a `subjectAltName`");
    }
}

fn default_certificate(reader: &mut Reader<'_>, named: &[Named]) -> Option<Arc<str>> {
    reader.read("default_certificate", |value| {
        let name = text(value)?.to_ascii_lowercase();
        if named.is_empty() || named.iter().any(|it| it.facts.covers(&name)) {
            return Ok(name.into());
        }
        Err(wrong(format!("no certificate here is for \"{name}\"")).help(all_names(named)))
    })
}

fn all_names(named: &[Named]) -> String {
    const MOST_SHOWN: usize = 8;
    let mut names: Vec<&str> = Vec::new();
    for name in named.iter().flat_map(|it| &it.facts.names) {
        if names.len() < MOST_SHOWN && !names.contains(&&**name) {
            names.push(name);
        }
    }
    format!("they are for: {}", names.join(", "))
}

/// Hosts of routes that no client can ask for without being shown another host's certificate.
fn warn_of_uncovered(reader: &mut Reader<'_>, bench: Bench<'_>, named: &[Named]) {
    if named.is_empty() {
        return;
    }
    for mut route in routes(reader) {
        let Some(entry) = route.entry("host") else { continue };
        let Ok(pattern) = word::host_pattern(&entry.value) else { continue };
        let covered = |facts: &Facts| match &pattern {
            HostPattern::Exact(name) => facts.covers(name),
            HostPattern::Suffix(suffix) => facts.names.iter().any(|name| name.ends_with(&**suffix)),
        };
        if !named.iter().any(|it| covered(&it.facts)) {
            let reason = "no certificate of this listener is for this host";
            let finding = Finding::warning(entry.value.place, reason);
            bench.notes.add(finding.help(all_names(named)));
        }
    }
}

fn versions(reader: &mut Reader<'_>) -> Vec<TlsVersion> {
    let help = "leave `versions` out for 1.2 and 1.3";
    let given = reader.filled("versions", help, |value| VERSION.read(value));
    match given {
        Some(given) if !given.is_empty() => given.into_iter().map(|(_, version)| version).collect(),
        _ => vec![TlsVersion::V12, TlsVersion::V13],
    }
}

fn ciphers(reader: &mut Reader<'_>, versions: &[TlsVersion]) -> Vec<CipherSuite> {
    let choice = Choice { words: &CipherSuite::NAMES, later: &[] };
    let help = "leave `ciphers` out for all that are safe";
    let Some(given) = reader.filled("ciphers", help, |value| choice.read(value)) else {
        return Vec::new();
    };
    let has = |version: &TlsVersion| given.iter().any(|(_, suite)| suite.version() == *version);
    if let Some(lacking) = versions.iter().find(|version| !has(version))
        && let Some((place, _)) = given.first()
    {
        let name = VERSION.words.iter().find(|(_, it)| it == lacking).map_or("", |(name, _)| name);
        let reason = format!("none of these ciphers is one of TLS {name}");
        let help = format!("add one, or leave {name} out of `versions`");
        reader.fault(*place, wrong(reason).help(help));
    }
    given.into_iter().map(|(_, suite)| suite).collect()
}

fn alpn(reader: &mut Reader<'_>) -> Vec<Arc<str>> {
    let help = "leave `alpn` out for all this listener speaks";
    let given = reader.filled("alpn", help, |value| ALPN.read(value));
    let given = given.map(|given| given.into_iter().map(|(_, word)| Arc::from(word)).collect());
    given.unwrap_or_else(|| vec!["h2".into(), "http/1.1".into()])
}

/// What is asked of clients, and the header in which servers are told.
fn client_auth(
    listener: &mut Reader<'_>,
    bench: Bench<'_>,
) -> (Option<ClientAuth>, Option<Arc<str>>) {
    let Some(mut reader) = listener.table("client_auth") else { return (None, None) };
    let mode = reader.need("mode", "`\"require\"` or `\"request\"`", |value| MODE.read(value));
    let help = "a file with the certificates (PEM) of who signs those of clients";
    let trusted = reader.need("ca", help, |value| {
        trust::trusted(&bench.surroundings.base.join(text(value)?), "ca", bench)
    });
    let header = reader.read("header", |value| {
        let name = word::header_name(text(value)?)?;
        match Name::of(name.as_bytes()) {
            Name::Other => Ok(name),
            _ => Err(wrong(format!("`{name}` means something else already"))
                .help("such as \"x-client-subject\"")),
        }
    });
    reader.finish();
    let auth = mode.zip(trusted).map(|(required, trusted)| ClientAuth { required, trusted });
    (auth, header)
}

/// `hsts = true`, or `{ max_age = "365d", include_subdomains = true, preload = true }`
pub(super) fn hsts(listener: &mut Reader<'_>) -> Option<Arc<str>> {
    let entry = listener.entry("hsts")?;
    match &entry.value.kind {
        Kind::Boolean(on) => on.then(|| hsts_value(HSTS_AGE, false, false)),
        Kind::Table(_) => {
            let mut reader = listener.inner(entry)?;
            let given = reader.read("max_age", age).unwrap_or(HSTS_AGE);
            let subdomains = reader.read("include_subdomains", boolean).unwrap_or(false);
            let preload = reader.read("preload", boolean).unwrap_or(false);
            if preload && (!subdomains || given < HSTS_AGE) {
                let reason = "lists of preloaded hosts take only those with `include_subdomains` \
                              and a `max_age` of a year";
                reader.fault(entry.value.place, wrong(reason));
            }
            reader.finish();
            Some(hsts_value(given, subdomains, preload))
        }
        _ => {
            let wrong = expected("true or a table", &entry.value);
            listener
                .fault(entry.value.place, wrong.help("such as `hsts = { max_age = \"365d\" }`"));
            None
        }
    }
}

fn hsts_value(age: Duration, subdomains: bool, preload: bool) -> Arc<str> {
    let subdomains = if subdomains { "; includeSubDomains" } else { "" };
    let preload = if preload { "; preload" } else { "" };
    format!("max-age={}{subdomains}{preload}", age.as_secs()).into()
}

/// The listener that answers those who come in the clear: 308 to the one behind TLS.
pub(super) fn redirecting(https: &Listener, at: std::net::SocketAddr) -> Listener {
    let port = https.bind.first().map_or(443, std::net::SocketAddr::port);
    let text = |text: String| Part::Text(text.into());
    let mut to = vec![text("https://".to_owned()), Part::Fact(Fact::Host)];
    // Port 0 is another one each time: nobody asks for it but tests.
    if !matches!(port, 0 | 443) {
        to.push(text(format!(":{port}")));
    }
    to.push(Part::Fact(Fact::Path));
    let to = Template::new(to);
    let http = Http {
        routes: Arc::default(),
        default: Some(Action::Redirect(Redirect { to, status: 308 })),
        methods: None,
        compress: None,
        trusted_proxies: Vec::new(),
        forwarding: Forwarding::default(),
        limits: HttpLimits::default(),
        body_bytes: None,
        error_pages: Vec::new(),
        hsts: None,
        client_subject: None,
        h2c: false,
        reserved: Vec::new(),
    };
    Listener {
        name: redirecting_name(&https.name),
        bind: vec![at],
        protocol: Protocol::Http(Box::new(http)),
        max_connections: https.max_connections,
        timeouts: https.timeouts.clone(),
        proxy_protocol: https.proxy_protocol.clone(),
        guard: https.guard.clone(),
        connections_per_source: https.connections_per_source,
    }
}

/// `front` has `front:redirect` beside it.
pub(super) fn redirecting_name(https: &str) -> Arc<str> {
    format!("{https}:redirect").into()
}

#[cfg(test)]
mod tests;
