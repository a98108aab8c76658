//! Where a shard is.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::sql::{Dialect, Fault, Session};
use super::sqlite;
use crate::settings;

/// Where a shard is, as the settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// `sqlite:PATH`: a file of this machine.
    Sqlite(PathBuf),
}

impl Address {
    pub(crate) fn parse(written: &str, base: &Path) -> Result<Self> {
        match written.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::Sqlite(settings::from_base(base, path)))
            }
            _ => bail!("the shard `{written}` is not understood; write sqlite:PATH"),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// A new session that may write.
    pub(super) fn open(&self) -> Result<Box<dyn Session>, Fault> {
        match self {
            Self::Sqlite(path) => Ok(Box::new(sqlite::File::open(path)?)),
        }
    }

    /// The folder whose disk fills as the shard grows, where it is one of this machine.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => path.parent(),
        }
    }
}
