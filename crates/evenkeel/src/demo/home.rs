//! The folder a demo lives in: its own, one for each user, gone with it.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};

/// Names of what is in the folder.
const LOCK: &str = "lock";
const ORDERS: &str = "orders";
/// How often the folder is removed in vain, and what is waited between two tries.
const MOST_TRIES: usize = 20;
const BREATH: Duration = Duration::from_millis(50);

/// The folder, locked for as long as this value is; removed with it.
#[derive(Debug)]
pub(super) struct Home {
    folder: PathBuf,
    /// Closed by the end of the process, however it ends, and not handed to its children.
    _lock: File,
}

impl Home {
    /// Makes the folder, after what an earlier demo could not remove.
    pub(super) fn make() -> Result<Self> {
        let folder = folder();
        let cannot = || format!("cannot make {}", folder.display());
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.with_context(cannot)?,
        }
        // In /tmp anybody may have made it.
        let found = fs::symlink_metadata(&folder).with_context(cannot)?;
        let own = rustix::process::geteuid().as_raw();
        if !found.is_dir() || found.uid() != own || found.mode() & 0o077 != 0 {
            bail!("{} is there and is not this user's own: remove it", folder.display());
        }
        let path = folder.join(LOCK);
        let lock = File::options().write(true).create(true).truncate(false).open(&path);
        let lock = lock.with_context(|| format!("cannot make {}", path.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "a demo runs already: end it with Ctrl-C where it was started, or give it orders \
                 with `evenkeel demo kill|stop|start|load NAME`"
            );
        }
        let home = Self { folder, _lock: lock };
        home.clear()?;
        Ok(home)
    }

    /// Removes everything but the lock, which a demo that starts meanwhile may hold to.
    fn clear(&self) -> Result<()> {
        let cannot = || format!("cannot clear {}", self.folder.display());
        for entry in fs::read_dir(&self.folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            if entry.file_name() == LOCK {
                continue;
            }
            let is_folder = entry.file_type().with_context(cannot)?.is_dir();
            let path = entry.path();
            let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            removed.with_context(cannot)?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.file(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Where orders from other terminals come in.
    pub(super) fn orders(&self) -> PathBuf {
        self.file(ORDERS)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for _ in 0..MOST_TRIES {
            match fs::remove_dir_all(&self.folder) {
                // Somebody who was just killed had a last file to write.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => thread::sleep(BREATH),
                // What stays is cleared by the next demo.
                _ => return,
            }
        }
    }
}

/// Where the running demo of this user takes orders.
pub(super) fn orders() -> PathBuf {
    folder().join(ORDERS)
}

/// The same in every terminal of this user.
fn folder() -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    std::env::temp_dir().join(format!("evenkeel-demo-{user}"))
}
