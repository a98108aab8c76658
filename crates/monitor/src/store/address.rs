//! Where a shard is.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::maria::{Copy, Servers};
use super::sql::{Dialect, Fault, Session};
use super::sqlite;
use crate::settings;

/// Where a shard is, as the settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// `sqlite:PATH`: a file of this machine.
    Sqlite(PathBuf),
    /// `mysql://…`: a `MariaDB` server, which may have a replica.
    Maria(Servers),
}

impl Address {
    pub(crate) fn parse(written: &str, base: &Path) -> Result<Self> {
        match written.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::Sqlite(settings::from_base(base, path)))
            }
            Some(("mysql", _)) if let Some(servers) = Servers::parse(written) => {
                Ok(Self::Maria(servers))
            }
            // Without its password.
            Some(("mysql", _)) => bail!(
                "a shard in a server is not understood; write \
                 mysql://USER:PASSWORD@HOST:PORT/DATABASE or the same with ?replica=HOST:PORT"
            ),
            _ => bail!("the shard `{written}` is not understood; write sqlite:PATH or mysql://…"),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Maria(_) => Dialect::Maria,
        }
    }

    /// A new session that may write.
    pub(super) fn open(&self) -> Result<Box<dyn Session>, Fault> {
        match self {
            Self::Sqlite(path) => Ok(Box::new(sqlite::File::open(path)?)),
            Self::Maria(servers) => Ok(Box::new(servers.open()?)),
        }
    }

    /// Whether there is a copy to read from.
    pub(super) fn has_replica(&self) -> bool {
        matches!(self, Self::Maria(servers) if servers.has_replica())
    }

    /// A new session that only reads, with the copy.
    pub(super) fn open_replica(&self) -> Result<Box<dyn Session>, Fault> {
        match self {
            Self::Sqlite(_) => Err(Fault::Down("a file has no replica".to_owned())),
            Self::Maria(servers) => Ok(Box::new(servers.open_replica()?)),
        }
    }

    /// How the copy is; `None` without one. Blocks.
    pub(super) fn copy(&self) -> Option<Copy> {
        match self {
            Self::Maria(servers) if servers.has_replica() => Some(servers.copy()),
            Self::Maria(_) | Self::Sqlite(_) => None,
        }
    }

    /// The folder whose disk fills as the shard grows, where it is one of this machine.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => path.parent(),
            Self::Maria(_) => None,
        }
    }
}
