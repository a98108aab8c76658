//! From the text of a configuration to what it means, with every fault at once.
//!
//! Pure but for what [`Surroundings`] hands in: reading a file that the configuration names.

mod acme;
mod address;
mod auth;
mod balance;
mod breaker;
mod check;
mod compress;
mod edit;
mod files;
mod front;
mod guard;
mod http;
mod listener;
mod log;
mod outlier;
mod pair;
mod pool;
mod prometheus;
mod retry;
mod servers;
mod settings;
mod shed;
mod split;
mod table;
mod template;
mod to_servers;
mod trace;
mod trust;
mod value;
mod vip;
mod word;
mod zone;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_core::config::Config;

pub use self::acme::AcmeSettings;
use self::guard::Rates;
pub use self::pair::PairSettings;
pub use self::prometheus::PrometheusSettings;
pub use self::settings::{
    AdminSettings, DEFAULT_ADMIN, HistorySettings, NodeSettings, ResolverSettings, Token,
};
use self::table::Reader;
pub use self::trace::ReceiverSettings;
use crate::document::{self, Table};
use crate::finding::{Finding, Findings, Notes, Place};
use crate::membership::Listed;

/// A configuration is held in memory, as are its last versions: more than this is a slip.
pub const MOST_FILE_BYTES: usize = 1 << 20;

/// What the meaning of a configuration depends on besides its text.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Relative paths start here.
    pub base: PathBuf,
    /// Beat the file; a later one beats an earlier one.
    pub overrides: Vec<Override>,
    /// Reads at most this many bytes of a file the configuration names.
    pub read: fn(&Path, usize) -> io::Result<Vec<u8>>,
    /// As `read`, but refuses a file that other users may read.
    pub read_secret: fn(&Path, usize) -> io::Result<Vec<u8>>,
    /// Tells the time, by which certificates are valid or not.
    pub now: fn() -> SystemTime,
    /// Default of `node.workers`; at least 1.
    pub cores: usize,
    /// Default of `node.name`.
    pub host_name: String,
    /// Default of `node.state_dir`; else `state` beside the file.
    pub state_directory: Option<PathBuf>,
    /// This build can tell a receiver of spans.
    pub exports_traces: bool,
}

/// A value from the environment or the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// `environment` or `command line`.
    pub origin: &'static str,
    /// As the operator wrote it: `EVENKEEL__ADMIN__BIND`, `--admin-bind`.
    pub name: String,
    /// `["admin", "bind"]`
    pub path: Vec<String>,
    pub value: String,
}

impl Override {
    /// `EVENKEEL__ADMIN__BIND=…`; `None` when the variable is none of ours.
    pub fn from_variable(name: &str, value: &str) -> Option<Self> {
        let path = name.strip_prefix("EVENKEEL__")?;
        Some(Self {
            origin: "environment",
            name: name.to_owned(),
            path: path.split("__").map(str::to_ascii_lowercase).collect(),
            value: value.to_owned(),
        })
    }

    /// A flag that stands for the key at `path`.
    pub fn from_flag(name: &str, path: &[&str], value: &str) -> Self {
        Self {
            origin: "command line",
            name: name.to_owned(),
            path: path.iter().map(|&key| key.to_owned()).collect(),
            value: value.to_owned(),
        }
    }
}

/// What a configuration means.
#[derive(Debug)]
pub struct Compiled {
    /// With the servers whose addresses are written.
    pub config: Config,
    /// What each pool lists, in the order of [`Config::pools`].
    pub members: Vec<Vec<Listed>>,
    pub resolver: ResolverSettings,
    /// `None`: no certificate is ordered.
    pub acme: Option<AcmeSettings>,
    /// `None`: this node has no other.
    pub pair: Option<PairSettings>,
    pub node: NodeSettings,
    pub admin: AdminSettings,
    pub history: HistorySettings,
    /// `None`: no Prometheus is told what to scrape.
    pub prometheus: Option<PrometheusSettings>,
    /// `None`: nobody is told of spans.
    pub receiver: Option<ReceiverSettings>,
    /// Nothing that stops it, but worth a look.
    pub warnings: Findings,
}

/// Compiles `text`, known to the operator as `file`. An error holds every fault found.
pub fn compile(file: &str, text: &str, surroundings: &Surroundings) -> Result<Compiled, Findings> {
    let mut notes = Notes::default();
    let main = notes.add_text(file, text);
    if text.len() > MOST_FILE_BYTES {
        let reason = format!("a configuration has at most {MOST_FILE_BYTES} bytes");
        notes.add(Finding::fault(Place::new(main, 0..0), reason));
        return Err(notes.into_findings());
    }
    let mut tree = document::parse(main, text, &notes);
    for over in &surroundings.overrides {
        put_over(&mut tree, over, &mut notes);
    }
    let compiled = meaning(main, &tree, surroundings, &notes);
    let findings = notes.into_findings();
    if findings.faults() > 0 {
        return Err(findings);
    }
    Ok(Compiled { warnings: findings, ..compiled })
}

/// What `written` means as a server: an address, a name with a port, or a service record.
pub(crate) fn listed(written: &str) -> Result<Listed, String> {
    servers::listed(written).map_err(table::Wrong::in_one_line)
}

/// `name`, if a server can be called so.
pub(crate) fn server_name(name: &str) -> Result<Arc<str>, String> {
    word::name(name).map_err(table::Wrong::in_one_line)
}

/// `name`, if a zone can be called so.
pub(crate) fn zone_name(name: &str) -> Result<String, String> {
    word::name(name).map(|name| name.to_string()).map_err(table::Wrong::in_one_line)
}

/// Puts a value from outside over the file's, with a text of its own to be underlined in.
fn put_over(tree: &mut Table, over: &Override, notes: &mut Notes) {
    let shown = format!("{}={}", over.name, over.value);
    let text = notes.add_text(over.origin, &shown);
    let name = Place::new(text, 0..over.name.len());
    let value = Place::new(text, over.name.len() + 1..shown.len());
    tree.put(&over.path, name, document::parse_value(value, &over.value));
}

/// What is being compiled, handed down to every part.
#[derive(Clone, Copy, Debug)]
struct Bench<'a> {
    surroundings: &'a Surroundings,
    rates: &'a Rates,
    notes: &'a Notes,
    /// In which zone this node is.
    own_zone: Option<&'a str>,
    /// Where certificates that are ordered go. `None`: none are.
    acme: Option<&'a Path>,
}

fn meaning(main: usize, tree: &Table, surroundings: &Surroundings, notes: &Notes) -> Compiled {
    let mut root = Reader::new(tree, Place::new(main, 0..0), "", notes);
    let (node, zone_place) = settings::node(&mut root, surroundings);
    let rates = guard::rates(&mut root, notes);
    let own_zone = node.zone.as_deref();
    let bench = Bench { surroundings, rates: &rates, notes, own_zone, acme: None };
    let acme = acme::acme(&mut root, &node.state_dir, bench);
    let bench = Bench { acme: acme.as_ref().map(|acme| &*acme.folder), ..bench };
    let (admin, admin_place) = settings::admin(&mut root, bench);
    let pair = pair::pair(&mut root, bench, admin.bind);
    let resolver = settings::resolver(&mut root);
    let history = settings::history(&mut root);
    let access_log = log::access_log(&mut root, surroundings, &node.name);
    let (pools, members, directory) = pool::pools(&mut root, bench);
    let listeners = listener::listeners(&mut root, bench, &directory, (admin.bind, admin_place));
    directory.warn_of_unused(notes);
    let scraped = (&*pools, &directory);
    let prometheus = prometheus::prometheus(&mut root, surroundings, scraped, admin.bind);
    zone::warn_of_unused(zone_place, &members, notes);
    let (traces, receiver) = trace::traces(&mut root, &listeners, bench);
    let shed = shed::shed(&mut root);
    let vips = vip::vips(&mut root, bench, &directory, pair.is_some());
    root.later(&["cache"]);
    root.finish();
    let slow = Some(history.slow);
    let config =
        Config { listeners, pools, rates: rates.limits, vips, access_log, traces, shed, slow };
    let warnings = Findings::default();
    Compiled {
        config,
        members,
        resolver,
        acme,
        pair,
        node,
        admin,
        history,
        prometheus,
        receiver,
        warnings,
    }
}

#[cfg(test)]
mod tests;
