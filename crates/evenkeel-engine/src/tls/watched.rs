//! A certificate in files: read when they change, kept as it was when what they hold is of no use.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::certificate::expiry::{self, Stage};
use evenkeel_core::config::CertificateFiles;
use rustls::sign::CertifiedKey;

use super::pair::{Pair, PairError};

/// Bytes of a file with certificates or a key. The largest chains have a tenth of it.
const MOST_BYTES: u64 = 256 * 1024;

/// Why the files of a certificate are of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchedError {
    #[error("cannot read {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} {source}")]
    Useless { path: PathBuf, source: PairError },
}

/// Something to tell of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

/// By which a file is known to be another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Of chain, key and OCSP response; `None`: the file is not there.
type Stamps = [Option<Stamp>; 3];

/// A certificate with the state of its files.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) files: CertificateFiles,
    pub(super) pair: Pair,
    /// What its authority says of it, and until when that may be shown.
    staple: Option<(Vec<u8>, Option<i64>)>,
    /// As they were when the pair was last read, and at the last look.
    read: Stamps,
    seen: Stamps,
    /// Why the files as they are now are not in use.
    pub(super) failure: Option<String>,
    told: Stage,
    pub(super) replaced_total: u64,
    pub(super) refused_total: u64,
}

impl Watched {
    /// Reads the files, at `now` in seconds since 1970.
    pub(super) fn open(files: &CertificateFiles, now: i64) -> Result<Self, WatchedError> {
        let stamps = stamps(files);
        let pair = read(files)?;
        let mut watched = Self {
            files: files.clone(),
            pair,
            staple: None,
            read: stamps,
            seen: stamps,
            failure: None,
            told: Stage::Far,
            replaced_total: 0,
            refused_total: 0,
        };
        watched.failure = watched.read_staple(now).err();
        Ok(watched)
    }

    /// As it is shown to clients.
    pub(super) fn shown(&self) -> Arc<CertifiedKey> {
        self.pair.shown(self.staple.as_ref().map(|(der, _)| der.clone()))
    }

    /// Until when the OCSP response that is shown may be.
    pub(super) fn ocsp_until(&self) -> Option<i64> {
        self.staple.as_ref().and_then(|(_, until)| *until)
    }

    /// Looks at the files, at `now` in seconds since 1970. `true`: something else is shown from now
    /// on.
    pub(super) fn look(&mut self, now: i64, news: &mut Vec<News>) -> bool {
        let stamps = stamps(&self.files);
        // Who writes two files one after the other, or one in pieces, is not interrupted.
        let is_settled = stamps == self.seen;
        self.seen = stamps;
        let mut changed = false;
        if is_settled && stamps != self.read {
            self.read = stamps;
            changed = self.read_again(now, news);
        }
        if self.ocsp_until().is_some_and(|until| until < now) {
            self.staple = None;
            let message = "its OCSP response is out of date and not shown any more".to_owned();
            news.push(self.news("certificate-ocsp-expired", &message));
            self.failure = Some(message);
            changed = true;
        }
        self.tell_of_the_end(now, news);
        changed
    }

    fn read_again(&mut self, now: i64, news: &mut Vec<News>) -> bool {
        let pair = match read(&self.files) {
            Ok(pair) => pair,
            Err(error) => {
                let why = match &error {
                    WatchedError::Unreadable { source, .. } => format!("{error}: {source}"),
                    WatchedError::Useless { .. } => error.to_string(),
                };
                self.refused_total += 1;
                let message = format!("{why}; the one from before is still shown");
                news.push(self.news("certificate-refused", &message));
                self.failure = Some(why);
                return false;
            }
        };
        let is_another = pair.fingerprint != self.pair.fingerprint;
        self.pair = pair;
        self.failure = self.read_staple(now).err();
        if let Some(why) = &self.failure {
            news.push(self.news("certificate-refused", &format!("{why}; it is not shown")));
        }
        if is_another {
            self.replaced_total += 1;
            self.told = Stage::Far;
            let days = expiry::days(self.pair.facts.not_after, now);
            let message = format!("replaced; the new one is valid for {days} days");
            news.push(self.news("certificate-replaced", &message));
        }
        true
    }

    /// The error says why there is nothing to show, though a file is configured.
    fn read_staple(&mut self, now: i64) -> Result<(), String> {
        self.staple = None;
        let Some(path) = &self.files.ocsp else { return Ok(()) };
        let shown = path.display();
        let der = read_file(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let response = self.pair.ocsp(&der).map_err(|why| format!("{shown} {why}"))?;
        if response.next_update.is_some_and(|until| until < now) {
            return Err(format!("{shown} is out of date"));
        }
        self.staple = Some((der, response.next_update));
        Ok(())
    }

    fn tell_of_the_end(&mut self, now: i64, news: &mut Vec<News>) {
        let facts = &self.pair.facts;
        let stage = expiry::stage(facts.not_before, facts.not_after, now);
        if stage <= self.told {
            return;
        }
        self.told = stage;
        let days = expiry::days(facts.not_after, now);
        news.push(match stage {
            Stage::Past => {
                let message = format!("expired {days} days ago: clients refuse it");
                self.news("certificate-expired", &message)
            }
            Stage::Within { .. } | Stage::Far => {
                self.news("certificate-expires", &format!("expires in {days} days"))
            }
        });
    }

    fn news(&self, kind: &'static str, message: &str) -> News {
        News { kind, message: format!("{}: {message}", self.files.chain.display()) }
    }
}

fn read(files: &CertificateFiles) -> Result<Pair, WatchedError> {
    let content = |path: &PathBuf| {
        read_file(path).map_err(|source| WatchedError::Unreadable { path: path.clone(), source })
    };
    let (chain, key) = (content(&files.chain)?, content(&files.key)?);
    Pair::read(&chain, &key).map_err(|source| {
        let path = if source.is_in_key() { &files.key } else { &files.chain };
        WatchedError::Useless { path: path.clone(), source }
    })
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

fn stamps(files: &CertificateFiles) -> Stamps {
    let CertificateFiles { chain, key, ocsp } = files;
    [Some(chain), Some(key), ocsp.as_ref()].map(|path| {
        let found = fs::metadata(path?).ok()?;
        Some(Stamp {
            inode: (found.dev(), found.ino()),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    })
}
