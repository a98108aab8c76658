//! `monitor clone`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, absolute};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

use super::{args, out, read};
use crate::settings::{FILE, Settings};

/// Writes all that a further server needs: the program, the settings, the certificate. What the
/// site shows is in the program.
pub(super) fn clone(args: &args::CloneTo) -> Result<ExitCode> {
    // Settings that are not valid are not worth a copy.
    let settings = read(&args.file.settings)?;
    let to = &args.folder;
    fs::create_dir(to)
        .with_context(|| format!("cannot make {}; name a new folder", to.display()))?;
    let program = std::env::current_exe().context("cannot find this program")?;
    copy(&program, &to.join("monitor"), 0o755)?;
    let Settings { web, base, .. } = &settings;
    copy(&base.join(&web.certificate), &to.join("site.pem"), 0o644)?;
    copy(&base.join(&web.key), &to.join("site.key"), 0o600)?;
    let text = fs::read_to_string(&args.file.settings).context("cannot read the settings again")?;
    let (text, files) = rewritten(&text, base)?;
    let file = to.join(FILE);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))
        .context("cannot keep it secret")?;
    if files > 0 {
        out::complain(&format!(
            "{files} shards are files of this machine: the clone finds them here, and nowhere else"
        ));
    }
    out::say(&format!("{0}: `cd {0} && ./monitor comm` or `./monitor web`", to.display()));
    Ok(ExitCode::SUCCESS)
}

/// The settings with paths that hold in the clone, and how many shards are files.
fn rewritten(text: &str, base: &Path) -> Result<(String, usize)> {
    let mut settings: Table = text.parse().context("the settings changed meanwhile")?;
    let mut files = 0;
    let shards = settings.get_mut("store").and_then(|store| store.get_mut("shards"));
    for shard in shards.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(path) = shard.as_str().and_then(|shard| shard.strip_prefix("sqlite:")) else {
            continue;
        };
        let here = absolute(base.join(path)).context("the folder of the settings is gone")?;
        let Some(here) = here.to_str() else { bail!("{} is not UTF-8", here.display()) };
        *shard = Value::String(format!("sqlite:{here}"));
        files += 1;
    }
    if let Some(web) = settings.get_mut("web").and_then(Value::as_table_mut) {
        web.insert("certificate".to_owned(), "site.pem".into());
        web.insert("key".to_owned(), "site.key".into());
    }
    Ok((toml::to_string(&settings).context("settings are TOML")?, files))
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let cannot = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::copy(from, to).with_context(cannot)?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).with_context(cannot)
}
