//! Certificates of those whose signatures are believed.

use std::path::Path;
use std::sync::Arc;

use super::Bench;
use super::table::{Wrong, wrong};

/// Where systems keep the certificates of those they trust: Debian and its kin, Fedora and its
/// kin, SUSE, Alpine.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Certificates of all who are trusted anywhere are about 200 KiB.
const MOST_BYTES: usize = 4 << 20;

/// The certificates in the file `path`; `key` is what named it.
pub(super) fn trusted(path: &Path, key: &str, bench: Bench<'_>) -> Result<Arc<[u8]>, Wrong> {
    let shown = path.display();
    let help = format!(
        "`{key}` names a file with the certificates (PEM) of who signs those of the others"
    );
    let bytes = (bench.surroundings.read)(path, MOST_BYTES)
        .map_err(|error| wrong(format!("cannot read {shown}: {error}")).help(help.as_str()))?;
    evenkeel_engine::examine_roots(&bytes)
        .map_err(|why| wrong(format!("{shown} {why}")).help(help))?;
    Ok(bytes.into())
}

/// Whom this system trusts.
pub(super) fn system(bench: Bench<'_>) -> Result<Arc<[u8]>, Wrong> {
    let read = |path: &&str| (bench.surroundings.read)(Path::new(path), MOST_BYTES).ok();
    let found = SYSTEM_FILES.iter().find_map(read).filter(|bytes| !bytes.is_empty());
    found.map(Arc::from).ok_or_else(|| {
        wrong("this system has no list of whom it trusts, or it cannot be read")
            .help("install `ca-certificates`, or name a file with the certificates to trust")
    })
}
