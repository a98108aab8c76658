//! Where a configuration comes from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Read anew on every reload.
    File(PathBuf),
    /// Made from the command line; there is nothing to reload.
    Text { name: String, text: String },
}

/// A configuration that cannot even be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the configuration {}", path.display())]
pub struct UnreadableError {
    path: PathBuf,
    source: io::Error,
}

impl Origin {
    /// What the operator knows it by.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text { name, .. } => name.clone(),
        }
    }

    /// Where relative paths in it start; empty for the working directory.
    pub fn base(&self) -> PathBuf {
        match self {
            Self::File(path) => path.parent().unwrap_or_else(|| Path::new("")).to_owned(),
            Self::Text { .. } => PathBuf::new(),
        }
    }

    /// Its text as it is now.
    pub fn read(&self) -> Result<String, UnreadableError> {
        match self {
            Self::File(path) => fs::read_to_string(path)
                .map_err(|source| UnreadableError { path: path.clone(), source }),
            Self::Text { text, .. } => Ok(text.clone()),
        }
    }
}
