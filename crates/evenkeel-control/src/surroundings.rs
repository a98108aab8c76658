//! The machine this runs on, as a configuration sees it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::compile::{Override, Surroundings};

impl Surroundings {
    /// Relative paths start at `base`; `flags` beat the environment, which beats the file.
    pub fn of_this_machine(base: PathBuf, flags: Vec<Override>) -> Self {
        let mut overrides: Vec<Override> = std::env::vars_os()
            .filter_map(|(name, value)| {
                Override::from_variable(name.to_str()?, &value.to_string_lossy())
            })
            .collect();
        overrides.sort_by(|one, other| one.name.cmp(&other.name));
        overrides.extend(flags);
        Self {
            base,
            overrides,
            read,
            read_secret,
            now: clock::now,
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            state_directory: state_directory(),
            exports_traces: cfg!(feature = "otel"),
        }
    }
}

/// What the service manager made for us; of several, the first.
fn state_directory() -> Option<PathBuf> {
    let directories = std::env::var_os("STATE_DIRECTORY")?;
    std::env::split_paths(&directories).next()
}

fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

fn read_secret(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    /// Reading and writing, for the group and for all others.
    const OTHERS: u32 = 0o066;
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    if mode & OTHERS != 0 {
        let reason = "other users may read or write it, so it is no secret";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    let mut content = Vec::new();
    file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut content)?;
    Ok(content)
}
