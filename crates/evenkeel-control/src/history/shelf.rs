//! Where segments are: files of a folder that is this process's alone, or memory.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use evenkeel_core::history::Tier;
use rustix::fs::{FlockOperation, flock};

/// Which segment: of a tier, numbered in the order of time.
pub(super) type Place = (Tier, u64);

/// Held by the process that writes.
const LOCK_FILE: &str = "lock";

const EXTENSION: &str = "segment";

#[derive(Debug)]
pub(super) enum Shelf {
    Folder { path: PathBuf, lock: Option<File> },
    Memory(BTreeMap<Place, Vec<u8>>),
}

impl Shelf {
    pub(super) fn folder(path: PathBuf) -> Self {
        Self::Folder { path, lock: None }
    }

    pub(super) fn memory() -> Self {
        Self::Memory(BTreeMap::new())
    }

    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// Makes it this process's, if it is nobody else's.
    pub(super) fn take(&mut self) -> io::Result<()> {
        let Self::Folder { path, lock } = self else { return Ok(()) };
        if lock.is_none() {
            fs::create_dir_all(&*path)?;
            let mut file = OpenOptions::new();
            let file = file.write(true).create(true).truncate(false).open(path.join(LOCK_FILE))?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            *lock = Some(file);
        }
        Ok(())
    }

    /// Another process may have it.
    pub(super) fn leave(&mut self) {
        if let Self::Folder { lock, .. } = self {
            *lock = None;
        }
    }

    /// Every segment there is, in the order of tiers and time.
    pub(super) fn list(&self) -> io::Result<Vec<Place>> {
        match self {
            Self::Memory(segments) => Ok(segments.keys().copied().collect()),
            Self::Folder { path, .. } => {
                let mut found = Vec::new();
                for entry in fs::read_dir(path)? {
                    found.extend(place(Path::new(&entry?.file_name())));
                }
                found.sort_unstable();
                Ok(found)
            }
        }
    }

    pub(super) fn read(&self, place: Place) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(segments) => Ok(segments.get(&place).cloned().unwrap_or_default()),
            Self::Folder { path, .. } => fs::read(path.join(file_name(place))),
        }
    }

    /// Writes `bytes` from `at` on; what was behind is of no more use.
    pub(super) fn write(&mut self, place: Place, at: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(segments) => {
                let segment = segments.entry(place).or_default();
                segment.truncate(usize::try_from(at).unwrap_or(usize::MAX));
                segment.extend_from_slice(bytes);
                Ok(())
            }
            Self::Folder { path, .. } => {
                let mut file = OpenOptions::new();
                let file = file.write(true).create(true).truncate(false);
                file.open(path.join(file_name(place)))?.write_all_at(bytes, at)
            }
        }
    }

    pub(super) fn remove(&mut self, place: Place) -> io::Result<()> {
        match self {
            Self::Memory(segments) => {
                segments.remove(&place);
                Ok(())
            }
            Self::Folder { path, .. } => fs::remove_file(path.join(file_name(place))),
        }
    }
}

/// `10s-00000042.segment`
fn file_name((tier, number): Place) -> String {
    format!("{}s-{number:08}.{EXTENSION}", tier.step())
}

/// The segment that a file is; `None`: it is none.
fn place(file: &Path) -> Option<Place> {
    let stem = file.file_stem()?.to_str()?;
    let (step, number) = stem.split_once("s-")?;
    let step: i64 = step.parse().ok()?;
    let tier = Tier::ALL.into_iter().find(|tier| tier.step() == step)?;
    file.extension().is_some_and(|it| it == EXTENSION).then_some((tier, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_lead_back() {
        for segment in [(Tier::Second, 0), (Tier::TenSeconds, 42), (Tier::FiveMinutes, 1 << 40)] {
            assert_eq!(place(Path::new(&file_name(segment))), Some(segment));
        }
        for other in ["lock", "2s-1.segment", "1s-x.segment", "1s-00000001.old"] {
            assert_eq!(place(Path::new(other)), None, "{other}");
        }
    }
}
