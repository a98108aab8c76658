//! Documents kept in `state_dir` between runs, each a file of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest state fits many times; a file beyond is not ours.
const MOST_BYTES: u64 = 64 << 20;

/// Why a document cannot be kept or read. Never a reason to stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("cannot read {}: {source}; going on without what it held", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is broken: {source}; going on without it, kept as {}", path.display(), aside.display())]
    Broken { path: PathBuf, aside: PathBuf, source: serde_json::Error },
    #[error("cannot write {}: {source}; what was changed is lost at the next start", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

/// The document at `path`; `None` when there is none yet.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StateError::Unreadable { path: path.to_owned(), source }),
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|source| {
        let aside = path.with_extension("broken");
        // For whoever wants to know what was in it; the next write would overwrite it.
        let _ = fs::rename(path, &aside);
        StateError::Broken { path: path.to_owned(), aside, source }
    })
}

/// Writes the document so that a crash leaves the old one or the new one, never a part.
pub(crate) fn save(path: &Path, document: &impl Serialize) -> Result<(), StateError> {
    write(path, document, 0o644)
}

/// As [`save`], for nobody but this user to read.
pub(crate) fn save_secret(path: &Path, document: &impl Serialize) -> Result<(), StateError> {
    write(path, document, 0o600)
}

/// As [`save_secret`], for what is no document.
pub(crate) fn save_secret_bytes(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    save_bytes(path, bytes, 0o600)
}

/// The same with this mode.
pub(crate) fn save_bytes(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StateError> {
    write_bytes(path, || Ok(bytes.to_vec()), mode)
}

fn write(path: &Path, document: &impl Serialize, mode: u32) -> Result<(), StateError> {
    write_bytes(path, || Ok(serde_json::to_vec_pretty(document)?), mode)
}

fn write_bytes(
    path: &Path,
    content: impl Fn() -> io::Result<Vec<u8>>,
    mode: u32,
) -> Result<(), StateError> {
    let write = || {
        let directory = path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(directory)?;
        let new = path.with_extension("new");
        // What a crash left may have another mode, which opening it would keep.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(&content()?)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The name is safe only once the directory is.
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| StateError::Unwritable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let name = format!("evenkeel-state-{}-{name}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn there_and_back() {
        let directory = directory("back");
        let path = directory.join("deep").join("a.json");
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), None);
        save(&path, &vec![1, 2]).unwrap();
        save(&path, &vec![3]).unwrap();
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), Some(vec![3]));
        assert!(!path.with_extension("new").exists());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_broken_file_is_put_aside() {
        let directory = directory("broken");
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("a.json");
        fs::write(&path, "{").unwrap();
        let error = load::<Vec<u8>>(&path).unwrap_err().to_string();
        assert!(error.contains("a.json is broken") && error.contains("a.broken"), "{error}");
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), None);
        assert_eq!(fs::read(path.with_extension("broken")).unwrap(), b"{");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_said_so() {
        let directory = directory("file");
        fs::write(&directory, "").unwrap();
        let error = save(&directory.join("a.json"), &1).unwrap_err().to_string();
        assert!(error.starts_with("cannot write "), "{error}");
        fs::remove_file(directory).unwrap();
    }
}
