//! The settings file: what was written, and what it means.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::cache;
use crate::store::Address;

/// The file that is looked for where none is named.
pub(crate) const FILE: &str = "monitor.toml";
/// A settings file has a page; more is some other file.
const MOST_BYTES: u64 = 64 * 1024;
/// Shards a store may have. Every page asks each of them.
const MOST_SHARDS: usize = 16;

/// What a file means; every path is ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where the shards are, in their order for good.
    pub(crate) shards: Vec<Address>,
    pub(crate) comm: Comm,
    pub(crate) web: Web,
    /// Redis nodes that all web servers share; none for sessions in the shards.
    pub(crate) cache: Vec<cache::Address>,
    /// Where paths start.
    pub(crate) base: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Comm {
    /// Where devices connect.
    pub(crate) bind: SocketAddr,
    /// Where `/health` and `/metrics` are.
    pub(crate) admin: SocketAddr,
    /// Devices at once; the process may have to be allowed as many files.
    pub(crate) connections: usize,
    /// Readings a second of one device, on average.
    pub(crate) rate: u32,
    /// Readings of one device at once.
    pub(crate) burst: u32,
    /// How old a reading may be.
    pub(crate) past_hours: u32,
    /// How far a device's clock may be ahead.
    pub(crate) future_seconds: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Web {
    /// Where browsers connect.
    pub(crate) bind: SocketAddr,
    /// Where `/health` and `/metrics` are, without TLS.
    pub(crate) admin: SocketAddr,
    /// Files with the chain and the key, as PEM.
    pub(crate) certificate: String,
    pub(crate) key: String,
    /// Which server this is, at the foot of every page.
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    store: WrittenStore,
    #[serde(default)]
    comm: Comm,
    #[serde(default)]
    web: Web,
    #[serde(default)]
    cache: WrittenCache,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCache {
    redis: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStore {
    shards: Vec<String>,
}

impl Default for Comm {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([0, 0, 0, 0], 5000)),
            admin: SocketAddr::from(([127, 0, 0, 1], 5001)),
            connections: 10_000,
            rate: 100,
            burst: 1000,
            past_hours: 7 * 24,
            future_seconds: 60,
        }
    }
}

impl Default for Web {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([0, 0, 0, 0], 8443)),
            admin: SocketAddr::from(([127, 0, 0, 1], 8444)),
            certificate: "site.pem".to_owned(),
            key: "site.key".to_owned(),
            name: "web".to_owned(),
        }
    }
}

impl Settings {
    /// Reads `file`; paths in it start where it is.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let here = || format!("cannot read the settings {}", file.display());
        if fs::metadata(file).with_context(here)?.len() > MOST_BYTES {
            bail!("{} is larger than {MOST_BYTES} bytes: is it the settings file?", file.display());
        }
        let text = fs::read_to_string(file).with_context(here)?;
        let base = file.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, base).with_context(|| format!("{} is not valid", file.display()))
    }

    fn parse(text: &str, base: &Path) -> Result<Self> {
        let Written { store, comm, web, cache } = toml::from_str(text)?;
        let count = store.shards.len();
        if !(1..=MOST_SHARDS).contains(&count) {
            bail!("store.shards has {count} shards; write 1 to {MOST_SHARDS}");
        }
        let shards = store.shards.iter().map(|shard| Address::parse(shard, base));
        let shards = shards.collect::<Result<Vec<_>>>()?;
        if let Some(twice) = (1..count).find(|at| shards[..*at].contains(&shards[*at])) {
            bail!("store.shards names `{}` twice", store.shards[twice]);
        }
        let nodes = cache.redis.iter().map(|node| match cache::Address::parse(node) {
            Some(address) => Ok(address),
            None => bail!("the node `{node}` is not understood; write redis://HOST:PORT"),
        });
        let cache = nodes.collect::<Result<Vec<_>>>()?;
        Ok(Self { shards, comm, web, cache, base: base.to_owned() })
    }
}

/// `path` as seen from the file's folder.
pub(crate) fn from_base(base: &Path, path: &str) -> PathBuf {
    base.join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        format!("{:#}", Settings::parse(text, Path::new("/srv")).unwrap_err())
    }

    #[test]
    fn what_is_not_written_has_a_default() {
        let text = "[store]\nshards = [\"sqlite:a.db\", \"sqlite:/b.db\"]\n[comm]\nrate = 5\n";
        let settings = Settings::parse(text, Path::new("/srv")).unwrap();
        let paths = ["/srv/a.db", "/b.db"].map(|path| Address::Sqlite(path.into()));
        assert_eq!(settings.shards, paths);
        assert_eq!((settings.comm.rate, settings.comm.bind.port()), (5, 5000));
    }

    #[test]
    fn a_fault_says_what_to_write() {
        for (text, said) in [
            ("", "missing field `store`"),
            ("[store]\nshards = []", "write 1 to 16"),
            ("[store]\nshards = [\"sqlite:a\", \"sqlite:a\"]", "`sqlite:a` twice"),
            ("[store]\nshards = [\"a.db\"]", "sqlite:PATH"),
            ("[store]\nshards = [\"sqlite:a\"]\n[comm]\nport = 1", "unknown field `port`"),
        ] {
            assert!(fault(text).contains(said), "{text:?}: {}", fault(text));
        }
    }
}
