//! `monitor init`.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::{args, out};
use crate::settings::FILE;
use crate::web;

const SETTINGS: &str = r#"[store]
shards = ["sqlite:shard0.db", "sqlite:shard1.db", "sqlite:shard2.db"]

[comm]
bind = "0.0.0.0:5000"

[web]
bind = "0.0.0.0:8443"
certificate = "site.pem"
key = "site.key"
"#;

pub(super) fn init(args: &args::Init) -> Result<ExitCode> {
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(&folder.join(FILE), SETTINGS, 0o644)?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(args.host.iter().cloned());
    let (certificate, key) = web::self_signed(names)?;
    // The key first: a certificate without its key is of no use, and both belong together.
    if write(&folder.join("site.key"), &key, 0o600)? {
        let file = folder.join("site.pem");
        fs::write(&file, certificate)
            .with_context(|| format!("cannot write {}", file.display()))?;
        out::say(&file.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `file` unless it is there; says whether it wrote.
fn write(file: &Path, text: &str, mode: u32) -> Result<bool> {
    let cannot = || format!("cannot write {}", file.display());
    match File::options().write(true).create_new(true).mode(mode).open(file) {
        Ok(mut new) => {
            new.write_all(text.as_bytes()).with_context(cannot)?;
            out::say(&file.display().to_string());
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            out::complain(&format!("{} is there already and stays", file.display()));
            Ok(false)
        }
        Err(error) => Err(error).with_context(cannot),
    }
}
