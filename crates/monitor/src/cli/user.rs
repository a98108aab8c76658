//! `monitor user`.

use std::io::BufRead as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};

use super::args::{User, UserAction};
use super::{out, read, runtime};
use crate::protocol::is_device_name;
use crate::store::Store;
use crate::{key, password};

pub(super) fn user(args: &User) -> Result<ExitCode> {
    let store = Store::new(&read(&args.settings)?);
    let done = match &args.action {
        UserAction::Set { name, generate } => {
            if !is_device_name(name) {
                bail!("`{name}` is no name: write 1 to 64 letters, digits, `.`, `_` or `-`");
            }
            let password = if *generate { made()? } else { given()? };
            let hash = password::hash(&password).map_err(|error| anyhow!("{error}"))?;
            let done = runtime()?.block_on(store.set_user(name, &hash));
            if *generate && done.is_ok() {
                out::say(&password);
            }
            done
        }
        UserAction::Remove { name } => runtime()?.block_on(store.remove_user(name)),
    };
    done.map_err(|(shard, fault)| {
        anyhow!(fault).context(format!("users are on every shard, and {shard} is missing"))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn made() -> Result<String> {
    let secret = key::generate().context("the system gives no chance")?;
    // 64 bits of chance are enough where each try takes 50 ms, and can be typed.
    Ok(secret[..16].to_owned())
}

fn given() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    let letters = password.chars().count();
    if letters < password::SHORTEST || password.len() > password::LONGEST {
        bail!(
            "the password has {letters} letters; write {} to {}",
            password::SHORTEST,
            password::LONGEST
        );
    }
    Ok(password.to_owned())
}
