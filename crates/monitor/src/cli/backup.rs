//! `monitor backup` and `monitor restore`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{args, out, read, runtime};
use crate::clock;
use crate::settings::FILE;
use crate::store::{Shard, Store, Sums};

/// What a whole backup has: the sums of each shard.
const MANIFEST: &str = "manifest.json";
/// Backups of ours are named so, followed by their time.
const PREFIX: &str = "backup-";

pub(super) fn backup(args: &args::Backup) -> Result<ExitCode> {
    let store = Store::new(&read(&args.file.settings)?);
    let folder = args.folder.join(format!("{PREFIX}{}", clock::now_ms()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let runtime = runtime()?;
    // Sessions with servers live in the runtime.
    let _inside = runtime.enter();
    let mut manifest = BTreeMap::new();
    for shard in store.shards() {
        let sums = copy(shard, &folder).with_context(|| {
            format!("{} is not copied; {} is not whole", shard.name(), folder.display())
        })?;
        out::say(&format!("{}: {}", shard.name(), rows(&sums)));
        manifest.insert(shard.name().to_owned(), sums);
    }
    let text = serde_json::to_string_pretty(&manifest).context("a manifest is JSON")?;
    let file = folder.join(MANIFEST);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    fs::copy(&args.file.settings, folder.join(FILE)).context("cannot copy the settings")?;
    out::say(&folder.display().to_string());
    prune(&args.folder, args.keep)?;
    Ok(ExitCode::SUCCESS)
}

/// Copies a shard, and reads the copy back.
fn copy(shard: &std::sync::Arc<Shard>, folder: &Path) -> Result<Sums> {
    let file = folder.join(format!("{}.db", shard.name()));
    let sums = shard.copy_to(&file)?;
    check(shard, &file, &sums)?;
    Ok(sums)
}

fn check(shard: &Shard, file: &Path, sums: &Sums) -> Result<()> {
    if Shard::in_file(shard.index(), file).sums()? != *sums {
        bail!("{} does not hold what was copied into it", file.display());
    }
    Ok(())
}

pub(super) fn restore(args: &args::Restore) -> Result<ExitCode> {
    let store = Store::new(&read(&args.settings)?);
    let file = args.backup.join(MANIFEST);
    let text = fs::read_to_string(&file)
        .with_context(|| format!("{} is no whole backup", args.backup.display()))?;
    let manifest: BTreeMap<String, Sums> = serde_json::from_str(&text)
        .with_context(|| format!("{} is not understood", file.display()))?;
    if manifest.len() != store.shards().len() {
        let (there, wanted) = (manifest.len(), store.shards().len());
        bail!("the backup has {there} shards, the settings {wanted}");
    }
    let runtime = runtime()?;
    let _inside = runtime.enter();
    for shard in store.shards() {
        let file = args.backup.join(format!("{}.db", shard.name()));
        let sums = manifest.get(shard.name()).ok_or_else(|| anyhow!("no {}", shard.name()))?;
        if !file.is_file() {
            bail!("{} is missing", file.display());
        }
        check(shard, &file, sums)?;
        if shard.fill_from(&file)? != *sums {
            bail!("{} does not hold what is in the backup", shard.name());
        }
        out::say(&format!("{}: {}", shard.name(), rows(sums)));
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(sums: &Sums) -> String {
    let tables = sums.iter().map(|(table, sum)| format!("{} {table}", sum.rows));
    tables.collect::<Vec<_>>().join(", ")
}

/// Removes all but the newest `keep` whole backups.
fn prune(folder: &Path, keep: usize) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut whole: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let at = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
            path.join(MANIFEST).is_file().then_some((at, path))
        })
        .collect();
    whole.sort_unstable_by(|one, other| other.cmp(one));
    for (_, path) in whole.into_iter().skip(keep.max(1)) {
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}
