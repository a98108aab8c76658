//! The whole test run: setup, tidy, every test, the short fault matrix, and one closing count.

mod report;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::tally::Tally;
use crate::{clock, command, out, setup, tidy};

/// End-to-end tests start the program they find under this name.
const BINARY_VARIABLE: &str = "EVENKEEL_BIN";

/// Whether nothing failed. Every step runs, also after a failure in an earlier one.
pub(crate) fn run(root: &Path) -> bool {
    let mut total = Tally::default();
    total += step("setup", || setup::run(root).map(|()| Tally::default()));
    total += step("tidy", || tidy::run(root));
    match build(root) {
        Ok(built) => {
            total += step("tests", || tests(root, &built));
            total += step("documentation tests", || documentation_tests(root));
            total += step("faults, short", || short_faults(root, &built));
        }
        Err(error) => total += step("build", || Err(error)),
    }
    for skipped in &total.skipped {
        out::say(&format!("skipped: {skipped}"));
    }
    out::say(&total.summary());
    total.is_clean()
}

/// A step that cannot be carried out counts as one failure.
fn step(name: &str, perform: impl FnOnce() -> Result<Tally>) -> Tally {
    out::say(&format!("==> {name}"));
    let start = clock::now();
    let tally = perform().unwrap_or_else(|error| {
        out::complain(&format!("{name}: {error:#}"));
        Tally::of(false)
    });
    out::say(&format!("<== {name}: {}, {} s", tally.summary(), start.elapsed().as_secs()));
    tally
}

/// In which everything of a run is built, so that nothing is compiled twice.
pub(crate) const PROFILE: &str = "fast";

/// With which everything of a run is built, too. What is left out without them is decided by
/// constants: there is no code that only one of the builds has, and clippy sees the other one.
const FEATURES: &str = "evenkeel/otel";

/// Every program of the workspace. Features are those of all of it, and with examples among what is
/// asked for also those that tests want: the very libraries that tests link later.
fn build(root: &Path) -> Result<Built> {
    let mut cargo = command::cargo(root);
    cargo.args(["build", "--quiet", "--profile", PROFILE, "--workspace", "--bins", "--examples"]);
    cargo.args(["--features", FEATURES]);
    if !command::succeeds(&mut cargo)? {
        bail!("the `{PROFILE}` profile does not build; the compiler's words are above");
    }
    Ok(Built(target_directory(root)?.join(PROFILE)))
}

/// A folder of programs.
struct Built(PathBuf);

impl Built {
    fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// Where cargo builds, which the environment or a config file may have moved.
pub(crate) fn target_directory(root: &Path) -> Result<PathBuf> {
    let metadata = tidy::metadata(root, &["--no-deps"])?;
    let directory = metadata["target_directory"].as_str();
    Ok(PathBuf::from(directory.context("cargo metadata names no target_directory")?))
}

fn tests(root: &Path, built: &Built) -> Result<Tally> {
    let mut cargo = command::cargo(root);
    cargo.env(BINARY_VARIABLE, built.program("evenkeel"));
    let nextest = command::find("cargo-nextest").is_some();
    if nextest {
        cargo.args(["nextest", "run", "--workspace", "--cargo-profile", PROFILE]);
        cargo.args(["--features", FEATURES]);
        cargo.args(["--no-fail-fast", "--no-tests", "pass"]);
        cargo.args(["--color", "never", "--success-output", "final"]);
    } else {
        out::say("cargo-nextest is not installed: plain `cargo test`");
        cargo.args(["test", "--workspace", "--profile", PROFILE, "--features", FEATURES]);
        cargo.args(["--lib", "--bins", "--tests", "--no-fail-fast"]);
        cargo.args(["--", "--show-output"]);
    }
    let mut report = if nextest { report::Report::nextest() } else { report::Report::libtest() };
    let status = command::watch(&mut cargo, |line| {
        if report.read(line) {
            out::say(line);
        }
    })?;
    let mut tally = report.tally();
    if !status.success() && tally.is_clean() {
        out::complain("tests: the run failed outside of a test; see above");
        tally += Tally::of(false);
    }
    Ok(tally)
}

fn documentation_tests(root: &Path) -> Result<Tally> {
    let mut cargo = command::cargo(root);
    cargo.args(["test", "--workspace", "--profile", PROFILE, "--features", FEATURES]);
    cargo.args(["--doc", "--quiet"]);
    let mut report = report::Report::libtest();
    let status = command::watch(&mut cargo, |line| {
        if report.read(line) {
            out::say(line);
        }
    })?;
    let mut tally = report.tally();
    if !status.success() && tally.is_clean() {
        tally += Tally::of(false);
    }
    Ok(tally)
}

/// The fault matrix of this build; whether every promise was kept.
pub(crate) fn faults(root: &Path, arguments: &[String]) -> Result<bool> {
    command::succeeds(matrix(root, &build(root)?).args(arguments))
}

fn matrix(root: &Path, built: &Built) -> Command {
    let mut matrix = Command::new(built.program("faults"));
    matrix.current_dir(root).env(BINARY_VARIABLE, built.program("evenkeel"));
    matrix
}

/// The matrix closes with a count in the form of ours; without one its exit status is one outcome.
fn short_faults(root: &Path, built: &Built) -> Result<Tally> {
    let mut matrix = matrix(root, built);
    matrix.arg("--short");
    let (mut counted, mut skipped) = (None, Vec::new());
    let status = command::watch(&mut matrix, |line| {
        if let Some(tally) = Tally::from_summary(line) {
            counted = Some(tally);
            return;
        }
        out::say(line);
        skipped.extend(report::reason_to_skip(line).map(|why| format!("faults: {why}")));
    })?;
    let mut tally = counted.unwrap_or_else(|| Tally::of(status.success()));
    if !status.success() && tally.is_clean() {
        tally += Tally::of(false);
    }
    // Those with a reason are among those counted.
    tally.unexplained = tally.unexplained.saturating_sub(skipped.len() as u64);
    tally.skipped = skipped;
    Ok(tally)
}
