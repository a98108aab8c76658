//! `evenkeel pair`

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use evenkeel_control::PairSecret;

use super::out;
use crate::args::{self, InitPair, PairDeed};

pub(crate) fn pair(args: &args::Pair) -> Result<ExitCode> {
    match &args.deed {
        PairDeed::Init(args) => init(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn init(InitPair { out: path }: &InitPair) -> Result<()> {
    let shown = path.display();
    let secret = PairSecret::fresh().context("the system gives no random bytes")?;
    // A secret that others could read for a moment would be none.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} is there already: remove it first, on both nodes, or name another file")
        }
        opened => opened.with_context(|| format!("cannot write {shown}"))?,
    };
    let written = file.write_all(secret.to_text().as_bytes()).and_then(|()| file.sync_all());
    written.with_context(|| format!("cannot write {shown}"))?;
    out::say(&format!(
        "{shown} is written. Copy it to the other node over a way that nobody else reads,\n\
         and write on both nodes, with the addresses the other way round:\n\n\
         [pair]\nbind = \"OWN ADDRESS:7071\"\npeer = \"OTHER ADDRESS:7071\"\nsecret_file = \"{shown}\""
    ));
    Ok(())
}
