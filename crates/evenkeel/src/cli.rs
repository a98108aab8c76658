//! The verbs that end at once, one file each, and what they say.

pub(crate) mod check;
pub(crate) mod document;
pub(crate) mod out;
pub(crate) mod reload;
pub(crate) mod server;
pub(crate) mod status;
pub(crate) mod summary;
mod table;

use anyhow::Result;
use evenkeel_api::Client;
use serde::Serialize;

use crate::args::Target;

/// A client for the node that was named.
fn client(target: &Target) -> Result<Client> {
    let Target { admin, token } = target;
    Ok(Client::new(admin, token.clone())?)
}

/// A document, as programs read it.
fn say_json(document: &impl Serialize) -> Result<()> {
    out::say(&serde_json::to_string_pretty(document)?);
    Ok(())
}
