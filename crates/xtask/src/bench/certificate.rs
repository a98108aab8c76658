//! The certificate that all three show: one of ECDSA with P-256, signed by itself.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::scratch::{self, Scratch};
use crate::command;

/// Writes `site.pem`, `site.key` and, for haproxy, `both.pem`.
pub(super) fn make(scratch: &Scratch) -> Result<()> {
    let folder = scratch.path();
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder).args(["req", "-x509", "-nodes", "-days", "30"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example"]);
    openssl.args(["-addext", "basicConstraints=CA:FALSE"]);
    openssl.args(["-keyout", "site.key", "-out", "site.pem"]);
    let (status, _) = command::stdout_of(openssl.stderr(std::process::Stdio::null()))?;
    if !status.success() {
        bail!("openssl makes no certificate");
    }
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    scratch::write(folder, "both.pem", read("site.pem")? + &read("site.key")?)?;
    Ok(())
}
