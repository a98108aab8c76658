//! The folders files are served from, as one worker has them open.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::{Files, Symlinks};
use evenkeel_core::fault::Fault;
use evenkeel_core::moment::Moment;
use evenkeel_sys::{Folder, Found, is_exhausted};

use crate::clock;

/// How long a root stays open before its name is looked up again: whoever publishes by moving a
/// link to another folder sees it served within this time.
const ROOT_STAYS: Duration = Duration::from_secs(1);

/// By where their configuration is: a plan has as many as it has routes to files.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    open: RefCell<BTreeMap<*const Files, Root>>,
}

#[derive(Debug)]
struct Root {
    /// Keeps the address its own.
    _files: Arc<Files>,
    /// `None`: it could not be opened.
    folder: Option<Folder>,
    since: Moment,
}

impl Roots {
    /// What is at `name` below the root of `files`.
    pub(super) fn look_up(&self, files: &Arc<Files>, name: &[u8]) -> Result<Found, Fault> {
        let mut open = self.open.borrow_mut();
        let root = open
            .entry(Arc::as_ptr(files))
            .and_modify(|root| {
                if clock::now().since(root.since) >= ROOT_STAYS {
                    *root = Root::open(files);
                }
            })
            .or_insert_with(|| Root::open(files));
        let folder = root.folder.as_ref().ok_or(Fault::FileUnreadable)?;
        let found = folder.look_up(name, files.symlinks == Symlinks::Within);
        found.map_err(|error| fault(files, name, &error))
    }

    /// Another plan comes: what it does not name any more is not held open.
    pub(crate) fn close(&self) {
        self.open.borrow_mut().clear();
    }
}

impl Root {
    fn open(files: &Arc<Files>) -> Self {
        let folder = Folder::open(&files.root).inspect_err(|error| {
            let root = files.root.display();
            tracing::error!(%root, %error, "cannot open the folder that files are served from");
        });
        Self { _files: Arc::clone(files), folder: folder.ok(), since: clock::now() }
    }
}

fn fault(files: &Files, name: &[u8], error: &io::Error) -> Fault {
    if is_exhausted(error) {
        return Fault::Exhausted;
    }
    let (root, name) = (files.root.display(), String::from_utf8_lossy(name));
    tracing::error!(%root, %name, %error, "cannot open a file");
    Fault::FileUnreadable
}
