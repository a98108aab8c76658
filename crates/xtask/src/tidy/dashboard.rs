//! The page that is checked in is the one its sources build.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::command;

/// Sources of the page, beside them what they build.
const FOLDER: &str = "dashboard";

/// What the program holds.
const BUILT: &str = "dashboard/dist";

/// Builds it anew.
const COMMAND: &str = "npm --prefix dashboard ci && npm --prefix dashboard run build";

/// As `engines` of `package.json` says.
const OLDEST_NODE: u32 = 20;

/// What the sources are found to be.
pub(super) enum Look {
    Taken(Vec<String>),
    /// Why there was none.
    Skipped(&'static str),
}

/// Types, tests of what the page decides, and the build, which is compared byte by byte.
pub(super) fn look(root: &Path) -> Result<Look> {
    if command::find("npm").is_none() || command::find("node").is_none() {
        return Ok(Look::Skipped("node and npm are not installed"));
    }
    let (_, version) = command::stdout_of(Command::new("node").arg("--version"))?;
    if major(&version) < OLDEST_NODE {
        return Ok(Look::Skipped("node is older than what builds the page"));
    }
    let folder = root.join(FOLDER);
    if !is_installed(&folder) && !quietly(npm(&folder).args(["ci", "--ignore-scripts"]))? {
        return Ok(Look::Skipped("npm cannot have what package-lock.json names"));
    }
    let mut findings = Vec::new();
    for script in ["check", "test"] {
        if !quietly(npm(&folder).args(["run", script]))? {
            findings.push(format!("`npm --prefix {FOLDER} run {script}` fails; see there"));
        }
    }
    let fresh = folder.join("out/dist");
    let build = ["run", "build", "--", "--emptyOutDir", "--outDir", "out/dist"];
    if quietly(npm(&folder).args(build))? {
        findings.extend(compare(&files(&root.join(BUILT))?, &files(&fresh)?));
    } else {
        findings.push(format!("`{COMMAND}` fails; see there"));
    }
    Ok(Look::Taken(findings))
}

/// Of `v20.19.1`; 0 for what is no version.
fn major(version: &str) -> u32 {
    let digits = version.trim_start_matches('v').split('.').next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// Whether npm has put there what the lock file names, as the note it leaves says.
fn is_installed(folder: &Path) -> bool {
    let changed = |name: &str| fs::metadata(folder.join(name)).and_then(|it| it.modified());
    match (changed("node_modules/.package-lock.json"), changed("package-lock.json")) {
        (Ok(installed), Ok(wanted)) => installed >= wanted,
        _ => false,
    }
}

fn npm(folder: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["--silent", "--prefer-offline", "--no-audit", "--no-fund"]);
    npm
}

/// What it prints is of use to whoever runs it by hand.
fn quietly(program: &mut Command) -> Result<bool> {
    command::succeeds(program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
}

fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, fs::read(&path)?))
    };
    let files: std::io::Result<_> = entries.map(read).collect();
    files.with_context(|| format!("cannot read what is in {}", folder.display()))
}

fn compare(
    committed: &BTreeMap<String, Vec<u8>>,
    fresh: &BTreeMap<String, Vec<u8>>,
) -> Vec<String> {
    let mut names: Vec<&String> = committed.keys().chain(fresh.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| committed.get(*name) != fresh.get(*name));
    names.iter().map(|name| format!("{BUILT}/{name}: stale; `{COMMAND}` renews it")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        let file = |(name, text): &(&str, &str)| ((*name).to_owned(), text.as_bytes().to_vec());
        files.iter().map(file).collect()
    }

    #[test]
    fn versions_of_node_are_read() {
        for (written, number) in [("v20.19.1\n", 20), ("v8.0.0", 8), ("", 0), ("none", 0)] {
            assert_eq!(major(written), number, "{written:?}");
        }
    }

    #[test]
    fn what_differs_is_named_once() {
        let committed = folder(&[("index.html", "a"), ("page.js", "old"), ("gone.css", "")]);
        let fresh = folder(&[("index.html", "a"), ("page.js", "new"), ("come.css", "")]);
        let findings = compare(&committed, &fresh).join("\n");
        let named: Vec<_> = findings.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(
            named,
            ["come.css", "gone.css", "page.js"].map(|name| format!("{BUILT}/{name}"))
        );
        assert!(compare(&committed, &committed).is_empty());
    }
}
