//! The rules of the house. Each is a function over text or metadata, in a file of its own.

mod arrows;
mod dashboard;
mod forbidden;
mod graph;
mod length;
mod openapi;
mod source;
mod unsafety;
mod waits;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use graph::Graph;
use source::Source;

use crate::tally::Tally;
use crate::{command, out, suite};

/// Applies every rule; prints each finding under its rule's name.
pub(crate) fn run(root: &Path) -> Result<Tally> {
    let graph = Graph::read(&metadata(root, &[])?)?;
    let sources = sources(root)?;
    let mut total = Tally::default();
    total += judge("arrows between crates", &arrows::check(&graph));
    total += judge("core's dependencies", &forbidden::check(&graph));
    total += judge("unsafe", &unsafety::check(&sources));
    total += judge("lengths", &length::check(&sources));
    total += judge("waits in tests", &waits::check(&sources));
    total += judge("openapi", &openapi(root)?);
    total += match dashboard::look(root)? {
        dashboard::Look::Taken(findings) => judge("dashboard", &findings),
        dashboard::Look::Skipped(why) => {
            out::say(&format!("tidy: dashboard: SKIPPED: {why}"));
            Tally::skip("tidy dashboard", why)
        }
    };
    total += judge("fmt", &passes(command::cargo(root).args(["fmt", "--all", "--check"]))?);
    let mut clippy = command::cargo(root);
    clippy.args(["clippy", "--quiet", "--profile", suite::PROFILE, "--workspace"]);
    clippy.args(["--all-targets", "--", "-D", "warnings"]);
    total += judge("clippy", &passes(&mut clippy)?);
    total += if command::find("cargo-deny").is_some() {
        judge("deny", &passes(command::cargo(root).args(["deny", "--workspace", "check"]))?)
    } else {
        out::say("tidy: deny: SKIPPED: cargo-deny is not installed");
        Tally::skip("tidy deny", "cargo-deny is not installed")
    };
    Ok(total)
}

/// What `cargo metadata` says of this workspace.
pub(crate) fn metadata(root: &Path, options: &[&str]) -> Result<serde_json::Value> {
    let mut cargo = command::cargo(root);
    cargo.args(["metadata", "--format-version", "1"]).args(options);
    let (status, text) = command::stdout_of(&mut cargo)?;
    if !status.success() {
        bail!("cargo metadata failed; its own words are above");
    }
    serde_json::from_str(&text).context("cargo metadata printed something other than JSON")
}

fn judge(rule: &str, findings: &[String]) -> Tally {
    for finding in findings {
        out::say(&format!("tidy: {rule}: {finding}"));
    }
    if findings.is_empty() {
        out::say(&format!("tidy: {rule}: ok"));
    }
    Tally::of(findings.is_empty())
}

/// A rule that is another program's; it has printed what it found.
fn passes(program: &mut Command) -> Result<Vec<String>> {
    let passed = command::succeeds(program)?;
    Ok(if passed { Vec::new() } else { vec!["see above".to_owned()] })
}

fn openapi(root: &Path) -> Result<Vec<String>> {
    let mut cargo = command::cargo(root);
    cargo.args(["build", "--quiet", "--profile", suite::PROFILE, "--workspace"]);
    cargo.args(["--example", "openapi"]);
    if !command::succeeds(&mut cargo)? {
        return Ok(vec!["does not build; see above".to_owned()]);
    }
    let examples = suite::target_directory(root)?.join(suite::PROFILE).join("examples");
    let (status, printed) = command::stdout_of(&mut Command::new(examples.join("openapi")))?;
    if !status.success() {
        return Ok(vec![format!("`{}` failed; see above", openapi::COMMAND)]);
    }
    // A file that is not there is as stale as an empty one.
    let committed = fs::read_to_string(root.join(openapi::FILE)).unwrap_or_default();
    Ok(openapi::check(&committed, &printed).into_iter().collect())
}

/// Every Rust file of ours.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.join("crates"), root.join("fuzz")];
    folders.retain(|folder| folder.is_dir());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let path: PathBuf = entry.with_context(|| folder.display().to_string())?.path();
            if path.is_dir() {
                let ours = path.file_name().is_some_and(|name| name != "target");
                folders.extend(ours.then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let inside = path.strip_prefix(root).unwrap_or(&path);
                sources.push(Source::new(&inside.to_string_lossy(), &text));
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}
