//! `[pool.NAME.check]` and `[pool.NAME.agent]`

use std::sync::Arc;

use evenkeel_core::config::{
    Agent, AgentCheck, Check, CheckKind, ExecCheck, GrpcCheck, HttpCheck, InitialState, Talk,
    TlsCheck,
};

use super::table::{Reader, Wrong, wrong};
use super::value::{Choice, boolean, duration, integer, percent, text};
use super::{Bench, trust, word};
use crate::document::{Kind, Value};

/// What is said or looked for: longer texts are files.
const MOST_TEXT_BYTES: usize = 4096;
/// Arguments of a program.
const MOST_ARGUMENTS: usize = 64;

/// What a check does, without the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Tcp,
    Http,
    Deep,
    Grpc,
    Tls,
    Exec,
    Agent,
}

const KIND: Choice<Does> = Choice {
    words: &[
        ("tcp", Does::Tcp),
        ("http", Does::Http),
        ("deep", Does::Deep),
        ("grpc", Does::Grpc),
        ("tls", Does::Tls),
        ("exec", Does::Exec),
        ("agent", Does::Agent),
    ],
    later: &[],
};

/// Keys that some kinds have, with those kinds.
const KEYS: [(&str, &[Does], &str); 13] = [
    ("send", &[Does::Tcp, Does::Agent], "`tcp` or `agent`"),
    ("method", &[Does::Http, Does::Deep], "`http` or `deep`"),
    ("path", &[Does::Http, Does::Deep], "`http` or `deep`"),
    ("host", &[Does::Http, Does::Deep, Does::Grpc], "`http`, `deep` or `grpc`"),
    ("headers", &[Does::Http, Does::Deep], "`http` or `deep`"),
    ("expect", &[Does::Tcp, Does::Http], "`tcp` or `http`"),
    ("body", &[Does::Http], "`http`"),
    ("service", &[Does::Grpc], "`grpc`"),
    ("server_name", &[Does::Tls], "`tls`"),
    ("verify", &[Does::Tls], "`tls`"),
    ("trusted", &[Does::Tls], "`tls`"),
    ("expiry_warning", &[Does::Tls], "`tls`"),
    ("command", &[Does::Exec], "`exec`"),
];

/// On by default: a check that nobody asked for costs a connection, a missing one an outage.
pub(super) fn check(pool: &mut Reader<'_>, bench: Bench<'_>) -> Option<Check> {
    let Some(entry) = pool.entry("check") else { return Some(Check::default()) };
    match entry.value.kind {
        Kind::Boolean(false) => None,
        Kind::Boolean(true) => Some(Check::default()),
        _ => pool.inner(entry).map(|reader| check_of(reader, bench)),
    }
}

/// `[pool.NAME.agent]`: beside `check`, which must be of another kind.
pub(super) fn agent(pool: &mut Reader<'_>, check: Option<&Check>) -> Option<Agent> {
    let mut reader = pool.table("agent")?;
    if check.is_some_and(|check| matches!(check.kind, CheckKind::Agent(_))) {
        let help = "remove `agent`, or give `check` another kind, or `check = false`";
        reader.fault(reader.place, wrong("the check asks the agent already").help(help));
    }
    let help = "agents listen on a port of their own: `port = 8081`";
    let mut agent = Agent::new(reader.need("port", help, integer(1..=u16::MAX)).unwrap_or(1));
    agent.send = reader.read("send", words);
    for (key, target) in [("interval", &mut agent.interval), ("timeout", &mut agent.timeout)] {
        if let Some(given) = reader.read(key, duration) {
            *target = given;
        }
    }
    reader.finish();
    Some(agent)
}

fn check_of(mut reader: Reader<'_>, bench: Bench<'_>) -> Check {
    let does = reader.read("kind", |value| KIND.read(value)).unwrap_or(Does::Tcp);
    for (key, kinds, named) in KEYS {
        if !kinds.contains(&does) {
            reader.misplaced(&[key], &format!("belongs to a check of kind {named}"));
        }
    }
    let kind = match does {
        Does::Tcp => talk(&mut reader),
        Does::Http => CheckKind::Http(http(&mut reader, does)),
        Does::Deep => CheckKind::Deep(http(&mut reader, does)),
        Does::Grpc => CheckKind::Grpc(grpc(&mut reader)),
        Does::Tls => CheckKind::Tls(tls(&mut reader, bench)),
        Does::Exec => exec(&mut reader, bench).map_or(CheckKind::Tcp, CheckKind::Exec),
        Does::Agent => CheckKind::Agent(AgentCheck { send: reader.read("send", words) }),
    };
    let mut check = Check { kind, ..Check::default() };
    check.port = if does == Does::Agent {
        let help = "agents listen on a port of their own: `port = 8081`";
        reader.need("port", help, integer(1..=u16::MAX))
    } else {
        reader.read("port", integer(1..=u16::MAX))
    };
    pace(&mut reader, &mut check);
    reader.finish();
    check
}

fn pace(reader: &mut Reader<'_>, check: &mut Check) {
    for (key, target) in [
        ("interval", &mut check.interval),
        ("fast", &mut check.fast),
        ("down", &mut check.down),
        ("timeout", &mut check.timeout),
    ] {
        if let Some(given) = reader.read(key, duration) {
            *target = given;
        }
    }
    for (key, target) in [("rise", &mut check.rise), ("fall", &mut check.fall)] {
        if let Some(given) = reader.read(key, integer(1..=100_u8)) {
            *target = given;
        }
    }
    if let Some(jitter) = reader.read("jitter", percent(0..=50)) {
        check.jitter_percent = jitter;
    }
    let states =
        Choice { words: &[("up", InitialState::Up), ("down", InitialState::Down)], later: &[] };
    if let Some(initial) = reader.read("initial", |value| states.read(value)) {
        check.initial = Some(initial);
    }
}

fn talk(reader: &mut Reader<'_>) -> CheckKind {
    let talk = Talk { send: reader.read("send", words), expect: reader.read("expect", words) };
    if talk == Talk::default() { CheckKind::Tcp } else { CheckKind::Talk(talk) }
}

fn http(reader: &mut Reader<'_>, does: Does) -> HttpCheck {
    let mut check = HttpCheck::default();
    if let Some(method) = reader.read("method", word::method) {
        check.method = method;
    }
    if let Some(path) = reader.read("path", path) {
        check.path = path;
    }
    check.host = reader.read("host", host);
    check.headers = headers(reader);
    if does == Does::Http {
        if let Some(expect) = reader.read("expect", word::statuses) {
            check.expect = expect;
        }
        check.body = reader.read("body", words);
    }
    check
}

fn path(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    let (before_query, _) = written.split_once('?').unwrap_or((written, ""));
    word::path(before_query)?;
    word::path(&written.replace('?', "/")).map(|_| written.into())
}

fn host(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    let fits = !written.is_empty() && written.bytes().all(|b| b.is_ascii_graphic());
    let wrong = || wrong(format!("\"{written}\" is not a host")).help("such as \"app.internal\"");
    fits.then(|| written.into()).ok_or_else(wrong)
}

/// Headers of the request, other than those that say where it ends.
fn headers(reader: &mut Reader<'_>) -> Vec<(Arc<str>, Arc<str>)> {
    let Some(table) = reader.table("headers") else { return Vec::new() };
    let mut headers = Vec::new();
    for entry in table.entries() {
        let name = word::header_name(&entry.key).and_then(|name| match &*name {
            "host" | "connection" | "content-length" | "transfer-encoding" | "expect"
            | "upgrade" => {
                let help =
                    if &*name == "host" { "write `host` beside `headers`" } else { "remove it" };
                Err(wrong(format!("`{name}` is set by the check itself")).help(help))
            }
            _ if headers.len() == HttpCheck::MOST_HEADERS => {
                Err(wrong(format!("at most {} headers", HttpCheck::MOST_HEADERS)))
            }
            _ => Ok(name),
        });
        match (name, word::header_value(&entry.value)) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            (Err(wrong), _) => table.fault(entry.key_place, wrong),
            (_, Err(wrong)) => table.fault(entry.value.place, wrong),
        }
    }
    headers
}

fn grpc(reader: &mut Reader<'_>) -> GrpcCheck {
    let service = reader.read("service", |value| {
        let written = text(value)?;
        let fits = |c: char| c.is_ascii_graphic() && c != '/';
        if written.len() <= MOST_TEXT_BYTES && written.chars().all(fits) {
            Ok(written.into())
        } else {
            let help = "its whole name, such as \"shop.v1.Cart\"; \"\" means the server as a whole";
            Err(wrong(format!("\"{written}\" is not the name of a service")).help(help))
        }
    });
    GrpcCheck { service: service.unwrap_or_default(), host: reader.read("host", authority) }
}

fn authority(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = host(value)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if written.bytes().all(fits) {
        return Ok(written);
    }
    Err(wrong(format!("\"{written}\" is not a host")).help("such as \"app.internal\""))
}

fn tls(reader: &mut Reader<'_>, bench: Bench<'_>) -> TlsCheck {
    let mut check =
        TlsCheck { server_name: reader.read("server_name", host), ..TlsCheck::default() };
    let trusted = reader.read("trusted", |value| {
        let path = bench.surroundings.base.join(text(value)?);
        trust::trusted(&path, "trusted", bench)
    });
    let verify =
        reader.read("verify", |value| boolean(value)?.then(|| trust::system(bench)).transpose());
    check.trusted = trusted.or_else(|| verify.flatten());
    if let Some(warning) = reader.read("expiry_warning", duration) {
        check.expiry_warning = warning;
    }
    check
}

/// `command = ["/usr/local/bin/program", "argument"]`
pub(super) fn exec(reader: &mut Reader<'_>, bench: Bench<'_>) -> Option<ExecCheck> {
    let help = "such as `command = [\"/usr/local/bin/check-app\", \"--strict\"]`";
    reader.need("command", help, |_| Ok(()));
    let words = reader.filled("command", help, argument)?;
    let place = words.first()?.0;
    if words.len() > MOST_ARGUMENTS {
        reader.fault(place, wrong(format!("at most {MOST_ARGUMENTS} words")));
    }
    let mut words = words.into_iter().map(|(_, word)| word);
    let program = words.next()?;
    if !program.contains('/') {
        let help = format!("its whole path, such as \"/usr/local/bin/{program}\"");
        reader.fault(place, wrong("a program is not looked for in PATH").help(help));
    }
    Some(ExecCheck { program: bench.surroundings.base.join(&*program), arguments: words.collect() })
}

fn argument(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    if written.contains('\0') {
        return Err(wrong("an argument cannot hold a zero byte"));
    }
    Ok(written.into())
}

/// A text to send or to look for.
fn words(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    match written.len() {
        0 => Err(wrong("an empty text says nothing").help("leave the key out")),
        1..=MOST_TEXT_BYTES => Ok(written.into()),
        _ => Err(wrong(format!("at most {MOST_TEXT_BYTES} bytes"))),
    }
}
