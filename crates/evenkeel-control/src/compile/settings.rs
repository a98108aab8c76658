//! `[node]` and `[admin]`: what concerns the program rather than the traffic.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::table::{Reader, Wrong, wrong};
use super::value::{duration, integer, size_within, text};
use super::{Bench, Surroundings, word, zone};
use crate::document::Value;
use crate::finding::Place;

/// Where the admin address is when nobody says otherwise: this machine only.
pub const DEFAULT_ADMIN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7070);

/// More engine threads than this is a slip.
const MOST_WORKERS: usize = 256;

/// Time to finish what runs, when the node is told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Time for tunnels and streams to end in a process that another one has replaced: as long as a tunnel
/// may be silent.
const DRAIN_AFTER_UPGRADE: Duration = Duration::from_hours(1);

/// Hours of a few hundred servers, weeks of a few.
const HISTORY_BYTES: u64 = 64 << 20;

/// What people notice and complain of.
const SLOW: Duration = Duration::from_secs(1);

/// With less there is no room for a block of a large node in each segment.
const LEAST_HISTORY_BYTES: u64 = 1 << 20;

/// The whole of a segment is read at once, and there are at most some hundred.
const MOST_HISTORY_BYTES: u64 = 4 << 30;

/// A token that can be guessed is none.
const SHORTEST_TOKEN: usize = 16;

/// What a token file may hold.
const MOST_TOKEN_BYTES: usize = 4096;

/// `[node]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// Default: the host's name.
    pub name: String,
    /// Engine threads; default: one for each core.
    pub workers: usize,
    /// Where state is kept between runs.
    pub state_dir: PathBuf,
    /// Time to finish what runs, when the node is told to stop.
    pub drain: Duration,
    /// Time to finish what runs, when another process has taken over.
    pub drain_after_upgrade: Duration,
    /// In which zone it is. Default: none, and zones of servers make no difference.
    pub zone: Option<Arc<str>>,
}

/// `[history]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// Most bytes on disk; 0: none is kept.
    pub size: u64,
    /// An exchange whose answer takes longer to begin is slow. Default 1 s.
    pub slow: Duration,
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    pub bind: SocketAddr,
    /// Asked of everyone when there is one; always there unless `bind` is loopback.
    pub token: Option<Token>,
}

/// The secret that opens the admin API; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// `[resolver]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverSettings {
    /// Who is asked. Empty: whom the system's `/etc/resolv.conf` names.
    pub servers: Vec<SocketAddr>,
    /// How long one try may take. Default 2 s.
    pub timeout: Duration,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Duration::from_secs(2) }
    }
}

pub(super) fn resolver(root: &mut Reader<'_>) -> ResolverSettings {
    let mut settings = ResolverSettings::default();
    let Some(mut resolver) = root.table("resolver") else { return settings };
    let help = "such as `servers = [\"127.0.0.1:53\"]`, or leave it out for /etc/resolv.conf";
    let servers = resolver.filled("servers", help, word::bind);
    settings.servers = servers.into_iter().flatten().map(|(_, server)| server).collect();
    if let Some(timeout) = resolver.read("timeout", duration) {
        settings.timeout = timeout;
    }
    resolver.finish();
    settings
}

/// The settings and the place of the zone.
pub(super) fn node(
    root: &mut Reader<'_>,
    surroundings: &Surroundings,
) -> (NodeSettings, Option<Place>) {
    let state_dir = surroundings.state_directory.clone();
    let mut settings = NodeSettings {
        name: surroundings.host_name.clone(),
        workers: surroundings.cores.clamp(1, MOST_WORKERS),
        state_dir: state_dir.unwrap_or_else(|| surroundings.base.join("state")),
        drain: DRAIN,
        drain_after_upgrade: DRAIN_AFTER_UPGRADE,
        zone: None,
    };
    let Some(mut node) = root.table("node") else { return (settings, None) };
    if let Some(name) = node.read("name", |value| word::name(text(value)?)) {
        settings.name = name.to_string();
    }
    if let Some(workers) = node.read("workers", integer(1..=MOST_WORKERS)) {
        settings.workers = workers;
    }
    if let Some(state_dir) = node.read("state_dir", text) {
        settings.state_dir = surroundings.base.join(state_dir);
    }
    if let Some(drain) = node.read("drain", duration) {
        settings.drain = drain;
    }
    if let Some(drain) = node.read("drain_after_upgrade", duration) {
        settings.drain_after_upgrade = drain;
    }
    let place = node.entry("zone").map(|entry| entry.value.place);
    settings.zone = node.read("zone", zone::zone);
    node.finish();
    (settings, place)
}

/// `[history]`
pub(super) fn history(root: &mut Reader<'_>) -> HistorySettings {
    let mut settings = HistorySettings { size: HISTORY_BYTES, slow: SLOW };
    let Some(mut history) = root.table("history") else { return settings };
    let size = |value: &Value| match super::value::size(value)? {
        0 => Ok(0),
        _ => size_within(LEAST_HISTORY_BYTES..=MOST_HISTORY_BYTES)(value),
    };
    if let Some(size) = history.read("size", size) {
        settings.size = size;
    }
    if let Some(slow) = history.read("slow", duration) {
        settings.slow = slow;
    }
    history.finish();
    settings
}

/// The settings and the place of the address, for those who would use the same one.
pub(super) fn admin(root: &mut Reader<'_>, bench: Bench<'_>) -> (AdminSettings, Option<Place>) {
    let mut settings = AdminSettings { bind: DEFAULT_ADMIN, token: None };
    let Some(mut admin) = root.table("admin") else { return (settings, None) };
    let place = admin.entry("bind").map(|entry| entry.value.place);
    if let Some(bind) = admin.read("bind", word::bind) {
        settings.bind = bind;
    }
    let file = admin.entry("token_file");
    settings.token = admin.read("token_file", |value| token(value, bench.surroundings));
    if !settings.bind.ip().is_loopback() && file.is_none() {
        let reason = format!("{} can be reached by others, so a token is required", settings.bind);
        let help = "add `token_file = \"admin.token\"`, a file with one long secret, \
                    or bind to \"127.0.0.1:7070\"";
        admin.fault(place.unwrap_or(admin.place), wrong(reason).help(help));
    }
    admin.finish();
    (settings, place)
}

fn token(value: &Value, surroundings: &Surroundings) -> Result<Token, Wrong> {
    let path = surroundings.base.join(text(value)?);
    let shown = path.display();
    let make = format!("make one: `openssl rand -hex 32 > {shown}`");
    let bytes = (surroundings.read)(&path, MOST_TOKEN_BYTES)
        .map_err(|error| wrong(format!("cannot read {shown}: {error}")).help(make.as_str()))?;
    let content = String::from_utf8_lossy(&bytes);
    let token = content.trim();
    if token.len() < SHORTEST_TOKEN {
        let reason = format!("the token in {shown} has fewer than {SHORTEST_TOKEN} characters");
        return Err(wrong(reason).help(make));
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        let reason = format!("the token in {shown} is not one word of visible characters");
        return Err(wrong(reason).help(make));
    }
    Ok(Token(token.to_owned()))
}
