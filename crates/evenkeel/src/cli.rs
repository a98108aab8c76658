//! The verbs that end at once, one file each, and what they say.

pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod document;
pub(crate) mod explain;
pub(crate) mod out;
pub(crate) mod pair;
pub(crate) mod reload;
pub(crate) mod server;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod upgrade;
pub(crate) mod vip;
pub(crate) mod why;

use std::{env, fs};

use anyhow::{Context as _, Result};
use evenkeel_api::Client;
use serde::Serialize;

use crate::args::Target;

/// A client for the node that was named.
pub(crate) fn client(target: &Target) -> Result<Client> {
    let Target { admin, token_file } = target;
    let token = match token_file {
        Some(path) => {
            let failed = || format!("cannot read the token file {}", path.display());
            Some(fs::read_to_string(path).with_context(failed)?.trim().to_owned())
        }
        None => env::var("EVENKEEL_TOKEN").ok(),
    };
    Ok(Client::new(admin, token)?)
}

/// A document, as programs read it.
pub(crate) fn say_json(document: &impl Serialize) -> Result<()> {
    out::say(&serde_json::to_string_pretty(document)?);
    Ok(())
}
