//! What is served from a folder of this machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A folder and how its files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Nothing outside of it is ever served.
    pub root: Arc<Path>,
    /// Names looked for in a folder that is asked for, in this order.
    pub index: Vec<Arc<str>>,
    /// By extension in lower case, without its dot.
    pub expires: BTreeMap<Arc<str>, Expires>,
    /// For extensions that `expires` does not name.
    pub expires_otherwise: Option<Expires>,
    /// `Content-Type` by extension in lower case, before the usual ones.
    pub types: BTreeMap<Arc<str>, Arc<str>>,
    /// A file of the same name and `.br`, `.zst` or `.gz` is its compressed form.
    pub precompressed: bool,
    pub symlinks: Symlinks,
    /// Names that start with a dot are served too. `.well-known` always is (RFC 8615).
    pub hidden: bool,
}

/// How long a cache may take a file for fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// Whole seconds.
    After(Duration),
    /// A cache asks each time.
    NoCache,
}

/// What is done with symbolic links below the root. The root itself may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symlinks {
    /// Followed as long as they stay below the root; an absolute one does not.
    Within,
    /// A name that leads over one is not found.
    Never,
}
