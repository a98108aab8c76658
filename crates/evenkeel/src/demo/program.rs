//! Where programs are: `monitor` beside this one, or to be built from the same sources; databases
//! where the system has them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cli::out;

const NAME: &str = "monitor";

/// Finds `monitor`; under `cargo run` cargo sees to it that it is as new as this program.
pub(super) fn monitor() -> Result<PathBuf> {
    let own = env::current_exe().context("cannot find this program")?;
    let folder = own.parent().context("this program has no folder")?;
    let monitor = folder.join(NAME);
    let profile = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let manifest = env::var_os("CARGO_MANIFEST_DIR");
    if let Some((cargo, manifest)) = env::var_os("CARGO").zip(manifest) {
        build(Path::new(&cargo), Path::new(&manifest), profile)?;
    }
    if !monitor.is_file() {
        bail!(
            "the demo balances a service whose program is not there: put `{NAME}` beside {}, or \
             build both with `cargo build --release -p evenkeel -p {NAME}`",
            own.display()
        );
    }
    Ok(monitor)
}

/// Where daemons are, which the paths of ordinary users leave out.
const DAEMONS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Finds a program of the system. `option` wants it, `package` is what brings it on Debian.
pub(super) fn of_system(name: &str, option: &str, package: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(DAEMONS.map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.with_context(|| {
        format!(
            "`{option}` starts the program `{name}`, which is not on this machine: install it \
             (apt-get install {package}), or leave out `{option}`"
        )
    })
}

fn build(cargo: &Path, manifest: &Path, profile: &str) -> Result<()> {
    let arguments = arguments(profile);
    out::complain(&format!("building the service to be balanced: cargo {}", arguments.join(" ")));
    let mut command = Command::new(cargo);
    command.args(&arguments).current_dir(manifest);
    let status = command.status().with_context(|| format!("cannot start {}", cargo.display()))?;
    if !status.success() {
        bail!("{NAME} was not built; what cargo says is above");
    }
    Ok(())
}

/// `profile` is named by the folder it builds into.
fn arguments(profile: &str) -> Vec<String> {
    let profile = if profile == "debug" { "dev" } else { profile };
    ["build", "--quiet", "--package", NAME, "--profile", profile].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let error = of_system("no-such-program", "--redis", "redis-server").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`no-such-program`, which is not"), "{text}");
        assert!(text.contains("apt-get install redis-server), or leave out `--redis`"), "{text}");
    }

    #[test]
    fn it_is_built_like_this_program() {
        for (folder, profile) in [("release", "release"), ("debug", "dev"), ("fast", "fast")] {
            assert_eq!(arguments(folder).last().map(String::as_str), Some(profile));
        }
    }
}
